"""How a run ends: by signals, by a reader of stdout that stalls or goes, and what the next start finds."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.conftest import NETWORK, WEB
from tests.support.event_oracle import facts_of, judge, whole_lines
from tests.support.process_stats import heeds
from tests.support.simulator import attempt
from tests.support.waiting import SLACK, until
from watcher.core.model import FAILED, IN_PROGRESS, SUCCEEDED

if TYPE_CHECKING:
    from tests.support.installed_command import Site
    from tests.support.simulator import Simulator

T = 1_795_420_800.0
LONG_TEXT = "Template validation error: " + 4000 * "x"


@pytest.fixture
def told(site: Site, simulator: Simulator) -> Site:
    """A site with two targets that stand still."""
    for target in (NETWORK, WEB):
        simulator.world.show(target, attempt(target, SUCCEEDED, T))
    site.configure((NETWORK, WEB))
    return site


def fails_again(simulator: Simulator, number: int) -> None:
    """One attempt after the other, each of them an event of some kilobytes."""
    simulator.world.show(NETWORK, attempt(NETWORK, FAILED, T + number, events=(LONG_TEXT,)))


async def fill(site: Site, simulator: Simulator, events: int, *, first: int = 1) -> None:
    """Let so many events be recorded, one after the other."""
    for number in range(first, first + events):
        known = len(site.kept())
        fails_again(simulator, number)
        await recorded(site, known + 1)


async def recorded(site: Site, count: int) -> None:
    await until(lambda: len(site.kept()) >= count, f"{count} events")


def sequences(events: list[Any]) -> list[int]:
    return [event["data"]["sequence"] for event in events if event["subject"] == NETWORK.id]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_a_run_in_good_order(told: Site, number: signal.Signals) -> None:
    child = told.start()
    await told.polled(child, 2)  # the state file is there
    await recorded(told, 2)
    child.signal(number)
    assert await child.ended() == 0
    assert len(facts_of(whole_lines(child.printed()))) == 2
    assert told.undelivered() == 0
    assert child.logged("watcher.stopped")[0]["undelivered"] == 0


async def test_a_signal_before_anything_was_polled_ends_it_too(told: Site) -> None:
    child = told.start()
    await until(lambda: child.logged("watcher.started"), "the start")
    assert await child.stopped() == 0


async def test_a_reader_that_stalls_holds_up_no_poll_and_no_end_and_loses_nothing(
    told: Site, simulator: Simulator
) -> None:
    """The pipe is full; the rest is delivered at the next start, once it can be."""
    told.configure((NETWORK, WEB), "shutdown_grace: 1s")
    child = told.start(out=subprocess.PIPE)
    await told.polled(child, 4)
    await recorded(told, 2)  # both were seen before anything changes
    await fill(told, simulator, 20)  # more than the 64 KiB that a pipe holds
    await until(lambda: told.undelivered() > 0, "a full pipe")
    await told.polled(child, 20)
    begun = time.monotonic()
    assert await child.stopped() == 0
    assert time.monotonic() - begun < 1 + SLACK
    assert child.process.stdout
    before = child.process.stdout.read()
    waiting = told.undelivered()
    assert waiting > 0
    (stopped,) = child.logged("watcher.stopped")
    assert (stopped["undelivered"], stopped["consequence"]) == (waiting, "they are kept, and sent after the next start")

    child = told.start(out=subprocess.PIPE).read()
    await until(lambda: told.undelivered() == 0, "the rest")
    assert await child.stopped() == 0
    events = whole_lines(before[: before.rfind(b"\n") + 1]) + whole_lines(child.printed())
    shown = set(facts_of(told.kept()))
    judge(events, must=shown, shown=shown)
    assert sequences(told.kept()) == list(range(1, 22))


async def test_a_second_signal_ends_at_once_and_loses_nothing(told: Site, simulator: Simulator) -> None:
    told.configure((NETWORK, WEB), "shutdown_grace: 10m")
    child = told.start(out=subprocess.PIPE)
    await told.polled(child, 4)
    await recorded(told, 2)  # both were seen before anything changes
    await fill(told, simulator, 20)
    await until(lambda: told.undelivered() > 0, "a full pipe")
    child.signal(signal.SIGTERM)
    await until(lambda: child.logged("watcher.shutdown_started"), "the first signal being heard")
    child.signal(signal.SIGTERM)  # the same told twice
    await asyncio.sleep(1)
    assert child.running
    child.signal(signal.SIGTERM)
    begun = time.monotonic()
    assert await child.ended() == 0
    assert time.monotonic() - begun < SLACK
    assert child.process.stdout
    before = child.process.stdout.read()
    assert told.undelivered() > 0

    child = told.start()
    await until(lambda: told.undelivered() == 0, "the rest")
    assert await child.stopped() == 0
    shown = set(facts_of(told.kept()))
    events = whole_lines(before[: before.rfind(b"\n") + 1]) + whole_lines(child.printed())
    judge(events, must=shown, shown=shown)


async def test_a_closed_pipe_ends_the_daemon_cleanly_with_the_events_kept(told: Site, simulator: Simulator) -> None:
    child = told.start(out=subprocess.PIPE)
    await told.polled(child, 6)
    await until(lambda: told.undelivered() == 0, "the first deliveries")
    assert child.process.stdout
    child.process.stdout.close()
    simulator.world.show(NETWORK, attempt(NETWORK, FAILED, T + 1))
    assert await child.ended() == 0
    assert child.logged("sink.closed")
    assert told.undelivered() == 1

    child = told.start()
    await until(lambda: told.undelivered() == 0, "the event that was kept")
    assert await child.stopped() == 0
    assert [fact.status for fact in facts_of(whole_lines(child.printed()))] == [FAILED]


async def test_a_closed_stderr_does_not_end_it(told: Site, simulator: Simulator) -> None:
    read, write = os.pipe()
    with os.fdopen(write, "wb") as err:
        child = told.start(err=err)
    await told.polled(child, 4)
    os.close(read)
    simulator.world.show(WEB, attempt(WEB, FAILED, T + 1))  # which is logged, too
    await until(lambda: b'"FAILED"' in child.printed(), "the event")
    await told.polled(child, 10)
    assert await child.stopped() == 0


async def test_stdout_that_was_closed_from_the_start_ends_it_cleanly(told: Site) -> None:
    child = told.start(prefix=("sh", "-c", 'exec "$0" "$@" >&-'))
    assert await child.ended() == 0
    assert "Traceback" not in child.said()


async def test_an_attempt_under_way_when_the_daemon_ends_goes_on_at_the_next_start(
    told: Site, simulator: Simulator
) -> None:
    now = time.time()  # or the attempt would have stalled
    simulator.world.show(NETWORK, attempt(NETWORK, IN_PROGRESS, now))
    child = told.start()
    await told.polled(child, 6)
    assert await child.stopped() == 0
    simulator.world.show(NETWORK, attempt(NETWORK, FAILED, now))
    second = told.start()
    await until(lambda: b'"FAILED"' in second.printed(), "the end of the attempt")
    assert await second.stopped() == 0
    (event,) = (each for each in whole_lines(second.printed()) if each["subject"] == NETWORK.id)
    assert event["data"]["previous_status"] == IN_PROGRESS
    assert event["data"]["new_attempt"] is False
    assert event["data"]["sequence"] == 2


async def test_a_second_daemon_on_one_state_file_is_refused(told: Site) -> None:
    """The second says so, names the file, and goes; the first goes on."""
    first = told.start()
    await told.polled(first, 2)
    code, printed, said = await told.run()
    assert (code, printed) == (73, "")
    assert f"{told.state}: another daemon (process {first.process.pid})" in said
    await told.polled(first, 6)
    assert await first.stopped() == 0


async def test_a_killed_daemon_leaves_no_lock_behind(told: Site) -> None:
    first = told.start()
    await told.polled(first, 2)
    first.end()
    second = told.start()
    await told.polled(second, 2)
    assert await second.stopped() == 0


@pytest.mark.parametrize("delay", [0.0, 0.1, 0.3, 0.6])
async def test_a_hangup_before_the_daemon_is_ready_or_while_it_stops_is_no_end(told: Site, delay: float) -> None:
    child = told.start()
    await until(lambda: heeds(child.process.pid, signal.SIGHUP))  # sooner, it is not Python's yet
    await asyncio.sleep(delay)  # whichever moment of the start that is on this machine
    child.signal(signal.SIGHUP)
    await told.polled(child, 4)
    child.signal(signal.SIGTERM)
    while child.running:
        child.signal(signal.SIGHUP)
        await asyncio.sleep(0.002)
    assert await child.ended() == 0


async def test_a_reader_that_stalls_holds_up_no_end_also_while_its_sink_is_replaced(
    told: Site, simulator: Simulator
) -> None:
    told.configure((NETWORK, WEB), "shutdown_grace: 1s", "sinks: [{name: out, type: stdout}]")
    child = told.start(out=subprocess.PIPE)
    await told.polled(child, 4)
    await recorded(told, 2)
    await fill(told, simulator, 20)
    await until(lambda: told.undelivered() > 0, "a full pipe")
    told.configure((NETWORK, WEB), "shutdown_grace: 1s", "sinks: [{name: other, type: stdout}]")
    child.signal(signal.SIGHUP)
    await asyncio.sleep(0.5)  # the reload waits for the send by now
    begun = time.monotonic()
    assert await child.stopped() == 0
    assert time.monotonic() - begun < 1 + SLACK
