"""A daemon whose configuration is in AWS: reloads, faults, outages, and starts from the copy that it kept."""

from __future__ import annotations

import json
import signal
import sqlite3
import urllib.request
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.config_server import NAMES, ConfigServer
from tests.support.ports import unused_port
from tests.support.waiting import until
from watcher.sources.codeconnections import stack

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.installed_command import Child, Site

WHOSE = "the-team-of-the-environment"


@pytest.fixture
async def server() -> AsyncIterator[ConfigServer]:
    made = ConfigServer("")
    await made.start()
    yield made
    await made.stop()


class House:
    """A site whose configuration a server has."""

    def __init__(self, site: Site, server: ConfigServer, service: str, url: str) -> None:
        self.site, self.server, self.name, self.url = site, server, NAMES[service], url
        self.port = unused_port()
        variable = f"AWS_ENDPOINT_URL_{service.upper()}"
        site.environment |= {variable: url, "WATCHER_CONFIG": self.name, "WHOSE": WHOSE}
        site.environment["WATCHER_STATE"] = f"sqlite:///{site.state}"

    def text(self, *names: str) -> str:
        targets = [stack("default", "us-east-1", name) for name in names]
        labelled = "defaults: {interval: 100ms, labels: {a: '${WHOSE}'}}"
        self.site.configure(targets, labelled, "state:", f"http: {{listen: '127.0.0.1:{self.port}'}}")
        return self.site.config.read_text()

    def copy(self) -> str:
        """The text that is kept; empty: none is."""
        if not self.site.state.exists():
            return ""
        with closing(sqlite3.connect(self.site.state, timeout=10)) as connection:
            rows = connection.execute("SELECT text FROM config_copy").fetchall()
        return rows[0][0] if rows else ""

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as response:
            return str(response.read(), "utf-8")

    def shown(self) -> dict[str, Any]:
        """What the API says of the configuration."""
        found: dict[str, Any] = json.loads(self.get("/api/status"))["config"]
        return found


async def reloaded(child: Child, event: str, times: int = 1) -> dict[str, Any]:
    """The log line of a reload that is asked for now."""
    child.signal(signal.SIGHUP)
    await until(lambda: len(child.logged(event)) >= times, lambda: f"{event}; it said {child.said()}")
    return child.logged(event)[-1]


@pytest.mark.parametrize(
    ("service", "outage"),
    [
        ("ssm", "denied"),
        pytest.param("s3", "throttled", marks=pytest.mark.soak),
        pytest.param("appconfigdata", "malformed", marks=pytest.mark.soak),
        pytest.param("ssm", "hangs", marks=pytest.mark.soak),
    ],
)
async def test_the_last_good_configuration_outlasts_faults_kills_and_an_outage(
    site: Site, server: ConfigServer, service: str, outage: str
) -> None:
    house = House(site, server, service, server.url)
    server.text = first = house.text("network")
    child = site.start("run")
    await site.polled(child)
    await until(lambda: house.copy() == first)

    server.text = second = house.text("network", "other")
    assert (await reloaded(child, "config.reloaded"))["new"] == 1
    await until(lambda: house.copy() == second)
    assert WHOSE not in second
    server.text = second.replace("{name:", "{nam:")
    line = second.splitlines().index("stacks:") + 2
    (fault, *_) = (await reloaded(child, "config.rejected"))["faults"]
    assert fault.startswith(f"{house.name}:{line}:6: stacks[0].nam: unknown key")
    await site.polled(child)
    assert house.copy() == second

    child.signal(signal.SIGKILL)
    await until(lambda: not child.running)
    server.outage = outage
    code, _, said = await site.run("validate")
    assert (code, f"watcher: {house.name} cannot be read in us-east-1: " in said) == (69, True)
    child = site.start("run")
    await site.polled(child, 4)
    (line_of_log,) = child.logged("config.copy_loaded")
    assert line_of_log["reason"].startswith(f"{house.name} cannot be read")
    shown = house.shown()
    assert shown["place"] == house.name
    assert shown["kept_at"]
    assert shown["faults"] == [line_of_log["reason"]]
    assert "\nwatcher_config_reload_success 0.0\n" in house.get("/metrics")
    code, said, _ = await site.run("healthcheck")
    assert (code, said) == (0, "ok\n")

    server.outage, server.text = "", house.text("network")
    await reloaded(child, "config.reloaded")
    await until(lambda: house.copy() == server.text)
    assert (house.shown()["kept_at"], house.shown()["faults"]) == (None, [])
    assert await child.stopped() == 0


async def test_a_start_without_the_configuration_or_a_copy_ends_with_69(site: Site, server: ConfigServer) -> None:
    House(site, server, "ssm", f"http://127.0.0.1:{unused_port()}")
    code, _, said = await site.run("run")
    assert code == 69
    assert "no copy of an earlier start is kept in sqlite:///" in said
    assert not site.state.exists()
