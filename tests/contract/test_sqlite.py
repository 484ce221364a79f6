"""What only a state file can promise: a second connection, older files, and the same cost however much waits."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import threading
import tracemalloc
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from tests.contract.conftest import MOMENT, NOW, after, entry, event, given_up, later, numbers, only, refused, sent
from watcher.core.deliveries import DeliveryState, ReminderRequest
from watcher.core.queries import DeliveryQuery, EventQuery
from watcher.errors import StoreError, StoreLocked
from watcher.stores.memory import MemoryStore
from watcher.stores.sqlite import lanes, outbox
from watcher.stores.sqlite.migrations import STEPS
from watcher.stores.sqlite.reader import SqliteReader
from watcher.stores.sqlite.store import SqliteOutbox, SqliteStore
from watcher.stores.sqlite.transfer import SqliteMover
from watcher.stores.transfer import Recorded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from watcher.core.deliveries import Delivery

MANY = 200_000


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    made = SqliteStore(tmp_path / "state.db")
    await made.open()
    await made.set_sinks(["x", "y"], NOW)
    yield made
    await made.close()


@pytest.fixture
async def operator(store: SqliteStore, tmp_path: Path) -> AsyncIterator[SqliteOutbox]:
    """A second connection, beside the daemon's."""
    made = SqliteOutbox(tmp_path / "state.db")
    await made.open()
    yield made
    await made.close()


async def test_a_requeued_dead_letter_is_tried_before_later_deliveries(
    store: SqliteStore, operator: SqliteOutbox
) -> None:
    await store.commit([entry("a", 1, 2, 3, sinks="xy")], NOW)
    await store.settle([refused(await only(store))], NOW)
    await store.settle([later(await only(store), 300)], NOW)
    assert await operator.requeue([f"{1:032x}"], "x", after(1)) == 1
    requeued = await only(store, now=after(1))
    assert (numbers([requeued]), requeued.tries, requeued.failures) == ([1], 1, 0)
    (told,) = await operator.deliveries(DeliveryQuery(sink="x", event_id=f"{1:032x}"))
    assert (told.state, told.ended, told.answer) == (DeliveryState.WAITING, None, "permanently refused: 400")
    assert await operator.requeue([], None, after(2)) == 0
    assert numbers(await store.due("x", 10)) == [1, 2, 3]


async def test_reminders_that_became_dead_letters_are_not_requeued(store: SqliteStore, operator: SqliteOutbox) -> None:
    await store.set_sinks(["x"], NOW)
    await store.commit([entry("a", 1)], NOW)
    await store.settle([sent((await store.due("x", 1))[0])], NOW)
    assert await store.remind([ReminderRequest("x", "a", "watcher.sync.failed", MOMENT, 100.0)], after(100)) == 1
    await store.dead_letter("x", "410 Gone", after(110))
    assert await operator.requeue([], None, after(120)) == 0


async def test_a_requeued_delivery_has_all_its_time_again(store: SqliteStore, operator: SqliteOutbox) -> None:
    await store.commit([entry("a", 1)], NOW)
    await store.settle([later(await only(store))], NOW)
    await store.settle([given_up(await only(store, now=after(50)))], after(50))
    assert await operator.requeue([], "x", after(100)) == 1
    assert (await only(store, now=after(100))).failing_since is None


async def test_requeue_selects_dead_letters_by_events_and_sink(store: SqliteStore, operator: SqliteOutbox) -> None:
    async def dead_letter_all() -> None:
        await store.dead_letter("x", "no", NOW)
        await store.dead_letter("y", "no", NOW)

    await store.commit([entry(name, i, sinks="xy") for i, name in enumerate("abc")], NOW)
    await dead_letter_all()
    assert await operator.requeue([], "y", NOW) == 3
    await dead_letter_all()
    assert await operator.requeue([f"{0:032x}", f"{2:032x}"], None, NOW) == 4
    assert numbers(await store.lane_heads("x", NOW, 10)) == [0, 2]
    assert await operator.requeue([], None, NOW) == 2


async def test_dead_letters_of_a_removed_sink_stay_dead_until_it_is_back(
    store: SqliteStore, operator: SqliteOutbox
) -> None:
    """No worker would deliver them."""
    await store.commit([entry("a", 1)], NOW)
    await store.set_sinks(["y"], NOW)
    assert await operator.requeue([], None, NOW) == 0
    await store.set_sinks(["x", "y"], NOW)
    assert await operator.requeue([], None, NOW) == 1
    assert numbers(await store.lane_heads("x", NOW, 10)) == [1]


