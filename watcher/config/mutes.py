"""What is not to be sent for a while, as a user writes it."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003  pydantic reads it at run time
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

from watcher.config.fields import Plain
from watcher.config.sink_model import EventGlob
from watcher.config.strict_model import StrictModel
from watcher.config.timestamps import Moment
from watcher.config.tree import Items, Text

if TYPE_CHECKING:
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema

T = TypeVar("T")


def _listed(value: Any, handler: ValidatorFunctionWrapHandler) -> list[Any]:
    """One for a list of one."""
    items: list[Any] = handler(Items([value]) if isinstance(value, Text) else value)
    return items


class _SchemaOneOrMany:
    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        many = handler(schema)
        return {"anyOf": [many["items"], many]}


OneOrMany = Annotated[list[T], WrapValidator(_listed), _SchemaOneOrMany()]


class Mute(StrictModel):
    """Events that are recorded, marked as muted, and not sent."""

    targets: OneOrMany[Plain] = Field(default=[], examples=["prod/*", ["prod/*", "dev/*"]])
    """Of these targets: a glob over target ids, or a list of them. None given: of all."""
    events: OneOrMany[EventGlob] = Field(default=[], examples=["watcher.sync.*"])
    """Of these types: a glob, or a list of them. None given: of all."""
    start: Moment | None = Field(default=None, alias="from", examples=["2026-11-23T08:00:00Z"])
    """From then on; left out: already."""
    until: Moment | None = Field(default=None, examples=["2026-11-23T10:00:00+01:00"])
    """Until then; left out: as long as it stands here."""
    reason: Plain | None = Field(default=None, examples=["planned maintenance"])
    """Kept in each event that is muted."""

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
