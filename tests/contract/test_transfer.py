"""State moves between stores and loses nothing: `watcher state export` and `import`."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contract.conftest import MOMENT, NOW, after, entry, event, given_up, later, refused, sent
from watcher.cli.running import opened
from watcher.core.attempts import SeenAttempt
from watcher.core.by_hand import Acknowledgement, HandMute
from watcher.core.deliveries import DeliveryState, ReminderRequest
from watcher.core.history import AttemptRow, IncidentRow
from watcher.core.listings import FoundTarget, Listing, ListingKey
from watcher.core.model import Attempt
from watcher.core.ports import Entry
from watcher.core.queries import DeliveryQuery, EventQuery
from watcher.core.state import Known, Outage, Record, Taken
from watcher.errors import StoreError, UsageError
from watcher.stores import mover_for, outbox_for, reader_for, store_for
from watcher.stores.dynamodb.shard_lanes import ShardLanes
from watcher.stores.transfer import Recorded, Sending, Sinks, State, lines, parts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.support.dynamodb_tables import Tables
    from watcher.core.ports import Store
    from watcher.stores.transfer import Part


STACK = FoundTarget((("name", "shop"),), {"branch": "main"}, times=2, missing=1, missing_since=NOW)
LISTING = Listing(ListingKey("default", "us-east-1", "stack"), NOW, (STACK,))
MUTE = HandMute("1a", ("prod/*",), (), NOW, after(60), "planned", "ada", after(30), "bob")
ACKNOWLEDGEMENT = Acknowledgement("7", "b", NOW, after(1), "ada")
ATTEMPT_ROW = AttemptRow("gone", SeenAttempt(NOW, "FAILED", 65.25, "62c0ffee", observed=False), {"team": "ü"})
INCIDENT_ROW = IncidentRow("gone", "8", NOW, after(9), removed=True)
RECORD = Record(Known(None, NOW, {"sha": "\ud800"}, failures=2), 7, Outage(NOW, "X", "why", 3))


@pytest.fixture
async def addresses(tmp_path: Path, tables: Tables) -> dict[str, list[str]]:
    """Two of each kind, empty."""
    found = [await tables() for _ in range(2)]
    urls = [f"{each}?region={each.region}&endpoint_url={each.endpoint_url}&leases=off&term=1s" for each in found]
    return {"sqlite": [f"sqlite:///{tmp_path}/{name}.db" for name in "ab"], "dynamodb": urls}


async def filled(address: str) -> None:
    """Everything that there may be."""
    store = store_for(address)
    await store.open()
    await store.set_sinks(["x", "y"], NOW)
    await store.mark_alive(NOW)
    await store.keep_listing(LISTING)
    await store.add_mute(MUTE)
    await store.acknowledge([ACKNOWLEDGEMENT])
    await store.commit([Entry("gone", Record(sequence=9), history=[ATTEMPT_ROW, INCIDENT_ROW])], NOW)
    await store.forget(["gone"], after(0.5))
    await store.commit([entry("a", 1, 2, 3, sinks="xy"), Entry("b", RECORD), entry("c", 4), entry("d", 5)], NOW)
    first, *_ = await store.due("x", 1)
    await store.settle([sent(first)], after(1))
    await store.settle([later(await _head(store, "a"))], after(2))
    await store.settle([refused(await _head(store, "c")), given_up(await _head(store, "d"))], after(3))
    await store.commit([entry("e", 6)], after(4))
    await store.settle([sent(await _head(store, "e"))], after(5))
    assert await store.remind([ReminderRequest("x", "e", "watcher.sync.failed", MOMENT, 10)], after(60)) == 1
    await store.close()
    outbox = outbox_for(address)
    await outbox.open()
    await outbox.drop(event(2).id, "y", after(70))
    await outbox.close()


async def _head(store: Store, subject: str) -> Any:
    return next(each for each in await store.lane_heads("x", after(1), 100) if each.event.subject == subject)


async def held(address: str) -> list[Any]:
    """All that a store tells, but for its own numbers."""
    store = store_for(address)
    await store.open()
    told = [
        await store.records(),
        await store.listings(),
        await store.by_hand(),
        sorted(await store.registered_sinks()),
        [kept for _, kept in await store.events(EventQuery(limit=1000))],
        await store.deliveries(DeliveryQuery(limit=1000)),
        [(each.id, each.tries, each.failures, each.failing_since) for each in await store.due("x", 100)],
        [each.id for each in await store.lane_heads("x", after(11), 100)],
        await store.next_try("x", after(2), "e"),
    ]
    await store.close()
    return told


async def moved(source: str, target: str) -> None:
    async with opened(mover_for(source)) as reader:
        text = [*lines([part async for part in reader.read()])]
    async with opened(mover_for(target)) as writer:
        await writer.write([*parts(text, "file")])


@pytest.mark.parametrize("source", ["sqlite", "dynamodb"])
@pytest.mark.parametrize("target", ["sqlite", "dynamodb"])
async def test_an_import_restores_everything_exported(
    addresses: dict[str, list[str]], source: str, target: str
) -> None:
    first, second = addresses[source][0], addresses[target][1]
    await filled(first)
    await moved(first, second)
    assert await held(second) == await held(first)
    async with opened(reader_for(second)) as reader:
        assert await reader.alive_at() is None, "no daemon has used the copy"


@pytest.mark.parametrize("kind", ["sqlite", "dynamodb"])
async def test_deliveries_go_on_after_an_import_where_they_were(addresses: dict[str, list[str]], kind: str) -> None:
    first, second = addresses["sqlite"][0], addresses[kind][1]
    await filled(first)
    await moved(first, second)
    store = store_for(second)
    await store.open()
    await store.commit([entry("a", 9)], after(80))
    lane = [int(each.event.id, 16) for each in await store.due("x", 100) if each.event.subject == "a"]
    assert lane == [2, 3, 9]
    head = await _head_at(store, 80)
    assert (head.tries, head.failures) == (1, 1)
    assert await store.replay("x", NOW, lambda _: True) == 0
    await store.close()


@pytest.mark.parametrize("kind", ["sqlite", "dynamodb"])
async def test_a_forgotten_subject_is_pruned_after_an_import_when_it_would_have_been(
    addresses: dict[str, list[str]], kind: str
) -> None:
    first, second = addresses[kind]
    await filled(first)
    await moved(first, second)
    store = store_for(second)
    await store.open()
    for moment, sequences in ((0.5, [9]), (0.75, [])):
        await store.prune(after(moment), 1)
        assert [
            record.sequence for subject, record in (await store.records()).items() if subject == "gone"
        ] == sequences
    await store.close()


async def _head_at(store: Store, seconds: float) -> Any:
    return next(each for each in await store.lane_heads("x", after(seconds), 100) if each.event.subject == "a")


@pytest.mark.parametrize("kind", ["sqlite", "dynamodb"])
@pytest.mark.parametrize(
    "keep",
    [
        lambda store: store.commit([Entry("z", Record())], NOW),
        lambda store: store.keep_listing(LISTING),
        lambda store: store.acknowledge([ACKNOWLEDGEMENT]),
    ],
    ids=["a state", "a listing", "an acknowledgement"],
)
async def test_a_store_that_holds_something_is_not_filled(
    addresses: dict[str, list[str]], kind: str, keep: Callable[[Store], Awaitable[object]]
) -> None:
    source, target = addresses["sqlite"][0], addresses[kind][1]
    await filled(source)
    store = store_for(target)
    await store.open()
    await keep(store)
    await store.close()
    before = await held(target)
    with pytest.raises(StoreError, match="already contains state"):
        await moved(source, target)
    assert await held(target) == before


async def test_an_import_that_was_cut_off_can_only_be_repeated(
    addresses: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watcher.stores.dynamodb.transfer.BATCH", 5)  # some are written before the cut
    source, target = addresses["sqlite"][0], addresses["dynamodb"][1]
    await filled(source)

    class CutError(Exception):
        pass

    async with opened(mover_for(source)) as reader:
        whole = [part async for part in reader.read()]

    def cut() -> Any:
        yield from whole
        raise CutError

    with pytest.raises(CutError):
        async with opened(mover_for(target)) as writer:
            await writer.write(cut())
    store = store_for(target)
    with pytest.raises(StoreError, match="import was interrupted"):
        await store.open()
    with pytest.raises(StoreError, match="import was interrupted"):
        await moved(target, addresses["sqlite"][1])
    await moved(source, target)
    assert await held(target) == await held(source)


async def test_deliveries_that_a_killed_daemon_still_owed_are_exported(
    addresses: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An event for more sinks than fit into one transaction."""
    source, target = addresses["dynamodb"][0], addresses["sqlite"][0]

    async def killed(*_: Any) -> None:
        raise StoreError("killed")

    store = store_for(source)
    await store.open()
    with monkeypatch.context() as patch:
        patch.setattr(ShardLanes, "write_owed", killed)
        with pytest.raises(StoreError):
            await store.commit([entry("a", 1, sinks=[f"sink-{number}" for number in range(150)])], NOW)
    await store.close()
    await moved(source, target)
    moved_to = store_for(target)
    await moved_to.open()
    assert sum((await moved_to.waiting()).values()) == 150
    await moved_to.close()