async def test_dropping_ends_what_waits_and_what_is_dead_but_not_what_was_sent(
    store: SqliteStore, operator: SqliteOutbox
) -> None:
    await store.commit([entry("a", 1, 2, sinks="xyz")], NOW)
    await store.settle([sent((await store.lane_heads("y", NOW, 1))[0])], NOW)
    await store.dead_letter("z", "no", NOW)
    assert await operator.drop(f"{1:032x}", "x", after(3)) == 1
    assert numbers(await store.lane_heads("x", after(3), 10)) == [2]
    assert await operator.drop(f"{1:032x}", None, after(4)) == 1
    states = {told.sink: told.state for told in await store.deliveries(DeliveryQuery(event_id=f"{1:032x}"))}
    assert states == {"x": DeliveryState.DROPPED, "y": DeliveryState.SENT, "z": DeliveryState.DROPPED}
    assert await operator.drop("none", None, after(5)) == 0


async def test_a_delivery_that_is_dropped_while_it_is_under_way_stays_dropped_and_its_subject_goes_on(
    store: SqliteStore, operator: SqliteOutbox
) -> None:
    await store.commit([entry("a", 1, 2)], NOW)
    under_way = await only(store)
    await operator.drop(under_way.event.id, None, NOW)
    await store.settle([later(under_way, 300)], NOW)
    following = await only(store)
    assert (numbers([following]), following.failures) == ([2], 0)


async def test_more_than_one_commit_can_hold_is_changed_step_by_step(
    store: SqliteStore, operator: SqliteOutbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "CHUNK", 3)
    await store.commit([entry(f"s{i % 4}", i) for i in range(10)], NOW)
    await store.settle([later(each) for each in await store.lane_heads("x", NOW, 10)], NOW)
    await store.retry_now("x")
    assert numbers(await store.lane_heads("x", NOW, 10)) == [0, 1, 2, 3]
    assert await store.dead_letter("x", "no", NOW) == 10
    assert await operator.requeue([], None, NOW) == 10
    assert await store.set_sinks(["y"], NOW) == 10
    assert dict(await store.counts()) == {("x", DeliveryState.DEAD): 10}


