"""What commands print: tables for people, JSON for programs. Text from outside is escaped.

So it can neither move the cursor nor forge a line.

    screen        how it is printed
    targets       status, validate
    check         check; not named here, for it needs what makes a poll
    events        events, demo
    deliveries    deliveries, events explain
"""

from __future__ import annotations

from watcher.cli.output.console import print_json, print_table
from watcher.cli.output.deliveries import (
    Backlog,
    explanation_to_json,
    explanations_table,
    print_backlog,
    print_backlog_json,
)
from watcher.cli.output.events import EventPrinter, event_text
from watcher.cli.output.targets import load_table, print_targets, record_to_json, status_rows

__all__ = [
    "Backlog",
    "EventPrinter",
    "event_text",
    "explanation_to_json",
    "explanations_table",
    "load_table",
    "print_backlog",
    "print_backlog_json",
    "print_json",
    "print_table",
    "print_targets",
    "record_to_json",
    "status_rows",
]
