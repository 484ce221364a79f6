"""The configuration as a user writes it: one pydantic model for each mapping.

The models of targets and sinks are made from the registered kinds and types: see `file_model`.
"""

from collections.abc import Callable
from copy import copy
from functools import lru_cache
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, ValidationError, ValidationInfo, create_model, field_validator

from watcher.config import fields
from watcher.config.digest_model import DigestModel
from watcher.config.discover_model import discover_model
from watcher.config.faults import describe
from watcher.config.fields import SchemaOf, lasting, or_off, or_variable
from watcher.config.heartbeat_model import HeartbeatModel
from watcher.config.listen_address import DEFAULT_LISTEN
from watcher.config.mute_model import MuteModel
from watcher.config.readers import reads_off
from watcher.config.sink_model import SinkTypes
from watcher.config.strict_model import Sound, StrictModel, faults_of
from watcher.config.target_model import Labels, TargetModel, by_section, target_list
from watcher.config.tracing import WithExtra
from watcher.config.tree import Text
from watcher.core.kinds import Kind
from watcher.core.model import FirstSeen
from watcher.core.state_url import DEFAULT as DEFAULT_STATE


class Defaults(StrictModel):
    """How targets are watched; a target may override each key."""

    interval: fields.Interval = lasting("60s")
    """The time between polls of a settled target; at least 100ms."""
    active_interval: fields.Interval = lasting("10s")
    """The time between polls while the sync is unfinished (INITIATED or IN_PROGRESS); at least 100ms."""
    repository_interval: fields.Interval = lasting("10s")
    """The time between polls of a repository that several stacks are synced from; at least 100ms."""
    backstop_interval: fields.Interval = lasting("15m")
    """The time between polls of a target that is not syncing, if its repository is polled or hints report on it."""
    stalled_after: fields.Duration = lasting("30m")
    """An unfinished attempt that is older than this is stalled."""
    timeout: fields.Duration = lasting("10s")
    """The time limit of one API call."""
    on_first_seen: fields.OnFirstSeen = FirstSeen.FAILED
    """Which first observations are events: those of a failed sync, all, or none."""
    labels: Labels = Field(default={}, examples=[{"team": "platform"}])
    """Labels in every event, for routing. A target's own labels are added to these."""


class RateLimitModel(StrictModel):
    """The limits of the calls to each account, region and API."""

    requests_per_second: fields.Rate = 5.0
    """Calls per second, retries included; may be below 1."""
    concurrency: fields.Concurrency = 10
    """Calls at the same time."""


class AccountRateLimitModel(StrictModel):
    """The limits of the calls to this account, for each region and API. Defaults: those of `rate_limit`."""

    requests_per_second: fields.Rate | None = None
    """Calls per second, retries included; may be below 1."""
    concurrency: fields.Concurrency | None = None
    """Calls at the same time."""


class RetryModel(StrictModel):
    """The calls of one poll."""

    attempts: fields.Tries = 4
    """The maximum number of calls."""
    initial: fields.Duration = lasting("500ms")
    """The longest wait before the second call; it doubles for each further call."""
    maximum: fields.Duration = lasting("20s")
    """The longest wait before any call."""


class AccountModel(StrictModel):
    """An AWS account: the source of its credentials, and its regions."""

    name: fields.OwnName
    """The name that targets refer to; part of their ids."""
    regions: list[fields.Region] = Field(default=[], examples=[["us-east-1", "eu-west-1"]])
    """The regions. Default: AWS_REGION, else AWS_DEFAULT_REGION, else the profile's region."""
    role_arn: fields.RoleArn | None = Field(default=None, examples=["arn:aws:iam::111122223333:role/watcher"])
    """A role to assume."""
    external_id: fields.ExternalId | None = Field(default=None, examples=["${EXTERNAL_ID}"])
    """The external ID that the role requires. A secret: take it from a variable."""
    profile: fields.Plain | None = None
    """A profile of the AWS configuration files. Default: the ambient credentials."""
    endpoint_url: fields.Url | None = Field(default=None, examples=["http://127.0.0.1:4566"])
    """The URL of the AWS APIs, if it is not AWS's own."""
    rate_limit: AccountRateLimitModel = AccountRateLimitModel()
    """Overrides keys of `rate_limit`."""


class HintModel(StrictModel):
    """An SQS queue that receives EventBridge's events of Git sync: they make their targets due at once."""

    region_key: ClassVar[str] = "`regions` to the account"
    """Where the region can be written, for messages."""

    queue: fields.QueueUrl = Field(examples=["https://sqs.us-east-1.amazonaws.com/111122223333/git-sync"])
    """The queue's URL."""
    account: fields.Plain | None = None
    """The account that reads it, by its name under `accounts`. Default: the only one, or the one named `default`."""