async def test_a_file_of_the_first_version_keeps_all_that_it_has(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    with contextlib.closing(sqlite3.connect(path)) as old:
        for statement in STEPS[0]:
            old.execute(statement)
        old.execute("""INSERT INTO record VALUES ('a', '{"form": 1, "sequence": 4, "known": null, "outage": null}')""")
        for number, subject in enumerate("abab", 1):
            fields = (
                f"{number:032x}",
                "watcher.sync.failed",
                subject,
                NOW.isoformat(),
                after(number).timestamp(),
                event(number, subject).body,
            )
            old.execute("INSERT INTO event (id, type, subject, time, recorded, body) VALUES (?, ?, ?, ?, ?, ?)", fields)
            row = (number, after(9).timestamp() if number == 1 else None)
            old.execute("INSERT INTO delivery VALUES ('x', ?, ?)", row)
        old.execute("INSERT INTO delivery VALUES ('y', 4, ?)", (after(8).timestamp(),))
        old.execute("PRAGMA user_version = 1")
        old.commit()
    with pytest.raises(StoreError, match="start `watcher run` first, which upgrades it"):
        await SqliteReader(path).open()

    store = SqliteStore(path)
    await store.open()
    assert {subject: record.sequence for subject, record in (await store.records()).items()} == {"a": 4}
    assert [kept.body for _, kept in await store.events(EventQuery())] == [
        event(i, name).body for i, name in enumerate("abab", 1)
    ]
    assert numbers(await store.due("x", 10)) == [2, 3, 4]
    assert numbers(await store.lane_heads("x", after(60), 10)) == [2, 3]
    assert dict(await store.waiting()) == {"x": 3}
    assert set(await store.registered_sinks()) == {"x", "y"}
    settled = await store.deliveries(DeliveryQuery(states=[DeliveryState.SENT]))
    assert [(told.sink, *numbers([told]), told.tries, told.ended) for told in settled] == [
        ("x", 1, 1, after(9).timestamp()),
        ("y", 4, 1, after(8).timestamp()),
    ]
    await store.settle([sent(each) for each in await store.lane_heads("x", after(60), 10)], after(60))
    await store.commit([entry("c", 5)], after(61))
    assert numbers(await store.lane_heads("x", after(61), 10)) == [4, 5]
    await store.close()

    store = SqliteStore(path)
    await store.open()
    assert numbers(await store.due("x", 10)) == [4, 5]
    await store.close()


async def test_large_events_are_read_a_few_at_a_time(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    await store.commit([entry("a", 1, 2, 3, 4)], NOW)
    size = len(event(1).body)
    monkeypatch.setattr(lanes, "MAX_CHARACTERS", 2 * size)
    assert numbers(await store.due("x", 10)) == [1, 2]
    monkeypatch.setattr(lanes, "MAX_CHARACTERS", size - 1)
    assert numbers(await store.due("x", 10)) == [1]


async def test_lanes_of_which_everything_is_settled_are_deleted_and_the_others_go_on(store: SqliteStore) -> None:
    await store.commit([entry("a", 1, 2), entry("b", 3), entry("c", 4)], NOW)
    due = await store.due("x", 10)
    await store.settle([sent(each) for each in (due[0], due[2])], after(1))
    assert await lanes_in(store) == [("a", 2), ("c", 4)]
    await store.settle([sent(each) for each in (due[1], due[3])], after(2))
    assert await lanes_in(store) == []


async def lanes_in(store: SqliteStore) -> list[tuple[str, int]]:
    """The subject of each lane, and the number to which it points."""
    sql = "SELECT subject, number FROM lane ORDER BY subject"
    return await store.database.query(lambda connection: connection.execute(sql).fetchall())


async def test_outcomes_of_every_kind_are_recorded_together(store: SqliteStore) -> None:
    await store.commit([entry(f"s{number}", number, sinks="xy") for number in range(1, 8)], NOW)
    of_x, of_y = await store.due("x", 10), await store.due("y", 10)
    results = [sent(of_x[0]), sent(of_x[1]), refused(of_x[2]), sent(of_y[0]), later(of_x[3], 50), later(of_x[4], 60)]
    await store.settle([*results, given_up(of_x[5])], after(1))
    told = {(each.sink, int(each.event.id, 16)): each for each in await store.deliveries(DeliveryQuery())}
    states = {where: each.state.value for where, each in told.items() if each.tries}
    assert states == {
        ("x", 1): "sent", ("x", 2): "sent", ("x", 3): "dead", ("y", 1): "sent", ("x", 4): "waiting",
        ("x", 5): "waiting", ("x", 6): "dead",
    }  # fmt: skip
    for where in states:
        assert (told[where].tries, told[where].tried) == (1, after(1).timestamp())
    assert told["x", 3].answer == refused(of_x[2]).answer
    assert numbers(await store.lane_heads("x", after(1), 10)) == [7]
    assert await store.next_try("x", after(1), ["s7"]) == 50
    assert numbers(await store.lane_heads("x", after(55), 10)) == [4, 7]


def looks(store: SqliteStore) -> dict[str, Callable[[], Awaitable[list[Delivery] | float | None]]]:
    """What a worker asks all the time."""
    now = after(1000)
    return {
        "due": lambda: store.due("x", 50),
        "lane_heads": lambda: store.lane_heads("x", now, 50, [f"s{i}" for i in range(20)], 20),
        "next try": lambda: store.next_try("x", now, [f"s{i}" for i in range(20)]),
    }


async def settle_some(store: SqliteStore) -> None:
    heads = await store.lane_heads("x", after(1000), 40)
    results = [how(each) for how, each in zip([sent, later, refused, given_up] * 10, heads, strict=False)]
    await store.settle(results, after(1000))


async def fill(store: SqliteStore, count: int) -> None:
    """Let so many deliveries wait, two for each subject; a third of the subjects fail, till soon or for long."""
    script = f"""
        INSERT INTO event (id, type, subject, time, recorded, body)
          WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {count})
          SELECT i, 'watcher.sync.failed', 's' || (i % {count // 2}), 'T', {NOW.timestamp()}, '{{}}' FROM n;
        INSERT INTO delivery (sink, number, reminder, subject) SELECT 'x', number, 0, subject FROM event;
        INSERT INTO lane (sink, number, reminder, subject, failures, next_try)
          SELECT 'x', number, 0, subject, number % 3 = 0, iif(number % 3, 0, {NOW.timestamp()} + number % 7 * 290)
          FROM event WHERE number <= {count // 2};
        """  # noqa: S608  ours
    await store.database.run(lambda: store.database.connection.executescript(f"BEGIN; {script}; COMMIT;"))


async def plans_of(store: SqliteStore, work: Callable[[], Awaitable[Any]]) -> dict[str, list[str]]:
    """How SQLite goes about each statement of some work."""
    statements: list[str] = []

    def listen(listener: Callable[[str], None] | None) -> None:
        store.database.connection.set_trace_callback(listener)

    await store.database.run(lambda: listen(statements.append))
    await work()
    await store.database.run(lambda: listen(None))
    told = {}
    for sql in statements:
        if not sql.startswith(("BEGIN", "COMMIT")):
            told[sql] = await store.database.run(partial(_plan, store, sql))
    return told


def _plan(store: SqliteStore, sql: str) -> list[str]:
    return [row[3] for row in store.database.connection.execute(f"EXPLAIN QUERY PLAN {sql}")]


@pytest.mark.parametrize("analyzed", [False, True])
@pytest.mark.parametrize("count", [0, 4, 2000])
async def test_whatever_is_in_the_tables_the_next_are_found_by_index(
    store: SqliteStore, count: int, *, analyzed: bool
) -> None:
    """Time would show a plan that reads or sorts all waiting deliveries only if there were very many."""
    if count:
        await fill(store, count)
    if analyzed:
        await store.database.run(lambda: store.database.connection.execute("ANALYZE"))
    works = {
        **looks(store),
        "settle": lambda: settle_some(store),
        "commit": lambda: store.commit([entry("s1", 1)], NOW),
        "retry_now": lambda: store.retry_now("x"),
    }
    for name, work in works.items():
        plans = await plans_of(store, work)
        assert plans, name
        for sql, steps in plans.items():
            assert not [step for step in steps if step.startswith(("SCAN", "USE TEMP B-TREE"))], (name, sql, steps)


async def test_what_the_next_cost_does_not_grow_with_what_waits(tmp_path: Path) -> None:
    """In steps of SQLite's machine, which are the same on every computer, and in memory."""
    few, many = await costs_with(tmp_path / "few.db", 1000), await costs_with(tmp_path / "many.db", MANY)
    for name, (steps, memory) in few.items():
        many_steps, much_memory = many[name]
        assert many_steps < 1.5 * steps + 100, (name, steps, many_steps)
        assert much_memory < 1.5 * memory + 50_000, (name, memory, much_memory)


async def costs_with(path: Path, count: int) -> dict[str, tuple[int, int]]:
    """What each look, and keeping its results, costs with so many waiting."""
    store = SqliteStore(path)
    await store.open()
    await fill(store, count)
    works = {**looks(store), "settle": lambda: settle_some(store)}
    costs = {name: await cost_of(store, work) for name, work in works.items()}
    await store.close()
    return costs


async def cost_of(store: SqliteStore, work: Callable[[], Awaitable[Any]]) -> tuple[int, int]:
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1

    await store.database.run(lambda: store.database.connection.set_progress_handler(step, 10))
    tracemalloc.start()
    await work()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    await store.database.run(lambda: store.database.connection.set_progress_handler(None, 0))
    return steps, peak


async def test_a_link_to_a_state_file_leads_to_the_same_lock(tmp_path: Path) -> None:
    first = SqliteStore(tmp_path / "state.db")
    await first.open()
    (tmp_path / "link.db").symlink_to(tmp_path / "state.db")
    with pytest.raises(StoreLocked, match="another daemon"):
        await SqliteStore(tmp_path / "link.db").open()
    await first.close()


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (["CREATE TABLE theirs (x)"], "another program's database"),
        (["CREATE TABLE record (x)", "CREATE TABLE event (x)", "PRAGMA user_version = 1"], "lacks the table delivery"),
    ],
)
async def test_a_database_that_is_not_ours_is_left_alone(tmp_path: Path, damage: list[str], told: str) -> None:
    path = tmp_path / "state.db"
    connection = sqlite3.connect(path)
    for statement in damage:
        connection.execute(statement)
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match=told):
        await SqliteStore(path).open()
    assert path.read_bytes() == before


