"""Logs: structlog to stderr, set up once. JSON where nobody looks, coloured lines on a terminal.

Event names are dotted and stable. Records that libraries log by the standard `logging` are rendered in the same way; of
a streak of equal ones, only the first and the number of them are written. Every value passes through `excerpt`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import structlog

from watcher.observability.library_lines import StreakHandler
from watcher.util.bounded_text import LONGEST_TEXT
from watcher.util.redaction import HIDDEN, excerpt, printable, redact, remember

if TYPE_CHECKING:
    from collections.abc import MutableMapping

SECRET_VARIABLES = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN")

TRACEBACKS = frozenset({"exception", "stack"})
"""Keys whose values may have several lines."""

LONGEST_TRACEBACK = 64 * 1024
"""Bytes of the value of one of these keys."""


def set_up(*, verbose: bool = False, quiet: bool = False) -> None:
    """Send logs to stderr from `INFO` up; with `verbose` from `DEBUG`, with `quiet` only what is critical.

    Other libraries are one level quieter.
    """
    remember(*(os.environ.get(name) for name in SECRET_VARIABLES))
    stream = Stderr()
    terminal = stream.isatty()
    level = logging.DEBUG if verbose else logging.CRITICAL if quiet else logging.INFO
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        _redacted,
    ]
    if terminal:
        shared.append(_printable)
    colors = terminal and not os.environ.get("NO_COLOR")
    # Tracebacks come as text already, without the variables that a prettier one would show.
    plain = structlog.dev.plain_traceback
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=colors, pad_event_to=24, exception_formatter=plain)
        if terminal
        else structlog.processors.JSONRenderer(ensure_ascii=True)
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(stream),  # type: ignore[arg-type]  # has all that it uses
        cache_logger_on_first_use=True,
    )
    lines = logging.StreamHandler(stream)
    lines.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    handlers = [StreakHandler(lines.emit)]
    logging.basicConfig(handlers=handlers, level=max(level + 10, logging.INFO), force=True)
    logging.captureWarnings(capture=True)
    for name in ("aiobotocore.credentials", "aiobotocore.tokens"):
        logging.getLogger(name).addFilter(_is_news)
    # One line for each start says where credentials were found; errors come to us as exceptions.
    logging.getLogger("botocore").setLevel(logging.WARNING)


def _is_news(record: logging.LogRecord) -> bool:
    """Whether to log a failed refresh of credentials: a mandatory one raises an exception as well, so not that one."""
    return record.args != ("mandatory",)


class Stderr:
    """Standard error, for a daemon that must not end because nobody reads it, or its disk is full, or there is none."""

    def isatty(self) -> bool:
        """Whether a person reads it."""
        return sys.stderr is not None and sys.stderr.isatty()

    def write(self, text: str) -> None:
        """As far as it can be."""
        with contextlib.suppress(OSError, ValueError, AttributeError):
            sys.stderr.write(text)

    def flush(self) -> None:
        """The same."""
        with contextlib.suppress(OSError, ValueError, AttributeError):
            sys.stderr.flush()


def _redacted(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    # What begins with an underscore is structlog's own, and is not rendered.
    event.update({key: _value(key, value) for key, value in event.items() if not key.startswith("_")})
    return event


def _value(name: str, value: Any) -> Any:
    """What may be shown of a value: nothing, where its name says that it is a secret."""
    if not redact(f"{name}: x").endswith(": x"):
        return HIDDEN
    return _shown(value, LONGEST_TRACEBACK if name in TRACEBACKS else LONGEST_TEXT)


def _shown(value: Any, longest: int) -> Any:
    """`value` as JSON can represent it, with all its texts, also nested ones, redacted and cut to `longest` bytes."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Mapping):
        return {excerpt(str(key)): _value(str(key), item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_shown(item, longest) for item in value]
    return excerpt(value if isinstance(value, str) else repr(value), longest)


def _printable(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    # What AWS sends shall not move the cursor, nor forge a line. What is nested is shown with escapes anyway.
    for key, value in event.items():
        if isinstance(value, str):
            lines = value.split("\n") if key in TRACEBACKS else [value]
            event[key] = "\n".join(map(printable, lines))
    return event
