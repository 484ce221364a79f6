"""Traces for those who want them: a span for each poll and each delivery, aiobotocore's own below it, sent by OTLP.

The only module that imports opentelemetry, and only where tracing is configured: without it, a span is nothing at all.
Tracing changes nothing that is sent: neither calls to AWS nor messages carry the context on. What becomes of an export
is no business of a poll: spans wait in a bounded queue for a thread of their own, and are dropped when it is full.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import contextmanager, nullcontext, suppress
from threading import Thread
from typing import TYPE_CHECKING, Any

import structlog

from watcher.observability.library_lines import StreakHandler
from watcher.redact import hider, redact

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from contextlib import AbstractContextManager

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
    from opentelemetry.trace import Span as OtelSpan
    from opentelemetry.trace import Tracer
    from opentelemetry.util.types import Attributes

    from watcher.config.settings import Tracing as Settings

log = structlog.get_logger()

QUEUE = 2048
"""Spans that wait to be sent, at most."""
BATCH = 512
EXPORT_EVERY = 5.0
"""Seconds, or as soon as there is a batch."""
EXPORT_TIMEOUT = 5.0
"""Seconds for one export, its retries included."""

_NAMES = {"region": "cloud.region", "server": "server.address"}
"""Attributes that have a name in OpenTelemetry's conventions; others are the watcher's."""

_tracer: Tracer | None = None


class Span:
    """One piece of work, while it is done. This one keeps nothing: tracing is off."""

    __slots__ = ()

    def outcome(self, outcome: str, error: str = "") -> None:
        """How it ended, in a word or two of a small set; with `error`, in words for people, it failed."""


_OFF = nullcontext(Span())


def span(name: str, *, client: bool = False, **told: str | int) -> AbstractContextManager[Span]:
    """A span for as long as a `with` lasts, around awaits as well; an error that passes through is its outcome.

    What is traced meanwhile in this task, and in those that it starts, is below it. `name` and the names in `told` come
    from a small set; `client`: it is a request to another system.
    """
    return _OFF if _tracer is None else _recorded(_tracer, name, told, client=client)


def set_up(settings: Settings, version: str) -> Tracing:
    """Trace from now on, also what clients do that were opened before; `version` is the watcher's own.

    It loads OpenTelemetry, which takes about a tenth of a second, and starts the thread that exports.

    Raises:
        ImportError: the extra `otel` is not installed; the configuration says so before.
    """
    global _tracer  # noqa: PLW0603  as with logs: one for the process
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415  see above
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415  the same
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415  the same
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415  the same
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased  # noqa: PLC0415  the same

    headers = {name: value.get_secret_value() for name, value in settings.headers.items()}
    _listen_to_troubles(headers.values())
    provider = TracerProvider(
        resource=Resource.create({"service.name": "watcher", "service.version": version}),
        sampler=ParentBased(TraceIdRatioBased(settings.sample)),
        shutdown_on_exit=False,  # it would wait for a dead collector
    )
    exporter: Any = _Redacting(OTLPSpanExporter(settings.url, headers=headers, timeout=EXPORT_TIMEOUT))
    provider.add_span_processor(
        BatchSpanProcessor(exporter, QUEUE, schedule_delay_millis=EXPORT_EVERY * 1000, max_export_batch_size=BATCH)
    )
    _instrument(provider)
    _tracer = provider.get_tracer("watcher", version)
    return Tracing(provider, exporter)


class Tracing:
    """Tracing at work, until it is shut down."""

    def __init__(self, provider: Any, exporter: Any) -> None:
        """Take OpenTelemetry's own parts."""
        self._provider = provider
        self._exporter = exporter

    async def shutdown(self, timeout: float) -> None:  # noqa: ASYNC109  what is not sent by then is given up, no error
        """Trace nothing more, and send what waits within so many seconds: a dead collector holds up nobody."""
        global _tracer  # noqa: PLW0603  see `set_up`
        _tracer = None
        _uninstrument()
        loop, sent = asyncio.get_running_loop(), asyncio.Event()

        def send() -> None:
            self._provider.shutdown()
            with suppress(RuntimeError):  # nobody waits any more, and the loop is closed
                loop.call_soon_threadsafe(sent.set)

        # A thread that the process does not wait for when it ends.
        Thread(target=send, name="last spans", daemon=True).start()
        try:
            async with asyncio.timeout(timeout):
                await sent.wait()
        except TimeoutError:
            logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # what it would still say is said here
            self._exporter.shutdown()  # ends its retries
            log.warning("tracing.not_sent", error=f"the collector did not take the last spans within {timeout:g} s")


