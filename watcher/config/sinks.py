"""The sinks that may be configured: one entry of `SINKS` for each type."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, GetJsonSchemaHandler, PlainValidator, ValidationError, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticOmit

from watcher.config.faults import suggestion
from watcher.config.fields import LabelValue, Plain, printable, quoted, text_schema
from watcher.config.keyed import Keyed, faults_of
from watcher.config.tree import Keys, Text
from watcher.model import EVENT_TYPES

if TYPE_CHECKING:
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema

ROUTABLE = (*EVENT_TYPES, "watcher.sync.blocked", "watcher.sync.unblocked", "watcher.test")
"""Contract, section 4, with the types that are not emitted yet."""

_NOT_YET = ("webhook", "eventbridge", "sns", "sqs", "slack", "notify", "file")


def _event_glob(value: object) -> str:
    text = printable(value)
    if any(fnmatchcase(known, text) for known in ROUTABLE):
        return text
    close = [] if isinstance(value, Text) and value.filled else suggestion(text, ROUTABLE)
    hint = f"did you mean {close[0]}?" if close else "they are called watcher.sync.failed, watcher.target.unreadable, …"
    raise ValueError(f"{quoted(value)} matches no event type; {hint}")


EventGlob = Annotated[str, PlainValidator(_event_glob), text_schema(minLength=1)]


class Sink(Keyed):
    """What every sink has."""

    type: str
    name: Plain
    """What the sink is called: in messages, in metrics, and in `test-sink NAME`."""
    events: list[EventGlob] = Field(default=[], examples=[["watcher.sync.failed", "watcher.*.unreadable"]])
    """Only events of these types: globs. None given: all."""
    targets: list[Plain] = Field(default=[], examples=[["prod/*"]])
    """Only events of these targets: globs over target ids. None given: all."""
    labels: dict[str, LabelValue] = Field(default={}, examples=[{"team": "platform"}])
    """Only events of targets with all of these labels."""


class StdoutSink(Sink):
    """Events as lines of JSON on the standard output."""

    type: Annotated[Literal["stdout"], PlainValidator(str), WithJsonSchema({"const": "stdout"})]
    """What the sink is."""


SINKS: dict[str, type[Sink]] = {"stdout": StdoutSink}
"""The model of each type of sink."""


def _sink(value: object, info: ValidationInfo) -> Sink:
    """The sink that `value` describes, by the model of its type; a wrong one is reported and left out."""
    faults = faults_of(info)
    written = value.get("type") if isinstance(value, Keys) else None
    model = SINKS.get(written, Sink) if isinstance(written, str) else StdoutSink
    if isinstance(written, Text) and written not in SINKS:
        if not written.broken:
            faults.report(written.place, _unknown_type(written))
        raise PydanticOmit
    try:
        return model.model_validate(value, context=faults)
    except ValidationError as error:
        faults.take(value, error)
        raise PydanticOmit from None


def _unknown_type(written: Text) -> str:
    known = ", ".join(SINKS)
    if written in _NOT_YET and not written.filled:
        return f"{written} sinks are not in this version yet; it has only {known}"
    close = [] if written.filled else suggestion(written, SINKS)
    hint = f"did you mean {close[0]}?" if close else f"this version has only {known}"
    return f"there is no sink of type {quoted(written)}; {hint}"


class _ModelOfType:
    """Any of the registered models, to JSON Schema."""

    def __get_pydantic_json_schema__(self, _: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [handler(model.__pydantic_core_schema__) for model in SINKS.values()]}


SinkOfType = Annotated[Any, PlainValidator(_sink), _ModelOfType()]
"""A `Sink` of one of the registered types."""
