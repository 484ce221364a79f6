"""What only the DynamoDB store promises: several daemons, requests of unknown outcome, tables that are not right."""

from __future__ import annotations

import asyncio
import contextlib
import os
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from tests.contract.conftest import MOMENT, NOW, after, entry, event, given_up, later, numbers, refused, sent
from tests.support.dynamodb_tables import Fate, Tables, address, made
from watcher.cli.running import opened
from watcher.core.deliveries import DeliveryState, ReminderRequest
from watcher.core.ports import Entry
from watcher.core.queries import DeliveryQuery, EventQuery
from watcher.core.retry_policy import REMOVED
from watcher.core.state import Known, Record
from watcher.errors import StoreConflict, StoreError
from watcher.stores.dynamodb import client, items, schema
from watcher.stores.dynamodb.items import META, SHARDS, shard_of
from watcher.stores.dynamodb.operator_outbox import DynamoOutbox
from watcher.stores.dynamodb.reader import DynamoReader
from watcher.stores.dynamodb.shard_outbox import LEASE_PAUSE_SECONDS
from watcher.stores.dynamodb.store import DynamoStore
from watcher.stores.dynamodb.table import Delete, Put, Table, Update

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tests.support.dynamodb_tables import Gate
    from tests.support.emulators import Emulator
    from watcher.core.state_url import Address

    Watchers = Callable[[int], Awaitable[list[DynamoStore]]]


ONE, TWO, THREE = (Record(sequence=number) for number in (1, 2, 3))


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as open_things:
        yield open_things


@pytest.fixture
async def table(tables: Tables) -> Address:
    return await tables()


@pytest.fixture
def watchers(table: Address, stack: AsyncExitStack) -> Watchers:
    """Opens several stores on one table, without leases."""

    async def make(count: int) -> list[DynamoStore]:
        return [await stack.enter_async_context(opened(DynamoStore(table))) for _ in range(count)]

    return make


@pytest.fixture
async def gated(table: Address, gate: Gate, stack: AsyncExitStack) -> DynamoStore:
    """A store whose requests meet their fates, beside others that have none."""
    return await stack.enter_async_context(opened(DynamoStore(replace(table, endpoint_url=gate.url))))


async def ids(store: DynamoStore, sink: str = "x") -> list[int]:
    return numbers(await store.due(sink, 100))


async def history(table: Address) -> list[int]:
    async with opened(DynamoReader(table)) as reader:
        return [int(kept.id, 16) for _, kept in await reader.events(EventQuery(limit=1000))]


async def test_a_commit_on_an_outdated_state_raises_a_conflict_that_names_the_subject(
    watchers: Watchers, table: Address
) -> None:
    first, second = await watchers(2)
    await first.commit([Entry("a", ONE, [(event(1), ["x"])])], NOW)
    with pytest.raises(StoreConflict) as conflict:
        await second.commit([Entry("a", TWO, [(event(2), ["x"])]), Entry("b", THREE, [(event(3, "b"), ["x"])])], NOW)
    assert conflict.value.subjects == {"a"}
    assert await history(table) == [1, 3]
    assert await second.records() == {"a": ONE, "b": THREE}


async def test_reload_returns_the_state_of_another_daemon_and_reads_its_deliveries(watchers: Watchers) -> None:
    """So order holds: its own event comes after those that it did not know of."""
    first, second = await watchers(2)
    await first.commit([Entry("a", ONE, [(event(1), ["x"])])], NOW)
    with pytest.raises(StoreConflict):
        await second.commit([Entry("a", TWO, [(event(9), ["x"])])], NOW)
    assert await second.reload(["a", "unknown"]) == {"a": ONE}
    await second.commit([Entry("a", TWO, [(event(2), ["x"])])], NOW)
    assert await ids(second) == [1, 2]
    assert numbers(await second.lane_heads("x", NOW, 10)) == [1]
    with pytest.raises(StoreConflict):
        await first.commit([Entry("a", THREE)], NOW)


async def test_of_two_daemons_that_release_an_event_one_succeeds(watchers: Watchers) -> None:
    first, second = await watchers(2)
    await first.commit([Entry("a", ONE, [(event(1), [])])], NOW)
    await second.reload(["a"])
    release = Entry("a", TWO, follows=ONE, released=[(event(1).id, ["x"])])
    outcomes = await asyncio.gather(
        *(each.commit([replace(release)], after(1)) for each in (first, second)), return_exceptions=True
    )
    assert sorted(type(outcome) for outcome in outcomes if outcome) == [StoreConflict]
    assert len(await first.deliveries(DeliveryQuery())) == 1
    for each in (first, second):
        await each.reload(["a"])
        assert await ids(each) == [1]


async def test_a_poll_that_began_before_the_known_state_is_not_committed(watchers: Watchers) -> None:
    """A shard was lost and gained again while a poll was under way."""
    first, second = await watchers(2)
    await first.commit([Entry("a", ONE)], NOW)
    await second.commit([Entry("b", ONE)], NOW)
    first.loaded.unload(shard_of("b"))
    await first.loaded.load(shard_of("b"))
    with pytest.raises(StoreConflict):
        await first.commit([Entry("b", TWO, [(event(1, "b"), ["x"])], follows=Record())], NOW)
    await first.commit([Entry("b", TWO, [(event(1, "b"), ["x"])], follows=ONE)], NOW)


async def test_a_commit_on_a_state_that_was_deleted_and_written_again_raises_a_conflict(watchers: Watchers) -> None:
    first, second = await watchers(2)
    await first.commit([Entry("a", ONE)], NOW)
    await second.reload(["a"])
    await first.forget(["a"], NOW)
    await first.commit([Entry("a", ONE)], NOW)
    with pytest.raises(StoreConflict):
        await second.commit([Entry("a", TWO)], NOW)


