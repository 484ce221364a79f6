"""What every test may ask for: emulators of AWS, and fresh tables in one of them; and what all tests share."""

from __future__ import annotations

import os
from functools import cache
from random import Random
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, settings

from watcher import sessions

if TYPE_CHECKING:
    import pytest

# Whatever proxy the surroundings have, tests speak to loopback.
for _name in ("NO_PROXY", "no_proxy"):
    os.environ[_name] = ",".join(filter(None, (os.environ.get(_name), "127.0.0.1", "localhost", "::1")))

pytest_plugins = ["tests.edge.emulators", "tests.dynamodb"]

# How long an example takes says nothing on a busy machine.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

# A process reads botocore's models once, however many daemons its tests run.
sessions.JsonModels = cache(sessions.JsonModels)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let an order be asked for that no test may depend on."""
    parser.addoption("--shuffle", type=int, metavar="SEED", help="run the tests in a random order, the same for a seed")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Shuffle the tests, if asked to."""
    seed = config.getoption("--shuffle")
    if seed is not None:
        Random(seed).shuffle(items)
