"""Options that several commands share, and the checks of their values."""

from __future__ import annotations

import getpass
import math
import os
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click
from click.core import ParameterSource

from watcher.config.document import FILE_VARIABLE, locate
from watcher.config.remote.address import is_remote
from watcher.core.hand_requests import read_name
from watcher.errors import UsageError
from watcher.util.redaction import printable
from watcher.util.units import parse_duration

if TYPE_CHECKING:
    from click.decorators import FC

    from watcher.config.document import Document
    from watcher.core.settings import Config


G = TypeVar("G")
T = TypeVar("T")


def _config_of_group(context: click.Context, _: click.Parameter, value: str | None) -> str | None:
    """Return `--config`, which may also stand before the name of a subcommand."""
    return value if context.parent is None or value is not None else context.parent.params.get("config")


def _seconds(_: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    return None if value is None else given(parameter.opts[0], parse_duration, value)


config_option = click.option(
    "--config",
    "config",
    metavar="FILE",
    callback=_config_of_group,
    help="The configuration: a file, a directory of *.yaml, ssm:NAME, s3://BUCKET/KEY, or appconfig:APPLICATION/"
    "ENVIRONMENT/PROFILE. Default: $WATCHER_CONFIG, the YAML in $WATCHER_CONFIG_YAML, or ./watcher.yaml.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
verbose_option = click.option("--verbose", "-v", is_flag=True, help="Also log debug messages.")


def given(option: str, read: Callable[[G], T], value: G) -> T:
    """Return the value of an option or argument, read by a function that raises ValueError.

    Raises:
        click.BadParameter: it did.
    """
    try:
        return read(value)
    except ValueError as error:
        raise click.BadParameter(printable(str(error)), param_hint=option) from None


def _author(_: click.Context, parameter: click.Parameter, value: str | None) -> str:
    if value is None:
        try:
            value = getpass.getuser()
        except (ImportError, KeyError, OSError):  # of a user id without a name, as in a container
            raise click.BadParameter("the login name is not known here; say who you are", None, parameter) from None
    return given("--by", read_name, value)


by_option = click.option(
    "--by", metavar="NAME", callback=_author, help="Who does this, for others. Default: the login name."
)


def duration_option(flag: str, name: str, text: str) -> Callable[[FC], FC]:
    """Return an option that takes a duration, such as `30s`, and has its seconds as a value."""
    return click.option(flag, name, metavar="DURATION", callback=_seconds, help=text)


def _refuse_nan(_: click.Context, parameter: click.Parameter, value: float) -> float:
    if math.isnan(value):  # click accepts it as a number in every range
        raise click.BadParameter("'nan' is not a number", param_hint=parameter.opts[0])
    return value


def pace_option(minimum: float, default: float) -> Callable[[FC], FC]:
    """Return the option for the speed of a simulation, of which `minimum` is the slowest."""
    speeds = click.FloatRange(minimum, 1e6)
    return click.option("--pace", metavar="FACTOR", type=speeds, default=default, show_default=True,
                        callback=_refuse_nan, help="Speed: 10 is ten times as fast as real time.")  # fmt: skip


seed_option = partial(
    click.option, "--seed", metavar="NUMBER", type=int, show_default=True, help="The seed of the random scenario."
)


def examples(*lines: str) -> str:
    """Return the end of a command's help: one command line each."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


def find_config(option: str | None, cwd: Path | None = None, *, may_be_missing: bool = False) -> Document:
    """Return the configuration's text; `cwd`: the working directory, if it is known; see `document.locate`.

    Raises:
        ConfigError: there is no configuration.
        ServiceUnreachable: it is in AWS, and cannot be asked for.
        UsageError: the working directory was removed.
    """
    if remote := remote_name(option):
        from watcher.cli.remote_config import fetch  # noqa: PLC0415  it loads aiobotocore

        return fetch(remote)
    return locate(option, os.environ, cwd or working_directory(), may_be_missing=may_be_missing)


def remote_name(option: str | None) -> str | None:
    """Return the name of the configuration if it is in AWS, else None."""
    named = os.environ.get(FILE_VARIABLE) if option is None else option
    return named if named and is_remote(named) else None


def load_config(option: str | None, *, may_be_empty: bool = False) -> Config:
    """Read the configuration; see `configuration.load_config`."""
    from watcher.cli import configuration  # noqa: PLC0415  `--help` needs neither pydantic nor structlog

    return configuration.load_config(option, may_be_empty=may_be_empty)


def working_directory() -> Path:
    """Return the directory in which the command was started.

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
    """Refuse options of a group that stand before a subcommand, which would ignore them.

    Raises:
        click.UsageError: there is an option before the subcommand's name, and it is not `--config`.
    """
    for parameter in context.command.params:
        name = parameter.name or ""
        if name != "config" and context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            what, command = parameter.opts[0], context.invoked_subcommand
            raise click.UsageError(
                f"{what} has no effect before `{command}`; see `{context.command_path} {command} -h`"
            )


def refuse_unknown_sink(name: str | None, known: Collection[str], hint: str) -> None:
    """Refuse the name of a sink that does not exist, and list those that do.

    Raises:
        click.BadParameter: `name` is not in `known`; `hint` is the parameter that it was given as.
    """
    if name is not None and name not in known:
        raise click.BadParameter(f"there is no sink {name!r}; the sinks are: {', '.join(known)}", param_hint=hint)


def print_note(note: str) -> None:
    """Print a note for people on stderr, beside output that is empty or incomplete."""
    click.echo(f"watcher: {note}", err=True)
