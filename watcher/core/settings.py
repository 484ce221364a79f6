"""The configuration as the program uses it: frozen, complete and checked. Durations are in seconds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any

from watcher.core.capacity import EndpointLoad, endpoint_load
from watcher.core.digest import DIGEST_SUBJECT, Digest
from watcher.core.heartbeat import Heartbeat
from watcher.core.kinds import Kind
from watcher.core.listings import ListingKey
from watcher.core.model import EndpointKey, Target
from watcher.core.mutes import Mute
from watcher.core.sink_settings import SinkSettings

if TYPE_CHECKING:
    from pydantic import SecretStr

    from watcher.core.kinds import Ask
    from watcher.core.listings import FoundTarget

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
        digests = (DIGEST_SUBJECT,) if self.digest else ()
        return frozenset((*self.targets_by_id, *map(str, self.endpoints.keys() | self._listed), *digests))

    @cached_property
    def _listed(self) -> frozenset[EndpointKey]:
        return frozenset(plan.endpoint(key) for key, plan in self.listings.items())
