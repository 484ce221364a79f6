"""The output of `report`: a table for people, and CSV for spreadsheets."""

import csv
import io
from collections.abc import Sequence

import click

from watcher.cli.output.console import Table, console, print_table, safe
from watcher.core.report import GroupReport
from watcher.util.units import format_duration

COLUMNS = ("group", "syncs", "failed", "failure_rate", "duration_seconds_p50", "duration_seconds_p90",
           "restore_seconds_p50", "restore_seconds_p90", "longest_open_seconds")  # fmt: skip
"""The columns of the CSV."""

FORMULA_SIGNS = ("=", "+", "-", "@")
"""With these a spreadsheet takes a cell for a formula; an apostrophe before it makes it text."""

NO_LABEL = "(no label)"
"""The group of targets without the label."""


def print_report(groups: Sequence[GroupReport]) -> None:
    """Print a table; on a narrow terminal its header has two lines."""
    columns = ("GROUP", "SYNCS", "FAILED", "RATE", "SYNC P50", "SYNC P90", "RESTORE P50", "RESTORE P90", "LONGEST OPEN")
    narrow = console().width < 110  # columns: room for ids beside a header of one line
    table = Table(*(each.replace(" ", "\n") if narrow else each for each in columns), fold=("GROUP",))
    for column in table.columns[1:]:
        column.justify = "right"
    for each in groups:
        rate = each.failure_rate
        table.add_row(
            NO_LABEL if each.group is None else safe(each.group),
            str(each.syncs),
            str(each.failed),
            "" if rate is None else f"{rate:.1%}",
            *map(_length, _durations(each)),
        )
    print_table(table)


def print_csv(groups: Sequence[GroupReport]) -> None:
    """Print CSV with a header."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for each in groups:
        group = "" if each.group is None else safe(each.group)
        quoted = f"'{group}" if group.startswith(FORMULA_SIGNS) else group
        writer.writerow((quoted, each.syncs, each.failed, each.failure_rate, *_durations(each)))
    click.echo(text.getvalue(), nl=False)


def _durations(report: GroupReport) -> tuple[float | None, ...]:
    sync, restore = report.duration, report.restore
    return sync.p50, sync.p90, restore.p50, restore.p90, report.longest_open


def _length(seconds: float | None) -> str:
    """Return a duration in its two largest units, as `1m40s`."""
    if seconds is None:
        return ""
    whole = round(seconds)
    finest = 3600 if whole >= 86400 else 60 if whole >= 3600 else 1
    return format_duration(whole // finest * finest) if whole else "<1s"
