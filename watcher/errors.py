"""Every error that the program raises on purpose; each message says what happened, where, and what to do.

WatcherError
 ├─ UsageError            64  the command line is wrong
 ├─ ServiceUnreachable    69  something outside that a command needs does not answer
 ├─ StoreError            73  the state store cannot be used
 │   ├─ StoreLocked       73  another daemon has it
 │   ├─ StoreSilent           it did not answer in time
 │   └─ StoreConflict         another watcher changed some of these subjects meanwhile; carries which
 ├─ ConfigError           78  the configuration is wrong; carries every fault
 ├─ PollFailed            one poll brought nothing to believe; never changes state
 │   ├─ TargetUnreadable      for a reason of the target's own: not found, invalid
 │   └─ EndpointUnreadable    for a reason that all targets of its endpoint share
 ├─ Superseded            another watcher was quicker: what was seen is not kept, and is looked at anew
 └─ SinkError             a sink did not take a delivery
     ├─ SinkClosed        and never will again in this run: the reader of stdout has gone
     └─ SinkGone          and never wants to: a webhook answered 410
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from watcher.util.bounded_text import bounded

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


MALFORMED = "MalformedAnswer"
"""The code of an answer that is not what the API promises."""


class WatcherError(Exception):
    """The root; `exit_code` is what a command ends with (contract, section 2)."""

    exit_code = 70


class UsageError(WatcherError):
    """The command line is wrong."""

    exit_code = 64


class ServiceUnreachable(WatcherError):
    """A needed service cannot be reached."""

    exit_code = 69


class StoreError(WatcherError):
    """The state store cannot be used. `passing`: it may be used soon."""

    exit_code = 73
    passing = False


class StoreLocked(StoreError):
    """Another daemon keeps its state in the same place."""


class StoreSilent(StoreError):
    """The state store did not answer within so many seconds."""

    def __init__(self, seconds: float) -> None:
        """Say for how long, and what to look at."""
        super().__init__(
            f"the state store did not answer within {seconds:g} s; look at its disk, or the network path to its table"
        )


class StoreConflict(StoreError):
    """Another watcher changed `subjects` since this one read them; all else that was to be kept is kept."""

    def __init__(self, message: str, subjects: Collection[str]) -> None:
        """Keep which."""
        super().__init__(message)
        self.subjects = frozenset(subjects)


class Superseded(WatcherError):
    """Another watcher was quicker: what was seen is not kept, and is looked at anew."""


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One thing wrong with a configuration, and where. `path` is empty for the file as a whole."""

    file: str
    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        """`FILE:LINE:COLUMN: PATH: what is wrong` (contract, section 2)."""
        where = f"{self.file}:{self.line}:{self.column}: "
        return f"{where}{self.path}: {self.message}" if self.path else f"{where}{self.message}"


class ConfigError(WatcherError):
    """The configuration is wrong: every fault, in the order of the file."""

    exit_code = 78

    def __init__(self, faults: Sequence[Fault]) -> None:
        """Keep the faults sorted by place."""
        self.faults = tuple(sorted(faults))
        super().__init__("\n".join(map(str, self.faults)))


class PollFailed(WatcherError):
    """A poll brought nothing to believe.

    `code` is AWS's error code, or one of ours in its style. `passing`: another try may bring an answer. `throttled`:
    AWS said that there were too many calls. `stale_credentials`: AWS no longer takes them, so look for newer ones.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        passing: bool = False,
        throttled: bool = False,
        stale_credentials: bool = False,
    ) -> None:
        """Keep AWS's error, or the connection's, cut to the length of `bounded`."""
        self.code = bounded(code)
        self.message = bounded(message)
        super().__init__(f"{self.code}: {self.message}" if message else self.code)
        self.passing = passing
        self.throttled = throttled
        self.stale_credentials = stale_credentials


class TargetUnreadable(PollFailed):
    """The endpoint answers, but not for this target."""


class EndpointUnreadable(PollFailed):
    """Nothing can be known through this account, region and API right now."""


class SinkError(WatcherError):
    """A sink did not take a delivery; it stays due. `retry_after`: seconds that the sink asked to be left alone."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        """Say what the sink, or the way there, answered."""
        super().__init__(message)
        self.retry_after = retry_after


class SinkClosed(SinkError):
    """The sink is gone for the rest of this run."""


class SinkGone(SinkError):
    """The receiver said that it wants nothing more: its deliveries are dead letters, until the next start."""
