"""Traces as a collector receives them: polls and deliveries with aiobotocore's calls; and without a collector."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from pydantic import SecretStr
from structlog.testing import capture_logs

from tests.integration.collector import collecting
from tests.integration.conftest import HANGING, a_config, a_stack, a_template, at, daemon, running
from tests.integration.receiver import OK, Reply, receiving
from tests.support.ports import unused_port
from tests.support.simulator import attempt
from tests.support.waiting import PATIENCE, SLACK, until
from watcher import __version__
from watcher.cli.configuration import parse
from watcher.config.document import Document
from watcher.core.deliveries import DeliveryState
from watcher.core.queries import DeliveryQuery
from watcher.core.settings import Tracing
from watcher.core.sink_settings import SinkSettings
from watcher.observability import tracing, tracing_setup
from watcher.util.redaction import HIDDEN, remember

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.integration.collector import Collector
    from tests.support.emulators import Emulator, Faulty
    from tests.support.simulator import Simulator
    from watcher.core.deliveries import DeliveryRecord
    from watcher.core.model import Target


CLIENT, INTERNAL = 3, 1
TOKEN = "hush-hush-token"
UNBOUNDED = 600.0
"""Seconds for an export, where it is not this limit that is to end it."""


@asynccontextmanager
async def traced(settings: Tracing, shutdown: float = 10.0) -> AsyncIterator[None]:
    """Trace until the block ends; then every span was sent, or `shutdown` seconds are over."""
    at_work = tracing_setup.Tracing(settings, "1.2.3")
    try:
        yield
    finally:
        await at_work.shutdown(shutdown)


async def polled(simulator: Simulator, collector: Collector, *targets: Target, polls: int = 3) -> None:
    """Run a daemon until it polled each of these so often, and stop it; its spans were sent."""
    config = a_config(simulator.url, targets, tracing=Tracing(collector.endpoint))
    async with running(simulator, config) as watch:
        await watch.until(lambda: len({call.target for call in simulator.calls}) == len(targets))
        await watch.polls(polls)


# The tree.


async def test_a_poll_is_a_span_with_aiobotocores_call_below_it(simulator: Simulator) -> None:
    targets = [a_stack(), a_template()]
    async with collecting() as collector:
        for target in targets:
            simulator.world.show(target, attempt(target, "SUCCEEDED", at(1), "c0ffee"))
        await polled(simulator, collector, *targets)
    for name, call_name, target in (
        ("poll stack", "CodeConnections.GetResourceSyncStatus", targets[0]),
        ("poll template", "Proton.GetTemplateSyncStatus", targets[1]),
    ):
        polls = collector.spans(name)
        assert len(polls) >= 3
        for poll in polls:
            assert (poll.kind, poll.parent, poll.failed) == (INTERNAL, "", None)
            told = {"watcher.target": target.id, "watcher.account": "default", "cloud.region": "us-east-1"}
            assert told.items() <= poll.attributes.items()
            assert (poll.resource["service.name"], poll.resource["service.version"]) == ("watcher", __version__)
        done = [poll for poll in polls if poll.attributes["watcher.outcome"] == "answered"]
        assert len(done) >= len(polls) - 1  # the stop may have cut one
        for poll in done:
            call, *blockers = collector.below(poll)
            assert (call.name, call.kind, call.trace, call.failed) == (call_name, CLIENT, poll.trace, None)
            assert call.attributes["cloud.region"] == "us-east-1"
            assert [each.name for each in blockers] in ([], [f"{call_name.partition('.')[0]}.GetSyncBlockerSummary"])


async def test_nothing_else_is_traced_the_export_least_of_all(simulator: Simulator) -> None:
    target = a_stack()
    simulator.world.show(target, attempt(target, "SUCCEEDED", at(1)))
    async with collecting() as collector:
        await polled(simulator, collector, target, polls=20)
        assert len(collector.received) >= 1
    spans = collector.spans()
    calls = {f"CodeConnections.{name}" for name in ("GetResourceSyncStatus", "GetSyncBlockerSummary")}
    assert {span.name for span in spans} == {"poll stack", *calls}
    assert len({span.trace for span in spans}) == len([span for span in spans if not span.parent])


async def test_each_try_is_a_span_of_its_own_and_a_throttle_is_obeyed_as_ever(simulator: Simulator) -> None:
    target = a_stack()
    simulator.world.show(target, attempt(target, "SUCCEEDED", at(1), "c0ffee"))
    simulator.world.fault(target, "throttling", calls=1)
    async with collecting() as collector:
        await polled(simulator, collector, target)
    throttled, answered = collector.below(collector.spans("poll stack")[0])
    assert "ThrottlingException" in (throttled.failed or "")
    assert answered.failed is None
    assert collector.spans("poll stack")[0].attributes["watcher.outcome"] == "answered"


@pytest.mark.parametrize(
    ("fault", "told"), [("not_found", "ResourceNotFound"), ("hang", "Timeout"), ("html", "MalformedAnswer")]
)
async def test_a_poll_that_failed_says_why(simulator: Simulator, fault: str, told: str) -> None:
    target = a_stack(timeout=HANGING.get(fault, 30.0))
    simulator.world.fault(None, fault)
    async with collecting() as collector:
        await polled(simulator, collector, target, polls=2)
    poll = collector.spans("poll stack")[0]
    assert told in (poll.failed or "")
    assert poll.attributes["watcher.outcome"] not in {"answered", "bug"}


async def test_answers_are_read_to_the_same_end_with_tracing_as_without(simulator: Simulator) -> None:
    """The body is handed over raw, whatever stands around the call."""
    target = a_stack()
    async with collecting() as collector:
        config = a_config(simulator.url, [target], tracing=Tracing(collector.endpoint))
        async with running(simulator, config) as watch:
            watch.show(target, "FAILED", 1, "c0ffee")
            (event,) = await watch.events(1)
            watch.show(target, "SUCCEEDED", 2, "decade")
            event = (await watch.events(2))[1]
    assert (event["type"], event["data"]["recovered"]) == ("watcher.sync.succeeded", True)
    assert event["data"]["attempt"]["targetRevision"]["sha"] == "decade"
    assert {span.attributes["watcher.outcome"] for span in collector.spans("deliver stdout")} == {"taken"}


async def test_a_share_of_the_traces_is_sent_whole_and_none_at_zero(simulator: Simulator) -> None:
    async with collecting() as collector:
        async with traced(Tracing(collector.endpoint, sample=0.0)):
            for _ in range(50):
                with tracing.span("poll stack"):
                    pass
        assert collector.received == []
        async with traced(Tracing(collector.endpoint, sample=0.5)):
            for _ in range(400):
                with tracing.span("poll stack"), tracing.span("inner"):
                    pass
    roots = {span.id for span in collector.spans("poll ")}
    assert {span.parent for span in collector.spans("inner")} == roots
    assert 100 < len(roots) < 300


# Deliveries.


def a_sink(kind: str, **options: Any) -> SinkSettings:
    """As a configuration describes it."""
    form = {"stacks": [{"name": "network"}], "sinks": [{"name": "ops", "type": kind, **options}]}
    (settings,) = parse(
        Document("a test", json.dumps(form).encode()), {"AWS_REGION": "us-east-1"}, lambda _: None
    ).sinks
    return settings


async def delivered(
    simulator: Simulator,
    collector: Collector,
    sink: SinkSettings,
    state: DeliveryState,
    answer: str = "",
    store: str = "memory://",
) -> DeliveryRecord:
    """Run a daemon that delivers a failed sync until the delivery is in this state, and stop it."""
    target = a_stack()
    simulator.world.show(target, attempt(target, "FAILED", at(1)))
    traces = Tracing(collector.endpoint)
    config = a_config(simulator.url, [target], sinks=(sink,), tracing=traces, state=store, shutdown_grace=0.5)
    calls = len(simulator.calls)
    async with daemon(config) as app:

        async def there() -> DeliveryRecord | None:
            found = await app.store.deliveries(DeliveryQuery())
            return next((each for each in found if each.state is state and answer in (each.answer or "")), None)

        await until(lambda: len(simulator.calls) > calls, "a poll, which the store is open for")
        record: DeliveryRecord = await until(there)
        return record


@pytest.mark.parametrize(
    ("kind", "call_name"), [("sns", "PublishBatch"), ("sqs", "SendMessageBatch"), ("eventbridge", "PutEvents")]
)
async def test_a_delivery_to_aws_has_its_call_below_it_and_carries_nothing_of_the_trace(
    simulator: Simulator, moto: Emulator, kind: str, call_name: str
) -> None:
    queue = moto.queue()
    options = {"sqs": {"queue": queue}, "eventbridge": {"bus": "default"}}
    options["sns"] = {"topic": moto.topic(queue, RawMessageDelivery="true")}
    sink = a_sink(kind, endpoint_url=moto.url, **options[kind])
    async with collecting() as collector:
        await delivered(simulator, collector, sink, DeliveryState.SENT)
    (delivery,) = collector.spans("deliver ")
    assert (delivery.name, delivery.failed, delivery.parent) == ("deliver ops", None, "")
    assert (delivery.attributes["watcher.outcome"], delivery.attributes["watcher.deliveries"]) == ("taken", 1)
    (call,) = collector.below(delivery)
    assert (call.failed, call.attributes["rpc.method"]) == (None, call_name)
    if kind != "eventbridge":
        (message,) = moto.received(queue, 1)
        assert set(message["MessageAttributes"]) == {"type", "target", "account", "region"}


async def test_a_webhook_has_its_post_below_it(simulator: Simulator) -> None:
    async with collecting() as collector, receiving() as receiver:
        sink = a_sink("webhook", url=receiver.url("/hook/of-a-secret-path"), allow_http=True, allow_private=True)
        await delivered(simulator, collector, sink, DeliveryState.SENT)
    (delivery,) = collector.spans("deliver ops")
    (post,) = collector.below(delivery)
    assert (post.name, post.kind, post.failed) == ("POST", CLIENT, None)
    assert post.attributes == {
        "http.request.method": "POST", "http.response.status_code": 200, "server.address": "127.0.0.1",
        "server.port": receiver.port, "url.full": f"http://127.0.0.1:{receiver.port}/[redacted]",
    }  # fmt: skip
    assert "of-a-secret-path" not in "".join(span.text for span in collector.spans())
    (request,) = receiver.received
    version, trace, parent, _ = request.headers["traceparent"].split("-")
    assert (version, trace, parent) == ("00", post.trace, post.id)


async def test_a_delivery_is_linked_to_the_poll_that_saw_the_change_also_after_a_restart(
    simulator: Simulator, tmp_path: Path
) -> None:
    store = f"sqlite:///{tmp_path}/watcher.db"
    async with collecting() as collector, receiving() as receiver:
        receiver.answer = lambda _: Reply(404, body=b"not deployed yet")
        sink = a_sink("webhook", url=receiver.url(), allow_http=True, allow_private=True)
        await delivered(simulator, collector, sink, DeliveryState.WAITING, "not deployed yet", store)
        receiver.answer = lambda _: OK
        record = await delivered(simulator, collector, sink, DeliveryState.SENT, store=store)
    event = record.event
    told = {"cloudevents.event_id": event.id, "cloudevents.event_type": event.type}
    told |= {"cloudevents.event_source": "/watcher/default/us-east-1", "cloudevents.event_subject": a_stack().id}
    told |= {"watcher.deliveries": 1}
    deliveries = collector.spans("deliver ops")
    assert {each.attributes["watcher.outcome"] for each in deliveries} == {"later", "taken"}
    polls = {each.id: each for each in collector.spans("poll stack")}
    for each in deliveries:
        assert told.items() <= each.attributes.items()
        (link,) = each.links
        assert f"-{polls[link].trace}-{link}-" in json.loads(event.body)["traceparent"]
        (post,) = collector.below(each)
        if each.attributes["watcher.outcome"] == "later":
            assert "404 Not Found: not deployed yet" in (each.failed or "")
            assert each.attributes["error.type"] == "later"
            assert (post.failed, post.attributes["error.type"]) == ("", "404")
        else:
            assert (each.failed, post.failed) == (None, None)


@pytest.mark.parametrize(("status", "state", "outcome"), [(400, "DEAD", "never"), (500, "WAITING", "later")])
async def test_a_delivery_that_is_not_taken_says_why(
    simulator: Simulator, status: int, state: str, outcome: str
) -> None:
    async with collecting() as collector, receiving(*[Reply(status, body=b"not today")] * 99) as receiver:
        sink = a_sink("webhook", url=receiver.url(), allow_http=True, allow_private=True)
        await delivered(simulator, collector, sink, DeliveryState[state], "not today")
    delivery = collector.spans("deliver ops")[0]
    assert delivery.attributes["watcher.outcome"] == outcome
    assert "not today" in (delivery.failed or "")


async def test_the_span_of_a_delivery_without_a_response_has_the_reason(simulator: Simulator) -> None:
    async with collecting() as collector:
        sink = a_sink("webhook", url=f"http://127.0.0.1:{unused_port()}/", allow_http=True, allow_private=True)
        await delivered(simulator, collector, sink, DeliveryState.WAITING, "no connection")
    delivery = collector.spans("deliver ops")[0]
    assert delivery.attributes["watcher.outcome"] == "SinkError"
    assert "no connection" in (delivery.failed or "")


# Secrets.


async def test_headers_arrive_and_are_in_no_log_whatever_the_collector_says(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    raw = f"HTTP/1.1 401 who is {TOKEN}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
    headers = {"Authorization": SecretStr(f"Bearer {TOKEN}"), "X-Team": SecretStr("ops")}
    with capture_logs() as logs:
        async with (
            collecting(Reply(raw=lambda: [raw])) as collector,
            traced(Tracing(collector.endpoint, headers)),
        ):
            with tracing.span("poll stack"):
                pass
    (request,) = collector.received
    assert (request.headers["Authorization"], request.headers["X-Team"]) == (f"Bearer {TOKEN}", "ops")
    assert request.headers["Content-Type"] == "application/x-protobuf"
    (line,) = logs
    assert (line["event"], f"who is {HIDDEN}" in line["error"]) == ("tracing.export_failed", True)
    assert TOKEN not in f"{logs}{caplog.text}"


async def test_what_aws_says_is_exported_without_secrets_and_tracebacks(simulator: Simulator, faulty: Faulty) -> None:
    """The instrumentation records an error verbatim, as a status and as an event."""
    remember(TOKEN)

    async def answer(_: web.Request) -> web.Response:
        told = {"__type": "InvalidSignatureException", "message": f"x-amz-security-token:IQoJsecret for {TOKEN}, sorry"}
        return web.json_response(told, status=400, content_type="application/x-amz-json-1.0")

    url = await faulty(answer)
    async with collecting() as collector:
        config = a_config(url, [a_stack()], tracing=Tracing(collector.endpoint))
        async with running(simulator, config) as watch:
            await watch.until(lambda: len(watch.caught.events) == 1)
    spans = collector.spans()
    assert {span.name for span in spans} == {"poll stack", "CodeConnections.GetResourceSyncStatus", "deliver stdout"}
    told = "".join(span.text for span in spans)
    assert "sorry" in told
    assert "exception.type" in told
    for secret in (TOKEN, "IQoJsecret", "Traceback"):
        assert secret not in told


# No collector.


@pytest.mark.parametrize("collector_is", ["refusing", "hanging", "failing"])
async def test_without_a_collector_the_daemon_polls_on_and_stops_in_time(
    simulator: Simulator, collector_is: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Spans are exported at once, so that the exporter fails while polls go on."""
    monkeypatch.setattr(tracing_setup, "EXPORT_SECONDS", 0.1)
    monkeypatch.setattr(tracing_setup, "EXPORT_TIMEOUT_SECONDS", UNBOUNDED)
    target = a_stack()
    simulator.world.show(target, attempt(target, "SUCCEEDED", at(1)))
    reply = Reply(hang=True) if collector_is == "hanging" else Reply(503)
    with capture_logs() as logs:
        async with collecting(*[reply] * 999) as collector:
            endpoint = f"http://127.0.0.1:{unused_port()}" if collector_is == "refusing" else collector.endpoint
            async with running(simulator, a_config(simulator.url, [target], tracing=Tracing(endpoint))) as watch:
                await watch.until(lambda: len(simulator.calls) >= 5)
                await watch.polls(10)
                stopping = time.monotonic()
            took = time.monotonic() - stopping
    assert took < SLACK
    troubles = [line["error"] for line in logs if line["event"] == "tracing.export_failed"]
    assert len(troubles) == len(set(troubles)) <= 4
    assert collector_is == "hanging" or troubles
    assert "poll.failed" not in {line["event"] for line in logs}


