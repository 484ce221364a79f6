"""When a digest is due, and when it says that all is well."""

import json
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.unit.conftest import an_attempt, minute
from watcher.core.digest import Digest, Period, digest_data
from watcher.core.events import digest_event
from watcher.core.model import FAILED, IN_PROGRESS, SUCCEEDED
from watcher.core.settings import Config, Retry
from watcher.core.state import Incident, Known, Record
from watcher.messages.compose import message_for
from watcher.sources.codeconnections import stack

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
    config = Config("", {}, (NETWORK, SHOP), Retry(), 3, (), "memory://", None, 1.0, 1.0)
    records = {NETWORK.id: synced(SUCCEEDED), SHOP.id: record}
    data = digest_data(config, records, Period(minute(0)), [], due=minute(60), now=minute(60))
    assert data["message"] == message
    assert data["digest"]["well"] == message.startswith("All is well")
    event = digest_event(data, map(str, config.endpoints), due=minute(60), sequence=1, now=minute(60))
    said = message_for([json.loads(event.body)], minute(60))
    assert said.title == title
    assert said.lead.startswith("All is well: ") == data["digest"]["well"]
