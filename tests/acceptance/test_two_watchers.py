"""Two watchers on one table: one takes over what the other one had, and AWS is asked no more than allowed."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from random import Random
from typing import TYPE_CHECKING

import pytest
from aiohttp import ClientSession

from tests.support.cluster_fixture import REGIONS, TERM, Field, field, term_here
from tests.support.cluster_fleet import crowds, gaps
from tests.support.random_worlds import CallClock, random_world
from tests.support.waiting import SLACK, until

if TYPE_CHECKING:
    from tests.acceptance.conftest import Places
    from tests.support.emulators import Emulator
    from tests.support.installed_command import Child

pytestmark = pytest.mark.usefixtures("aws_credentials")


ON_THE_WAY = 0.3
"""Seconds by which a call may arrive closer to the one before than it was begun, since that one opened a connection.

Calls of two runs that know nothing of each other would lie anywhere within a second.
"""


TRIES = 3

CONTROL = 3
"""Intervals without a roll, in which it shows how long a target is not polled by a run that is left alone."""


async def roll(
    places: Places, ministack: Emulator, *, seed: int, rolls: int, each: int, interval: float, how: str = ""
) -> tuple[float, float]:
    """Start a new daemon, SIGTERM the old one, again and again; `each`: stacks and templates of every region.

    Returns for how long a target was not polled, and for how long it may not be on this machine, both in seconds.
    """
    chance, rate = Random(seed), 1
    lasts = 5.0 * rolls / interval + CONTROL
    world = random_world(seed, seconds=lasts, stacks=each, templates=each).at_pace(1 / interval)
    clock = CallClock(len(REGIONS) * len(world.targets()) / interval)
    more = (f"rate_limit: {{requests_per_second: {rate}}}",)
    async with field(
        places, ministack, world, posts=1, how=how, more=more, interval=f"{interval:g}s", clock=clock
    ) as field_:
        (post,), watched, calls = field_.fleet.posts, field_.watched, field_.simulator.calls
        old = post.start()
        await post.started()
        await all_polled_by(field_, old.key, since=0)
        steady = time.monotonic()
        for _ in range(CONTROL):
            await all_polled_by(field_, old.key, since=len(calls))
        control = max(gaps(call for call in [*calls] if call.at >= steady).values())
        start = 0.0
        for _ in range(rolls):
            begun, new = time.monotonic(), post.start()
            await post.started()
            start = max(start, time.monotonic() - begun)
            await asyncio.sleep(chance.uniform(0, 2))
            since = len(calls)
            assert await old.stopped() == 0, old.said()
            await all_polled_by(field_, new.key, since=since)
            old = new
        settled = time.monotonic()
        await watched.quiet(sure=2)
        await field_.fleet.delivered()
        assert await old.stopped() == 0
        await field_.judge(sure=2)
    between = [call for call in calls if steady <= call.at <= settled]
    longest = max(gaps(between).values())
    assert len(gaps(between)) == 2 * each * len(REGIONS)
    close = crowds(between, rate, seconds=1.0)
    print(f"calls within a second: {close}")
    # What one run begins is held to the rate elsewhere: here it shows how late calls are on this machine, now.
    late = max((1.0 - crowd.seconds for crowd in close if len({*crowd.runs}) == 1), default=0.0)
    allowed = max(ON_THE_WAY, 2 * late)
    assert [crowd for crowd in close if len({*crowd.runs}) > 1 and crowd.seconds < 1.0 - allowed] == []
    arrived = field_.fleet.consumer.arrived
    print(f"{rolls} rolls: unpolled for {longest:.1f} s at most; {len(arrived) - len(dict(arrived))} repeats")
    return longest, 2 * control + start  # to take over is less work than to start is


async def all_polled_by(field_: Field, key: str, *, since: int) -> None:
    """Wait until one run has polled every target."""
    calls, count = field_.simulator.calls, len(field_.watched.targets)

    def polled() -> bool:
        return len({(call.region, call.target) for call in [*calls][since:] if call.access_key == key}) == count

    await until(polled, f"every target polled by {key}")


async def test_a_rolling_deployment_loses_nothing_and_leaves_no_target_alone(
    places: Places, ministack: Emulator
) -> None:
    for _ in range(TRIES):  # something else on the machine may have held up a takeover
        how = f"&term={await term_here(ministack.url):g}s"
        longest, allowed = await roll(places, ministack, seed=7, rolls=2, each=1, interval=3.0, how=how)
        if longest <= allowed:
            return
    pytest.fail(
        f"a target was not polled for {longest:.1f} s, and {allowed:.1f} s were allowed, in each of {TRIES} tries"
    )


@pytest.mark.soak
async def test_a_hundred_rolling_deployments_lose_nothing_and_leave_no_target_alone(
    places: Places, ministack: Emulator
) -> None:
    """Two at a time; the leases' term is the usual one."""
    first = int(os.environ.get("WATCHER_SOAK_SEED", "0"))
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(roll(places, ministack, seed=seed, rolls=50, each=2, interval=5.0))
            for seed in (first, first + 1)
        ]
    for task in tasks:
        longest, allowed = task.result()
        assert longest <= allowed, f"a target was not polled for {longest:.1f} s"


