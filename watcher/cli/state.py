"""`state`: what a state store needs before a daemon uses it, and moving from one store to another."""

from __future__ import annotations

import asyncio

import click

from watcher.cli.configuration import load_config
from watcher.cli.options import config_option, only_config
from watcher.cli.state_transfer import prepare, read_file, write_file


@click.group(
    invoke_without_command=False,
    subcommand_metavar="COMMAND [ARGS]...",
    epilog="\b\nExamples:\n  watcher state init\n  watcher state export state.jsonl --config old.yaml\n"
    "  watcher state import state.jsonl --config new.yaml",
)
@config_option
@click.pass_context
def state(context: click.Context, config: str | None) -> None:  # noqa: ARG001  of its subcommands
    """Prepare the state store, or move its contents to another one."""
    only_config(context)


@state.command(epilog="\b\nExamples:\n  watcher state init --config watcher.yaml")
@config_option
def init(config: str | None) -> int:
    """Make the DynamoDB table that `state` names, or what it lacks; say what is wrong with it otherwise.

    It gets capacity on demand, point-in-time recovery and TTL. A state file needs no preparation.
    """
    for line in asyncio.run(prepare(load_config(config).state)):
        click.echo(line)
    return 0


@state.command(epilog="\b\nExamples:\n  watcher state export state.jsonl --config watcher.yaml")
@config_option
@click.argument("file", metavar="FILE", type=click.Path(dir_okay=False))
def export(config: str | None, file: str) -> int:
    """Write everything in the store to FILE, as JSON Lines. No daemon may be using the store.

    FILE is created, or replaced if it is an earlier export.
    """
    click.echo(write_file(load_config(config), file))
    return 0


@state.command(name="import", epilog="\b\nExamples:\n  watcher state import state.jsonl --config watcher.yaml")
@config_option
@click.argument("file", metavar="FILE", type=click.Path(exists=True, dir_okay=False))
def import_(config: str | None, file: str) -> int:
    """Fill an empty store from FILE, an export of `state export`. No daemon may be using the store."""
    click.echo(read_file(load_config(config).state, file))
    return 0
