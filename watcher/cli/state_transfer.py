"""What the `state` commands do; loaded when one of them runs."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from watcher.cli.state_reading import opened
from watcher.config.files import files_in_use
from watcher.core.state_url import SCHEME, SQLITE, parse_address
from watcher.errors import StoreError, UsageError
from watcher.stores import mover_for
from watcher.stores.dynamodb.schema import init
from watcher.stores.dynamodb.table import Table
from watcher.stores.transfer import HEADER, Recorded, Sending, State, lines, parts
from watcher.util.redaction import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO

    from watcher.core.settings import Config
    from watcher.stores.transfer import Part

WORDS = {State: "states", Recorded: "events", Sending: "deliveries"}

LONGEST_LINE = 64 << 20
"""Bytes of a line; no state or event is that long."""


async def prepare(address: str) -> list[str]:
    """Make what `address` needs; what was done, for people.

    Raises:
        StoreError: it is there and cannot be used, or may not be made.
    """
    if not address.startswith(SCHEME):
        return [f"{address} needs no preparation; `watcher run` makes what it needs."]

    table = Table(parse_address(address))
    try:
        done = await init(table)
    finally:
        await table.close()
    return [f"{table.address}: {each}." for each in done] or [f"{table.address} is as it must be; nothing was changed."]


def write_file(settings: Config, name: str) -> str:
    """Export the state; returns a summary for people. Only an earlier export is replaced, and only by a complete one.

    Raises:
        StoreError: the store cannot be read, or a daemon uses it.
        UsageError: the file exists and is not an export, or cannot be written.
    """
    path = Path(name)
    try:
        _refuse_other(path, name, settings)
        _refuse_absent(settings.state)
        found = asyncio.run(_everything(settings.state))
        _write(path, lines(found))
    except OSError as error:
        raise UsageError(f"{printable(name)}: the file cannot be written: {error.strerror}") from error
    return f"{_counted(found)} were written to {printable(name)}."


def _refuse_other(path: Path, name: str, settings: Config) -> None:
    """Refuse a path that is in use, or holds anything but an export.

    Raises:
        UsageError: it does.
    """
    known = files_in_use(settings).get(os.path.realpath(path))
    if name == "-":
        why = "the state cannot be written to standard output; name a file"
    elif path.is_symlink():
        why = "this is a symbolic link; name the file that it points to"
    elif known is not None:
        why = f"this file is {known}; name another file"
    elif path.exists() and not path.is_file():
        why = "this is not a regular file; name one, or a path that does not exist"
    elif path.exists() and not _is_export(path):
        why = "this file is not an export of watcher; name another file, or remove it"
    else:
        return
    raise UsageError(f"{printable(name)}: {why}")


def _is_export(path: Path) -> bool:
    """Whether a file is an earlier export, or empty."""
    beginning = json.dumps({HEADER: 0})[:-2].encode()
    with path.open("rb") as file:
        return file.read(len(beginning)) in (b"", beginning)


def _refuse_absent(address: str) -> None:
    if address.startswith(SQLITE) and not os.path.exists(address.removeprefix(SQLITE)):  # noqa: PTH110  no OSError
        raise StoreError(f"{address}: there is no state yet; `watcher run` makes it at its first start")


async def _everything(address: str) -> list[Part]:
    async with opened(mover_for(address)) as mover:
        return [part async for part in mover.read()]


def _write(path: Path, text: Iterable[str]) -> None:
    descriptor, beside = tempfile.mkstemp(prefix=".watcher-export-", dir=path.parent)  # mode 0600
    try:
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123  a descriptor
            file.writelines(f"{line}\n" for line in text)
            file.flush()
            os.fsync(descriptor)
        Path(beside).replace(path)
    except BaseException:
        Path(beside).unlink()
        raise


def read_file(address: str, name: str) -> str:
    """Import; what was read, for people.

    Raises:
        StoreError: the store cannot be written, is not empty, or somebody uses it.
        UsageError: the file is not what `write_file` writes.
    """
    # All of it is looked at before anything is written.
    found = [*_parts(name)]
    asyncio.run(_fill(address, found))
    return f"{_counted(found)} were read from {printable(name)}."


async def _fill(address: str, found: Iterable[Part]) -> None:
    async with opened(mover_for(address)) as mover:
        await mover.write(found)


def _parts(name: str) -> Iterator[Part]:
    try:
        with Path(name).open("rb") as file:
            yield from parts(_lines(file, name), printable(name))
    except OSError as error:
        raise UsageError(f"{printable(name)}: the file cannot be read: {error.strerror}") from error


def _lines(file: BinaryIO, name: str) -> Iterator[str]:
    for number, line in enumerate(iter(partial(file.readline, LONGEST_LINE), b""), 1):
        try:
            text = line.decode()
        except UnicodeDecodeError:
            text = ""
        if not text or len(line) == LONGEST_LINE:
            why = "a line is not UTF-8 text" if not text else f"a line is longer than {LONGEST_LINE >> 20} MiB"
            raise UsageError(f"{printable(name)}:{number}: this is not an export of watcher: {why}")
        yield text


def _counted(found: Iterable[Part]) -> str:
    counts = Counter(type(part) for part in found)
    *first, last = [f"{counts[kind]} {word}" for kind, word in WORDS.items()]
    return f"{', '.join(first)} and {last}"
