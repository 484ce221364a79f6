"""What every sink has: its name, what is routed to it, and for how long a delivery is tried."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field, PlainValidator, WithJsonSchema

from watcher.config.faults import suggestion
from watcher.config.fields import (
    DURATION_SCHEMA,
    Interval,
    LabelValue,
    OwnName,
    Plain,
    duration_from,
    lasting,
    one_of,
    or_variable,
    printable,
    quoted,
    text_schema,
)
from watcher.config.strict_model import StrictModel
from watcher.config.timestamps import MomentOrAge  # noqa: TC001  pydantic reads it at run time
from watcher.config.tree import Keys, Text
from watcher.core.model import EVENT_TYPES, TEST_EVENT, Severity
from watcher.util.globs import matches

if TYPE_CHECKING:
    from watcher.config.faults import Faults

ROUTABLE = (*EVENT_TYPES, "watcher.sync.blocked", "watcher.sync.unblocked", TEST_EVENT)
"""Contract, section 4, with the types that are not emitted yet."""


def _event_glob(value: object) -> str:
    text = printable(value)
    if any(matches(known, text) for known in ROUTABLE):
        return text
    close = [] if isinstance(value, Text) and value.filled else suggestion(text, ROUTABLE)
    hint = f"did you mean {close[0]}?" if close else "they are called watcher.sync.failed, watcher.target.unreadable, …"
    raise ValueError(f"{quoted(value)} matches no event type; {hint}")


EventGlob = Annotated[str, PlainValidator(_event_glob), text_schema(minLength=1)]
MinSeverity = Annotated[
    Severity,
    PlainValidator(lambda value: Severity(one_of(list(Severity))(value))),
    WithJsonSchema(or_variable({"enum": list(Severity)})),
]
Patience = Annotated[float, PlainValidator(duration_from(1)), DURATION_SCHEMA]


class Sink(StrictModel):
    """What every sink has."""

    type: str
    name: OwnName
    """What the sink is called: in messages, in metrics, and in `test-sink NAME`."""
    events: list[EventGlob] = Field(default=[], examples=[["watcher.sync.failed", "watcher.*.unreadable"]])
    """Only events of these types: globs. None given: all."""
    targets: list[Plain] = Field(default=[], examples=[["prod/*"]])
    """Only events of these targets: globs over target ids. None given: all."""
    labels: dict[str, LabelValue] = Field(default={}, examples=[{"team": "platform"}])
    """Only events of targets with all of these labels."""
    min_severity: MinSeverity = Severity.INFO
    """`error`: only what went wrong (failed, stalled, blocked, unreadable); `info`: all."""
    remind_every: Interval | None = Field(default=None, examples=["4h"])
    """Send the last error of a target again this often while it is not over; left out: once is enough."""
    give_up_after: Patience = lasting("24h")
    """How long a delivery is tried before it is a dead letter; 1s at least."""
    replay_from: MomentOrAge | None = Field(default=None, examples=["2h", "2026-11-23T08:00:00Z"])
    """What a sink that is new gets of the events recorded before: those since then. Left out: none."""

    @classmethod
    def report_unknown(cls, value: Keys, faults: Faults) -> None:
        """As everywhere, but that what only text sinks have is told apart."""
        if "group_wait" in value and "group_wait" not in cls.model_fields:
            message = "`group_wait` is for slack and notify sinks only; the others always get single events"
            faults.report(value.key_places["group_wait"], message)
        faults.report_unknown(value, cls.known_keys(), told={"group_wait"})
