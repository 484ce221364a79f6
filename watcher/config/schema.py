"""The configuration as a user writes it: one pydantic model for each mapping."""

from __future__ import annotations

from copy import copy
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import (
    Field,
    GetJsonSchemaHandler,
    PlainValidator,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    create_model,
    field_validator,
)

from watcher.config.faults import Faults, describe
from watcher.config.fields import (
    Boolean,
    Concurrency,
    Count,
    Duration,
    ExternalId,
    Interval,
    LabelValue,
    Listen,
    OnFirstSeen,
    OwnName,
    Plain,
    Rate,
    Region,
    RoleArn,
    State,
    Token,
    Tries,
    Url,
    lasting,
    or_off,
    or_variable,
    part_schema,
)
from watcher.config.mutes import Mute
from watcher.config.readers import part_reader, reads_off
from watcher.config.sink_types import SinkTypes
from watcher.config.strict_model import Sound, StrictModel, faults_of
from watcher.config.tracing import WithExtra
from watcher.config.tree import Keys, Text, is_null
from watcher.core.kinds import Kind
from watcher.core.model import FirstSeen

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema

NOT_YET = frozenset({"service_instances", "repositories", "discover"})
"""Keys of a later version: each is a fault that says so."""

Labels = dict[str, LabelValue]


class Defaults(StrictModel):
    """How targets are watched; a target may override each of these."""

    interval: Interval = lasting("60s")
    """Between polls of a settled target; 100ms at least."""
    active_interval: Interval = lasting("10s")
    """Between polls while the sync is unfinished (INITIATED or IN_PROGRESS); 100ms at least."""
    stalled_after: Duration = lasting("30m")
    """An unfinished attempt older than this is stalled."""
    timeout: Duration = lasting("10s")
    """For one API call, in all."""
    on_first_seen: OnFirstSeen = FirstSeen.FAILED
    """Which first observations are events: of a failed sync, all, or none."""
    labels: Labels = Field(default={}, examples=[{"team": "platform"}])
    """Carried in every event, for routing. A target's own labels are added to these."""


class TargetModel(StrictModel):
    """The keys that every target has; the parts of its identity are added by `target_model`."""

    kind: ClassVar[Kind]

    name: str
    """The name in AWS."""
    account: Plain | None = None
    """The account, by its name under `accounts`. Default: the only account, or the one named `default`."""
    region: Region | None = Field(default=None, examples=["eu-west-1"])
    """The region. Default: each region of the account."""
    interval: Interval | None = None
    """The time between polls of this target when it is settled."""
    active_interval: Interval | None = None
    """The time between polls of this target while its sync is unfinished."""
    stalled_after: Duration | None = None
    """An unfinished attempt of this target that is older than this is stalled."""
    timeout: Duration | None = None
    """The time limit of one API call about this target."""
    on_first_seen: OnFirstSeen | None = None
    """Which first observations of this target are events."""
    labels: Labels = Field(default={}, examples=[{"team": "platform"}])
    """Labels that are added to those of `defaults`."""

    @property
    def identity(self) -> dict[str, str]:
        """The values of the parts of the identity, by name."""
        return {part.name: getattr(self, part.name) for part in self.kind.identity}


def target_model(kind: Kind) -> type[TargetModel]:
    """Return the model of a target of this kind."""
    parts: dict[str, Any] = {
        part.name: (
            Annotated[str, PlainValidator(part_reader(kind, part)), part_schema(part)],
            Field(description=part.description, examples=[part.example]),
        )
        for part in kind.identity
    }
    model = create_model(kind.name.capitalize(), __base__=TargetModel, __doc__=kind.description, **parts)
    model.kind = kind
    return model


class RateLimit(StrictModel):
    """How much may be asked of each account, region and API."""

    requests_per_second: Rate = 5.0
    """Calls begun in any one second, retries included; may be below 1."""
    concurrency: Concurrency = 10
    """Calls under way at the same time."""


class AccountRateLimit(StrictModel):
    """How much may be asked of this account, by region and API; what is not given comes from `rate_limit`."""

    requests_per_second: Rate | None = None
    """Calls begun in any one second, retries included; may be below 1."""
    concurrency: Concurrency | None = None
    """Calls under way at the same time."""


class Retry(StrictModel):
    """One poll's attempts; the next poll starts afresh."""

    attempts: Tries = 4
    """Calls at most."""
    initial: Duration = lasting("500ms")
    """The longest wait before the second call; doubled for each one after it."""
    maximum: Duration = lasting("20s")
    """The longest wait before any call."""


class Account(StrictModel):
    """Where credentials come from, and the regions they are for."""

    name: OwnName
    """What targets call it; part of their ids."""
    regions: list[Region] = Field(default=[], examples=[["us-east-1", "eu-west-1"]])
    """None given: AWS_REGION, else AWS_DEFAULT_REGION, else the profile's region."""
    role_arn: RoleArn | None = Field(default=None, examples=["arn:aws:iam::111122223333:role/watcher"])
    """A role to assume."""
    external_id: ExternalId | None = Field(default=None, examples=["${EXTERNAL_ID}"])
    """What the role's owner asks for when it is assumed. A secret: take it from a variable."""
    profile: Plain | None = None
    """A profile of the AWS configuration files; left out: the ambient credentials."""
    endpoint_url: Url | None = Field(default=None, examples=["http://127.0.0.1:4566"])
    """Where the AWS APIs are, if not where they always are."""
    rate_limit: AccountRateLimit = AccountRateLimit()
    """Overrides `rate_limit`, key by key."""


