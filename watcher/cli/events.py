"""`events` and `events explain`: what has happened, and what became of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from watcher.cli.options import (
    config_option,
    duration_option,
    examples,
    json_option,
    load_config,
    only_config,
    print_note,
)  # fmt: skip
from watcher.cli.output.console import print_json, print_table
from watcher.cli.output.deliveries import explanation_to_json, explanations_table
from watcher.cli.output.events import EventPrinter
from watcher.cli.running import liveness_of, opened, run_to_end
from watcher.core.event_types import ALL_EVENT_TYPES
from watcher.core.ports import Reader
from watcher.core.queries import DeliveryQuery, EventQuery
from watcher.core.settings import Config
from watcher.delivery.explain import explain as explain_event
from watcher.errors import UsageError
from watcher.sources.subjects import subject_matches
from watcher.stores import reader_for
from watcher.stores.event_cursor import cursor_at_end
from watcher.util.globs import matches
from watcher.util.redaction import printable

if TYPE_CHECKING:
    from watcher.core.events import Event
    from watcher.delivery.explain import Explanation

FOLLOW_PAGE = 500
"""Events of one read of `events --follow`."""


@click.group(
    invoke_without_command=True,
    subcommand_metavar="[COMMAND] [ARGS]...",
    epilog=examples(
        "watcher events --since 2h",
        "watcher events --type sync.failed --target 'prod/*'",
        "watcher events --follow --json | jq .data.status",
        "watcher events explain 1f3b0c3e9d1c4a6f8f5b7a9c0d2e4f61",
    ),
)
@config_option
@click.option("--target", metavar="GLOB", help="Only events of targets or endpoints whose id or name matches.")
@click.option("--type", "types", metavar="TYPE", multiple=True,
              help="Only events of this type, such as sync.failed or 'sync.*'; repeatable.")  # fmt: skip
@duration_option("--since", "since", "Only events recorded within this time, such as 30m, 2h or 7d.")
@click.option("--limit", metavar="NUMBER", type=click.IntRange(1, 1_000_000), default=50, show_default=True,
              help="Show the newest events, at most this many.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON Lines: one event each.")
@click.option("--follow", is_flag=True, help="Continue with new events until interrupted.")
@click.pass_context
def events(
    context: click.Context, config: str | None, target: str | None, types: tuple[str, ...], since: float | None,
    limit: int, *, as_json: bool, follow: bool,
) -> int:  # fmt: skip
    """Show recorded events, oldest first."""
    if context.invoked_subcommand is not None:
        only_config(context)
        return 0

    after = None if since is None else datetime.now(UTC) - timedelta(seconds=since)
    full = tuple(name if name.startswith(("watcher.", "*")) else f"watcher.{name}" for name in types)
    settings = load_config(config)
    query = EventQuery(target=target, types=full, since=after, limit=limit)
    work = _show(settings, query, EventPrinter(as_json=as_json), follow=follow)
    if not follow:
        run_to_end(work)
        return 0
    with contextlib.suppress(KeyboardInterrupt):
        run_to_end(work, signal.SIGTERM)
    return 0


async def _show(settings: Config, query: EventQuery, printer: EventPrinter, *, follow: bool) -> None:
    async with opened(reader_for(settings.state)) as reader:
        await liveness_of(reader, settings.state)
        notes, nothing = [*_cannot_match(query, settings)], True
        for note in notes if follow else ():
            print_note(note)
        async for event in _recorded(reader, query, follow=follow):
            printer.print(event)
            nothing = False
        if nothing:
            selected = query.target or query.types or query.since
            why = "no recorded event matches" if selected else "no event has been recorded"
            print_note("; ".join([why, *notes]))


def _cannot_match(query: EventQuery, settings: Config) -> Iterator[str]:
    """Yield notes on the parts of a query that can match no event: they may be misspelt."""
    for pattern in query.types:
        if not any(matches(known, pattern) for known in ALL_EVENT_TYPES):
            yield f"no event type matches --type {pattern!r}"
    if query.target is not None and not any(subject_matches(subject, query.target) for subject in settings.subjects):
        yield f"no target in the configuration has an id or name that matches --target {query.target!r}"


async def _recorded(reader: Reader, query: EventQuery, *, follow: bool) -> AsyncIterator[Event]:
    if not follow:
        for _, event in await reader.events(query):
            yield event
        return
    # Events recorded until now, shown or not, are not new ones.
    cursor = await cursor_at_end(reader, query, FOLLOW_PAGE)
    first = await reader.events(query)
    cursor.advance(first)
    for _, event in first:
        yield event
    while True:
        for _, event in cursor.advance(await reader.events(cursor.unseen(query, FOLLOW_PAGE))):
            yield event
        await asyncio.sleep(5.0 if reader.late else 0.5)  # each read of a table costs money


@events.command(
    epilog=examples(
        "watcher events explain 1f3b0c3e9d1c4a6f8f5b7a9c0d2e4f61",
        "watcher events --json --type sync.failed | jq -r .id | tail -1 | xargs watcher events explain",
    )
)
@config_option
@json_option
@click.argument("event_id", metavar="ID")
def explain(config: str | None, event_id: str, *, as_json: bool) -> int:
    """Explain why an event was, or was not, sent to each sink.

    For each sink, shows the state of the delivery, how often and when last it was tried, and the sink's last response;
    or why the event is not for this sink.
    """
    found = run_to_end(_explain(load_config(config), event_id))
    if as_json:
        print_json(
            [
                {"event": json.loads(event.body), "sinks": [explanation_to_json(each) for each in explanations]}
                for event, explanations in found
            ]
        )
        return 0
    for event, explanations in found:
        EventPrinter(as_json=False).print(event, whole=True)
        print_table(explanations_table(explanations))
    return 0


async def _explain(settings: Config, event_id: str) -> list[tuple[Event, Sequence[Explanation]]]:
    """Return the event with its explanations, once for each time that it was recorded."""
    async with opened(reader_for(settings.state)) as reader:
        found = [event for _, event in await reader.find(event_id)]
        deliveries = await reader.deliveries(DeliveryQuery(event_id=event_id, limit=10_000))
        hand = await reader.by_hand()
    if not found:
        raise UsageError(f"no recorded event has the ID {printable(event_id)}; `watcher events` shows the IDs")
    return [
        (event, explain_event(event, [each for each in deliveries if each.event == event], settings, hand))
        for event in found
    ]
