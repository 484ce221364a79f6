"""Opens the state for a command, and shows how old it is."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from watcher.cli.options import print_note
from watcher.cli.output.console import ago
from watcher.core.status import Liveness
from watcher.util.redaction import printable, redact

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from watcher.core.ports import Reader
    from watcher.stores.sqlite.transfer import SqliteMover

    Opened = TypeVar("Opened", bound=Reader | SqliteMover)


async def liveness_of(reader: Reader, address: str) -> Liveness:
    """Return how old the state is; print a warning on stderr if no daemon keeps `address` up to date.

    Raises:
        StoreError: the state cannot be read.
    """
    liveness = Liveness(await reader.alive_at(), datetime.now(UTC))
    if liveness.silent:
        since = " yet" if liveness.as_of is None else f" for {ago(liveness.as_of, liveness.now)}"
        print_note(
            f"no daemon has updated {printable(redact(address))}{since}: the output may be out of date; check that "
            "`watcher run` is running"
        )
    return liveness


@contextlib.asynccontextmanager
async def opened(store: Opened) -> AsyncIterator[Opened]:
    """Open `store`, or a view of it, for the `async with` block.

    Raises:
        StoreError: there is no state yet, or it cannot be used.
    """
    await store.open()
    try:
        yield store
    finally:
        await store.close()
