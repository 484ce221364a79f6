"""The keys that every sink has, and the list `sinks`, whose items are read by the models of their types."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, PlainValidator, ValidationInfo
from pydantic_core import CoreSchema, PydanticOmit, core_schema

from watcher.config import fields
from watcher.config.faults import Faults, choice, listed, suggestion
from watcher.config.fields import DURATION_SCHEMA, choice_schema, lasting, text_schema
from watcher.config.readers import duration_from, meant_as_text, one_of, quoted, single_line
from watcher.config.strict_model import StrictModel, faults_of, sound
from watcher.config.tree import Keys, Node
from watcher.core.event_types import EVENT_TYPES, TEST_EVENT, Severity
from watcher.core.ports import Sink
from watcher.core.sink_settings import SinkOptions, SinkSettings
from watcher.util.globs import matches

if TYPE_CHECKING:
    from watcher.aws.sessions import Sessions

ROUTABLE = (*EVENT_TYPES, TEST_EVENT)
"""The types of events that may be routed."""

ROUTING = frozenset(
    {"events", "targets", "labels", "min_severity", "send_resolved", "remind_every", "give_up_after", "replay_from"}
)
"""The keys that do not concern the sink itself: it need not be replaced when they change."""


def _event_glob(value: object) -> str:
    text = single_line(value)
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

    sink: ClassVar[Any]
    """The class of the sink, which is built from these options."""

    type: str
    """The type of the sink."""
    name: fields.OwnName
    """The sink's name in messages, in metrics and in `test-sink NAME`."""
    events: tuple[EventGlob, ...] = Field(default=(), examples=[["watcher.sync.failed", "watcher.*.unreadable"]])
    """Globs of event types to send. Default: all types."""
    targets: tuple[fields.Plain, ...] = Field(default=(), examples=[["prod/*"]])
    """Globs of the ids of targets whose events are sent. Default: all targets."""
    labels: dict[str, fields.LabelValue] = Field(default={}, examples=[{"team": "platform"}])
    """Send only events of targets that have all of these labels."""
    min_severity: MinSeverity = Severity.INFO
    """`error`: send only what went wrong (failed, stalled, blocked, …); `info`: send all events."""
    send_resolved: fields.Boolean = True
    """Send the end of an incident to a sink that was sent its problem, whatever the keys above and mutes say."""
    remind_every: fields.Interval | None = Field(default=None, examples=["4h"])
    """Send the last error of a target again at this interval until it is over. Default: send it once."""
    give_up_after: GiveUpAfter = lasting("24h")
    """How long a delivery is retried before it becomes a dead letter; at least 1s."""
    replay_from: fields.MomentOrAge | None = Field(default=None, examples=["2h", "2026-11-23T08:00:00Z"])
    """Send a new sink the events recorded since then. Default: only events recorded from now on."""

    def build(self, settings: SinkSettings, sessions: Sessions) -> Sink:
        built: Sink = self.sink(self)
        return built

    @classmethod
    def report_unknown(cls, value: Keys, faults: Faults) -> None:
        """Report nothing: `SinkTypes` knows the keys of the other types as well."""

    def built_from(self) -> dict[str, Any]:
        """Return the values of all keys that concern the sink itself."""
        return self.model_dump(exclude=set(ROUTING))


class AccountSinkModel(SinkModel):
    """The keys of a sink that calls AWS with the credentials of an account."""

    region_key: ClassVar[str] = "`region` to the sink"
    """Where the region can be written, for messages."""

    account: fields.Plain | None = None
    """The account, by its name under `accounts`. Default: the only account, or the one named `default`."""
    region: fields.Region | None = Field(default=None, examples=["eu-west-1"])
    """The region. Default: the region in the address, else the only region of the account."""

    @property
    def address_region(self) -> str | None:
        """The region that the sink's address names; None: it names none."""
        return None


class SinkTypes:
    """An annotation for pydantic: a sink of one of the `registered` types, whose model is imported when it is needed.

    `registered` has the place of each type's model: `package.module:Class`.
    """

    def __init__(self, registered: Mapping[str, str]) -> None:
        self._registered = registered

    def model(self, name: str) -> type[SinkModel]:
        model: type[SinkModel] = resolve_name(self._registered[name])
        return model

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(self._read)

    def __get_pydantic_json_schema__(self, _schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        schemas = {name: handler(self.model(name).__pydantic_core_schema__) for name in self._registered}
        return {"anyOf": [{**schema, "title": name} for name, schema in schemas.items()]}

    def _read(self, value: Node, info: ValidationInfo) -> SinkModel:
        faults = faults_of(info)
        model = self._model_for(value, faults)
        if isinstance(value, Keys):
            self._report_unknown(value, model, faults)
        return sound(value, partial(model.model_validate, context=faults), info)

    def _model_for(self, value: Node, faults: Faults) -> type[SinkModel]:
        """The model of the type that `value` names; without a type, of what all sinks have."""
        if not isinstance(value, Keys) or "type" not in value:
            return SinkModel
        written = value["type"]
        try:
            name = meant_as_text(written)
        except ValueError as error:
            fault = str(error)
        else:
            if name in self._registered:
                return self.model(name)
            fault = f"there is no sink of type {quoted(written, ends_clause=True)}; {choice(name, self._registered)}"
        if not written.broken:
            faults.report(written.place, fault)
        raise PydanticOmit

    def _report_unknown(self, value: Keys, model: type[SinkModel], faults: Faults) -> None:
        """Report the keys that a sink of this type does not have; without a type, those that no sink has."""
        keys = model.known_keys().keys()
        if value.keys() <= keys:
            return
        by_type = {name: self.model(name).known_keys() for name in self._registered}
        if model is SinkModel:
            keys = dict.fromkeys(key for known in by_type.values() for key in known).keys()
        types = {key: [name for name, known in by_type.items() if key in known] for key in value}
        faults.report_unknown(value, keys, {
            key: f"this key is only for sinks of type {listed(names, 'and', mark='')}"
            for key, names in types.items() if names and not suggestion(key, keys)
        })  # fmt: skip
