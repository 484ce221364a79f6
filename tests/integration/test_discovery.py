"""Discovery from end to end: the daemon lists the simulated AWS by the real client, and watches what it finds."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import aiohttp
import pytest
from structlog.testing import capture_logs

from tests.integration.conftest import FAST, VALID, a_config, a_stack, running
from tests.support.dynamodb_tables import address, made
from tests.support.simulator import Simulator
from tests.support.waiting import until
from watcher.app import discovery
from watcher.core.discovery import MISSES
from watcher.core.listings import Listing, ListingKey
from watcher.core.settings import Account, DiscoverRule, Http, RateLimit
from watcher.errors import StoreError
from watcher.simulator.faults import Fault
from watcher.simulator.inventory import ACCOUNT, Place, Repository
from watcher.simulator.scenario import FaultWindow, Scenario
from watcher.simulator.subject import Span, Subject, SyncSettings
from watcher.simulator.timeline import Scene, Timeline, Unsynced
from watcher.sources.codeconnections import REPOSITORY, STACK
from watcher.sources.proton import REPOSITORY as PROTON_REPOSITORY
from watcher.sources.proton import SERVICE_INSTANCE, TEMPLATE
from watcher.stores import store_for
from watcher.stores.dynamodb.store import DynamoStore
from watcher.stores.sqlite.store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from tests.integration.conftest import Watch
    from tests.support.emulators import Emulator
    from watcher.core.ports import Entry

QUIET = Timeline((Scene(Unsynced()),))
LISTINGS = 0.1
"""Seconds between two listings: `every` of the rules here."""
KEY = ListingKey("default", "us-east-1", "stack")


def stacks(*subjects: str | Subject, **more: Any) -> Scenario:
    made = [each if isinstance(each, Subject) else a_subject(each) for each in subjects]
    return Scenario("a test", tuple((each, QUIET) for each in made), page_size=2, **more)


def a_subject(name: str, **more: Any) -> Subject:
    return Subject(STACK, (("name", name),), **more)


def rule(*kinds: Any, **more: Any) -> DiscoverRule:
    # The stacks share a repository: once it has answered, they are polled only every `backstop_interval`.
    watching = {**FAST, "backstop_interval": FAST["interval"], **more.pop("watching", {})}
    return DiscoverRule(kinds or (STACK,), (("default", "us-east-1"),), every=LISTINGS, watching=watching, **more)


@dataclass
class House:
    """A simulated AWS whose time a test sets, and the settings of a daemon that watches it."""

    simulator: Simulator
    moment: list[float]

    def config(self, *rules: DiscoverRule, **more: Any) -> Any:
        # A target that is gone is not readable, either: not what is tested here.
        settings = {"unreadable_after": 10_000, "discover": rules or (rule(),), **more}
        return a_config(self.simulator.url, settings.pop("targets", ()), **settings)

    def listings(self, operation: str = "ListRepositoryLinks") -> int:
        return sum(call.operation == operation for call in self.simulator.calls)

    async def listed(self, watch: Watch, count: int = 1) -> None:
        """Wait until so many more listings were complete."""
        await watch.until(lambda: KEY in watch.app.discovery.listings)
        for _ in range(count):
            before = watch.app.discovery.listings[KEY].completed_at
            await watch.until(lambda before=before: watch.app.discovery.listings[KEY].completed_at != before)


@asynccontextmanager
async def simulated(scenario: Scenario) -> AsyncIterator[House]:
    begun, moment = time.time(), [0.0]
    simulator = Simulator(scenario, clock=lambda: begun + moment[0])
    await simulator.start()
    try:
        yield House(simulator, moment)
    finally:
        await simulator.stop()


async def events(watch: Watch, *kinds: str) -> list[dict[str, Any]]:
    """Wait for events of exactly these kinds, in their order."""
    await watch.until(lambda: len(watch.caught.events) >= len(kinds))
    assert watch.kinds() == [f"target.{kind}" for kind in kinds]
    return watch.caught.events


def names(watch: Watch) -> set[str]:
    return {target.name for target in watch.app.view.config.targets}


async def test_what_the_first_listing_finds_is_watched_without_events_and_later_finds_and_losses_are_events() -> None:
    late, gone = a_subject("late", absent=(Span(0, 10),)), a_subject("gone", absent=(Span(20, 30),))
    async with simulated(stacks("a", "b", "c", late, gone)) as house, running(house.simulator, house.config()) as watch:
        await watch.until(lambda: names(watch) == {"a", "b", "c", "gone"})
        await watch.polls(2)
        assert watch.kinds() == []
        house.moment[0] = 10
        (found,) = await events(watch, "discovered")
        assert found["subject"] == "default/us-east-1/stack/late"
        target = found["data"]["target"]
        assert {name: target[name] for name in ("repository", "branch", "config_file")} == {
            "repository": "example-org/infrastructure",
            "branch": "main",
            "config_file": late.config_file,
        }
        assert target["connection"].startswith("arn:aws:codeconnections:us-east-1:")
        await watch.until(lambda: "late" in names(watch))
        house.moment[0] = 20
        removed = (await events(watch, "discovered", "removed"))[1]
        assert removed["subject"] == "default/us-east-1/stack/gone"
        await watch.until(lambda: names(watch) == {"a", "b", "c", "late"})
        house.moment[0] = 30
        again = (await events(watch, "discovered", "removed", "discovered"))[2]
        assert again["subject"] == "default/us-east-1/stack/gone"
        assert [event["data"]["sequence"] for event in (removed, again)] == [1, 2]


async def test_a_discovered_target_is_polled_as_its_rule_says_and_its_failure_is_an_event() -> None:
    async with simulated(stacks("a")) as house:
        config = house.config(rule(watching={"labels": {"found": "true"}}))
        async with running(house.simulator, config) as watch:
            await watch.until(lambda: names(watch) == {"a"})
            watch.show(a_stack("a"), "FAILED", 1)
            (event,) = await watch.events(1)
            assert event["type"] == "watcher.sync.failed"
            assert event["data"]["target"]["labels"] == {"found": "true"}
            assert event["data"]["target"]["repository"] == "example-org/infrastructure"


@pytest.mark.parametrize(
    "window",
    [
        FaultWindow(Fault("access_denied"), operation="ListRepositoryLinks", begin=10, end=20),
        FaultWindow(Fault("access_denied"), operation="ListSyncConfigurations", begin=10, end=20),
        FaultWindow(Fault("server_error"), operation="ListSyncConfigurations", page=2, begin=10, end=20),
        FaultWindow(Fault("half_json"), operation="ListSyncConfigurations", page=2, begin=10, end=20),
    ],
    ids=["denied", "denied in part", "second page", "not JSON"],
)
async def test_a_listing_that_fails_changes_nothing(window: FaultWindow) -> None:
    gone, late = a_subject("gone", absent=(Span(10),)), a_subject("late", absent=(Span(0, 10),))
    scenario = stacks("a", "b", gone, late, fault_windows=(window,))
    async with simulated(scenario) as house, running(house.simulator, house.config()) as watch:
        await watch.until(lambda: names(watch) == {"a", "b", "gone"})
        with capture_logs() as logs:
            house.moment[0] = 10
            failing = house.listings()
            await watch.until(lambda: house.listings() > failing + 4)
            failed = [line for line in logs if line["event"] == "listing.failed"]
        assert [line["listing"] for line in failed] == ["default/us-east-1/stack"]
        assert (names(watch), watch.kinds()) == ({"a", "b", "gone"}, [])
        assert watch.app.polling.lister.runs()[KEY].error == failed[0]["error"]
        house.moment[0] = 20
        await watch.until(lambda: names(watch) == {"a", "b", "late"})
        await watch.until(lambda: sorted(watch.kinds()) == ["target.discovered", "target.removed"])
        assert watch.app.polling.lister.runs()[KEY].error == ""


async def test_a_target_that_is_found_does_not_ask_again_for_blockers_that_are_denied() -> None:
    late = a_subject("late", absent=(Span(0, 10),))
    denied = FaultWindow(Fault("access_denied"), operation="GetSyncBlockerSummary")
    async with (
        simulated(stacks("a", late, fault_windows=(denied,))) as house,
        running(house.simulator, house.config()) as watch,
    ):
        await watch.until(lambda: names(watch) == {"a"})
        watch.show(a_stack("a"), "FAILED", 1)
        await watch.until(lambda: house.listings("GetSyncBlockerSummary") > 0)
        house.moment[0] = 10
        await watch.until(lambda: names(watch) == {"a", "late"})
        await watch.polls(20)
        assert house.listings("GetSyncBlockerSummary") == 1


async def test_a_failing_listing_holds_up_no_other() -> None:
    denied = FaultWindow(Fault("access_denied"), operation="ListEnvironmentTemplates")
    async with (
        simulated(stacks("a", fault_windows=(denied,))) as house,
        running(house.simulator, house.config(rule(TEMPLATE), rule())) as watch,
    ):
        await watch.until(lambda: names(watch) == {"a"})
        await house.listed(watch, 2)


async def test_each_kind_is_discovered() -> None:
    subjects = [
        a_subject("a", repository="org/infra", branch="release"),
        Subject(TEMPLATE, (("type", "SERVICE"), ("name", "web"), ("version", "2")), repository="org/templates"),
        Subject(SERVICE_INSTANCE, (("service", "shop"), ("name", "shop-prod")), repository="org/shop"),
    ]
    kinds = (STACK, TEMPLATE, SERVICE_INSTANCE)
    rules = [*map(rule, kinds), rule(REPOSITORY, PROTON_REPOSITORY)]
    async with simulated(stacks(*subjects)) as house, running(house.simulator, house.config(*rules)) as watch:
        ids = {
            "stack/a",
            "template/SERVICE/web/2",
            "service-instance/shop/shop-prod",
            f"repository/codeconnections/{_link(house, 'org/infra')}/release",
            "repository/proton/GITHUB/org%2Ftemplates/main/TEMPLATE_SYNC",
            "repository/proton/GITHUB/org%2Fshop/main/SERVICE_SYNC",
        }
        await watch.until(lambda: {target.id.split("/", 2)[2] for target in watch.app.view.config.targets} == ids)
        assert all(target.found and target.found["repository"] for target in watch.app.view.config.targets)


def _link(house: House, name: str) -> str:
    links = house.simulator.world.inventory(Place(ACCOUNT, "us-east-1")).links
    return next(link for link, each in links.items() if each.name == name)


async def test_a_stack_that_moves_to_another_branch_is_the_same_target() -> None:
    moving = a_subject("a", settings=SyncSettings(moves=((10, "release"),)))
    async with simulated(stacks(moving)) as house, running(house.simulator, house.config()) as watch:
        await watch.until(lambda: names(watch) == {"a"})
        house.moment[0] = 10

        def branch() -> str | None:
            (target,) = watch.app.view.config.targets
            assert target.found is not None
            return target.found["branch"] if target.repository and target.repository.branch == "release" else None

        assert await until(branch) == "release"
        assert watch.kinds() == []


async def test_a_repository_that_disappears_takes_its_stacks_with_it_after_three_listings() -> None:
    scenario = stacks(
        "a",
        a_subject("b", repository="org/gone"),
        repositories=(Repository("org/gone", absent=(Span(10),)),),
    )
    async with simulated(scenario) as house, running(house.simulator, house.config()) as watch:
        await watch.until(lambda: names(watch) == {"a", "b"})
        house.moment[0] = 10
        (removed,) = await events(watch, "removed")
        assert removed["subject"] == "default/us-east-1/stack/b"


async def test_a_restart_continues_with_the_kept_listing(tmp_path: Path) -> None:
    state = f"sqlite:///{tmp_path / 'watcher.db'}"
    late = a_subject("late", absent=(Span(0, 10),))
    hourly = replace(rule(), every=3600.0)
    async with simulated(stacks("a", late)) as house:
        async with running(house.simulator, house.config(state=state)) as watch:
            await watch.until(lambda: names(watch) == {"a"})
            await house.listed(watch)
        house.moment[0] = 10
        calls = house.listings()
        async with running(house.simulator, house.config(hourly, state=state)) as watch:
            await watch.polls(3)
            assert (names(watch), house.listings()) == ({"a"}, calls)
        async with running(house.simulator, house.config(state=state)) as watch:
            (event,) = await events(watch, "discovered")
            assert event["subject"] == "default/us-east-1/stack/late"
        without = house.config(state=state, targets=[a_stack("a")])
        async with running(house.simulator, replace(without, discover=())) as watch:
            await watch.polls(2)
        store = store_for(state)
        await store.open()
        assert await store.listings() == {}
        await store.close()


async def test_a_reload_changes_what_the_rules_select_without_events() -> None:
    async with simulated(stacks("prod-a", "prod-b", "dev-a")) as house:
        config = house.config(rule(match=("prod-*",)))
        async with running(house.simulator, config) as watch:
            await watch.until(lambda: names(watch) == {"prod-a", "prod-b"})
            await watch.app.apply(replace(config, discover=(rule(match=("*-a",)),)))
            assert names(watch) == {"prod-a", "dev-a"}
            await house.listed(watch, 2)
            await watch.app.apply(replace(config, discover=(), targets=(a_stack("dev-a"),)))
            assert (names(watch), watch.app.discovery.listings) == ({"dev-a"}, {})
            assert watch.kinds() == []
            await watch.app.apply(config)
            await watch.until(lambda: names(watch) == {"prod-a", "prod-b"})
            assert watch.kinds() == []


async def test_a_listed_target_keeps_its_settings_and_a_limit_is_reported_once() -> None:
    async with simulated(stacks("a", "b", "c", "d")) as house:
        listed = a_stack("b", interval=0.2)
        config = house.config(rule(limit=2), targets=[listed])
        with capture_logs() as logs:
            async with running(house.simulator, config) as watch:
                await watch.until(lambda: names(watch) == {"a", "b", "c"})
                await house.listed(watch, 3)
                target = watch.app.view.config.targets_by_id[listed.id]
                assert target.repository is not None, "the listing names it"
                assert replace(target, repository=None, found=None) == listed
        (limited,) = [line for line in logs if line["event"] == "targets.limited"]
        assert (limited["left_out"], limited["limit"]) == (1, 2)


async def test_listings_and_polls_together_keep_to_the_rate() -> None:
    async with simulated(stacks(*(f"s{number}" for number in range(12)))) as house:
        account = Account("default", ("us-east-1",), endpoint_url=house.simulator.url, rate_limit=RateLimit(20, 10))
        config = house.config(accounts={"default": account})
        async with running(house.simulator, config) as watch:
            await watch.until(lambda: len(names(watch)) == 12)
            await house.listed(watch, 2)  # though each target alone asks for ten calls a second
            at = [call.at for call in house.simulator.calls]
        assert all(later - earlier >= 0.9 for earlier, later in zip(at, at[21:], strict=False))


async def test_the_page_and_the_metrics_show_what_is_found_and_how_old_the_listing_is() -> None:
    denied = FaultWindow(Fault("access_denied"), operation="ListEnvironmentTemplates")
    async with simulated(stacks("a", "b", "c", fault_windows=(denied,))) as house:
        config = house.config(rule(match=("a", "b")), rule(TEMPLATE), targets=[a_stack("c")], http=Http("127.0.0.1", 0))
        async with running(house.simulator, config) as watch, aiohttp.ClientSession() as session:
            await watch.until(lambda: names(watch) == {"a", "b", "c"} and watch.app.web.url is not None)
            await watch.until(lambda: all(run.tried for run in watch.app.polling.lister.runs().values()))

            async def get(path: str) -> Any:
                async with session.get(f"{watch.app.web.url}{path}") as response:
                    assert response.status == 200
                    return await response.text()

            templates, found = json.loads(await get("/api/listings"))["listings"]
            assert (templates["kind"], templates["api"], templates["completed_at"]) == ("template", "proton", None)
            assert "AccessDeniedException" in templates["error"]
            assert (found["kind"], found["found"], found["watched"], found["error"]) == ("stack", 3, 2, None)
            assert found["completed_at"] is not None
            rows = {row["name"]: row for row in json.loads(await get("/api/targets"))["targets"]}
            assert {name: row["discovered"] for name, row in rows.items()} == {"a": True, "b": True, "c": False}
            lines = [line for line in (await get("/metrics")).splitlines() if line.startswith("watcher_discovered")]
            assert sorted(lines) == [
                f'watcher_discovered_targets{{account="default",kind="{kind}",region="us-east-1"}} {count}'
                for kind, count in (("stack", "2.0"), ("template", "0.0"))
            ]


async def test_a_daemon_with_rules_alone_is_ready_when_each_endpoint_was_asked() -> None:
    denied = FaultWindow(Fault("access_denied"), operation="ListRepositoryLinks")
    async with (
        simulated(stacks("a", fault_windows=(denied,))) as house,
        running(house.simulator, house.config()) as watch,
    ):
        assert watch.app.view.unready() != []
        await watch.until(lambda: house.listings() > 0 and watch.app.view.unready() == [])
        assert names(watch) == set()


async def test_an_endpoint_of_which_only_listings_are_made_is_unreadable_while_they_fail(tmp_path: Path) -> None:
    denied = FaultWindow(Fault("access_denied"), end=10, operation="ListRepositoryLinks")
    async with simulated(stacks("a", fault_windows=(denied,))) as house:
        config = house.config(state=f"sqlite:///{tmp_path / 'watcher.db'}", unreadable_after=3)
        async with running(house.simulator, config) as watch:
            await watch.until(lambda: watch.kinds() == ["endpoint.unreadable"])
            (unreadable,) = watch.caught.events
            assert unreadable["subject"] == "default/us-east-1/codeconnections"
            assert (unreadable["data"]["endpoint"]["targets"], unreadable["data"]["error"]["attempts"]) == (0, 3)
            VALID.validate(unreadable)
        async with running(house.simulator, config) as watch:
            house.moment[0] = 10
            await watch.until(lambda: watch.kinds() == ["endpoint.readable"])
            assert watch.caught.events[0]["data"]["incident"]["id"] == unreadable["data"]["incident"]["id"]
            await watch.until(lambda: names(watch) == {"a"})


async def test_a_crash_after_a_listing_was_kept_reports_at_the_next_start_what_it_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = f"sqlite:///{tmp_path / 'watcher.db'}"
    gone = a_subject("gone", absent=(Span(10),))
    commit, stopped = SqliteStore.commit, asyncio.Event()
    async with simulated(stacks("a", gone)) as house:
        config = house.config(state=state, shutdown_grace=0.2)

        async def unless_removed(store: SqliteStore, entries: Sequence[Entry], now: datetime) -> None:
            if any(event.type == "watcher.target.removed" for entry in entries for event, _ in entry.events):
                stopped.set()
                await asyncio.Event().wait()  # as if the power failed now
            await commit(store, entries, now)

        with monkeypatch.context() as patched:
            patched.setattr(SqliteStore, "commit", unless_removed)
            with pytest.raises(StoreError, match="could not be stored within the grace"):  # noqa: PT012  it ends the block
                async with running(house.simulator, config) as watch:
                    await watch.until(lambda: names(watch) == {"a", "gone"})
                    watch.show(a_stack("gone"), "FAILED", 1)
                    await watch.until(lambda: watch.kinds() == ["sync.failed"])
                    house.moment[0] = 10
                    await watch.until(stopped.is_set)
        async with running(house.simulator, config) as watch:
            (removed,) = await events(watch, "removed")
            assert (removed["subject"], removed["data"]["sequence"]) == ("default/us-east-1/stack/gone", 2)
            assert removed["data"]["incident"]["state"] == "resolved"
            assert names(watch) == {"a"}


async def test_daemons_of_one_table_watch_what_either_finds_and_each_event_comes_once(
    ministack: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery, "REFRESH_SECONDS", 0.2)
    where = await made(address(ministack.url, leases=True))
    state = f"dynamodb://{where.table}?region=us-east-1&endpoint_url={quote(ministack.url, safe='')}&leases=on&term=5s"
    regions = ("us-east-1", "us-west-2", "eu-west-1", "eu-north-1")
    late = a_subject("late", absent=(Span(0, 10), Span(20)))
    async with simulated(stacks("a", late)) as house:
        account = Account("default", regions, endpoint_url=house.simulator.url, rate_limit=RateLimit(200, 10))
        unpolled = {"interval": 60.0, "backstop_interval": 60.0}
        everywhere = replace(rule(watching=unpolled), places=tuple(("default", region) for region in regions))
        config = house.config(everywhere, accounts={"default": account}, state=state)

        def found(watch: Watch) -> set[str]:
            return {f"{target.region}/{target.name}" for target in watch.app.view.config.targets}

        first, both = {f"{region}/a" for region in regions}, {f"{r}/{n}" for r in regions for n in ("a", "late")}
        async with running(house.simulator, config) as one:
            await one.until(lambda: found(one) == first)
            async with running(house.simulator, config) as two:
                await two.until(lambda: bool(two.app.polling.endpoints) and found(two) == first)
                house.moment[0] = 10
                await one.until(lambda: found(one) == found(two) == both)
                assert not one.app.polling.lister.runs().keys() & two.app.polling.lister.runs().keys()
            await one.until(lambda: len(one.app.polling.lister.runs()) == len(regions))
            await house.listed(one)
            assert found(one) == both
            told = [event["subject"] for each in (one, two) for event in each.caught.events]
            assert sorted(told) == [f"default/{region}/stack/late" for region in sorted(regions)]
            # A daemon that comes back takes over listings in the middle of the three that must miss a target.
            house.moment[0] = 20
            async with running(house.simulator, config) as three:
                await three.until(lambda: bool(three.app.polling.endpoints))
                await one.until(lambda: found(one) == found(three) == first)
                gone = [event for each in (one, three) for event in each.caught.events if "removed" in event["type"]]
                assert sorted(event["subject"] for event in gone) == sorted(told)
                assert {event["data"]["sequence"] for event in gone} == {2}


async def test_a_failed_target_that_is_no_longer_listed_ends_its_incident_and_is_first_observed_again_when_found() -> (
    None
):
    gone = a_subject("gone", absent=(Span(10, 20),))
    async with simulated(stacks("a", gone)) as house, running(house.simulator, house.config()) as watch:
        await watch.until(lambda: names(watch) == {"a", "gone"})
        watch.show(a_stack("gone"), "FAILED", 1)
        kinds = ["sync.failed", "target.removed", "target.discovered", "sync.failed"]
        await watch.until(lambda: watch.kinds() == kinds[:1])
        house.moment[0] = 10
        await watch.until(lambda: watch.kinds() == kinds[:2])
        failure, removed = watch.caught.events
        assert removed["data"]["incident"]["id"] == failure["data"]["incident"]["id"]
        assert removed["data"]["incident"]["state"] == "resolved"
        await watch.until(lambda: names(watch) == {"a"})
        house.moment[0] = 20
        await watch.until(lambda: watch.kinds() == kinds)
        again = watch.caught.events[-1]
        assert (again["id"], again["data"]["first_seen"]) == (failure["id"], True)
        assert again["data"]["incident"]["state"] == "opened"


async def test_a_daemon_continues_with_the_listing_that_another_one_kept_first(ministack: Emulator) -> None:
    """As when this one stood still while the other one missed a target three times."""
    where = await made(address(ministack.url))
    state = f"dynamodb://{where.table}?region=us-east-1&endpoint_url={quote(ministack.url, safe='')}"
    async with simulated(stacks("a", "b")) as house, running(house.simulator, house.config(state=state)) as watch:
        await house.listed(watch)
        other = DynamoStore(where)
        await other.open()

        async def replaced() -> bool:
            last = (await other.listings())[KEY]
            missed = tuple(replace(each, missing=MISSES, missing_since=last.completed_at) for each in last.targets)
            at = last.completed_at + timedelta(milliseconds=1)
            return await other.keep_listing(Listing(KEY, at, missed, follows=last.completed_at))

        await until(replaced, "a listing in place of the daemon's")
        found = await events(watch, "discovered", "discovered")
        assert [event["subject"] for event in found] == ["default/us-east-1/stack/a", "default/us-east-1/stack/b"]
        await house.listed(watch, 2)
        assert len(watch.caught.events) == 2
        await other.close()
