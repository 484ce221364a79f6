"""Several daemons on one table that are killed, stopped and cut off: nothing is lost, and nothing reordered.

The same with stores that are wrong on purpose says that the oracle would have seen it.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.cluster_blows import BLOWS, kill
from tests.support.cluster_fixture import REGIONS, TERM, field, term_here
from tests.support.cluster_fleet import TooLittleError
from tests.support.event_oracle import NotConservedError
from tests.support.random_worlds import CallClock, random_world

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.acceptance.conftest import Places
    from tests.support.cluster_blows import Blow
    from tests.support.cluster_fleet import Post
    from tests.support.emulators import Emulator

pytestmark = pytest.mark.usefixtures("aws_credentials")


SOAK_MINUTES = float(os.environ.get("WATCHER_SOAK_MINUTES", "10"))

PACE = 0.75
"""Times as fast as the other random worlds go, so that several polls see the same."""


async def conserve(
    places: Places,
    ministack: Emulator,
    *,
    seed: int,
    posts: int,
    leases: bool,
    seconds: float,
    pace: float = PACE,
    blows: Sequence[Blow] = BLOWS,
    store: str | None = None,
) -> Counter[str]:
    """A life of blows on several daemons, each by itself; returns what was done, told and repeated.

    `pace`: of the world; `store`: one that is broken (`broken_tables`).
    """
    chance, done = Random(f"{seed} {posts} {leases}"), Counter[str]()
    term = await term_here(ministack.url)
    how = f"&term={term:g}s" if leases else "&leases=off"
    world = random_world(seed, seconds=seconds * pace, stacks=3, templates=1).at_pace(pace)
    polled_by = 1 if leases else posts
    clock = CallClock(5 * polled_by * len(REGIONS) * len(world.targets()))
    async with field(
        places, ministack, world, posts=posts, how=how, interval="200ms", store=store, clock=clock
    ) as field_:
        fleet, watched = field_.fleet, field_.watched
        fleet.term = term
        for post in fleet.posts:
            post.start()
        for post in fleet.posts:
            await post.started()

        async def live(post: Post, blows: Sequence[Blow]) -> None:
            for blow in blows:
                await asyncio.sleep(chance.uniform(0.2, 2 * TERM))
                if watched.over:
                    return
                await blow(post, fleet)
                done[blow.__name__] += 1

        lives = [[*blows] * max(1, round(seconds / 10)) for _ in fleet.posts]
        for life in lives:
            chance.shuffle(life)
        await asyncio.gather(*(live(post, life) for post, life in zip(fleet.posts, lives, strict=True)))
        await watched.quiet(sure=3)
        if store is None:  # a broken one may keep a delivery for ever
            await fleet.delivered()
        for post in fleet.posts:
            assert post.child
            assert await post.child.stopped() == 0, post.child.said()
        done["had to be told"] = await field_.judge(sure=3)
        arrived = fleet.consumer.arrived
        done["arrived"], done["repeats"] = len(dict(arrived)), len(arrived) - len(dict(arrived))
        print(dict(done))
        return done


@pytest.mark.parametrize("leases", [True, pytest.param(False, marks=pytest.mark.soak)])
async def test_nothing_is_lost_by_several_daemons_that_are_killed_stopped_and_cut_off(
    places: Places, ministack: Emulator, *, leases: bool
) -> None:
    """Three that share a table by leases, or two that do without."""
    await conserve(places, ministack, seed=2026, posts=3 if leases else 2, leases=leases, seconds=9.0)


@pytest.mark.soak
async def test_the_oracle_sees_daemons_whose_store_is_broken(places: Places, ministack: Emulator) -> None:
    """Without the condition on a state, without the single transaction, or with what is not yet sent settled."""

    async def seen(store: str, says: str = "", **how: Any) -> None:
        for seed in range(2026, 2030):
            try:
                await conserve(places, ministack, seed=seed, posts=2, store=store, **how)
            except NotConservedError as broken:
                print(f"{store}: {str(broken)[:300]}")
                if says in str(broken):
                    return
            except TooLittleError:
                continue  # on a slow machine nothing may have happened that was surely seen
        pytest.fail(f"{store}: nobody noticed")

    async with asyncio.TaskGroup() as group:
        group.create_task(seen("unconditional", leases=False, seconds=8.0, blows=()))
        # Its commits take long, so the world has to wait for its polls.
        group.create_task(seen("in parts", leases=True, seconds=16.0, pace=PACE / 2, blows=[kill] * 4))
        how = {"leases": True, "seconds": 8.0, "blows": [kill] * 4}
        group.create_task(seen("settled first", says="'sent'", **how))


@pytest.mark.soak
async def test_nothing_is_lost_in_a_long_run_of_several_daemons(places: Places, ministack: Emulator) -> None:
    """One world after another, for WATCHER_SOAK_MINUTES."""
    end, seed = time.monotonic() + 60 * SOAK_MINUTES, int(os.environ.get("WATCHER_SOAK_SEED", "1"))
    total = Counter[str]()
    while time.monotonic() < end:
        total += await conserve(places, ministack, seed=seed, posts=2 + seed % 2, leases=bool(seed % 3), seconds=30.0)
        seed += 1
    print(f"in all: {dict(total)}")
