"""Every event reaches every sink that is to have it, or is its dead letter: whatever fails, and is killed, between."""

from __future__ import annotations

import asyncio
import json
import os
import time
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.consumers import (
    HOOK_SECRET,
    SOON,
    TAKE,
    Busy,
    Consumer,
    Moody,
    Request,
    Treatment,
    coming_and_going,
    dead,
    gone,
    picky,
)
from tests.integration.receiver import Reply
from tests.support.delivery_oracle import Arrival, Kept, Wants, judge_sink, went_on_after_dead
from tests.support.event_oracle import NotConservedError
from tests.support.random_worlds import CallClock, Witness, random_world
from tests.support.simulator import Simulator
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

    from tests.acceptance.conftest import Places
    from tests.support.installed_command import Child, Site
    from watcher.simulator.scenario import Scenario

KILLS = 4
SOAK_MINUTES = float(os.environ.get("WATCHER_SOAK_MINUTES", "10"))
EVERYTHING = Wants()


async def test_every_event_reaches_every_sink_or_is_its_dead_letter(places: Places) -> None:
    """Nine sinks of a daemon that is killed four times."""
    await conserve(places, seed=2026, seconds=5.0, kills=KILLS)


@pytest.mark.soak
async def test_every_event_reaches_every_sink_in_a_long_run_of_failures_and_kills(places: Places) -> None:
    """The same in one world after another, for WATCHER_SOAK_MINUTES."""
    end = time.monotonic() + 60 * SOAK_MINUTES
    seed = int(os.environ.get("WATCHER_SOAK_SEED", "1"))
    while time.monotonic() < end:
        await conserve(places, seed=seed, seconds=40.0, kills=20)
        seed += 1


async def conserve(places: Places, *, seed: int, seconds: float, kills: int) -> None:
    chance = Random(seed)
    moody, busy, calm = Moody(chance), Busy(chance), asyncio.Event()
    consumers = [
        Consumer("sound", wants=Wants(("watcher.sync.*ed",), ("*/stack/*", "*/template/*/template-0/1"))),
        Consumer("moody", moody, EVERYTHING, SOON),
        Consumer("busy", busy),
        Consumer("away"),
        Consumer("picky", picky),
        Consumer("gone", gone, Wants(targets=("*/stack-2",))),
        Consumer("dead", dead, Wants(("*.succeeded", "*.failed"), ("*/stack-0",)), "give_up_after: 2s", SOON),
    ]
    by_name = {consumer.name: consumer for consumer in consumers}
    world = random_world(seed, seconds=seconds, stacks=5, templates=3)
    clock = CallClock(10 * len(world.targets()))
    async with watched(world, consumers, clock) as simulator:
        witness = Witness(simulator, clock)
        site = places(simulator, f"seed-{seed}")
        configure(
            site, consumers, f"  - {{name: file, type: file, path: '{lines_of(site)}', max_size: 16KB, keep: 999}}"
        )
        leaving = asyncio.create_task(coming_and_going(by_name["away"].receiver, chance, calm))
        for _ in range(kills):
            await killed(site.start(), consumers, witness, chance)
        last = site.start()
        await witness.quiet(last)
        moody.calm = busy.calm = True
        calm.set()
        await leaving
        lively = [consumer.name for consumer in consumers if consumer.name != "dead"]
        await until(lambda: site.undelivered("out", "file", *lively) == 0, "everything delivered")
        await until(lambda: fates(site, "dead", "dead"), "a dead letter of what never works")
        assert await last.stopped() == 0
    witness.judge(site, b"".join(child.delivered() for child in site.children))
    kept = history(site)
    judge_sink(kept, written(site, kept), EVERYTHING)
    for consumer in consumers:
        assert not consumer.forged, consumer.forged
        first = judge_sink(
            kept,
            consumer.arrived,
            consumer.wants,
            dead=fates(site, consumer.name, "dead"),
            waiting=fates(site, consumer.name, "waiting"),
        )
        if consumer is by_name["picky"]:
            assert went_on_after_dead(kept, first, fates(site, "picky", "dead")), "no event came after a dead letter"
    counted = {(sink, state) for sink, state, _ in deliveries(site) if state != "sent"}
    assert counted >= {("picky", "dead"), ("gone", "dead"), ("dead", "dead")}
    assert counted <= {("picky", "dead"), ("gone", "dead"), ("dead", "dead"), ("dead", "waiting")}
    assert len(by_name["moody"].arrived) > len(dict(by_name["moody"].arrived)), "nothing failed after it was recorded"
    assert lines_of(site).with_name("events.jsonl.1").exists(), "the file was not rotated"
    holds_no_secret(site)


@asynccontextmanager
async def watched(world: Scenario, consumers: Iterable[Consumer], clock: CallClock) -> AsyncIterator[Simulator]:
    """A world, and those who are to hear of it."""
    async with AsyncExitStack() as open_:
        simulator = Simulator(world, clock=clock)
        await simulator.start()
        open_.push_async_callback(simulator.stop)
        for consumer in consumers:
            await consumer.receiver.start()
            open_.push_async_callback(consumer.receiver.stop)
        yield simulator


