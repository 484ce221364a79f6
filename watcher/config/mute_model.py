"""The model of an entry of `mute`."""

from datetime import datetime
from typing import Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from watcher.config import fields
from watcher.config.fields import OneOrMany
from watcher.config.sink_model import EventGlob
from watcher.config.strict_model import StrictModel
from watcher.config.window_model import WindowModel


class MuteModel(StrictModel):
    """Events that are recorded and marked as muted, and not sent unless a problem outlasts the mute."""

    targets: OneOrMany[fields.Plain] = Field(default=(), examples=["prod/*", ["prod/*", "dev/*"]])
    """A glob of target ids, or a list of globs. Default: all targets."""
    events: OneOrMany[EventGlob] = Field(default=(), examples=["watcher.sync.*"])
    """A glob of event types, or a list of globs. Default: all types."""
    start: fields.Moment | None = Field(default=None, alias="from", examples=["2026-11-23T08:00:00Z"])
    """When the mute begins. Default: it has already begun."""
    until: fields.Moment | None = Field(default=None, examples=["2026-11-23T10:00:00+01:00"])
    """When the mute ends. Default: it does not end while it is configured."""
    reason: fields.Plain | None = Field(default=None, examples=["planned maintenance"])
    """The reason, which is added to each muted event."""
    when: WindowModel | None = Field(
        default=None, examples=[{"days": ["sat", "sun"], "from": "22:00", "to": "06:00", "zone": "Europe/Berlin"}]
    )
    """Windows that recur: the mute applies only in them. Default: it applies all the time."""

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
            raise ValueError('set `targets`, `events`, or both; to mute everything, write targets: "*"')
        return self
