"""What becomes of an alert whose opening or end became a dead letter, and is requeued: nothing stays open for ever."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import pytest
from pydantic import SecretStr

from tests.integration.posting_sinks import REACH
from tests.integration.receiver import Received, Reply, receiving
from tests.support.event_samples import NETWORK, attempt, sync
from tests.support.incidents import FAILED_AGAIN, FAILED_EVENT, MENDED, RETRIED, Jsm, PagerDuty, within
from tests.support.slack_workspace import Workspace, answer
from tests.support.tasks import running
from tests.support.waiting import until
from watcher.cli.incident_ends import requeue_ends
from watcher.core.deliveries import DeliveryState
from watcher.core.model import FAILED, SUCCEEDED
from watcher.core.ports import Entry
from watcher.core.queries import DeliveryQuery, EventQuery
from watcher.core.state import Record
from watcher.delivery.incident_history import END_WAS_SENT, OPEN_AGAIN
from watcher.delivery.relay import Relay
from watcher.sinks.jsm import JsmOptions
from watcher.sinks.pagerduty import PagerDutyOptions
from watcher.sinks.slack import SlackOptions
from watcher.stores.sqlite.store import SqliteOutbox, SqliteStore
from watcher.util.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from watcher.core.events import Event


@dataclass
class Vendor:
    """A service that may refuse everything for good."""

    service: Any
    options: type[Any]
    keys: Callable[[Any], dict[str, Any]]
    refusal: Reply
    shows_open: Callable[[Any], bool]
    refuses: bool = False

    def answer(self, request: Received) -> Reply:
        reply: Reply = self.refusal if self.refuses else self.service.answer(request)
        return reply


def vendor(name: str) -> Vendor:
    match name:
        case "pagerduty":
            return Vendor(
                PagerDuty(), PagerDutyOptions,
                lambda service: {"routing_key": SecretStr(service.key), "changes": False},
                Reply(400), lambda service: bool(service.open),
            )  # fmt: skip
        case "jsm":
            return Vendor(
                Jsm(), JsmOptions, lambda service: {"api_key": SecretStr(service.key)},
                Reply(422), lambda service: bool(service.open),
            )  # fmt: skip
    return Vendor(
        Workspace(), SlackOptions,
        lambda service: {"bot_token": SecretStr(service.token), "channel": "#ops", "template": None},
        answer(error="invalid_blocks"),
        lambda service: [*service.messages.values()][-1].title.startswith("🔴"),
    )  # fmt: skip


class Delivering:
    """A store and a daemon's relay with one sink."""

    def __init__(self, made: Vendor, store: SqliteStore, outbox: SqliteOutbox, relay: Relay) -> None:
        self.made = made
        self.store, self._outbox, self._relay = store, outbox, relay

    async def records(self, event: Event, sequence: int, *, refused: bool = False) -> str:
        """Record an event, and return what became of its delivery."""
        self.made.refuses = refused
        await self.store.commit([Entry(event.subject, Record(sequence=sequence), [(event, ["ops"])])], _now())
        return await self.outcome(event)

    async def requeues(self, event: Event) -> str:
        self.made.refuses = False
        assert await self._outbox.requeue([event.id], "ops", _now()) == 1
        return await self.outcome(event)

    async def requeues_with_end(self, event: Event) -> None:
        self.made.refuses = False
        assert await self._outbox.requeue([event.id], "ops", _now()) == 1
        assert await requeue_ends(self._outbox, {event.id: ["ops"]}, _now()) == 1

    async def is_sent(self, event: Event) -> bool:
        self._relay.wake()
        return bool(await self.store.deliveries(DeliveryQuery([DeliveryState.SENT], event_id=event.id)))

    async def outcome(self, event: Event) -> str:
        query = DeliveryQuery([DeliveryState.SENT, DeliveryState.DEAD], event_id=event.id)
        self._relay.wake()

        async def ended() -> bool:
            return bool(await self.store.deliveries(query))

        await until(ended, "an outcome")
        return (await self.store.deliveries(query))[0].answer or ""


def _now() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def delivering(file: Path, made: Vendor) -> AsyncIterator[Delivering]:
    async with receiving(answer=made.answer) as receiver:
        url = receiver.url("")
        keys = {**REACH, "url": SecretStr(url) if made.options is SlackOptions else url, **made.keys(made.service)}
        options = made.options.model_construct(name="ops", type="", **keys)
        store, outbox, unused = SqliteStore(file), SqliteOutbox(file), cast("Any", None)
        await store.open()
        await outbox.open()
        await store.set_sinks(["ops"], _now())
        relay = Relay(store, [options.build(unused, unused)], SystemClock(), {"ops": 3600.0})
        try:
            async with running(relay.run()):
                yield Delivering(made, store, outbox, relay)
        finally:
            await relay.close()
            await outbox.close()
            await store.close()


@pytest.mark.parametrize("name", ["pagerduty", "jsm", "slack"])
async def test_an_opening_that_is_requeued_after_the_end_opens_nothing(tmp_path: Path, name: str) -> None:
    made = vendor(name)
    async with delivering(tmp_path / "state.db", made) as through:
        assert "refused" in await through.records(FAILED_EVENT, 1, refused=True)
        await through.records(MENDED, 2)
        assert not made.shows_open(made.service)
        assert await through.requeues(FAILED_EVENT) == END_WAS_SENT
        assert not made.shows_open(made.service)


