"""`events` and `events explain`: what has happened, and what became of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from watcher.cli.configuration import load_config
from watcher.cli.options import config_option, json_option, only_config, say
from watcher.cli.output import (
    EventPrinter,
    explanation_to_json,
    explanations_table,
    print_json,
    print_table,
)
from watcher.cli.state_reading import liveness_of, opened
from watcher.core.model import EVENT_TYPES, TEST_EVENT
from watcher.core.ports import DeliveryQuery, EventQuery
from watcher.core.subjects import subject_matches
from watcher.delivery.explain import explain as explained
from watcher.errors import UsageError
from watcher.stores import reader_for
from watcher.stores.event_cursor import cursor_at_end
from watcher.util.duration import parse_duration
from watcher.util.globs import matches
from watcher.util.redaction import printable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from watcher.core.events import Event
    from watcher.core.ports import Reader
    from watcher.core.settings import Config
    from watcher.delivery.explain import Explanation

FOLLOW_EVERY, FOLLOW_TABLE_EVERY = 0.5, 5.0
"""Seconds between looks of `events --follow`; a look at a table costs money."""

FOLLOWED = 500
"""Events that one look takes up."""

MOST = 10_000
"""Deliveries of one event that are told of."""


@click.group(
    invoke_without_command=True,
    subcommand_metavar="[COMMAND] [ARGS]...",
    epilog="\b\nExamples:\n  watcher events --since 2h\n  watcher events --type 'watcher.sync.failed' --target 'prod/*'"
    "\n  watcher events --follow --json | jq .data.status\n  watcher events explain 1f3b0c3e9d1c4a6f8f5b7a9c0d2e4f61",
)
@config_option
@click.option("--target", metavar="GLOB", help="Only events of targets or endpoints whose id or name matches.")
@click.option("--type", "types", metavar="TYPE", multiple=True, help="Only of this type, or glob of types; repeatable.")
@click.option("--since", metavar="DURATION", help="Only recorded within this time until now: 30m, 2h, 7d.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=50, show_default=True, help="The newest so many.")
@click.option("--json", "as_json", is_flag=True, help="JSON Lines: the events as they are.")
@click.option("--follow", is_flag=True, help="Go on with those to come.")
@click.pass_context
def events(
    context: click.Context, config: str | None, target: str | None, types: tuple[str, ...], since: str | None,
    limit: int, *, as_json: bool, follow: bool,
) -> int:  # fmt: skip
    """Show recorded events, oldest first."""
    if context.invoked_subcommand is not None:
        only_config(context)
        return 0

    try:
        after = None if since is None else datetime.now(UTC) - timedelta(seconds=parse_duration(since))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--since") from None
    full = tuple(name if name.startswith(("watcher.", "*")) else f"watcher.{name}" for name in types)
    settings = load_config(config)
    query = EventQuery(target=target, types=full, since=after, limit=limit)
    printer = EventPrinter(as_json=as_json)

    async def show() -> None:
        async with opened(reader_for(settings.state)) as reader:
            await liveness_of(reader, settings.state)
            notes, nothing = [*_cannot_match(query, settings)], True
            for note in notes if follow else ():
                say(note)
            async for event in _recorded(reader, query, follow=follow):
                printer.print(event)
                nothing = False
            if nothing:
                say(
                    "; ".join(
                        [
                            "no recorded event matches" if target or types or since else "no event has been recorded",
                            *notes,
                        ]
                    )
                )

    async def show_until_stopped() -> None:
        showing = asyncio.ensure_future(show())
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, showing.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await showing

    asyncio.run(show_until_stopped() if follow else show())
    return 0


def _cannot_match(query: EventQuery, settings: Config) -> Iterator[str]:
    """Notes on the parts of a query that can match no event: they may be misspelt."""
    for pattern in query.types:
        if not any(matches(known, pattern) for known in (*EVENT_TYPES, TEST_EVENT)):
            yield f"no event type matches --type {pattern!r}"
    subjects = (*(target.id for target in settings.targets), *map(str, settings.endpoints()))
    if query.target is not None and not any(subject_matches(subject, query.target) for subject in subjects):
        yield f"no target in the configuration has an id or name that matches --target {query.target!r}"


async def _recorded(reader: Reader, query: EventQuery, *, follow: bool) -> AsyncIterator[Event]:
    if not follow:
        for _, event in await reader.events(query):
            yield event
        return
    # Events recorded until now, shown or not, are not new ones.
    told = await cursor_at_end(reader, query, FOLLOWED)
    first = await reader.events(query)
    told.advance(first)
    for _, event in first:
        yield event
    while True:
        for _, event in told.advance(await reader.events(told.unseen(query, FOLLOWED))):
            yield event
        await asyncio.sleep(FOLLOW_TABLE_EVERY if reader.late else FOLLOW_EVERY)


@events.command(
    epilog="\b\nExamples:\n  watcher events explain 1f3b0c3e9d1c4a6f8f5b7a9c0d2e4f61\n"
    "  watcher events --json --type sync.failed | jq -r .id | tail -1 | xargs watcher events explain"
)
@config_option
@json_option
@click.argument("event_id", metavar="ID")
def explain(config: str | None, event_id: str, *, as_json: bool) -> int:
    """Say why an event was, or was not, sent to each sink: when, how often, with which answer."""
    settings = load_config(config)
    told = asyncio.run(_explained(settings, event_id))
    if as_json:
        print_json(
            [
                {"event": json.loads(event.body), "sinks": [explanation_to_json(each) for each in explanations]}
                for event, explanations in told
            ]
        )
        return 0
    for event, explanations in told:
        EventPrinter(as_json=False).print(event, whole=True)
        print_table(explanations_table(explanations))
    return 0


async def _explained(settings: Config, event_id: str) -> list[tuple[Event, list[Explanation]]]:
    """What became of the event, each time that it was recorded.

    Raises:
        UsageError: it never was.
    """
    async with opened(reader_for(settings.state)) as reader:
        found = [event for _, event in await reader.find(event_id)]
        deliveries = await reader.deliveries(DeliveryQuery(event_id=event_id, limit=MOST))
    if not found:
        raise UsageError(
            f"no recorded event has the id {printable(event_id)}; `watcher events` shows the ids of those kept"
        )
    return [
        (event, explained(event, [each for each in deliveries if each.event == event], settings)) for event in found
    ]
