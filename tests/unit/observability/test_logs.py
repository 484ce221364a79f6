"""Logs as a child process writes them: into a pipe, to a terminal, and to a stderr that is closed, unread or full."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from typing import Any

import pytest

BEGIN = """
import logging
import structlog
from watcher.observability import logs
from watcher.util.redaction import remember
remember("hunter22")
logs.set_up({options})
log = structlog.get_logger().bind(target="a/b")
"""

STORY = """
log.info("poll.failed", error="it is hunter22", polls=3, deep={"list": ["hunter22", {"x": "hunter22"}], "n": None})
log.warning("odd", error=ValueError("hunter22"), header={"X-Amz-Security-Token": b"IQoJ"}, session_token="IQoJ")
logging.getLogger("botocore.auth").warning("Authorization: %s", "Bearer hunter22")
logging.getLogger("aiohttp.client").info("not shown")
try:
    password = "hunter22"
    raise ValueError("hunter22 \\x1b[2J")
except ValueError:
    log.exception("poll.crashed")
    logging.getLogger("asyncio").exception("it broke")
log.debug("not shown")
"""


LONG = """
log.info("poll.failed", error="é" * 900_000, deep={"k" * 9_000: ["x" * 9_000]}, odd=b"x" * 9_000)
logging.getLogger("botocore").warning("x" * 9_000)
try:
    raise ValueError("x" * 900_000)
except ValueError:
    log.exception("poll.crashed")
"""


def run(story: str, options: str = "", **child: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", BEGIN.format(options=options) + story], check=False, timeout=60, **child
    )


def on_a_terminal(story: str, **environ: str) -> str:
    """What a child shows on a terminal of its own."""
    ours, theirs = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    with os.fdopen(ours, "rb", buffering=0) as screen:
        try:
            done = run(story, stderr=theirs, env={**environment, "TERM": "xterm-256color", **environ})
        finally:
            os.close(theirs)
        assert done.returncode == 0
        shown = b""
        try:
            while more := screen.read(65536):
                shown += more
        except OSError:  # the terminal's end, on Linux
            pass
    return shown.decode()


@pytest.fixture(scope="module")
def piped() -> list[dict[str, Any]]:
    """The story's lines in a pipe, parsed."""
    done = run(STORY, stderr=subprocess.PIPE)
    assert done.returncode == 0
    assert b"hunter22" not in done.stderr
    assert b"IQoJ" not in done.stderr
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_without_a_terminal_every_line_is_json(piped: list[dict[str, Any]]) -> None:
    assert [(line["event"], line["level"]) for line in piped] == [
        ("poll.failed", "info"),
        ("odd", "warning"),
        ("Authorization: [redacted]", "warning"),
        ("poll.crashed", "error"),
        ("it broke", "error"),
    ]
    assert all(line["timestamp"].endswith("Z") for line in piped)


def test_bound_and_nested_values_are_logged_without_secrets(piped: list[dict[str, Any]]) -> None:
    told = {name: value for name, value in piped[0].items() if name != "timestamp"}
    hidden = "[redacted]"
    assert told == {
        "event": "poll.failed",
        "level": "info",
        "target": "a/b",
        "error": f"it is {hidden}",
        "polls": 3,
        "deep": {"list": [hidden, {"x": hidden}], "n": None},
    }
    assert piped[1]["error"] == f"ValueError('{hidden}')"
    assert (piped[1]["header"], piped[1]["session_token"]) == ({"X-Amz-Security-Token": hidden}, hidden)


def test_the_standard_librarys_lines_are_rendered_alike(piped: list[dict[str, Any]]) -> None:
    assert (piped[2]["logger"], piped[4]["logger"]) == ("botocore.auth", "asyncio")
    for line in piped[3:]:
        assert line["exception"].startswith("Traceback (most recent call last):\n")
        assert line["exception"].endswith("ValueError: [redacted] \x1b[2J")


