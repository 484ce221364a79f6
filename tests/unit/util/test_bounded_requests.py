"""Responses to libraries that post by `requests`: only their beginning is read."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest

from watcher.core.settings import Tracing as Settings
from watcher.util.bounded_requests import MAX_RESPONSE_BYTES, bound_responses

requests = pytest.importorskip("requests")


@pytest.fixture(autouse=True)
def _unbounded(monkeypatch: pytest.MonkeyPatch) -> None:
    read = requests.Response.iter_content
    monkeypatch.setattr(requests.Response, "iter_content", getattr(read, "__wrapped__", read))


def content(length: int) -> bytes:
    response: Any = requests.Response()
    response.status_code, response.raw = 200, BytesIO(bytes(length))
    read: bytes = response.content
    return read


@pytest.mark.parametrize("length", [0, 1, MAX_RESPONSE_BYTES - 1, MAX_RESPONSE_BYTES, 5 * MAX_RESPONSE_BYTES])
def test_no_more_of_a_response_is_read_than_the_limit(length: int) -> None:
    bound_responses()
    bound_responses()  # once is enough
    assert min(length, MAX_RESPONSE_BYTES) <= len(content(length)) < MAX_RESPONSE_BYTES + 64 * 1024


async def test_what_a_collector_responds_is_limited() -> None:
    tracing_setup = pytest.importorskip("watcher.observability.tracing_setup")
    assert len(content(5 * MAX_RESPONSE_BYTES)) == 5 * MAX_RESPONSE_BYTES
    made = tracing_setup.Tracing(Settings("http://127.0.0.1:1"), "0")
    try:
        assert len(content(5 * MAX_RESPONSE_BYTES)) < 2 * MAX_RESPONSE_BYTES
    finally:
        await made.shutdown(0.1)


def test_what_a_receiver_of_apprise_responds_is_limited() -> None:
    pytest.importorskip("apprise")
    from watcher.sinks.apprise_url import installed_apprise  # noqa: PLC0415  it is an extra

    assert installed_apprise() is not None
    assert len(content(5 * MAX_RESPONSE_BYTES)) < 2 * MAX_RESPONSE_BYTES
