"""`state`: creates the state store, exports and imports its contents."""

import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

import click

from watcher.cli.options import config_option, examples, load_config, only_config
from watcher.cli.running import opened, run_to_end
from watcher.config.files import files_in_use
from watcher.core.settings import Config
from watcher.core.state_url import SCHEME, SQLITE, parse_address
from watcher.errors import StoreError, UsageError
from watcher.messages.phrases import counted
from watcher.stores import mover_for
from watcher.stores.transfer import HEADER, Part, Recorded, Sending, State, lines, parts
from watcher.util.redaction import printable

MAX_LINE_BYTES = 64 << 20
"""No state or event is that long."""


@click.group(
    invoke_without_command=False,
    subcommand_metavar="COMMAND [ARGS]...",
    epilog=examples(
        "watcher state init",
        "watcher state export state.jsonl --config old.yaml",
        "watcher state import state.jsonl --config new.yaml",
    ),
)
@config_option
@click.pass_context
def state(context: click.Context, /, **_: object) -> None:
    """Create, export or import the state store."""
    only_config(context)


@state.command(epilog=examples("watcher state init --config watcher.yaml"))
@config_option
def init(config: str | None) -> int:
    """Create the DynamoDB table of `state`, or add what it lacks.

    The table gets on-demand capacity, point-in-time recovery and TTL. A table with a different key, or with items of
    another program, is refused. A state file needs no preparation.
    """
    for line in run_to_end(prepare(load_config(config).state)):
        click.echo(line)
    return 0


async def prepare(address: str) -> list[str]:
    """Create what `address` needs; return what was done, for people."""
    if not address.startswith(SCHEME):
        return [f"{address} needs no preparation; `watcher run` creates what it needs."]

    from watcher.stores.dynamodb.schema import init as create_table  # noqa: PLC0415  loads aiobotocore
    from watcher.stores.dynamodb.table import Table  # noqa: PLC0415  as above

    table = Table(parse_address(address))
    try:
        done = await create_table(table)
    finally:
        await table.close()
    return [f"{table.address}: {each}." for each in done] or [f"{table.address} is complete; nothing was changed."]


@state.command(epilog=examples("watcher state export state.jsonl --config watcher.yaml"))
@config_option
@click.argument("name", metavar="FILE", type=click.Path(dir_okay=False))
def export(config: str | None, name: str) -> int:
    """Write everything in the state store to FILE, as JSON Lines.

    Stop the daemons that use the store first. FILE is created, or replaced if it is an earlier export. The copy of a
    configuration in AWS is not exported: the next start makes another.
    """
    settings, path = load_config(config), Path(name)
    try:
        _refuse_other(path, name, settings)
        if settings.state.startswith(SQLITE) and not os.access(settings.state.removeprefix(SQLITE), os.F_OK):
            raise StoreError(f"{settings.state}: there is no state yet; `watcher run` creates it at its first start")
        found = run_to_end(_read_all(settings.state))
        _write(path, lines(found))
    except OSError as error:
        raise UsageError(f"{printable(name)}: the file cannot be written: {error.strerror}") from error
    click.echo(f"Exported {_counts(found)} to {printable(name)}.")
    return 0


def _refuse_other(path: Path, name: str, settings: Config) -> None:
    """Refuse a path that is in use, or holds anything but an export."""
    use = files_in_use(settings).get(os.path.realpath(path))
    if name == "-":
        why = "the state cannot be written to standard output; name a file"
    elif path.is_symlink():
        why = "this is a symbolic link; name the file that it points to"
    elif use is not None:
        why = f"this file is {use}; name another file"
    elif path.exists() and not path.is_file():
        why = "this is not a regular file; name one, or a path that does not exist"
    elif path.exists() and not _is_export_or_empty(path):
        why = "this file is not an export of watcher; name another file, or remove it"
    else:
        return
    raise UsageError(f"{printable(name)}: {why}")


def _is_export_or_empty(path: Path) -> bool:
    beginning = json.dumps({HEADER: 0})[:-2].encode()
    with path.open("rb") as file:
        return file.read(len(beginning)) in (b"", beginning)


async def _read_all(address: str) -> list[Part]:
    async with opened(mover_for(address)) as mover:
        return [part async for part in mover.read()]


def _write(path: Path, text: Iterable[str]) -> None:
    descriptor, beside = tempfile.mkstemp(prefix=".watcher-export-", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in text)
            file.flush()
            os.fsync(descriptor)
        Path(beside).replace(path)
    except BaseException:
        Path(beside).unlink()
        raise


@state.command(name="import", epilog=examples("watcher state import state.jsonl --config watcher.yaml"))
@config_option
@click.argument("name", metavar="FILE", type=click.Path(exists=True, dir_okay=False))
def import_(config: str | None, name: str) -> int:
    """Fill an empty state store from FILE, an earlier export.

    Stop the daemons that use the store first.
    """
    address = load_config(config).state
    # The whole file is checked before anything is written.
    found = [*_parts(name)]
    run_to_end(_fill(address, found))
    click.echo(f"Imported {_counts(found)} from {printable(name)}.")
    return 0


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
    for number, line in enumerate(iter(partial(file.readline, MAX_LINE_BYTES), b""), 1):
        try:
            text = line.decode()
        except UnicodeDecodeError:
            text = ""
        if not text or len(line) == MAX_LINE_BYTES:
            why = "a line is not UTF-8 text" if not text else f"a line is longer than {MAX_LINE_BYTES >> 20} MiB"
            raise UsageError(f"{printable(name)}:{number}: this is not an export of watcher: {why}")
        yield text


def _counts(found: Iterable[Part]) -> str:
    """Return `2 states, 1 event and 0 deliveries`."""
    counts = Counter(type(part) for part in found)
    states, events = counted(counts[State], "state"), counted(counts[Recorded], "event")
    return f"{states}, {events} and {counted(counts[Sending], 'delivery')}"
