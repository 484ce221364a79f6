"""The command line: `main` turns commands, and whatever goes wrong in them, into exit codes (contract, section 2)."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from importlib import import_module
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any, TextIO

import click

from watcher import __version__
from watcher.errors import ConfigError, UsageError, WatcherError
from watcher.util.redaction import printable, redact
from watcher.util.shapes import is_unicode

if TYPE_CHECKING:
    from collections.abc import Sequence

USAGE, UNWRITTEN, BUG, UNKNOWN = 64, 69, 70, 3

UNWRITABLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})
"""Errors of writing to stdout: the disk is full, the terminal was closed, the descriptor is read-only."""

EPILOG = """\b
Examples:
  watcher demo                          see it work; no AWS account needed
  watcher validate --config watcher.yaml
  watcher run --config watcher.yaml > events.jsonl
  watcher check && echo all well
"""


COMMANDS = {
    "run": ("run", "run", "Watch, and write each event as a line of JSON to stdout, until SIGTERM or SIGINT."),
    "check": ("check", "check", "Poll every target once and show its status."),
    "validate": ("validate", "validate", "Validate the configuration and show the load that it asks for."),
    "status": (
        "status",
        "status",
        "Show the last known state of every target, from the state store, with no AWS call.",
    ),
    "events": ("events", "events", "Show recorded events, oldest first."),
    "deliveries": (
        "deliveries",
        "deliveries",
        "Show the pending deliveries and the dead letters of each sink, oldest first.",
    ),
    "state": ("state", "state", "Prepare the state store, or move its contents to another one."),
    "test-sink": ("sink_test", "test_sink", "Send one `watcher.test` event through a sink now and show the result."),
    "schema": ("schema", "schema", "Print the JSON Schema of the configuration, or with --event of the events."),
    "simulate": (
        "simulate",
        "simulate",
        "Simulate AWS on this machine: its sync-status APIs over their real wire protocol.",
    ),
    "demo": ("demo", "demo", "Run the daemon against a simulated AWS, in one process."),
    "healthcheck": (
        "healthcheck",
        "healthcheck",
        "Ask the running daemon's /livez; the exit code is 0 when it is healthy, else 1.",
    ),
}
"""For each command: its module in this package, its name there, and the line for it in `watcher --help`."""


class LazyGroup(click.Group):
    """Imports a command's module when that command is used: `--help` alone imports none."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's interface
        """Return the names of the commands in the order of `--help`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  the same
        """Return the command of that name, or None."""
        if cmd_name not in COMMANDS:
            return None
        module, name, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(f"watcher.cli.{module}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  the same
        """Write the list of commands."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, _, line) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="watcher")
def cli() -> None:
    """Alert when AWS fails to sync your templates and stacks from Git.

    The configuration comes from --config, else from the file named by WATCHER_CONFIG, else from the YAML text in
    WATCHER_CONFIG_YAML, else from watcher.yaml in the working directory.
    """


def main(arguments: Sequence[str] | None = None, interrupted: int | None = None) -> None:
    """Run a command and end the process with its exit code.

    Raises:
        KeyboardInterrupt: the command was interrupted, and `interrupted` (the exit code for that case) is None.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    # In `check` every failure is 3, for a monitoring system reads its exit code.
    command = next((word for word in given if not word.startswith("-")), None)
    checking = command == "check"
    # Without an output there is still something to do, and a file must not come to have its number.
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115  open to the end
    if isinstance(sys.stdout, TextIOWrapper):
        # A character that the terminal's encoding lacks is printed escaped, as stderr does.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = _run(given)
    except (BrokenPipeError, KeyboardInterrupt, SystemExit, click.Abort) as error:
        # The output's reader closed its end (click ends so), or a signal arrived: for `check`, neither means `all
        # well`.
        if isinstance(error, KeyboardInterrupt) or isinstance(error.__cause__, KeyboardInterrupt):
            if interrupted is None:
                raise KeyboardInterrupt from None
            code = interrupted
        else:
            code = UNKNOWN if checking else 0
    # What nobody takes any more must not become Python's own exit code, 120.
    for stream in (sys.stdout, sys.stderr):
        _flush_or_mute(stream)
    if checking and code > UNKNOWN:
        code = UNKNOWN
    sys.exit(code)


def _flush_or_mute(stream: TextIO) -> None:
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _say(text: str) -> None:
    """Tell whoever reads stderr, if anybody does."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"{text}\n")


def _refuse_undecodable(arguments: Sequence[str]) -> None:
    """Refuse arguments and variables that are not UTF-8: no target, sink or file of watcher can have such a name.

    Raises:
        UsageError: one of them is not.
    """
    # In WATCHER_CONFIG_YAML it is reported by line and column, where the YAML is read.
    variables = [name for name in os.environ if name.startswith("WATCHER_") and name != "WATCHER_CONFIG_YAML"]
    given = [*(("the argument", word) for word in arguments), *((name, os.environ[name]) for name in variables)]
    for what, text in given:
        if not is_unicode(text):
            shown = printable(os.fsencode(text).decode("utf-8", "backslashreplace"))
            raise UsageError(f"{what} '{shown}' is not UTF-8 text")


def _run(arguments: Sequence[str]) -> int:
    try:
        _refuse_undecodable(arguments)
        result: Any = cli.main(args=list(arguments), prog_name="watcher", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        _say(error.ctx.get_help() if error.ctx else "")
        return USAGE
    except click.ClickException as error:
        with contextlib.suppress(OSError):
            error.show(sys.stderr)
        return USAGE
    except ConfigError as error:
        for fault in error.faults:
            _say(str(fault))
        return error.exit_code
    except WatcherError as error:
        _say(f"watcher: {error}")
        return error.exit_code
    except (BrokenPipeError, click.Abort):
        raise
    except Exception as error:  # noqa: BLE001  the last net
        if isinstance(error, OSError) and error.errno in UNWRITABLE:
            _say(f"watcher: the output could not be written: {error.strerror}")
            return UNWRITTEN
        # A bug, and the only traceback a user may see.
        import traceback  # noqa: PLC0415  only for a bug

        _say(redact(traceback.format_exc()) + "watcher: this is a bug; please report it with the lines above")
        return BUG
    return result if isinstance(result, int) else 0
