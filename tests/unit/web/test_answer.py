"""How answers go out, as far as it can be told without a socket."""

from __future__ import annotations

import pytest

from watcher.web.answer import failed, on_the_wire, takes_gzip
from watcher.web.listener import most_connections


@pytest.mark.parametrize(
    ("header", "takes"),
    [
        ("gzip", True), ("br, GZIP;q=0.5", True), ("*", True), ("gzip;q=1.0", True), ("gzip; q=0.001", True),
        ("", False), ("br", False), ("gzip;q=0", False), ("gzip; q=0.000", False), ("xgzip", False),
    ],
)  # fmt: skip
def test_gzip_is_sent_to_who_takes_it(header: str, takes: bool) -> None:  # noqa: FBT001
    assert takes_gzip(header) is takes


def test_a_last_answer_is_whole() -> None:
    head, _, body = on_the_wire(failed(503, "busy", [("Retry-After", "1")])).partition(b"\r\n\r\n")
    assert body == b'{"error":"busy"}'
    assert head.startswith(b"HTTP/1.1 503 ")
    assert b"Content-Length: 16" in head
    assert b"Retry-After: 1" in head
    assert b"Connection: close" in head
    assert b"Content-Security-Policy: default-src 'none'" in head


@pytest.mark.parametrize(("files", "most"), [(-1, 2000), (1024, 768), (65536, 2000), (2256, 2000), (260, 16)])
def test_connections_leave_files_for_the_rest(files: int, most: int) -> None:
    assert most_connections(files) == most
