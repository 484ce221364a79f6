"""Spans without a daemon: none while tracing is off; else their attributes, their parents, and what is redacted."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from pydantic import SecretStr
from structlog.testing import capture_logs

from watcher.core.event_schema import event_schema
from watcher.core.events import trial_event
from watcher.core.settings import Tracing
from watcher.core.stamps import stamped
from watcher.observability import library_lines, tracing, tracing_setup
from watcher.observability.tracing_setup import RedactingExporter, SpanRecorder, log_export_failures
from watcher.sources import KINDS
from watcher.util.bounded_text import bounded
from watcher.util.redaction import HIDDEN

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """Tracing on, its spans kept here as they would be exported."""
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(RedactingExporter(exporter)))
    monkeypatch.setattr(tracing, "_recorder", SpanRecorder(provider.get_tracer("test")))
    yield exporter
    provider.shutdown()


# Off.


def test_while_tracing_is_off_every_span_is_the_same_nothing() -> None:
    with tracing.span("poll stack", target="a", deliveries=3) as one, tracing.span("POST", client=True) as other:
        one.outcome("answered")
        one.outcome("failed", "why")
        one.status(500)
        one.delivers([])
        assert (tracing.traceparent(), tracing.propagated()) == (None, {})
    assert one is other


def test_while_tracing_is_off_errors_pass_through_a_span() -> None:
    with pytest.raises(KeyError), tracing.span("poll stack"):
        raise KeyError


def test_nothing_of_opentelemetry_is_loaded_before_it_is_set_up() -> None:
    script = (
        "import sys, watcher.observability.tracing as t\nwith t.span('a'): pass\nprint('opentelemetry' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"


# On.


def test_a_span_has_its_attributes_by_their_own_names(kept: InMemorySpanExporter) -> None:
    with tracing.span("poll stack", target="a/b", region="eu-west-1", deliveries=2) as span:
        span.outcome("answered")
    with tracing.span("POST", client=True, method="POST", server="example.com", port=443):
        pass
    poll, post = kept.get_finished_spans()
    assert (poll.name, poll.kind, poll.status.status_code) == ("poll stack", SpanKind.INTERNAL, StatusCode.UNSET)
    assert dict(poll.attributes or {}) == {
        "watcher.target": "a/b", "cloud.region": "eu-west-1", "watcher.deliveries": 2, "watcher.outcome": "answered",
    }  # fmt: skip
    assert (post.kind, dict(post.attributes or {})) == (
        SpanKind.CLIENT,
        {"http.request.method": "POST", "server.address": "example.com", "server.port": 443},
    )


def test_an_outcome_with_an_error_is_a_failure_without_secrets(kept: InMemorySpanExporter) -> None:
    with tracing.span("poll stack") as span:
        span.outcome("failed", "Authorization: Bearer hush, they said")
    (poll,) = kept.get_finished_spans()
    assert (poll.status.status_code, poll.status.description) == (
        StatusCode.ERROR,
        f"Authorization: {HIDDEN}, they said",
    )


@pytest.mark.parametrize(
    ("error", "outcome", "description"),
    [
        (ValueError("no: session_token=hush"), "ValueError", f"no: session_token={HIDDEN}"),
        (ValueError("x" * 900_000), "ValueError", bounded("x" * 900_000)),
        (TimeoutError(), "TimeoutError", "TimeoutError"),
        (asyncio.CancelledError(), "cancelled", None),
    ],
)
def test_an_error_that_passes_through_is_the_outcome_and_goes_on(
    kept: InMemorySpanExporter, error: BaseException, outcome: str, description: str | None
) -> None:
    with pytest.raises(type(error)), tracing.span("deliver ops"):
        raise error
    (span,) = kept.get_finished_spans()
    assert (span.attributes or {})["watcher.outcome"] == outcome
    assert (span.status.description, list(span.events)) == (description, [])


@pytest.mark.parametrize(
    ("code", "error"), [(200, None), (204, None), (302, None), (400, "400"), (404, "404"), (410, "410"), (503, "503")]
)
def test_a_status_of_http_is_an_error_from_400_on(kept: InMemorySpanExporter, code: int, error: str | None) -> None:
    with tracing.span("POST", client=True) as span:
        span.status(code)
    (post,) = kept.get_finished_spans()
    assert post.status.status_code is (StatusCode.ERROR if error else StatusCode.UNSET)
    assert dict(post.attributes or {}) == {
        "http.response.status_code": code, **({"error.type": error} if error else {}),
    }  # fmt: skip


@pytest.mark.parametrize("odd", [None, "", "nonsense", f"00-{'0' * 32}-{'0' * 16}-01", 7, ["00"]])
def test_a_delivery_names_its_events_and_links_to_the_polls_that_saw_them(kept: InMemorySpanExporter, odd: Any) -> None:
    now = datetime(2026, 11, 23, 8, tzinfo=UTC)
    with tracing.span("poll stack"):
        one = stamped(trial_event("one", now), traceparent=tracing.traceparent())
    other = stamped(trial_event("other", now), traceparent=odd)
    with tracing.span("deliver ops") as span:
        span.delivers([one])
    with tracing.span("deliver ops") as span:
        span.delivers([one, other])
    poll, alone, together = kept.get_finished_spans()
    attributes = {
        "cloudevents.event_id": one.id,
        "cloudevents.event_source": "/watcher/test/one",
        "cloudevents.event_type": "watcher.test",
        "cloudevents.event_subject": "test/one",
    }
    assert dict(alone.attributes or {}) == attributes
    assert dict(together.attributes or {}) == {
        "watcher.event_ids": (one.id, other.id),
        "watcher.event_sources": ("/watcher/test/one", "/watcher/test/other"),
        "watcher.event_types": ("watcher.test", "watcher.test"),
        "watcher.event_subjects": ("test/one", "test/other"),
    }
    for delivery in (alone, together):
        (link,) = delivery.links
        assert (link.context.trace_id, link.context.span_id) == (poll.context.trace_id, poll.context.span_id)
        assert dict(link.attributes or {}) == attributes


def test_an_event_keeps_the_poll_that_saw_it_only_where_that_is_traced(kept: InMemorySpanExporter) -> None:
    event = trial_event("ops", datetime(2026, 11, 23, 8, tzinfo=UTC))
    assert "traceparent" not in json.loads(stamped(event, traceparent=tracing.traceparent()).body)
    with tracing.span("poll stack"):
        kept_form = json.loads(stamped(event, traceparent=tracing.traceparent()).body)
    (poll,) = kept.get_finished_spans()
    Draft202012Validator(event_schema(KINDS)).validate(kept_form)
    context = kept_form.pop("traceparent")
    assert context.startswith(f"00-{poll.context.trace_id:032x}-{poll.context.span_id:016x}-0")
    assert kept_form == json.loads(stamped(event).body)


async def test_spans_of_tasks_that_go_on_side_by_side_do_not_mix(kept: InMemorySpanExporter) -> None:
    everybody = asyncio.Barrier(2)

    async def call(name: str) -> None:
        with tracing.span(f"call of {name}"):
            await everybody.wait()

    async def poll(name: str) -> None:
        with tracing.span(name):
            await everybody.wait()
            await asyncio.gather(call(name))  # a task of its own
            await everybody.wait()

    async with asyncio.timeout(10):
        await asyncio.gather(poll("one"), poll("other"))
    spans = kept.get_finished_spans()
    names = {span.context.span_id: span.name for span in spans if span.context}
    assert {span.name: names[span.parent.span_id] if span.parent else None for span in spans} == {
        "one": None, "other": None, "call of one": "one", "call of other": "other",
    }  # fmt: skip


# Troubles.


def test_equal_export_failures_are_logged_once_with_their_end_and_without_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr(library_lines.time, "monotonic", lambda: now)
    log_export_failures(["Bearer hush-token", "x "])
    logger = logging.getLogger("opentelemetry.exporter")
    with capture_logs() as logs:
        for _ in range(3):
            logger.error("no way to %s", "Bearer hush-token")
            logger.warning("another: %s", "hush-token")
            logger.info("not worth a line")
        assert [line["error"] for line in logs] == [f"no way to {HIDDEN}", f"another: {HIDDEN}"]
        now += library_lines.QUIET_SECONDS
        (handler,) = logging.getLogger("opentelemetry").handlers
        assert isinstance(handler, library_lines.StreakHandler)
        handler._look()
        logger.error("no way to %s", "there")
        try:
            int("a bug of theirs")
        except ValueError:
            logger.exception("while exporting")
    *over, told, bug = [line["error"] for line in logs[2:]]
    assert over == [f"over after 3 times in 0.0 s: {line}" for line in (f"no way to {HIDDEN}", f"another: {HIDDEN}")]
    assert told == "no way to there"
    assert bug.startswith("while exporting: ValueError: ")
    assert {line["event"] for line in logs} == {"tracing.export_failed"}


async def test_it_can_be_set_up_again_after_a_shutdown() -> None:
    settings = Tracing("http://127.0.0.1:9/", {"X": SecretStr("hush")}, 1.0)
    for _ in range(2):
        at_work = tracing_setup.Tracing(settings, "1")
        assert tracing.span("a") is not tracing.span("a")
        await at_work.shutdown(5)
        assert tracing.span("a") is tracing.span("a")


def test_the_base_url_is_followed_by_the_path_of_traces() -> None:
    assert Tracing("http://127.0.0.1:4318").url == "http://127.0.0.1:4318/v1/traces"
    assert Tracing("https://example.com/otlp/").url == "https://example.com/otlp/v1/traces"