def configure(site: Site, consumers: Iterable[Consumer], *sinks: str) -> None:
    assert site.simulator
    site.environment["HOOK_SECRET"] = HOOK_SECRET
    lines = [
        "shutdown_grace: 2s",
        "sinks:",
        "  - {name: out, type: stdout}",
        *sinks,
        *(consumer.line() for consumer in consumers),
    ]
    site.configure(site.simulator.world.scenario.targets(), *lines)


async def killed(child: Child, consumers: Iterable[Consumer], witness: Witness, chance: Random) -> None:
    """Kill it after some requests: mostly while one is under way, or its answer is being kept.

    In a world that is at its end there may be no more of them: then after two polls of every target.
    """

    def requests() -> int:
        return sum(consumer.requests.total() for consumer in consumers)

    count = requests() + chance.randint(1, 60)
    await until(
        lambda: requests() >= count or witness.seen_at_the_end(child) or not child.running,
        lambda: f"{count} requests; {child.said()}",
    )
    if chance.random() < 0.5:
        await asyncio.sleep(chance.uniform(0, 0.3))
    assert child.running, child.said()
    child.process.kill()
    child.process.wait()


def history(site: Site) -> list[Kept]:
    rows = site.query("SELECT id, type, subject, body FROM event ORDER BY number")
    return [Kept(id_, type_, subject, body.encode()) for id_, type_, subject, body in rows]


def deliveries(site: Site) -> list[tuple[str, str, str]]:
    """Sink, state and event of each."""
    rows = site.query("SELECT sink, state, id FROM delivery JOIN event USING (number)")
    return [(sink, state, event) for sink, state, event in rows]


def fates(site: Site, sink: str, state: str) -> set[str]:
    """The events of a sink's deliveries that stand so."""
    return {event for name, stands, event in deliveries(site) if (name, stands) == (sink, state)}


def lines_of(site: Site) -> Path:
    return site.folder / "events.jsonl"


def written(site: Site, kept: Iterable[Kept]) -> list[Arrival]:
    """The lines of a file sink, the oldest first. One that a kill cut short is the beginning of an event."""
    path = lines_of(site)
    numbers = sorted((int(each.suffix[1:]) for each in path.parent.glob(f"{path.name}.*")), reverse=True)
    lines = [
        line
        for each in (*(path.with_name(f"{path.name}.{number}") for number in numbers), path)
        for line in each.read_bytes().splitlines()
    ]
    bodies = {event.body for event in kept}
    whole = [line for line in lines if line in bodies]
    for line in lines:
        assert line in bodies or any(body.startswith(line) for body in bodies), line
    return [Arrival(json.loads(line)["id"], line) for line in whole]


def holds_no_secret(site: Site) -> None:
    for file in site.folder.iterdir():
        assert HOOK_SECRET.removeprefix("whsec_").encode() not in file.read_bytes(), file


def stalling(request: Request) -> Treatment:
    """Lets the first try of each failure come to nothing, so that more events come to wait behind it."""
    stalls = request.event["type"] == "watcher.sync.failed" and not request.again
    return Treatment(recorded=False, reply=Reply(hang=True)) if stalls else TAKE


async def run_to_the_end(places: Places, store: str) -> None:
    """One run on one of `breaking`'s stores; then the oracle."""
    clock, consumer = CallClock(), Consumer("stalling", stalling, EVERYTHING, SOON)
    async with watched(random_world(7, seconds=6.0, stacks=2, templates=1), [consumer], clock) as simulator:
        witness = Witness(simulator, clock)
        site = places(simulator, store.replace(" ", "-"))
        configure(site, [consumer])
        child = site.start(change=store)
        await witness.quiet(child)
        await until(
            lambda: site.undelivered(consumer.name) == 0 or not child.running, f"an empty outbox; {child.said()}"
        )
        assert await child.stopped() == 0
    assert consumer.requests, "nothing was tried"
    judge_sink(history(site), consumer.arrived, EVERYTHING, dead=fates(site, consumer.name, "dead"))


CAUGHT = {"settled before sent": "lost", "overtaking": "overtaken", "later is taken": "lost"}


@pytest.mark.soak
async def test_the_oracle_catches_every_broken_relay(places: Places) -> None:
    """It passes the store as it is, and none that settles too early or lets events overtake each other."""
    works = (run_to_the_end(places, store) for store in ("sound", *CAUGHT))
    sound, *verdicts = await asyncio.gather(*works, return_exceptions=True)
    if isinstance(sound, BaseException):
        raise sound
    for words, verdict in zip(CAUGHT.values(), verdicts, strict=True):
        with pytest.raises(NotConservedError, match=words):
            raise verdict if isinstance(verdict, BaseException) else AssertionError("the oracle was content")
