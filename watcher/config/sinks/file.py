"""Events as JSON Lines: on the standard output, or in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PlainValidator, WithJsonSchema

from watcher.config.fields import Count, or_variable, printable, quoted, single, text_schema
from watcher.config.sinks.base import Sink
from watcher.util.size import FORM_IN_WORDS, PATTERN, parse_size


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
            raise ValueError(f"the directory of {quoted(value)} does not exist; make it, or write elsewhere")
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
    raise ValueError(f"{quoted(text)} is no size that can stand here; it must be {FORM_IN_WORDS}")


Size = Annotated[int, PlainValidator(_size), WithJsonSchema(or_variable({"type": "string", "pattern": PATTERN}))]


class StdoutSink(Sink):
    """Events as lines of JSON on the standard output."""

    type: Literal["stdout"]
    """What the sink is."""


class FileSink(Sink):
    """Events as lines of JSON in a file."""

    type: Literal["file"]
    """What the sink is."""
    path: Annotated[str, PlainValidator(_path), text_schema(minLength=1)] = Field(
        examples=["/var/log/watcher/events.jsonl"]
    )
    """The file; its directory must exist."""
    max_size: Size = Field(default=parse_size("100MiB"), json_schema_extra={"default": "100MiB"})
    """A new file is begun before this one is larger; 1KB at least."""
    keep: Count = 5
    """Older files that are kept."""
