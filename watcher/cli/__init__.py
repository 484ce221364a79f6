"""The command line: `main` runs a command and turns its result, or what went wrong, into an exit code."""

import contextlib
import errno
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper
from typing import Any, TextIO

import click

from watcher import __version__
from watcher.errors import ConfigError, UsageError, WatcherError
from watcher.util.redaction import printable, redact
from watcher.util.shapes import is_unicode
from watcher.util.special_files import is_special

USAGE, UNWRITTEN, BUG, UNKNOWN = 64, 69, 70, 3

UNWRITABLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})
"""Errors of writing to stdout: the disk is full, the terminal was closed, the descriptor is read-only."""

CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""The variables by which OpenSSL and the library `requests` find certificates; botocore's is AWS_CA_BUNDLE."""

EPILOG = """\b
Examples:
  watcher demo                                      see it work
  watcher discover > watcher.yaml                   list what your account has
  watcher validate                                  check watcher.yaml
  watcher run --config prod.yaml > events.jsonl
  watcher check && echo all well
"""

COMMANDS = {
    "run": "Poll all targets continuously and send an event when a sync changes its status.",
    "check": "Poll every target once and show its status.",
    "discover": "List what an account has, as YAML for the configuration.",
    "validate": "Validate the configuration and show how many API calls it needs.",
    "status": "Show the last known state of every target, without calling AWS.",
    "events": "Show recorded events, oldest first.",
    "report": "Show how syncs went: how many failed, how long they took, and how long incidents lasted.",
    "deliveries": "Show the pending deliveries and dead letters of each sink, oldest first.",
    "mute": "Hold back the events of targets and endpoints whose ids match a GLOB, and print the id of the mute.",
    "mutes": "Show the active mutes that `watcher mute`, the page or the API made, the newest first.",
    "unmute": "End a mute early; `watcher mutes` shows the ids.",
    "ack": "Acknowledge open incidents: no reminders of them are sent until they end.",
    "state": "Create, export or import the state store.",
    "route": "Show which sinks would get an event, and why.",
    "test": "Check the routing against a list of events and the sinks that must get them.",
    "test-sink": "Send a test event to a sink now and show the result.",
    "schema": "Print the JSON Schema of the configuration, or of the events with --event.",
    "simulate": "Simulate the AWS sync-status APIs on this machine.",
    "demo": "Run the daemon against a simulated AWS; no AWS account needed.",
    "healthcheck": "Exit with 0 if the running daemon is healthy, else with 1.",
}
"""The line of each command in `watcher --help`: the first sentence of its own help."""

MODULES = {"test": "routing_test", "test-sink": "sink_test"}
"""The module of a command, and its function there, where it is not named as the command."""


class LazyGroup(click.Group):
    """Imports a command's module when that command is used: `--help` alone imports none."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        name = MODULES.get(cmd_name, cmd_name)
        command: click.Command = getattr(import_module(f"watcher.cli.{name}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=LazyGroup,
    # For a misspelt name click suggests one of these; `get_command` returns the real ones.
    commands=dict.fromkeys(COMMANDS, click.Command(None)),
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="watcher")
def cli() -> None:
    """Get an alert when AWS fails to sync your templates and stacks from Git.

    The configuration is read from the first of these that is given: --config FILE, what WATCHER_CONFIG names,
    the YAML text in WATCHER_CONFIG_YAML, watcher.yaml in the working directory.
    """


def main(arguments: Sequence[str] | None = None, interrupted: int | None = None) -> None:
    """Run a command and end the process with its exit code.

    Raises:
        KeyboardInterrupt: the command was interrupted, and `interrupted` (the exit code for that case) is None.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    # Monitoring systems read the exit code of `check`: there, every failure is 3.
    checking = next((word for word in given if not word.startswith("-")), None) == "check"
    # A command works without output, too; and a file that it opens must not get the descriptor of stdout or stderr.
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))
    if isinstance(sys.stdout, TextIOWrapper):
        # A character that the terminal's encoding lacks is printed escaped, as stderr does.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = _run(given)
    except (BrokenPipeError, KeyboardInterrupt, SystemExit, click.Abort) as error:
        # The reader of stdout closed its end (click then raises SystemExit), or a signal arrived. For `check`, neither
        # means `all well`.
        if isinstance(error, KeyboardInterrupt) or isinstance(error.__cause__, KeyboardInterrupt):
            if interrupted is None:
                raise KeyboardInterrupt from None
            code = interrupted
        else:
            code = UNKNOWN if checking else 0
    # A reader that closed its end must not cause Python's own exit code, 120.
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


def _print_error(text: str) -> None:
    with contextlib.suppress(OSError):
        sys.stderr.write(f"{text}\n")


def _refuse_undecodable(arguments: Sequence[str]) -> None:
    """Refuse arguments and variables that are not UTF-8: no target, sink or file of watcher can have such a name."""
    # Faults of WATCHER_CONFIG_YAML are reported with line and column, where the YAML is parsed.
    variables = [name for name in os.environ if name.startswith("WATCHER_") and name != "WATCHER_CONFIG_YAML"]
    given = [*(("the argument", word) for word in arguments), *((name, os.environ[name]) for name in variables)]
    for what, text in given:
        if not is_unicode(text):
            shown = printable(os.fsencode(text).decode("utf-8", "backslashreplace"))
            raise UsageError(f"{what} '{shown}' is not UTF-8 text")


def _refuse_special_certificates() -> None:
    """Refuse a pipe where certificates are read from: OpenSSL, which some modules ask on import, would wait forever."""
    for name in CERTIFICATES:
        path = os.environ.get(name)
        with contextlib.suppress(OSError):  # what is not there is passed over, or reported by the connection
            if path and is_special(path):
                raise UsageError(f"the variable {name} names {printable(path)}: not a regular file")


def _run(arguments: Sequence[str]) -> int:
    try:
        _refuse_undecodable(arguments)
        _refuse_special_certificates()
        result: Any = cli.main(args=list(arguments), prog_name="watcher", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        _print_error(error.ctx.get_help() if error.ctx else "")
        return USAGE
    except click.ClickException as error:
        with contextlib.suppress(OSError):
            error.show(sys.stderr)
        if isinstance(error, click.MissingParameter) and isinstance(error.param, click.Option):
            _print_error(f"  {error.param.opts[0]}: {error.param.help}")
        return USAGE
    except ConfigError as error:
        for fault in error.faults:
            _print_error(str(fault))
        return error.exit_code
    except WatcherError as error:
        _print_error(f"watcher: {error}")
        return error.exit_code
    except (BrokenPipeError, click.Abort):
        raise
    except Exception as error:  # noqa: BLE001  the last net
        if isinstance(error, OSError) and error.errno in UNWRITABLE:
            _print_error(f"watcher: the output could not be written: {error.strerror}")
            return UNWRITTEN
        # A bug, and the only traceback a user may see.
        _print_error(redact(traceback.format_exc()) + "watcher: this is a bug; please report it with the lines above")
        return BUG
    return result if isinstance(result, int) else 0
