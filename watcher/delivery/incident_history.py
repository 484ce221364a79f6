"""Reads the earlier events of an incident: for the sinks that need them with a delivery, and to repeat open alerts."""

from collections.abc import AsyncIterator, Collection
from datetime import datetime

from watcher.core.deliveries import Delivery, DeliveryRecord, DeliveryState, Limits
from watcher.core.events import Event
from watcher.core.incidents import BEGUN_BY, State, incident_of
from watcher.core.model import parse_rfc3339
from watcher.core.ports import Reader
from watcher.core.queries import DeliveryQuery, EventQuery
from watcher.core.unfinished import commit_shown

MAX_EVENTS = 100
"""The most events of a subject that are read at a time."""

MAX_DELIVERIES = 1000
"""The most deliveries of events of one id to a sink that are read: the event's own, and its reminders."""

MAX_CHARACTERS = 4_000_000
"""The most characters that the events of one read have in all."""

END_WAS_SENT = "not sent: the end of the incident was sent before"
OPEN_AGAIN = "not sent: a later problem has opened the alert again"
LATER_STATUS = "not sent: a later status of the commit was sent before"
"""The recorded answers for what is too late."""

_NOT_DROPPED = (DeliveryState.WAITING, DeliveryState.SENT, DeliveryState.DEAD)


async def with_history(delivery: Delivery, limits: Limits, reader: Reader) -> Delivery:
    """Return the delivery with what its sink asks for of the earlier events of its incident (`Limits`).

    The event that opens an incident has no earlier ones. If the opening is no longer stored, the first stored event of
    the incident stands for it.
    """
    if not (limits.with_opening or limits.with_earlier):
        return delivery
    incident = incident_of(delivery.event)
    if not incident or (incident["state"] == State.OPENED and not delivery.reminder):
        return delivery
    opened_at = parse_rfc3339(incident["opened_at"])
    if limits.with_opening and incident["state"] != State.OPENED:
        opening = await _opening(reader, delivery.event.subject, incident["id"], opened_at)
        delivery = delivery._replace(opening=opening)
    if limits.with_earlier:
        delivery = delivery._replace(earlier=await _earlier(delivery, reader, incident["id"], opened_at))
    return delivery


async def too_late(delivery: Delivery, limits: Limits, reader: Reader) -> str | None:
    """Return why a sink with `ends_last` or `by_commit` must not be sent a delivery any more; None: it may be.

    An event of an incident is too late once the sink was sent the end of the incident: it would open the alert again.
    If the receiver has one alert for a subject (`Limits.by_subject`), an event of an incident that is over is also too
    late once the sink was sent a problem, but not the end, of a later incident: it would change the alert of that one.
    An event of a commit is too late for a sink with `by_commit` once it was sent a later one of the same commit.

    Only a requeued dead letter or a replayed event can be so late. Both have an answer (`Delivery.answer`), so nothing
    is read for deliveries without one. All later events are searched, however many there are.
    """
    if delivery.answer is None:
        return None
    if limits.by_commit:
        return LATER_STATUS if await _is_outdated(delivery, reader) else None
    if not limits.ends_last or not (incident := incident_of(delivery.event)):
        return None
    is_over, is_open = incident["state"] == State.RESOLVED, False
    async for _, event, ends in later_steps(reader, delivery.event.subject, delivery.number):
        if is_over and not limits.by_subject:
            return None
        if (ends or is_over) and await _was_sent(reader, delivery.sink, event):
            if not is_over:
                return END_WAS_SENT
            is_open = not ends
        is_over = is_over or ends
    return OPEN_AGAIN if is_open else None


async def _is_outdated(delivery: Delivery, reader: Reader) -> bool:
    """Return whether the sink was sent a later event of the commit."""
    if commit := commit_shown(delivery.event):
        async for _, event in _later(reader, delivery.event.subject, delivery.number):
            if commit_shown(event) == commit:
                sent = await _deliveries(reader, delivery.sink, event, [DeliveryState.SENT])
                if any(not each.reminder for each in sent):  # a reminder sets no status
                    return True
    return False


async def was_tried_elsewhere(delivery: Delivery, reader: Reader) -> bool:
    """Return whether a delivery that this daemon did not settle has an outcome: it was not dropped."""
    found = await _deliveries(reader, delivery.sink, delivery.event, [DeliveryState.SENT, DeliveryState.DEAD])
    return any(each.reminder == delivery.reminder for each in found)


