"""What commands print for people: tables that fit, lines that nothing from AWS can forge, colour where it is wanted."""

from __future__ import annotations

import csv
import io
import json
import sys
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.event_samples import EVENTS, muted
from tests.unit.conftest import a_snapshot, an_attempt, minute
from watcher.cli.check import check_rows, finding_to_json
from watcher.cli.output.console import print_table
from watcher.cli.output.deliveries import (
    Backlog,
    explanation_to_json,
    explanations_table,
    print_backlog,
    print_backlog_json,
)
from watcher.cli.output.events import EventPrinter, event_text
from watcher.cli.output.report import print_csv, print_report
from watcher.cli.output.targets import print_targets, record_to_json, status_rows
from watcher.core.by_hand import Acknowledgement, in_order
from watcher.core.connections import ConnectionChange
from watcher.core.deliveries import DeliveryRecord, DeliveryState
from watcher.core.diff import diff
from watcher.core.events import Event, connection_event, outage_event, trial_event
from watcher.core.model import FAILED, IN_PROGRESS, SUCCEEDED
from watcher.core.report import GroupReport, Percentiles
from watcher.core.settings import Config, Retry
from watcher.core.state import Incident, Known, KnownConnection, Outage, Record
from watcher.core.status import Status
from watcher.core.sync_events import sync_event
from watcher.delivery.explain import Explanation
from watcher.errors import EndpointUnreadable
from watcher.polling.check import Finding, judge, judge_listed
from watcher.sources.codeconnections import connection, stack
from watcher.sources.proton import template
from watcher.util.redaction import remember

if TYPE_CHECKING:
    from collections.abc import Callable

    from watcher.cli.output.targets import Row
    from watcher.core.diff import Change
    from watcher.core.model import Target

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
    return [
        judge(ENVIRONMENT, a_snapshot(an_attempt(88, FAILED, "cloned", "no file main.tf in /v1")), NOW),
        judge(WEB, a_snapshot(an_attempt(0, IN_PROGRESS)), NOW),
        judge(NETWORK, a_snapshot(an_attempt(30, SUCCEEDED)), NOW),
        Finding(OLD, Status.UNREADABLE, error=error),
    ]


def config_of(*targets: Target) -> Config:
    return Config("here", {}, targets, Retry(), 3, (), "memory://", None, 1.0, 1.0)


def status_of_all() -> list[Row]:
    failed = diff(None, a_snapshot(an_attempt(30, FAILED, "no file")), now=NOW, stalled_after=timedelta(1)).known
    stalled = Known(an_attempt(1, IN_PROGRESS), minute(1), stalled=minute(1))
    known = {
        ENVIRONMENT.id: Record(failed, 1),
        WEB.id: Record(stalled, 2),
        NETWORK.id: Record(Known(an_attempt(30, SUCCEEDED), minute(60))),
        str(NETWORK.endpoint): Record(outage=Outage(minute(85), "Timeout", "slow", 3)),
    }
    return status_rows(config_of(WEB, ENVIRONMENT, NETWORK, OLD), known, NOW)


def rows(shown: Terminal) -> list[list[str]]:
    """The words of each line."""
    return [line.split() for line in shown.getvalue().splitlines()]


def test_check_shows_each_target_worst_first_with_its_start_its_commit_and_why(
    terminal: Callable[..., Terminal],
) -> None:
    shown = terminal(200)
    print_targets(check_rows(findings()), NOW)
    denied = ["AccessDeniedException:", "arn:aws:iam::1:role/x", "may", "not", "codeconnections:Get"]
    assert rows(shown) == [
        ["1", "unreadable,", "1", "failed,", "1", "stalled,", "1", "succeeded"],
        [],
        ["STATUS", "TARGET", "AGE", "COMMIT", "NOTE"],
        ["UNREADABLE", OLD.id, *denied],
        ["FAILED", ENVIRONMENT.id, "2m", "sha-88", "no", "file", "main.tf", "in", "/v1"],
        ["STALLED", WEB.id, "1h30m", "sha-0"],
        ["SUCCEEDED", NETWORK.id, "1h", "sha-30"],
    ]


