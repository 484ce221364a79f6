"""The configuration as the rest of the house sees it: frozen, complete, checked. Durations are in seconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from watcher.core.model import Severity

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from pydantic import SecretStr

    from watcher.core.model import EndpointKey, Target

GIVE_UP_AFTER = 86400.0
"""Seconds for which a delivery is tried, where nobody said otherwise."""

TRACES_PATH = "/v1/traces"
"""What follows a collector's base URL (OpenTelemetry's specification of OTEL_EXPORTER_OTLP_ENDPOINT)."""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """What one account, region and API may be asked for."""

    requests_per_second: float = 5.0
    concurrency: int = 10


@dataclass(frozen=True, slots=True)
class Retry:
    """One poll's attempts: so many calls, and between them full jitter up to `initial`, doubled up to `maximum`."""

    attempts: int = 4
    initial: float = 0.5
    maximum: float = 20.0


@dataclass(frozen=True, slots=True)
class Account:
    """Where credentials come from, and the regions they are for."""

    name: str
    regions: tuple[str, ...]
    role_arn: str | None = None
    external_id: SecretStr | None = None
    profile: str | None = None
    endpoint_url: str | None = None
    rate_limit: RateLimit = RateLimit()


@dataclass(frozen=True, slots=True)
class SinkSettings:
    """One sink and what is routed to it; an empty tuple of globs, or no labels, lets everything through."""

    name: str
    type: str
    events: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    min_severity: Severity = Severity.INFO
    remind_every: float | None = None
    give_up_after: float = GIVE_UP_AFTER
    replay_from: datetime | None = None
    """Where the history begins that a sink gets when it is new; None: it gets none."""
    account: Account | None = None
    region: str | None = None
    """Of a sink at AWS: whose credentials, and where."""
    options: Any = field(default=None, hash=False)
    """What only sinks of its type have: the model of `config/sinks/` that was read."""


@dataclass(frozen=True, slots=True)
class Mute:
    """Events that are recorded and not sent, for a while; an empty tuple of globs lets everything through."""

    targets: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    start: datetime | None = None
    until: datetime | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Http:
    """Where the health, metrics and status pages are to be served."""

    host: str
    port: int
    token: SecretStr | None = None
    insecure: bool = False
    written: bool = True
    """Whether the configuration asks for it, or it is what holds anyway."""

    @property
    def url(self) -> str:
        """Where a browser finds it, if the port is not 0, which is any free one."""
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Tracing:
    """Where traces are sent by OTLP over HTTP, and which share of them: a collector's base URL, and 1 for all."""

    endpoint: str
    headers: Mapping[str, SecretStr] = field(default_factory=dict, hash=False)
    sample: float = 1.0

    @property
    def url(self) -> str:
        """Where they are posted to."""
        return self.endpoint.rstrip("/") + TRACES_PATH


@dataclass(frozen=True, slots=True)
class Config:
    """One whole configuration. `place` says where it was read, for messages."""

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

    def endpoints(self) -> Mapping[EndpointKey, tuple[Target, ...]]:
        """The targets, grouped by the endpoint that they share."""
        groups: dict[EndpointKey, list[Target]] = {}
        for target in self.targets:
            groups.setdefault(target.endpoint, []).append(target)
        return {key: tuple(targets) for key, targets in groups.items()}