async def test_a_subject_that_one_daemon_forgot_goes_on_in_sequence_at_another(watchers: Watchers) -> None:
    first, second = await watchers(2)
    await first.commit([Entry("a", THREE)], NOW)
    await first.forget(["a"], NOW)
    assert await second.loaded.load(shard_of("a")) == {"a": THREE}
    await second.commit([Entry("a", Record(sequence=4), [(event(4), ["x"])], THREE)], NOW)
    assert await first.prune(after(60), 9) == 1
    assert await first.records() == {"a": Record(sequence=4)}


async def test_a_subject_that_another_daemon_polls_is_not_forgotten(gated: DynamoStore, watchers: Watchers) -> None:
    (other,) = await watchers(1)
    await gated.commit([Entry("a", ONE)], NOW)
    get = gated.table.get

    async def slow(key: Any) -> Any:
        """Read the item, and let the other daemon write it."""
        found = await get(key)
        await other.reload(["a"])
        await other.commit([Entry("a", TWO)], NOW)
        return found

    gated.table.get = slow  # type: ignore[method-assign]
    assert await gated.forget(["a"], NOW) == 0
    assert await other.records() == {"a": TWO}


@pytest.mark.parametrize("fate", [Fate.ANSWER_LOST, Fate.LOST])
async def test_a_forgetting_of_unknown_outcome_may_be_repeated(gated: DynamoStore, gate: Gate, fate: Fate) -> None:
    await gated.commit([Entry("a", THREE)], NOW)
    gate.fates["TransactWriteItems"] = [fate]
    for _ in range(2):
        with contextlib.suppress(StoreError):
            await gated.forget(["a"], NOW)
    assert await gated.records() == {"a": THREE}
    assert await gated.prune(after(1), 9) == 1
    assert await gated.records() == {}
    with pytest.raises(StoreConflict):
        await gated.commit([Entry("a", Record(sequence=4))], after(2))
    with capture_logs() as logs:
        assert await gated.reload(["a"]) == {}
    assert logs == [], "it was not lost"


@pytest.mark.parametrize("fate", [Fate.ANSWER_LOST, Fate.LOST, Fate.BROKEN, Fate.NO_JSON])
async def test_a_commit_of_unknown_outcome_is_recorded_once(
    gated: DynamoStore, gate: Gate, table: Address, fate: Fate
) -> None:
    entries = [Entry("a", ONE, [(event(1), ["x"])]), Entry("b", ONE, [(event(2, "b"), ["x"])])]
    gate.fates["TransactWriteItems"] = [fate]
    for _ in range(2):
        try:
            await gated.commit(entries, NOW)
            break
        except StoreConflict:
            pytest.fail("nobody else wrote")
        except StoreError:
            pass
    assert sorted(await history(table)) == [1, 2]
    assert sorted(await ids(gated)) == [1, 2]
    await gated.commit([Entry("a", TWO, [(event(3), ["x"])])], NOW)
    assert numbers(await gated.lane_heads("x", NOW, 10)) == [1, 2]


async def test_it_is_not_known_either_while_the_table_cannot_be_read(
    gated: DynamoStore, gate: Gate, table: Address
) -> None:
    entries = [Entry("a", ONE, [(event(1), ["x"])])]
    gate.fates = {"TransactWriteItems": [Fate.ANSWER_LOST], "GetItem": [Fate.LOST]}
    with pytest.raises(StoreError):
        await gated.commit(entries, NOW)
    await gated.commit(entries, after(60))
    assert await history(table) == [1]


async def test_a_request_that_arrives_late_changes_nothing_any_more(
    gated: DynamoStore, gate: Gate, table: Address, watchers: Watchers
) -> None:
    """The one that was believed lost arrives after its repeat, and after what followed."""
    entries = [Entry("a", ONE, [(event(1), ["x"])])]
    gate.fates["TransactWriteItems"] = [Fate.LATE]
    with pytest.raises(StoreError):
        await gated.commit(entries, NOW)
    await gated.commit(entries, NOW)
    await gated.commit([Entry("a", TWO, [(event(2), ["x"])])], NOW)
    await gate.let_arrive()
    assert await history(table) == [1, 2]
    (other,) = await watchers(1)
    assert await other.records() == {"a": TWO}


async def test_a_request_that_arrives_before_its_repeat_is_the_repeat(
    gated: DynamoStore, gate: Gate, table: Address
) -> None:
    entries = [Entry("a", ONE, [(event(1), ["x"])])]
    gate.fates["TransactWriteItems"] = [Fate.LATE]
    with pytest.raises(StoreError):
        await gated.commit(entries, NOW)
    await gate.let_arrive()
    await gated.commit(entries, NOW)
    assert await history(table) == [1]


async def test_a_daemon_that_was_paused_overwrites_nothing(
    gated: DynamoStore, gate: Gate, table: Address, watchers: Watchers
) -> None:
    """Its request is late, and another watcher has gone on meanwhile."""
    (other,) = await watchers(1)
    gate.fates["TransactWriteItems"] = [Fate.LATE]
    with pytest.raises(StoreError):
        await gated.commit([Entry("a", ONE, [(event(1), ["x"])])], NOW)
    await other.commit([Entry("a", TWO, [(event(2), ["x"])])], NOW)
    await gate.let_arrive()
    assert await history(table) == [2]
    assert await other.records() == {"a": TWO}


@pytest.mark.parametrize("fate", [Fate.THROTTLED, Fate.DENIED])
async def test_nothing_is_lost_while_the_table_refuses_writes(
    gated: DynamoStore, gate: Gate, table: Address, fate: Fate
) -> None:
    entries = [entry("a", 1), entry("b", 2)]
    gate.always = fate
    for work in (gated.commit(entries, NOW), gated.forget(["a"], NOW), gated.set_sinks(["x"], NOW), gated.records()):
        with pytest.raises(StoreError, match=r"slow down|not authorized") as refused:
            await work
        assert refused.value.passing is (fate is Fate.THROTTLED)
    gate.always = None
    assert await history(table) == []
    await gated.commit(entries, NOW)
    assert sorted(await history(table)) == [1, 2]


