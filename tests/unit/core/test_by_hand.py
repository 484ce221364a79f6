"""What people set by hand counts in routing, at the end of a mute, and for reminders; its JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.conftest import minute
from tests.unit.core.test_mute_ends import CONFIG, FAILED, FAILED_1, an_incident
from tests.unit.core.test_reminders import CONFIG as REMINDING
from tests.unit.core.test_reminders import FAILED_REQUEST, FAILING, STACK
from watcher.core.by_hand import (
    Acknowledgement,
    ByHand,
    HandMute,
    acknowledgement_from_json,
    acknowledgement_to_json,
    ended_early,
    in_order,
    mute_from_json,
    mute_to_json,
)
from watcher.core.incidents import open_to_json
from watcher.core.mute_ends import released
from watcher.core.mutes import Mute
from watcher.core.reminders import reminder_requests
from watcher.core.routing import active_mutes, all_mutes, mute_of, muted_by
from watcher.core.routing_questions import Question, answer
from watcher.core.state import Incident, Record

MUTE = HandMute("1a", ("*",), (), minute(1), minute(6), "planned", "ada")
ENDED = replace(MUTE, ended_at=minute(4), ended_by="bob")
INCIDENT = Incident("7", minute(1), ("failed",))
ACK = Acknowledgement("7", STACK.id, minute(1), minute(2), "ada")


@pytest.mark.parametrize(
    ("mute", "now", "muted"),
    [
        (MUTE, 5, True),
        (MUTE, 6, False),
        (MUTE, 0, True),
        (ENDED, 3, False),
        (replace(MUTE, targets=("x/*",)), 5, False),
    ],
    ids=["active", "over", "made by a clock that is ahead", "ended early", "of others"],
)
def test_a_mute_holds_back_from_when_it_is_read_until_it_ends(mute: HandMute, now: float, *, muted: bool) -> None:
    made = ByHand((mute,))
    found = muted_by(all_mutes((), made), FAILED, "a/b", minute(now))
    assert (found and (found.id, found.by, found.reason, found.until)) == (
        ("1a", "ada", "planned", minute(6)) if muted else None
    )
    assert (mute_of(active_mutes((), made, minute(now)), "a/b") is not None) == muted


def test_a_mute_made_by_hand_has_its_id_and_its_author_beside_what_it_is_of() -> None:
    of_failures = replace(MUTE, events=("*.failed",))
    mute = Mute(("*",), ("*.failed",), until=minute(6), reason="planned", id="1a", by="ada")
    assert all_mutes((), ByHand((of_failures, ENDED))) == (mute,)


def test_a_mute_of_the_configuration_comes_first() -> None:
    configured = Mute(reason="always")
    assert muted_by(all_mutes((configured,), ByHand((MUTE,))), FAILED, "a", minute(5)) == configured


@pytest.mark.parametrize(("mutes", "count"), [((MUTE,), 0), ((ENDED,), 1), ((), 1), ((ENDED, MUTE), 0)])
def test_what_a_mute_held_back_is_sent_once_no_mute_holds_it_back(mutes: tuple[HandMute, ...], count: int) -> None:
    records = {"s": Record(incident=an_incident(FAILED_1))}
    assert len([*released(CONFIG, records, minute(5), ByHand(mutes))]) == count
    assert len([*released(CONFIG, records, minute(6), ByHand(mutes))]) == 1


@pytest.mark.parametrize(
    ("hand", "incident", "reminded"),
    [
        (ByHand(), INCIDENT, True),
        (in_order([], [ACK]), INCIDENT, False),
        (in_order([], [ACK]), replace(INCIDENT, opened_at=minute(3)), True),
        (in_order([], [ACK]), replace(INCIDENT, id="8"), True),
        (in_order([MUTE], []), INCIDENT, False),
    ],
    ids=["nothing", "acknowledged", "opened again", "another", "muted"],
)
def test_a_sink_is_reminded_of_an_incident_unless_it_is_acknowledged_or_muted(
    hand: ByHand, incident: Incident, *, reminded: bool
) -> None:
    records = {STACK.id: replace(FAILING, incident=incident)}
    assert reminder_requests(REMINDING, records, minute(5), hand) == ([FAILED_REQUEST] if reminded else [])


@pytest.mark.parametrize(("at", "sent"), [(0, True), (1, False), (5, False), (6, True)])
def test_a_question_is_answered_with_the_mutes_of_its_time(at: float, *, sent: bool) -> None:
    routed = answer(Question(FAILED, STACK, minute(at)), CONFIG, ByHand((MUTE,)))
    assert [each.sent for each in routed] == [sent, sent]
    assert all(("by the mute 1a of ada (planned)" in each.why) is not sent for each in routed)


MUTE_FORM = {
    "id": "1a",
    "targets": ["*"],
    "events": [],
    "created_at": "2026-11-23T08:01:00Z",
    "until": "2026-11-23T08:06:00Z",
    "reason": "planned",
    "by": "ada",
    "ended_at": None,
    "ended_by": None,
}
ACK_FORM = {
    "incident": "7",
    "subject": STACK.id,
    "opened_at": "2026-11-23T08:01:00Z",
    "at": "2026-11-23T08:02:00Z",
    "by": "ada",
    "note": None,
}


@pytest.mark.parametrize(
    ("mute", "form"),
    [
        (MUTE, MUTE_FORM),
        (ENDED, {**MUTE_FORM, "ended_at": "2026-11-23T08:04:00Z", "ended_by": "bob"}),
        (replace(MUTE, events=("a", "b")), {**MUTE_FORM, "events": ["a", "b"]}),
    ],
)
def test_a_mute_comes_back_from_its_json(mute: HandMute, form: dict[str, Any]) -> None:
    assert mute_to_json(mute) == form
    assert mute_from_json({**form, "added later": 1}) == mute


def test_an_acknowledgement_comes_back_from_its_json() -> None:
    for ack, form in ((ACK, ACK_FORM), (replace(ACK, note="soon"), {**ACK_FORM, "note": "soon"})):
        assert acknowledgement_to_json(ack) == form
        assert acknowledgement_from_json({**form, "added later": 1}) == ack


@pytest.mark.parametrize(
    ("read", "form", "message"),
    [
        (mute_from_json, {**MUTE_FORM, "until": "soon"}, "the mute.until cannot be"),
        (acknowledgement_from_json, {**ACK_FORM, "at": "soon"}, "the acknowledgement.at cannot be"),
    ],
)
def test_another_form_is_refused(read: Callable[[Any], object], form: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        read(form)


def test_a_row_shows_when_and_by_whom_its_incident_was_acknowledged() -> None:
    acknowledged = {"at": "2026-11-23T08:02:00Z", "by": "ada", "note": None}
    opened = {"id": "7", "opened_at": "2026-11-23T08:01:00Z", "problems": ["failed"], "sinks": None}
    record = Record(incident=INCIDENT)
    assert open_to_json(record, in_order([], [ACK])) == {**opened, "acknowledged": acknowledged}
    assert open_to_json(record, ByHand()) == {**opened, "acknowledged": None}
    notified = Record(incident=replace(INCIDENT, notified=("ops",)))
    assert open_to_json(notified, ByHand()) == {**opened, "sinks": ["ops"], "acknowledged": None}
    assert open_to_json(Record(), ByHand()) is open_to_json(None, ByHand()) is None


def test_mutes_are_in_the_order_in_which_they_were_made() -> None:
    later, same = replace(MUTE, id="0", created_at=minute(2)), replace(MUTE, id="1b")
    made = in_order([later, same, MUTE], [ACK])
    assert made == ByHand((MUTE, same, later), {"7": ACK})
    assert made.parts == (MUTE, same, later, ACK)


@pytest.mark.parametrize(
    ("mute", "now", "ended"),
    [(MUTE, 4, ENDED), (MUTE, 6, None), (ENDED, 5, None)],
    ids=["active", "over", "ended before"],
)
def test_an_active_mute_can_be_ended_early(mute: HandMute, now: float, ended: HandMute | None) -> None:
    assert ended_early(mute, minute(now), "bob") == ended
    assert mute.ends == (minute(6) if mute is MUTE else minute(4))
