"""The keys that every sink has: its name, what is routed to it, and for how long a delivery is tried."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, PlainValidator

from watcher.config.faults import Faults, suggestion
from watcher.config.fields import (
    DURATION_SCHEMA,
    Interval,
    LabelValue,
    MomentOrAge,
    OwnName,
    Plain,
    Region,
    choice_schema,
    lasting,
    text_schema,
)
from watcher.config.readers import duration_from, meant_as_text, one_of, printable, quoted
from watcher.config.strict_model import StrictModel
from watcher.config.tree import Keys
from watcher.core.model import EVENT_TYPES, TEST_EVENT, Severity
from watcher.core.settings import SinkOptions
from watcher.util.globs import matches

ROUTABLE = (*EVENT_TYPES, "watcher.sync.blocked", "watcher.sync.unblocked", TEST_EVENT)
"""The types of events that may be routed, including two that are reserved and not emitted yet."""

ROUTING = frozenset({"events", "targets", "labels", "min_severity", "remind_every", "give_up_after", "replay_from"})
"""The keys that do not concern the sink itself: it need not be replaced when they change."""


def _event_glob(value: object) -> str:
    text = printable(value)
    if any(matches(known, text) for known in ROUTABLE):
        return text
    close = suggestion(meant_as_text(value), ROUTABLE)
    hint = f"did you mean {close[0]}?" if close else "examples: watcher.sync.failed, watcher.target.unreadable"
    raise ValueError(f"{quoted(value)} matches no event type; {hint}")


EventGlob = Annotated[str, PlainValidator(_event_glob), text_schema(minLength=1)]
MinSeverity = Annotated[Severity, PlainValidator(one_of(list(Severity))), choice_schema(Severity)]
GiveUpAfter = Annotated[float, PlainValidator(duration_from(1)), DURATION_SCHEMA]


class SinkModel(SinkOptions, StrictModel):
    """The keys that every sink has. The model of each type of sink adds its own."""

    type: str
    name: OwnName
    """The sink's name in messages, in metrics and in `test-sink NAME`."""
    events: list[EventGlob] = Field(default=[], examples=[["watcher.sync.failed", "watcher.*.unreadable"]])
    """Globs of event types to send. Default: all types."""
    targets: list[Plain] = Field(default=[], examples=[["prod/*"]])
    """Globs of the ids of targets whose events are sent. Default: all targets."""
    labels: dict[str, LabelValue] = Field(default={}, examples=[{"team": "platform"}])
    """Send only events of targets that have all of these labels."""
    min_severity: MinSeverity = Severity.INFO
    """`error`: send only what went wrong (failed, stalled, blocked, unreadable); `info`: send all events."""
    remind_every: Interval | None = Field(default=None, examples=["4h"])
    """Send the last error of a target again at this interval until it is over. Default: send it once."""
    give_up_after: GiveUpAfter = lasting("24h")
    """How long a delivery is retried before it becomes a dead letter; at least 1s."""
    replay_from: MomentOrAge | None = Field(default=None, examples=["2h", "2026-11-23T08:00:00Z"])
    """Send a new sink the events recorded since then. Default: only events recorded from now on."""

    @classmethod
    def report_unknown(cls, value: Keys, faults: Faults) -> None:
        """Report nothing: `SinkTypes` knows the keys of the other types as well."""

    def built_from(self) -> dict[str, Any]:
        """Return the values of all keys that concern the sink itself."""
        return self.model_dump(exclude=set(ROUTING))


class AccountSinkModel(SinkModel):
    """The keys of a sink that calls AWS with the credentials of an account."""

    account: Plain | None = None
    """The account, by its name under `accounts`. Default: the only account, or the one named `default`."""
    region: Region | None = Field(default=None, examples=["eu-west-1"])
    """The region. Default: the region in the address, else the only region of the account."""

    @property
    def address_region(self) -> str | None:
        """The region that the sink's address names; None: it names none."""
        return None
