"""`deliveries`: what waits for a sink, or was given up on; and what an operator may change of that."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from watcher.cli.configuration import load_config
from watcher.cli.dead_letters import backlogs, letters, revive
from watcher.cli.dead_letters import drop as drop_all
from watcher.cli.options import config_option, only_config, say
from watcher.cli.output import print_backlog, print_backlog_json
from watcher.errors import UsageError
from watcher.util.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Sequence

sink_option = click.option("--sink", metavar="NAME", help="Only of this sink.")


@click.group(
    invoke_without_command=True,
    subcommand_metavar="[COMMAND] [ARGS]...",
    epilog="\b\nExamples:\n  watcher deliveries\n  watcher deliveries --dead --sink ops\n"
    "  watcher deliveries retry --sink ops\n  watcher deliveries drop 1f3b0c3e9d1c4a6f8f5b7a9c0d2e4f61",
)
@config_option
@click.option("--dead", is_flag=True, help="Only dead letters.")
@sink_option
@click.option(
    "--limit", type=click.IntRange(1, 1_000_000), default=50, show_default=True, help="The oldest so many of a sink."
)
@click.option("--json", "as_json", is_flag=True, help="JSON Lines: one object for each delivery.")
@click.pass_context
def deliveries(
    context: click.Context, config: str | None, sink: str | None, limit: int, *, dead: bool, as_json: bool
) -> int:
    """Show the pending deliveries and the dead letters of each sink, oldest first.

    Deliveries of a sink that have the same state and answer are one row; --json lists each.
    """
    if context.invoked_subcommand is not None:
        only_config(context)
        return 0

    settings = load_config(config)
    found = asyncio.run(backlogs(settings, sink, limit, dead=dead))
    if as_json and not any(backlog.deliveries for backlog in found):
        say("there are no dead letters" if dead else "there are no pending deliveries and no dead letters")
    for backlog in found:
        if as_json:
            print_backlog_json(backlog)
        else:
            print_backlog(backlog, SystemClock().now())
    return 0


@deliveries.command(
    epilog="\b\nExamples:\n  watcher deliveries retry\n  watcher deliveries retry --sink ops\n"
    "  watcher deliveries retry 1f3b0c3e9d1c4a6f8f5b7a9c0d2e4f61"
)
@config_option
@sink_option
@click.argument("ids", metavar="[ID]...", nargs=-1)
def retry(config: str | None, sink: str | None, ids: Sequence[str]) -> int:
    """Let dead letters be tried anew, at once: those of the events with these IDs, or all.

    No daemon needs to run; one that does takes them up within seconds.
    """
    revived, others = asyncio.run(revive(load_config(config), ids, sink))
    if others and not revived:
        raise UsageError(others)
    click.echo(f"{letters(revived)} will be tried anew." if revived else "There are no dead letters.")
    if others:
        say(others)
    return 0


@deliveries.command(
    epilog="\b\nExamples:\n  watcher deliveries drop 1f3b0c3e9d1c4a6f8f5b7a9c0d2e4f61\n"
    "  watcher deliveries drop 1f3b0c3e9d1c4a6f8f5b7a9c0d2e4f61 --sink ops"
)
@config_option
@sink_option
@click.argument("event_id", metavar="ID")
def drop(config: str | None, sink: str | None, event_id: str) -> int:
    """Let what waits, or is dead, of the event with this ID not be sent, to one sink or all."""
    dropped = asyncio.run(drop_all(load_config(config), event_id, sink))
    click.echo(f"{dropped} {'delivery' if dropped == 1 else 'deliveries'} will not be sent.")
    return 0