async def test_an_opening_that_is_requeued_long_after_the_end_opens_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watcher.delivery.incident_history.MAX_EVENTS", 1)
    made = vendor("pagerduty")
    async with delivering(tmp_path / "state.db", made) as through:
        assert "refused" in await through.records(FAILED_EVENT, 1, refused=True)
        later = sync(attempt(SUCCEEDED, number=20), target=NETWORK, after=20)
        for sequence, event in enumerate((FAILED_AGAIN, RETRIED, MENDED, later), start=2):
            await through.records(event, sequence)
        assert await through.requeues(FAILED_EVENT) == END_WAS_SENT
        assert not made.shows_open(made.service)


@pytest.mark.parametrize("name", ["pagerduty", "jsm", "slack"])
async def test_an_opening_and_an_end_that_are_requeued_open_and_close(tmp_path: Path, name: str) -> None:
    made = vendor(name)
    async with delivering(tmp_path / "state.db", made) as through:
        await through.records(FAILED_EVENT, 1, refused=True)
        await through.records(MENDED, 2, refused=True)
        assert await through.requeues(FAILED_EVENT) != END_WAS_SENT
        assert made.shows_open(made.service)
        await through.requeues(MENDED)
        assert not made.shows_open(made.service)


@pytest.mark.parametrize("name", ["pagerduty", "jsm", "slack"])
async def test_an_opening_whose_end_is_requeued_with_it_leaves_nothing_open(tmp_path: Path, name: str) -> None:
    made = vendor(name)
    async with delivering(tmp_path / "state.db", made) as through:
        await through.records(FAILED_EVENT, 1, refused=True)
        await through.records(MENDED, 2, refused=True)
        await through.requeues_with_end(FAILED_EVENT)
        await until(lambda: through.is_sent(MENDED), "the end is sent")
        assert not made.shows_open(made.service)


LATER_FAILED = within(sync(attempt(FAILED, number=20), target=NETWORK, after=20), "opened", "failed", id_="later")
OBSERVED_AGAIN = within(FAILED_EVENT, "opened", "failed", muted={"reason": None, "until": None}, sequence=3)
LATER_MENDED = within(
    sync(attempt(SUCCEEDED, number=22), target=NETWORK, after=22, recovered=True), "resolved", "failed", id_="later",
    seconds=120.0,
)  # fmt: skip


@pytest.mark.parametrize("name", ["pagerduty", "jsm", "slack"])
async def test_an_end_that_is_requeued_while_a_later_incident_is_open_does_not_close_that(
    tmp_path: Path, name: str
) -> None:
    made = vendor(name)
    async with delivering(tmp_path / "state.db", made) as through:
        await through.records(FAILED_EVENT, 1)
        assert "refused" in await through.records(MENDED, 2, refused=True)
        await through.records(LATER_FAILED, 3)
        answer = await through.requeues(MENDED)
        assert (answer == OPEN_AGAIN) == (name != "slack")  # which has a message for each incident
        assert made.shows_open(made.service)
        await through.records(LATER_MENDED, 4)
        assert not made.shows_open(made.service)


@pytest.mark.parametrize("name", ["pagerduty", "jsm"])
async def test_nothing_of_an_incident_that_is_over_is_sent_while_a_later_one_is_open(tmp_path: Path, name: str) -> None:
    made = vendor(name)
    async with delivering(tmp_path / "state.db", made) as through:
        await through.records(FAILED_EVENT, 1, refused=True)
        await through.records(MENDED, 2, refused=True)
        await through.records(LATER_FAILED, 3)
        assert [await through.requeues(each) for each in (FAILED_EVENT, MENDED)] == [OPEN_AGAIN, OPEN_AGAIN]
        assert made.shows_open(made.service)
        await through.records(LATER_MENDED, 4)
        assert not made.shows_open(made.service)


async def test_an_end_that_is_requeued_closes_its_alert_though_a_later_event_of_the_same_id_was_not_for_the_sink(
    tmp_path: Path,
) -> None:
    """The target left while it failed, and came back while it was muted."""
    made = vendor("pagerduty")
    async with delivering(tmp_path / "state.db", made) as through:
        await through.records(FAILED_EVENT, 1)
        assert "refused" in await through.records(MENDED, 2, refused=True)
        await through.store.commit([Entry(NETWORK.id, Record(sequence=3), [(OBSERVED_AGAIN, [])])], _now())
        await through.requeues(MENDED)
        assert not made.shows_open(made.service)


@pytest.mark.parametrize("name", ["pagerduty", "jsm"])
async def test_an_opening_and_an_end_that_are_requeued_after_a_later_incident_open_and_close(
    tmp_path: Path, name: str
) -> None:
    made = vendor(name)
    async with delivering(tmp_path / "state.db", made) as through:
        await through.records(FAILED_EVENT, 1, refused=True)
        await through.records(MENDED, 2, refused=True)
        await through.records(LATER_FAILED, 3)
        await through.records(LATER_MENDED, 4)
        await through.requeues(FAILED_EVENT)
        assert await through.requeues(MENDED) != OPEN_AGAIN
        assert not made.shows_open(made.service)


async def test_later_events_are_read_only_for_what_was_tried_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, queries = vendor("pagerduty"), list[EventQuery]()
    read = SqliteStore.events

    async def events(store: SqliteStore, query: EventQuery) -> list[tuple[int, Event]]:
        queries.append(query)
        return await read(store, query)

    monkeypatch.setattr(SqliteStore, "events", events)
    async with delivering(tmp_path / "state.db", made) as through:
        for sequence, event in enumerate((FAILED_EVENT, RETRIED, FAILED_AGAIN, MENDED), start=1):
            await through.records(event, sequence)
        assert queries == []
        await through.records(LATER_FAILED, 5, refused=True)
        await through.requeues(LATER_FAILED)
        assert queries != []
