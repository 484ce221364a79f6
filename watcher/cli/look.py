"""`check`, `status` and `events`: what AWS says now, what was last known, and what has happened."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from watcher.cli.options import config_option, json_option, load_config, verbose_option

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from watcher.events import Event
    from watcher.protocols import EventQuery

FOLLOW_EVERY = 0.5
"""Seconds between looks of `events --follow`."""


@click.command(
    epilog="\b\nExamples:\n  watcher check\n  watcher check --json | jq '.targets[] | select(.result != \"ok\")'"
)
@config_option
@json_option
@verbose_option
def check(config: str | None, *, as_json: bool, verbose: bool) -> int:
    """Poll every target once and say how it is.

    The exit code is the worst of them: 0 all well, 1 warning (stalled), 2 critical (a sync failed), 3 unknown (a target
    could not be read); 2 beats 3 beats 1. State and events are not touched.
    """
    from watcher import logs  # noqa: PLC0415  --help needs none of these
    from watcher.check import check as look_at_all  # noqa: PLC0415  the same
    from watcher.check import worst  # noqa: PLC0415  the same
    from watcher.tables import check_table, finding_to_json, print_json, print_table  # noqa: PLC0415  the same

    logs.set_up(verbose=verbose)
    settings = load_config(config)
    now = datetime.now(UTC)
    findings = asyncio.run(look_at_all(settings, now))
    result = worst(finding.result for finding in findings)
    if as_json:
        print_json({"result": result.name.lower(), "targets": [finding_to_json(finding) for finding in findings]})
    else:
        print_table(check_table(findings, now))
    return int(result)


@click.command(epilog="\b\nExamples:\n  watcher status\n  watcher status --json")
@config_option
@json_option
def status(config: str | None, *, as_json: bool) -> int:
    """Show the last known state of every target, from the state store, with no AWS call."""
    from watcher.stores import reader_for  # noqa: PLC0415  --help needs none of these
    from watcher.tables import print_json, print_table, record_to_json, status_table  # noqa: PLC0415  the same

    settings = load_config(config)

    async def records() -> dict[str, Any]:
        reader = reader_for(settings.state)
        await reader.open()
        try:
            return await reader.records()
        finally:
            await reader.close()

    known = asyncio.run(records())
    if as_json:
        blind = {str(key): known[str(key)].outage for key in settings.endpoints() if str(key) in known}
        print_json(
            {
                "targets": [record_to_json(target, known.get(target.id)) for target in settings.targets],
                "unreadable_endpoints": [subject for subject, outage in blind.items() if outage is not None],
            }
        )
    else:
        print_table(status_table(settings, known, datetime.now(UTC)))
    return 0


@click.command(
    epilog="\b\nExamples:\n  watcher events --since 2h\n  watcher events --type 'watcher.sync.failed' --target 'prod/*'"
    "\n  watcher events --follow --json | jq .data.status"
)
@config_option
@click.option("--target", metavar="GLOB", help="Only of targets, or endpoints, whose id matches.")
@click.option("--type", "types", metavar="TYPE", multiple=True, help="Only of this type, or glob of types; repeatable.")
@click.option("--since", metavar="DURATION", help="Only recorded within this time until now: 30m, 2h, 7d.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=50, show_default=True, help="The newest so many.")
@click.option("--json", "as_json", is_flag=True, help="JSON Lines: the events as they are.")
@click.option("--follow", is_flag=True, help="Go on with those to come.")
def events(
    config: str | None, target: str | None, types: tuple[str, ...], since: str | None, limit: int, *,
    as_json: bool, follow: bool,
) -> int:  # fmt: skip
    """Show recorded events, oldest first."""
    from watcher.config.duration import parse_duration  # noqa: PLC0415  --help needs none of these
    from watcher.protocols import EventQuery  # noqa: PLC0415  the same
    from watcher.tables import EventPrinter  # noqa: PLC0415  the same

    try:
        after = None if since is None else datetime.now(UTC) - timedelta(seconds=parse_duration(since))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--since") from None
    full = tuple(name if name.startswith(("watcher.", "*")) else f"watcher.{name}" for name in types)
    settings = load_config(config)
    query = EventQuery(target=target, types=full, since=after, limit=limit)
    printer = EventPrinter(as_json=as_json)

    async def show() -> None:
        async for event in _recorded(settings.state, query, follow=follow):
            printer.print(event)

    async def show_until_stopped() -> None:
        showing = asyncio.ensure_future(show())
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, showing.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await showing

    asyncio.run(show_until_stopped())
    return 0


async def _recorded(state: str, query: EventQuery, *, follow: bool) -> AsyncIterator[Event]:
    from dataclasses import replace  # noqa: PLC0415  --help needs none of these

    from watcher.stores import reader_for  # noqa: PLC0415  the same

    reader = reader_for(state)
    await reader.open()
    try:
        seen = 0
        while True:
            for number, event in await reader.events(query):
                seen = max(seen, number)
                yield event
            if not follow:
                return
            query = replace(query, after=max(seen, query.after), newest=False, limit=500)
            await asyncio.sleep(FOLLOW_EVERY)
    finally:
        await reader.close()