def broken(change: Callable[[list[str]], list[str]]) -> list[str]:
    return change([*lines([Recorded(1, 0.0, event(1)), Recorded(2, 0.0, event(2))])])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[:-1], "ends too early"),
        (lambda text: [*text[:2], text[-1]], "counts 2 lines, but there are 1"),
        (lambda text: [*text, text[1]], "follows the end"),
        (lambda _: [], "the file is empty"),
        (lambda text: ["{}", *text[1:]], "not an export of watcher"),
        (lambda text: [text[0].replace("1", "2"), *text[1:]], "another version"),
        (lambda text: [text[0].replace("1", "true"), *text[1:]], "watcher_state cannot be true"),
        (lambda text: [*text[:2], '{"end": true}'], "end cannot be true"),
        (lambda text: [*text, text[-1]], "follows the end"),
        (lambda text: [text[0], '{"other": 1}', *text[1:]], "'other' is unknown in this format"),
        (lambda text: [text[0], text[1][:20], *text[2:]], "not an export of watcher"),
        (lambda text: [text[0], "[]", *text[1:]], "it is not an object with one key"),
        (lambda text: [text[0], '{"sinks": "abc"}', *text[1:]], 'sinks cannot be "abc"'),
        (
            lambda text: [text[0], text[1].replace('"recorded":0.0', '"recorded":"x"'), *text[2:]],
            'event.recorded cannot be "x"',
        ),
        (
            lambda text: [text[0], text[1].replace('"recorded":0.0', '"recorded":1e400'), *text[2:]],
            "event.recorded cannot be Infinity",
        ),
        (
            lambda text: [text[0], text[1].replace('"number":1', '"number":true'), *text[2:]],
            "event.number cannot be true",
        ),
        (lambda text: [text[0], text[1].replace('"number":1', '"nummer":1'), *text[2:]], "has no 'number'"),
        (lambda text: [text[0], *[*lines([_orphan()])][1:2], *text[1:]], "the event of the delivery 9 is missing"),
        (lambda text: [*text[:3], text[1]], "state.jsonl:4: .* repeats an earlier line"),
        (lambda text: [text[0], *['{"sinks":[]}'] * 2], "state.jsonl:3: .* repeats an earlier line"),
        (lambda text: [text[0], *[*lines([State("a", RECORD)])][1:2] * 2], "state.jsonl:3: .* repeats an earlier line"),
        (lambda text: [text[0], *[*lines([LISTING])][1:2] * 2], "state.jsonl:3: .* repeats an earlier line"),
        (
            lambda text: [text[0], *[*lines([Recorded(9, 0.0, event(9)), _orphan(), _orphan()])][1:4]],
            "state.jsonl:4: .* repeats an earlier line",
        ),
    ],
)
def test_an_incomplete_or_foreign_file_is_refused(change: Callable[[list[str]], list[str]], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        list(parts(broken(change), "state.jsonl"))


def line(text: Any = None, **changes: Any) -> str:
    """A line with an event, or one that is changed."""
    told = json.loads([*lines([Recorded(1, 0.0, event(1))])][1])
    told["event"] |= changes
    return json.dumps(told) if text is None else str(text)


FAR = "0001-01-01T00:00:00+14:00"
"""A time before the first year of UTC."""

DEEP = "[" * 100_000 + "]" * 100_000
LINE = {"type": "ERROR", "event": "no", "time": MOMENT}
ATTEMPT = {"startedAt": MOMENT, "status": "FAILED", "targetRevision": {"sha": "a"}}
NESTED = json.dumps({**json.loads(event(1).body), "data": []})


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (DEEP, "the line is nested too deeply"),
        (line(body=DEEP), "event.body is nested too deeply"),
        (line(body="no JSON"), "Expecting value"),
        (line(body="5"), "event.body cannot be 5"),
        (line(body=NESTED), r"event.body.data cannot be \[\]"),
        (line(body=event(1, status=5).body), "event.body.data.status cannot be 5"),
        (line(body=event(1, attempt={"startedAt": MOMENT}).body), "attempt has no 'status'"),
        (line(body=event(1, attempt={"startedAt": FAR}).body), "attempt.startedAt cannot be"),
        (line(body=event(1, attempt=None).body), "data.attempt cannot be null"),
        (line(body=event(1, attempt=ATTEMPT | {"events": [{}]}).body), r"attempt.events\[0\] has no 'type'"),
        (line(body=event(1, attempt=ATTEMPT | {"events": [LINE | {"time": "x"}]}).body), 'time cannot be "x"'),
        (line(body=event(1, attempt=ATTEMPT | {"events": [LINE | {"event": 1}]}).body), "event cannot be 1"),
        (line(body=event(1, muted=None).body), "data.muted cannot be null"),
        (line(body=event(1, muted={"reason": None}).body), "muted has no 'until'"),
        (line(body=event(1, lasted_seconds=float("inf")).body), "lasted_seconds cannot be Infinity"),
        (line(time=FAR), "event.time cannot be"),
        (line(number=2**63), "event.number cannot be 9223372036854775808"),
        (line(number=-1), "event.number cannot be -1"),
        (line(recorded=10**12), "event.recorded cannot be 1000000000000"),
        (line(recorded=-1e10), "event.recorded cannot be -10000000000.0"),
        (line(subject="\ud800"), "event.subject cannot be"),
        (line('{"sinks": ["\\udfff"]}'), r"sinks\[0\] cannot be"),
        (line('{"state": {"subject": "a", "record": {"form": 1}}}'), "the state of a has no 'sequence'"),
        (line('{"state": {"subject": "a", "record": {"form": 1, "sequence": 1, "known": null}}}'), "outage"),
        (
            line('{"state": {"subject": "a", "record": {"form": 1, "sequence": 1e99}}}'),
            "the state of a.sequence cannot be",
        ),
        (
            line('{"state": {"subject": "a", "record": {"form": 1, "sequence": 1, "known": 5}}}'),
            "the state of a.known cannot be",
        ),
        (line("1" * 5000), "Exceeds the limit"),
    ],
)
def test_a_line_that_watcher_never_writes_is_refused_with_its_place(second: str, message: str) -> None:
    first, *_ = lines([])
    with pytest.raises(UsageError, match=f"^state.jsonl:2: this is not an export of watcher: .*{message}"):
        list(parts([first, second], "state.jsonl"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(st.data())
def test_a_line_with_any_one_value_replaced_is_imported_whole_or_refused(data: st.DataObject) -> None:
    whole = [*lines(_one_of_each())]
    at = data.draw(st.integers(1, len(whole) - 2))
    told = json.loads(whole[at])
    where, key = told, data.draw(st.sampled_from([*told]))
    while isinstance(where[key], dict) and where[key] and data.draw(st.booleans()):
        where = where[key]
        key = data.draw(st.sampled_from([*where]))
    where[key] = data.draw(JSON)
    whole[at] = json.dumps(told)
    with contextlib.suppress(UsageError):
        written = json.loads([*lines(parts(whole, "state.jsonl"))][at])
        assert written == told or "sinks" in told  # names that stand there twice are kept once


def _one_of_each() -> list[Part]:
    attempt = Attempt(NOW, "FAILED", "a", {"sha": "a"}, {"sha": "b"}, ({"type": "E", "event": "no", "time": MOMENT},))
    known = Known(
        attempt, NOW, {"sha": "c"}, latest_successful=attempt, missing=True, last_failure=NOW, last_success=NOW,
        stalled=NOW, older=NOW, older_answers=1, taken=(Taken(NOW, "FAILED", 2),),
    )  # fmt: skip
    sending = Sending(1, "a", "x", 0, DeliveryState.DEAD, 1, 2.0, 3.0, "no", 1, 2.0, 3.0)
    return [
        Sinks(("x",)),
        State("a", Record(known, 7, Outage(NOW, "X", "why", 3)), 5.0),
        LISTING,
        Recorded(1, 0.0, event(1)),
        sending,
    ]


async def test_an_import_goes_into_a_file_of_which_only_the_sinks_are_known(addresses: dict[str, list[str]]) -> None:
    first, second = addresses["sqlite"]
    await filled(first)
    store = store_for(second)
    await store.open()
    await store.set_sinks(["x", "z"], NOW)
    await store.close()
    await moved(first, second)
    assert await held(second) == await held(first)


def _orphan() -> Sending:
    return Sending(9, "a", "x", 0, DeliveryState.SENT)
