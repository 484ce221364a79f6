"""What every acceptance test starts from: a stand-in for AWS in this process, and places for the command to run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.installed_command import REGION, Site
from tests.support.simulator import Simulator
from watcher.simulator.scenario import Scenario
from watcher.sources.codeconnections import stack
from watcher.sources.proton import template

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    Places = Callable[..., Site]

NETWORK = stack("default", REGION, "network")
WEB = template("default", REGION, "SERVICE", "web", "2")


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    made = Simulator(Scenario("test"))
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def places(tmp_path: Path) -> Iterator[Places]:
    """Makes sites, and ends their children however the test ends."""
    made: list[Site] = []

    def place(simulator: Simulator | None = None, name: str = "site") -> Site:
        made.append(Site(tmp_path, simulator, name))
        return made[-1]

    yield place
    for site in made:
        site.end()


@pytest.fixture
def site(places: Places, simulator: Simulator) -> Site:
    return places(simulator)
