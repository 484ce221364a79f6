"""Prints JSON for programs, and tables for people.

On a terminal a table fits its width; into a pipe every cell is printed in full. `NO_COLOR` is honoured.
"""

import json
import os
import sys
from collections.abc import Container
from typing import Any

import click
from rich import table
from rich.console import Console
from rich.measure import Measurement

from watcher.util.redaction import printable, redact

UNLIMITED = 100_000
"""Columns of a pipe."""

NARROWEST, NARROWEST_NOTE = 10, 20
"""The columns that a wrapped cell has at least, if its text is as long: of any column, and of `NOTE`."""

GOOD, WARNING, CRITICAL, UNKNOWN, CALM = "green", "yellow", "bold red", "magenta", "cyan"
"""Colours by their meaning."""


def print_json(value: Any) -> None:
    """Print one JSON document to stdout."""
    click.echo(json.dumps(value, indent=2))


def safe(text: str) -> str:
    """Return `text` without secrets and without what a terminal would act on; its lines stay."""
    return "\n".join(map(printable, redact(text).split("\n")))


def console() -> Console:
    """Return a console on stdout: as wide as the terminal, or unlimited for a pipe."""
    # rich's own NO_COLOR keeps bold and the like; people who set it want none of that.
    plain = not sys.stdout.isatty() or bool(os.environ.get("NO_COLOR"))
    width = None if sys.stdout.isatty() else UNLIMITED
    # Without `emoji=False`, the `:secret:` of an ARN would become an emoji.
    return Console(highlight=False, markup=False, emoji=False, no_color=plain or None,
                   color_system=None if plain else "auto", width=width, soft_wrap=False)  # fmt: skip


class Table(table.Table):
    """A table with these columns; those in `fold` are wrapped where there is little room."""

    def __init__(self, *columns: str, fold: Container[str] = ("NOTE", "ENDPOINT", "")) -> None:
        super().__init__(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
        for column in columns:
            self.add_column(column, no_wrap=column not in fold, overflow="fold")


def print_table(shown: Table) -> None:
    """Print a table to stdout, without spaces at the ends of lines."""
    screen = console()
    for column in shown.columns:
        if not column.no_wrap:
            least = NARROWEST_NOTE if column.header == "NOTE" else NARROWEST
            lengths = (Measurement.get(screen, screen.options, cell).maximum for cell in column.cells)
            column.min_width = min(least, max(lengths, default=0))
    with screen.capture() as captured:
        screen.print(shown)
    for line in captured.get().rstrip("\n").split("\n"):
        click.echo(line.rstrip(), color=True)