async def test_spans_that_cannot_be_sent_are_dropped_and_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing_setup, "EXPORT_TIMEOUT_SECONDS", UNBOUNDED)  # the first export never ends
    with capture_logs() as logs:
        async with collecting(*[Reply(hang=True)] * 99) as collector, traced(Tracing(collector.endpoint), shutdown=0.2):
            for _ in range(3 * tracing_setup.MAX_QUEUED_SPANS):
                with tracing.span("poll stack"):
                    pass
            await collector.until(1)
    assert [line["error"] for line in logs].count("Queue full, dropping Span.") == 1


async def test_a_last_export_is_given_up_when_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing_setup, "EXPORT_TIMEOUT_SECONDS", UNBOUNDED)
    async with collecting(Reply(hang=True)) as collector:
        at_work = tracing_setup.Tracing(Tracing(collector.endpoint), "1.2.3")
        with tracing.span("poll stack"):
            pass
        with capture_logs() as logs:
            begun = time.monotonic()
            await at_work.shutdown(0.3)
            assert 0.3 <= time.monotonic() - begun < SLACK
        # The streak of a test before may end meanwhile.
        assert [line["event"] for line in logs if line["event"] != "tracing.export_failed"] == ["tracing.flush_failed"]


# The command.


RUN = f"""
import sys
from pathlib import Path
from watcher.cli import main
if "tracing" in Path(sys.argv[1]).read_text():
    from watcher.observability import tracing_setup
    tracing_setup.EXPORT_TIMEOUT_SECONDS = {UNBOUNDED}
try:
    main(["run", "--config", sys.argv[1]])
finally:
    print("loaded:", *sorted({{name.partition(".")[0] for name in sys.modules}} & {{"opentelemetry", "requests"}}))
"""


@pytest.mark.parametrize(
    ("more", "loaded"), [("", "loaded:"), ("tracing: {endpoint: %s}\n", "loaded: opentelemetry requests")]
)
async def test_the_command_loads_opentelemetry_only_where_tracing_is_configured_and_ends_well_without_a_collector(
    simulator: Simulator, tmp_path: Path, more: str, loaded: str
) -> None:
    config = tmp_path / "watcher.yaml"
    text = "defaults: {interval: 100ms}\nhttp: off\nstate: memory://\nstacks: [{name: network}]\n"
    config.write_text(text + more.replace("%s", f"http://127.0.0.1:{unused_port()}"))
    environment = {**os.environ, "AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": simulator.url}
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", RUN, str(config), env=environment, stdout=-1, stderr=-1
    )
    try:
        async with asyncio.timeout(PATIENCE):
            await until(lambda: len(simulator.calls) >= 3)
            stopping = time.monotonic()
            child.send_signal(signal.SIGTERM)
            out, err = await child.communicate()
        assert (child.returncode, out.decode().splitlines()[-1]) == (0, loaded)
        assert time.monotonic() - stopping < SLACK
        assert b"Traceback" not in err
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
