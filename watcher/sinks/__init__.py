"""Where events go: one line registers a type of sink."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from watcher.aws.sessions import Sessions
    from watcher.core.ports import Sink
    from watcher.core.settings import SinkSettings

SINKS: Mapping[str, str] = {
    "eventbridge": "eventbridge.EventBridgeSink",
    "file": "file.FileSink",
    "notify": "notify.NotifySink",
    "slack": "slack.SlackSink",
    "sns": "sns.SnsSink",
    "sqs": "sqs.SqsSink",
    "stdout": "stdout.StdoutSink",
    "webhook": "webhook.WebhookSink",
}
"""Each type's module and class; a module is loaded when a configuration has a sink of its type."""


@dataclass(frozen=True, slots=True)
class SinkContext:
    """What sinks share with the rest of the house."""

    sessions: Sessions


def sink_for(settings: SinkSettings, context: SinkContext) -> Sink:
    """The sink that `settings` describe, not yet opened."""
    module, _, name = SINKS[settings.type].partition(".")
    sink: Sink = getattr(import_module(f"watcher.sinks.{module}"), name)(settings, context)
    return sink