class _Recorded(Span):
    """A span while tracing is on."""

    __slots__ = ("_span",)

    def __init__(self, span: OtelSpan) -> None:
        self._span = span

    def outcome(self, outcome: str, error: str = "") -> None:
        from opentelemetry.trace import StatusCode  # noqa: PLC0415  loaded by now

        self._span.set_attribute("watcher.outcome", outcome)
        if error:
            self._span.set_status(StatusCode.ERROR, redact(error))


@contextmanager
def _recorded(tracer: Tracer, name: str, told: dict[str, str | int], *, client: bool) -> Iterator[Span]:
    from opentelemetry.instrumentation.utils import suppress_instrumentation  # noqa: PLC0415  loaded by now
    from opentelemetry.trace import SpanKind  # noqa: PLC0415  the same

    with tracer.start_as_current_span(
        name,
        kind=SpanKind.CLIENT if client else SpanKind.INTERNAL,
        attributes={_NAMES.get(key, f"watcher.{key}"): value for key, value in told.items()},
        record_exception=False,
        set_status_on_exception=False,
    ) as current:
        recorded = _Recorded(current)
        # In a trace that is not sampled, calls need not even ask.
        with nullcontext() if current.is_recording() else suppress_instrumentation():
            try:
                yield recorded
            except Exception as error:
                recorded.outcome(type(error).__name__, str(error) or type(error).__name__)
                raise
            except BaseException:
                recorded.outcome("cancelled")
                raise


def _instrument(provider: Any) -> None:
    """Let every call of aiobotocore's be a span, and nothing else be different about it."""
    from opentelemetry.instrumentation.botocore import AiobotocoreInstrumentor  # noqa: PLC0415  loaded if wanted
    from opentelemetry.propagate import set_global_textmap  # noqa: PLC0415  the same
    from opentelemetry.propagators.composite import CompositePropagator  # noqa: PLC0415  the same

    # It would send X-Ray's header with every call, and put the context into each message to SNS: a message that just
    # fits would no longer, and subscribers would see attributes that nobody configured.
    nothing = CompositePropagator([])
    set_global_textmap(nothing)
    AiobotocoreInstrumentor().instrument(tracer_provider=provider, propagator=nothing)  # type: ignore[no-untyped-call]


def _uninstrument() -> None:
    from opentelemetry.instrumentation.botocore import AiobotocoreInstrumentor  # noqa: PLC0415  loaded by now

    AiobotocoreInstrumentor().uninstrument()  # type: ignore[no-untyped-call]


class _Redacting:
    """An exporter that lets nothing out that a log would not show: the instrumentation tells errors as they came."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._over = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        from opentelemetry.sdk.trace.export import SpanExportResult  # noqa: PLC0415  loaded by now

        return SpanExportResult.FAILURE if self._over else self._exporter.export([_redacted(span) for span in spans])

    def shutdown(self) -> None:
        if not self._over:
            self._over = True
            self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


def _redacted(span: ReadableSpan) -> ReadableSpan:
    """`span` without secrets. What went well has none: its attributes are names, regions and numbers."""
    from opentelemetry.sdk.trace import Event, ReadableSpan  # noqa: PLC0415  loaded by now
    from opentelemetry.trace import Status  # noqa: PLC0415  the same

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
        status=Status(span.status.status_code, redact(span.status.description or "")),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _shown(attributes: Attributes) -> Attributes:
    """Attributes without secrets, and without tracebacks, which are for bugs."""
    return {
        name: redact(value) if isinstance(value, str) else value
        for name, value in (attributes or {}).items()
        if name != "exception.stacktrace"
    }


def _listen_to_troubles(secrets: Collection[str]) -> None:
    """Log what OpenTelemetry's own code logs, without `secrets`, which the collector is sent and might repeat."""
    hide = hider(secrets)

    def write(record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            text = f"{text}: {type(record.exc_info[1]).__name__}: {record.exc_info[1]}"
        log.warning("tracing.trouble", error=hide(text), consequence="spans may be lost, and nothing else")

    logger = logging.getLogger("opentelemetry")
    logger.handlers = [StreakHandler(write)]
    logger.propagate = False
    logger.setLevel(logging.WARNING)
