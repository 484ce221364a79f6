"""Another configuration while the daemon runs: right ones are taken up by what differs, wrong ones change nothing."""

from __future__ import annotations

import asyncio
import json
import signal
import urllib.request
from collections import defaultdict
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.conftest import NETWORK, WEB
from tests.support.event_oracle import whole_lines
from tests.support.random_worlds import CallClock, Witness, random_world
from tests.support.simulator import Simulator, attempt
from tests.support.waiting import PATIENCE, until
from watcher.core.model import FAILED, SUCCEEDED
from watcher.simulator.scenario import Scenario
from watcher.sources.codeconnections import STACK, stack
from watcher.sources.proton import TEMPLATE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.acceptance.conftest import Places
    from tests.support.installed_command import Child, Site
    from watcher.core.kinds import Kind

T = 1_795_420_800.0
VOLATILE = [f"volatile-{number}" for number in range(10)]
WRONG = [
    ("stacks:", "stakcs:"),
    ("interval: ", "interval: 10"),  # 10150ms is right: what is wrong is the second one
    ("- {name: out,", "- {name: out, name: out,"),
    ("targets: [", "targets: [${NOT_SET}, "),
    ("type: stdout", "type: stdin"),
    ("  - {", "  - {{"),
    ("state:", "\tstate:"),
]


@pytest.fixture
async def other() -> AsyncIterator[Simulator]:
    """A second AWS, of what comes and goes."""
    made = Simulator(Scenario("other"))
    await made.start()
    for name in VOLATILE:
        for region in ("us-east-1", "eu-west-1"):
            target = stack("other", region, name)
            made.world.show(target, attempt(target, SUCCEEDED, T))
    yield made
    await made.stop()


class Editor:
    """Writes one configuration after the other: some right, some wrong. The targets of `site` are in all right ones."""

    def __init__(self, site: Site, other: Simulator, chance: Random) -> None:
        self.site, self.other, self.chance = site, other, chance
        self.wrong = 0

    def text(self) -> str:
        """A right one."""
        pick = self.chance.choice
        site = self.site
        assert site.simulator
        regions = pick(["[us-east-1]", "[us-east-1, eu-west-1]"])
        some = self.chance.sample(VOLATILE, self.chance.randint(1, len(VOLATILE)))
        lines = [
            f"state: sqlite:///{site.state}",
            f"http: {pick(['off', '{listen: 127.0.0.1:0}', '{listen: 127.0.0.1:0, token: a-token-of-mine}'])}",
            f"shutdown_grace: {pick(['9s', '10s'])}",
            f"defaults: {{interval: {pick(['100ms', '150ms'])}, active_interval: 100ms, on_first_seen: all}}",
            f"rate_limit: {{requests_per_second: {pick([300, 400, 500])}, concurrency: {pick([10, 20])}}}",
            f"retry: {{attempts: {pick([2, 3])}, initial: 10ms, maximum: 50ms}}",
            f"unreadable_after: {pick([3, 4])}",
            "accounts:",
            f"  - {{name: default, regions: [us-east-1], endpoint_url: '{site.simulator.url}'}}",
            f"  - {{name: other, regions: {regions}, endpoint_url: '{self.other.url}{pick(['', '/'])}'}}",
            f"mute: {pick(['[]', '[{targets: other/*, reason: a test}]'])}",
            "sinks:",
            "  - {name: out, type: stdout, targets: [default/*]}",
        ]
        lines += pick([[], [f"  - {{name: lines, type: file, path: {site.folder / 'lines'}, keep: {pick([1, 2])}}}"]])
        rows: dict[Kind, list[str]] = defaultdict(list)
        for target in site.simulator.world.scenario.targets():
            named = ", ".join(f'{name}: "{value}"' for name, value in target.identity)
            rows[target.kind].append(f"  - {{{named}, account: default, labels: {{x: {pick('ab')}}}}}")
        rows[STACK] += [f"  - {{name: {name}, account: other}}" for name in some]
        return "\n".join([*lines, "templates:", *rows[TEMPLATE], "stacks:", *rows[STACK]]) + "\n"

    def edit(self) -> None:
        """Write the next one."""
        text = self.text()
        if self.chance.random() < 0.3:
            self.wrong += 1
            old, new = self.chance.choice([pair for pair in WRONG if pair[0] in text])
            text = text.replace(old, new, 1) if new != "interval: 10" else text.replace("100ms", "100")
            if self.chance.random() < 0.3:
                text = text[: text.index("state:") + 8]
        self.site.config.write_text(text, encoding="utf-8")


def handled(child: Child) -> int:
    return len(child.logged("config.reloaded")) + len(child.logged("config.rejected"))


