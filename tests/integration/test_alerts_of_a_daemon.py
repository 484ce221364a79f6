"""The daemon and a real Alertmanager: an alert stays while its incident lasts, through a restart of either."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.conftest import a_config, a_stack, at, daemon
from tests.integration.posting_sinks import REACH
from tests.support.alertmanager import MISSING, PROGRAM, Alertmanager, receiving
from tests.support.simulator import attempt
from tests.support.waiting import PATIENCE, until
from watcher.core.model import FAILED, SUCCEEDED
from watcher.core.settings import Config
from watcher.core.sink_settings import SinkSettings
from watcher.sinks.alertmanager import AlertmanagerOptions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.simulator import Simulator

pytestmark = pytest.mark.skipif(not PROGRAM, reason=MISSING)

RESEND = 1.0
FIRING, RESOLVED = ("WatcherSyncFailed", "firing"), ("WatcherSyncFailed", "resolved")


def watching(simulator: Simulator, folder: Path, manager: Alertmanager, *labels: str) -> Config:
    options = AlertmanagerOptions.model_construct(
        name="am", type="alertmanager", urls=[manager.url], resend=RESEND, headers={}, **REACH
    )
    target = a_stack(labels=dict.fromkeys(labels, "x"))
    sinks = (SinkSettings("am", "alertmanager", options=options),)
    return a_config(simulator.url, [target], state=f"sqlite:///{folder / 'watcher.db'}", sinks=sinks)


async def until_open(manager: Alertmanager, wanted: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
    """Wait until the alerts that are open are as wanted, and return them."""
    async with asyncio.timeout(PATIENCE):
        while not wanted(found := await manager.alerts()):  # noqa: ASYNC110  Alertmanager has no event to wait for
            await asyncio.sleep(0.1)
    return found


async def test_an_alert_outlasts_restarts_and_changed_labels_and_ends_with_its_incident(
    tmp_path: Path, simulator: Simulator
) -> None:
    target = a_stack()
    simulator.world.show(target, attempt(target, FAILED, at(0)))
    async with AsyncExitStack() as stack:
        notices, hook = await stack.enter_async_context(receiving())
        manager = Alertmanager(tmp_path, hook)
        async with daemon(watching(simulator, tmp_path, manager, "team")):
            async with manager.running():
                (alert,) = await until_open(manager, bool)
                await until(lambda: FIRING in notices)
            async with manager.running():  # it has forgotten its alerts
                (again,) = await until_open(manager, bool)
        assert alert["labels"] == again["labels"]
        assert alert["labels"]["team"] == "x"
        async with manager.running(), daemon(watching(simulator, tmp_path, manager, "team", "other")):
            await until_open(manager, bool)
            await asyncio.sleep(5 * RESEND)  # longer than an alert lasts that is not repeated
            assert [each["labels"] for each in await manager.alerts()] == [alert["labels"]]
            assert set(notices) == {FIRING}
            simulator.world.show(target, attempt(target, SUCCEEDED, at(1)))
            shown = time.monotonic()
            await until(lambda: RESOLVED in notices)
            assert time.monotonic() - shown < 15
            assert await manager.alerts() == []


async def test_an_end_that_waited_through_a_restart_ends_the_same_alert(tmp_path: Path, simulator: Simulator) -> None:
    target = a_stack()
    simulator.world.show(target, attempt(target, FAILED, at(0)))
    async with AsyncExitStack() as stack:
        notices, hook = await stack.enter_async_context(receiving())
        manager = Alertmanager(tmp_path, hook)
        async with manager.running(), daemon(watching(simulator, tmp_path, manager, "team")):
            await until(lambda: FIRING in notices)
        async with daemon(watching(simulator, tmp_path, manager)):
            calls = len(simulator.calls)
            simulator.world.show(target, attempt(target, SUCCEEDED, at(1)))
            await until(lambda: len(simulator.calls) > calls + 3)
        async with manager.running(), daemon(watching(simulator, tmp_path, manager)):
            await until(lambda: RESOLVED in notices)
            assert await manager.alerts() == []
