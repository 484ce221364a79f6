"""The configuration as the program uses it: frozen, complete and checked. Durations are in seconds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from watcher.core.capacity import EndpointLoad, endpoint_load
from watcher.core.digest import SUBJECT, Digest
from watcher.core.heartbeat import Heartbeat
from watcher.core.kinds import Kind
from watcher.core.listings import ListingKey
from watcher.core.model import EndpointKey, Severity, Target
from watcher.core.ports import Sink
from watcher.core.windows import Window

if TYPE_CHECKING:
    from pydantic import SecretStr

    from watcher.aws.sessions import Sessions
    from watcher.core.kinds import Ask
    from watcher.core.listings import FoundTarget

GIVE_UP_AFTER_SECONDS = 86400.0
"""How long a delivery is tried unless the sink's `give_up_after` is set."""

QUEUE_CALLS = 11
"""The calls to a queue of hints at a time: one that waits for messages, and one for each message under way."""

TRACES_PATH = "/v1/traces"
"""The path after a collector's base URL (OpenTelemetry's specification of OTEL_EXPORTER_OTLP_ENDPOINT)."""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """The limits of the calls to one account, region and API."""

    requests_per_second: float = 5.0
    concurrency: int = 10


@dataclass(frozen=True, slots=True)
class Retry:
    """The calls of one poll; between calls, full jitter up to `initial`, which doubles up to `maximum`."""

    attempts: int = 4
    initial: float = 0.5
    maximum: float = 20.0


@dataclass(frozen=True, slots=True)
class Account:
    """An AWS account: the source of its credentials, and its regions."""

    name: str
    regions: tuple[str, ...]
    role_arn: str | None = None
    external_id: SecretStr | None = None
    profile: str | None = None
    endpoint_url: str | None = None
    rate_limit: RateLimit = RateLimit()


class SinkOptions:
    """What depends on a sink's type. Each type subclasses it in its file under `watcher/sinks/`.

    No other code asks for the type of a sink: everything that differs between types is a member of this class.
    """

    prints: ClassVar[bool] = False
    """Whether the sink writes to the standard output, where nothing else may appear."""
    digests: ClassVar[bool] = True
    """Whether the sink can send a digest, which belongs to no incident and no commit."""

    shows_attempts: ClassVar[bool] = False
    """Whether the receiver shows an attempt as unfinished until it is sent how that ended."""

    def build(self, settings: SinkSettings, sessions: Sessions) -> Sink:
        """Return the sink that these options describe, without opening anything."""
        raise NotImplementedError

    def built_from(self) -> object:
        """Return what the sink is built from: a reload replaces the sink if this has changed."""
        return None

    def secret_texts(self) -> Iterator[str]:
        """Yield the texts that must be hidden everywhere, in addition to the values of type `SecretStr`."""
        yield from ()

    def written_files(self) -> Mapping[str, str]:
        """Return the real paths of the files that the sink writes, each with its name in messages."""
        return {}

    def may_write(self, path: str) -> bool:
        """Return whether the sink may write to the file: False if that would destroy something else."""
        return True

    def advice(self) -> Iterator[str]:
        """Yield advice for people about values that are allowed, but have a better alternative; without secrets."""
        yield from ()

    def preview(self, event: Mapping[str, Any]) -> str:
        """Return the message that people receive for `event`; empty if the sink sends events as they are."""
        return ""


@dataclass(frozen=True, slots=True)
class SinkSettings:
    """A sink and which events are routed to it; no globs or no labels let every event through."""

    name: str
    type: str
    events: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    min_severity: Severity = Severity.INFO
    send_resolved: bool = True
    """Whether a sink that was sent a problem is sent its end, whatever its filters and mutes say."""
    remind_every: float | None = None
    give_up_after: float = GIVE_UP_AFTER_SECONDS
    replay_from: datetime | None = None
    """A new sink receives the recorded events since then; None: it receives none."""
    account: Account | None = None
    """The account whose credentials a sink at AWS uses."""
    region: str | None = None
    """The region of a sink at AWS."""
    options: SinkOptions = field(default_factory=SinkOptions, hash=False)


