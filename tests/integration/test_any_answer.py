"""Any response in AWS's place, in status, headers and body: a poll ends with an answer or with a PollFailed."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.integration.conftest import VALID, a_stack, a_template
from tests.support.credentials import CREDENTIALS
from watcher.aws.sessions import Sessions
from watcher.core.diff import diff
from watcher.core.events import MAX_EVENT_BYTES
from watcher.core.model import FirstSeen
from watcher.core.settings import Account, RateLimit, Retry
from watcher.core.sync_events import sync_event
from watcher.errors import PollFailed
from watcher.polling.check import judge
from watcher.polling.endpoint import Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from watcher.core.model import Snapshot, Target

pytestmark = pytest.mark.usefixtures("way_in_soak")

TARGETS = (a_template(timeout=10.0), a_stack(timeout=10.0))
NOW = datetime.now(UTC)


@dataclass(frozen=True)
class Raw:
    """An HTTP response as it goes over the wire; the length is right where no header says otherwise."""

    status: str
    headers: list[tuple[str, bytes]]
    body: bytes

    def __bytes__(self) -> bytes:
        headers = list(self.headers)
        if "content-length" not in (name.lower() for name, _ in headers):
            headers.append(("Content-Length", b"%d" % len(self.body)))
        lines = [f"HTTP/1.1 {self.status}".encode(), *(b"%s: %s" % (name.encode(), value) for name, value in headers)]
        return b"\r\n".join(lines) + b"\r\nConnection: close\r\n\r\n" + self.body


def an_answer(**altered: Any) -> dict[str, Any]:
    revision = {"repositoryName": "a/b", "branch": "main", "directory": "/", "sha": "0" * 40}
    attempt = {"startedAt": 1.8e9, "status": "IN_PROGRESS", "target": "t", "events": []}
    latest = attempt | {"initialRevision": revision, "targetRevision": revision} | altered
    return {"latestSync": latest, "LatestSync": {name[0].upper() + name[1:]: value for name, value in latest.items()}}


def good(*headers: tuple[str, bytes], **altered: Any) -> Raw:
    return Raw("200 OK", list(headers), json.dumps(an_answer(**altered)).encode())


odd = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.just([]) | st.just({"a": [1]})
bodies = st.binary(max_size=40) | st.builds(
    lambda answer: json.dumps(answer).encode(),
    st.builds(an_answer, status=odd)
    | st.builds(an_answer, startedAt=odd)
    | st.builds(an_answer, events=st.lists(odd | st.fixed_dictionaries({"event": odd, "time": odd, "type": odd})))
    | st.builds(an_answer, targetRevision=odd, target=odd)
    | st.fixed_dictionaries({"__type": odd}, optional={"message": odd, "Message": odd}),
)
values = st.sampled_from(
    [
        b"Mon, 23 Nov 2026 08:00:00 GMT", b"Mon, 23 Nov 2026 08:00:00 +99999999999999999", b"99 Nov 2026",
        b"Mon, 23 Nov 99999 08:00:00 GMT", b"Mon, 31 Dec 9999 23:59:59 -2359", b"Mon, 01 Jan 0001 00:00:00 +2359",
        b"application/x-amz-json-1.0", b"application/cbor", b"gzip", b"-1", b"1_0", b"99999999999999999999", b"chunked",
        b"ResourceNotFoundException", b"#:#:", b"x" * 8000,
    ]
) | st.binary(max_size=30).map(lambda value: value.translate(None, b"\r\n\0"))  # fmt: skip
names = ["Date", "Content-Type", "Content-Length", "Content-Encoding", "Transfer-Encoding", "x-amzn-errortype", "Odd"]
statuses = st.sampled_from(
    ["200 OK", "200", "204 No Content", "301 M", "400 B", "429 T", "500 E", "503 S", "999 ?", "7"]
)
responses = st.builds(Raw, statuses, st.lists(st.tuples(st.sampled_from(names), values), max_size=4), bodies)


class Stage:
    """A server that sends what it is given, and both APIs' endpoints that ask it; on a loop of their own."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self._runner = runner
        self._response = b""
        self._server = runner.run(asyncio.start_server(self._respond, "127.0.0.1", 0))
        host, port = self._server.sockets[0].getsockname()
        account = Account(
            "default", ("us-east-1",), endpoint_url=f"http://{host}:{port}", rate_limit=RateLimit(1000, 1)
        )
        sessions = Sessions()
        self._endpoints = {
            target.id: Endpoint(target.endpoint, account, sessions, Retry(1, 0, 0)) for target in TARGETS
        }

    def poll(self, target: Target, response: Raw) -> Snapshot | PollFailed:
        return self._runner.run(self._poll(target, bytes(response)))

    def close(self) -> None:
        for endpoint in self._endpoints.values():
            self._runner.run(endpoint.close())
        self._server.close()

    async def _poll(self, target: Target, response: bytes) -> Snapshot | PollFailed:
        self._response = response
        endpoint = self._endpoints[target.id]
        await endpoint.admit()
        try:
            return await endpoint.fetch(target)
        except PollFailed as error:
            return error

    async def _respond(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(self._response)
        await writer.drain()
        writer.close()


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with pytest.MonkeyPatch.context() as patch, asyncio.Runner() as runner:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        made = Stage(runner)
        yield made
        made.close()


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(TARGETS), responses)
@example(TARGETS[0], good(("Date", b"Mon, 23 Nov 2026 08:00:00 +99999999999999999")))
@example(TARGETS[1], good(("Date", b"Mon, 01 Jan 0001 00:00:00 +2359")))
@example(TARGETS[0], good(("Content-Length", b"1_0")))
@example(TARGETS[0], Raw("503 S", [], b"[" * 100_000))
@example(TARGETS[1], Raw("100 Continue\r\n\r\nHTTP/1.1 " * 1000 + "200 OK", [], b"{}"))
def test_any_answer_is_a_snapshot_or_a_failed_poll(stage: Stage, target: Target, response: Raw) -> None:
    outcome = stage.poll(target, response)
    if isinstance(outcome, PollFailed):
        assert len(str(outcome)) < 10_000
        return
    judge(target, outcome, NOW)
    known = diff(None, outcome, now=outcome.at or NOW, on_first_seen=FirstSeen.ALL, stalled_after=timedelta(hours=1))
    for change in known.changes:
        event = sync_event(target, change, sequence=1, now=NOW)
        VALID.validate(json.loads(event.body))
        assert len(event.body) <= MAX_EVENT_BYTES


