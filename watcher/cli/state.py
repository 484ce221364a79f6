"""`state`: creates the state store, exports and imports its contents."""

from __future__ import annotations

import asyncio

import click

from watcher.cli.configuration import load_config
from watcher.cli.options import config_option, examples, only_config
from watcher.cli.state_transfer import export_state, import_state, prepare


@click.group(
    invoke_without_command=False,
    subcommand_metavar="COMMAND [ARGS]...",
    epilog=examples(
        "watcher state init",
        "watcher state export state.jsonl --config old.yaml",
        "watcher state import state.jsonl --config new.yaml",
    ),
)
@config_option
@click.pass_context
def state(context: click.Context, /, **_: object) -> None:
    """Create, export or import the state store."""
    only_config(context)


@state.command(epilog=examples("watcher state init --config watcher.yaml"))
@config_option
def init(config: str | None) -> int:
    """Create the DynamoDB table of `state`, or add what it lacks.

    The table gets on-demand capacity, point-in-time recovery and TTL. A table with a different key, or with items of
    another program, is refused. A state file needs no preparation.
    """
    for line in asyncio.run(prepare(load_config(config).state)):
        click.echo(line)
    return 0


@state.command(epilog=examples("watcher state export state.jsonl --config watcher.yaml"))
@config_option
@click.argument("file", metavar="FILE", type=click.Path(dir_okay=False))
def export(config: str | None, file: str) -> int:
    """Write everything in the state store to FILE, as JSON Lines.

    Stop the daemons that use the store first. FILE is created, or replaced if it is an earlier export.
    """
    click.echo(export_state(load_config(config), file))
    return 0


@state.command(name="import", epilog=examples("watcher state import state.jsonl --config watcher.yaml"))
@config_option
@click.argument("file", metavar="FILE", type=click.Path(exists=True, dir_okay=False))
def import_(config: str | None, file: str) -> int:
    """Fill an empty state store from FILE, an earlier export.

    Stop the daemons that use the store first.
    """
    click.echo(import_state(load_config(config).state, file))
    return 0
