"""Where state is kept, by the configuration's `state`; one promise, kept by all (`protocols.Store`)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from watcher.core.state_url import SCHEME, SQLITE, parse_address
from watcher.errors import StoreError

if TYPE_CHECKING:
    from watcher.aws.sessions import Sessions
    from watcher.stores.dynamodb.operator_outbox import DynamoOutbox
    from watcher.stores.dynamodb.reader import DynamoReader
    from watcher.stores.dynamodb.store import DynamoStore
    from watcher.stores.dynamodb.transfer import DynamoMover
    from watcher.stores.memory import MemoryStore
    from watcher.stores.sqlite.store import SqliteMover, SqliteOutbox, SqliteReader, SqliteStore


def store_for(address: str, sessions: Sessions | None = None) -> SqliteStore | DynamoStore | MemoryStore:
    """The store that `state` names, not yet opened; `sessions`: the AWS sessions shared with other clients."""
    if address.startswith(SQLITE):
        from watcher.stores.sqlite.store import SqliteStore  # noqa: PLC0415  what is not used is not loaded

        return SqliteStore(_file(address))
    if address.startswith(SCHEME):
        from watcher.stores.dynamodb.store import DynamoStore  # noqa: PLC0415  the same

        return DynamoStore(parse_address(address), sessions)
    from watcher.stores.memory import MemoryStore  # noqa: PLC0415  the same

    return MemoryStore()


def outbox_for(address: str) -> SqliteOutbox | DynamoOutbox:
    """What an operator may look at, and change, of what a daemon keeps under `state`, not yet opened.

    Raises:
        StoreError: what is kept in memory can be seen by its own daemon only.
    """
    if address.startswith(SCHEME):
        from watcher.stores.dynamodb.operator_outbox import DynamoOutbox  # noqa: PLC0415  what is not used is not loaded

        return DynamoOutbox(parse_address(address))
    from watcher.stores.sqlite.store import SqliteOutbox  # noqa: PLC0415  the same

    return SqliteOutbox(_file(address))


def reader_for(address: str, sessions: Sessions | None = None) -> SqliteReader | DynamoReader:
    """A view of what a daemon keeps under `state`, not yet opened; `sessions`: as in `store_for`.

    Raises:
        StoreError: what is kept in memory can be seen by its own daemon only.
    """
    if address.startswith(SCHEME):
        from watcher.stores.dynamodb.reader import DynamoReader  # noqa: PLC0415  what is not used is not loaded

        return DynamoReader(parse_address(address), sessions)
    from watcher.stores.sqlite.store import SqliteReader  # noqa: PLC0415  the same

    return SqliteReader(_file(address))


def mover_for(address: str) -> SqliteMover | DynamoMover:
    """All that is kept under `state`, to be read or written as a whole while no daemon uses it; not yet opened.

    Raises:
        StoreError: what is kept in memory can be seen by its own daemon only.
    """
    if address.startswith(SCHEME):
        from watcher.stores.dynamodb.transfer import DynamoMover  # noqa: PLC0415  what is not used is not loaded

        return DynamoMover(parse_address(address))
    from watcher.stores.sqlite.store import SqliteMover  # noqa: PLC0415  the same

    return SqliteMover(_file(address))


def _file(address: str) -> Path:
    """The state file that `state` names; what is kept in memory is in none."""
    if not address.startswith(SQLITE):
        raise StoreError(
            f"{address}: what a daemon keeps in memory cannot be seen from outside; use sqlite:///FILE or "
            "dynamodb://TABLE"
        )
    return Path(address.removeprefix(SQLITE))
