"""The last good text of a remote configuration in a state file, beside the daemon that uses the file."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from watcher.core.config_copies import ConfigCopy
from watcher.core.model import parse_rfc3339, rfc3339
from watcher.errors import StoreError
from watcher.stores.sqlite.database import Database
from watcher.stores.sqlite.locking import has_content


class SqliteConfigCopies:
    """Reads and keeps copies in one file, which the first `keep` creates."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def read(self, place: str) -> ConfigCopy | None:
        if not has_content(self._path):
            return None
        sql = "SELECT text, kept_at FROM config_copy WHERE place = ?"
        async with self._opened("ro") as database:
            row = await database.query(lambda connection: connection.execute(sql, (place,)).fetchone())
            if row is None:
                return None
            return await database.run(lambda: ConfigCopy(place, str(row[0]), parse_rfc3339(row[1])))

    async def keep(self, copy: ConfigCopy) -> None:
        sql = """INSERT INTO config_copy VALUES (?, ?, ?) ON CONFLICT (place) DO UPDATE
                 SET text = excluded.text, kept_at = excluded.kept_at WHERE text <> excluded.text"""
        row = (copy.place, copy.text, rfc3339(copy.kept_at))
        async with self._opened("rw") as database:
            await database.change(lambda connection: connection.execute(sql, row))

    @contextlib.asynccontextmanager
    async def _opened(self, mode: str) -> AsyncIterator[Database]:
        database = Database(self._path, mode)
        try:
            await database.open()
        except StoreError:
            await database.close()
            # Another try as the daemon that owns the file, which creates it, or migrates it from an older version.
            database = Database(self._path, "rwc")
            await database.open()
        try:
            yield database
        finally:
            await database.close()