@pytest.mark.parametrize("target", TARGETS, ids=["proton", "codeconnections"])
@pytest.mark.parametrize(
    ("date", "counts"),
    [
        (f"{NOW:%a, %d %b %Y %H:%M:%S} GMT", True),
        (f"{NOW - timedelta(minutes=5):%a, %d %b %Y %H:%M:%S} GMT", True),
        (f"{NOW + timedelta(hours=3):%a, %d %b %Y %H:%M:%S} GMT", False),
        ("Mon, 23 Nov 2026 08:00:00 +99999999999999999", False),
        ("Fri, 31 Dec 9999 23:59:59 GMT", False),
        ("Mon, 01 Jan 0001 00:00:00 +2359", False),
        ("soon", False),
    ],
    ids=["now", "minutes ago", "hours ahead", "far zone", "last year", "first year", "a word"],
)
def test_a_date_that_is_not_of_now_hides_no_answer_and_is_no_clock(
    stage: Stage, target: Target, date: str, *, counts: bool
) -> None:
    outcome = stage.poll(target, good(("Date", date.encode())))
    assert not isinstance(outcome, PollFailed)
    assert outcome.latest is not None
    assert (outcome.latest.status, outcome.at is not None) == ("IN_PROGRESS", counts)


@pytest.mark.parametrize("target", TARGETS, ids=["proton", "codeconnections"])
@pytest.mark.parametrize(("status", "code"), [("400 B", "AccessDeniedException"), ("503 S", "503")])
def test_a_long_error_is_cut_and_marked(stage: Stage, target: Target, status: str, code: str) -> None:
    kind = {"__type": code} if not code.isdigit() else {}
    outcome = stage.poll(target, Raw(status, [], json.dumps({**kind, "message": "no " * 300_000}).encode()))
    assert isinstance(outcome, PollFailed)
    assert outcome.code == code
    assert len(json.dumps(outcome.message)) <= 4096 + 2
    assert outcome.message.endswith("… [cut]")
