"""`deliveries`: what is pending for a sink or was given up, and what an operator can do about it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from watcher.cli.configuration import load_config
from watcher.cli.dead_letters import backlogs, drop_deliveries, requeue
from watcher.cli.options import config_option, examples, only_config, print_note
from watcher.cli.output.deliveries import print_backlog, print_backlog_json
from watcher.errors import UsageError
from watcher.messages.phrases import counted
from watcher.util.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    the sink rejected it for good, or it was given up. Deliveries to a sink with the same state and the same answer are
    shown as one row; --json lists each of them.
    """
    if context.invoked_subcommand is not None:
        only_config(context)
        return 0

    settings = load_config(config)
    found = asyncio.run(backlogs(settings, sink, limit, dead=dead))
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

    A running daemon sends them within seconds; otherwise they are sent after the next start.
    """
    count, kept = asyncio.run(requeue(load_config(config), ids, sink))
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

    Those of one sink with --sink, else of all sinks. A canceled delivery is never sent.
    """
    count = asyncio.run(drop_deliveries(load_config(config), event_id, sink))
    click.echo(f"Canceled {count} {'delivery' if count == 1 else 'deliveries'}.")
    return 0
