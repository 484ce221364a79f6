"""What the `state` commands do; loaded when one of them runs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from watcher.cli.options import opened
from watcher.errors import StoreError, UsageError
from watcher.stores import DYNAMODB, SQLITE, mover_for
from watcher.stores.moving import Recorded, Sending, State, lines, parts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from watcher.stores.moving import Part

WORDS = {State: "states", Recorded: "events", Sending: "deliveries"}


async def prepare(address: str) -> list[str]:
    """Make what `address` needs; what was done, for people.

    Raises:
        StoreError: it is there and cannot be used, or may not be made.
    """
    if not address.startswith(DYNAMODB):
        return [f"{address} needs no preparation; `watcher run` makes what it needs."]
    from watcher.stores.dynamodb.address import parse_address  # noqa: PLC0415  what is not used is not loaded
    from watcher.stores.dynamodb.schema import init  # noqa: PLC0415  the same
    from watcher.stores.dynamodb.table import Table  # noqa: PLC0415  the same

    table = Table(parse_address(address))
    try:
        done = await init(table)
    finally:
        await table.close()
    return [f"{table.address}: {each}." for each in done] or [f"{table.address} is as it must be; nothing was changed."]


async def write_file(address: str, name: str) -> str:
    """Export; what was written, for people. A file that is there is replaced only by a whole one.

    Raises:
        StoreError: the store cannot be read, or somebody uses it.
        UsageError: the file cannot be written.
    """
    _refuse_absent(address)
    async with opened(mover_for(address)) as mover:
        found = [part async for part in mover.read()]
    _write(name, lines(found))
    return f"{_counted(found)} were written to {name}."


def _refuse_absent(address: str) -> None:
    if address.startswith(SQLITE) and not Path(address.removeprefix(SQLITE)).exists():
        raise StoreError(f"{address}: there is no state yet; `watcher run` makes it at its first start")


def _write(name: str, text: Iterable[str]) -> None:
    if name == "-":
        raise UsageError("-: the state goes to a file, whole or not at all; name one")
    path = Path(name).resolve()  # what a link leads to is replaced, and not the link
    part = path.with_name(f"{path.name}.part")
    if path.exists() and not path.is_file():
        raise UsageError(f"{name}: this is no file; name one that is there, or is not there yet")
    try:
        try:
            with part.open("w", encoding="utf-8") as file:
                part.chmod(0o600)
                file.writelines(f"{line}\n" for line in text)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"{name}: the file cannot be written: {error.strerror}") from error


async def read_file(address: str, name: str) -> str:
    """Import; what was read, for people.

    Raises:
        StoreError: the store cannot be written, is not empty, or somebody uses it.
        UsageError: the file is not what `write_file` writes.
    """
    # All of it is looked at before anything is written.
    found = [*_parts(name)]
    async with opened(mover_for(address)) as mover:
        await mover.write(found)
    return f"{_counted(found)} were read from {name}."


def _parts(name: str) -> Iterator[Part]:
    try:
        with Path(name).open(encoding="utf-8") as file:
            yield from parts(file, name)
    except OSError as error:
        raise UsageError(f"{name}: the file cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise UsageError(f"{name}: this is no state of a watcher: it is no text") from None


def _counted(found: Iterable[Part]) -> str:
    counts = Counter(type(part) for part in found)
    *first, last = [f"{counts[kind]} {word}" for kind, word in WORDS.items()]
    return f"{', '.join(first)} and {last}"
