"""What every test may ask for: emulators of AWS, and fresh tables in one of them; and what all tests share."""

from __future__ import annotations

import contextlib
import gc
import importlib
import logging
import os
import signal
from functools import cache
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests.support import botocore_caches
from watcher.stores.dynamodb import client
from watcher.web import assets

if TYPE_CHECKING:
    from collections.abc import Iterator

# Whatever proxy the surroundings have, tests speak to loopback.
for _name in ("NO_PROXY", "no_proxy"):
    os.environ[_name] = ",".join(filter(None, (os.environ.get(_name), "127.0.0.1", "localhost", "::1")))

pytest_plugins = ["tests.support.credentials", "tests.support.emulators", "tests.support.dynamodb_tables"]

# How long an example takes says nothing on a busy machine. `make soak` tries many more.
settings.register_profile("few", max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("many", settings.get_profile("few"), max_examples=1000)
settings.load_profile("few")

botocore_caches.install()

# A daemon reads the files of its page once; so do all daemons of a process of the tests.
assets.load = cache(assets.load)

# What is logged before a command sets up the logs: a traceback with the values of all variables takes half a second.
structlog.dev.ConsoleRenderer.get_active().exception_formatter = structlog.dev.plain_traceback

# What is imported and collected stays: see `pytest_collection_finish`.
gc.disable()

# An emulator shares the machine with the tests: it may take longer than a table of AWS.
client.Caller.call.__kwdefaults__["within"] = 30.0

# In a background job these are ignored, which children inherit.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)

_configure = structlog.configure


def _configure_for_one_test(**how: Any) -> None:
    """Let no logger keep what a command set up: the next test has the defaults again."""
    _configure(**{**how, "cache_logger_on_first_use": False})


structlog.configure = _configure_for_one_test


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """A command that a test runs in this process sets up the logs of a process of its own."""
    root, botocore = logging.getLogger(), logging.getLogger("botocore")
    before = [(logger, logger.level) for logger in (root, botocore)]
    handlers = [*root.handlers]
    yield
    structlog.reset_defaults()
    logging.captureWarnings(capture=False)
    for logger, level in before:
        logger.setLevel(level)
    root.handlers[:] = handlers


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let an order be asked for that no test may depend on."""
    parser.addoption("--shuffle", type=int, metavar="SEED", help="run the tests in a random order, the same for a seed")


def pytest_collection(session: pytest.Session) -> None:
    """Let each of several workers compile other modules first; the others then find them compiled."""
    worker, workers = os.environ.get("PYTEST_XDIST_WORKER"), os.environ.get("PYTEST_XDIST_WORKER_COUNT")
    if worker is None or workers is None:
        return
    chosen = [session.config.invocation_params.dir / arg.partition("::")[0] for arg in session.config.args]
    folder = Path(__file__).parent
    modules = [file for path in chosen for file in sorted(path.rglob("test_*.py")) if file.is_relative_to(folder)]
    for file in modules[int(worker.removeprefix("gw")) :: int(workers)]:
        # Whatever is wrong with it, the collection imports it again, and says so.
        with contextlib.suppress(Exception, pytest.skip.Exception):
            importlib.import_module(".".join(file.relative_to(folder.parent).with_suffix("").parts))


def pytest_collection_finish() -> None:
    """Look for garbage only among what comes now, and seldom: what was imported and collected stays until the end."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Shuffle the tests, if asked to. Refuse names that each worker would write in another way."""
    if unstable := [item.nodeid for item in items if " at 0x" in item.nodeid]:
        raise pytest.UsageError(f"give these parameters ids that are the same in each process: {unstable[0]}")
    seed = config.getoption("--shuffle")
    if seed is not None:
        Random(seed).shuffle(items)
