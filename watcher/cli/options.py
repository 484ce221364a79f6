"""What several commands take, and how the configuration is had."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import click
from click.core import ParameterSource

from watcher.config.document import locate
from watcher.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection

    from watcher.config.document import Document

    class Openable(Protocol):
        """What is opened and closed."""

        async def open(self) -> None:
            """Before it is used."""

        async def close(self) -> None:
            """After it was."""

    Opened = TypeVar("Opened", bound=Openable)


def _of_the_group(context: click.Context, _: click.Parameter, value: str | None) -> str | None:
    """`--config`, of a subcommand also as it was given before the subcommand's name."""
    if value is None and context.parent is not None:
        given: str | None = context.parent.params.get("config")
        return given
    return value


config_option = click.option(
    "--config",
    "config",
    metavar="FILE",
    callback=_of_the_group,
    help="The configuration; else $WATCHER_CONFIG, else the YAML in $WATCHER_CONFIG_YAML, else ./watcher.yaml.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="JSON instead of a table.")
verbose_option = click.option("--verbose", "-v", is_flag=True, help="Log more.")


def find_config(option: str | None, cwd: Path | None = None) -> Document:
    """The configuration's text, found as `load_config` describes; `cwd`: the working directory, if it is known.

    Raises:
        ConfigError: it is not there.
        UsageError: there is no working directory.
    """
    return locate(option, os.environ, cwd or working_directory())


def working_directory() -> Path:
    """The directory in which the command was started.

    Raises:
        UsageError: the directory was removed.
    """
    try:
        return Path.cwd()
    except OSError as error:
        raise UsageError(
            f"the working directory cannot be found ({error.strerror}); change to another directory"
        ) from None


def only_config(context: click.Context) -> None:
    """Refuse what was given to a group, but is not for the subcommand that follows: it would be passed over.

    Raises:
        click.UsageError: there is an option before the subcommand's name, and it is not `--config`.
    """
    for parameter in context.command.params:
        name = parameter.name or ""
        if name != "config" and context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            what, command = parameter.opts[0], context.invoked_subcommand
            raise click.UsageError(f"{what} before `{command}` says nothing; see `{context.command_path} {command} -h`")


def refuse_unknown_sink(name: str | None, known: Collection[str], hint: str) -> None:
    """Say which sinks there are.

    Raises:
        click.BadParameter: `name` is none of them; `hint` is what it was given as.
    """
    if name is not None and name not in known:
        raise click.BadParameter(f"there is no sink {name!r}; there is {', '.join(known)}", param_hint=hint)


def say(note: str) -> None:
    """Print a note for people on stderr, beside output that is empty or incomplete."""
    click.echo(f"watcher: {note}", err=True)