@pytest.mark.parametrize("edits", [20, pytest.param(50, marks=pytest.mark.soak)])
async def test_random_edits_right_and_wrong_while_events_flow(places: Places, other: Simulator, edits: int) -> None:
    """Nothing is lost, nothing comes twice, and no target that stays is seen for the first time again."""
    world = random_world(7, seconds=edits / 5)
    clock = CallClock(10 * len(world.targets()))
    simulator = Simulator(world, clock=clock)
    await simulator.start()
    witness = Witness(simulator, clock)
    try:
        site = places(simulator)
        editor = Editor(site, other, Random(7))
        site.config.write_text(editor.text(), encoding="utf-8")
        child = site.start()
        await until(lambda: child.logged("watcher.started"), "the start")
        for number in range(edits):
            editor.edit()
            if number % 16:  # one in so many is found by looking at the file
                child.signal(signal.SIGHUP)
            await until(lambda number=number: handled(child) > number or not child.running, child.said())
            await asyncio.sleep(editor.chance.uniform(0, 0.15))
        assert len(child.logged("config.rejected")) == editor.wrong
        assert 5 < editor.wrong < edits * 3 / 5
        await witness.quiet(child)
        assert await child.stopped() == 0
        witness.judge(site, child.delivered(), only="default/")
        told = whole_lines(child.delivered())
        _nothing_comes_twice(told)
        firsts = [event["subject"] for event in told if event["data"].get("first_seen")]
        assert len(firsts) == len(set(firsts)), "a target that stayed was seen for the first time again"
        lines = site.folder / "lines"  # of a sink that comes and goes, and may have had no event
        _nothing_comes_twice(whole_lines(lines.read_bytes()) if lines.exists() else [])
        assert "poll.crashed" not in child.said()
        assert "config.crashed" not in child.said()
    finally:
        await simulator.stop()


def _nothing_comes_twice(events: list[Any]) -> None:
    """A target that comes back is first observed again, with the same first event; its sequence goes on."""
    lanes = defaultdict(list)
    for event in events:
        lanes[event["subject"]].append(event["data"]["sequence"])
    for subject, sequence in lanes.items():
        assert all(later > earlier for earlier, later in pairwise(sequence)), (subject, sequence)


async def test_targets_come_and_go_and_those_that_stay_notice_nothing(site: Site, simulator: Simulator) -> None:
    more = stack("default", "us-east-1", "more")
    for target in (NETWORK, WEB, more):
        simulator.world.show(target, attempt(target, FAILED, T))
    site.configure((NETWORK, WEB))
    child = site.start()
    await site.polled(child, 4)
    site.configure((NETWORK, more))
    child.signal(signal.SIGHUP)
    await until(lambda: len(site.kept()) == 4, "the new one's first observation, and the end of the other's incident")
    await site.polled(child, 6)
    site.configure((NETWORK, WEB))
    child.signal(signal.SIGHUP)
    await until(lambda: len(site.kept()) == 6, "the first observation of the one that is back")
    simulator.world.show(NETWORK, attempt(NETWORK, FAILED, T + 1))
    await until(lambda: len(site.kept()) == 7, "the next attempt")
    assert await child.stopped() == 0
    reported = [
        (event["subject"], event["data"]["sequence"], event["data"].get("first_seen", event["type"]))
        for event in site.kept()
    ]
    assert sorted(reported[:2]) == [(NETWORK.id, 1, True), (WEB.id, 1, True)]
    removed = "watcher.target.removed"
    assert sorted(reported[2:4]) == sorted([(WEB.id, 2, removed), (more.id, 1, True)])
    assert sorted(reported[4:6]) == sorted([(WEB.id, 3, True), (more.id, 2, removed)])
    assert reported[6:] == [(NETWORK.id, 2, False)]
    # The same change again is known by its id.
    assert len({event["id"] for event in site.kept()}) == 6
    known = "SELECT subject FROM record WHERE forgotten IS NULL ORDER BY subject"
    assert site.query(known) == [(NETWORK.id,), (WEB.id,)]


async def test_a_failed_endpoint_is_polled_with_the_new_configuration(site: Site, simulator: Simulator) -> None:
    simulator.world.show(NETWORK, attempt(NETWORK, SUCCEEDED, T))
    accounts = "accounts: [{{name: default, regions: [us-east-1], endpoint_url: '{}'}}]"
    site.configure((NETWORK,), accounts.format("http://127.0.0.1:1"))
    child = site.start(environment={"AWS_ENDPOINT_URL": ""})
    await until(lambda: child.logged("endpoint.unreadable"), "an endpoint that is blind")
    site.configure((NETWORK,), accounts.format(simulator.url))
    child.signal(signal.SIGHUP)
    await until(lambda: child.logged("endpoint.readable"), "an endpoint that sees again")
    assert await child.stopped() == 0


