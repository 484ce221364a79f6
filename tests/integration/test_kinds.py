"""Service instances and repositories go all the way: configuration, real client, daemon, page, metrics, commands."""

from __future__ import annotations

import json
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.integration.conftest import VALID, at, command, daemon
from tests.support.simulator import attempt
from tests.support.waiting import until
from watcher.cli.configuration import parse
from watcher.config.document import Document
from watcher.config.json_schema import json_schema
from watcher.core.model import rfc3339
from watcher.sinks import SINKS
from watcher.sources import KINDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from tests.support.simulator import Simulator
    from watcher.app.lifecycle import App
    from watcher.core.model import Target
    from watcher.core.settings import Config

LINK = "6053346f-8a33-4edb-9397-10394b695173"
WRITTEN: Mapping[str, tuple[str, dict[str, str]]] = {
    "service instance": ("service_instances", {"service": "shop", "name": "shop-prod"}),
    "linked repository": ("repositories", {"link": LINK, "branch": "release/1"}),
    "repository of Proton": (
        "repositories",
        {"provider": "GITHUB", "name": "org/templates", "branch": "main", "sync_type": "TEMPLATE_SYNC"},
    ),
}
"""The section and the keys of one target of each kind."""


@dataclass
class Watch:
    """A daemon that writes its events to a file, and the only target that it watches."""

    simulator: Simulator
    file: Path
    app: App
    target: Target

    def show(self, status: str, minute: float, *events: str) -> None:
        self.simulator.world.show(self.target, attempt(self.target, status, at(minute), events=events))

    def events(self) -> list[dict[str, Any]]:
        path = self.file.with_name("events.jsonl")
        found = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
        for event in found:
            VALID.validate(event)
        return found

    async def event(self, number: int, type_: str) -> dict[str, Any]:
        """The event with this number (from 1), which has this type."""
        await until(lambda: len(self.events()) >= number, f"event {number}, {type_}")
        event = self.events()[number - 1]
        assert event["type"] == f"watcher.{type_}"
        return event

    async def get(self, path: str) -> Any:
        async with aiohttp.ClientSession() as session, session.get(f"{self.app.web.url}{path}") as got:
            assert got.status == 200, path
            return await (got.json() if path.startswith("/api") else got.text())


def config_of(file: Path) -> Config:
    return parse(Document(str(file), file.read_bytes()), {}, lambda _: None)


@pytest.fixture(params=WRITTEN)
def written(request: pytest.FixtureRequest) -> tuple[str, dict[str, str]]:
    return WRITTEN[request.param]


@pytest.fixture
def file(tmp_path: Path, simulator: Simulator, written: tuple[str, dict[str, str]]) -> Path:
    section, keys = written
    settings = {
        "state": f"sqlite:///{tmp_path / 'watcher.db'}",
        "http": {"listen": "127.0.0.1:0"},
        "shutdown_grace": "2s",
        "accounts": [{"name": "default", "regions": ["us-east-1"], "endpoint_url": simulator.url}],
        "defaults": {"interval": "100ms", "active_interval": "100ms", "on_first_seen": "all"},
        "unreadable_after": 1,
        "retry": {"attempts": 1},
        section: [keys],
        "sinks": [{"name": "out", "type": "file", "path": str(tmp_path / "events.jsonl")}],
    }
    path = tmp_path / "watcher.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


@asynccontextmanager
async def running(simulator: Simulator, file: Path) -> AsyncIterator[Watch]:
    config = config_of(file)
    async with daemon(config) as app:
        yield Watch(simulator, file, app, config.targets[0])


def test_the_json_schema_accepts_it_and_refuses_it_without_any_one_of_its_keys(
    written: tuple[str, dict[str, str]],
) -> None:
    section, keys = written
    schema = Draft202012Validator(json_schema(KINDS, SINKS))
    schema.validate({section: [keys]})
    for missing in keys:
        assert not schema.is_valid({section: [{key: value for key, value in keys.items() if key != missing}]})


