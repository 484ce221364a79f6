"""Tracing with OpenTelemetry: spans of polls, deliveries and calls to AWS, exported by OTLP without secrets.

Loaded only if tracing is configured, since OpenTelemetry takes 0.1 s to load. Exports cannot affect polls: spans wait
in a bounded queue for a thread of their own, and are dropped when it is full.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from threading import Thread
from typing import TYPE_CHECKING

import structlog
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.botocore import AiobotocoreInstrumentor
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.propagate import set_global_textmap
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Span as OtelSpan
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from watcher.core.events import Event
from watcher.core.settings import Tracing as Settings
from watcher.observability.library_lines import StreakHandler
from watcher.observability.tracing import Span, record_with
from watcher.util.bounded_requests import bound_responses
from watcher.util.redaction import hider, redacted_excerpt

if TYPE_CHECKING:
    from opentelemetry.util.types import Attributes

log = structlog.get_logger()

MAX_QUEUED_SPANS = 2048
EXPORT_SECONDS = 5.0
"""Seconds between exports, unless a batch is full before."""
EXPORT_TIMEOUT_SECONDS = 5.0
"""Seconds for one export, its retries included."""

_NAMES = {
    "region": "cloud.region",
    "method": "http.request.method",
    "server": "server.address",
    "port": "server.port",
    "url": "url.full",
}
"""Attributes that have a name in OpenTelemetry's conventions; all others are prefixed with `watcher.`."""

_IDENTITY = ("id", "source", "type", "subject")
"""The attributes that identify a CloudEvent."""

_W3C = TraceContextTextMapPropagator()


class Tracing:
    """Active tracing, from construction until `shutdown`; it covers clients that were opened before, too."""

    def __init__(self, settings: Settings, version: str) -> None:
        headers = {name: value.get_secret_value() for name, value in settings.headers.items()}
        log_export_failures(headers.values())
        bound_responses()
        self._provider = sdk.TracerProvider(
            resource=Resource.create({"service.name": "watcher", "service.version": version}),
            sampler=ParentBased(TraceIdRatioBased(settings.sample)),
            shutdown_on_exit=False,  # it would wait for a dead collector
        )
        self._exporter = RedactingExporter(
            OTLPSpanExporter(settings.url, headers=headers, timeout=EXPORT_TIMEOUT_SECONDS)
        )
        self._provider.add_span_processor(
            BatchSpanProcessor(
                self._exporter,
                MAX_QUEUED_SPANS,
                schedule_delay_millis=EXPORT_SECONDS * 1000,
                max_export_batch_size=512,
            )
        )
        # Otherwise it would send X-Ray's header with every call, and put the context into each message to SNS: a
        # message of nearly the maximum size would not fit, and subscribers would see undocumented attributes.
        nothing = CompositePropagator([])
        set_global_textmap(nothing)
        AiobotocoreInstrumentor().instrument(tracer_provider=self._provider, propagator=nothing)  # type: ignore[no-untyped-call]
        record_with(SpanRecorder(self._provider.get_tracer("watcher", version)))

    async def shutdown(self, seconds: float) -> None:
        """Stop tracing, and send the remaining spans within `seconds`: a dead collector must not delay the end."""
        record_with(None)
        AiobotocoreInstrumentor().uninstrument()  # type: ignore[no-untyped-call]
        loop, sent = asyncio.get_running_loop(), asyncio.Event()

        def send() -> None:
            self._provider.shutdown()
            with suppress(RuntimeError):  # the wait is over, and the loop is closed
                loop.call_soon_threadsafe(sent.set)

        # A thread that the process does not wait for when it ends.
        Thread(target=send, name="last spans", daemon=True).start()
        try:
            async with asyncio.timeout(seconds):
                await sent.wait()
        except TimeoutError:
            logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # the line below reports it
            self._exporter.shutdown()  # ends its retries
            log.warning("tracing.flush_failed", error=f"the last spans were not accepted within {seconds:g} s")