def test_on_a_terminal_lines_are_coloured_and_no_secret_nor_escape_of_others_is_shown() -> None:
    shown = on_a_terminal(STORY)
    assert "\x1b[" in shown
    for part in ("poll.failed", "botocore.auth", "Traceback", "ValueError: [redacted] \\x1b[2J"):
        assert part in shown
    # Nor are the variables of a frame, which a prettier traceback would show.
    assert "\x1b[2J" not in shown
    assert "hunter22" not in shown.replace('password = "hunter22"', "")


def test_with_no_color_a_terminal_gets_none() -> None:
    shown = on_a_terminal('log.info("a.b", error="\\x1b[2J\\r\\nforged")', NO_COLOR="1")
    assert "\x1b" not in shown
    assert len(shown.splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "ours"),
    [("", ["info", "error", "critical"]), ("verbose=True", ["debug", "info", "error", "critical"]),
     ("quiet=True", ["critical"])],
)  # fmt: skip
def test_verbose_and_quiet_set_the_level_of_our_own_lines(options: str, ours: list[str]) -> None:
    story = "for level in ('debug', 'info', 'error', 'critical'): getattr(log, level)('a.b')"
    done = run(story, options, stderr=subprocess.PIPE)
    assert [json.loads(line)["level"] for line in done.stderr.splitlines()] == ours


@pytest.mark.parametrize(("options", "theirs"), [("", ["warning"]), ("verbose=True", ["info", "warning"])])
def test_other_libraries_are_one_level_quieter(options: str, theirs: list[str]) -> None:
    story = "for level in ('debug', 'info', 'warning'): getattr(logging.getLogger('aiohttp'), level)('a')"
    done = run(story, options, stderr=subprocess.PIPE)
    assert [json.loads(line)["level"] for line in done.stderr.splitlines()] == theirs


def test_secrets_of_the_environment_are_known_from_the_start() -> None:
    secrets = {name: f"made-up-{name.lower()}" for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")}
    story = "import os\nlog.info('all', environment=list(os.environ.values()), made=['made-up'])"
    done = run(story, stderr=subprocess.PIPE, env={**os.environ, **secrets})
    assert b"made-up-" not in done.stderr
    assert b"made-up" in done.stderr


@pytest.mark.parametrize("stream", ["closed", "no reader", "full"])
def test_a_daemon_goes_on_where_its_logs_cannot(stream: str) -> None:
    story = STORY + "\nprint('still here')"
    if stream == "closed":
        done = run(story, stdout=subprocess.PIPE, preexec_fn=lambda: os.close(2))
    elif stream == "full":
        with open("/dev/full", "wb") as full:  # noqa: PTH123  a device, not a path
            done = run(story, stdout=subprocess.PIPE, stderr=full)
    else:
        reader, writer = os.pipe()
        os.close(reader)
        done = run(story, stdout=subprocess.PIPE, stderr=writer)
        os.close(writer)
    assert done.stdout == b"still here\n"


def test_texts_of_a_line_are_cut_and_marked() -> None:
    lines = run(LONG, stderr=subprocess.PIPE).stderr.splitlines()
    assert [len(line) < 20_000 for line in lines] == [True, True, False]
    assert len(lines[2]) < 70_000
    first, second, third = map(json.loads, lines)
    (key, (inner,)) = next(iter(first["deep"].items()))
    for text in (first["error"], key, inner, first["odd"], second["event"], third["exception"]):
        assert text.endswith("… [cut]")


def test_a_refresh_of_credentials_is_news_only_where_nothing_is_raised() -> None:
    story = (
        "for period in ('mandatory', 'advisory'):\n"
        "    logging.getLogger('aiobotocore.credentials').warning('failed during %s refresh period.', period)"
    )
    done = run(story, stderr=subprocess.PIPE)
    assert [json.loads(line)["event"] for line in done.stderr.splitlines()] == [
        "failed during advisory refresh period."
    ]