ODD = [
    ("UPDATE record SET state = '[' || state", "Expecting"),
    ("UPDATE record SET state = replace(hex(zeroblob(100000)), '00', '[')", "the state of a is nested too deeply"),
    ("UPDATE record SET state = CAST(state AS BLOB)", "the state of a cannot be"),
    ("""UPDATE record SET state = json_set(state, '$.sequence', 'x')""", 'the state of a.sequence cannot be "x"'),
    ("UPDATE event SET body = 'no JSON'", "Expecting value"),
    ("UPDATE event SET body = replace(hex(zeroblob(100000)), '00', '[')", "nested too deeply"),
    ("UPDATE event SET body = '{}'", "has no 'id'"),
    ("UPDATE event SET body = x'ff'", "event.body cannot be"),
    ("UPDATE event SET body = CAST(x'ff' AS TEXT)", "Could not decode to UTF-8"),
    ("UPDATE event SET time = x'00'", "time cannot be"),
    ("UPDATE event SET recorded = 'yesterday'", 'recorded cannot be "yesterday"'),
    ("UPDATE delivery SET state = 'odd'", "'odd' is not a valid DeliveryState"),
    ("UPDATE delivery SET tries = 'many'", 'tries cannot be "many"'),
]


@pytest.mark.parametrize(("damage", "words"), ODD)
async def test_a_row_that_watcher_never_writes_is_reported_with_the_file(
    tmp_path: Path, damage: str, words: str
) -> None:
    path = tmp_path / "state.db"
    made = SqliteStore(path)
    await made.open()
    await made.commit([entry("a", 1)], NOW)
    await made.close()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(damage)
    reader = SqliteReader(path)
    await reader.open()
    asked = reader.records() if "record" in damage.split() else reader.deliveries(DeliveryQuery())
    with pytest.raises(StoreError, match=rf"^{path}: .*{words}"):
        await asked
    await reader.close()


