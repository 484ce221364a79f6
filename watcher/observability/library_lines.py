"""Log lines of libraries: of a streak of equal lines the first and its end; no traceback for expected errors.

A library (aiobotocore, asyncio, apprise, OpenTelemetry) may log the same line at every call while a failure lasts.
`Streaks` decides which lines are written, `StreakHandler` writes them.
"""

import logging
import re
import time
from collections.abc import Callable, Hashable
from copy import copy
from dataclasses import dataclass
from math import inf
from threading import RLock, Timer

from watcher.errors import WatcherError

QUIET_SECONDS = 60.0
"""A streak ends after so many seconds without its line, or after `GAPS` times its longest pause if that is longer."""

GAPS = 3

MAX_QUIET_SECONDS = 3600.0
"""A streak ends at the latest after so many seconds without its line."""

MAX_STREAKS = 256
"""Different lines that are remembered; beyond them, all lines of one logger count as the same."""

MAX_LINE = 500
"""Characters of a line that the end of its streak repeats."""

FORESEEN = frozenset({"aiobotocore", "aiohttp", "botocore"})
"""Libraries whose exceptions are about AWS, the network or the environment, not about a bug."""

_VARIES = re.compile(r"0x[0-9a-f]+|[0-9]+")


@dataclass(slots=True)
class Streak:
    """A line that is logged again and again."""

    line: logging.LogRecord
    """Its first record."""
    first: float
    last: float
    times: int = 1
    longest_pause: float = 0.0
    over: bool = False

    def summary(self) -> logging.LogRecord:
        """The record that reports its end."""
        line, seconds = _first_line(self.line.getMessage())[:MAX_LINE], self.last - self.first
        return _plain(self.line, f"over after {self.times} times in {seconds:.1f} s: {line}")

    @property
    def ends(self) -> float:
        """When it is over, unless its line is logged before."""
        return self.last + min(max(QUIET_SECONDS, GAPS * self.longest_pause), MAX_QUIET_SECONDS)


class Streaks:
    """Which lines are the first of a streak, and which streaks are over. Pure: the time is passed in, in seconds."""

    def __init__(self) -> None:
        self._streaks: dict[Hashable, Streak] = {}

    def is_first(self, record: logging.LogRecord, now: float) -> bool:
        """Count the record; returns whether it begins a streak, and is to be written."""
        key: Hashable = _key(record)
        if key not in self._streaks and len(self._streaks) >= MAX_STREAKS:
            key = record.name
        streak = self._streaks.get(key)
        if streak is None:
            self._streaks[key] = Streak(record, now, now)
            return True
        pause, streak.last = now - streak.last, now
        streak.longest_pause = max(streak.longest_pause, pause)
        if streak.over:
            streak.line, streak.first, streak.times, streak.over = record, now, 1, False
            return True
        streak.times += 1
        return False

    def ended(self, now: float) -> list[Streak]:
        """The streaks of more than one line that are over since the last call."""
        ended = [streak for streak in self._streaks.values() if not streak.over and streak.ends <= now]
        for streak in ended:
            streak.over = True
        # Ended streaks are kept for a while with their longest pause, so that a rare line can be a streak as well.
        for key, streak in [*self._streaks.items()]:
            if streak.over and now - streak.last >= MAX_QUIET_SECONDS:
                del self._streaks[key]
        return [streak for streak in ended if streak.times > 1]

    def next_end(self) -> float | None:
        """When the next streak may be over; None: no streak is open."""
        return min((streak.ends for streak in self._streaks.values() if not streak.over), default=None)


class StreakHandler(logging.Handler):
    """Writes the first line of each streak, and one line with their number when the streak is over.

    `write` writes one record; it may be called in any thread.
    """

    def __init__(self, write: Callable[[logging.LogRecord], None]) -> None:
        super().__init__()
        self._write = write
        self._streaks = Streaks()
        self._turn = RLock()
        self._timer: Timer | None = None
        self._closed = False

    def emit(self, record: logging.LogRecord) -> None:
        if _accepts_too_late(record):
            return
        with self._turn:
            if self._streaks.is_first(record, time.monotonic()):
                self._write(without_foreseen_traceback(record))
            self._wait()

    def close(self) -> None:
        """Report the open streaks; `logging` calls this when the process ends."""
        with self._turn:
            self._closed = True
            if self._timer is not None:
                self._timer.cancel()
            self._report(inf)
        super().close()

    def _wait(self) -> None:
        """Start a timer for the end of the next streak.

        Not after `close`: the interpreter may be ending, and `Thread.start` then waits without end for a thread that
        never runs.
        """
        ends = self._streaks.next_end()
        if self._timer is None and ends is not None and not self._closed:
            self._timer = Timer(max(0.0, ends - time.monotonic()), self._look)
            self._timer.daemon = True
            self._timer.start()

    def _look(self) -> None:
        with self._turn:
            self._timer = None
            self._report(time.monotonic())
            self._wait()

    def _report(self, now: float) -> None:
        for streak in self._streaks.ended(now):
            self._write(streak.summary())


def without_foreseen_traceback(record: logging.LogRecord) -> logging.LogRecord:
    """The record; an exception that is not a bug becomes part of its line instead of a traceback."""
    error = record.exc_info[1] if record.exc_info else None
    if error is None or not is_foreseen(error):
        return record
    return _plain(record, f"{record.getMessage().rstrip('.')}: {type(error).__name__}: {error}")


def _accepts_too_late(record: logging.LogRecord) -> bool:
    """Whether asyncio failed to accept connections again for a server that was closed meanwhile.

    It tries again a second after it had no free file descriptor for a connection, whether or not the server is closed.
    """
    error = record.exc_info[1] if record.exc_info else None
    return record.name == "asyncio" and isinstance(error, ValueError) and "._start_serving(" in record.getMessage()


def is_foreseen(error: BaseException) -> bool:
    """Whether an error is about AWS, the network or the system, rather than a bug."""
    if isinstance(error, (OSError, WatcherError)):
        return True
    return any(kind.__module__.partition(".")[0] in FORESEEN for kind in type(error).__mro__)


def _plain(record: logging.LogRecord, message: str) -> logging.LogRecord:
    """The record with another message, and no traceback."""
    plain = copy(record)
    plain.msg, plain.args, plain.exc_info, plain.exc_text = message, None, None, None
    return plain


def _key(record: logging.LogRecord) -> Hashable:
    """The key of records that count as the same line: without numbers, since a message may have a count or a time."""
    error = record.exc_info[0] if record.exc_info else None
    return record.name, record.levelno, _VARIES.sub("#", _first_line(str(record.msg)))[:MAX_LINE], error


def _first_line(text: str) -> str:
    return text.partition("\n")[0]
