"""The sinks that may be configured: one entry of `SINKS` for each type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import GetJsonSchemaHandler, PlainValidator, ValidationError, ValidationInfo
from pydantic_core import PydanticOmit

from watcher.config.faults import suggestion
from watcher.config.fields import meant_as_text, quoted
from watcher.config.sinks.aws import EventBridgeSink, SnsSink, SqsSink
from watcher.config.sinks.base import ROUTABLE, Sink
from watcher.config.sinks.file import FileSink, StdoutSink
from watcher.config.sinks.text import NotifySink, SlackSink
from watcher.config.sinks.webhook import WebhookSink
from watcher.config.strict_model import faults_of
from watcher.config.tree import Keys, Text

if TYPE_CHECKING:
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema

    from watcher.config.faults import Faults

__all__ = ["ROUTABLE", "SINKS", "Sink", "SinkOfType"]

SINKS: dict[str, type[Sink]] = {
    "eventbridge": EventBridgeSink,
    "file": FileSink,
    "notify": NotifySink,
    "slack": SlackSink,
    "sns": SnsSink,
    "sqs": SqsSink,
    "stdout": StdoutSink,
    "webhook": WebhookSink,
}
"""The model of each type of sink."""


class _Untyped(Sink):
    """A sink without a type: that is its fault, and only keys that no sink has are another."""

    @classmethod
    def report_unknown(cls, value: Keys, faults: Faults) -> None:
        every = {key: None for model in SINKS.values() for key in model.known_keys()}
        faults.report_unknown(value, every.keys())


def _sink(value: object, info: ValidationInfo) -> Sink:
    """The sink that `value` describes, by the model of its type; a wrong one is reported and left out."""
    faults = faults_of(info)
    model = _model(value, faults)
    try:
        return model.model_validate(value, context=faults)
    except ValidationError as error:
        faults.take(value, error)
        raise PydanticOmit from None


def _model(value: object, faults: Faults) -> type[Sink]:
    """The model of the type that `value` names; raises PydanticOmit when it names none that there is."""
    if not isinstance(value, Keys) or "type" not in value:
        return _Untyped
    written = value["type"]
    try:
        if model := SINKS.get(meant_as_text(written)):
            return model
        fault = _unknown_type(written)
    except ValueError as error:
        fault = str(error)
    if not written.broken:
        faults.report(written.place, fault)
    raise PydanticOmit


def _unknown_type(written: Text) -> str:
    close = [] if written.filled else suggestion(written, SINKS)
    hint = f"did you mean {close[0]}?" if close else f"choose from {', '.join(SINKS)}"
    return f"there is no sink of type {quoted(written)}; {hint}"


class _ModelOfType:
    """Any of the registered models, to JSON Schema."""

    def __get_pydantic_json_schema__(self, _: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [handler(model.__pydantic_core_schema__) for model in SINKS.values()]}


SinkOfType = Annotated[Any, PlainValidator(_sink), _ModelOfType()]
"""A `Sink` of one of the registered types."""
