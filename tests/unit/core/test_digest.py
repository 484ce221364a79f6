"""When a digest is due, and when it says that all is well."""

import json
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.unit.conftest import an_attempt, minute
from watcher.core.attempts import SeenAttempt
from watcher.core.digest import Digest, Period, digest_data
from watcher.core.events import Event, digest_event
from watcher.core.history import AttemptRow, IncidentRow
from watcher.core.model import FAILED, IN_PROGRESS, SUCCEEDED
from watcher.core.mutes import Mute
from watcher.core.routing import why_not
from watcher.core.settings import Config, Retry
from watcher.core.sink_settings import SinkSettings
from watcher.core.state import Incident, Known, KnownDigests, Outage, Record, forgotten
from watcher.core.state_json import dump, load
from watcher.messages.compose import message_for
from watcher.sources.codeconnections import stack
from watcher.util.bounded_text import bounded

BERLIN = ZoneInfo("Europe/Berlin")
WEEKLY = Digest((), time(8), ("mon",), BERLIN)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("digest", "now", "due"),
    [
        (WEEKLY, "2026-11-23T07:00", "2026-11-23T07:00"),
        (WEEKLY, "2026-11-23T06:59", "2026-11-16T07:00"),
        (WEEKLY, "2026-11-29T23:59", "2026-11-23T07:00"),
        (WEEKLY, "2026-10-26T07:00", "2026-10-26T07:00"),  # the first Monday of winter time
        (WEEKLY, "2026-10-26T06:59", "2026-10-19T06:00"),
        (WEEKLY, "2027-01-01T00:00", "2026-12-28T07:00"),
        (Digest((), time(8)), "2026-11-24T07:59", "2026-11-23T08:00"),
        (Digest((), time(8), ("mon", "thu")), "2026-11-26T09:00", "2026-11-26T08:00"),
        (Digest((), time(23, 30), zone=ZoneInfo("Asia/Kolkata")), "2026-11-23T18:00", "2026-11-23T18:00"),
        # In Berlin, 02:30 does not exist on 2026-03-29, and exists twice on 2026-10-25.
        (Digest((), time(2, 30), zone=BERLIN), "2026-03-29T01:00", "2026-03-29T01:00"),
        (Digest((), time(2, 30), zone=BERLIN), "2026-03-29T00:59", "2026-03-28T01:30"),
        (Digest((), time(2, 30), zone=BERLIN), "2026-10-25T01:30", "2026-10-25T00:30"),
        (Digest((), time(0), zone=ZoneInfo("Pacific/Kiritimati")), "2026-11-23T10:00", "2026-11-23T10:00"),
        (Digest((), time(23), ("sun",), ZoneInfo("Pacific/Pago_Pago")), "2026-11-30T09:59", "2026-11-23T10:00"),
        (Digest((), time(8), ("fri",), ZoneInfo("Pacific/Apia")), "2011-12-30T10:00", "2011-12-30T10:00"),
    ],
)
def test_a_digest_was_last_due_when_the_clock_of_its_zone_first_read_its_time(
    digest: Digest, now: str, due: str
) -> None:
    assert digest.last_due(utc(now)) == utc(due)


@pytest.mark.parametrize(
    ("digest", "text"),
    [(WEEKLY, "mon, 08:00 (Europe/Berlin)"), (Digest((), time(7, 5)), "every day, 07:05 (UTC)")],
)
def test_a_digest_is_shown_by_its_schedule(digest: Digest, text: str) -> None:
    assert str(digest) == text


@pytest.mark.parametrize("at", [time(0), time(2), time(2, 30), time(3), time(8)])
@pytest.mark.parametrize("change", ["2026-03-28T12:00", "2026-10-24T12:00"])
def test_a_daily_digest_is_due_once_on_each_day_through_both_changes_of_the_clock(at: time, change: str) -> None:
    digest, moments = (
        Digest((), at, zone=BERLIN),
        [utc(change) + timedelta(minutes=10) * step for step in range(3 * 144)],
    )
    due = sorted({digest.last_due(moment) for moment in moments} - {digest.last_due(moments[0])})
    assert [each.astimezone(BERLIN).date() for each in due] == [
        due[0].astimezone(BERLIN).date() + timedelta(days=day) for day in range(3)
    ]


NETWORK, SHOP = stack("default", "us-east-1", "network"), stack("default", "us-east-1", "shop")


CONFIG = Config("", {}, (NETWORK, SHOP), Retry(), 3, (), "memory://", None, 1.0, 1.0, digest=WEEKLY)


