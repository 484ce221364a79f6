"""A type of sink and a kind of target that watcher does not have, as a contributor would write them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from watcher.config.fields import Secret, Url
from watcher.core.deliveries import Limits, SendOutcome
from watcher.core.kinds import IdentityPart, Kind
from watcher.core.model import Attempt, Snapshot
from watcher.errors import MALFORMED, TargetUnreadable
from watcher.sinks.http import HttpOptions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from watcher.core.deliveries import Delivery


class MattermostSink:
    """Sends each event in a post of its own."""

    def __init__(self, options: MattermostOptions) -> None:
        self.name = options.name
        self.limits = Limits(deadline=options.send_deadline)
        self._options = options
        token = options.token.get_secret_value()
        self._headers = {"Authorization": f"Bearer {token}"}
        self._poster = options.poster([token])

    async def send(self, deliveries: Sequence[Delivery]) -> Sequence[SendOutcome]:
        (delivery,) = deliveries
        message = self._options.preview(json.loads(delivery.body))
        verdict, text = await self._poster.deliver(json.dumps({"message": message}).encode(), self._headers)
        return [SendOutcome(delivery, verdict, text)]

    async def close(self) -> None:
        await self._poster.close()


class MattermostOptions(HttpOptions):
    """Messages to a Mattermost server."""

    sink: ClassVar = MattermostSink

    type: Literal["mattermost"]
    """The type of the sink."""
    url: Url = Field(examples=["https://mattermost.example.com/api/v4/posts"])
    """The URL to post to."""
    token: Secret = Field(examples=["${MATTERMOST_TOKEN}"])
    """The bot's token. A secret: take it from a variable."""

    def preview(self, event: Mapping[str, Any]) -> str:
        return f"{event['type']} of {event['subject']}"


def _read(answer: dict[str, Any]) -> Snapshot:
    try:
        latest = answer["stageStates"][0]["latestExecution"]
    except (KeyError, IndexError, TypeError):
        raise TargetUnreadable(MALFORMED, "the answer has no execution of a stage") from None
    status = {"InProgress": "IN_PROGRESS", "Succeeded": "SUCCEEDED", "Failed": "FAILED"}[latest["status"]]
    begun = datetime.fromtimestamp(answer["updated"], UTC)
    revision = {"sha": latest["pipelineExecutionId"], "branch": "main", "directory": "/", "repositoryName": "org/shop"}
    attempt = Attempt(begun, status, answer["pipelineName"], None, revision)
    return Snapshot(None, attempt, attempt if status == "SUCCEEDED" else None)


PIPELINE = Kind(
    name="pipeline",
    section="pipelines",
    description="A pipeline of CodePipeline.",
    section_description="Pipelines to watch.",
    api="codepipeline",
    operation="GetPipelineState",
    identity=(IdentityPart("name", "name", "a pipeline name", "The pipeline's name.", "shop"),),
    read=_read,
    title="pipeline {name}",
)
