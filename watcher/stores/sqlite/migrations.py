"""The SQLite store's schema, as the numbered steps that lead to it: `PRAGMA user_version` counts those taken.

A step that has been released is never changed; a change is a step more.
"""

import sqlite3
from pathlib import Path

from watcher.errors import StoreError

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
    (
        "CREATE INDEX event_subject ON event (subject, number)",
        "CREATE INDEX event_id ON event (id)",
        "ALTER TABLE delivery RENAME TO delivery_1",
        """CREATE TABLE delivery (
            sink TEXT NOT NULL,
            number INTEGER NOT NULL REFERENCES event (number) ON DELETE CASCADE,
            reminder INTEGER NOT NULL,
            subject TEXT NOT NULL,
            state TEXT NOT NULL DEFAULT 'waiting',
            tries INTEGER NOT NULL DEFAULT 0,
            tried REAL,
            ended REAL,
            answer TEXT,
            PRIMARY KEY (sink, number, reminder)) WITHOUT ROWID""",
        """INSERT INTO delivery (sink, number, reminder, subject, state, tries, tried, ended)
           SELECT sink, number, 0, subject, iif(settled IS NULL, 'waiting', 'sent'), settled IS NOT NULL,
                  settled, settled
           FROM delivery_1 JOIN event USING (number)""",
        "DROP TABLE delivery_1",
        "CREATE INDEX delivery_event ON delivery (number)",
        "CREATE INDEX delivery_waiting ON delivery (sink, number, reminder) WHERE state = 'waiting'",
        "CREATE INDEX delivery_lane ON delivery (sink, subject, number, reminder) WHERE state = 'waiting'",
        "CREATE INDEX delivery_dead ON delivery (sink, number, reminder) WHERE state = 'dead'",
        "CREATE INDEX delivery_reminder ON delivery (subject) WHERE reminder > 0",
        # The lanes: the oldest delivery of each, and how its tries went. With a row for each, finding the next delivery
        # costs the same whether ten deliveries wait or a million.
        """CREATE TABLE lane (
            sink TEXT NOT NULL,
            subject TEXT NOT NULL,
            number INTEGER NOT NULL,
            reminder INTEGER NOT NULL,
            failures INTEGER NOT NULL DEFAULT 0,
            since REAL,
            next_try REAL NOT NULL DEFAULT 0,
            PRIMARY KEY (sink, subject)) WITHOUT ROWID""",
        "CREATE INDEX lane_next ON lane (sink, next_try, number)",
        """INSERT INTO lane (sink, subject, number, reminder)
           SELECT sink, subject, min(number), 0 FROM delivery WHERE state = 'waiting' GROUP BY sink, subject""",
        "CREATE TABLE sink (name TEXT PRIMARY KEY) WITHOUT ROWID",
        "INSERT INTO sink SELECT DISTINCT sink FROM delivery",
    ),
    # One row: when a daemon last marked the file as up to date, in seconds since 1970.
    ("CREATE TABLE alive (one INTEGER PRIMARY KEY CHECK (one = 1), at REAL NOT NULL)",),
    # The last complete listing of each account, region and kind, with its targets as JSON.
    (
        """CREATE TABLE listing (
            account TEXT NOT NULL,
            region TEXT NOT NULL,
            kind TEXT NOT NULL,
            completed_at TEXT NOT NULL,
            targets TEXT NOT NULL,
            PRIMARY KEY (account, region, kind)) WITHOUT ROWID""",
    ),
    # When the subject left the configuration, in seconds since 1970; NULL: it did not.
    (
        "ALTER TABLE record ADD COLUMN forgotten REAL",
        "CREATE INDEX record_forgotten ON record (forgotten) WHERE forgotten IS NOT NULL",
    ),
    # What people set by hand, each as JSON; `ends` and `at` in seconds since 1970.
    (
        "CREATE TABLE mute (id TEXT PRIMARY KEY, ends REAL NOT NULL, form TEXT NOT NULL) WITHOUT ROWID",
        """CREATE TABLE acknowledgement (
            incident TEXT PRIMARY KEY,
            subject TEXT NOT NULL,
            at REAL NOT NULL,
            form TEXT NOT NULL) WITHOUT ROWID""",
    ),
    # The history, which is kept longer than events.
    (
        """CREATE TABLE attempt (
            started_at TEXT NOT NULL,
            subject TEXT NOT NULL,
            status TEXT NOT NULL,
            duration REAL,
            sha TEXT,
            first_seen INTEGER NOT NULL,
            observed INTEGER NOT NULL,
            labels TEXT NOT NULL,
            PRIMARY KEY (started_at, subject)) WITHOUT ROWID""",
        """CREATE TABLE incident (
            closed_at TEXT NOT NULL,
            subject TEXT NOT NULL,
            id TEXT NOT NULL,
            opened_at TEXT NOT NULL,
            removed INTEGER NOT NULL,
            labels TEXT NOT NULL,
            PRIMARY KEY (closed_at, subject, id)) WITHOUT ROWID""",
    ),
    # The last good text of each remote configuration.
    (
        """CREATE TABLE config_copy (
            place TEXT PRIMARY KEY,
            text TEXT NOT NULL,
            kept_at TEXT NOT NULL) WITHOUT ROWID""",
    ),
)

VERSION = len(STEPS)

TABLES = {"record": 1, "event": 1, "delivery": 1, "lane": 2, "sink": 2, "alive": 3, "listing": 4, "mute": 6,
          "acknowledgement": 6, "attempt": 7, "incident": 7, "config_copy": 8}  # fmt: skip
"""The tables, each with the step that creates it."""


def version_of(connection: sqlite3.Connection) -> int:
    """Return how many of the steps were taken."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def check(connection: sqlite3.Connection, path: Path) -> None:
    """Check a file before anything in it is changed.

    Raises:
        StoreError: it is damaged, another program's, or lacks something.
    """
    result = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if result != "ok":
        raise StoreError(
            f"{path}: the file is damaged ({result}); restore it, or move it away to start empty. It was not changed"
        )
    version = version_of(connection)
    refuse_unknown(version, path)
    found = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if version == 0 and found:
        raise StoreError(f"{path}: this is another program's database; name another file under `state`")
    if lacking := {table for table, step in TABLES.items() if step <= version} - found:
        raise StoreError(
            f"{path}: lacks the table {', '.join(sorted(lacking))}; restore the file, or move it away to start empty. "
            "It was not changed"
        )


def refuse_unknown(version: int, path: Path) -> None:
    """Refuse a file of a newer version, and of a version that never existed.

    Raises:
        StoreError: the file has such a version.
    """
    if version < 0:
        raise StoreError(f"{path}: its schema has the version {version}, which watcher never writes; restore the file, "
                         "or move it away to start empty. It was not changed")  # fmt: skip
    if version > VERSION:
        raise StoreError(
            f"{path}: written by a newer version of watcher (schema {version}, this one knows {VERSION}); "
            "use that version, or another file"
        )