async def test_only_the_subject_that_could_not_be_written_is_written_again(
    gated: DynamoStore, gate: Gate, table: Address
) -> None:
    entries = [entry(name, number) for number, name in enumerate("abc")]
    gate.fates["TransactWriteItems"] = [Fate.PASSES, Fate.THROTTLED, Fate.PASSES]
    with pytest.raises(StoreError, match="slow down"):
        await gated.commit(entries, NOW)
    assert len(await history(table)) == 2
    before = len(gate.seen)
    await gated.commit(entries, NOW)
    assert gate.seen[before:].count("TransactWriteItems") == 1
    assert sorted(await history(table)) == [0, 1, 2]


async def test_an_answer_that_never_comes_is_not_waited_for(
    table: Address, stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = asyncio.Event()

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    monkeypatch.setattr(client.Caller.call, "__kwdefaults__", {"within": 0.2})
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    where = replace(table, endpoint_url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    reader = DynamoReader(where)
    await reader.table.caller._opened().prepare()
    with pytest.raises(StoreError, match=r"no complete answer within 200ms"):
        await reader.open()
    over.set()
    server.close()
    await server.wait_closed()


async def test_an_endpoint_that_does_not_answer_raises_a_store_error(table: Address) -> None:
    with pytest.raises(StoreError, match=r"^dynamodb://.*: GetItem: "):
        await DynamoStore(replace(table, endpoint_url="http://127.0.0.1:9")).open()


async def test_a_table_that_is_not_there_is_made_by_init(ministack: Emulator, tables: Tables) -> None:
    where = address(ministack.url)
    with pytest.raises(
        StoreError,
        match=r"there is no such table in us-east-1 at http://127\.0\.0\.1:\d+; `watcher state init` creates it$",
    ):
        await DynamoStore(where).open()
    await made(where)
    described = ministack.client("dynamodb")
    table = described.describe_table(TableName=where.table)["Table"]
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    ttl = described.describe_time_to_live(TableName=where.table)["TimeToLiveDescription"]
    assert (ttl["TimeToLiveStatus"], ttl["AttributeName"]) == ("ENABLED", "ttl")
    backups = described.describe_continuous_backups(TableName=where.table)["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    await made(where)  # once more changes nothing
    async with opened(DynamoStore(where)) as store:
        await store.commit([entry("a", 1)], NOW)
        await made(where)
        assert await history(where) == [1]


async def test_init_waits_until_a_new_table_can_be_backed_up(ministack: Emulator, tables: Tables, gate: Gate) -> None:
    where = address(gate.url)
    gate.fates["UpdateContinuousBackups"] = [Fate.NO_BACKUPS, Fate.NO_BACKUPS]
    await made(where)
    assert gate.seen.count("UpdateContinuousBackups") == 3
    backups = ministack.client("dynamodb").describe_continuous_backups(TableName=where.table)
    recovery = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    assert recovery["PointInTimeRecoveryStatus"] == "ENABLED"


@pytest.mark.parametrize(
    ("keys", "type_"), [([("id", "HASH")], "S"), ([("k", "HASH")], "S"), ([("k", "HASH"), ("s", "RANGE")], "N")]
)
async def test_another_programs_table_is_left_alone(
    ministack: Emulator, tables: Tables, keys: list[tuple[str, str]], type_: str
) -> None:
    where = address(ministack.url)
    ministack.client("dynamodb").create_table(
        TableName=where.table,
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": type_} for name, _ in keys],
        BillingMode="PAY_PER_REQUEST",
    )
    with pytest.raises(StoreError, match="another program's table"):
        await DynamoStore(where).open()
    with pytest.raises(StoreError, match="another program's table"):
        await made(where)
    told = ministack.client("dynamodb").describe_time_to_live(TableName=where.table)["TimeToLiveDescription"]
    assert told["TimeToLiveStatus"] == "DISABLED"


async def test_a_table_of_other_items_is_left_alone_though_its_key_is_the_same(
    ministack: Emulator, tables: Tables
) -> None:
    where = address(ministack.url)
    there = ministack.client("dynamodb")
    there.create_table(
        TableName=where.table, KeySchema=schema.KEYS, AttributeDefinitions=schema.TYPES, BillingMode="PAY_PER_REQUEST"
    )
    there.put_item(TableName=where.table, Item={"k": {"S": "theirs"}, "s": {"S": "1"}, "ttl": {"N": "1"}})
    with pytest.raises(StoreError, match="not prepared for watcher yet"):
        await DynamoStore(where).open()
    with pytest.raises(StoreError, match="it contains items of another program"):
        await made(where)
    told = there.describe_time_to_live(TableName=where.table)["TimeToLiveDescription"]
    assert told["TimeToLiveStatus"] == "DISABLED"
    assert there.scan(TableName=where.table)["Count"] == 1


async def test_a_table_that_was_used_and_lacks_its_meta_item_is_not_used(ministack: Emulator, table: Address) -> None:
    async with opened(DynamoStore(table)) as store:
        await store.set_sinks(["a"], NOW)
    ministack.client("dynamodb").delete_item(TableName=table.table, Key={"k": {"S": "M"}, "s": {"S": "M"}})
    with pytest.raises(StoreError, match=r"not prepared for watcher yet; run `watcher state init`$"):
        await DynamoStore(table).open()


async def test_a_table_that_was_made_elsewhere_is_prepared_by_the_daemons_that_come_first(
    ministack: Emulator, table: Address
) -> None:
    """As CloudFormation makes it: with its key, and without an item."""
    ministack.client("dynamodb").delete_item(TableName=table.table, Key={"k": {"S": "M"}, "s": {"S": "M"}})
    with pytest.raises(StoreError, match="not prepared for watcher yet"):
        await DynamoReader(table).open()
    stores = [DynamoStore(table) for _ in range(2)]
    await asyncio.gather(*(store.open() for store in stores))
    await asyncio.gather(*(store.close() for store in stores))
    async with opened(DynamoReader(table)) as reader:
        assert await reader.records() == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [({":f": 2}, "written by a newer version of watcher.*format 2, this one knows 1"), ({":f": 0}, "has the format 0")],
)
async def test_another_form_is_not_touched(table: Address, change: dict[str, Any], message: str) -> None:
    raw = Table(table)
    await raw.write(Update(META, "", change, "SET form = :f"))
    await raw.close()
    for unusable in (DynamoStore(table), DynamoReader(table), DynamoOutbox(table)):
        with pytest.raises(StoreError, match=message):
            await unusable.open()
    with pytest.raises(StoreError, match=message):
        await made(table)


async def test_a_table_without_ttl_is_used_with_a_warning(
    ministack: Emulator, table: Address, capsys: pytest.CaptureFixture[str]
) -> None:
    ministack.client("dynamodb").update_time_to_live(
        TableName=table.table, TimeToLiveSpecification={"Enabled": False, "AttributeName": "ttl"}
    )
    async with opened(DynamoStore(table)) as store:
        await store.commit([entry("a", 1)], NOW)
    assert "store.ttl_disabled" in "".join(capsys.readouterr())


@pytest.mark.parametrize("size", [100_000, 500_000, 3_000_000])
async def test_an_event_of_any_size_is_kept_and_delivered_whole(watchers: Watchers, table: Address, size: int) -> None:
    first, second = await watchers(2)
    text = os.urandom(size // 2).hex()  # zlib makes it half as long
    large = event(1, text=text)
    record = Record(Known(None, NOW, {"sha": text}), 1)
    await first.commit([Entry("a", record, [(large, ["x", "y"]), (event(2), ["x"])])], NOW)
    assert await second.reload(["a"]) == {"a": record}
    (head,) = await second.lane_heads("x", NOW, 10)
    assert head.event == large
    await second.settle([sent(head)], NOW)
    replaced = Record(Known(None, NOW, {"sha": text[::-1]}), 2)
    await second.commit([Entry("a", replaced)], NOW)
    assert (await second.reload(["a"])) == {"a": replaced}
    assert await first.find(large.id) == [((await first.find(large.id))[0][0], large)]
    assert not await second.settle(list(map(sent, [*await second.due("x", 9), *await second.due("y", 9)])), NOW)
    assert await second.prune(after(86400), 100) == 2
    raw = second.table
    left = {str(item["k"]) async for item in raw.scan("P#")}
    parts = (await raw.get(items.state("a")) or {}).get("parts")
    assert left == ({f"P#{parts}"} if parts else set())


async def test_more_sinks_than_fit_into_one_transaction_all_have_the_event_once(
    watchers: Watchers, table: Address
) -> None:
    first, second = await watchers(2)
    sinks = [f"sink-{number}" for number in range(250)]
    await first.commit([entry("a", 1, 2, sinks=sinks)], NOW)
    await second.loaded.refresh(shard_of("a"))
    for store in (first, second):
        assert set((await store.waiting()).values()) == {2}
        assert len(await store.waiting()) == 250
    assert [numbers(await second.due(sink, 9)) for sink in sinks] == [[1, 2]] * 250


async def test_deliveries_left_by_such_a_commit_are_written_by_the_daemon_that_reads_them(
    gated: DynamoStore, gate: Gate, watchers: Watchers
) -> None:
    sinks = [f"sink-{number}" for number in range(250)]
    gate.fates["TransactWriteItems"] = [Fate.PASSES, Fate.PASSES, Fate.LOST]
    with pytest.raises(StoreError):
        await gated.commit([entry("a", 1, sinks=sinks)], NOW)
    (other,) = await watchers(1)
    assert [numbers(await other.due(sink, 9)) for sink in sinks] == [[1]] * 250


async def test_subjects_and_sinks_may_have_names_of_any_length_and_characters(watchers: Watchers) -> None:
    (store,) = await watchers(1)
    names = ["a/b/stack/" + "n" * 3000, "a/b/stack/" + "n" * 3001, "a/b/stack/%F0%9F%98%80"]
    for number, name in enumerate(names):
        await store.commit([entry(name, number, sinks=["s" * 2000, "s" * 2001, "ß"])], NOW)
    assert set(await store.records()) == set(names)
    for sink in ("s" * 2000, "s" * 2001, "ß"):
        assert sorted(await ids(store, sink)) == [0, 1, 2]
    assert [len(await store.events(EventQuery(target=name))) for name in names] == [1, 1, 1]


async def test_clocks_that_differ_by_minutes_change_no_order(watchers: Watchers, table: Address) -> None:
    ahead, behind = await watchers(2)
    await ahead.commit([Entry("a", ONE, [(event(1), ["x"])])], after(600))
    await behind.reload(["a"])
    await behind.commit([Entry("a", TWO, [(event(2), ["x"])])], NOW)
    await ahead.reload(["a"])
    await ahead.commit([Entry("a", THREE, [(event(3), ["x"])])], after(600))
    assert await history(table) == [1, 2, 3]
    assert await ids(behind) == [1, 2]
    assert await ids(ahead) == [1, 2, 3]
    await ahead.settle([later((await ahead.lane_heads("x", NOW, 1))[0], 20)], after(7200))
    await behind.loaded.refresh(shard_of("a"))
    assert await behind.next_try("x", NOW) == 0
    assert numbers(await behind.lane_heads("x", NOW, 1)) == [1]


async def test_a_delivery_settled_by_another_daemon_is_neither_returned_nor_settled_again(watchers: Watchers) -> None:
    first, second = await watchers(2)
    await first.commit([entry("a", 1, 2), entry("b", 3)], NOW)
    await gather_all(second)
    mine, theirs = await first.lane_heads("x", NOW, 9), await second.lane_heads("x", NOW, 9)
    assert mine == theirs
    await first.settle([sent(mine[0])], NOW)
    assert numbers(await second.lane_heads("x", NOW, 9)) == [2, 3]
    await second.settle([refused(theirs[0]), later(theirs[1])], after(1))
    told = {(each.event.id, each.state) for each in await first.deliveries(DeliveryQuery(limit=9))}
    assert told == {
        (event(1).id, DeliveryState.SENT), (event(2).id, DeliveryState.WAITING), (event(3).id, DeliveryState.WAITING)
    }  # fmt: skip
    assert numbers(await first.lane_heads("x", after(2), 9)) == [2, 3]  # a's next; b's pause is the other's to know
    await gather_all(first)
    assert numbers(await first.lane_heads("x", after(2), 9)) == [2]


async def gather_all(store: DynamoStore) -> None:
    await asyncio.gather(*map(store.loaded.refresh, range(store.loaded.count)))


@pytest.mark.parametrize("fate", [Fate.ANSWER_LOST, Fate.LOST])
async def test_settling_with_an_unknown_outcome_may_be_repeated(
    gated: DynamoStore, gate: Gate, table: Address, fate: Fate
) -> None:
    await gated.commit([entry("a", 1), entry("b", 2)], NOW)
    results = [sent(each) for each in await gated.lane_heads("x", NOW, 9)]
    gate.fates["TransactWriteItems"] = [fate]
    with pytest.raises(StoreError):
        await gated.settle(results, NOW)
    await gated.settle(results, NOW)
    assert await gated.lane_heads("x", NOW, 9) == []
    async with opened(DynamoReader(table)) as reader:
        assert {each.state for each in await reader.deliveries(DeliveryQuery())} == {DeliveryState.SENT}


async def test_a_delivery_added_while_its_shard_is_read_stays_in_the_index(gated: DynamoStore, gate: Gate) -> None:
    await gated.commit([entry("a", 1)], NOW)
    for number in range(2, 30):
        reading = asyncio.create_task(gated.loaded.refresh(shard_of("a")))
        await asyncio.sleep(0.0005 * (number % 8))
        await gated.commit([entry("a", number)], NOW)
        (head,) = await gated.lane_heads("x", NOW, 9)
        await gated.settle([sent(head)], NOW)
        await reading
        assert await ids(gated) == [number]


async def test_refresh_sees_an_operators_changes(watchers: Watchers, table: Address) -> None:
    first, _ = await watchers(2)
    await first.set_sinks(["x"], NOW)
    await first.commit([entry("a", 1), entry("b", 2)], NOW)
    await first.settle([refused((await first.lane_heads("x", NOW, 1))[0])], NOW)
    async with opened(DynamoOutbox(table)) as outbox:
        assert await outbox.requeue([], None, NOW) == 1
        assert await outbox.requeue([], None, NOW) == 0
        assert await outbox.drop(event(2).id, None, NOW) == 1
        lease = await outbox.table.get(items.Key("L", f"S#{shard_of('a')}"))
    assert lease is not None
    assert lease["news"] == 1 + (shard_of("b") == shard_of("a"))
    await gather_all(first)
    assert await ids(first) == [1]


async def test_a_delivery_that_is_settled_after_its_shard_was_lost_is_settled(table: Address) -> None:
    async with opened(DynamoStore(replace(table, leases=True))) as store:
        assert await store.loaded.load(shard_of("a")) == {}
        await store.commit([entry("a", 1, 2)], NOW)
        (head,) = await store.lane_heads("x", NOW, 9)
        store.loaded.unload(shard_of("a"))
        assert await store.lane_heads("x", NOW, 9) == []
        assert await store.next_try("x", NOW) is None
        await store.settle([sent(head)], NOW)
        await store.loaded.load(shard_of("a"))
        assert await ids(store) == [2]


async def test_no_delivery_is_returned_while_the_lease_of_its_shard_is_uncertain(table: Address) -> None:
    good = {shard_of("a")}
    async with opened(DynamoStore(replace(table, leases=True), may_deliver=good.__contains__)) as store:
        await store.loaded.load(shard_of("a"))
        await store.commit([entry("a", 1)], NOW)
        good.clear()
        assert (await store.lane_heads("x", NOW, 9), await store.due("x", 9)) == ([], [])
        # It is asked for again soon, and a daemon that stops waits for it.
        assert await store.next_try("x", NOW) == LEASE_PAUSE_SECONDS
        assert await store.next_try("x", NOW, ["a"]) is None
        good.add(shard_of("a"))
        assert await store.next_try("x", NOW) == 0
        assert await ids(store) == [1]


async def test_deliveries_to_a_sink_of_another_configuration_stay_pending(watchers: Watchers) -> None:
    """A rolling deployment brings a sink: the old watcher may come to hold what waits for it."""
    old, new = await watchers(2)
    await old.set_sinks(["x"], NOW)
    await new.set_sinks(["x", "new"], NOW)
    await new.commit([Entry("a", ONE, [(event(1), ["x", "new"])])], NOW)
    await old.loaded.load(shard_of("a"))
    await old.loaded.refresh(shard_of("a"))
    assert await new.waiting() == {"x": 1, "new": 1}
    assert await ids(new, "new") == [1]


async def test_deliveries_that_an_old_daemon_leaves_for_a_removed_sink_become_dead_letters(
    watchers: Watchers, table: Address
) -> None:
    old, new = await watchers(2)
    await old.set_sinks(["x", "old"], NOW)
    await new.set_sinks(["x"], NOW)
    await old.commit([Entry("a", ONE, [(event(1), ["x", "old"])])], NOW)
    assert await ids(old, "old") == [1]
    await new.loaded.refresh(shard_of("a"))
    assert await new.waiting() == {"x": 1}
    assert await ids(old, "old") == []
    async with opened(DynamoReader(table)) as reader:
        dead = await reader.deliveries(DeliveryQuery(states=[DeliveryState.DEAD]))
    assert [(letter.sink, letter.answer) for letter in dead] == [("old", REMOVED)]


async def test_deliveries_to_a_sink_about_to_be_registered_stay_pending(watchers: Watchers) -> None:
    """A reload routes to a new sink before the removed sinks have answered, and a start replays before it registers."""
    reloading, old, starting = await watchers(3)
    for each in (reloading, old):
        await each.set_sinks(["x"], NOW)
    await reloading.commit([Entry("a", ONE, [(event(1), ["x", "new"])])], NOW)
    assert await starting.replay("replayed", NOW, lambda _: True) == 1
    for each in (reloading, old):
        await each.loaded.refresh(shard_of("a"))
        await each.loaded.load(shard_of("a"))
    assert await reloading.waiting() == await old.waiting() == {"x": 1, "new": 1, "replayed": 1}
    assert await old.registered_sinks() == {"x"}, "a crash now lets the next start replay it again"
    await starting.set_sinks(["x", "replayed"], NOW)
    await old.loaded.refresh(shard_of("a"))
    assert await old.waiting() == {"x": 1, "replayed": 1}, "the last start wins"


async def test_an_old_daemon_delivers_to_its_sink_when_the_one_that_removed_it_is_rolled_back(
    watchers: Watchers,
) -> None:
    old, new, former = await watchers(3)
    await former.commit([entry("b", 9, sinks=["gone"])], NOW)
    await old.set_sinks(["x", "old"], NOW)
    await new.set_sinks(["x"], NOW)
    await old.commit([Entry("a", ONE, [(event(1), ["x", "old"])])], NOW)
    await old.loaded.refresh(shard_of("b"))
    await old.loaded.load(shard_of("a"))
    assert await old.waiting() == {"x": 1, "old": 1}, "what waits for a sink that no daemon has becomes dead letters"
    assert await ids(old, "old") == [1]


async def test_an_event_that_gets_a_reminder_while_it_is_pruned_stays(watchers: Watchers) -> None:
    first, second = await watchers(2)
    request = ReminderRequest("x", "a", "watcher.sync.failed", MOMENT, 1.0)
    for number in range(8):
        await first.commit([entry("a", number)], NOW)
        await first.settle([sent(each) for each in await first.lane_heads("x", NOW, 9)], NOW)
        await asyncio.gather(first.remind([request], after(60)), second.prune(after(30), 9))
        waits = await first.lane_heads("x", after(60), 9)
        found = await second.find(event(number).id)
        assert len(found) >= len(waits)
        await first.settle([sent(each) for each in waits], after(60))


async def test_a_poll_that_changes_nothing_sends_no_request_to_the_table(gated: DynamoStore, gate: Gate) -> None:
    await gated.commit([entry("a", 1)], NOW)
    before = len(gate.seen)
    await gated.next_try("x", NOW)
    await gated.waiting()
    assert gate.seen[before:] == []


def test_every_subject_of_an_endpoint_is_of_one_shard() -> None:
    same = [
        ["a/r/proton", "a/r/template/SERVICE/x/1", "a/r/service-instance/s/n", "a/r/repository/proton/GITHUB/n/b/t"],
        ["a/r/codeconnections", "a/r/stack/x", "a/r/stack/y", "a/r/repository/codeconnections/l/b"],
    ]
    assert [len({shard_of(subject) for subject in subjects}) for subjects in same] == [1, 1]
    spread = {shard_of(f"account-{number}/r/proton") for number in range(200)}
    assert spread == set(range(SHARDS))
    # What is in tables by now: another hash would lose it.
    assert shard_of("default/us-east-1/codeconnections") == 10


@pytest.mark.parametrize("released", [False, True], ids=["recorded", "released"])
async def test_two_events_of_one_commit_keep_their_order_though_only_the_second_is_seen_yet(
    watchers: Watchers, monkeypatch: pytest.MonkeyPatch, *, released: bool
) -> None:
    """A query beside a transaction may show some of its items, and not yet the others."""
    first, second = await watchers(2)
    if released:
        await first.commit([entry("a", 1, 2, 3, sinks=())], NOW)
        await first.commit([Entry("a", ONE, released=[(event(number).id, ["x"]) for number in (1, 2, 3)])], NOW)
    else:
        await first.commit([entry("a", 1, 2, 3)], NOW)
    query, hidden = second.table.query, 2

    async def torn(k: str, prefix: str = "") -> list[items.Item]:
        return [item for item in await query(k, prefix) if item.get("number", 9e99) > third or "sink" not in item]

    third = min(row.place.number for row in first._lanes.index.due("x")[hidden:]) - 1
    monkeypatch.setattr(second.table, "query", torn)
    await second.loaded.refresh(shard_of("a"))
    assert [row.place.number for row in second._lanes.index.due("x")] == [
        row.place.number for row in first._lanes.index.due("x")
    ]
    assert numbers(await second.lane_heads("x", NOW, 5)) == [1]


async def test_tries_are_counted_once_when_settling_is_repeated(gated: DynamoStore, gate: Gate) -> None:
    await gated.commit([entry(f"subject {number}", number) for number in range(1, 23)], NOW)
    results = [later(head) for head in await gated.lane_heads("x", NOW, 100)]
    assert len(results) == 22
    gate.fates["TransactWriteItems"] = [Fate.ANSWER_LOST, Fate.PASSES, Fate.THROTTLED, Fate.THROTTLED]
    gate.fates["Query"] = [Fate.DENIED, Fate.PASSES, Fate.LOST]
    for _ in range(10):
        try:
            await gated.settle(results, NOW)
            break
        except StoreError:
            pass
    await gated.loaded.refresh(shard_of("subject 1"))
    waits = await gated.deliveries(DeliveryQuery(limit=100))
    assert {delivery.tries for delivery in waits} == {1}
    assert {row.tries for row in gated._lanes.index.due("x")} == {1}


async def test_a_try_that_was_written_without_an_answer_lets_nothing_pass_it(gated: DynamoStore, gate: Gate) -> None:
    """Also where the table cannot be read at that moment."""
    await gated.commit([entry("a", 1, 2)], NOW)
    (first,) = await gated.lane_heads("x", NOW, 9)
    gate.fates |= {"TransactWriteItems": [Fate.ANSWER_LOST], "Query": [Fate.DENIED]}
    for _ in range(2):
        with pytest.raises(StoreError):
            await gated.settle([later(first)], NOW)
        assert await gated.lane_heads("x", NOW, 9) in ([], [first])
    await gated.settle([later(first)], NOW)
    assert await gated.lane_heads("x", NOW, 9) == []
    (again,) = await gated.lane_heads("x", after(10), 9)
    assert (again.number, again.tries, again.failures) == (first.number, 1, 1)


async def test_what_was_committed_without_an_answer_stays_whole_though_another_watcher_wrote_after_it(
    gated: DynamoStore, gate: Gate, watchers: Watchers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the repeat came when AWS knew its token no more."""
    (other,) = await watchers(1)
    text = "".join(os.urandom(400_000).hex())
    batch = [Entry("a", ONE, [(event(1, text=text), ["x"])])]
    gate.fates |= {"TransactWriteItems": [Fate.ANSWER_LOST], "GetItem": [Fate.DENIED]}
    with pytest.raises(StoreError):
        await gated.commit(batch, NOW)
    await other.reload(["a"])
    await other.commit([Entry("a", TWO)], NOW)
    transact = gated.table.transact
    monkeypatch.setattr(gated.table, "transact", lambda operations, _: transact(operations))
    with pytest.raises(StoreConflict):
        await gated.commit(batch, NOW)
    (waits,) = await other.lane_heads("x", NOW, 9)
    assert text in waits.event.body


async def test_events_may_be_queried_after_any_number(watchers: Watchers) -> None:
    (store,) = await watchers(1)
    await store.commit([entry("a", 1)], NOW)
    assert await store.events(EventQuery(after=2**63 - 1, newest=False)) == []


async def test_dead_letters_of_one_event_are_all_requeued(watchers: Watchers, table: Address) -> None:
    (store,) = await watchers(1)
    sinks = [f"sink-{number}" for number in range(12)]
    await store.set_sinks(sinks, NOW)
    await store.commit([entry("a", 1, sinks=sinks)], NOW)
    await store.settle([refused((await store.lane_heads(sink, NOW, 1))[0]) for sink in sinks], NOW)
    async with opened(DynamoOutbox(table)) as outbox:
        assert await outbox.requeue([event(1).id], None, NOW) == 12


async def test_an_incomplete_event_delays_no_other_delivery(watchers: Watchers, table: Address) -> None:
    """A part of it was deleted, or the table was restored to a time during a commit."""
    (store,) = await watchers(1)
    text = "".join(os.urandom(400_000).hex())
    await store.commit(
        [Entry("a", ONE, [(event(1, text=text), ["x"])]), Entry("b", ONE, [(event(2, "b"), ["x"])])], NOW
    )
    store._outbox._events._events.clear()
    parts = Table(table)
    torn = [items.key_of(item) async for item in parts.scan("P#")]
    await parts.write(Delete(torn[0]))
    await parts.close()
    assert numbers(await store.lane_heads("x", NOW, 9)) == [2]
    assert await store.waiting() == {"x": 1}


async def test_a_superseded_commit_leaves_no_parts_of_long_texts(watchers: Watchers, table: Address) -> None:
    first, second = await watchers(2)
    text = "".join(os.urandom(400_000).hex())
    await first.commit([Entry("a", ONE)], NOW)
    with pytest.raises(StoreConflict):
        await second.commit([Entry("a", TWO, [(event(1, text=text), ["x"])])], NOW)
    parts = Table(table)
    assert [items.key_of(item) async for item in parts.scan("P#")] == []
    await parts.close()


async def test_a_streak_goes_on_with_what_was_requeued_meanwhile(watchers: Watchers, table: Address) -> None:
    (store, other) = await watchers(2)
    await store.set_sinks(["x"], NOW)
    await store.commit([entry("a", 1, 2)], NOW)
    await store.settle([refused((await store.lane_heads("x", NOW, 1))[0])], NOW)
    (second,) = await store.lane_heads("x", NOW, 1)
    async with opened(DynamoOutbox(table)) as outbox:
        assert await outbox.requeue([event(1).id], "x", NOW) == 1
    await store.loaded.refresh(shard_of("a"))
    await store.settle([given_up(second)], NOW)
    await other.loaded.refresh(shard_of("a"))
    for each in (store, other):
        assert await each.lane_heads("x", NOW, 1) == []
        (requeued,) = await each.lane_heads("x", after(10), 1)
        assert (requeued.event.id, requeued.failing_since, requeued.failures) == (event(1).id, NOW.timestamp(), 1)


async def test_a_daemon_that_reads_a_state_waits_for_the_rest_of_its_transaction(
    watchers: Watchers, gated: DynamoStore, gate: Gate
) -> None:
    """AWS may show a state before the deliveries that were written with it: they are asked for together, and then read.

    The emulator shows all at once, so this can only look at what is asked.
    """
    (other,) = await watchers(1)
    await other.commit([entry("a", 1)], NOW)
    together = ["TransactGetItems", "Query"]
    gate.seen.clear()
    await gated.loaded.load(shard_of("a"))
    assert gate.seen == ["Query", *together]
    gate.seen.clear()
    await gated.reload(["a"])
    assert gate.seen == ["GetItem", *together]
    gate.fates["TransactWriteItems"] = [Fate.ANSWER_LOST]
    gate.seen.clear()
    await gated.commit([entry("a", 2)], NOW)
    assert gate.seen[-3:] == ["TransactWriteItems", "GetItem", "TransactGetItems"]


async def test_a_repeat_is_the_same_request_by_the_same_token(gated: DynamoStore, gate: Gate) -> None:
    gate.fates["TransactWriteItems"] = [Fate.LOST, Fate.THROTTLED, Fate.BROKEN, Fate.PASSES]
    batch = [entry("a", 1)]
    for _ in range(3):
        with pytest.raises(StoreError):
            await gated.commit(batch, NOW)
    await gated.commit(batch, NOW)
    sent_out = [body for name, body in zip(gate.seen, gate.bodies, strict=True) if name == "TransactWriteItems"]
    assert len(sent_out) == 4
    assert b"ClientRequestToken" in sent_out[0]
    assert len({*sent_out}) == 1


async def test_the_first_of_two_outcomes_of_one_delivery_counts(watchers: Watchers) -> None:
    """Both had it in hand: one was refused what the other one's sink took."""
    first, second = await watchers(2)
    await first.commit([entry("a", 1)], NOW)
    await gather_all(second)
    (mine,), (theirs,) = await first.lane_heads("x", NOW, 9), await second.lane_heads("x", NOW, 9)
    await first.settle([sent(mine)], NOW)
    await second.settle([refused(theirs)], NOW)
    (only_one,) = await first.deliveries(DeliveryQuery(states=list(DeliveryState)))
    assert only_one.state is DeliveryState.SENT
    assert await second.waiting() == {}


async def test_an_event_is_not_pruned_if_it_got_a_reminder_after_it_was_found_unneeded(
    watchers: Watchers, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = await watchers(2)
    await first.commit([entry("a", 1)], NOW)
    await first.settle([sent((await first.lane_heads("x", NOW, 9))[0])], NOW)
    made_by_second = second.table.try_transact

    async def late(operations: Any) -> bool:
        assert await first.remind([ReminderRequest("x", "a", "watcher.sync.failed", MOMENT, 1.0)], after(60)) == 1
        return await made_by_second(operations)

    monkeypatch.setattr(second.table, "try_transact", late)
    assert await second.prune(after(30), 9) == 0
    (reminder,) = await first.lane_heads("x", after(60), 9)
    assert (reminder.event.id, reminder.reminder > 0) == (event(1).id, True)


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ({"text": "{}"}, "k=.*T#0.*: the item has no 'subject'"),
        ({"subject": 5, "tx": "1", "text": "{}"}, "the item.subject cannot be 5"),
        ({"subject": "a", "text": "{}"}, "the item has no 'tx'"),
        ({"subject": "a", "tx": "1", "text": 5}, "the item.text cannot be 5"),
        ({"subject": "a", "tx": "1", "text": "{}"}, "the state of a of form None"),
        ({"subject": "a", "tx": "1", "text": b"x"}, "the text of 'T#0' 'a' cannot be read"),
        ({"subject": "a", "tx": "1"}, "the text of 'T#0' 'a' cannot be read"),
        ({"subject": "a", "tx": "1", "count": 1}, "the text of 'T#0' 'a' cannot be read"),
    ],
)
async def test_a_state_that_watcher_never_writes_is_reported_with_its_key(
    table: Address, item: items.Item, words: str
) -> None:
    await write(table, {"k": "T#0", "s": "a", **item})
    async with opened(DynamoReader(table)) as reader:
        with pytest.raises(StoreError, match=f"^dynamodb://{table.table}: .*{words}"):
            await reader.records()


async def write(table: Address, item: items.Item) -> None:
    raw = Table(table)
    await raw.write(Put(item))
    await raw.close()


async def test_events_and_deliveries_that_watcher_never_writes_are_reported(watchers: Watchers, table: Address) -> None:
    (store,) = await watchers(1)
    await store.commit([entry("a", 1)], NOW)
    raw = Table(table)
    (body,), (waiting,) = await raw.query("E#a"), await raw.query(f"O#{shard_of('a')}")
    for odd, words in (
        (body | {"text": "no JSON"}, "the event .* of a cannot be read"),
        (body | {"number": "1"}, "the item.number cannot be"),
        (waiting | {"tries": "many"}, "the item.tries cannot be"),
        (waiting | {"state": "odd"}, "the item.state cannot be"),
        (waiting | {"owed": "odd"}, "the item.owed cannot be"),
        (waiting | {"recorded": -1}, "the item.recorded cannot be"),
    ):
        await raw.write(Put(odd))
        async with opened(DynamoReader(table)) as reader:
            with pytest.raises(StoreError, match=f"^dynamodb://{table.table}: .*{words}"):
                await reader.deliveries(DeliveryQuery())
        await raw.write(Put(body))
        await raw.write(Put(waiting))
    await raw.close()


async def test_an_attribute_of_another_type_is_reported(table: Address) -> None:
    raw = Table(table)
    odd = {"k": {"S": "T#0"}, "s": {"S": "a"}, "subject": {"M": {"x": {"NULL": True}}}}
    await raw.caller.call("PutItem", {"TableName": table.table, "Item": odd})
    with pytest.raises(StoreError, match="an attribute of type M, which is never written"):
        await raw.query("T#0")
    await raw.close()