def test_status_shows_what_is_known_worst_first_under_the_same_words_as_check(
    terminal: Callable[..., Terminal],
) -> None:
    shown = terminal(200)
    print_targets(status_of_all(), NOW, "; as of then")
    outage = ["Timeout:", "slow", "(for", "5m"]
    assert rows(shown) == [
        ["2", "unreadable,", "1", "failed,", "1", "stalled;", "as", "of", "then"],
        [],
        ["STATUS", "TARGET", "AGE", "COMMIT", "NOTE"],
        ["UNREADABLE", NETWORK.id, "1h", "sha-30", *outage[:-1], "5m;", "SUCCEEDED", "before)"],
        ["UNREADABLE", OLD.id, *outage[:-1], "5m)"],
        ["FAILED", ENVIRONMENT.id, "1h", "sha-30", "no", "file"],
        ["STALLED", WEB.id, "1h29m", "sha-1"],
    ]


def test_status_shows_since_when_an_incident_is_open_and_who_acknowledged_it_also_of_a_target_that_is_retried(
    terminal: Callable[..., Terminal],
) -> None:
    shown = terminal(85)
    retried = Incident("5f1c2e", minute(20), ("failed",))
    known = {
        WEB.id: Record(Known(an_attempt(80, IN_PROGRESS), minute(80)), incident=retried),
        ENVIRONMENT.id: Record(Known(an_attempt(80, IN_PROGRESS), minute(80))),
    }
    hand = in_order((), (Acknowledgement("5f1c2e", WEB.id, minute(20), minute(30), "ada"),))
    print_targets(status_rows(config_of(ENVIRONMENT, WEB), known, NOW, hand), NOW)
    assert rows(shown)[2:] == [
        ["STATUS", "TARGET", "AGE", "INCIDENT", "NOTE"],
        ["IN_PROGRESS", WEB.id.split("/", 2)[2], "10m", "1h10m", "acknowledged", "by", "ada"],
        ["IN_PROGRESS", ENVIRONMENT.id.split("/", 2)[2], "10m"],
    ]


@pytest.mark.parametrize("columns", [80, 100, 200])
def test_a_table_fits_its_terminal_and_no_note_is_cut(terminal: Callable[..., Terminal], columns: int) -> None:
    shown = terminal(columns)
    print_targets(check_rows(findings()), NOW)
    lines = shown.getvalue().splitlines()
    assert max(map(len, lines)) <= columns
    assert "…" not in shown.getvalue()
    # Folded it may be, but every letter is there.
    column = lines[2].index("NOTE")
    notes = "".join(line[column:] for line in lines[3:]).replace(" ", "")
    assert notes == "AccessDeniedException:arn:aws:iam::1:role/xmaynotcodeconnections:Getnofilemain.tfin/v1"
    for target in (ENVIRONMENT, WEB, NETWORK, OLD):
        assert target.name in shown.getvalue()


@pytest.mark.parametrize("status", ["S" * 4000, "\x1b" * 4000])
def test_a_status_that_is_made_up_leaves_room_for_the_other_columns(
    terminal: Callable[..., Terminal], status: str
) -> None:
    shown = terminal(80)
    made_up = judge(WEB, a_snapshot(an_attempt(88, status)), NOW)
    print_targets(check_rows([*findings(), made_up]), NOW)
    assert shown.getvalue().splitlines()[2].index("TARGET") < 30
    assert "NOTE" in shown.getvalue()


def test_into_a_pipe_every_row_is_one_line_without_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    monkeypatch.setattr(sys, "stdout", shown)
    monkeypatch.setenv("COLUMNS", "80")
    long = an_attempt(88, FAILED, "word " * 1000)
    print_targets(check_rows([judge(ENVIRONMENT, a_snapshot(long), NOW)]), NOW)
    lines = shown.getvalue().splitlines()
    assert len(lines) == 4
    assert ("word " * 1000).strip() in lines[3]
    assert "\x1b" not in shown.getvalue()


