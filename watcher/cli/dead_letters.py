"""What the `deliveries` commands read and change in the store; loaded when one of them runs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from watcher.cli.options import refuse_unknown_sink
from watcher.cli.output import Backlog
from watcher.cli.state_reading import liveness_of, opened
from watcher.core.ports import DeliveryQuery, DeliveryState
from watcher.errors import UsageError
from watcher.stores import outbox_for, reader_for
from watcher.util.clock import SystemClock
from watcher.util.redaction import printable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from watcher.core.ports import DeliveryRecord, Outbox, Reader
    from watcher.core.settings import Config

    Counts = Mapping[tuple[str, DeliveryState], int]


async def backlogs(settings: Config, sink: str | None, limit: int, *, dead: bool) -> list[Backlog]:
    """What each sink, or one, did not take; with `dead` only the dead letters are listed.

    Raises:
        click.BadParameter: there is no such sink.
    """
    states = [DeliveryState.DEAD] if dead else [DeliveryState.WAITING, DeliveryState.DEAD]
    async with opened(reader_for(settings.state)) as reader:
        counts = await reader.counts()
        names = _known(settings, counts, sink)
        await liveness_of(reader, settings.state)
        return [await _backlog(reader, settings, name, counts, states, limit) for name in names]


async def revive(settings: Config, ids: Sequence[str], sink: str | None) -> tuple[int, str]:
    """Let dead letters wait again; how many there are, and why others stay dead (or nothing).

    Raises:
        UsageError: one of the events has no dead letter; then none is tried.
        click.BadParameter: there is no such sink.
    """
    async with opened(outbox_for(settings.state)) as outbox:
        _known(settings, await outbox.counts(), sink)
        others = [event_id for event_id in ids if not await _dead(outbox, [event_id], sink)]
        if others:
            raise UsageError(f"there is no dead letter of {_named(others, sink)}; nothing was changed")
        revived = await outbox.requeue(ids, sink, SystemClock().now())
        return revived, _why_they_stay(settings, await _dead(outbox, ids, sink), await outbox.registered_sinks())


async def drop(settings: Config, event_id: str, sink: str | None) -> int:
    """Let an event's deliveries not be sent; returns how many.

    Raises:
        UsageError: there is none that could still be.
        click.BadParameter: there is no such sink.
    """
    async with opened(outbox_for(settings.state)) as outbox:
        _known(settings, await outbox.counts(), sink)
        dropped = await outbox.drop(event_id, sink, SystemClock().now())
    if not dropped:
        raise UsageError(f"nothing waits, and nothing is dead, of {_named([event_id], sink)}")
    return dropped


def letters(count: int) -> str:
    """So many dead letters, in words."""
    return f"{count} dead letter{'' if count == 1 else 's'}"


def _known(settings: Config, counts: Counts, asked: str | None) -> Sequence[str]:
    """The sinks that are meant: the configured ones in their order, then those of which something is left."""
    configured = [sink.name for sink in settings.sinks]
    known = [*configured, *sorted({sink for sink, _ in counts} - set(configured))]
    refuse_unknown_sink(asked, known, "--sink")
    return known if asked is None else [asked]


async def _backlog(
    reader: Reader, settings: Config, sink: str, counts: Counts, states: Iterable[DeliveryState], limit: int
) -> Backlog:
    # State by state: so the store has them in order, however many were sent.
    found: list[DeliveryRecord] = []
    for state in states:
        found += await reader.deliveries(DeliveryQuery([state], sink, limit=limit))
    found.sort(key=lambda delivery: delivery.recorded)
    oldest = await reader.deliveries(DeliveryQuery([DeliveryState.WAITING], sink, limit=1))
    return Backlog(
        sink,
        configured=any(each.name == sink for each in settings.sinks),
        waiting=counts.get((sink, DeliveryState.WAITING), 0),
        dead=counts.get((sink, DeliveryState.DEAD), 0),
        since=oldest[0].recorded if oldest else None,
        deliveries=found[:limit],
    )


async def _dead(outbox: Outbox, ids: Sequence[str], sink: str | None) -> Counter[str]:
    """How many dead letters there are of these events (empty: all), by sink."""
    found: Counter[str] = Counter()
    for event_id in ids:
        query = DeliveryQuery([DeliveryState.DEAD], sink, event_id)
        found.update(delivery.sink for delivery in await outbox.deliveries(query))
    if not ids:
        for (name, state), count in (await outbox.counts()).items():
            if state is DeliveryState.DEAD and sink in (None, name):
                found[name] += count
    return found


def _why_they_stay(settings: Config, stay: Counter[str], enlisted: Collection[str]) -> str:
    configured = {sink.name for sink in settings.sinks}

    def why(sink: str) -> str:
        if sink not in configured:
            return "it is not in the configuration; put it back and start `watcher run`, or drop them"
        if sink not in enlisted:
            return "it is new; start `watcher run` with it first"
        return "they are reminders, of which the next comes by itself"

    return "; ".join(
        f"{letters(count)} of the sink {printable(sink)} cannot be tried anew: {why(sink)}"
        for sink, count in sorted(stay.items())
    )


def _named(ids: Sequence[str], sink: str | None) -> str:
    return ", ".join(map(printable, ids)) + (f" for the sink {printable(sink)}" if sink else "")