def synced(status: str) -> Record:
    return Record(Known(an_attempt(0, status), minute(1)))


@pytest.mark.parametrize(
    ("record", "message", "title"),
    [
        (synced(SUCCEEDED), "All is well: 2 targets, no open incident.", "DIGEST: all is well, 2 targets"),
        (synced(IN_PROGRESS), "All is well: 2 targets, no open incident.", "DIGEST: all is well, 2 targets"),
        (synced(FAILED), "1 failed of 2 targets, no open incident.", "DIGEST: 1 failed, 2 targets"),
        (Record(incident=Incident("7" * 32, minute(0), ("unreadable",))), "1 open incident, 2 targets.",
         "DIGEST: 1 open incident, 2 targets"),
    ],
)  # fmt: skip
def test_all_is_well_if_no_incident_is_open_and_no_target_needs_attention(
    record: Record, message: str, title: str
) -> None:
    records = {NETWORK.id: synced(SUCCEEDED), SHOP.id: record}
    data = digest_data(CONFIG, records, Period(minute(0)), [], due=minute(60), now=minute(60))
    assert data["message"] == message
    assert data["digest"]["well"] == message.startswith("All is well")
    event = digest_event(data, map(str, CONFIG.endpoints), due=minute(60), sequence=1, now=minute(60))
    said = message_for([json.loads(event.body)], minute(60))
    assert said.title == title
    assert said.lead.startswith("All is well: ") == data["digest"]["well"]


def test_a_digest_counts_what_ended_since_the_last_one_and_lists_the_worst_first() -> None:
    period = Period(minute(0))
    for row in [
        AttemptRow(SHOP.id, SeenAttempt(minute(0), FAILED)),
        AttemptRow(SHOP.id, SeenAttempt(minute(-1), FAILED, 60)),
        AttemptRow(SHOP.id, SeenAttempt(minute(-1), FAILED, 59)),  # it ended before
        AttemptRow(SHOP.id, SeenAttempt(minute(-0.01), FAILED)),  # nor is it known to have ended since
        AttemptRow("gone", SeenAttempt(minute(7), FAILED)),
        AttemptRow(NETWORK.id, SeenAttempt(minute(5), SUCCEEDED, 1)),
        AttemptRow(NETWORK.id, SeenAttempt(minute(6), FAILED, 1)),
        AttemptRow(NETWORK.id, SeenAttempt(minute(7), IN_PROGRESS)),
        IncidentRow(SHOP.id, "1", minute(-9), minute(-1)),  # it ended before
        IncidentRow(SHOP.id, "2", minute(-9), minute(0)),
        IncidentRow(NETWORK.id, "3", minute(5), minute(8), removed=True),
        IncidentRow(SHOP.id, "4", minute(9), minute(8)),  # a clock was set back
    ]:
        period.add(row)
    records = {
        NETWORK.id: replace(synced(FAILED), incident=Incident("5", minute(30), ("failed", "blocked"))),
        SHOP.id: Record(Known(None, minute(1)), incident=Incident("6", minute(30), ("unreadable",))),
        "gone": Record(incident=Incident("7", minute(0), ("failed",))),
        str(NETWORK.endpoint): Record(incident=Incident("8", minute(40), ("unreadable",))),
    }
    mutes = [
        Mute(("a" * 301, *"bcdef"), ("e",), until=minute(90), reason="r" * 301),
        Mute(("*",), (*"abcd", "e" * 301, "f"), until=minute(61), reason="plan", id="1a", by="ada"),
        Mute(),
    ]
    data = digest_data(CONFIG, records, period, mutes, due=minute(59), now=minute(60))
    assert data["message"] == "3 open incidents, 2 targets."
    assert data["digest"] == {
        "due": "2026-11-23T08:59:00Z",
        "since": "2026-11-23T08:00:00Z",
        "well": False,
        "watched": {
            "targets": 2, "endpoints": 1, "kinds": {"stack": 2}, "statuses": {"failed": 1, "never_synced": 1},
        },
        "open": 3,
        "incidents": [
            {"subject": NETWORK.id, "problems": ["failed", "blocked"], "opened_at": "2026-11-23T08:30:00Z",
             "age_seconds": 1800},
            {"subject": SHOP.id, "problems": ["unreadable"], "opened_at": "2026-11-23T08:30:00Z", "age_seconds": 1800},
            {"subject": str(NETWORK.endpoint), "problems": ["unreadable"], "opened_at": "2026-11-23T08:40:00Z",
             "age_seconds": 1200},
        ],
        "syncs": 5,
        "failed": 4,
        "failures": [
            {"subject": SHOP.id, "count": 2}, {"subject": NETWORK.id, "count": 1}, {"subject": "gone", "count": 1},
        ],
        "ended": 3,
        "recoveries": [
            {"subject": SHOP.id, "closed_at": "2026-11-23T08:08:00Z", "removed": False, "duration_seconds": 0},
            {"subject": NETWORK.id, "closed_at": "2026-11-23T08:08:00Z", "removed": True, "duration_seconds": 180},
            {"subject": SHOP.id, "closed_at": "2026-11-23T08:00:00Z", "removed": False, "duration_seconds": 540},
        ],
        "muted": 3,
        "mutes": [
            {"targets": [bounded("a" * 301, 300), *"bcde"], "events": ["e"], "until": "2026-11-23T09:30:00Z",
             "reason": bounded("r" * 301, 300)},
            {"targets": ["*"], "events": [*"abcd", bounded("e" * 301, 300)], "until": "2026-11-23T09:01:00Z",
             "reason": "plan"},
            {"targets": [], "events": [], "until": None, "reason": None},
        ],
    }  # fmt: skip