def test_on_a_terminal_what_is_bad_is_red_and_with_no_color_nothing_is_coloured(
    terminal: Callable[..., Terminal],
) -> None:
    coloured = terminal(200, colour=True)
    print_targets(check_rows(findings()), NOW)
    assert "\x1b[1;31mFAILED" in coloured.getvalue()
    bare = terminal(200)
    print_targets(check_rows(findings()), NOW)
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
        print_targets(check_rows([judge(WEB, a_snapshot(each), NOW) for each in (attempt, odd)]), NOW)
    elif where == "status":
        known = {WEB.id: Record(Known(odd, NOW)), ENVIRONMENT.id: Record(Known(attempt, NOW))}
        print_targets(status_rows(config_of(WEB, ENVIRONMENT), known, NOW), NOW)
    elif where == "events":
        printer = EventPrinter(as_json=False)
        printer.print(sync_event(WEB, change, sequence=1, now=NOW))
        printer.print(sync_event(WEB, replace(change, attempt=odd, type="sync.unknown"), sequence=1, now=NOW))
    else:
        outage = Outage(minute(0), NASTY, NASTY, 3)
        known = {WEB.id: Record(outage=outage)}
        print_targets(status_rows(config_of(WEB), known, NOW), NOW)
        EventPrinter(as_json=False).print(outage_event(WEB, outage, sequence=1, now=NOW, over=False))
    assert r"\x1b[2J" in shown.getvalue()
    assert all(line.isprintable() for line in shown.getvalue().split("\n"))
    assert not any(line.startswith("SUCCEEDED") for line in shown.getvalue().split("\n"))


@pytest.mark.parametrize("text", ["arn:aws:secretsmanager:us-east-1:1:secret:x", "[red]a[/red]", "[/]", ":warning:"])
def test_text_that_rich_would_dress_up_stays_as_it_is(terminal: Callable[..., Terminal], text: str) -> None:
    shown = terminal(300)
    print_targets(check_rows([judge(WEB, a_snapshot(an_attempt(88, FAILED, text)), NOW)]), NOW)
    EventPrinter(as_json=False).print(sync_event(WEB, a_failure(text), sequence=1, now=NOW))
    assert shown.getvalue().count(text) == 2


WHY = "Template validation error: unresolved reference to resource 'TaskRole'"
FIRST = "2026-11-23 09:30:00 UTC  sync.failed        {id}"
SECOND = f"prod/eu-west-1/stack/network  {WHY}, sha-88, first seen, 3 failures in a row"


GITHUB = connection(
    "default", "us-east-1", "arn:aws:codeconnections:us-east-1:111122223333:connection/6053346f", name="github",
    provider="GitHub", status="PENDING",
)  # fmt: skip


def test_a_connection_is_shown_with_its_status_and_what_a_person_must_do(terminal: Callable[..., Terminal]) -> None:
    known = {GITHUB.id: Record(connection=KnownConnection("PENDING", minute(2), {"PENDING": 1}))}
    findings = [judge_listed(GITHUB)]
    for rows in (status_rows(config_of(GITHUB), known, NOW), check_rows(findings)):
        shown = terminal(200)
        print_targets(rows, NOW)
        assert "1 unavailable" in shown.getvalue()
        (line,) = (line for line in shown.getvalue().splitlines() if "connection/6053346f" in line)
        assert "PENDING" in line
        assert "github: AWS reads no repository through this connection until a person finishes its handshake" in line
    told = record_to_json(GITHUB, known[GITHUB.id])
    assert (told["seen"], told["status"], told["since"]) == (True, "PENDING", "2026-11-23T08:02:00Z")
    checked = finding_to_json(findings[0])
    assert (checked["result"], checked["status"], checked["attempt"]) == ("warning", "PENDING", None)


@pytest.mark.parametrize(("previous", "notes"), [(None, "github, PENDING"), ("ERROR", "github, PENDING, ERROR before")])
def test_an_event_of_a_connection_is_printed_with_its_statuses(previous: str | None, notes: str) -> None:
    change = ConnectionChange("connection.unavailable", "PENDING", previous, 1)
    event = connection_event(GITHUB, change, sequence=1, now=NOW)
    assert event_text(json.loads(event.body)).plain.endswith(f"{GITHUB.id}  {notes}")


