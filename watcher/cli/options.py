"""What several commands take, and how the configuration is had."""

from __future__ import annotations

import contextlib
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import click
from click.core import ParameterSource

from watcher.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from watcher.config.document import Document
    from watcher.core.liveness import Liveness
    from watcher.core.ports import Reader
    from watcher.core.settings import Config

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


def load_config(option: str | None) -> Config:
    """Read the configuration: from `option`, WATCHER_CONFIG, WATCHER_CONFIG_YAML or watcher.yaml, in this order.

    Sets up logging to stderr, unless the command has done so with options of its own.

    Raises:
        ConfigError: the configuration is wrong or missing.
    """
    import structlog  # noqa: PLC0415  --help logs nothing

    from watcher.observability import logs  # noqa: PLC0415  the same

    if not structlog.is_configured():
        logs.set_up()
    return read_config(find_config(option))


def find_config(option: str | None, cwd: Path | None = None) -> Document:
    """The configuration's text, found as `load_config` describes; `cwd`: the working directory, if it is known.

    Raises:
        ConfigError: it is not there.
        UsageError: there is no working directory.
    """
    from watcher.config.document import locate  # noqa: PLC0415  --help needs no YAML

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


def read_config(document: Document) -> Config:
    """What a configuration's text means; its secrets are shown nowhere from now on.

    Raises:
        ConfigError: it is wrong.
    """
    from watcher.aws.profiles import botocore_profile_region  # noqa: PLC0415  --help needs no YAML
    from watcher.config.parser import parse  # noqa: PLC0415  the same
    from watcher.config.secrets import secrets_of  # noqa: PLC0415  the same
    from watcher.util.redaction import remember  # noqa: PLC0415  the same

    config = parse(document, os.environ, botocore_profile_region)
    remember(*secrets_of(config))
    return config


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


async def liveness_of(reader: Reader, address: str) -> Liveness:
    """How old the state that `reader` shows is; warns on stderr if no daemon keeps `address` up to date.

    Raises:
        StoreError: the state cannot be read.
    """
    from watcher.cli.output.console import ago  # noqa: PLC0415  the same
    from watcher.core.liveness import Liveness  # noqa: PLC0415  --help needs none of these
    from watcher.util.redaction import printable, redact  # noqa: PLC0415  the same

    liveness = Liveness(await reader.alive_at(), datetime.now(UTC))
    if liveness.silent:
        since = " yet" if liveness.as_of is None else f" for {ago(liveness.as_of, liveness.now)}"
        say(
            f"no daemon has updated {printable(redact(address))}{since}: the output may be out of date; check that "
            "`watcher run` is running"
        )
    return liveness


def say(note: str) -> None:
    """Print a note for people on stderr, beside output that is empty or incomplete."""
    click.echo(f"watcher: {note}", err=True)


@contextlib.asynccontextmanager
async def opened(reader: Opened) -> AsyncIterator[Opened]:
    """`reader`, open for a while.

    Raises:
        StoreError: there is nothing to look at, or it cannot be used.
    """
    await reader.open()
    try:
        yield reader
    finally:
        await reader.close()