@dataclass(frozen=True, slots=True)
class DiscoverRule:
    """Which targets are found by asking AWS what an account has; no globs let everything through."""

    kinds: tuple[Kind, ...]
    """The kinds of one name; several if several APIs have one."""
    places: tuple[tuple[str, str], ...]
    """The accounts and regions that are listed."""
    place: str = "discover"
    """The rule's path in the configuration, for messages."""
    every: float = 600.0
    """Seconds between two listings."""
    match: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    repositories: tuple[str, ...] = ()
    branches: tuple[str, ...] = ()
    limit: int = 10_000
    """The most targets for each account and region."""
    watching: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """How the targets are watched, as fields of `Target`."""

    @property
    def timeout(self) -> float:
        """The time limit of each call of a listing, in seconds."""
        return float(self.watching.get("timeout", 10.0))


@dataclass(frozen=True, slots=True)
class ListingPlan:
    """How AWS is asked for a listing: how often, and with which time limit of each call, in seconds."""

    kind: Kind
    listing: Callable[[Ask], Awaitable[Sequence[FoundTarget]]]
    every: float
    timeout: float

    def endpoint(self, key: ListingKey) -> EndpointKey:
        """Return the endpoint that is asked."""
        return EndpointKey(key.account, key.region, self.kind.api)


@dataclass(frozen=True, slots=True)
class HintQueue:
    """An SQS queue that receives AWS's events of Git sync, and the account whose credentials read it."""

    url: str
    account: Account
    region: str


@dataclass(frozen=True, slots=True)
class Mute:
    """Events that are recorded but not sent for a time; no globs match every event."""

    targets: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    start: datetime | None = None
    until: datetime | None = None
    reason: str | None = None
    when: Window | None = None
    """The windows in which it applies, between `start` and `until`; None: all the time."""
    id: str | None = None
    """The id of a mute that somebody made by hand; None: the configuration has it."""
    by: str | None = None
    """Who made it."""

    def applies_at(self, now: datetime) -> bool:
        """Return whether it holds events back at `now`."""
        begun = self.start is None or self.start <= now
        over = self.until is not None and self.until <= now
        return begun and not over and (self.when is None or self.when.end_of(now) is not None)

    def over_at(self, now: datetime) -> datetime | None:
        """Return when the mute, which applies at `now`, ends or pauses; None: never."""
        ends = (self.until, None if self.when is None else self.when.over_at(now))
        return min((each for each in ends if each is not None), default=None)


class Reach(Protocol):
    """How a receiver of HTTP requests may be reached."""

    @property
    def allow_http(self) -> bool:
        """Whether requests may be made without TLS."""

    @property
    def allow_private(self) -> bool:
        """Whether it may be at an address of this machine, or a link-local one."""

    @property
    def ca_file(self) -> str | None:
        """The file of the certificate authorities to trust; None: the system's."""

    @property
    def timeout(self) -> float:
        """Seconds that one request may take."""

    @property
    def proxy(self) -> SecretStr | Literal[False] | None:
        """The URL of the proxy; False: none; None: what the environment selects."""


@dataclass(frozen=True, slots=True)
class Http:
    """Where health checks, metrics and the status page are served."""

    host: str
    port: int
    token: SecretStr | None = None
    insecure: bool = False
    written: bool = True
    """Whether the configuration has the section `http`; False: these are the defaults."""
    public_url: str | None = None
    """Where people reach the page; None: it is not known."""
    write_token: SecretStr | None = None
    """For requests that change something; None: nothing can be changed over HTTP."""

    @property
    def url(self) -> str:
        """The URL for a browser, unless the port is 0 (any free port)."""
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Tracing:
    """The export of traces by OTLP over HTTP: the collector's base URL, and the share of traces sent (1: all)."""

    endpoint: str
    headers: Mapping[str, SecretStr] = field(default_factory=dict, hash=False)
    sample: float = 1.0

    @property
    def url(self) -> str:
        """The URL that traces are posted to."""
        return self.endpoint.rstrip("/") + TRACES_PATH