async def test_a_schema_of_a_version_that_there_never_was_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA user_version = -5")
    for made in (SqliteStore(path), SqliteReader(path)):
        with pytest.raises(StoreError, match=r"its schema has the version -5"):
            await made.open()


async def test_an_import_that_is_closed_while_it_writes_changes_nothing(tmp_path: Path) -> None:
    mover = SqliteMover(tmp_path / "state.db")
    await mover.open()
    begun, go_on = threading.Event(), threading.Event()

    def parts() -> Any:
        for number in (1, 2):
            yield Recorded(number, 0.0, event(number))
            begun.set()
            go_on.wait(60)

    writing = asyncio.create_task(mover.write(parts()))
    await asyncio.to_thread(begun.wait, 60)
    closing = asyncio.create_task(mover.close())
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(StoreError, match="the import was interrupted; nothing was changed"):
        await writing
    await closing
    store = SqliteStore(tmp_path / "state.db")
    await store.open()
    assert await store.events(EventQuery()) == []
    await store.close()


ENDINGS = ("", "-wal", "-shm")


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("replaced", [False, True])
async def test_nothing_is_kept_in_a_file_that_was_removed_or_replaced_until_it_is_back(
    tmp_path: Path, ending: str, *, replaced: bool
) -> None:
    path = tmp_path / "state.db"
    store, reader = SqliteStore(path), SqliteReader(path)
    await store.open()
    await reader.open()
    await store.commit([entry("a", 1)], NOW)
    file, aside = path.with_name(path.name + ending), tmp_path / "aside"
    file.rename(aside)
    if replaced:
        file.write_bytes(aside.read_bytes())
    what = rf"^{file}: the file was {'replaced' if replaced else 'removed'} while it was in use, .*put the same file"
    for asked in (store.commit([entry("a", 2)], NOW), store.mark_alive(NOW), reader.find("")):
        with pytest.raises(StoreError, match=what):
            await asked
    aside.replace(file)
    await store.commit([entry("a", 3)], NOW)
    assert numbers(await store.due("x", 10)) == [1, 3]
    assert len(await reader.events(EventQuery())) == 2
    await reader.close()
    await store.close()


