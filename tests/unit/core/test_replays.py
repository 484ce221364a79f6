"""What a new sink is sent of the history, pass by pass."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.conftest import minute
from watcher.core.event_types import Severity
from watcher.core.events import Event
from watcher.core.ports import Entry
from watcher.core.replays import Replay
from watcher.core.sink_settings import SinkSettings
from watcher.core.state import Incident, Record

FAILED, SUCCEEDED = "watcher.sync.failed", "watcher.sync.succeeded"
ERRORS = SinkSettings("new", "stdout", min_severity=Severity.ERROR)


def an_event(
    id_: str, kind: str, incident: str | None = None, state: str = "ongoing", opened: str = "08:01", **data: Any
) -> Event:
    about = incident and {"id": incident, "state": state, "opened_at": f"2026-11-23T{opened}:00Z"}
    body = json.dumps({"data": {"incident": about, **data}})
    return Event(id_, kind, f"subject of {incident}", "2026-11-23T08:00:00Z", body)


def selected(replay: Replay, *events: Event) -> list[str]:
    """One pass over the events."""
    return [event.id for event in events if replay.wants(event)]


def open_incidents(*notified: str, **incidents: str) -> Mapping[str, Record]:
    return {
        f"subject of {name}": Record(incident=Incident(id_, minute(1), ("failed",), notified=notified))
        for name, id_ in incidents.items()
    }


PROBLEM, AGAIN = an_event("1", FAILED, "i", "opened"), an_event("2", FAILED, "i")
END = an_event("3", SUCCEEDED, "i", "resolved")
OTHER = an_event("4", SUCCEEDED)


def test_a_history_without_problems_is_replayed_in_one_pass_by_the_filters() -> None:
    replay = Replay(SinkSettings("new", "stdout", events=("*.succeeded",)))
    assert selected(replay, an_event("1", "watcher.sync.started"), OTHER) == ["4"]
    assert replay.unsettled() == set()


def test_a_problem_that_is_over_is_replayed_with_its_end_whatever_the_filters_say() -> None:
    replay = Replay(ERRORS)
    assert selected(replay, PROBLEM, AGAIN, END, OTHER) == []
    assert replay.unsettled() == {"subject of i"}
    assert replay.entries({}) == []
    assert selected(replay, PROBLEM, AGAIN, END, OTHER) == ["1", "2", "3"]
    assert replay.unsettled() == set()


@pytest.mark.parametrize("records", [{}, open_incidents(i="another incident of the subject")])
def test_an_end_that_was_recorded_during_the_first_pass_is_found_by_the_next(records: Mapping[str, Record]) -> None:
    replay = Replay(ERRORS)
    assert selected(replay, PROBLEM) == []
    assert replay.entries(records) == []
    assert selected(replay, PROBLEM, END) == ["1", "3"]


def test_the_problems_of_an_open_incident_are_queued_by_the_commit_that_notes_that_the_sink_was_sent_them() -> None:
    replay = Replay(ERRORS)
    selected(replay, PROBLEM, AGAIN)
    records = open_incidents("old", i="i")
    (made,) = replay.entries(records)
    assert made.record.incident is not None
    assert made.record.incident.notified == ("old", "new")
    assert made.released == [("1", ("new",)), ("2", ("new",))]
    assert made.follows is records["subject of i"]
    assert replay.unsettled() == {"subject of i"}, "another daemon may be quicker"
    assert replay.entries(records) == [made]
    assert replay.committed([made]) == 2
    assert replay.unsettled() == set()


def test_of_several_incidents_the_problems_of_those_that_are_open_are_queued() -> None:
    replay = Replay(ERRORS)
    selected(replay, PROBLEM, an_event("5", FAILED, "j"), an_event("6", FAILED, "k"))
    made = replay.entries(open_incidents(j="j", k="k"))
    assert [entry.released for entry in made] == [[("5", ("new",))], [("6", ("new",))]]
    assert replay.unsettled() == {"subject of j", "subject of k"}
    assert replay.committed(made) == 2
    assert replay.unsettled() == set()


def test_an_incident_of_an_earlier_version_goes_on_without_a_note_of_which_sinks_were_sent_it() -> None:
    replay = Replay(ERRORS)
    selected(replay, PROBLEM)
    earlier = Record(incident=Incident("i", minute(1), ("failed",)))
    (made,) = replay.entries({"subject of i": earlier})
    assert made == Entry("subject of i", earlier, follows=earlier, released=[("1", ("new",))])


def test_a_sink_without_send_resolved_is_sent_no_end_but_by_its_filters() -> None:
    replay = Replay(SinkSettings("new", "stdout", min_severity=Severity.ERROR, send_resolved=False))
    selected(replay, PROBLEM, END)
    replay.entries({})
    assert selected(replay, PROBLEM, END) == ["1"]


def test_what_was_muted_is_not_replayed_and_the_end_of_a_problem_is() -> None:
    muted = {"muted": {"reason": None, "until": None}}
    replay = Replay(ERRORS)
    assert selected(replay, an_event("1", FAILED, "i", "opened", **muted), END) == []
    assert replay.unsettled() == set(), "it is sent no problem, so it is owed no end"
    end = an_event("3", SUCCEEDED, "i", "resolved", **muted)
    selected(replay, PROBLEM, end)
    replay.entries({})
    assert selected(replay, PROBLEM, end) == ["1", "3"]


AGAIN_MUTED = an_event("1", FAILED, "i", "opened", "08:09", muted={"reason": None, "until": None})
END_AGAIN = an_event("5", "watcher.target.removed", "i", "resolved", "08:09")


@pytest.mark.parametrize(("opened_again", "records"), [([], {}), ([AGAIN_MUTED], open_incidents(i="i"))])
def test_of_two_incidents_with_one_id_only_the_one_whose_problem_was_not_muted_is_replayed(
    opened_again: list[Event], records: Mapping[str, Record]
) -> None:
    """The target left the configuration while it failed, and came back as it was, to be muted."""
    replay = Replay(ERRORS)
    selected(replay, PROBLEM, END, *opened_again)
    records = {
        subject: replace(record, incident=replace(record.incident, opened_at=minute(9)))
        for subject, record in records.items()
        if record.incident is not None
    }
    assert replay.entries(records) == []
    assert selected(replay, PROBLEM, END, AGAIN_MUTED, END_AGAIN) == ["1", "3"]


def test_of_two_incidents_with_one_id_the_open_one_is_queued_by_its_commit() -> None:
    replay, again = Replay(ERRORS), an_event("1", FAILED, "i", "opened", "08:09")
    selected(replay, PROBLEM, END, again)
    record = Record(incident=Incident("i", minute(9), ("failed",), notified=()))
    (made,) = replay.entries({"subject of i": record})
    assert (made.released, made.follows) == ([("1", ("new",))], record)
    assert replay.unsettled() == {"subject of i"}, "until it is committed"
    assert selected(replay, PROBLEM, END, again) == ["1", "3"]
    assert replay.committed([made]) == 1
    assert replay.unsettled() == set()