@pytest.mark.parametrize(
    ("columns", "within", "lines"),
    [
        (5000, "", [f"{FIRST}  {SECOND}"]),
        (120, "", [FIRST, f"  {SECOND[:117]}…"]),
        (80, "", [FIRST, f"  {SECOND[:77]}…"]),
        (80, "prod/eu-west-1/", ["09:30:00 UTC  sync.failed             stack/network", f"  {WHY}, sha-8…"]),
    ],
)
def test_an_event_is_printed_with_time_type_id_target_and_cause_in_two_lines_at_most(
    terminal: Callable[..., Terminal], columns: int, within: str, lines: list[str]
) -> None:
    event = sync_event(NETWORK, replace(a_failure(WHY), consecutive_failures=3), sequence=1, now=NOW)
    shown = terminal(columns)
    EventPrinter(as_json=False, within=within).print(event)
    assert shown.getvalue().splitlines() == [line.format(id=event.id) for line in lines]


def test_an_event_with_a_time_that_cannot_be_read_is_shown_as_it_is() -> None:
    event = json.loads(trial_event("ops", NOW).body) | {"time": "noon"}
    assert event_text(event).plain.startswith("noon  test")


def test_an_event_that_is_explained_is_shown_whole(terminal: Callable[..., Terminal]) -> None:
    shown = terminal(80)
    EventPrinter(as_json=False).print(sync_event(NETWORK, a_failure("word " * 100), sequence=1, now=NOW), whole=True)
    assert shown.getvalue().count("word") == 100


@pytest.mark.parametrize(("reason", "text"), [("maintenance", "muted: maintenance"), (None, "muted")])
def test_an_event_that_was_muted_is_marked(reason: str | None, text: str) -> None:
    event = muted(sync_event(NETWORK, a_failure("no file"), sequence=1, now=NOW), reason, None)
    assert event_text(json.loads(event.body)).plain.endswith(f", {text}")


def test_a_test_event_is_a_line_too() -> None:
    event = trial_event("ops", NOW)
    assert event_text(json.loads(event.body)).plain.split()[3:] == ["test", event.id, "test/ops"]


def test_a_digest_is_a_line_with_its_message() -> None:
    (event,) = EVENTS["digest-well"]
    assert event_text(json.loads(event.body)).plain.endswith(
        f"digest             {event.id}  digest  All is well: 32 targets, no open incident."
    )


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
    text = record_to_json(WEB, Record(known, 2))
    assert (text["seen"], text["status"], text["stalled"], text["sequence"]) == (True, "IN_PROGRESS", True, 2)
    unseen = record_to_json(WEB, None)
    assert (unseen["seen"], unseen["status"], unseen["attempt"], unseen["sequence"]) == (False, None, None, 0)


ID = "1f3b0c3e9d1c4a6f8f5b7a9c0d2e4f61"
SECRET = "the-secret-of-a-sink"  # made up


def a_delivery(state: DeliveryState = DeliveryState.WAITING, answer: str | None = None, **how: Any) -> DeliveryRecord:
    event = Event(ID, "watcher.sync.failed", NETWORK.id, "2026-11-23T08:00:00Z", "{}")
    fields: dict[str, Any] = {"reminder": 0, "tries": 3, "tried": minute(85).timestamp(), "ended": None} | how
    return DeliveryRecord(event, "ops", state, recorded=minute(30).timestamp(), answer=answer, **fields)


def a_backlog(*deliveries: DeliveryRecord, **how: Any) -> Backlog:
    fields: dict[str, Any] = {"configured": True, "waiting": 0, "dead": 0, "since": None} | how
    return Backlog("ops", deliveries=deliveries, **fields)


