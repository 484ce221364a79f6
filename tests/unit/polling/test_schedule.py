"""Who is due when, and what that does for the time until the end of a sync is detected."""

from __future__ import annotations

from collections import Counter
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.polling.schedule import (
    FIRST_POLLS_SECONDS,
    GRAIN_SECONDS,
    Lane,
    Schedule,
    first_due,
    next_due,
    on_grid,
    phase,
)

IDS = [f"default/us-east-1/stack/s{number}" for number in range(10_000)]

ids = st.text(min_size=1, max_size=20)
intervals = st.floats(0.1, 86_400)
moments = st.floats(0, 1e8)


def test_a_phase_never_changes() -> None:
    """A literal: a restart, or another version, must not move every target."""
    assert phase("default/us-east-1/stack/network") == pytest.approx(0.7733123769970653)
    assert all(0 <= phase(target_id) < 1 for target_id in IDS)


def test_phases_are_even() -> None:
    """Ten thousand targets in a hundred slots: about a hundred in each, as chance would have it."""
    slots = Counter(int(phase(target_id) * 100) for target_id in IDS)
    assert len(slots) == 100
    assert 60 < min(slots.values()) < max(slots.values()) < 140


@given(ids, intervals, moments)
def test_the_grid_is_met_after_now_within_one_interval(target_id: str, interval: float, now: float) -> None:
    due = on_grid(target_id, interval, now)
    assert now < due
    assert due - now <= interval * (1 + 1e-9) + 1e-6
    # And where it falls in its interval is the target's own, but for the grain.
    late = (due - phase(target_id) * interval) % interval
    grain = min(GRAIN_SECONDS, interval / 200)
    assert min(late, interval - late) <= grain * (1 + 1e-4) + 1e-6


def test_targets_that_are_due_close_together_are_due_at_once() -> None:
    """A thousand targets over twenty seconds are two hundred wakings, not a thousand."""
    moments_ = {round(on_grid(target_id, 20.0, 12345.6), 6) for target_id in IDS[:1000]}
    assert 150 < len(moments_) <= 201


@given(ids, intervals, moments)
def test_a_poll_on_the_grid_is_followed_by_the_next_one_on_it(target_id: str, interval: float, now: float) -> None:
    due = on_grid(target_id, interval, now)
    following = on_grid(target_id, interval, due)
    assert following - due == pytest.approx(interval, rel=1e-6, abs=1e-6)


@given(ids, intervals, moments, st.integers(1, 100_000), st.floats(0.1, 1000))
def test_a_first_look_comes_within_the_interval_and_takes_half_the_rate_at_most(
    target_id: str, interval: float, now: float, count: int, rate: float
) -> None:
    due = first_due(target_id, interval, now, count=count, rate=rate)
    assert now <= due <= now + min(interval, max(FIRST_POLLS_SECONDS, 2 * count / rate))


def test_first_looks_are_spread_so_that_they_take_half_the_rate() -> None:
    dues = [first_due(target_id, 3600, 0, count=1000, rate=10) for target_id in IDS[:1000]]
    per_second = Counter(int(due) for due in dues)
    assert 190 < max(dues) < 200
    assert max(per_second.values()) < 2.5 * 5


@pytest.mark.parametrize("interval", [0.1, 5.0, 60.0, 3600.0])
@pytest.mark.parametrize(("count", "rate"), [(1, 5.0), (1000, 5.0), (10, 0.2)])
def test_what_another_watcher_polled_until_now_is_looked_at_within_a_quarter_of_an_interval(
    interval: float, count: int, rate: float
) -> None:
    dues = [
        first_due(target_id, interval, 100.0, count=count, rate=rate, taken_over=True) - 100.0
        for target_id in IDS[:1000]
    ]
    assert min(dues) >= 0.0
    assert max(dues) <= min(interval / 4, max(FIRST_POLLS_SECONDS, 2 * count / rate))
    assert max(dues) > min(interval / 4, FIRST_POLLS_SECONDS) * 0.9, "they are spread"


@pytest.mark.parametrize(
    ("late", "expected"),
    [(0.0, "grid"), (59.9, "grid"), (60.0, "now"), (1e6, "now")],
)
def test_a_target_an_interval_late_queues_at_the_end_and_any_other_keeps_to_its_grid(
    late: float, expected: str
) -> None:
    due = next_due("a", 60, 1000, late=late)
    assert due == (1000 if expected == "now" else on_grid("a", 60, 1000))


