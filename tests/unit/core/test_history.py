"""Which rows a commit adds to the history, or replaces."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.unit.conftest import a_snapshot, an_attempt, minute
from tests.unit.polling.test_observations import TARGET, entry
from watcher.core.attempts import SeenAttempt
from watcher.core.history import (
    AttemptRow,
    HistoryRow,
    IncidentRow,
    attempt_from_json,
    incident_from_json,
    labels_of,
    moment_of,
    place_of,
    row_to_json,
)
from watcher.core.model import FAILED, IN_PROGRESS, SUCCEEDED, Attempt, rfc3339
from watcher.core.state import Record
from watcher.polling.observations import observe_answer, observe_removal

LABELS = TARGET.labels


def history(*answers: tuple[Attempt | None, Attempt | None]) -> list[Sequence[HistoryRow]]:
    """The rows of each commit, where one answer arrives each minute."""
    record, found = Record(), []
    for now, (latest, success) in enumerate(answers, 1):
        observation, _ = observe_answer(TARGET, record, a_snapshot(latest, success), minute(now))
        made = entry(observation, before=record, now=now)
        record = made.record
        found.append(made.history)
    return found


def row(number: float, status: str, duration: float | None = None, **flags: bool) -> AttemptRow:
    return AttemptRow(TARGET.id, SeenAttempt(minute(number), status, duration, None, **flags), LABELS)


def test_a_row_is_written_when_an_attempt_is_first_seen_and_when_its_status_changes() -> None:
    running, done = an_attempt(1, IN_PROGRESS), an_attempt(1, SUCCEEDED)
    assert history((an_attempt(0), None), (running, None), (running, None), (done, None), (done, None)) == [
        [row(0, SUCCEEDED, first_seen=True)],
        [row(1, IN_PROGRESS)],
        [],
        [row(1, SUCCEEDED, 180)],
        [],
    ]


def test_how_long_an_attempt_lasted_that_had_ended_when_it_was_first_seen_is_not_known() -> None:
    assert history((an_attempt(0, FAILED), None)) == [[row(0, FAILED, first_seen=True)]]


def test_the_first_attempt_of_a_target_that_had_never_synced_has_a_row() -> None:
    assert history((None, None), (an_attempt(1), None)) == [[], [row(1, SUCCEEDED, 60)]]


def test_a_success_between_two_polls_has_a_row_of_its_own_before_that_of_the_new_attempt() -> None:
    rows = history((an_attempt(0), None), (an_attempt(2, IN_PROGRESS), an_attempt(1)))[1]
    assert rows == [row(1, SUCCEEDED, 60, observed=False), row(2, IN_PROGRESS)]


def test_more_sync_events_of_an_ended_attempt_mend_its_row() -> None:
    _, rows = history((an_attempt(-1, FAILED), None), (an_attempt(-1, FAILED, "rolled back"), None))
    assert rows == [row(-1, FAILED, 61, first_seen=True)]


def test_an_incident_has_a_row_once_it_has_ended() -> None:
    first, second = history((an_attempt(0, FAILED), None), (an_attempt(1), None))
    assert not any(isinstance(each, IncidentRow) for each in first)
    (_, ended) = second
    assert isinstance(ended, IncidentRow)
    assert (ended.subject, ended.opened_at, ended.closed_at) == (TARGET.id, minute(1), minute(2))
    assert (ended.removed, ended.labels) == (False, LABELS)


def test_the_row_of_an_incident_says_that_its_target_was_removed() -> None:
    observation, _ = observe_answer(TARGET, Record(), a_snapshot(an_attempt(0, FAILED)), minute(1))
    record = entry(observation, before=Record(), now=1).record
    removal = observe_removal(TARGET, record, minute(9))
    assert removal is not None
    (ended,) = entry(removal, before=record, now=9).history
    assert record.incident is not None
    assert ended == IncidentRow(TARGET.id, record.incident.id, minute(1), minute(9), removed=True, labels=LABELS)


ATTEMPT = {
    "subject": "a/b/stack/c",
    "started_at": "2026-11-23T08:01:00Z",
    "status": "FAILED",
    "duration": 60.5,
    "sha": "62c0ffee",
    "first_seen": True,
    "observed": False,
    "labels": {"team": "web"},
}
INCIDENT = {
    "subject": "a/b/stack/c",
    "id": "7",
    "opened_at": "2026-11-23T08:01:00Z",
    "closed_at": "2026-11-23T08:03:00Z",
    "removed": True,
    "labels": {"team": "web"},
}
SEEN = SeenAttempt(minute(1), FAILED, 60.5, "62c0ffee", first_seen=True, observed=False)
OF_ATTEMPT = AttemptRow("a/b/stack/c", SEEN, {"team": "web"})
OF_INCIDENT = IncidentRow("a/b/stack/c", "7", minute(1), minute(3), removed=True, labels={"team": "web"})


def test_a_row_comes_back_from_its_json() -> None:
    assert row_to_json(OF_ATTEMPT) == ATTEMPT
    assert attempt_from_json(ATTEMPT) == OF_ATTEMPT
    assert row_to_json(OF_INCIDENT) == INCIDENT
    assert incident_from_json(INCIDENT) == OF_INCIDENT


@pytest.mark.parametrize(("found", "moment"), [(OF_ATTEMPT, minute(1)), (OF_INCIDENT, minute(3))])
def test_a_row_is_found_by_the_start_of_its_attempt_or_the_end_of_its_incident(found: Any, moment: datetime) -> None:
    assert moment_of(found) == moment


def test_rows_from_a_second_on_are_those_whose_texts_are_not_less_than_its_place() -> None:
    place = place_of(minute(1).replace(microsecond=500_000))
    times = [rfc3339(minute(1).replace(microsecond=microsecond)) for microsecond in (0, 7, 120_000)]
    assert [time >= place for time in (*times, rfc3339(minute(2)))] == [True] * 4
    assert rfc3339(minute(1) - timedelta(microseconds=1)) < place
    assert place == "2026-11-23T08:01:00"


def test_labels_are_read_from_their_text() -> None:
    assert labels_of('{"team":"web"}') == {"team": "web"}
    with pytest.raises(ValueError, match=r"^the labels\['team'\] cannot be 1$"):
        labels_of('{"team":1}')