class RecordedSpan(Span):
    """A span that is sent, if its trace is sampled."""

    __slots__ = ("_span",)

    def __init__(self, span: OtelSpan) -> None:
        self._span = span

    def outcome(self, outcome: str, error: str = "") -> None:
        self._span.set_attribute("watcher.outcome", outcome)
        if error:
            self._span.set_attribute("error.type", outcome)
            self._span.set_status(StatusCode.ERROR, redacted_excerpt(error))

    def status(self, code: int) -> None:
        self._span.set_attribute("http.response.status_code", code)
        if code >= 400:
            self._span.set_attribute("error.type", str(code))
            self._span.set_status(StatusCode.ERROR)  # a description would only repeat the code

    def delivers(self, events: Sequence[Event]) -> None:
        """One event's attributes are set on the span; those of several as lists, and on each link."""
        if not self._span.is_recording():
            return
        bodies = [json.loads(event.body) for event in events]
        named = [{f"cloudevents.event_{name}": body.get(name, "") for name in _IDENTITY} for body in bodies]
        if len(named) == 1:
            self._span.set_attributes(named[0])
        else:
            lists = {f"watcher.event_{name}s": [body.get(name, "") for body in bodies] for name in _IDENTITY}
            self._span.set_attributes(lists)
        for body, attributes in zip(bodies, named, strict=True):
            carrier = {"traceparent": str(body.get("traceparent", ""))}
            poll = get_current_span(_W3C.extract(carrier)).get_span_context()
            if poll.is_valid:
                self._span.add_link(poll, attributes)


class SpanRecorder:
    """Makes spans with a tracer of a provider that samples and exports."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    @contextmanager
    def span(self, name: str, attributes: Mapping[str, str | int], *, client: bool) -> Iterator[Span]:
        with self._tracer.start_as_current_span(
            name,
            kind=SpanKind.CLIENT if client else SpanKind.INTERNAL,
            attributes={_NAMES.get(key, f"watcher.{key}"): value for key, value in attributes.items()},
            record_exception=False,
            set_status_on_exception=False,
        ) as current:
            recorded = RecordedSpan(current)
            # In a trace that is not sampled, the instrumentation of calls is skipped altogether.
            with nullcontext() if current.is_recording() else suppress_instrumentation():
                try:
                    yield recorded
                except Exception as error:
                    recorded.outcome(type(error).__name__, str(error) or type(error).__name__)
                    raise
                except BaseException:
                    recorded.outcome("cancelled")
                    raise

    def context(self) -> Mapping[str, str]:
        carrier: dict[str, str] = {}
        _W3C.inject(carrier)
        return carrier

    def traceparent(self) -> str | None:
        return self.context().get("traceparent") if get_current_span().is_recording() else None


class RedactingExporter(SpanExporter):
    """Redacts spans as logs are redacted, then exports them: the instrumentation records errors verbatim."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[sdk.ReadableSpan]) -> SpanExportResult:
        return self._exporter.export([_redacted(span) for span in spans])

    def shutdown(self) -> None:
        self._exporter.shutdown()


def _redacted(span: sdk.ReadableSpan) -> sdk.ReadableSpan:
    """`span` without secrets. A successful one has none: its attributes are names, regions and numbers."""
    if span.status.description is None and not span.events:
        return span
    return sdk.ReadableSpan(
        span.name,
        span.context,
        span.parent,
        span.resource,
        _shown(span.attributes),
        [sdk.Event(event.name, _shown(event.attributes), event.timestamp) for event in span.events],
        span.links,
        span.kind,
        status=Status(span.status.status_code, redacted_excerpt(span.status.description or "")),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _shown(attributes: Attributes) -> Attributes:
    """Attributes without secrets, and without tracebacks, which are for bugs."""
    return {
        name: redacted_excerpt(value) if isinstance(value, str) else value
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
