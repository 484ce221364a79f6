"""What commands print for people: tables that fit, lines that nothing from AWS can forge, colour where it is wanted."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.unit.conftest import a_snapshot, an_attempt, minute
from watcher.check import judge
from watcher.config.settings import Config, Retry
from watcher.diff import diff
from watcher.errors import EndpointUnreadable
from watcher.events import outage_event, sync_event
from watcher.model import FAILED, IN_PROGRESS, SUCCEEDED, stack, template
from watcher.state import Known, Outage, Record
from watcher.tables import (
    EventPrinter,
    check_table,
    event_line,
    finding_to_json,
    print_table,
    record_to_json,
    status_table,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.table import Table

    from watcher.check import Finding
    from watcher.diff import Change
    from watcher.model import Target

NOW = minute(90)
ENVIRONMENT = template("default", "us-east-1", "ENVIRONMENT", "fargate-env", "1")
WEB = template("default", "us-east-1", "SERVICE", "web", "2")
NETWORK = stack("prod", "eu-west-1", "network")
OLD = stack("prod", "eu-west-1", "old")
NASTY = "\x1b[2J\x1b]0;owned\x07\r\nSUCCEEDED  forged\u202e\x9b31m"


class Terminal(io.StringIO):
    """A terminal that keeps what it is shown."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Terminal]:
    """Standard output becomes a terminal of so many columns, with `NO_COLOR` set or not."""

    def of_width(columns: int, *, colour: bool = False) -> Terminal:
        shown = Terminal()
        monkeypatch.setattr(sys, "stdout", shown)
        for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("NO_COLOR", "" if colour else "1")
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("TERM", "xterm-256color")
        return shown

    return of_width


def findings() -> list[Finding]:
    error = EndpointUnreadable("AccessDeniedException", "arn:aws:iam::1:role/x may not codeconnections:Get")
    unreadable = replace(judge(OLD, a_snapshot(None), NOW), error=error, snapshot=None)
    return [
        judge(ENVIRONMENT, a_snapshot(an_attempt(88, FAILED, "cloned", "no file main.tf in /v1")), NOW),
        judge(WEB, a_snapshot(an_attempt(0, IN_PROGRESS)), NOW),
        judge(NETWORK, a_snapshot(an_attempt(30, SUCCEEDED)), NOW),
        replace(unreadable, result=unreadable.result.UNKNOWN),
    ]


def config_of(*targets: Target) -> Config:
    return Config("here", {}, targets, Retry(), 3, (), "memory://", None, 1.0, 1.0)


def status_of_all() -> Table:
    failed = diff(None, a_snapshot(an_attempt(30, FAILED, "no file")), now=NOW, stalled_after=timedelta(1)).known
    stalled = Known(an_attempt(1, IN_PROGRESS), minute(1), stalled=minute(1))
    known = {
        ENVIRONMENT.id: Record(failed, 1),
        WEB.id: Record(stalled, 2),
        NETWORK.id: Record(Known(None, minute(60))),
        str(NETWORK.endpoint): Record(outage=Outage(minute(85), "Timeout", "slow", 3)),
    }
    return status_table(config_of(ENVIRONMENT, WEB, NETWORK, OLD), known, NOW)


def rows(shown: Terminal) -> list[list[str]]:
    """The words of each line."""
    return [line.split() for line in shown.getvalue().splitlines()]


def test_checks_table_tells_each_target_with_its_age_its_commit_and_why(terminal: Callable[..., Terminal]) -> None:
    shown = terminal(200)
    print_table(check_table(findings(), NOW))
    denied = ["AccessDeniedException:", "arn:aws:iam::1:role/x", "may", "not", "codeconnections:Get"]
    assert rows(shown) == [
        ["STATUS", "TARGET", "AGE", "COMMIT", "NOTE"],
        ["FAILED", ENVIRONMENT.id, "2m", "sha-88", "no", "file", "main.tf", "in", "/v1"],
        ["STALLED", WEB.id, "1h30m", "sha-0"],
        ["SUCCEEDED", NETWORK.id, "1h", "sha-30"],
        ["UNREADABLE", OLD.id, *denied],
    ]


def test_statuss_table_tells_what_is_known_and_which_endpoints_cannot_be_read(
    terminal: Callable[..., Terminal],
) -> None:
    shown = terminal(200)
    print_table(status_of_all())
    outage = ["unreadable", "for", "5m:", "Timeout:", "slow"]
    assert rows(shown) == [
        ["STATUS", "TARGET", "SINCE", "COMMIT", "NOTE"],
        ["FAILED", ENVIRONMENT.id, "1s", "sha-30", "no", "file"],
        ["STALLED", WEB.id, "1h29m", "sha-1"],
        ["NEVER", "SYNCED", NETWORK.id, "30m", *outage],
        ["NOT", "SEEN", "YET", OLD.id, *outage],
    ]


@pytest.mark.parametrize("columns", [80, 100, 200])
def test_a_table_fits_its_terminal_and_no_note_is_cut(terminal: Callable[..., Terminal], columns: int) -> None:
    shown = terminal(columns)
    print_table(check_table(findings(), NOW))
    lines = shown.getvalue().splitlines()
    assert max(map(len, lines)) <= columns
    assert "…" not in shown.getvalue()
    # Folded it may be, but every letter is there.
    column = lines[0].index("NOTE")
    notes = "".join(line[column:] for line in lines[1:]).replace(" ", "")
    assert notes == "nofilemain.tfin/v1AccessDeniedException:arn:aws:iam::1:role/xmaynotcodeconnections:Get"
    for target in (ENVIRONMENT, WEB, NETWORK, OLD):
        assert target.name in shown.getvalue()


