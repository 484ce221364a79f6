"""A type of sink and a kind of target from outside the package work everywhere, registered by one line each."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import yaml
from aiohttp import web
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from tests.integration.conftest import command, daemon
from tests.support.new_kinds import PIPELINE
from tests.support.waiting import until
from watcher.cli import cli
from watcher.cli.configuration import parse
from watcher.config.document import Document
from watcher.config.json_schema import json_schema
from watcher.config.secrets import secrets_of
from watcher.core.event_schema import event_schema
from watcher.errors import ConfigError
from watcher.sinks import SINKS
from watcher.sources import KINDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from watcher.core.settings import Config

TOKEN, PATH = "hush-hush-token", "/hooks/a-path-that-is-a-secret"
SHOP, BLOG = "default/us-east-1/pipeline/shop", "default/us-east-1/pipeline/blog"


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SINKS, "mattermost", "tests.support.new_kinds:MattermostOptions")
    monkeypatch.setitem(KINDS, "pipeline", PIPELINE)


@dataclass
class Servers:
    """CodePipeline and Mattermost on one port."""

    url: str = ""
    status: dict[str, str] = field(default_factory=lambda: {"shop": "Failed", "blog": "Succeeded"})
    posts: list[dict[str, Any]] = field(default_factory=list)
    answer: int = 201

    async def pipeline(self, request: web.Request) -> web.Response:
        assert request.headers["X-Amz-Target"] == "CodePipeline_20150709.GetPipelineState"
        name = (await request.json())["name"]
        execution = {"pipelineExecutionId": "62c0f1e9", "status": self.status[name]}
        stages = [{"stageName": "deploy", "latestExecution": execution}]
        answer = {"pipelineName": name, "updated": 1795766400, "stageStates": stages}
        return web.json_response(answer, content_type="application/x-amz-json-1.1")

    async def mattermost(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == f"Bearer {TOKEN}"
        self.posts.append(await request.json())
        return web.Response(status=self.answer, text=f"no such channel; token {TOKEN}")


@pytest.fixture
async def servers() -> AsyncIterator[Servers]:
    made = Servers()
    routes = web.Application()
    routes.add_routes([web.post("/", made.pipeline), web.post(PATH, made.mattermost)])
    runner = web.AppRunner(routes)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


@pytest.fixture
def file(tmp_path: Path, servers: Servers) -> Path:
    sink = {"name": "chat", "type": "mattermost", "url": servers.url + PATH, "token": TOKEN, "targets": [SHOP]}
    written = {
        "state": f"sqlite:///{tmp_path / 'watcher.db'}",
        "http": {"listen": "127.0.0.1:0"},
        "shutdown_grace": "2s",
        "accounts": [{"name": "default", "regions": ["us-east-1"], "endpoint_url": servers.url}],
        "defaults": {"interval": "100ms", "active_interval": "100ms", "on_first_seen": "all"},
        "pipelines": [{"name": "shop", "labels": {"team": "web"}}, {"name": "blog"}],
        "sinks": [sink | {"allow_http": True, "allow_private": True, "proxy": False}],
    }
    path = tmp_path / "watcher.yaml"
    path.write_text(yaml.safe_dump(written), encoding="utf-8")
    return path


def read(file: Path) -> Config:
    return parse(Document(str(file), file.read_bytes()), {}, lambda _: None)


def faults(text: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        parse(Document("watcher.yaml", text.encode()), {"AWS_REGION": "us-east-1", "T": TOKEN}, lambda _: None)
    return [str(fault) for fault in raised.value.faults]


def test_wrong_options_are_faults_with_line_and_column() -> None:
    found = faults(
        "pipelines:\n"
        "  - {name: 'no spaces please'}\n"
        "  - {name: shop, version: 1}\n"
        "  - {name: shop, stalled_after: never}\n"
        "sinks:\n"
        "  - {name: chat, type: mattermost, url: 'http://127.0.0.1/x', tokn: '${T}'}\n"
        "  - {name: log, type: stdout, token: '${T}'}\n"
    )
    places = [fault.split(": ")[:2] for fault in found]
    assert places == [
        ["watcher.yaml:2:12", "pipelines[0].name"],
        ["watcher.yaml:3:18", "pipelines[1].version"],
        ["watcher.yaml:4:33", "pipelines[2].stalled_after"],
        ["watcher.yaml:6:41", "sinks[0].url"],
        ["watcher.yaml:6:63", "sinks[0].tokn"],
        ["watcher.yaml:7:31", "sinks[1].token"],
    ]
    assert "a pipeline name" in found[0]
    assert "did you mean 'token'?" in found[4]
    assert "only for sinks of type bitbucket, github, gitlab and mattermost" in found[5]
    assert TOKEN not in "".join(found)


def test_an_empty_configuration_names_the_new_section() -> None:
    assert "`pipelines`" in faults("{}\n")[0]
    assert "`pipelines`" in faults("[]\n")[0]


def test_the_json_schema_describes_both(file: Path) -> None:
    schema = Draft202012Validator(json_schema(KINDS, SINKS))
    written = yaml.safe_load(file.read_text(encoding="utf-8"))
    schema.validate(written)
    del written["sinks"][0]["token"]
    assert not schema.is_valid(written)
    assert schema.schema["properties"]["pipelines"]["description"] == "Pipelines to watch."


def test_secrets_of_the_sink_are_known_as_such(file: Path) -> None:
    config = read(file)
    assert {TOKEN, PATH.rpartition("/")[2]} <= set(secrets_of(config))
    assert TOKEN not in repr(config)


async def test_a_change_goes_all_the_way(file: Path, servers: Servers) -> None:
    async with daemon(read(file)) as app, aiohttp.ClientSession() as session:
        await until(lambda: len(servers.posts) == 1, "the first message")
        assert servers.posts == [{"message": f"watcher.sync.failed of {SHOP}"}]

        async def api(path: str) -> Any:
            async with session.get(f"{app.web.url}{path}") as got:
                assert got.status == 200, path
                return await (got.json() if path.startswith("/api") else got.text())

        rows = {row["id"]: row for row in (await api("/api/targets?kind=pipeline"))["targets"]}
        assert {row["title"] for row in rows.values()} == {"pipeline shop", "pipeline blog"}
        assert rows[SHOP]["status"] == "FAILED"
        assert (await api(f"/api/targets/{SHOP}"))["target"]["kind"] == "pipeline"
        assert [each["api"] for each in (await api("/api/endpoints"))["endpoints"]] == ["codepipeline"]
        assert [each["type"] for each in (await api("/api/sinks"))["sinks"]] == ["mattermost"]
        assert 'kind="pipeline"' in await api("/metrics")
        assert "<table" in await api("/")

        servers.answer = 400
        servers.status["shop"] = "Succeeded"
        await until(lambda: len(servers.posts) == 2, "the second message")

    _, printed = await command(file, "events", "--json")
    events = [json.loads(line) for line in printed.splitlines()]
    for event in events:
        Draft202012Validator(event_schema(KINDS)).validate(event)
    assert sorted((event["subject"], event["type"]) for event in events) == [
        (BLOG, "watcher.sync.succeeded"),
        (SHOP, "watcher.sync.failed"),
        (SHOP, "watcher.sync.succeeded"),
    ]
    _, printed = await command(file, "deliveries", "--dead", "--json")
    assert "400" in printed
    assert '"chat"' in printed
    assert TOKEN not in printed
    _, printed = await command(file, "status", "--json")
    assert {row["target"]["id"] for row in json.loads(printed)["targets"]} == {SHOP, BLOG}
    _, printed = await command(file, "events", "--target", "shop")
    assert "pipeline" in printed
    assert "blog" not in printed


async def test_the_commands_know_both(file: Path, servers: Servers) -> None:
    code, printed = await command(file, "check", "--json")
    assert (code, {row["target"]["id"] for row in json.loads(printed)["targets"]}) == (2, {SHOP, BLOG})
    code, printed = await command(file, "validate", "--json")
    assert (code, [each["api"] for each in json.loads(printed)["endpoints"]]) == (0, ["codepipeline"])
    code, printed = await command(file, "test-sink", "chat")
    assert code == 0
    assert "watcher.test of test/chat" in printed
    assert servers.posts == [{"message": "watcher.test of test/chat"}]
    for schema in (["schema"], ["schema", "--event"]):
        result = await asyncio.to_thread(CliRunner().invoke, cli, schema, standalone_mode=False)
        assert '"pipeline' in result.stdout
