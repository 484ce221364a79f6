"""The sink and the kind of target that `watcher/README.md` shows as examples work, registered by one line each."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING

import botocore.session
import pytest

from tests.integration.receiver import receiving
from tests.integration.webhooks import a_delivery
from watcher.aws.sessions import Sessions
from watcher.config.accounts import Environment
from watcher.config.document import Document
from watcher.config.json_schema import json_schema
from watcher.config.parser import parse
from watcher.core.ports import Verdict
from watcher.errors import ConfigError
from watcher.sinks import SINKS
from watcher.sources import KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from watcher.core.kinds import Kind
    from watcher.core.settings import Config

MAP = Path(__file__).parents[2] / "watcher" / "README.md"
SINK_TYPES = SINKS | {"mattermost": "example_of_sink:MattermostOptions"}


@pytest.fixture(autouse=True)
def kinds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, Kind]:
    """The kinds, with that of the example; both examples can be imported."""
    sink, kind = re.findall(r"```python\n(.*?)```", MAP.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "example_of_sink.py").write_text(sink, encoding="utf-8")
    (tmp_path / "example_of_kind.py").write_text(kind, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    made: Kind = resolve_name("example_of_kind:SERVICE_INSTANCE")
    return KINDS | {made.name: made}


def configured(kinds: Mapping[str, Kind], text: str) -> Config:
    document = Document("watcher.yaml", text.encode())
    environment = Environment({"AWS_REGION": "us-east-1"}, lambda _: None, datetime.now(UTC))
    return parse(document, environment, kinds, SINK_TYPES)


async def test_the_sink_posts_a_message(kinds: Mapping[str, Kind]) -> None:
    async with receiving() as receiver:
        sink = f"name: chat, type: mattermost, url: {receiver.url()}, allow_http: true, allow_private: true, proxy: off"
        config = configured(kinds, f"stacks: [{{name: network}}]\nsinks: [{{{sink}}}]\n")
        built = config.sinks[0].options.build(config.sinks[0], Sessions())
        (outcome,) = await built.send([a_delivery()])
        await built.close()
    assert outcome.verdict is Verdict.TAKEN
    assert "test" in receiver.received[0].event["text"]


def test_the_sink_has_faults_and_a_schema_of_its_own(kinds: Mapping[str, Kind]) -> None:
    with pytest.raises(ConfigError, match=r"sinks\[0\].url: http can be read on the network"):
        configured(
            kinds, "stacks: [{name: network}]\nsinks: [{name: chat, type: mattermost, url: 'http://example.com/x'}]\n"
        )
    assert "mattermost" in str(json_schema(kinds, SINK_TYPES))


def test_the_kind_is_configured_called_and_read(kinds: Mapping[str, Kind]) -> None:
    (target,) = configured(kinds, "service_instances: [{service: shop, name: shop-prod}]\n").targets
    assert target.id == "default/us-east-1/service-instance/shop/shop-prod"
    assert target.kind.request(target) == {"serviceName": "shop", "serviceInstanceName": "shop-prod"}
    model = botocore.session.get_session().get_service_model(target.kind.api)
    required = model.operation_model(target.kind.operation).input_shape.required_members
    assert set(required) == set(target.kind.request(target))
    answer = {"latestSync": {"status": "FAILED", "startedAt": "2026-11-23T08:00:00Z", "target": "shop", "events": []}}
    latest = target.kind.read(answer).latest
    assert latest is not None
    assert latest.status == "FAILED"


def test_the_kind_has_faults_and_a_schema_of_its_own(kinds: Mapping[str, Kind]) -> None:
    with pytest.raises(ConfigError, match=r"1:21: service_instances\[0\]"):
        configured(kinds, "service_instances: [{service: shop}]\n")
    assert "service_instances" in json_schema(kinds, SINK_TYPES)["properties"]