def test_into_a_pipe_every_row_is_one_line_without_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    monkeypatch.setattr(sys, "stdout", shown)
    monkeypatch.setenv("COLUMNS", "80")
    long = an_attempt(88, FAILED, "word " * 1000)
    print_table(check_table([judge(ENVIRONMENT, a_snapshot(long), NOW)], NOW))
    lines = shown.getvalue().splitlines()
    assert len(lines) == 2
    assert ("word " * 1000).strip() in lines[1]
    assert "\x1b" not in shown.getvalue()


def test_on_a_terminal_what_is_bad_is_red_and_with_no_color_nothing_is_coloured(
    terminal: Callable[..., Terminal],
) -> None:
    coloured = terminal(200, colour=True)
    print_table(check_table(findings(), NOW))
    assert "\x1b[1;31mFAILED" in coloured.getvalue()
    bare = terminal(200)
    print_table(check_table(findings(), NOW))
    EventPrinter(as_json=False).print(sync_event(WEB, a_failure("x"), sequence=1, now=NOW))
    assert "FAILED" in bare.getvalue()
    assert "\x1b" not in bare.getvalue()


def a_failure(text: str) -> Change:
    attempt = an_attempt(88, FAILED, text)
    return diff(None, a_snapshot(attempt), now=NOW, stalled_after=timedelta(1)).changes[0]


@pytest.mark.parametrize("where", ["check", "status", "events", "error"])
def test_nothing_from_aws_reaches_the_terminal_as_it_is(terminal: Callable[..., Terminal], where: str) -> None:
    shown = terminal(2000)
    attempt = replace(an_attempt(88, FAILED, NASTY), target_revision={"sha": NASTY}, target=NASTY)
    odd = replace(attempt, status=NASTY)
    change = replace(a_failure(NASTY), attempt=attempt)
    if where == "check":
        print_table(check_table([judge(WEB, a_snapshot(each), NOW) for each in (attempt, odd)], NOW))
    elif where == "status":
        known = {WEB.id: Record(Known(odd, NOW)), ENVIRONMENT.id: Record(Known(attempt, NOW))}
        print_table(status_table(config_of(WEB, ENVIRONMENT), known, NOW))
    elif where == "events":
        printer = EventPrinter(as_json=False)
        printer.print(sync_event(WEB, change, sequence=1, now=NOW))
        printer.print(sync_event(WEB, replace(change, attempt=odd, type="sync.unknown"), sequence=1, now=NOW))
    else:
        outage = Outage(minute(0), NASTY, NASTY, 3)
        known = {WEB.id: Record(outage=outage)}
        print_table(status_table(config_of(WEB), known, NOW))
        EventPrinter(as_json=False).print(outage_event(WEB, outage, sequence=1, now=NOW, over=False))
    assert r"\x1b[2J" in shown.getvalue()
    assert all(line.isprintable() for line in shown.getvalue().split("\n"))
    assert not any(line.startswith("SUCCEEDED") for line in shown.getvalue().split("\n"))


@pytest.mark.parametrize("text", ["arn:aws:secretsmanager:us-east-1:1:secret:x", "[red]a[/red]", "[/]", ":warning:"])
def test_text_that_rich_would_dress_up_stays_as_it_is(terminal: Callable[..., Terminal], text: str) -> None:
    shown = terminal(300)
    print_table(check_table([judge(WEB, a_snapshot(an_attempt(88, FAILED, text)), NOW)], NOW))
    EventPrinter(as_json=False).print(sync_event(WEB, a_failure(text), sequence=1, now=NOW))
    assert shown.getvalue().count(text) == 2


def test_an_event_is_one_line_of_when_what_where_which_commit_and_why() -> None:
    change = replace(a_failure("no file"), consecutive_failures=3, recovered=False)
    event = sync_event(NETWORK, change, sequence=1, now=NOW)
    words = event_line(json.loads(event.body)).plain.split()
    line = " ".join(words)
    assert "09:30:00" in line
    for part in ("sync.failed", NETWORK.id, "sha-88", "first seen", "3 failures in a row", "no file"):
        assert part in line


def test_as_json_an_event_is_its_body(terminal: Callable[..., Terminal]) -> None:
    shown = terminal(20)
    event = sync_event(NETWORK, a_failure("no file"), sequence=1, now=NOW)
    EventPrinter(as_json=True).print(event)
    assert shown.getvalue() == event.body + "\n"


def test_findings_and_records_as_json_say_what_the_tables_say() -> None:
    failed, stalled, settled, unreadable = map(finding_to_json, findings())
    assert (failed["result"], failed["status"], failed["stalled"]) == ("critical", "FAILED", False)
    assert (stalled["result"], stalled["status"], stalled["stalled"]) == ("warning", "IN_PROGRESS", True)
    assert (settled["result"], settled["error"]) == ("ok", None)
    assert (unreadable["result"], unreadable["status"], unreadable["attempt"]) == ("unknown", None, None)
    assert unreadable["error"]["code"] == "AccessDeniedException"

    known = Known(an_attempt(1, IN_PROGRESS), minute(1), stalled=minute(1))
    told = record_to_json(WEB, Record(known, 2))
    assert (told["seen"], told["status"], told["stalled"], told["sequence"]) == (True, "IN_PROGRESS", True, 2)
    unseen = record_to_json(WEB, None)
    assert (unseen["seen"], unseen["status"], unseen["attempt"], unseen["sequence"]) == (False, None, None, 0)
