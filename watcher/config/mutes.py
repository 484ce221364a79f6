"""Mutes, as a user writes them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeVar

from pydantic import (
    Field,
    GetJsonSchemaHandler,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
    model_validator,
)

from watcher.config.fields import Moment, Plain
from watcher.config.sink_model import EventGlob
from watcher.config.strict_model import StrictModel
from watcher.config.tree import Items, Text

if TYPE_CHECKING:
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema

T = TypeVar("T")


def _listed(value: Any, handler: ValidatorFunctionWrapHandler) -> list[Any]:
    """A single value counts as a list of one."""
    items: list[Any] = handler(Items([value]) if isinstance(value, Text) else value)
    return items


class _SchemaOneOrMany:
    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        many = handler(schema)
        return {"anyOf": [many["items"], many]}


OneOrMany = Annotated[list[T], WrapValidator(_listed), _SchemaOneOrMany()]


class MuteModel(StrictModel):
    """Events that are recorded and marked as muted, but not sent."""

    targets: OneOrMany[Plain] = Field(default=[], examples=["prod/*", ["prod/*", "dev/*"]])
    """A glob of target ids, or a list of globs. Default: all targets."""
    events: OneOrMany[EventGlob] = Field(default=[], examples=["watcher.sync.*"])
    """A glob of event types, or a list of globs. Default: all types."""
    start: Moment | None = Field(default=None, alias="from", examples=["2026-11-23T08:00:00Z"])
    """When it begins. Default: it has begun."""
    until: Moment | None = Field(default=None, examples=["2026-11-23T10:00:00+01:00"])
    """When it ends. Default: it does not end while it is configured."""
    reason: Plain | None = Field(default=None, examples=["planned maintenance"])
    """A reason, which each muted event has."""

    @field_validator("until")
    @classmethod
    def _after_start(cls, until: datetime | None, info: ValidationInfo) -> datetime | None:
        start = info.data.get("start")
        if until is not None and start is not None and until <= start:
            raise ValueError("`until` must be later than `from`")
        return until

    @model_validator(mode="after")
    def _says_what(self) -> Self:
        if not self.targets and not self.events:
            raise ValueError('say what is muted: `targets`, `events`, or both; everything is targets: "*"')
        return self
