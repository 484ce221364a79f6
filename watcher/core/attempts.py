"""What is kept of a target's last attempts, in its record and in the history. Pure.

The record has the last of them as lines, which take a third of the memory and of the loading time of objects:

    2026-11-23T08:00:00Z SUCCEEDED 65.2 62c0d0f1c7e84c6fb8d3b1d8a1c1a9f0e5d4b3a2 -

when it started, its status, the seconds that it lasted, its commit, and flags: `f` for first seen, `m` for missed (not
observed). `-` stands for what is not known, and for no flag.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from watcher.core.model import FAILED, SUCCEEDED, Attempt, parse_rfc3339, rfc3339
from watcher.util.shapes import is_time

MAX_RECENT = 20
"""How many attempts a record has."""

UNKNOWN = "UNKNOWN"
"""The status of an attempt whose own has another form than AWS's words."""

Line = str
"""An attempt as a record has it."""

_WORD = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_SHA = re.compile(r"[0-9a-fA-F]{7,64}")
_REST = re.compile(r"[A-Z][A-Z0-9_]{0,63} (-|\d{1,12}(\.\d+)?) (-|[0-9a-fA-F]{7,64}) (-|fm?|m)", re.ASCII)
_ABSENT = "-"


@dataclass(frozen=True, slots=True)
class SeenAttempt:
    """One attempt of AWS to sync a target, as it was last seen."""

    started_at: datetime
    status: str
    """As AWS reported it."""
    duration: float | None = None
    """Seconds from `started_at` to its end; None: it has not ended, or it is not known when."""
    sha: str | None = None
    """The commit that it syncs to; None: not known."""
    first_seen: bool = False
    """Whether it was the latest attempt when its target was first observed."""
    observed: bool = True
    """False: it was only known afterwards, as the success between two polls."""

    @property
    def ended(self) -> bool:
        """Whether it succeeded or failed."""
        return self.status in {SUCCEEDED, FAILED}


def note(
    recent: tuple[Line, ...], attempt: Attempt, *, first_seen: bool, observed: bool, ended_by: datetime | None
) -> tuple[Line, ...]:
    """Return the last attempts of a target with what was seen of one of them, which comes first.

    An attempt that has ended lasted until the last of AWS's events, else until `ended_by`, else as long as was known.

    Args:
        recent: the last attempts, the newest first.
        attempt: as it is seen now.
        first_seen: whether this is the first observation of its target; it counts if the attempt is not among `recent`.
        observed: whether its status was observed while it was the latest.
        ended_by: when the event was that reports its status; None: there is none.
    """
    began = rfc3339(attempt.started_at)
    known = next((line for line in recent if line.startswith(f"{began} ")), None)
    status = attempt.status if _WORD.fullmatch(attempt.status) else UNKNOWN
    sha = attempt.sha if _SHA.fullmatch(attempt.sha) else None
    seen = SeenAttempt(attempt.started_at, status, None, sha, first_seen, observed)
    lasted: float | None = None
    if known is not None:
        before = parse_line(known)
        same = before.status == status
        seen = replace(seen, first_seen=before.first_seen, observed=before.observed if same else observed)
        lasted = before.duration if same else None
    if seen.ended:
        last = max(_times(attempt), default=ended_by if lasted is None else None)
        if last is not None:
            lasted = max(0.0, (last - attempt.started_at).total_seconds())
        seen = replace(seen, duration=lasted)
    return (line_of(seen), *(line for line in recent if line is not known))[:MAX_RECENT]


def line_of(seen: SeenAttempt) -> Line:
    """Return an attempt as a line."""
    lasted = _ABSENT if seen.duration is None else f"{seen.duration:.3f}".rstrip("0").rstrip(".")
    flags = "f" * seen.first_seen + "m" * (not seen.observed)
    return " ".join((rfc3339(seen.started_at), seen.status, lasted, seen.sha or _ABSENT, flags or _ABSENT))


def parse_line(line: Line) -> SeenAttempt:
    """Return the attempt of a line that `line_of` wrote."""
    began, status, lasted, sha, flags = line.split()
    return SeenAttempt(
        parse_rfc3339(began),
        status,
        None if lasted == _ABSENT else float(lasted),
        None if sha == _ABSENT else sha,
        "f" in flags,
        "m" not in flags,
    )


def is_line(value: object) -> bool:
    """Whether a value is a line that `parse_line` can read."""
    if not isinstance(value, str):
        return False
    began, _, rest = value.partition(" ")
    return is_time(began) and _REST.fullmatch(rest) is not None


def _times(attempt: Attempt) -> Iterable[datetime]:
    """Yield the times of AWS's events of an attempt."""
    for event in attempt.events:
        if time := event.get("time"):
            try:
                yield parse_rfc3339(time)
            except ValueError:  # an event in a state file of an early version may have any text
                continue