def test_nothing_is_taken_before_it_is_due() -> None:
    schedule = Schedule()
    assert schedule.next_at() is None
    assert schedule.take(1e9) is None
    schedule.add("a", 5)
    schedule.add("b", 4, Lane.ACTIVE)
    assert (len(schedule), schedule.next_at()) == (2, 4)
    assert schedule.take(3.999) is None
    assert schedule.take(4) == (4, "b")
    assert (len(schedule), schedule.next_at()) == (1, 5)
    assert schedule.take(4.999) is None
    assert schedule.take(5) == (5, "a")
    assert len(schedule) == 0


def test_what_is_filled_in_and_what_is_added_wait_together() -> None:
    schedule = Schedule()
    schedule.add("b", 2)
    schedule.add("c", 3)
    schedule.add("a", 1)
    assert [schedule.take(10) for _ in range(4)] == [(1, "a"), (2, "b"), (3, "c"), None]


def test_the_most_overdue_goes_first() -> None:
    schedule = Schedule()
    for due, target_id in ((3, "c"), (1, "a"), (2, "b")):
        schedule.add(target_id, due)
    assert [schedule.take(100) for _ in range(3)] == [(1, "a"), (2, "b"), (3, "c")]


@pytest.mark.parametrize(
    ("settled", "active", "expected"),
    [
        ("abc", "xyz", "xaybzc"),
        ("abc", "x", "xabc"),
        ("a", "xyz", "xayz"),
        ("", "xyz", "xyz"),
        ("abc", "", "abc"),
    ],
)
def test_active_targets_have_every_second_turn_while_settled_ones_wait(
    settled: str, active: str, expected: str
) -> None:
    schedule = Schedule()
    for due, name in enumerate(settled):
        schedule.add(name, due)
    for due, name in enumerate(active):
        schedule.add(name, due, Lane.ACTIVE)
    turns = [schedule.take(100) for _ in expected]
    assert "".join(turn[1] for turn in turns if turn) == expected


def test_of_several_lanes_that_wait_each_gets_half_as_many_turns_as_the_one_before() -> None:
    schedule = Schedule()
    for lane in Lane:
        for number in range(64):
            schedule.add(f"{lane.name} {number}", 0.0, lane)
    turns = Counter(taken[1].partition(" ")[0] for _ in range(64) if (taken := schedule.take(1.0)))
    assert turns == {"HINTED": 32, "REPOSITORY_CHANGED": 16, "ACTIVE": 8, "SETTLED": 8}


def test_a_target_that_is_scheduled_again_is_only_due_as_scheduled_last() -> None:
    schedule = Schedule()
    for due, lane in ((5.0, Lane.SETTLED), (1.0, Lane.HINTED), (3.0, Lane.SETTLED)):
        schedule.add("a", due, lane)
    assert (schedule.due("a"), schedule.next_at(), len(schedule)) == (3.0, 3.0, 1)
    assert schedule.take(2.0) is None
    assert schedule.take(9.0) == (3.0, "a")
    assert schedule.take(9.0) is None


def test_targets_that_are_moved_without_end_take_no_memory_for_each_move() -> None:
    schedule = Schedule()
    for move in range(10_000):
        schedule.add(f"t{move % 7}", 1000.0 + move)
    assert len(schedule._lanes[Lane.SETTLED]) < 200
    assert schedule.next_at() == 1000.0 + 9993


def test_under_a_backlog_every_target_is_served_once_before_any_is_served_again() -> None:
    schedule = Schedule()
    targets = IDS[:500]
    for target_id in targets:
        schedule.add(target_id, first_due(target_id, 10, 0, count=500, rate=10))
    served = []
    for turn in range(4000):
        now = turn / 10
        taken = schedule.take(now)
        if taken is None:
            continue
        due, target_id = taken
        served.append(target_id)
        schedule.add(target_id, next_due(target_id, 10, now, late=now - due))
    settled = served[1000:]
    rounds = [settled[start : start + 500] for start in range(0, len(settled) - 499, 500)]
    assert len(rounds) >= 4
    assert all(len(set(each)) == 500 for each in rounds)


