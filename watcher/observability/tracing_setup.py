"""Sets up tracing: spans of polls, deliveries and calls to AWS, exported by OTLP. Loads OpenTelemetry (0.1 s).

Exports cannot affect polls: spans wait in a bounded queue for a thread of their own, and are dropped when it is full.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from threading import Thread

import structlog
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.botocore import AiobotocoreInstrumentor
from opentelemetry.propagate import set_global_textmap
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

from watcher.core.settings import Tracing as Settings
from watcher.observability.recorded_spans import SpanRecorder
from watcher.observability.span_export import RedactingExporter, log_export_failures
from watcher.observability.tracing import record_with

log = structlog.get_logger()

MAX_QUEUED_SPANS = 2048
MAX_BATCH_SPANS = 512
EXPORT_SECONDS = 5.0
"""Seconds between exports, unless a batch is full before."""
EXPORT_TIMEOUT_SECONDS = 5.0
"""Seconds for one export, its retries included."""


class Tracing:
    """Active tracing, from construction until `shutdown`; it covers clients that were opened before, too."""

    def __init__(self, settings: Settings, version: str) -> None:
        headers = {name: value.get_secret_value() for name, value in settings.headers.items()}
        log_export_failures(headers.values())
        self._provider = TracerProvider(
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
                max_export_batch_size=MAX_BATCH_SPANS,
            )
        )
        # Otherwise it would send X-Ray's header with every call, and put the context into each message to SNS: a
        # message of nearly the maximum size would not fit, and subscribers would see attributes nobody configured.
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
            log.warning("tracing.flush_failed", error=f"the collector did not take the last spans within {seconds:g} s")
