"""Who holds which shard: what one look at the table means for a watcher."""

from __future__ import annotations

import pytest

from watcher.core.leases import Beat, Lease, Plan, Seen, Silence, decide, share

TERM = 10.0
SHARDS = 4


def table(owners: str, *, leaving: str = "", gone: str = "") -> Seen:
    """Shards by owner, one letter each ("." has no owner); every owner that is not `gone`, or is `leaving`, beats."""
    leases = {shard: Lease(None if owner == "." else owner, 3) for shard, owner in enumerate(owners)}
    beating = set(owners) - {".", *gone} | {*leaving}
    return Seen(leases, {watcher: Beat(7, watcher in leaving) for watcher in beating})


def with_visitor(seen: Seen, *names: str) -> Seen:
    return Seen(seen.leases, {**seen.watchers, **dict.fromkeys(names, Beat(1))})


def plan(
    seen: Seen, *, silent: dict[str, float] | None = None, held: tuple[int, ...] | None = None, leaving: bool = False
) -> Plan:
    """What `a` is to do, who holds by default what the table says."""
    held = tuple(seen.held_by("a")) if held is None else held
    return decide("a", seen, silent or {}, held, shards=SHARDS, term=TERM, leaving=leaving)


@pytest.mark.parametrize(
    ("name", "seen", "silent", "expected"),
    [
        ("an empty table is all its first watcher's", Seen({}, {"a": Beat(1)}), {}, Plan(acquire=(0, 1, 2, 3))),
        ("what is held stays", table("aaaa"), {}, Plan()),
        ("what was released is taken", table("a..a"), {}, Plan(acquire=(1, 2))),
        (
            "no more than a share is taken",
            with_visitor(table("...."), "b"),
            {},
            Plan(acquire=(0, 1), others=frozenset("b")),
        ),
        ("half each is left alone", table("aabb"), {}, Plan(others=frozenset("b"))),
        (
            "a daemon that joins gets a share, one shard at a time",
            with_visitor(table("aaaa"), "b"),
            {},
            Plan(release=3, others=frozenset("b")),
        ),
        (
            "a share is rounded up, so that it is stable",
            with_visitor(table("aabb"), "c"),
            {},
            Plan(others=frozenset("bc")),
        ),
        (
            "one who holds nothing waits for the others to give",
            with_visitor(table("bbbb"), "a"),
            {},
            Plan(others=frozenset("b")),
        ),
        ("one who leaves has no share", table("aabb", leaving="b"), {}, Plan()),
        ("what one who leaves has released is taken", table("aa.b", leaving="b"), {}, Plan(acquire=(2,))),
        (
            "a short silence is none",
            table("aabb"),
            {"b": TERM - 0.1},
            Plan(others=frozenset("b")),
        ),
        ("after a term of silence its shards are free", table("aabb"), {"b": TERM}, Plan(steal={"b": (2, 3)})),
        (
            "also where it says nothing of itself",
            table("aabb", gone="b"),
            {"b": TERM},
            Plan(steal={"b": (2, 3)}),
        ),
        (
            "but not at once",
            table("aabb", gone="b"),
            {"b": TERM / 2},
            Plan(),
        ),
        (
            "two who live share what a third one had",
            table("abcc"),
            {"c": TERM + 1},
            Plan(steal={"c": (2,)}, others=frozenset("b")),
        ),
        (
            "shards without an owner go first",
            table("a.cb"),
            {"c": TERM + 1},
            Plan(acquire=(1,), others=frozenset("b")),
        ),
        (
            "of several that are silent, each is named",
            table("abcd"),
            {"b": TERM, "c": TERM, "d": TERM},
            Plan(steal={"b": (1,), "c": (2,), "d": (3,)}),
        ),
        (
            "one that leaves and is killed is stolen from",
            table("aabb", leaving="b"),
            {"b": TERM},
            Plan(steal={"b": (2, 3)}),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_a_read_means(name: str, seen: Seen, silent: dict[str, float], expected: Plan) -> None:
    assert plan(seen, silent=silent) == expected


def test_a_shard_that_another_daemon_took_is_lost() -> None:
    assert plan(table("abbb"), held=(0, 1)).lost == (1,)


def test_only_a_shard_that_is_held_is_released() -> None:
    seen = with_visitor(table("aaaa"), "b")
    assert plan(seen, held=(0, 1, 2)) == Plan(resume=(3,), release=2, others=frozenset("b"))
    assert plan(seen, held=()).release is None


def test_what_is_mine_by_the_table_and_not_held_is_resumed() -> None:
    """After a take whose outcome was unknown, or where reading it had failed."""
    assert plan(table("aa.."), held=(0,)) == Plan(resume=(1,), acquire=(2, 3))


def test_a_leaving_daemon_acquires_nothing_and_notices_what_it_lost() -> None:
    assert plan(table("a.bb"), silent={"b": TERM}, held=(0, 1), leaving=True) == Plan(lost=(1,))


def test_a_leaving_daemon_knows_the_others() -> None:
    assert plan(table("aabb"), leaving=True) == Plan(others=frozenset("b"))


def test_a_daemon_does_not_steal_from_itself_however_long_it_was_silent() -> None:
    assert plan(table("aa", gone="a"), silent={"a": TERM}).steal == {}


def test_a_daemon_of_which_no_silence_is_known_is_alive_at_the_shortest_term() -> None:
    made = decide("a", table("aabb"), {}, (0, 1), shards=SHARDS, term=1.0)
    assert made == Plan(others=frozenset("b"))
    assert decide("a", table("a.bb"), {}, (0,), shards=SHARDS, term=1.0).acquire == (1,)
    assert decide("a", table("aabb", gone="b"), {}, (0, 1), shards=SHARDS, term=1.0).steal == {}


@pytest.mark.parametrize(("watchers", "most"), [(0, 16), (1, 16), (2, 8), (3, 6), (5, 4), (16, 1), (40, 1)])
def test_shares_cover_every_shard(watchers: int, most: int) -> None:
    assert share(16, watchers) == most
    assert most * max(1, watchers) >= 16


def test_silence_is_counted_on_one_s_own_clock_from_the_look_that_first_showed_a_count() -> None:
    silence, leases = Silence(), {0: Lease("b", 1), 1: Lease("c", 1)}
    silence.note(Seen(leases, {"b": Beat(1), "c": Beat(1)}), 100.0)
    silence.note(Seen(leases, {"b": Beat(1), "c": Beat(2)}), 104.0)
    assert silence.since(109.0) == {"b": 9.0, "c": 5.0}


def test_what_a_killed_watcher_left_behind_is_no_life() -> None:
    silence, seen = Silence(), Seen({}, {"a": Beat(1), "killed": Beat(9)})
    silence.note(seen, 100.0)
    silence.note(seen, 101.0)
    assert plan(seen, silent=silence.since(101.0)) == Plan(acquire=(0, 1, 2, 3))


def test_a_daemon_without_shards_is_counted_as_soon_as_it_was_seen_to_move() -> None:
    silence = Silence()
    silence.note(Seen({}, {"b": Beat(1)}), 100.0)
    silence.note(Seen({}, {"b": Beat(2)}), 102.0)
    seen = with_visitor(table("...."), "b")
    assert plan(seen, silent=silence.since(103.0)) == Plan(acquire=(0, 1), others=frozenset("b"))


def test_a_daemon_that_joins_later_lives_from_its_first_beat_on() -> None:
    silence = Silence()
    silence.note(Seen({}, {"a": Beat(1)}), 100.0)
    silence.note(Seen({}, {"a": Beat(1), "b": Beat(1)}), 101.0)
    assert silence.since(102.0)["b"] == 1.0


def test_a_daemon_that_acquires_its_first_shard_is_silent_from_then_on() -> None:
    silence = Silence()
    silence.note(Seen({}, {"b": Beat(1)}), 100.0)
    silence.note(Seen({0: Lease("b", 1)}, {"b": Beat(1)}), 101.0)
    assert silence.since(104.0) == {"b": 3.0}


def test_a_daemon_that_came_back_was_not_silent() -> None:
    silence = Silence()
    silence.note(Seen({0: Lease("b", 1)}, {}), 100.0)
    silence.note(Seen({0: Lease("b", 1)}, {"b": Beat(5)}), 120.0)
    assert silence.since(121.0) == {"b": 1.0}


def test_an_owner_that_says_nothing_of_itself_is_silent_from_the_first_look_on() -> None:
    silence = Silence()
    silence.note(Seen({0: Lease("b", 1)}, {}), 100.0)
    silence.note(Seen({0: Lease("b", 1)}, {}), 111.0)
    assert silence.since(111.0) == {"b": 11.0}


def test_a_daemon_that_has_gone_is_forgotten() -> None:
    silence = Silence()
    silence.note(Seen({}, {"b": Beat(1)}), 100.0)
    silence.note(Seen({}, {}), 101.0)
    assert silence.since(102.0) == {}
