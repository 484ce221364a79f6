"""Stacks that are polled by their repository: with the real client over a real socket."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.conftest import Watch, a_config, a_stack, running
from watcher.core.model import Repository
from watcher.sources.codeconnections import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.simulator import Simulator

SHOP = Repository("6053346f-8a33-4edb-9397-10394b695173", "main")
PACE: dict[str, Any] = {"repository": SHOP, "repository_interval": 0.1, "backstop_interval": 3600.0}
CART, TILL = a_stack("cart", **PACE), a_stack("till", **PACE)
SOURCE = REPOSITORY.target("default", "us-east-1", {"link": SHOP.link, "branch": SHOP.branch}, interval=0.1)


@pytest.fixture
async def watch(simulator: Simulator) -> AsyncIterator[Watch]:
    """Two settled stacks of one repository, which no longer poll for anything but the backstop."""
    async with running(simulator, a_config(simulator.url, [CART, TILL])) as made:
        for target in (SOURCE, CART, TILL):
            made.show(target, "SUCCEEDED", -60)
        await settled(made)
        yield made


def calls(watch: Watch) -> Counter[str]:
    return Counter(call.target.partition("/")[0] for call in watch.simulator.calls)


async def settled(watch: Watch) -> None:
    """Until only the repository is polled."""
    while await stack_calls(watch):
        pass


async def stack_calls(watch: Watch) -> int:
    """How many polls of stacks there are while the repository is polled ten times."""
    before = calls(watch)
    await watch.until(lambda: calls(watch)["repository"] >= before["repository"] + 10)
    return calls(watch)["stack"] - before["stack"]


async def test_while_the_repository_has_no_new_attempt_its_stacks_are_not_polled(watch: Watch) -> None:
    assert await stack_calls(watch) == 0
    assert watch.caught.events == []


async def test_a_new_attempt_of_the_repository_shows_what_its_stacks_make_of_it(watch: Watch) -> None:
    watch.show(CART, "IN_PROGRESS", 1)
    watch.show(SOURCE, "IN_PROGRESS", 1)
    await watch.until(lambda: watch.kinds() == ["sync.in_progress"])
    watch.show(CART, "FAILED", 1)
    await watch.until(lambda: watch.kinds() == ["sync.in_progress", "sync.failed"])


async def test_a_sync_that_begins_some_time_after_the_repository_s_attempt_is_seen(watch: Watch) -> None:
    watch.show(SOURCE, "IN_PROGRESS", 1)
    before = calls(watch)
    await watch.until(lambda: calls(watch)["stack"] >= before["stack"] + 4)
    watch.show(SOURCE, "SUCCEEDED", 1)
    watch.show(TILL, "FAILED", 2)
    await watch.until(lambda: watch.kinds() == ["sync.failed"])
    await settled(watch)


async def test_stacks_of_a_repository_that_disappears_are_polled_each_interval(watch: Watch) -> None:
    watch.simulator.world.remove(SOURCE)
    before = calls(watch)
    await watch.until(lambda: calls(watch)["stack"] >= before["stack"] + 10)
    assert watch.caught.events == [], "nobody asked for events of the repository"
    watch.show(SOURCE, "SUCCEEDED", -60)
    await settled(watch)


async def test_a_repository_that_is_denied_while_its_stacks_answer_is_no_outage(simulator: Simulator) -> None:
    rarely = [a_stack(name, **{**PACE, "interval": 1.0}) for name in ("cart", "till")]
    simulator.world.fault(None, "access_denied", operation="GetRepositorySyncStatus")
    async with running(simulator, a_config(simulator.url, rarely)) as watch:
        for target in rarely:
            watch.show(target, "SUCCEEDED", -60)
        await watch.until(lambda: calls(watch)["repository"] >= 30 and calls(watch)["stack"] >= 4)
        assert watch.kinds() == []
        simulator.world.fault(None, "access_denied")
        await watch.until(lambda: watch.kinds() == ["endpoint.unreadable"])
        simulator.world.clear()
        await watch.until(lambda: watch.kinds()[1:] == ["endpoint.readable"])


async def test_a_repository_that_is_a_target_as_well_has_its_events(simulator: Simulator) -> None:
    async with running(simulator, a_config(simulator.url, [CART, TILL, SOURCE])) as watch:
        for target in (SOURCE, CART, TILL):
            watch.show(target, "SUCCEEDED", -60)
        await settled(watch)
        watch.show(SOURCE, "FAILED", 1)
        watch.show(CART, "FAILED", 1)
        await watch.until(lambda: sorted(event["subject"] for event in watch.caught.events) == [SOURCE.id, CART.id])


async def test_a_repository_of_a_single_stack_is_not_polled(simulator: Simulator) -> None:
    async with running(simulator, a_config(simulator.url, [CART])) as watch:
        watch.show(CART, "SUCCEEDED", -60)
        await watch.polls(5)
        assert calls(watch)["repository"] == 0