async def test_a_removed_sink_leaves_dead_letters_and_others_go_on(site: Site, simulator: Simulator) -> None:
    simulator.world.show(NETWORK, attempt(NETWORK, FAILED, T))
    dead = "{name: hook, type: webhook, url: 'http://127.0.0.1:1/', allow_http: true, allow_private: true}"
    site.configure((NETWORK,), f"sinks: [{{name: out, type: stdout}}, {dead}]")
    child = site.start()
    await until(lambda: child.logged("sink.failed"), "a failed delivery")
    site.configure((NETWORK,), "sinks: [{name: out, type: stdout}]")
    child.signal(signal.SIGHUP)
    await until(lambda: child.logged("sink.removed"), "the dead letters")
    simulator.world.show(NETWORK, attempt(NETWORK, FAILED, T + 1))
    await until(lambda: child.printed().count(b"\n") == 2, "the next event")
    assert await child.stopped() == 0
    assert site.query("SELECT sink, state FROM delivery ORDER BY sink, number") == [
        ("hook", "dead"), ("out", "sent"), ("out", "sent"),
    ]  # fmt: skip


async def test_a_new_sink_gets_new_events_and_those_since_its_replay_from(site: Site, simulator: Simulator) -> None:
    simulator.world.show(NETWORK, attempt(NETWORK, FAILED, T))
    site.configure((NETWORK,))
    child = site.start()
    await until(child.printed, "the first event")
    lines = site.folder / "lines"
    usual = "{name: stdout, type: stdout}"
    site.configure((NETWORK,), f"sinks: [{usual}, {{name: lines, type: file, path: '{lines}', replay_from: 1h}}]")
    child.signal(signal.SIGHUP)
    await until(lambda: lines.exists() and lines.read_bytes().endswith(b"\n"), "the history")
    simulator.world.show(NETWORK, attempt(NETWORK, FAILED, T + 1))
    await until(lambda: lines.read_bytes().count(b"\n") == 2, "the next event")
    assert await child.stopped() == 0
    assert lines.read_bytes() == child.printed()


async def test_the_page_follows_its_address_and_a_taken_one_refuses_the_whole_edit(
    places: Places, site: Site, simulator: Simulator
) -> None:
    simulator.world.show(NETWORK, attempt(NETWORK, SUCCEEDED, T))
    site.configure((NETWORK,), "http: {listen: 127.0.0.1:0}")
    child = site.start()
    await until(lambda: child.logged("http.started"), "the page")
    (url,) = (line["url"] for line in child.logged("http.started"))
    taken = places(simulator, "taken")
    taken.configure((NETWORK,), "http: {listen: 127.0.0.1:0}")
    neighbour = taken.start()
    await until(lambda: neighbour.logged("http.started"), "the neighbour's page")
    address = neighbour.logged("http.started")[0]["url"].removeprefix("http://")
    site.configure((NETWORK, WEB), f"http: {{listen: '{address}'}}")
    child.signal(signal.SIGHUP)
    await until(lambda: child.logged("config.rejected"), "the refusal")
    assert "address already in use" in str(child.logged("config.rejected")[0]["faults"])
    status = await asyncio.to_thread(_json, f"{url}/api/status")
    assert status["targets"] == 1
    assert "address already in use" in str(status["config"]["faults"])
    assert await neighbour.stopped() == 0
    child.signal(signal.SIGHUP)
    await until(lambda: child.logged("config.reloaded"), "the same edit, now that the address is free")
    status = await asyncio.to_thread(_json, f"http://{address}/api/status")
    assert (status["targets"], status["config"]["faults"]) == (2, [])
    assert await child.stopped() == 0


async def test_a_change_that_needs_a_restart_is_logged_and_not_applied(site: Site, simulator: Simulator) -> None:
    simulator.world.show(NETWORK, attempt(NETWORK, SUCCEEDED, T))
    site.configure((NETWORK,))
    child = site.start()
    await site.polled(child)
    text = site.config.read_text(encoding="utf-8")
    site.config.write_text(text.replace(str(site.state), str(site.state) + "-2"), encoding="utf-8")
    child.signal(signal.SIGHUP)
    await until(lambda: child.logged("config.restart_required"), "the word of a restart")
    assert child.logged("config.restart_required")[0]["keys"] == ["state"]
    assert await child.stopped() == 0
    assert not site.state.with_name(site.state.name + "-2").exists()


def _json(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=PATIENCE) as answer:  # noqa: S310  ours
        return json.load(answer)
