"""`deliveries`: what is pending for a sink or was given up, and what an operator can do about it."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

import click

from watcher.cli.options import config_option, examples, load_config, only_config, print_note, refuse_unknown_sink
from watcher.cli.output.deliveries import Backlog, print_backlog, print_backlog_json
from watcher.cli.running import liveness_of, opened, run_to_end
from watcher.core.deliveries import DeliveryRecord, DeliveryState
from watcher.core.ports import Outbox, Reader
from watcher.core.queries import DeliveryQuery
from watcher.core.settings import Config
from watcher.errors import UsageError
from watcher.messages.phrases import counted
from watcher.stores import outbox_for, reader_for
from watcher.util.clock import SystemClock
from watcher.util.redaction import printable

Counts = Mapping[tuple[str, DeliveryState], int]

sink_option = click.option("--sink", metavar="NAME", help="Only deliveries to this sink.")


@click.group(
    invoke_without_command=True,
    subcommand_metavar="[COMMAND] [ARGS]...",
    epilog=examples(
        "watcher deliveries",
        "watcher deliveries --dead --sink ops",
        "watcher deliveries retry --sink ops",
        "watcher deliveries drop 1f3b0c3e9d1c4a6f8f5b7a9c0d2e4f61",
    ),
)
@config_option
@click.option("--dead", is_flag=True, help="Only dead letters.")
@sink_option
@click.option("--limit", metavar="NUMBER", type=click.IntRange(1, 1_000_000), default=50, show_default=True,
              help="Show the oldest deliveries of each sink, at most this many.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON Lines: one object for each delivery.")
@click.pass_context
def deliveries(
    context: click.Context, config: str | None, sink: str | None, limit: int, *, dead: bool, as_json: bool
) -> int:
    """Show the pending deliveries and dead letters of each sink, oldest first.

    A pending delivery has the state WAITING: it is retried until the sink accepts it. A dead letter has the state DEAD:
    the sink rejected it, or did not accept it in time. Deliveries to a sink with the same state and the same response
    are shown as one row; --json lists each of them.
    """
    if context.invoked_subcommand is not None:
        only_config(context)
        return 0

    settings = load_config(config)
    found = run_to_end(backlogs(settings, sink, limit, dead=dead))
    if as_json and not any(backlog.deliveries for backlog in found):
        print_note("there are no dead letters" if dead else "there are no pending deliveries and no dead letters")
    for backlog in found:
        if as_json:
            print_backlog_json(backlog)
        else:
            print_backlog(backlog, SystemClock().now())
    return 0


@deliveries.command(
    epilog=examples(
        "watcher deliveries retry",
        "watcher deliveries retry --sink ops",
        "watcher deliveries retry 1f3b0c3e9d1c4a6f8f5b7a9c0d2e4f61",
    )
)
@config_option
@sink_option
@click.argument("ids", metavar="[ID]...", nargs=-1)
def retry(config: str | None, sink: str | None, ids: Sequence[str]) -> int:
    """Requeue dead letters: all, or those of the events with these IDs.

    A running daemon sends them within seconds; otherwise they are sent after the next start. With a problem, the end of
    its incident is requeued for the same sinks.
    """
    count, kept = run_to_end(requeue(load_config(config), ids, sink))
    if kept and not count:
        raise UsageError(kept)
    click.echo(f"Requeued {counted(count, 'dead letter')}." if count else "There are no dead letters.")
    if kept:
        print_note(kept)
    return 0


@deliveries.command(
    epilog=examples(
        "watcher deliveries drop 1f3b0c3e9d1c4a6f8f5b7a9c0d2e4f61",
        "watcher deliveries drop 1f3b0c3e9d1c4a6f8f5b7a9c0d2e4f61 --sink ops",
    )
)
@config_option
@sink_option
@click.argument("event_id", metavar="ID")
def drop(config: str | None, sink: str | None, event_id: str) -> int:
    """Cancel an event's pending deliveries and dead letters.

    They are never sent. --sink limits this to one sink. A sink that was sent no other problem of the incident is not
    sent its end either, unless its own filters let that through.
    """
    count, ends = run_to_end(drop_deliveries(load_config(config), event_id, sink))
    click.echo(f"Canceled {counted(count, 'delivery')}.")
    if ends:
        print_note(f"the end of its incident is not sent to {', '.join(map(printable, ends))} either")
    return 0


async def backlogs(settings: Config, sink: str | None, limit: int, *, dead: bool) -> list[Backlog]:
    """Return the backlog of each sink, or of one; with `dead` only its dead letters are listed."""
    states = [DeliveryState.DEAD] if dead else [DeliveryState.WAITING, DeliveryState.DEAD]
    async with opened(reader_for(settings.state)) as reader:
        counts = await reader.counts()
        names = _selected_sinks(settings, counts, sink)
        await liveness_of(reader, settings.state)
        return [await _backlog(reader, settings, name, counts, states, limit) for name in names]


async def requeue(settings: Config, ids: Sequence[str], sink: str | None) -> tuple[int, str]:
    """Make dead letters pending again; return how many, and why others stay dead letters (or an empty text).

    Raises:
        UsageError: one of the events has no dead letter; then nothing is changed.
    """
    from watcher.cli.incident_ends import requeue_ends  # noqa: PLC0415  it loads what `--help` does not need

    async with opened(outbox_for(settings.state)) as outbox:
        _selected_sinks(settings, await outbox.counts(), sink)
        dead = {event_id: await _dead_letters(outbox, [event_id], sink) for event_id in ids}
        if others := [event_id for event_id, found in dead.items() if not found]:
            raise UsageError(f"no dead letter for {_events(others, sink)}; nothing was changed")
        now = SystemClock().now()
        count = await outbox.requeue(ids, sink, now)
        count += await requeue_ends(outbox, dead, now)
        return count, _why_they_stay(settings, await _dead_letters(outbox, ids, sink), await outbox.registered_sinks())


async def drop_deliveries(settings: Config, event_id: str, sink: str | None) -> tuple[int, list[str]]:
    """Cancel an event's pending deliveries and dead letters; return how many, and to which sinks its end is not sent.

    Raises:
        UsageError: the event has none.
    """
    from watcher.cli.incident_ends import drop_ends  # noqa: PLC0415  it loads what `--help` does not need

    async with opened(outbox_for(settings.state)) as outbox:
        _selected_sinks(settings, await outbox.counts(), sink)
        now = SystemClock().now()
        dropped = await outbox.drop(event_id, sink, now)
        ends = await drop_ends(outbox, settings, event_id, now) if dropped else []
    if not dropped:
        raise UsageError(f"no pending or dead-lettered delivery for {_events([event_id], sink)}")
    return dropped, ends


def _selected_sinks(settings: Config, counts: Counts, name: str | None) -> Sequence[str]:
    """Return the sink `name`, or by default the configured sinks and then others that have deliveries in the store."""
    configured, stored = (sink.name for sink in settings.sinks), sorted(sink for sink, _ in counts)
    known = [*dict.fromkeys([*configured, *stored])]
    refuse_unknown_sink(name, known, "--sink")
    return known if name is None else [name]


async def _backlog(
    reader: Reader, settings: Config, sink: str, counts: Counts, states: Iterable[DeliveryState], limit: int
) -> Backlog:
    # One query for each state: the store has those in order, however many other deliveries there are.
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


async def _dead_letters(outbox: Outbox, ids: Sequence[str], sink: str | None) -> Counter[str]:
    """Return the number of dead letters of these events (none given: of all events), by sink."""
    if not ids:
        counts = (await outbox.counts()).items()
        return Counter({name: n for (name, state), n in counts if state is DeliveryState.DEAD and sink in (None, name)})
    found: Counter[str] = Counter()
    for event_id in ids:
        query = DeliveryQuery([DeliveryState.DEAD], sink, event_id)
        found.update(delivery.sink for delivery in await outbox.deliveries(query))
    return found


def _why_they_stay(settings: Config, stay: Counter[str], registered: Collection[str]) -> str:
    configured = {sink.name for sink in settings.sinks}

    def why(sink: str) -> str:
        if sink not in configured:
            return "it is not in the configuration; add it again and start `watcher run`, or drop them"
        if sink not in registered:
            return "no daemon has used this sink yet; start `watcher run` first"
        return "the next reminder is sent on schedule"

    return "; ".join(
        f"{counted(count, 'dead letter')} for the sink {printable(sink)} cannot be requeued: {why(sink)}"
        for sink, count in sorted(stay.items())
    )


def _events(ids: Sequence[str], sink: str | None) -> str:
    what = "event ID" if len(ids) == 1 else "event IDs"
    return f"{what} {', '.join(map(printable, ids))}" + (f" and sink {printable(sink)}" if sink else "")