@pytest.mark.parametrize(
    ("backlog", "text"),
    [
        (a_backlog(), "ops: nothing waiting, no dead letters"),
        (a_backlog(configured=False), "ops (not in the configuration): nothing waiting, no dead letters"),
        (a_backlog(dead=1), "ops: 1 dead letter"),
        (
            a_backlog(waiting=3, dead=1, since=minute(30).timestamp()),
            "ops: 3 waiting since 2026-11-23 08:30:00 UTC (1h), 1 dead letter",
        ),
        (
            a_backlog(a_delivery(), waiting=1_000_000, since=minute(30).timestamp()),
            "ops: 1000000 waiting since 2026-11-23 08:30:00 UTC (1h), no dead letters, oldest 1 shown",
        ),
    ],
)
def test_a_line_summarizes_the_backlog_of_a_sink(
    terminal: Callable[..., Terminal], backlog: Backlog, text: str
) -> None:
    shown = terminal(60)
    print_backlog(backlog, NOW)
    assert shown.getvalue().splitlines()[0] == text


@pytest.mark.parametrize("columns", [80, 120])
def test_deliveries_fit_the_terminal_and_their_ids_and_errors_are_whole(
    terminal: Callable[..., Terminal], columns: int
) -> None:
    shown = terminal(columns)
    dead = a_delivery(DeliveryState.DEAD, "given up after 24h: 503 Service Unavailable", reminder=2)
    untried = a_delivery(tries=0, tried=None)
    print_backlog(a_backlog(dead, untried, waiting=1, dead=1, since=minute(30).timestamp()), NOW)
    lines = shown.getvalue().splitlines()
    assert max(map(len, lines)) <= columns
    starts = [line.split()[:3] for line in lines[2:] if line[:1].isalpha()]
    assert starts == [["DEAD", "1", ID], ["WAITING", "1", ID]]
    column = lines[1].index("NOTE")
    note = " ".join("".join(line[column:].ljust(columns) for line in lines[2:]).split())
    what = "of prod/eu-west-1/stack/network, 1h old,"
    assert note == (
        f"given up after 24h: 503 Service Unavailable; sync.failed (reminder 2) {what} tried 3 times, last 5m ago "
        f"sync.failed {what} not tried yet"
    )


def test_deliveries_with_the_same_response_are_one_row(terminal: Callable[..., Terminal]) -> None:
    shown = terminal(200)
    refused = "415 Unsupported Media Type"
    many = [
        replace(
            a_delivery(DeliveryState.DEAD, f"{refused} (request {number:08x})", tries=1 + number % 2),
            event=Event(f"{number:032x}", "watcher.sync.failed", f"a/b/stack/{number % 13}", "", "{}"),
        )
        for number in range(42)
    ]
    print_backlog(a_backlog(*many[:20], a_delivery(answer=refused), *many[20:], dead=42, waiting=1), NOW)
    header, dead, waiting, _ = shown.getvalue().splitlines()[1:]
    assert header.split() == ["STATE", "COUNT", "OLDEST", "EVENT", "NOTE"]
    *start, note = dead.split(maxsplit=3)
    assert start == ["DEAD", "42", "0" * 32]
    what = "sync.failed of 13 targets, oldest 1h old, tried up to 2 times, last 5m ago"
    assert note == f"{refused} (request 00000000); {what}"
    assert waiting.split(maxsplit=3)[:3] == ["WAITING", "1", ID]


def test_deliveries_as_json_are_a_line_each_with_their_times_in_utc(capsys: pytest.CaptureFixture[str]) -> None:
    print_backlog_json(a_backlog(a_delivery(DeliveryState.DEAD, "404", reminder=1), a_delivery(tries=0, tried=None)))
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first == {
        "id": ID, "sink": "ops", "state": "dead", "type": "watcher.sync.failed", "subject": NETWORK.id,
        "recorded": "2026-11-23T08:30:00Z", "reminder": 1, "tries": 3, "tried": "2026-11-23T09:25:00Z", "error": "404",
    }  # fmt: skip
    assert (second["state"], second["tries"], second["tried"], second["error"]) == ("waiting", 0, None, None)


