"""Spans for polls and deliveries. Without tracing they do nothing, and OpenTelemetry is not loaded.

The context is propagated in two ways. Posts carry it in the header `traceparent` (W3C Trace Context). An event keeps
the context of the poll that observed the change in its extension attribute `traceparent` (CloudEvents' Distributed
Tracing), so that a delivery after a restart, or by another daemon, links to that poll, too. Calls to AWS carry no
context.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from watcher.core.events import Event
    from watcher.observability.tracing_setup import SpanRecorder

_recorder: SpanRecorder | None = None


class Span:
    """One piece of work. This class records nothing: it is used while tracing is off."""

    __slots__ = ()

    def outcome(self, outcome: str, error: str = "") -> None:
        """Record how it ended, in a word or two of a small set; with `error`, a text for people, it failed."""

    def status(self, code: int) -> None:
        """Record the HTTP status of the response; 400 and above is a failure."""

    def delivers(self, events: Sequence[Event]) -> None:
        """Record the events that it delivers, with a link to the poll that observed each."""


_OFF = nullcontext(Span())


def record_with(recorder: SpanRecorder | None) -> None:
    """Record spans from now on; None: no longer."""
    global _recorder  # noqa: PLW0603  one for the process, as for logs
    _recorder = recorder


def span(name: str, *, client: bool = False, **attributes: str | int) -> AbstractContextManager[Span]:
    """A span for the duration of a `with`, also around awaits; an exception that passes through is its outcome.

    Spans that begin meanwhile in this task, and in tasks that it starts, are its children. `name` and the names of
    `attributes` come from a small set; `client`: it is a request to another system.
    """
    return _OFF if _recorder is None else _recorder.span(name, attributes, client=client)


def propagated() -> Mapping[str, str]:
    """The headers that propagate the context of the current span (W3C Trace Context); empty while tracing is off."""
    return {} if _recorder is None else _recorder.context()


def traceparent() -> str | None:
    """The current span's context for an event's `traceparent`; None if its trace is not sent."""
    return None if _recorder is None else _recorder.traceparent()