async def test_nothing_is_kept_in_a_file_that_was_emptied(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    store, reader = SqliteStore(path), SqliteReader(path)
    await store.open()
    await reader.open()
    await store.commit([entry("a", 1)], NOW)
    whole = path.read_bytes()
    os.truncate(path, 0)
    for asked in (store.commit([entry("a", 2)], NOW), store.mark_alive(NOW), reader.find("")):
        with pytest.raises(StoreError, match=rf"^{path}: the file was emptied while it was in use"):
            await asked
    with pytest.raises(StoreError, match="there is no state yet"):
        await SqliteReader(path).open()
    path.write_bytes(whole)
    await store.commit([entry("a", 3)], NOW)
    assert numbers(await store.due("x", 10)) == [1, 3]
    await reader.close()
    await store.close()


async def test_a_state_that_is_not_a_regular_file_is_refused(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for store in (SqliteStore(pipe), SqliteReader(pipe)):
        with pytest.raises(StoreError, match="is not a regular file"):
            await store.open()
    assert os.listdir(tmp_path) == ["pipe"]  # noqa: PTH208


@pytest.mark.parametrize("ending", ENDINGS)
async def test_the_files_of_a_state_that_a_link_leads_to_are_those_that_are_compared(
    tmp_path: Path, ending: str
) -> None:
    (tmp_path / "real").mkdir()
    path, file = tmp_path / "state.db", tmp_path / "real" / f"state.db{ending}"
    path.symlink_to(tmp_path / "real" / "state.db")
    store = SqliteStore(path)
    await store.open()
    await store.commit([entry("a", 1)], NOW)
    file.rename(tmp_path / "aside")
    with pytest.raises(StoreError, match="was removed while it was in use"):
        await store.mark_alive(NOW)
    await store.close()


@pytest.mark.parametrize("empty", [False, True])
async def test_changes_that_wait_beside_a_lost_state_file_are_left_alone(tmp_path: Path, *, empty: bool) -> None:
    path, log = tmp_path / "state.db", tmp_path / "state.db-wal"
    log.write_bytes(b"changes")
    if empty:
        path.touch()
    for store, words in ((SqliteStore(path), "restore the file, or move"), (SqliteReader(path), "no state")):
        with pytest.raises(StoreError, match=words):
            await store.open()
    assert log.read_bytes() == b"changes"
    assert path.exists() == empty


async def test_a_file_that_is_replaced_during_a_commit_is_not_committed_to(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    store = SqliteStore(path)
    await store.open()

    def entries() -> Any:
        yield entry("a", 1)
        path.rename(tmp_path / "aside")

    with pytest.raises(StoreError, match="was removed while it was in use"):
        await store.commit(entries(), NOW)
    (tmp_path / "aside").rename(path)
    assert await store.events(EventQuery()) == []
    await store.close()


async def test_a_lock_that_was_removed_is_taken_again(tmp_path: Path) -> None:
    store, second = SqliteStore(tmp_path / "state.db"), SqliteStore(tmp_path / "state.db")
    await store.open()
    (tmp_path / "state.db.lock").unlink()
    await store.mark_alive(NOW)
    with pytest.raises(StoreLocked):
        await second.open()
    await store.close()


async def test_every_file_of_a_state_is_for_its_user_and_group_alone(tmp_path: Path) -> None:
    mask = os.umask(0o022)
    try:
        store = SqliteStore(tmp_path / "state.db")
        await store.open()
        await store.commit([entry("a", 1)], NOW)
        modes = {name: (tmp_path / name).stat().st_mode & 0o777 for name in os.listdir(tmp_path)}  # noqa: PTH208
        await store.close()
    finally:
        os.umask(mask)
    assert modes == dict.fromkeys(("state.db", "state.db-wal", "state.db-shm", "state.db.lock"), 0o640)


@pytest.mark.parametrize("empty", [False, True])
async def test_a_state_file_of_length_zero_is_used_with_a_warning(tmp_path: Path, *, empty: bool) -> None:
    path = tmp_path / "state.db"
    if empty:
        path.touch()
    with structlog.testing.capture_logs() as logged:
        store = SqliteStore(path)
        await store.open()
        await store.close()
    assert [line["event"] for line in logged] == (["store.created"] if empty else [])


async def test_an_error_of_the_file_system_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 252)  # its lock file's name is too long
    with pytest.raises(StoreError) as failed:
        await SqliteStore(path).open()
    assert str(failed.value) == f"{path}: File name too long; fix this, or name another file under `state`"


async def test_a_removed_working_directory_is_a_store_error_and_no_hindrance_to_state_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(StoreError):
        await SqliteReader(Path("state.db")).open()
    assert await MemoryStore().records() == {}


async def test_state_in_memory_makes_no_file_and_takes_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first, second = MemoryStore(), MemoryStore()
    for store in (first, second):
        await store.open()
        await store.commit([entry("a", 1)], NOW)
        assert numbers(await store.due("x", 10)) == [1]
        assert os.listdir(tmp_path) == []  # noqa: PTH208
