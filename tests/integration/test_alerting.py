"""The alert rules in a real Prometheus, and what a real Alertmanager sends, while the daemon is away and afterwards."""

from __future__ import annotations

import asyncio
import re
import shutil
import time
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.browser.daemon import Daemon
from tests.browser.worlds import green
from tests.support.alertmanager import PROGRAM as ALERTMANAGER
from tests.support.alertmanager import child, receiving
from tests.support.ports import unused_port
from tests.support.simulator import attempt
from tests.support.waiting import until
from tests.unit.monitoring.test_alerts import RULES
from watcher.core.model import FAILED, SUCCEEDED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

PROMETHEUS = shutil.which("prometheus")

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(not (PROMETHEUS and ALERTMANAGER), reason="Debian has prometheus and prometheus-alertmanager"),
]

AWAY = 30.0
"""Seconds for which the daemon is away."""


async def test_no_alert_is_resolved_while_the_daemon_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed sync is resolved when it succeeded, and not by a restart of half a minute."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "alerting")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "alerting")
    daemon = Daemon(tmp_path)
    async with AsyncExitStack() as stack, asyncio.timeout(300):
        await daemon.simulator.start()
        stack.push_async_callback(daemon.simulator.stop)
        targets = green(daemon.simulator)
        broken, now = targets[0], time.time()
        daemon.simulator.world.show(broken, attempt(broken, FAILED, now))
        daemon.configure(targets)
        await daemon.start()
        stack.push_async_callback(daemon.stop)
        notices, hook = await stack.enter_async_context(receiving())
        await stack.enter_async_context(alerting(tmp_path, daemon.address, hook))

        await until(lambda: ("WatcherSyncFailed", "firing") in notices)
        await daemon.stop()
        await asyncio.sleep(AWAY)
        await until(lambda: ("WatcherAbsent", "firing") in notices)
        await daemon.restart()
        await until(lambda: ("WatcherAbsent", "resolved") in notices)
        assert ("WatcherSyncFailed", "resolved") not in notices
        daemon.simulator.world.show(broken, attempt(broken, SUCCEEDED, now + 1))
        shown = time.monotonic()
        await until(lambda: ("WatcherSyncFailed", "resolved") in notices)
        assert time.monotonic() - shown < AWAY


@asynccontextmanager
async def alerting(folder: Path, watcher: str, hook: str) -> AsyncIterator[None]:
    """Prometheus, which scrapes `watcher` each second with our rules, and Alertmanager, which posts to `hook`."""
    manager, prometheus = unused_port(), unused_port()
    rules = re.sub(r"\n        for: \w+", "\n        for: 2s", RULES.read_text(encoding="utf-8"))
    (folder / "rules.yaml").write_text(rules, encoding="utf-8")
    manager_file = {
        "route": {"receiver": "hook", "group_by": ["alertname"], "group_wait": "1s", "group_interval": "1s"},
        "receivers": [{"name": "hook", "webhook_configs": [{"url": hook, "send_resolved": True}]}],
    }
    prometheus_file = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yaml"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{manager}"]}]}]},
        "scrape_configs": [{"job_name": "watcher", "static_configs": [{"targets": [watcher]}]}],
    }
    (folder / "alertmanager.yaml").write_text(yaml.safe_dump(manager_file), encoding="utf-8")
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(prometheus_file), encoding="utf-8")
    async with (
        child(ALERTMANAGER, "--config.file=alertmanager.yaml", "--storage.path=manager", "--cluster.listen-address=",
              f"--web.listen-address=127.0.0.1:{manager}", folder=folder, port=manager),
        child(PROMETHEUS, "--config.file=prometheus.yaml", "--storage.tsdb.path=data", "--rules.alert.resend-delay=1s",
              f"--web.listen-address=127.0.0.1:{prometheus}", folder=folder, port=prometheus),
    ):  # fmt: skip
        yield