class Http(StrictModel):
    """Where health, metrics and the status page are served."""

    listen: Listen = Field(default="127.0.0.1:8080", examples=["0.0.0.0:8080", "[::1]:8080"])
    """HOST:PORT. Other than loopback needs a token, or `insecure`."""
    token: Token | None = Field(default=None, examples=["${WATCHER_TOKEN}"])
    """What a reader must show. A secret: take it from a variable."""
    insecure: Boolean = False
    """Serve other machines without a token."""


def _http_or_off(value: Any, handler: ValidatorFunctionWrapHandler) -> Http | None:
    if isinstance(value, Text) and not value.broken:
        if reads_off(value):
            return None
        if not is_null(value):
            raise ValueError(
                f"this must be a mapping such as {{listen: 127.0.0.1:8080}}, or off, not {describe(value)}"
            )
    http: Http = handler(value)
    return http


class _SchemaOrOff:
    """The schema of the mapping, or of `off`."""

    def __get_pydantic_json_schema__(self, _: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return or_variable(or_off(handler(Http.__pydantic_core_schema__)))


class File(StrictModel):
    """The configuration of watcher. Make it complete by `file_model`."""

    kinds: ClassVar[tuple[Kind, ...]]
    sink_types: ClassVar[SinkTypes]

    defaults: Defaults = Defaults()
    """How targets are watched; a target may override each of these."""
    rate_limit: RateLimit = RateLimit()
    """How much may be asked of each account, region and API."""
    retry: Retry = Retry()
    """One poll's attempts; the next poll starts afresh."""
    unreadable_after: Count = 3
    """Polls in a row that fail before it is an event."""
    accounts: list[Sound[Account]] = Field(
        default=[], examples=[[{"name": "prod", "regions": ["us-east-1", "eu-west-1"]}]]
    )
    """Where credentials come from. None given: one account, `default`, with the ambient credentials."""
    sinks: list[Any] = Field(default=[], examples=[[{"name": "out", "type": "stdout"}]])
    """Where events go. None given: the standard output."""
    mute: list[Sound[Mute]] = Field(
        default=[], examples=[[{"targets": "prod/*", "until": "2026-11-23T10:00:00Z", "reason": "planned maintenance"}]]
    )
    """Events that are recorded, marked as muted, and not sent."""
    state: State = Field(
        default="sqlite:///watcher.db",
        examples=["sqlite:////var/lib/watcher/watcher.db", "dynamodb://watcher", "memory://"],
    )
    """Where the last known state and the events are kept: sqlite:///PATH, dynamodb://TABLE, memory:// (a trial)."""
    http: Annotated[Http | None, WrapValidator(_http_or_off), _SchemaOrOff()] = Http()
    """Where health, metrics and the status page are served; false or off: nowhere."""
    tracing: WithExtra | None = None
    """Where traces are sent; left out: nowhere. Needs the extra `otel`."""
    state_retention: Duration = lasting("30d")
    """How long events and settled deliveries are kept."""
    shutdown_grace: Duration = lasting("20s")
    """How long a stop may take to deliver what is due."""

    @field_validator("*", mode="wrap")
    @classmethod
    def _sound_or_default(cls, value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        """Report a wrong value and go on with the default, so that every other fault is found as well."""
        try:
            return handler(value)
        except ValidationError as error:
            faults_of(info).take(value, error)
            return cls.model_fields[str(info.field_name)].get_default()

    @property
    def targets(self) -> list[TargetModel]:
        """The targets of all kinds."""
        return [target for kind in self.kinds for target in getattr(self, kind.section)]

    @classmethod
    def report_unknown(cls, value: Keys, faults: Faults) -> None:
        """Report unknown keys, and keys of a later version as such."""
        not_yet = NOT_YET - cls.known_keys().keys()
        for name in not_yet & value.keys():
            if value.holds(name):
                message = f"'{name}' is not in this version yet; it watches {sections(cls.kinds, 'and')}"
                faults.report(value.key_places[name], message)
        faults.report_unknown(value, cls.known_keys(), told=not_yet)


def sections(kinds: Iterable[Kind], conjunction: str) -> str:
    """Return the keys of these kinds' lists, for messages: `templates` or `stacks`."""
    return f" {conjunction} ".join(f"`{kind.section}`" for kind in kinds)


@lru_cache(maxsize=4)
def file_model(kinds: tuple[Kind, ...], sinks: tuple[tuple[str, str], ...]) -> type[File]:
    """Return the model of a configuration with these kinds of targets and types of sinks (name, place of the model)."""
    types = SinkTypes(dict(sinks))
    lists: dict[str, Any] = {}
    for kind in kinds:
        example = {part.name: part.example for part in kind.identity}
        field: Any = Field(default=[], description=kind.section_description, examples=[[example]])
        item: Any = target_model(kind)
        lists[kind.section] = (list[Sound[item]], field)
    sinks_field = (list[Annotated[Any, types]], copy(File.model_fields["sinks"]))
    model = create_model("File", __base__=File, __doc__="The configuration of watcher.", **lists, sinks=sinks_field)
    model.kinds, model.sink_types = kinds, types
    return model