def test_neither_starves_when_active_targets_alone_are_too_many() -> None:
    schedule = Schedule()
    active, settled = IDS[:200], IDS[200:400]
    for target_id in settled:
        schedule.add(target_id, 0.0)
    for target_id in active:
        schedule.add(target_id, 0.0, Lane.ACTIVE)
    turns: Counter[str] = Counter()
    for turn in range(4000):
        now = turn / 10
        taken = schedule.take(now)
        assert taken is not None
        due, target_id = taken
        turns[target_id] += 1
        if target_id in active:
            schedule.add(target_id, now + 1, Lane.ACTIVE)
        else:
            schedule.add(target_id, next_due(target_id, 60, now, late=now - due))
    # Ten turns each would be fair; settled ones leave some to the others while they keep to their grid.
    assert min(turns[target_id] for target_id in active) >= 10
    assert min(turns[target_id] for target_id in settled) >= 7


class World:
    """Targets that settle for long and then sync for minutes, in virtual time, polled at an even rate."""

    def __init__(self, count: int, rate: int, interval: float, active_interval: float) -> None:
        self.targets = IDS[:count]
        self.rate = rate
        self.interval = interval
        self.active_interval = active_interval

    def syncs_at(self, target_id: str, now: float) -> tuple[bool, float]:
        """Whether it syncs at `now`, and when its last sync ended. Each syncs for five minutes out of 150."""
        offset = int(9000 * phase(target_id + "!"))
        begun = offset + (now - offset) // 9000 * 9000
        return (True, begun - 8700) if now < begun + 300 else (False, begun + 300)

    def delays(self, *, active_first: bool, until: float = 4500) -> tuple[float, float]:
        """The mean delay from the end of a sync to its detection, and active polls' share while settled ones wait."""
        schedule = Schedule()
        for target in self.targets:
            due = first_due(target, self.interval, 0, count=len(self.targets), rate=self.rate)
            schedule.add(target, due)
        seen: dict[str, float] = {}
        active: set[str] = set()
        delays, turns, active_turns = [], 0, 0
        for turn in range(int(until * self.rate)):
            now = turn / self.rate
            taken = schedule.take(now)
            if taken is None:
                continue
            due, target = taken
            syncing, ended = self.syncs_at(target, now)
            if seen.get(target, ended) != ended:
                delays.append(now - ended)
            seen[target] = ended
            waiting = schedule.next_at()
            if waiting is not None and waiting <= now:
                turns += 1
                active_turns += target in active
            if syncing and active_first:
                active.add(target)
                schedule.add(target, now + self.active_interval, Lane.ACTIVE)
            else:
                active.discard(target)
                schedule.add(target, next_due(target, self.interval, now, late=now - due))
        assert len(delays) > 0.4 * len(self.targets)
        return mean(delays), active_turns / max(turns, 1)


@pytest.mark.parametrize(
    ("rate", "interval", "active_interval", "round_robin"),
    [(10, 60, 10, 50), pytest.param(50, 20, 2, 10, marks=pytest.mark.soak)],
)
def test_the_end_of_a_sync_is_detected_in_less_than_half_the_time_of_plain_round_robin(
    rate: int, interval: float, active_interval: float, round_robin: float
) -> None:
    world = World(1000, rate, interval, active_interval)
    plain, _ = world.delays(active_first=False)
    ours, share = world.delays(active_first=True)
    assert plain == pytest.approx(round_robin, rel=0.15)
    assert ours < plain / 2, "the end of a sync that is known to be under way waits for its active interval alone"
    assert share <= 0.5


def test_those_that_leave_have_no_turn_and_the_others_keep_theirs() -> None:
    schedule = Schedule()
    for number in range(100):
        schedule.add(f"t{number}", float(number))
    for number in range(100, 120):
        schedule.add(f"t{number}", number / 2, Lane.ACTIVE)
    gone = {f"t{number}" for number in range(0, 120, 3)}
    schedule.discard(gone | {"never there"})
    assert len(schedule) == 80
    assert schedule.due("t0") is None
    assert schedule.due("t1") == 1.0
    taken = []
    while (turn := schedule.take(1e9)) is not None:
        taken.append(turn)
    assert {name for _, name in taken} == {f"t{number}" for number in range(120)} - gone
    assert sorted(taken) == sorted((number / 2 if number >= 100 else float(number), f"t{number}")
                                   for number in range(120) if number % 3)  # fmt: skip
    assert (len(schedule), schedule.due("t1")) == (0, None)


def test_one_that_comes_back_has_one_turn() -> None:
    schedule = Schedule()
    schedule.add("a", 5.0, Lane.ACTIVE)
    schedule.discard(["a"])
    schedule.add("a", 7.0)
    assert schedule.take(6.0) is None
    assert schedule.take(7.0) == (7.0, "a")
    assert schedule.take(1e9) is None
