"""The sink that `watcher/README.md` shows as an example works; the kind of target that it shows is a real one."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.receiver import receiving
from tests.integration.webhooks import a_delivery
from watcher.aws.sessions import Sessions
from watcher.config.accounts import Environment
from watcher.config.document import Document
from watcher.config.json_schema import json_schema
from watcher.config.parser import parse
from watcher.core.deliveries import Verdict
from watcher.errors import ConfigError
from watcher.sinks import SINKS
from watcher.sources import KINDS, proton

if TYPE_CHECKING:
    from watcher.core.settings import Config

MAP = Path(__file__).parents[2] / "watcher" / "README.md"
SINK_TYPES = SINKS | {"mattermost": "example_of_sink:MattermostOptions"}


def examples() -> list[str]:
    return re.findall(r"```python\n(.*?)```", MAP.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture(autouse=True)
def _sink_can_be_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "example_of_sink.py").write_text(examples()[0], encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)


def configured(text: str) -> Config:
    document = Document("watcher.yaml", text.encode())
    environment = Environment({"AWS_REGION": "us-east-1"}, lambda _: None, datetime.now(UTC))
    return parse(document, environment, KINDS, SINK_TYPES)


async def test_the_sink_posts_a_message() -> None:
    async with receiving() as receiver:
        sink = f"name: chat, type: mattermost, url: {receiver.url()}, allow_http: true, allow_private: true, proxy: off"
        config = configured(f"stacks: [{{name: network}}]\nsinks: [{{{sink}}}]\n")
        built = config.sinks[0].options.build(config.sinks[0], Sessions())
        (outcome,) = await built.send([a_delivery()])
        await built.close()
    assert outcome.verdict is Verdict.TAKEN
    assert "test" in receiver.received[0].event["text"]


def test_the_sink_has_faults_and_a_schema_of_its_own() -> None:
    with pytest.raises(ConfigError, match=r"sinks\[0\].url: http can be read on the network"):
        configured("stacks: [{name: network}]\nsinks: [{name: chat, type: mattermost, url: 'http://example.com/x'}]\n")
    assert "mattermost" in str(json_schema(KINDS, SINK_TYPES))


def test_the_kind_is_the_one_that_watcher_has() -> None:
    _, kind = examples()
    assert kind in Path(proton.__file__).read_text(encoding="utf-8")


def test_the_kind_is_configured_called_and_read() -> None:
    (target,) = configured("service_instances: [{service: shop, name: shop-prod}]\n").targets
    assert target.id == "default/us-east-1/service-instance/shop/shop-prod"
    assert target.kind.request(target) == {"serviceName": "shop", "serviceInstanceName": "shop-prod"}
    answer = {"latestSync": {"status": "FAILED", "startedAt": "2026-11-23T08:00:00Z", "target": "shop", "events": []}}
    latest = target.kind.read(answer).latest
    assert latest is not None
    assert latest.status == "FAILED"


def test_the_kind_has_faults_and_a_schema_of_its_own() -> None:
    with pytest.raises(ConfigError, match=r"1:21: service_instances\[0\]"):
        configured("service_instances: [{service: shop}]\n")
    assert "service_instances" in json_schema(KINDS, SINK_TYPES)["properties"]
