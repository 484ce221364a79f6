"""`watcher discover` and `watcher check` with rules, as commands, against the simulated AWS."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import yaml

from tests.integration.test_discovery import QUIET
from tests.support.installed_command import Site
from tests.support.simulated_world import World
from tests.support.simulator import Simulator, attempt
from watcher.core.listings import FoundTarget, Listing, ListingKey
from watcher.simulator.inventory import Connection, Repository
from watcher.simulator.scenario import Scenario
from watcher.simulator.subject import Subject
from watcher.sources.codeconnections import STACK, stack
from watcher.sources.proton import SERVICE_INSTANCE, TEMPLATE
from watcher.stores import store_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

LINK = "6053346f-8a33-4edb-9397-10394b695173"
SUBJECTS = (
    Subject(STACK, (("name", "shop"),), repository="org/infra"),
    Subject(STACK, (("name", "network"),), repository="org/infra", branch="release/1"),
    Subject(TEMPLATE, (("type", "ENVIRONMENT"), ("name", "fargate"), ("version", "1")), repository="org/templates"),
    Subject(SERVICE_INSTANCE, (("service", "web"), ("name", "web-prod")), repository="org/web"),
)
WORLD = Scenario(
    "a test",
    tuple((each, QUIET) for each in SUBJECTS),
    repositories=(Repository("org/infra", link=LINK),),
    connections=(Connection("github"),),
)


class Printed(NamedTuple):
    code: int
    out: str
    err: str


class Place:
    """A working directory, and the simulated AWS that commands in it call."""

    def __init__(self, directory: Path, simulator: Simulator) -> None:
        self._site = Site(directory, simulator)
        self._site.environment["AWS_ENDPOINT_URL"] = simulator.url
        self.directory = self._site.folder
        self.simulator = simulator

    def configure(self, text: str) -> None:
        (self.directory / "watcher.yaml").write_text(text, encoding="utf-8")

    async def watcher(self, *arguments: str, **environ: str) -> Printed:
        return Printed(*await self._site.run(*arguments, environment=environ))

    def end(self) -> None:
        """End every command that still runs."""
        self._site.end()


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    simulator = Simulator(WORLD)
    await simulator.start()
    made = Place(tmp_path, simulator)
    yield made
    made.end()
    await simulator.stop()


WHOLE = f"""\
repositories:
  - {{link: {LINK}, branch: main, region: us-east-1}}  # not watched yet
  - {{link: {LINK}, branch: release/1, region: us-east-1}}  # not watched yet
  - {{provider: GITHUB, name: org/templates, branch: main, sync_type: TEMPLATE_SYNC, region: us-east-1}}  # not watched yet
  - {{provider: GITHUB, name: org/web, branch: main, sync_type: SERVICE_SYNC, region: us-east-1}}  # not watched yet
service_instances:
  - {{service: web, name: web-prod, region: us-east-1}}  # not watched yet
stacks:
  - {{name: network, link: {LINK}, branch: release/1, region: us-east-1}}  # not watched yet
  - {{name: shop, link: {LINK}, branch: main, region: us-east-1}}  # not watched yet
templates:
  - {{type: ENVIRONMENT, name: fargate, version: 1, region: us-east-1}}  # not watched yet
