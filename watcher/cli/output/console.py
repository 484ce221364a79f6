"""How commands print: JSON for programs; for people tables that fit, and colour where it is wanted.

On a terminal a table fits its width; into a pipe every cell stands in full. `NO_COLOR` is honoured.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from watcher.util.duration import format_duration

if TYPE_CHECKING:
    from collections.abc import Container
    from datetime import datetime

UNLIMITED = 100_000
"""Columns of a pipe."""

GOOD, WARNING, CRITICAL, UNKNOWN, CALM = "green", "yellow", "bold red", "magenta", "cyan"
"""How colours are meant."""

NOTE = 20
"""Columns that a note has at least."""


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    click.echo(json.dumps(value, indent=2))


def print_table(table: Table) -> None:
    """A table on stdout."""
    console().print(table)


def console() -> Console:
    """Where people read: as wide as the terminal, or without end into a pipe; coloured where it is wanted."""
    # Its own NO_COLOR keeps bold and the like; people who set it want none of that.
    plain = not sys.stdout.isatty() or bool(os.environ.get("NO_COLOR"))
    width = None if sys.stdout.isatty() else UNLIMITED
    # Without `emoji`, the `:secret:` of an ARN would become one.
    return Console(highlight=False, markup=False, emoji=False, no_color=plain or None,
                   color_system=None if plain else "auto", width=width, soft_wrap=False)  # fmt: skip


def table_of(*columns: str, fold: Container[str] = ("NOTE", "ENDPOINT", "")) -> Table:
    """An empty table with these columns; those in `fold` are broken over lines where there is little room."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(
            column, no_wrap=column not in fold, overflow="fold", min_width=NOTE if column == "NOTE" else None
        )
    return table


def ago(moment: datetime, now: datetime) -> str:
    """Roughly how long ago: one unit, two at most."""
    seconds = max(1, round((now - moment).total_seconds()))
    for unit in (86400, 3600, 60):
        if seconds >= 2 * unit:
            return format_duration(float(seconds // unit * unit))
    return format_duration(float(seconds))
