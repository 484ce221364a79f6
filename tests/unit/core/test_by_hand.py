"""What people set by hand counts in routing, at the end of a mute, and for reminders."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.conftest import minute
from tests.unit.core.test_mute_ends import CONFIG, FAILED, FAILED_1, an_incident
from tests.unit.core.test_reminders import CONFIG as REMINDING
from tests.unit.core.test_reminders import FAILED_REQUEST, FAILING, STACK
from watcher.core.by_hand import Acknowledgement, ByHand, HandMute, by_hand
from watcher.core.hand_requests import new_acknowledgements, new_mute, read_events, read_length, read_targets, read_text
from watcher.core.mute_ends import released
from watcher.core.reminders import reminder_requests
from watcher.core.routing import active_mutes, all_mutes, mute_of, muted_by
from watcher.core.routing_questions import Question, answer
from watcher.core.settings import Mute
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
        (by_hand([], [ACK]), INCIDENT, False),
        (by_hand([], [ACK]), replace(INCIDENT, opened_at=minute(3)), True),
        (by_hand([], [ACK]), replace(INCIDENT, id="8"), True),
        (by_hand([MUTE], []), INCIDENT, False),
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


def test_incidents_are_acknowledged_by_id_or_by_a_glob_of_subjects() -> None:
    records = {"p/a": Record(incident=INCIDENT), "p/b": Record(incident=replace(INCIDENT, id="8")), "p/c": Record()}

    def subjects(ids: set[str], glob: str | None) -> list[str]:
        return [each.subject for each in new_acknowledgements(records, ids, glob, "ada", None, minute(5))]

    assert subjects({"7"}, None) == subjects({"7"}, "7") == ["p/a"]
    assert subjects(set(), "p/*") == ["p/a", "p/b"]
    assert subjects({"x"}, "b") == []


def test_what_people_write_is_read_and_mutes_differ_in_their_ids() -> None:
    assert read_text("  plan „b“ ") == "plan „b“"
    assert read_targets(["prod/*", "a", "[!a-c]/[]]"]) == ("prod/*", "a", "[!a-c]/[]]")
    assert read_events(["sync.failed", "watcher.sync.*", "*.unreadable"]) == (
        "watcher.sync.failed", "watcher.sync.*", "*.unreadable"
    )  # fmt: skip
    assert read_length("1h30m") == 5400
    first, second = (new_mute(["*"], [], 60, "r", "ada", minute(1)) for _ in range(2))
    assert first.until == minute(2)
    assert first.id != second.id


@pytest.mark.parametrize("glob", ["[", "prod/[ab/*", "[a]/[b", "[]"])
def test_a_glob_with_a_bracket_that_is_not_closed_is_refused(glob: str) -> None:
    with pytest.raises(ValueError, match="that no ] closes"):
        read_targets([glob])


@pytest.mark.parametrize("text", ["", " ", "a\nb", "\u202e", "x" * 501, "\ud800"])
def test_texts_that_cannot_be_shown_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="this must"):
        read_text(text)