def test_a_digest_of_one_target_counts_it_as_unreadable_while_its_endpoint_is() -> None:
    records = {
        NETWORK.id: synced(SUCCEEDED),
        str(NETWORK.endpoint): Record(outage=Outage(minute(1), "Code", "text", 3)),
    }
    config = replace(CONFIG, targets=(NETWORK,))
    data = digest_data(config, records, Period(minute(0)), [], due=minute(60), now=minute(60))
    assert data["digest"]["watched"]["statuses"] == {"unreadable": 1}
    assert data["message"] == "1 unreadable of 1 target, no open incident."


def test_a_digest_says_how_old_an_incident_is_to_the_millisecond() -> None:
    records = {NETWORK.id: Record(incident=Incident("1", minute(0) - timedelta(microseconds=1_234_567), ("failed",)))}
    data = digest_data(CONFIG, records, Period(minute(0)), [], due=minute(0), now=minute(0))
    assert data["digest"]["incidents"][0]["age_seconds"] == 1.235


def test_a_digest_lists_twenty_of_each_and_counts_all() -> None:
    stacks = [stack("default", "us-east-1", f"s-{number:02}") for number in range(21)]
    period = Period(minute(0))
    for each in stacks:
        period.add(AttemptRow(each.id, SeenAttempt(minute(1), FAILED)))
        period.add(IncidentRow(each.id, "1", minute(1), minute(2)))
    records = {each.id: Record(incident=Incident("1", minute(1), ("failed",))) for each in stacks}
    digest = digest_data(
        replace(CONFIG, targets=tuple(stacks)), records, period, [Mute()] * 21, due=minute(3), now=minute(3)
    )["digest"]
    assert [digest[name] for name in ("open", "failed", "ended", "muted")] == [21] * 4
    assert [len(digest[name]) for name in ("incidents", "failures", "recoveries", "mutes")] == [20] * 4


def test_the_id_of_a_digest_is_made_from_when_it_was_due_and_what_is_watched() -> None:
    def made(due: int, *endpoints: str, now: int = 9, sequence: int = 1) -> Event:
        return digest_event({}, endpoints, due=minute(due), sequence=sequence, now=minute(now))

    event = made(1, "a", "b")
    body = json.loads(event.body)
    assert (event.type, event.subject, body["data"]["sequence"]) == ("watcher.digest", "digest", 1)
    assert (body["source"], body["time"]) == ("/watcher/digest/all", "2026-11-23T08:09:00Z")
    assert made(1, "b", "a", now=10, sequence=2).id == event.id
    assert event.id not in {made(2, "a", "b").id, made(1, "a").id}


def test_a_digest_is_for_the_sinks_that_it_names_whatever_others_ask_for() -> None:
    assert why_not(SinkSettings("out", "stdout"), "watcher.digest", "digest", {}) == (
        "a digest is sent to the sinks that `digest.to` names"
    )


def test_what_is_remembered_of_digests_is_kept_and_is_in_no_other_record() -> None:
    record = Record(digests=KnownDigests("every day, 08:00 (UTC)", minute(1), minute(0)), sequence=2)
    assert load(dump(record)) == record
    assert "digests" not in dump(Record())
    assert forgotten(record) == Record(sequence=2)
