"""Logs to stderr: coloured lines on a terminal, else JSON.

The event of a line is `<noun>.<past participle>`: trouble ends in `.failed`, its end in `.recovered`, a bug in
`.crashed`. Records that libraries log by the standard `logging` are rendered in the same way; of a streak of equal ones
only the first and their number are written. Every value passes through `redacted_excerpt`.
"""

import contextlib
import logging
import os
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

from watcher.observability.library_lines import StreakHandler
from watcher.util.bounded_text import LONGEST_TEXT
from watcher.util.redaction import HIDDEN, printable, redact, redacted_excerpt, remember

TRACEBACKS = frozenset({"exception", "stack"})
"""Keys whose values may have several lines."""


def set_up(*, verbose: bool = False, quiet: bool = False) -> None:
    """Log to stderr from `INFO` up, with `verbose` from `DEBUG`, with `quiet` from `CRITICAL`."""
    secrets = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN")
    remember(*map(os.environ.get, secrets))
    stream = Stderr()
    level = logging.DEBUG if verbose else logging.CRITICAL if quiet else logging.INFO
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        _redacted,
    ]
    renderer: Any = structlog.processors.JSONRenderer(ensure_ascii=True)
    if stream.isatty():
        shared.append(_printable)
        # Tracebacks are formatted before, without the local variables that structlog's own would show.
        plain, colors = structlog.dev.plain_traceback, not os.environ.get("NO_COLOR")
        renderer = structlog.dev.ConsoleRenderer(colors=colors, pad_event_to=24, exception_formatter=plain)
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
    logging.basicConfig(handlers=[StreakHandler(lines.emit)], level=max(level + 10, logging.INFO), force=True)
    logging.captureWarnings(capture=True)
    # Of failed refreshes of credentials, a mandatory one raises an exception as well.
    for name in ("aiobotocore.credentials", "aiobotocore.tokens"):
        logging.getLogger(name).addFilter(lambda record: record.args != ("mandatory",))
    # One line for each start says where credentials were found; errors come to us as exceptions.
    logging.getLogger("botocore").setLevel(logging.WARNING)


class Stderr:
    """Standard error; a daemon must not end because it is closed, not read, or redirected to a full disk."""

    def isatty(self) -> bool:
        return sys.stderr is not None and sys.stderr.isatty()

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            sys.stderr.flush()


def _redacted(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    # Keys with a leading underscore are structlog's, and are not rendered.
    event.update({key: _value(key, value) for key, value in event.items() if not key.startswith("_")})
    return event


def _value(name: str, value: Any) -> Any:
    """`value` as it may be shown: hidden if its name is that of a secret."""
    if not redact(f"{name}: x").endswith(": x"):
        return HIDDEN
    return _shown(value, 64 * 1024 if name in TRACEBACKS else LONGEST_TEXT)


def _shown(value: Any, longest: int) -> Any:
    """`value` as JSON can represent it, with all its texts, also nested ones, redacted and cut to `longest` bytes."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Mapping):
        return {redacted_excerpt(str(key)): _value(str(key), item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_shown(item, longest) for item in value]
    return redacted_excerpt(value if isinstance(value, str) else repr(value), longest)


def _printable(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    # A text of AWS must not move the cursor or forge a line. Nested texts are shown with escapes anyway.
    for key, value in event.items():
        if isinstance(value, str):
            lines = value.split("\n") if key in TRACEBACKS else [value]
            event[key] = "\n".join(map(printable, lines))
    return event
