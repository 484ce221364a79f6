"""Every error that the program raises on purpose; each message says what happened, where, and what to do."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from watcher.util.bounded_text import bounded

MALFORMED = "MalformedAnswer"
"""The error code for an answer that does not have the form that the API documents."""


class WatcherError(Exception):
    """A command that ends with the error has its `exit_code`, one of sysexits.h."""

    exit_code = 70


class UsageError(WatcherError):
    """The command line is wrong."""

    exit_code = 64


class ServiceUnreachable(WatcherError):
    """A needed service cannot be reached."""

    exit_code = 69


class StoreError(WatcherError):
    """The state store cannot be used. `passing`: a retry may succeed."""

    exit_code = 73
    passing = False


class StoreLocked(StoreError):
    """Another daemon uses the same store."""


class StoreSilent(StoreError):
    """The state store did not respond within `seconds`."""

    def __init__(self, seconds: float) -> None:
        remedy = "check its disk, or the network path to its table"
        super().__init__(f"the state store did not respond within {seconds:g} s; {remedy}")


class StoreConflict(StoreError):
    """Another daemon changed `subjects` since this one read them; all other entries were committed."""

    def __init__(self, message: str, subjects: Collection[str]) -> None:
        super().__init__(message)
        self.subjects = frozenset(subjects)


class Superseded(WatcherError):
    """Another change was recorded first, or the subject may be another daemon's by now.

    What was observed is dropped, and what is due is not sent.
    """


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One fault of a configuration and its place. `path` is empty for the file as a whole."""

    file: str
    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        """`FILE:LINE:COLUMN: PATH: what is wrong`."""
        where = f"{self.file}:{self.line}:{self.column}: "
        return f"{where}{self.path}: {self.message}" if self.path else f"{where}{self.message}"


class ConfigError(WatcherError):
    """The configuration is wrong; `faults` are all its faults in the order of the file."""

    exit_code = 78

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(sorted(faults))
        super().__init__("\n".join(map(str, self.faults)))


class PollFailed(WatcherError):
    """A poll got no valid answer; `code` and `message` are cut to the length of `bounded`.

    `code` is AWS's error code, or the watcher's own in its style. `passing`: a retry may succeed. `throttled`: AWS
    refused the call because there were too many. `stale_credentials`: AWS refused the credentials; there may be newer.
    `not_offered`: AWS does not offer this API in the region, or not any more.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        passing: bool = False,
        throttled: bool = False,
        stale_credentials: bool = False,
        not_offered: bool = False,
    ) -> None:
        self.code, self.message = bounded(code), bounded(message)
        super().__init__(f"{self.code}: {self.message}" if message else self.code)
        self.passing = passing
        self.throttled = throttled
        self.stale_credentials = stale_credentials
        self.not_offered = not_offered


class TargetUnreadable(PollFailed):
    """The endpoint answers, but refuses this target."""


class EndpointUnreadable(PollFailed):
    """No target can be read through this account, region and API at the moment."""


class SinkError(WatcherError):
    """A sink did not take a delivery, which stays due. `retry_after`: seconds to wait, if the sink asked for that."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class SinkClosed(SinkError):
    """The sink takes nothing more in this run: the reader of stdout has gone."""


class SinkGone(SinkError):
    """The receiver refuses everything for good (HTTP 410): its deliveries become dead letters until the next start."""