def test_an_explanation_is_a_row_for_each_sink_and_each_reminder(terminal: Callable[..., Terminal]) -> None:
    shown = terminal(200)
    sent = a_delivery(DeliveryState.SENT, "200 OK", tries=2, ended=minute(31).timestamp())
    again = replace(sent, reminder=1, ended=minute(60).timestamp())
    text = [
        Explanation("ops", "sent", "200 OK", sent),
        Explanation("ops", "sent", "200 OK", again),
        Explanation("team", "not routed", "its `events` do not match"),
    ]
    print_table(explanations_table(text))
    assert rows(shown) == [
        ["SINK", "STATE", "WHEN", "TRIES", "NOTE"],
        ["ops", "SENT", "2026-11-23", "08:31:00", "UTC", "2", "200", "OK"],
        ["ops", "SENT", "(reminder", "1)", "2026-11-23", "09:00:00", "UTC", "2", "200", "OK"],
        ["team", "NOT", "ROUTED", "its", "`events`", "do", "not", "match"],
    ]
    assert explanation_to_json(text[1]) == {
        "sink": "ops", "state": "sent", "why": "200 OK", "reminder": 1, "recorded": "2026-11-23T08:30:00Z", "tries": 2,
        "tried": "2026-11-23T09:25:00Z", "ended": "2026-11-23T09:00:00Z", "answer": "200 OK",
    }  # fmt: skip
    assert [key for key, value in explanation_to_json(text[2]).items() if value is not None] == ["sink", "state", "why"]


def test_responses_of_sinks_are_shown_without_secrets_and_cannot_forge_a_line(
    terminal: Callable[..., Terminal],
) -> None:
    remember(SECRET)
    shown = terminal(2000)
    delivery = a_delivery(DeliveryState.DEAD, f"{NASTY} {SECRET}")
    print_backlog(a_backlog(delivery, dead=1), NOW)
    print_backlog_json(a_backlog(delivery))
    explained = Explanation(NASTY, "dead", f"{NASTY} {SECRET}", delivery)
    print_table(explanations_table([explained]))
    print(json.dumps(explanation_to_json(explained)), file=shown)
    assert SECRET not in shown.getvalue()
    assert all(line.isprintable() for line in shown.getvalue().split("\n"))
    assert not any(line.startswith("SUCCEEDED") for line in shown.getvalue().split("\n"))


def test_as_csv_a_group_is_a_field_with_its_lines_and_its_control_characters_escaped(
    capsys: pytest.CaptureFixture[str],
) -> None:
    none = Percentiles(None, None)
    print_csv([GroupReport(group, 1, 0, none, none, None) for group in ("\x1b[31mred", 'x,"y"\nz', None)])
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert [row[0] for row in rows] == ["group", "\\x1b[31mred", 'x,"y"\nz', ""]


@pytest.mark.parametrize("group", ["=1+1", "+1", "-1", "@a"])
def test_as_csv_a_group_is_no_formula(group: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_csv([GroupReport(group, 1, 0, Percentiles(None, None), Percentiles(None, None), None)])
    assert [*csv.reader(io.StringIO(capsys.readouterr().out))][1][0] == f"'{group}"


def test_a_report_has_its_groups_also_on_a_narrow_terminal_and_durations_in_two_units(
    terminal: Callable[..., Terminal],
) -> None:
    shown = terminal(80)
    group = "default/us-east-1/stack/shop-web"
    print_report([GroupReport(group, 1200, 100, Percentiles(0.2, 3661), Percentiles(59.6, 270_000), 86_399)])
    lines = shown.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert "".join(line[:20].strip() for line in lines[2:]) == group
    assert lines[2].split()[-5:] == ["<1s", "1h1m", "1m", "3d3h", "23h59m"]


def test_no_line_of_a_table_ends_with_spaces(capsys: pytest.CaptureFixture[str]) -> None:
    print_targets(status_of_all(), NOW)
    assert not [line for line in capsys.readouterr().out.splitlines() if line != line.rstrip()]


def test_without_targets_there_is_no_table(capsys: pytest.CaptureFixture[str]) -> None:
    print_targets([], NOW)
    assert capsys.readouterr().out == "no targets\n"
