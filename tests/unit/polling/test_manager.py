"""What another configuration does to the polling: who keeps a turn, a client, a session; nothing is called here."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.support.tasks import running
from watcher.aws.sessions import Sessions
from watcher.cli.configuration import parse
from watcher.config.document import Document
from watcher.core.ports import Entry
from watcher.core.state import Known, Record
from watcher.errors import TargetUnreadable
from watcher.observability.daemon_view import TargetStatus
from watcher.observability.observer import Observers
from watcher.polling.manager import PollerManager
from watcher.polling.recorder import Recorder
from watcher.polling.schedule import Lane
from watcher.stores.memory import MemoryStore
from watcher.util.clock import SystemClock

if TYPE_CHECKING:
    from watcher.core.settings import Config
    from watcher.polling.poller import Poller

BASE = """
retry: {attempts: 2}
accounts:
  - {name: prod, regions: [us-east-1], role_arn: "arn:aws:iam::111122223333:role/a", endpoint_url: "http://127.0.0.1:1"}
  - {name: dev, regions: [us-east-1]}
stacks:
  - {name: a, account: prod, interval: 1h}
  - {name: b, account: prod, interval: 1h}
  - {name: c, account: prod, interval: 2h}
  - {name: d, account: dev}
"""
A, B, C = (f"prod/us-east-1/stack/{name}" for name in "abc")


def config(*edits: tuple[str, str]) -> Config:
    text = BASE
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new)
    return parse(Document("test", text.encode()), {}, lambda _: None)


class House:
    """A polling whose first looks are planned, as if it ran."""

    def __init__(self) -> None:
        clock, sessions = SystemClock(), Sessions()
        recorder = Recorder(MemoryStore(), clock, lambda: None, Observers())
        self.sessions = sessions
        self.polling = PollerManager(config(), sessions, recorder)
        for poller in self.polling._pollers.values():
            poller._planner.plan_first_polls(poller.endpoint.rate_limiter.allowed)

    def poller(self, account: str = "prod") -> Poller:
        (poller,) = (each for key, each in self.polling._pollers.items() if key.account == account)
        return poller

    def dues(self) -> dict[str, float | None]:
        return {target: self.poller()._planner.due(target) for target in (A, B, C)}

    def edit(self, *edits: tuple[str, str]) -> None:
        self.polling.reconfigure(config(*edits))


@pytest.fixture
async def house() -> House:
    return House()


async def test_targets_that_stay_keep_their_turns_whatever_else_changes(house: House) -> None:
    before, client = house.dues(), dict(house.polling.endpoints)
    house.edit(
        ("stacks:", "stacks:\n  - {name: new, account: prod}"),
        (
            "{name: b, account: prod, interval: 1h}",
            "{name: b, account: prod, interval: 1h, labels: {x: y}, timeout: 5s}",
        ),
        ("attempts: 2", "attempts: 3"),
    )
    assert house.dues() == before
    assert house.polling.endpoints == client
    assert house.poller()._planner.due("prod/us-east-1/stack/new") is not None
    assert house.poller()._targets[B].labels == {"x": "y"}


async def test_a_target_with_another_interval_has_its_turn_on_that_one_s_grid(house: House) -> None:
    before = house.dues()
    house.edit(("{name: b, account: prod, interval: 1h}", "{name: b, account: prod, interval: 10s}"))
    after = house.dues()
    assert (after[A], after[C]) == (before[A], before[C])
    due = after[B]
    assert due is not None
    assert 0 < due - SystemClock().monotonic() <= 10


async def test_an_edit_puts_no_poll_off(house: House) -> None:
    """Somebody who edits the interval again and again would else end the watch."""
    before = house.dues()
    for hours in (3, 4, 5, 6, 7):
        house.edit(("interval: 1h", f"interval: {hours}h"))
    after = house.dues()
    assert after[A] is not None
    assert before[A] is not None
    assert after[A] <= before[A]
    assert after[C] == before[C]


async def test_one_that_leaves_has_no_turn_and_no_trace(house: House) -> None:
    polls = house.poller().results._polls
    polls[B].answered = SystemClock().now()
    house.edit(("  - {name: b, account: prod, interval: 1h}\n", ""))
    assert house.dues()[B] is None
    assert B not in polls
    assert house.polling.target_status(B) == TargetStatus(
        answered=None, tried=None, next_poll=None, failures=0, polled_here=False
    )


async def test_one_that_is_being_polled_when_it_leaves_and_comes_back_has_one_turn_in_the_end(house: House) -> None:
    poller = house.poller()
    poller._planner._schedule.discard([B])
    poller._planner._polling.add(B)
    house.edit(("  - {name: b, account: prod, interval: 1h}\n", ""))
    house.edit()
    assert house.dues()[B] is None, "the poll that is under way brings it back"
    poller._planner.ended(B, 0.0, 0.0, recorded=True)
    assert len(poller._planner._schedule) == 3


@pytest.mark.parametrize(
    ("edit", "anew"),
    [
        (("role/a", "role/b"), True),
        (("http://127.0.0.1:1", "http://127.0.0.1:2"), True),
        (("retry:", "rate_limit: {concurrency: 3}\nretry:"), True),
        (("retry:", "rate_limit: {requests_per_second: 3}\nretry:"), False),
        (("attempts: 2", "attempts: 1"), False),
        (("{name: d, account: dev}", "{name: e, account: dev}"), False),
    ],
)
async def test_a_client_is_made_anew_only_for_what_it_is_made_from(
    house: House, edit: tuple[str, str], *, anew: bool
) -> None:
    key = house.poller().endpoint.key
    before, rate_limiter = house.polling.endpoints[key], house.polling._rate_limiters[key]
    house.edit(edit)
    assert (house.polling.endpoints[key] is not before) is anew
    assert house.poller().endpoint is house.polling.endpoints[key]
    assert house.polling.endpoints[key].rate_limiter is rate_limiter, "its rate counts the calls of the one before"


async def test_the_rate_is_the_one_that_is_configured_now(house: House) -> None:
    house.edit(("retry:", "rate_limit: {requests_per_second: 3}\nretry:"))
    assert {status.allowed for status in house.polling.endpoint_statuses().values()} == {3.0}


async def test_an_endpoint_that_comes_back_has_not_got_its_rate_anew(house: House) -> None:
    key = house.poller("dev").endpoint.key
    rate_limiter = house.polling._rate_limiters[key]
    house.edit(("  - {name: d, account: dev}\n", ""))
    assert key not in house.polling.endpoint_statuses()
    house.edit()
    assert house.polling.endpoints[key].rate_limiter is rate_limiter


async def test_sessions_of_credentials_that_nobody_has_any_more_are_let_go(house: House) -> None:
    accounts = config().accounts
    old = house.sessions.of(accounts["prod"], "us-east-1")
    dev = house.sessions.of(accounts["dev"], "us-east-1")
    house.edit(("role/a", "role/b"))
    now = config(("role/a", "role/b")).accounts
    assert house.sessions.of(now["prod"], "us-east-1") is not old
    assert house.sessions.of(now["dev"], "us-east-1") is dev
    assert len(house.sessions._sessions) == 2


async def test_what_was_recorded_before_a_target_was_forgotten_does_not_come_back() -> None:
    """A poll whose result waits for its commit when the target leaves the configuration."""
    store = MemoryStore()
    recorder = Recorder(store, SystemClock(), lambda: None, Observers())
    recording = [asyncio.create_task(recorder.record(Entry(subject, Record()))) for subject in (A, B)]
    forgetting = asyncio.create_task(recorder.forget([A]))
    later = asyncio.create_task(recorder.record(Entry(C, Record())))
    async with running(recorder.run()):
        await asyncio.gather(*recording, forgetting, later)
        assert set(recorder.records) == {B, C}
        assert set(await store.records()) == {B, C}


async def test_a_target_that_was_forgotten_goes_on_in_sequence() -> None:
    store = MemoryStore()
    first = Recorder(store, SystemClock(), lambda: None, Observers())
    async with running(first.run()):
        for subject in (A, B):
            await first.record(Entry(subject, Record(Known(None, datetime.now(UTC)), 3)))
        await first.forget([A])
        assert first.record_of(A) == Record(sequence=3)
    again = Recorder(store, SystemClock(), lambda: None, Observers())
    for _ in range(2):
        await again.load([C], lambda *_: [])
        assert again.records == await store.records() == {A: Record(sequence=3), B: Record(sequence=3)}


async def test_a_configuration_that_comes_before_the_first_turn_plans_nothing_twice() -> None:
    house = House()
    poller = house.poller()
    house.edit(("stacks:", "stacks:\n  - {name: new, account: prod}"))
    async with running(poller.run()):
        await asyncio.sleep(0)
        assert len(poller._planner._schedule._lanes[Lane.SETTLED]) == len(poller._planner._schedule) == 4


async def test_a_failure_of_one_that_has_left_is_no_failure_of_the_one_that_comes_back(house: House) -> None:
    poller = house.poller()
    target, endpoint = poller._targets[B], poller.endpoint

    async def fetch(*_: object, **__: object) -> None:
        house.edit(("  - {name: b, account: prod, interval: 1h}\n", ""))
        raise TargetUnreadable("ResourceNotFoundException", "no such stack")

    endpoint.fetch = fetch  # type: ignore[method-assign,assignment]
    poller._planner._schedule.discard([B])
    await poller._poll(endpoint, target, 0.0)
    house.edit()
    assert house.polling.target_status(B).failures == 0
    assert house.polling.target_status(B).tried is None


async def test_what_the_former_client_answers_after_a_change_says_nothing(house: House) -> None:
    """Its account may be another one by now."""
    poller = house.poller()
    target, endpoint = poller._targets[B], poller.endpoint

    async def fetch(*_: object, **__: object) -> object:
        house.edit(("http://127.0.0.1:1", "http://127.0.0.1:2"))
        return None  # whatever it is, nobody looks at it

    endpoint.fetch = fetch  # type: ignore[method-assign,assignment]
    poller._planner._schedule.discard([B])
    await poller._poll(endpoint, target, 0.0)
    assert house.polling.target_status(B).answered is None
    assert poller._recorder.records == {}
    assert house.dues()[B] is not None


async def test_a_client_that_is_let_go_before_it_was_open_stays_closed(house: House) -> None:
    key = house.poller().endpoint.key
    old = house.polling.endpoints[key]
    house.edit(("http://127.0.0.1:1", "http://127.0.0.1:2"))
    await old.close()
    await old._client.prepare()
    assert old._client._current is None