class HttpModel(StrictModel):
    """Where health checks, metrics and the status page are served."""

    listen: fields.Listen = Field(default=DEFAULT_LISTEN, examples=["0.0.0.0:8080", "[::1]:8080"])
    """HOST:PORT. An address other than loopback needs a token, or `insecure`."""
    token: fields.Token | None = Field(default=None, examples=["${WATCHER_TOKEN}"])
    """The token that clients must send. A secret: take it from a variable."""
    write_token: fields.Token | None = Field(default=None, examples=["${WATCHER_WRITE_TOKEN}"])
    """The token for making mutes and acknowledging incidents. Default: neither is possible over HTTP. A secret."""
    insecure: fields.Boolean = False
    """Serve other machines without a token."""
    public_url: fields.PublicUrl | None = Field(default=None, examples=["https://watcher.example.com"])
    """Where people reach the status page, for the links in events. A request may name its host."""


def _http_or_off(value: Any) -> Any:
    if reads_off(value):
        return None
    if isinstance(value, Text) and not value.broken:
        raise ValueError(f"this must be a mapping such as {{listen: 127.0.0.1:8080}}, or off, not {describe(value)}")
    return value


HttpOrOff = Annotated[
    Annotated[HttpModel, SchemaOf(lambda http: or_variable(or_off(http)))] | None, BeforeValidator(_http_or_off)
]


class File(StrictModel):
    """The configuration of watcher; `file_model` adds its lists of targets and sinks."""

    kinds: ClassVar[tuple[Kind, ...]]
    sink_types: ClassVar[SinkTypes]

    defaults: Defaults = Defaults()
    """How targets are watched; a target may override each key."""
    rate_limit: RateLimitModel = RateLimitModel()
    """The limits of the calls to each account, region and API."""
    retry: RetryModel = RetryModel()
    """The calls of one poll."""
    unreadable_after: fields.Count = 3
    """How many polls in a row must fail before there is an event."""
    accounts: list[Sound[AccountModel]] = Field(
        default=[], examples=[[{"name": "prod", "regions": ["us-east-1", "eu-west-1"]}]]
    )
    """AWS accounts. Default: one account, `default`, with the ambient credentials."""
    discover: list[Any] = Field(default=[], examples=[[{"kind": "stack", "match": "prod-*"}]])
    """Rules that find targets by asking AWS. A target that the file names keeps the settings that it has there."""
    hints: list[Sound[HintModel]] = Field(
        default=[], examples=[[{"queue": "https://sqs.us-east-1.amazonaws.com/111122223333/git-sync"}]]
    )
    """SQS queues that receive EventBridge's events of Git sync, so that changes are noticed at once."""
    sinks: list[Any] = Field(default=[], examples=[[{"name": "out", "type": "stdout"}]])
    """Where events are sent. Default: the standard output."""
    mute: list[Sound[MuteModel]] = Field(
        default=[], examples=[[{"targets": "prod/*", "until": "2026-11-23T10:00:00Z", "reason": "planned maintenance"}]]
    )
    """Events that are recorded and marked as muted, and not sent unless a problem outlasts the mute."""
    state: fields.State = Field(
        default=DEFAULT_STATE,
        examples=["sqlite:////var/lib/watcher/watcher.db", "dynamodb://watcher", "memory://"],
    )
    """Where the last known state and the events are stored: sqlite:///PATH, dynamodb://TABLE or memory://.

    Default: $WATCHER_STATE, else sqlite:///watcher.db.
    """
    http: HttpOrOff = HttpModel()
    """Where health checks, metrics and the status page are served; off: nowhere."""
    digest: DigestModel | None = None
    """A message by schedule, also if all is well. Default: none."""
    heartbeat: HeartbeatModel | None = None
    """Where a sign of life is sent. Default: nowhere."""
    tracing: WithExtra | None = None
    """Where traces are sent. Default: nowhere. Needs the extra `otel`."""
    state_retention: fields.Duration = lasting("30d")
    """How long events and completed deliveries are kept."""
    shutdown_grace: fields.Duration = lasting("20s")
    """How long a shutdown may take to deliver what is due."""

    @field_validator("*", mode="wrap")
    @classmethod
    def _sound_or_default(cls, value: Any, read: Callable[[Any], Any], info: ValidationInfo) -> Any:
        """Report a wrong value and continue with the default, so that every other fault is found as well."""
        try:
            return read(value)
        except ValidationError as error:
            faults_of(info).take(value, error)
            return cls.model_fields[str(info.field_name)].get_default()

    @property
    def targets(self) -> list[TargetModel]:
        return [target for section in by_section(self.kinds) for target in getattr(self, section)]


@lru_cache(maxsize=4)
def file_model(kinds: tuple[Kind, ...], sinks: tuple[tuple[str, str], ...]) -> type[File]:
    """Return the model of a configuration with these kinds of targets and types of sinks (name, place of the model)."""
    types = SinkTypes(dict(sinks))
    lists: dict[str, Any] = {}
    for section, several in by_section(kinds).items():
        examples = [{part.name: part.example for part in kind.identity} for kind in several]
        field: Any = Field(default=[], description=several[0].section_description, examples=[examples])
        lists[section] = (target_list(several), field)
    lists["sinks"] = (list[Annotated[Any, types]], copy(File.model_fields["sinks"]))
    rule: Any = discover_model(kinds)
    lists["discover"] = (list[Sound[rule]], copy(File.model_fields["discover"]))
    model = create_model("File", __base__=File, __doc__="The configuration of watcher.", **lists)
    model.kinds, model.sink_types = kinds, types
    return model
