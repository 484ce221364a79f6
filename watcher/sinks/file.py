"""`file`: JSON Lines in a file that is rotated by size; `path.1` is the newest of the older files.

An event counts as delivered when its line is on the disk (fsync), in a file that still has a name. A thread writes,
since a disk may stall.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, PlainValidator, WithJsonSchema

from watcher.config.fields import Count, or_variable, text_schema
from watcher.config.readers import printable, quoted, single
from watcher.config.sink_model import SinkModel
from watcher.core.ports import Delivery, Limits, SendOutcome, Verdict
from watcher.core.settings import SinkSettings
from watcher.sinks.rotated_file import RotatedFile
from watcher.util.size import FORM_IN_WORDS, PATTERN, parse_size

if TYPE_CHECKING:
    from watcher.aws.sessions import Sessions

DEADLINE_SECONDS = 60.0
"""How long a disk may take for one batch."""

EVENT_BEGINNING = b'{"specversion"'
"""The first bytes of every line."""


def _path(value: object) -> str:
    path = Path(printable(value))
    try:
        if path.is_symlink():
            raise ValueError(f"{quoted(value)} is a symbolic link; name the file that it points to")
        if path.is_dir():
            raise ValueError(f"{quoted(value)} is a directory; name a file in it")
        if path.exists() and not path.is_file():
            raise ValueError(f"{quoted(value)} is not a regular file; name one")
        if not path.parent.is_dir():
            raise ValueError(f"the directory of {quoted(value)} does not exist; create it, or name another file")
    except OSError as error:
        raise ValueError(f"{quoted(value)} cannot be a file: {error.strerror}") from None
    return str(path)


def _size(value: object) -> int:
    text = single(value, "a size such as 64MiB")
    try:
        return parse_size(text)
    except ValueError:
        if not text.filled:
            raise
    raise ValueError(f"{quoted(text)} is not a valid size; it must be {FORM_IN_WORDS}")


Size = Annotated[int, PlainValidator(_size), WithJsonSchema(or_variable({"type": "string", "pattern": PATTERN}))]


class FileOptions(SinkModel):
    """Events as lines of JSON in a file."""

    type: Literal["file"]
    """The type of the sink."""
    path: Annotated[str, PlainValidator(_path), text_schema(minLength=1)] = Field(
        examples=["/var/log/watcher/events.jsonl"]
    )
    """The file; its directory must exist."""
    max_size: Size = Field(default=parse_size("100MiB"), json_schema_extra={"default": "100MiB"})
    """A new file is begun before this one exceeds this size; at least 1KB."""
    keep: Count = 5
    """The number of older files that are kept."""

    def build(self, settings: SinkSettings, sessions: Sessions) -> FileSink:
        return FileSink(self)

    def written_files(self) -> Mapping[str, str]:
        """Return the file, and those that it becomes when it is rotated."""
        path = os.path.realpath(self.path)
        older = {
            f"{path}.{number}": f"its older file, with .{number} at its end," for number in range(1, self.keep + 1)
        }
        return {path: "this file"} | older

    def may_write(self, path: str) -> bool:
        """Return whether the file begins with an event or a part of one, is empty, missing, or unreadable."""
        file = Path(path)
        try:
            if not file.is_file():
                return True
            with file.open("rb") as opened:
                return EVENT_BEGINNING.startswith(opened.read(len(EVENT_BEGINNING)))
        except OSError:
            return True


class FileSink:
    """Appends each event as one line."""

    limits = Limits(batch=100, in_order=True, deadline=DEADLINE_SECONDS)

    def __init__(self, options: FileOptions) -> None:
        self.name = options.name
        self._file = RotatedFile(Path(options.path), options.max_size, options.keep)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"file {options.name}")

    async def send(self, deliveries: Sequence[Delivery]) -> Sequence[SendOutcome]:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._send, deliveries)

    async def close(self) -> None:
        with contextlib.suppress(RuntimeError):  # it was closed before
            self._thread.submit(self._file.close)  # after what is under way
        self._thread.shutdown(wait=False)

    def _send(self, deliveries: Sequence[Delivery]) -> Sequence[SendOutcome]:
        lines = [((delivery.number, delivery.reminder), delivery.body.encode()) for delivery in deliveries]
        written = self._file.append(lines)
        return [SendOutcome(delivery, Verdict.TAKEN, "written and synced") for delivery in deliveries[:written]]