async def test_a_change_goes_all_the_way(simulator: Simulator, file: Path, written: tuple[str, dict[str, str]]) -> None:
    (target,) = config_of(file).targets
    kind = target.kind
    begin = "INITIATED" if kind.has_revisions else "QUEUED"
    simulator.world.show(target, attempt(target, begin, at(1)))
    async with running(simulator, file) as watch:
        first = await watch.event(1, f"sync.{begin.lower()}")
        watch.show("FAILED", 1, "it broke")
        failed = await watch.event(2, "sync.failed")
        watch.show("FAILED", 2, "it broke again")
        again = await watch.event(3, "sync.failed")
        watch.show("SUCCEEDED", 3)
        over = await watch.event(4, "sync.succeeded")

        id_, data = watch.target.id, failed["data"]
        assert {event["subject"] for event in watch.events()} == {id_}
        assert [event["data"]["sequence"] for event in watch.events()] == [1, 2, 3, 4]
        shared = {"id": id_, "kind": kind.name, "account": "default", "region": "us-east-1", "labels": {}}
        assert data["target"] == shared | written[1]
        assert (data["status"], data["previous_status"], data["new_attempt"]) == ("FAILED", begin, False)
        assert data["attempt"]["events"][0]["event"] == "it broke"
        assert (again["data"]["new_attempt"], again["data"]["consecutive_failures"]) == (True, 2)
        assert over["data"]["recovered"]
        assert over["data"]["previous_attempt"]["startedAt"] == rfc3339(at(2))
        assert len({event["id"] for event in (first, failed, again, over)}) == 4
        if kind.has_revisions:
            assert data["attempt"]["target"] == "shop/shop-prod"
            assert data["attempt"]["targetRevision"]["repositoryProvider"] == "GITHUB"
            assert over["data"]["latest_successful"]["startedAt"] == rfc3339(at(3))
        else:
            assert data["attempt"].keys() == {"startedAt", "status", "events"}
            assert all(event["data"]["desired_state"] is None for event in watch.events())
            assert all(event["data"]["latest_successful"] is None for event in watch.events())

        (row,) = (await watch.get(f"/api/targets?kind={kind.name}"))["targets"]
        assert (row["id"], row["title"], row["status"]) == (id_, watch.target.title, "SUCCEEDED")
        page = await watch.get(f"/api/targets/{id_}")
        assert page["target"] == shared | written[1]
        assert [each["status"] for each in page["attempts"]] == ["SUCCEEDED", "FAILED", "FAILED"]
        assert f'watcher_targets{{kind="{kind.name}",status="SUCCEEDED"}} 1' in await watch.get("/metrics")

    _, printed = await command(file, "status", "--json")
    assert [row["target"] for row in json.loads(printed)["targets"]] == [shared | written[1]]
    _, printed = await command(file, "status")
    assert id_.split("/", 2)[2] in printed
    _, printed = await command(file, "events", "--target", watch.target.name if "/" not in watch.target.name else id_)
    assert printed.count("it broke") == 2


async def test_a_target_that_is_not_found_is_unreadable_and_then_readable(simulator: Simulator, file: Path) -> None:
    async with running(simulator, file) as watch:
        gone = await watch.event(1, "target.unreadable")
        assert gone["data"]["error"]["code"] == "ResourceNotFoundException"
        watch.show("SUCCEEDED", 1)
        back = await watch.event(2, "target.readable")
        assert gone["data"]["target"] == back["data"]["target"]
        await watch.event(3, "sync.succeeded")


async def test_the_commands_know_it(simulator: Simulator, file: Path, written: tuple[str, dict[str, str]]) -> None:
    (target,) = config_of(file).targets
    for status, code in (("IN_PROGRESS", 0), ("FAILED", 2), ("SUCCEEDED", 0)):
        simulator.world.show(target, attempt(target, status, at(1), events=("it broke",)))
        exit_code, printed = await command(file, "check", "--json")
        (row,) = json.loads(printed)["targets"]
        assert (exit_code, row["target"]["id"], row["status"]) == (code, target.id, status)
        exit_code, printed = await command(file, "check")
        assert (exit_code, status in printed or "it broke" in printed) == (code, True)
    code, printed = await command(file, "validate", "--json")
    assert (code, [each["api"] for each in json.loads(printed)["endpoints"]]) == (0, [target.api])
    asked = [call for call in simulator.calls if call.operation == target.kind.operation]
    assert re.fullmatch(r"(repository|service-instance)/.+", str(asked[0].target))
