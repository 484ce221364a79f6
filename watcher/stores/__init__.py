"""Creates the store that the configuration's `state` names, and other ways to access it."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from watcher.core.config_copies import ConfigCopies
from watcher.core.ports import Outbox, Reader, Store
from watcher.core.state_url import SCHEME, SQLITE, parse_address
from watcher.errors import StoreError

if TYPE_CHECKING:
    from watcher.aws.sessions import Sessions
    from watcher.stores.dynamodb.transfer import DynamoMover
    from watcher.stores.sqlite.transfer import SqliteMover


def store_for(
    address: str, sessions: Sessions | None = None, may_deliver: Callable[[int], bool] | None = None
) -> Store:
    """Return the store of a daemon, not yet opened.

    Args:
        address: the configuration's `state`.
        sessions: the AWS sessions shared with other clients.
        may_deliver: whether a shard's deliveries may be handed out now, where several daemons share the store.
    """
    store: Store
    if address.startswith(SCHEME):
        store = _load("dynamodb.store").DynamoStore(parse_address(address), sessions, may_deliver=may_deliver)
    elif address.startswith(SQLITE):
        store = _load("sqlite.store").SqliteStore(_file(address))
    else:
        store = _load("memory").MemoryStore()
    return store


def reader_for(address: str, sessions: Sessions | None = None, store: Store | None = None) -> Reader:
    """Return read access to a store, not yet opened.

    Args:
        address: the configuration's `state`.
        sessions: the AWS sessions shared with other clients.
        store: the daemon's own store, which is returned if it is in memory.

    Raises:
        StoreError: the state is in another daemon's memory.
    """
    reader: Reader
    if address.startswith(SCHEME):
        reader = _load("dynamodb.reader").DynamoReader(parse_address(address), sessions)
    elif store is not None and not address.startswith(SQLITE):
        reader = store
    else:
        reader = _load("sqlite.reader").SqliteReader(_file(address))
    return reader


def outbox_for(address: str) -> Outbox:
    """Return what an operator's commands use beside a running daemon, not yet opened.

    Raises:
        StoreError: the state is in a daemon's memory.
    """
    outbox: Outbox
    if address.startswith(SCHEME):
        outbox = _load("dynamodb.operator_outbox").DynamoOutbox(parse_address(address))
    else:
        outbox = _load("sqlite.store").SqliteOutbox(_file(address))
    return outbox


def mover_for(address: str) -> SqliteMover | DynamoMover:
    """Return access to everything in a store that no daemon uses, not yet opened.

    Raises:
        StoreError: the state is in a daemon's memory.
    """
    mover: SqliteMover | DynamoMover
    if address.startswith(SCHEME):
        mover = _load("dynamodb.transfer").DynamoMover(parse_address(address))
    else:
        mover = _load("sqlite.transfer").SqliteMover(_file(address))
    return mover


def config_copies_for(address: str) -> ConfigCopies | None:
    """Return the copies of remote configurations that a store keeps; None: in memory none are kept."""
    copies: ConfigCopies | None = None
    if address.startswith(SCHEME):
        copies = _load("dynamodb.config_copies").DynamoConfigCopies(parse_address(address))
    elif address.startswith(SQLITE):
        copies = _load("sqlite.config_copies").SqliteConfigCopies(_file(address))
    return copies


def _load(module: str) -> Any:
    """Import a module of a store that is used: the others are not loaded."""
    return import_module(f"{__name__}.{module}")


def _file(address: str) -> Path:
    if not address.startswith(SQLITE):
        raise StoreError(
            f"{address}: what a daemon keeps in memory cannot be seen from outside; use sqlite:///FILE or "
            "dynamodb://TABLE"
        )
    return Path(address.removeprefix(SQLITE))
