"""Which lines of libraries are written: the first of a streak, and how many there were when it is over."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from typing import TYPE_CHECKING

import aiohttp
import pytest
from botocore.exceptions import ClientError, NoCredentialsError

from watcher.errors import EndpointUnreadable
from watcher.observability.library_lines import (
    MAX_STREAKS,
    QUIET_SECONDS,
    Streaks,
    is_foreseen,
    without_foreseen_traceback,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


def record(message: str, *arguments: object, logger: str = "a", error: Exception | None = None) -> logging.LogRecord:
    raised = None if error is None else (type(error), error, None)
    return logging.LogRecord(logger, logging.WARNING, "/a.py", 1, message, arguments, raised)


@pytest.mark.parametrize(
    ("lines", "written"),
    [
        ([record("one"), record("two"), record("one", logger="b")], "yyy"),
        ([record("refused for %s", "a"), record("refused for %s", "b")], "yn"),
        ([record("fd 17 is bad"), record("fd 1093 is bad"), record("<Task 0x7f3a> ended"), record("<Task 0xbc> ended")],
         "ynyn"),
        ([record("accept failed\nsocket: <a>"), record("accept failed\nsocket: <b>")], "yn"),
        ([record("failed", error=error) for error in (OSError(24, ""), KeyError(), OSError(5, ""))], "yyn"),
    ],
)  # fmt: skip
def test_a_line_that_only_names_another_thing_is_the_same_line(
    lines: Sequence[logging.LogRecord], written: str
) -> None:
    streaks = Streaks()
    assert "".join("y" if streaks.is_first(line, 0.0) else "n" for line in lines) == written


@pytest.mark.parametrize(
    ("times", "written", "over"),
    [
        # (when the line is logged, which are written, how many there were in each streak that is reported)
        ([0], [0], []),
        ([0, 1, 2], [0], [3]),
        ([0, QUIET_SECONDS - 1, 2 * QUIET_SECONDS - 2], [0], [3]),
        ([0, 1, QUIET_SECONDS + 1, QUIET_SECONDS + 2], [0, QUIET_SECONDS + 1], [2, 2]),
        # One that comes every five minutes is a streak from its second line on.
        ([0, 300, 600, 900, 1200], [0, 300], [4]),
        # One a day is not.
        ([0, 86400, 2 * 86400], [0, 86400, 2 * 86400], []),
    ],
)
def test_a_streak_is_its_first_line_and_its_end(times: list[float], written: list[float], over: list[int]) -> None:
    streaks, shown, ended = Streaks(), [], []
    looks = {end + second for end in (*times, times[-1] + 7200) for second in range(0, 1000, 10)}
    for second in sorted({*times, *looks}):
        ended += [streak.times for streak in streaks.ended(second)]
        if second in times and streaks.is_first(record("failed"), second):
            shown.append(second)
    assert (shown, ended) == (written, over)
    assert streaks.next_end() is None


def test_the_end_says_which_line_how_often_and_for_how_long() -> None:
    streaks = Streaks()
    for second in range(4):
        streaks.is_first(record("refused for %s\nat length", f"account-{second}"), second / 2)
    (streak,) = streaks.ended(1000)
    assert streak.summary().getMessage() == "over after 4 times in 1.5 s: refused for account-0"
    assert streaks.ended(1000) == []


def test_what_is_remembered_is_bounded() -> None:
    streaks = Streaks()
    written = [streaks.is_first(record("x" * number), 0.0) for number in range(3 * MAX_STREAKS)]
    assert written == [True] * (MAX_STREAKS + 1) + [False] * (2 * MAX_STREAKS - 1)
    streaks.ended(1e9)
    assert streaks.is_first(record("x" * 3 * MAX_STREAKS), 1e9)


@pytest.mark.parametrize(
    ("error", "foreseen"),
    [
        (ClientError({"Error": {"Code": "AccessDenied"}}, "AssumeRole"), True),
        (NoCredentialsError(), True),
        (aiohttp.ServerDisconnectedError(), True),
        (OSError(24, "Too many open files"), True),
        (TimeoutError(), True),
        (EndpointUnreadable("MFARequired", "it asks"), True),
        (KeyError("AccessKeyId"), False),
        (RuntimeError("a bug"), False),
    ],
)
def test_only_a_bug_has_a_traceback(error: Exception, *, foreseen: bool) -> None:
    assert is_foreseen(error) is foreseen
    line = without_foreseen_traceback(record("refreshing failed for %s", "a", error=error))
    assert line.exc_info is None if foreseen else line.exc_info
    expected = f"refreshing failed for a: {type(error).__name__}: {error}" if foreseen else "refreshing failed for a"
    assert line.getMessage() == expected


def test_a_thousand_lines_of_a_library_are_two_lines_of_json() -> None:
    """Also where threads log, and what is under way when the process ends is reported.

    That asyncio would listen again at a server that has been closed is no line.
    """
    story = """
import asyncio, logging, socket, time, threading, warnings
from watcher.observability import logs
from watcher.observability import library_lines
library_lines.QUIET_SECONDS = 0.2
logs.set_up()
async def accept():
    for number in range(500):
        context = {"message": "socket.accept() out of system resource", "socket": number,
                   "exception": OSError(24, "Too many open files")}
        asyncio.get_running_loop().call_exception_handler(context)
    closed = socket.socket()
    closed.close()
    asyncio.get_running_loop().call_soon(asyncio.get_running_loop()._start_serving, None, closed)
    await asyncio.sleep(0)
asyncio.run(accept())
while threading.active_count() > 1:
    time.sleep(0.01)
for number in range(3):
    logging.getLogger("aiobotocore.credentials").warning("Refreshing failed", exc_info=OSError(13, "refused"))
warnings.warn("an old way", stacklevel=1)
"""
    done = subprocess.run([sys.executable, "-c", story], check=True, timeout=60, stderr=subprocess.PIPE)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["logger"] for line in lines] == ["asyncio"] * 2 + [
        "aiobotocore.credentials",
        "py.warnings",
        "aiobotocore.credentials",
    ]
    first, over, other, _, ended = [line["event"] for line in lines]
    assert first.startswith("socket.accept() out of system resource\n")
    assert first.endswith("OSError: [Errno 24] Too many open files")
    assert over.startswith("over after 500 times in ")
    assert over.endswith(" s: socket.accept() out of system resource")
    assert other == "Refreshing failed: PermissionError: [Errno 13] refused"
    assert ended.startswith("over after 3 times in ")
    assert not [line for line in lines if "exception" in line]


def test_a_line_that_is_logged_while_the_interpreter_ends_does_not_keep_the_process() -> None:
    """Such as aiohttp's about a session that was not closed: a thread that is started then never runs."""
    script = """
import gc, logging, os
from watcher.observability.library_lines import StreakHandler
gc.disable()
logging.getLogger().addHandler(StreakHandler(lambda record: os.write(1, b"late")))
class Late:
    def __init__(self): self.me = self
    def __del__(self): logging.getLogger("asyncio").error("late")
Late()
"""
    ended = subprocess.run([sys.executable, "-c", script], check=True, timeout=60, stdout=subprocess.PIPE)
    assert ended.stdout == b"late"
