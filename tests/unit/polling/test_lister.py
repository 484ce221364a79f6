"""When listings are made: as often as their rules want, sooner after a failure, and none because another one fails."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from tests.support.tasks import running
from tests.unit.delivery.relaying import Clock, in_own_time, passed
from watcher.core.kinds import Kind
from watcher.core.listings import FoundTarget, ListingKey
from watcher.core.settings import Account, Config, DiscoverRule, Retry
from watcher.errors import EndpointUnreadable, Superseded
from watcher.polling.lister import FAILED_SECONDS, Lister
from watcher.sources.codeconnections import REPOSITORY, STACK
from watcher.sources.proton import REPOSITORY as PROTON_REPOSITORY
from watcher.sources.proton import TEMPLATE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from datetime import datetime

    from watcher.core.kinds import Ask
    from watcher.core.model import EndpointKey
    from watcher.errors import PollFailed

EVERY = 600.0
DENIED = EndpointUnreadable("AccessDeniedException", "no")
SLOW = EndpointUnreadable("ThrottlingException", "slow down", passing=True)


def listed(kind: Kind) -> Kind:
    """A kind whose listing is one call, that finds `a`."""

    async def listing(ask: Ask) -> Sequence[FoundTarget]:
        await ask("List", {})
        return [FoundTarget((("name", "a"),))]

    return replace(kind, listing=listing)


STACKS, TEMPLATES = listed(STACK), listed(TEMPLATE)
KEY, OTHER = (ListingKey("default", "us-east-1", name) for name in ("stack", "template"))


def config(*kinds: Kind, every: float = EVERY) -> Config:
    rules = tuple(DiscoverRule((kind,), (("default", "us-east-1"),), every=every) for kind in kinds or (STACKS,))
    return Config(
        place="test", accounts={"default": Account("default", ("us-east-1",))}, targets=(), retry=Retry(2, 1.0, 1.0),
        unreadable_after=3, sinks=(), state="", http=None, state_retention=1.0, shutdown_grace=1.0, discover=rules,
    )  # fmt: skip


@dataclass
class House:
    """Calls that a test answers, and when listings were complete."""

    answers: dict[str, list[Exception]] = field(default_factory=dict)
    """By API, the failures of its next calls; then they are answered."""
    calls: list[tuple[float, str]] = field(default_factory=list)
    complete_at: list[tuple[float, ListingKey]] = field(default_factory=list)
    last: dict[ListingKey, datetime] = field(default_factory=dict)
    refuse: Exception | None = None
    outcomes: list[tuple[str, PollFailed | None]] = field(default_factory=list)
    """What was noted of each listing, by API: its failure, or None."""

    async def call(self, key: EndpointKey, operation: str, _: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        assert (operation, seconds) == ("List", 10.0)
        self.calls.append((passed(), key.api))
        if failures := self.answers.get(key.api):
            raise failures.pop(0)
        return {}

    def completed_at(self, key: ListingKey) -> datetime | None:
        return self.last.get(key)

    async def listed(self, key: EndpointKey, error: PollFailed | None) -> None:
        self.outcomes.append((key.api, error))

    async def report(self, key: ListingKey) -> None:
        pass

    async def complete(self, key: ListingKey, found: Sequence[FoundTarget]) -> None:
        assert [dict(each.identity) for each in found] == [{"name": "a"}]
        if self.refuse is not None:
            raise self.refuse
        self.complete_at.append((passed(), key))

    def times(self, key: ListingKey = KEY) -> list[float]:
        return [round(at) for at, of in self.complete_at if of == key]


@contextlib.asynccontextmanager
async def listing(house: House, first: Config) -> AsyncIterator[Lister]:
    lister = Lister(house.call, house, Clock(), house.listed)
    lister.reconfigure(first)
    async with running(lister.run()):
        yield lister


@in_own_time
async def test_a_listing_is_made_at_once_and_then_each_interval() -> None:
    house = House()
    async with listing(house, config()):
        await asyncio.sleep(2 * EVERY + 1)
        assert house.times() == [0, 600, 1200]


@in_own_time
async def test_the_outcome_of_each_listing_is_noted_unless_only_another_api_has_the_kind() -> None:
    gone = EndpointUnreadable("410", "gone", not_offered=True)
    house = House({"codeconnections": [DENIED], "proton": [gone]})
    async with listing(house, config(STACKS, TEMPLATES)):
        await asyncio.sleep(FAILED_SECONDS + 1)
    assert house.outcomes == [
        ("codeconnections", DENIED),
        ("proton", gone),
        ("codeconnections", None),
        ("proton", None),
    ]
    house = House({"proton": [gone]})
    async with listing(house, config(listed(REPOSITORY), listed(PROTON_REPOSITORY))):
        await asyncio.sleep(1)
    assert house.outcomes == [("codeconnections", None)]


@in_own_time
async def test_after_a_restart_a_listing_waits_until_the_last_one_is_old_enough() -> None:
    house = House(last={KEY: Clock().now() - timedelta(seconds=200)})
    async with listing(house, config()):
        await asyncio.sleep(EVERY)
        assert house.times() == [400]


@in_own_time
async def test_a_listing_that_is_dated_in_the_future_does_not_postpone_the_next_one() -> None:
    house = House(last={KEY: Clock().now() + timedelta(days=9)})
    async with listing(house, config()):
        await asyncio.sleep(EVERY + 1)
        assert house.times() == [600]


@in_own_time
async def test_a_failed_listing_is_made_again_soon_and_its_reason_is_logged_once() -> None:
    house = House(answers={"codeconnections": [DENIED, DENIED]})
    with capture_logs() as logs:
        async with listing(house, config()) as lister:
            await asyncio.sleep(FAILED_SECONDS + 1)
            assert lister.runs()[KEY].error == "AccessDeniedException: no"
            await asyncio.sleep(EVERY)
            assert lister.runs()[KEY].error == ""
    assert house.times() == [round(2 * FAILED_SECONDS)]
    assert [line["event"] for line in logs] == ["listing.failed", "listing.recovered"]


@in_own_time
async def test_a_failed_listing_of_a_short_interval_is_made_again_after_that() -> None:
    house = House(answers={"codeconnections": [DENIED]})
    async with listing(house, config(every=5.0)):
        await asyncio.sleep(6)
        assert house.times() == [5]


@in_own_time
async def test_a_call_that_can_pass_is_retried_within_the_listing() -> None:
    house = House(answers={"codeconnections": [SLOW]})
    async with listing(house, config()) as lister:
        await asyncio.sleep(10)
        assert len(house.times()) == 1
        assert lister.runs()[KEY].error == ""


@in_own_time
async def test_a_failing_listing_holds_up_no_other() -> None:
    house = House(answers={"proton": [DENIED] * 1000})
    async with listing(house, config(STACKS, TEMPLATES)):
        await asyncio.sleep(EVERY + 1)
        assert (house.times(KEY), house.times(OTHER)) == ([0, 600], [])


@pytest.mark.parametrize(
    ("error", "shown"), [(Superseded("another daemon"), "another daemon"), (KeyError("bug"), "a bug")]
)
@in_own_time
async def test_a_listing_that_could_not_be_recorded_is_made_again(error: Exception, shown: str) -> None:
    house = House(refuse=error)
    async with listing(house, config()) as lister:
        await asyncio.sleep(1)
        assert shown in lister.runs()[KEY].error
        house.refuse = None
        await asyncio.sleep(FAILED_SECONDS)
        assert len(house.times()) == 1


@in_own_time
async def test_another_interval_counts_from_the_last_listing() -> None:
    house = House()
    async with listing(house, config()) as lister:
        await asyncio.sleep(100)
        lister.reconfigure(config(every=150))
        await asyncio.sleep(300)
        lister.reconfigure(config(every=10_000))
        await asyncio.sleep(EVERY)
        assert house.times() == [0, 150, 300]


@in_own_time
async def test_listings_come_and_go_with_the_configuration_and_the_others_go_on() -> None:
    house = House()
    async with listing(house, config()) as lister:
        await asyncio.sleep(100)
        lister.reconfigure(config(STACKS, TEMPLATES))
        await asyncio.sleep(EVERY + 1)
        lister.reconfigure(config(STACKS))
        assert lister.runs().keys() == {KEY}
        await asyncio.sleep(EVERY)
        assert (house.times(KEY), house.times(OTHER)) == ([0, 600, 1200], [100, 700])
