"""The settings of a sink, and what depends on its type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from watcher.core.event_types import Severity

if TYPE_CHECKING:
    from pydantic import SecretStr

    from watcher.aws.sessions import Sessions
    from watcher.core.ports import Sink
    from watcher.core.settings import Account


GIVE_UP_AFTER_SECONDS = 86400.0
"""How long a delivery is tried unless the sink's `give_up_after` is set."""


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
    """A sink and which events are routed to it; without globs and labels, all events."""

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
