"""Opens the state for a command, and shows how old it is."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol, TypeVar

from watcher.cli.output.console import ago
from watcher.util.redaction import printable, redact

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from watcher.core.ports import Reader

    class Openable(Protocol):
        """What is opened and closed."""

        async def open(self) -> None:
            """Before it is used."""

        async def close(self) -> None:
            """After it was."""

    Opened = TypeVar("Opened", bound=Openable)


from watcher.cli.options import say
from watcher.core.liveness import Liveness


async def liveness_of(reader: Reader, address: str) -> Liveness:
    """How old the state that `reader` shows is; warns on stderr if no daemon keeps `address` up to date.

    Raises:
        StoreError: the state cannot be read.
    """
    liveness = Liveness(await reader.alive_at(), datetime.now(UTC))
    if liveness.silent:
        since = " yet" if liveness.as_of is None else f" for {ago(liveness.as_of, liveness.now)}"
        say(
            f"no daemon has updated {printable(redact(address))}{since}: the output may be out of date; check that "
            "`watcher run` is running"
        )
    return liveness


@contextlib.asynccontextmanager
async def opened(reader: Opened) -> AsyncIterator[Opened]:
    """`reader`, open for a while.

    Raises:
        StoreError: there is nothing to look at, or it cannot be used.
    """
    await reader.open()
    try:
        yield reader
    finally:
        await reader.close()
