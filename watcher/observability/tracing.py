"""Traces for those who want them: a span for each poll and each delivery, aiobotocore's own below it, sent by OTLP.

OpenTelemetry is imported only here and in `observability`, and only if tracing is configured; otherwise spans do
nothing.

The context is propagated in two ways. Posts carry it in the header `traceparent` (W3C Trace Context). An event keeps
the context of the poll that observed the change in its extension attribute `traceparent` (CloudEvents' Distributed
Tracing), so that a delivery after a restart, or by another daemon, links to that poll, too. Calls to AWS carry no
context.

Exports cannot affect polls: spans wait in a bounded queue for a thread of their own, and are dropped when it is full.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import nullcontext, suppress
from threading import Thread
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

    from watcher.core.events import Event
    from watcher.core.settings import Tracing as Settings
    from watcher.observability.recorded_spans import SpanRecorder

log = structlog.get_logger()

QUEUE = 2048
"""Spans that wait to be sent, at most."""
BATCH = 512
EXPORT_EVERY = 5.0
"""Seconds, or as soon as there is a batch."""
EXPORT_TIMEOUT = 5.0
"""Seconds for one export, its retries included."""

_recorder: SpanRecorder | None = None


class Span:
    """One piece of work, while it is done. This one keeps nothing: tracing is off."""

    __slots__ = ()

    def outcome(self, outcome: str, error: str = "") -> None:
        """How it ended, in a word or two of a small set; with `error`, in words for people, it failed."""

    def status(self, code: int) -> None:
        """Record the HTTP status of the response; 400 and above is a failure."""

    def delivers(self, events: Sequence[Event]) -> None:
        """Record the events that it delivers, with a link to the poll that observed each."""


_OFF = nullcontext(Span())


def span(name: str, *, client: bool = False, **told: str | int) -> AbstractContextManager[Span]:
    """A span for as long as a `with` lasts, around awaits as well; an error that passes through is its outcome.

    What is traced meanwhile in this task, and in those that it starts, is below it. `name` and the names in `told` come
    from a small set; `client`: it is a request to another system.
    """
    return _OFF if _recorder is None else _recorder.span(name, told, client=client)


def propagated() -> Mapping[str, str]:
    """The headers that propagate the context of the current span (W3C Trace Context); empty while tracing is off."""
    return {} if _recorder is None else _recorder.context()


def traceparent() -> str | None:
    """The current span's context for an event's `traceparent`; None if its trace is not sent."""
    return None if _recorder is None else _recorder.traceparent()


def set_up(settings: Settings, version: str) -> Tracing:
    """Trace from now on, also what clients do that were opened before; `version` is the watcher's own.

    It loads OpenTelemetry, which takes about a tenth of a second, and starts the thread that exports.

    Raises:
        ImportError: the extra `otel` is not installed; the configuration says so before.
    """
    global _recorder  # noqa: PLW0603  as with logs: one for the process
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415  see above
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415  the same
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415  the same
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415  the same
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased  # noqa: PLC0415  the same

    from watcher.observability.recorded_spans import SpanRecorder  # noqa: PLC0415  the same
    from watcher.observability.span_export import RedactingExporter, log_troubles  # noqa: PLC0415  the same

    headers = {name: value.get_secret_value() for name, value in settings.headers.items()}
    log_troubles(headers.values())
    provider = TracerProvider(
        resource=Resource.create({"service.name": "watcher", "service.version": version}),
        sampler=ParentBased(TraceIdRatioBased(settings.sample)),
        shutdown_on_exit=False,  # it would wait for a dead collector
    )
    exporter: Any = RedactingExporter(OTLPSpanExporter(settings.url, headers=headers, timeout=EXPORT_TIMEOUT))
    provider.add_span_processor(
        BatchSpanProcessor(exporter, QUEUE, schedule_delay_millis=EXPORT_EVERY * 1000, max_export_batch_size=BATCH)
    )
    _instrument(provider)
    _recorder = SpanRecorder(provider.get_tracer("watcher", version))
    return Tracing(provider, exporter)


class Tracing:
    """Tracing at work, until it is shut down."""

    def __init__(self, provider: Any, exporter: Any) -> None:
        """Take OpenTelemetry's own parts."""
        self._provider = provider
        self._exporter = exporter

    async def shutdown(self, timeout: float) -> None:  # noqa: ASYNC109  what is not sent by then is given up, no error
        """Trace nothing more, and send what waits within so many seconds: a dead collector holds up nobody."""
        global _recorder  # noqa: PLW0603  see `set_up`
        _recorder = None
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
            log.warning("tracing.flush_failed", error=f"the collector did not take the last spans within {timeout:g} s")


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