async def test_what_a_killed_daemon_held_is_polled_by_another_after_a_term(places: Places, ministack: Emulator) -> None:
    world = random_world(3, seconds=1.0, stacks=1, templates=1)
    how = f"&term={TERM:g}s"
    async with field(places, ministack, world, posts=2, how=how, interval="200ms") as field_:
        first, second = field_.fleet.posts
        first.start()
        await first.started()
        await until(lambda: field_.watched.sightings, "polls")
        second.start()
        await second.started()
        assert first.child
        assert second.child
        first.child.signal(signal.SIGKILL)
        killed = time.monotonic()
        await all_of(field_, second.child.key)
        took = time.monotonic() - killed
        print(f"taken over after {took:.1f} s")
        assert TERM / 2 < took < TERM + SLACK
        assert await second.child.stopped() == 0


async def all_of(field_: Field, key: str) -> None:
    """Wait until one run polls everything."""
    seen = field_.watched.sightings

    def polls() -> bool:
        return len(seen) == 2 * len(REGIONS) and all(key in {each.run for each in some} for some in seen.values())

    await until(polls, lambda: f"everything polled by {key}; {field_.said()}")


async def test_a_daemon_that_cannot_reach_the_table_polls_nothing_and_reports_it_while_the_other_goes_on(
    places: Places, ministack: Emulator
) -> None:
    world = random_world(4, seconds=1.0, stacks=1, templates=1)
    how, more = f"&term={TERM:g}s", ("http: {listen: 127.0.0.1:0}",)
    async with field(places, ministack, world, posts=2, how=how, more=more, interval="200ms") as field_:
        first, second = field_.fleet.posts
        children = [first.start(), second.start()]
        for post in (first, second):
            await post.started()
        for child in children:
            await until_ready(child)
        first.proxy.cut()
        await until_unready(children[0], "the leases in the state table cannot be renewed")
        await all_of(field_, children[1].key)
        await until_ready(children[1])
        calls = len(field_.simulator.calls)
        await until(lambda: len(field_.simulator.calls) > calls + 50, "polls of the other one")
        assert {call.access_key for call in [*field_.simulator.calls][calls:]} == {children[1].key}
        first.proxy.mend()
        await until_ready(children[0])
        for child in children:
            assert await child.stopped() == 0


async def until_ready(child: Child) -> None:
    """Wait until a daemon says that it is ready."""
    await until_said(child, 200, "")


async def until_unready(child: Child, why: str) -> None:
    """Wait until a daemon says that it is not ready, and why."""
    await until_said(child, 503, why)


async def until_said(child: Child, status: int, text: str) -> None:
    url = child.logged("http.started")[0]["url"]
    async with ClientSession() as session:

        async def says_so() -> bool:
            async with session.get(f"{url}/readyz") as answer:
                return answer.status == status and text in await answer.text()

        await until(says_so, f"{status} with {text!r}")
