"""Where state is kept, by the configuration's `state`; one promise, kept by all (`protocols.Store`)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from watcher.errors import StoreError

if TYPE_CHECKING:
    from watcher.stores.memory import MemoryStore
    from watcher.stores.sqlite import SqliteOutbox, SqliteReader, SqliteStore

SQLITE = "sqlite:///"


def store_for(address: str) -> SqliteStore | MemoryStore:
    """The store that `state` names, not yet opened."""
    if address.startswith(SQLITE):
        from watcher.stores.sqlite import SqliteStore  # noqa: PLC0415  what is not used is not loaded

        return SqliteStore(Path(address.removeprefix(SQLITE)))
    from watcher.stores.memory import MemoryStore  # noqa: PLC0415  the same

    return MemoryStore()


def outbox_for(address: str) -> SqliteOutbox:
    """What an operator may look at, and change, of what a daemon keeps under `state`, not yet opened.

    Raises:
        StoreError: what is kept in memory can be seen by its own daemon only.
    """
    reader_for(address)
    from watcher.stores.sqlite import SqliteOutbox  # noqa: PLC0415  what is not used is not loaded

    return SqliteOutbox(Path(address.removeprefix(SQLITE)))


def reader_for(address: str) -> SqliteReader:
    """A view of what a daemon keeps under `state`, not yet opened.

    Raises:
        StoreError: what is kept in memory can be seen by its own daemon only.
    """
    if not address.startswith(SQLITE):
        raise StoreError(f"{address}: what a daemon keeps in memory cannot be seen from outside; use sqlite:///FILE")
    from watcher.stores.sqlite import SqliteReader  # noqa: PLC0415  what is not used is not loaded

    return SqliteReader(Path(address.removeprefix(SQLITE)))
