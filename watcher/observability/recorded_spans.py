"""Spans while tracing is on, with the names of OpenTelemetry's semantic conventions (HTTP, CloudEvents, errors).

Loaded where tracing is configured.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.trace import Span as OtelSpan
from opentelemetry.trace import SpanKind, StatusCode, Tracer, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from watcher.observability.tracing import Span
from watcher.util.redaction import excerpt

if TYPE_CHECKING:
    from watcher.core.events import Event

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


class RecordedSpan(Span):
    """A span that is sent, if its trace is sampled."""

    __slots__ = ("_span",)

    def __init__(self, span: OtelSpan) -> None:
        self._span = span

    def outcome(self, outcome: str, error: str = "") -> None:
        self._span.set_attribute("watcher.outcome", outcome)
        if error:
            self._span.set_attribute("error.type", outcome)
            self._span.set_status(StatusCode.ERROR, excerpt(error))

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