"""  # noqa: E501  the lines that are printed


@pytest.mark.parametrize("empty", [None, "# nothing yet\n"])
async def test_a_newcomer_gets_a_configuration_that_watches_everything(place: Place, empty: str | None) -> None:
    if empty is not None:
        place.configure(empty)
    printed = await place.watcher("discover", "--kind=stack", "--kind=repository", "--kind=template",
                                  "--kind=service-instance")  # fmt: skip
    assert (printed.code, printed.out) == (0, WHOLE)
    calls = len(place.simulator.calls)
    assert printed.err == f"watcher: 8 found, 8 not watched, {calls} calls\n"
    place.configure(printed.out)
    again = await place.watcher("discover", "--kind=stack", "--json")
    assert [each["watched"] for each in json.loads(again.out)["targets"]] == [True, True]
    checked = await place.watcher("check", "--json")
    assert (checked.code, len(json.loads(checked.out)["targets"])) == (0, 8)


async def test_where_nothing_is_found_a_note_names_the_places(place: Place) -> None:
    place.simulator.world = World(Scenario("nothing"))
    printed = await place.watcher("discover", "--kind=stack", "--region=us-east-1", "--region=eu-west-1")
    assert (printed.code, printed.out) == (0, "")
    assert "nothing was found in default/us-east-1, default/eu-west-1; --region names" in printed.err


async def test_a_connection_is_listed_with_its_account_if_there_are_several(place: Place) -> None:
    place.configure("accounts: [{name: shop, regions: [us-east-1]}, {name: pay, regions: [us-east-1]}]\n")
    printed = await place.watcher("discover", "--kind=connection")
    assert printed.out.splitlines()[2:] == [
        f"  #   {account}/us-east-1: github AVAILABLE, not watched yet" for account in ("pay", "shop")
    ]


async def test_json_has_what_is_known_of_each_target_and_whether_it_is_watched(place: Place) -> None:
    place.configure('stacks: [{name: network}]\ndiscover: [{kind: stack, match: "x*"}]\n')
    printed = await place.watcher("discover", "--kind", "stack", "--json")
    assert printed.code == 0
    form = json.loads(printed.out)
    network, shop = form["targets"]
    assert (network["watched"], shop["watched"]) == (True, False)
    assert shop == {
        "id": "default/us-east-1/stack/shop",
        "kind": "stack",
        "account": "default",
        "region": "us-east-1",
        "repository": "org/infra",
        "branch": "main",
        "config_file": shop["config_file"],
        "connection": shop["connection"],
        "link": LINK,
        "name": "shop",
        "watched": False,
    }
    assert (form["failed_listings"], form["calls"]) == ([], 2)
    assert printed.err == "watcher: 2 found, 1 not watched, 2 calls\n"


async def test_what_is_watched_is_not_marked_whether_listed_or_found(place: Place) -> None:
    place.configure("stacks: [{name: network}]\ndiscover: [{kind: stack, branches: main}]\n")
    printed = await place.watcher("discover", "--kind", "stack")
    assert "not watched" not in printed.out
    assert {each["name"] for each in yaml.safe_load(printed.out)["stacks"]} == {"network", "shop"}
    assert printed.err == "watcher: 2 found, 0 not watched, 2 calls\n"


async def test_a_listing_that_fails_is_69_after_the_rest_was_printed(place: Place) -> None:
    place.simulator.world.fault(None, "access_denied", api="proton")
    printed = await place.watcher("discover")
    assert printed.code == 69
    assert {"stacks", "repositories"} <= {*yaml.safe_load(printed.out)}
    notes = printed.err.splitlines()
    assert [note.split(" could not")[0] for note in notes[:-1]] == [
        f"watcher: default/us-east-1/{kind}" for kind in ("template", "service-instance", "repository/proton")
    ]
    assert all("AccessDeniedException" in note for note in notes[:-1])


async def test_an_api_that_is_not_offered_any_more_has_nothing_unless_it_is_asked_for(place: Place) -> None:
    place.simulator.world.fault(None, "retired", api="proton")
    printed = await place.watcher("discover")
    assert (printed.code, {*yaml.safe_load(printed.out)}) == (0, {"stacks", "repositories", "discover"})
    assert "default/us-east-1/template: the API is not offered there, so there are none (410" in printed.err
    asked = await place.watcher("discover", "--kind", "template", "--kind", "stack")
    assert (asked.code, "default/us-east-1/template could not be listed: 410" in asked.err) == (69, True)
    place.configure("discover: [{kind: repository}]\n")
    checked = await place.watcher("check")
    assert (checked.code, "repository/proton: the API is not offered there" in checked.err) == (0, True)
    place.configure("discover: [{kind: repository}, {kind: template}]\n")
    assert (await place.watcher("check")).code == 3


async def test_accounts_and_regions_can_be_chosen_and_are_written(place: Place) -> None:
    place.configure(
        "accounts: [{name: prod, regions: [us-east-1, eu-west-1]}, {name: dev, regions: [us-west-2]}]\n"
        "stacks: [{name: shop, account: prod, region: eu-west-1}]\n"
    )
    everywhere = yaml.safe_load((await place.watcher("discover", "--kind", "stack")).out)["stacks"]
    assert {(each["account"], each["region"]) for each in everywhere} == {
        ("prod", "us-east-1"), ("prod", "eu-west-1"), ("dev", "us-west-2"),
    }  # fmt: skip
    printed = await place.watcher("discover", "--kind=stack", "--account=prod", "--region=eu-west-1")
    network, shop = printed.out.splitlines()[1:]
    assert network.endswith("account: prod, region: eu-west-1}  # not watched yet")
    assert shop.endswith("account: prod, region: eu-west-1}")


@pytest.mark.parametrize(
    ("arguments", "environ", "message"),
    [
        (["--account", "prd"], {}, "there is no account 'prd'; the accounts are: default"),
        (["--region", "here"], {}, "'here' is not a valid region name (example: us-east-1)"),
        (["--kind", "stacks"], {}, "'stacks' is not one of"),
        ([], {"AWS_REGION": ""}, "no region is known; name one with --region, or set AWS_REGION"),
        ([], {"AWS_REGION": "here"}, "AWS_REGION must be set to a valid region name (example: us-east-1)"),
    ],
)
async def test_wrong_usage_says_what_to_write(
    place: Place, arguments: list[str], environ: dict[str, str], message: str
) -> None:
    printed = await place.watcher("discover", *arguments, **environ)
    assert (printed.code, printed.out) == (64, "")
    assert message in printed.err


async def test_a_wrong_configuration_is_still_wrong(place: Place) -> None:
    place.configure("stacks: [{nam: network}]\n")
    assert (await place.watcher("discover")).code == 78
    assert (await place.watcher("discover", "--config", "missing.yaml")).code == 78


async def test_names_that_yaml_would_read_as_something_else_are_quoted(place: Place) -> None:
    names = ("0123", "1e3", "null", "on", "2026-11-23", "a-b_c")
    subjects = tuple(
        (Subject(STACK, (("name", name),), repository="org/infra", branch="fix: it"), QUIET) for name in names
    )
    simulator = Simulator(Scenario("a test", subjects))
    await simulator.start()
    try:
        other = Place(place.directory, simulator)
        other.configure((await other.watcher("discover", "--kind", "stack")).out)
        found: dict[str, Any] = json.loads((await other.watcher("discover", "--kind", "stack", "--json")).out)
        assert {each["name"]: each["watched"] for each in found["targets"]} == dict.fromkeys(names, True)
    finally:
        await simulator.stop()


async def test_check_covers_what_rules_find_and_does_not_know_what_a_failed_listing_would_have_found(
    place: Place,
) -> None:
    place.configure('discover: [{kind: stack, match: "s*"}]\n')
    checked = await place.watcher("check", "--json")
    assert (checked.code, [each["target"]["name"] for each in json.loads(checked.out)["targets"]]) == (0, ["shop"])
    target = stack("default", "us-east-1", "shop")
    place.simulator.world.show(target, attempt(target, "FAILED", 1e9))
    assert (await place.watcher("check")).code == 2
    place.simulator.world.fault(None, "access_denied", api="codeconnections")
    failed = await place.watcher("check", "--json")
    form = json.loads(failed.out)
    assert (failed.code, form["result"], form["targets"]) == (3, "unknown", [])
    (listing,) = form["failed_listings"]
    assert (listing["kind"], listing["error"]["code"]) == ("stack", "AccessDeniedException")
    assert "default/us-east-1/stack could not be listed" in failed.err


async def test_a_throttled_listing_is_tried_again(place: Place) -> None:
    place.simulator.world.fault(None, "throttling", calls=1)
    printed = await place.watcher("discover", "--kind", "stack")
    assert (printed.code, printed.err) == (0, "watcher: 2 found, 2 not watched, 3 calls\n")


async def test_status_shows_what_rules_select_from_the_last_complete_listing(place: Place) -> None:
    place.configure('discover: [{kind: stack, match: "s*"}]\nstate: sqlite:///watcher.db\n')
    found = tuple(FoundTarget((("name", name),), {"repository": "org/infra"}) for name in ("shop", "network"))
    store = store_for(f"sqlite:///{place.directory / 'watcher.db'}")
    await store.open()
    await store.keep_listing(Listing(ListingKey("default", "us-east-1", "stack"), datetime.now(UTC), found))
    await store.close()
    printed = await place.watcher("status", "--json")
    (target,) = json.loads(printed.out)["targets"]
    assert (printed.code, target["target"]["name"], target["seen"]) == (0, "shop", False)
    assert target["target"]["repository"] == "org/infra"
    assert not place.simulator.calls


async def test_validate_says_that_rules_find_more(place: Place) -> None:
    place.configure("stacks: [{name: a}]\ndiscover: [{kind: stack}, {kind: template}]\n")
    printed = await place.watcher("validate")
    assert (printed.code, "1 target, and those that 2 rules of `discover` will find" in printed.out) == (0, True)
    assert json.loads((await place.watcher("validate", "--json")).out)["rules"] == 2
    place.configure("discover: [{kind: stack}]\n")
    assert (await place.watcher("validate")).out.startswith("watcher.yaml is valid: 0 targets, and those that 1 rule")


async def test_names_that_would_control_a_terminal_are_escaped(place: Place) -> None:
    odd = "\x1b[2J\u202e\nfeature: \x85\x7f"
    subject = Subject(STACK, (("name", "shop"),), repository="org/infra", branch=odd)
    simulator = Simulator(Scenario("a test", ((subject, QUIET),), connections=(Connection("github"), Connection(odd))))
    await simulator.start()
    try:
        other = Place(place.directory, simulator)
        printed = await other.watcher("discover", "--kind", "stack", "--kind", "connection")
        assert printed.code == 0
        assert all(line.isprintable() for line in printed.out.split("\n"))
        found = yaml.safe_load(printed.out)
        assert [each["branch"] for each in found["stacks"]] == [odd]
        assert found["discover"] == [{"kind": "connection"}]
    finally:
        await simulator.stop()


async def test_connections_are_found_by_a_rule_that_is_printed(place: Place) -> None:
    printed = await place.watcher("discover", "--kind", "connection")
    assert yaml.safe_load(printed.out) == {"discover": [{"kind": "connection"}]}
    assert "github AVAILABLE, not watched yet" in printed.out
    place.configure(printed.out)
    again = await place.watcher("discover", "--kind", "connection")
    assert "not watched" not in again.out
    assert again.err == "watcher: 1 found, 0 not watched, 1 call\n"
