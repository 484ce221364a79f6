"""The sink that `watcher/README.md` shows as an example works, registered by its one line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.receiver import Receiver
from tests.integration.webhooks import a_delivery
from watcher.aws.sessions import Sessions
from watcher.config.document import Document
from watcher.config.json_schema import json_schema
from watcher.config.parser import parse
from watcher.core.ports import Verdict
from watcher.errors import ConfigError
from watcher.sinks import SINKS

if TYPE_CHECKING:
    from watcher.core.settings import Config

MAP = Path(__file__).parents[2] / "watcher" / "README.md"
TYPES = SINKS | {"mattermost": "mattermost:MattermostOptions"}


@pytest.fixture(autouse=True)
def _example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(\"\"\"`mattermost`.*?)```", MAP.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "mattermost.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)


def configured(**keys: Any) -> Config:
    items = ", ".join(f"{key}: {value}" for key, value in {"name": "chat", "type": "mattermost", **keys}.items())
    text = f"stacks: [{{name: network}}]\nsinks: [{{{items}}}]\n"
    return parse(Document("watcher.yaml", text.encode()), {"AWS_REGION": "us-east-1"}, lambda _: None, TYPES)


async def test_the_example_posts_a_message() -> None:
    receiver = Receiver()
    await receiver.start()
    config = configured(url=receiver.url(), allow_http="true", allow_private="true", proxy="off")
    sink = config.sinks[0].options.build(config.sinks[0], Sessions())
    (outcome,) = await sink.send([a_delivery()])
    assert outcome.verdict is Verdict.TAKEN
    assert "test" in receiver.received[0].event["text"]
    await sink.close()
    await receiver.stop()


def test_the_example_has_faults_and_a_schema_of_its_own() -> None:
    with pytest.raises(ConfigError, match=r"2:.*sinks\[0\].url: anyone on the way can read http"):
        configured(url="http://example.com/hooks/x")
    assert "mattermost" in str(json_schema(TYPES))
