"""The SQLite store's schema, as the numbered steps that lead to it: `PRAGMA user_version` counts those taken.

A step that has been released is never changed; a change is a step more.
"""

from __future__ import annotations

STEPS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE record (subject TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID",
        # AUTOINCREMENT: a number is never given twice, so that deliveries keep their order when history is pruned.
        """CREATE TABLE event (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            id TEXT NOT NULL,
            type TEXT NOT NULL,
            subject TEXT NOT NULL,
            time TEXT NOT NULL,
            recorded REAL NOT NULL,
            body TEXT NOT NULL)""",
        "CREATE INDEX event_recorded ON event (recorded)",
        """CREATE TABLE delivery (
            sink TEXT NOT NULL,
            number INTEGER NOT NULL REFERENCES event (number) ON DELETE CASCADE,
            settled REAL,
            PRIMARY KEY (sink, number)) WITHOUT ROWID""",
        "CREATE INDEX delivery_event ON delivery (number)",
        "CREATE INDEX delivery_due ON delivery (sink, number) WHERE settled IS NULL",
    ),
)

VERSION = len(STEPS)

TABLES = frozenset({"record", "event", "delivery"})