async def latest_sent(delivery: Delivery, reader: Reader) -> Delivery | None:
    """Return the last problem or end that the sink was sent of the subject after a delivery; None: there is none."""
    latest = None
    async for number, event, _ in later_steps(reader, delivery.event.subject, delivery.number):
        if await _was_sent(reader, delivery.sink, event):
            latest = Delivery(number, delivery.sink, event)
    return latest


async def later_steps(reader: Reader, subject: str, number: int) -> AsyncIterator[tuple[int, Event, bool]]:
    """Yield the problems of a subject and the ends of its incidents after the event `number`, in their order.

    Each with its number, and whether it is an end.
    """
    async for each, event in _later(reader, subject, number):
        ends = incident_of(event).get("state") == State.RESOLVED
        if ends or event.type in BEGUN_BY:
            yield each, event, ends


async def _later(reader: Reader, subject: str, number: int) -> AsyncIterator[tuple[int, Event]]:
    """Yield all events of a subject after the event `number`, in their order, with their numbers."""
    while found := await reader.events(
        EventQuery(target=subject, after=number, limit=MAX_EVENTS, newest=False, size=MAX_CHARACTERS)
    ):
        number = found[-1][0]
        for each in found:
            yield each


async def end_of(reader: Reader, number: int, problem: Event) -> Event | None:
    """Return the end of the incident of a problem, the event `number`; None: it has not ended, or there is none."""
    incident = incident_of(problem).get("id")
    if problem.type not in BEGUN_BY or incident is None:
        return None
    async for _, event, ends in later_steps(reader, problem.subject, number):
        if incident_of(event).get("id") != incident:
            return None
        if ends:
            return event
    return None


async def _was_sent(reader: Reader, sink: str, event: Event) -> bool:
    return bool(await _deliveries(reader, sink, event, [DeliveryState.SENT]))


async def last_problem(reader: Reader, sink: str, subject: str, incident: str, opened_at: datetime) -> Delivery | None:
    """Return the last problem of an open incident that was for a sink, as a delivery with its opening; None: none was.

    A delivery that waits or became a dead letter counts, too, but not one that an operator dropped.
    """
    opening = await _opening(reader, subject, incident, opened_at)
    query = EventQuery(subject, [*BEGUN_BY], opened_at, limit=MAX_EVENTS, size=MAX_CHARACTERS)
    for number, event in reversed(await reader.events(query)):
        if incident_of(event).get("id") != incident:
            continue
        if await _deliveries(reader, sink, event, _NOT_DROPPED):
            return Delivery(number, sink, event, opening=opening)
    return None


async def _earlier(delivery: Delivery, reader: Reader, incident: str, opened_at: datetime) -> str | None:
    """Return what the sink said of the last delivery of the incident that it accepted, before this one.

    That is usually the event before. All events of the incident are searched only if the sink was sent none of them.
    """
    before = delivery.number + (delivery.reminder > 0)
    while found := await reader.events(
        EventQuery(delivery.event.subject, since=opened_at, before=before, limit=MAX_EVENTS, size=MAX_CHARACTERS)
    ):
        for _, event in reversed(found):
            if incident_of(event).get("id") != incident:
                continue
            if sent := await _deliveries(reader, delivery.sink, event, [DeliveryState.SENT]):
                return sent[-1].answer
        before = found[0][0]
    return None


async def _opening(reader: Reader, subject: str, incident: str, opened_at: datetime) -> Event | None:
    query = EventQuery(target=subject, since=opened_at, limit=MAX_EVENTS, newest=False, size=MAX_CHARACTERS)
    found = (event for _, event in await reader.events(query))
    return next((event for event in found if incident_of(event).get("id") == incident), None)


async def _deliveries(
    reader: Reader, sink: str, event: Event, states: Collection[DeliveryState]
) -> list[DeliveryRecord]:
    """Return the deliveries of an event to a sink.

    A target that failed when it left the configuration, and comes back, has a second event of the same id.
    """
    found = await reader.deliveries(DeliveryQuery(states, sink, event.id, limit=MAX_DELIVERIES))
    return [each for each in found if each.event.body == event.body]
