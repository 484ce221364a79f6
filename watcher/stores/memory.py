"""State that ends with the process: for trials, and for tests."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from watcher.stores.sqlite.database import Database
from watcher.stores.sqlite.store import SqliteStore

T = TypeVar("T")


class MemoryDatabase(Database):
    """A database in memory, without a file, a lock or a thread; it lasts as long as this object."""

    def __init__(self) -> None:
        super().__init__(Path(":memory:"), "rw")
        self._connect(":memory:", own_thread=False)
        self._migrate()

    def __del__(self) -> None:
        self.connection.close()

    async def open(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    async def submit(self, work: Callable[[], T]) -> T:
        return work()


class MemoryStore(SqliteStore):
    """The whole state, in memory."""

    def __init__(self) -> None:
        self.database = MemoryDatabase()
