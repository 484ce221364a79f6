"""Removes secrets from exported spans, and from the log records of OpenTelemetry's own code.

Loaded where tracing is configured.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import structlog
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Status

from watcher.observability.library_lines import StreakHandler
from watcher.util.redaction import excerpt, hider

if TYPE_CHECKING:
    from opentelemetry.util.types import Attributes

log = structlog.get_logger()


class RedactingExporter(SpanExporter):
    """Redacts spans as logs are redacted, then exports them: the instrumentation records errors verbatim."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._over = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export `spans` without secrets; fails at once after `shutdown`."""
        return SpanExportResult.FAILURE if self._over else self._exporter.export([_redacted(span) for span in spans])

    def shutdown(self) -> None:
        """Export nothing more, and end the retries under way."""
        if not self._over:
            self._over = True
            self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


def _redacted(span: ReadableSpan) -> ReadableSpan:
    """`span` without secrets. A successful one has none: its attributes are names, regions and numbers."""
    if span.status.description is None and not span.events:
        return span
    return ReadableSpan(
        span.name,
        span.context,
        span.parent,
        span.resource,
        _shown(span.attributes),
        [Event(event.name, _shown(event.attributes), event.timestamp) for event in span.events],
        span.links,
        span.kind,
        status=Status(span.status.status_code, excerpt(span.status.description or "")),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _shown(attributes: Attributes) -> Attributes:
    """Attributes without secrets, and without tracebacks, which are for bugs."""
    return {
        name: excerpt(value) if isinstance(value, str) else value
        for name, value in (attributes or {}).items()
        if name != "exception.stacktrace"
    }


def log_export_failures(secrets: Collection[str]) -> None:
    """Log what OpenTelemetry's code logs, without `secrets`: the collector receives them, and might repeat them."""
    hide = hider(secrets)

    def write(record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            text = f"{text}: {type(record.exc_info[1]).__name__}: {record.exc_info[1]}"
        log.warning(
            "tracing.export_failed", error=hide(text), consequence="spans may be lost; nothing else is affected"
        )

    logger = logging.getLogger("opentelemetry")
    logger.handlers = [StreakHandler(write)]
    logger.propagate = False
    logger.setLevel(logging.WARNING)