@dataclass(frozen=True)  # without slots, which have no room for cached properties
class Config:
    """A whole configuration; `place` is its name in messages: the file, the directory, or the variable.

    `targets` are those that it lists; with `core.discovery.with_discovered` also those that its rules find.
    """

    place: str
    accounts: Mapping[str, Account]
    targets: tuple[Target, ...]
    retry: Retry
    unreadable_after: int
    sinks: tuple[SinkSettings, ...]
    state: str
    http: Http | None
    state_retention: float
    shutdown_grace: float
    mutes: tuple[Mute, ...] = ()
    tracing: Tracing | None = None
    discover: tuple[DiscoverRule, ...] = ()
    hints: tuple[HintQueue, ...] = ()
    files: tuple[str, ...] = ()
    """The files that it consists of; of a configuration that is no file, its name."""
    heartbeat: Heartbeat | None = None
    digest: Digest | None = None

    @cached_property
    def listings(self) -> Mapping[ListingKey, ListingPlan]:
        """The listings that the rules need, each as often as the most frequent rule wants it.

        The time limit of its calls is that of the last of these rules.
        """
        plans: dict[ListingKey, ListingPlan] = {}
        for rule in self.discover:
            for kind, (account, region) in product(rule.kinds, rule.places):
                if kind.listing is not None:
                    key = ListingKey(account, region, str(kind))
                    before = plans.get(key)
                    every = rule.every if before is None else min(rule.every, before.every)
                    plans[key] = ListingPlan(kind, kind.listing, every, rule.timeout)
        return plans

    @property
    def public_url(self) -> str | None:
        """Where people reach the page; None: it is not known."""
        return self.http.public_url if self.http else None

    @cached_property
    def targets_by_id(self) -> Mapping[str, Target]:
        """The targets by id."""
        return {target.id: target for target in self.targets}

    @cached_property
    def endpoints(self) -> Mapping[EndpointKey, tuple[Target, ...]]:
        """The targets, grouped by endpoint."""
        groups: dict[EndpointKey, list[Target]] = {}
        for target in self.targets:
            groups.setdefault(target.endpoint, []).append(target)
        return {key: tuple(targets) for key, targets in groups.items()}

    @cached_property
    def polled(self) -> Mapping[EndpointKey, tuple[Target, ...]]:
        """The targets that are polled, grouped by endpoint."""
        groups = {key: tuple(each for each in targets if each.kind.polled) for key, targets in self.endpoints.items()}
        return {key: targets for key, targets in groups.items() if targets}

    @cached_property
    def loads(self) -> tuple[EndpointLoad, ...]:
        """The load of each endpoint, in the order of their names."""
        return tuple(
            endpoint_load(key, targets, self.accounts[key.account].rate_limit.requests_per_second)
            for key, targets in sorted(self.polled.items(), key=lambda item: str(item[0]))
        )

    @cached_property
    def max_calls(self) -> int:
        """How many calls of AWS may run at a time."""
        calls = sum(self.accounts[key.account].rate_limit.concurrency for key in self.endpoints.keys() | self._listed)
        return calls + QUEUE_CALLS * len(self.hints)

    @cached_property
    def subjects(self) -> frozenset[str]:
        """The subjects of all events: of each target, and each endpoint that is polled or listed; and of digests."""
        digests = (SUBJECT,) if self.digest else ()
        return frozenset((*self.targets_by_id, *map(str, self.endpoints.keys() | self._listed), *digests))

    @cached_property
    def _listed(self) -> frozenset[EndpointKey]:
        return frozenset(plan.endpoint(key) for key, plan in self.listings.items())
