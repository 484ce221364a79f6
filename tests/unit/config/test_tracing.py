"""`tracing`: where traces are sent, and what it needs."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from watcher.core.settings import Config
    from watcher.errors import Fault

STACK = "\nstacks: [{name: x}]"


@pytest.mark.parametrize("text", ["", "tracing:", "tracing: null"])
def test_without_it_there_are_no_traces(text: str, read: Callable[..., Config]) -> None:
    assert read(text + STACK).tracing is None


def test_an_endpoint_is_enough_and_gets_every_trace(read: Callable[..., Config]) -> None:
    tracing = read("tracing: {endpoint: 'http://127.0.0.1:4318/'}" + STACK).tracing
    assert tracing is not None
    assert (tracing.endpoint, dict(tracing.headers), tracing.sample) == ("http://127.0.0.1:4318/", {}, 1.0)


def test_headers_come_from_variables_and_do_not_print(read: Callable[..., Config]) -> None:
    text = "tracing: {endpoint: 'https://a.org/otlp', headers: {Authorization: 'Bearer ${T}'}, sample: 0.25}"
    tracing = read(text + STACK, {"AWS_REGION": "us-east-1", "T": "hush"}).tracing
    assert tracing is not None
    assert {name: value.get_secret_value() for name, value in tracing.headers.items()} == {
        "Authorization": "Bearer hush"
    }
    assert (tracing.endpoint, tracing.sample) == ("https://a.org/otlp", 0.25)
    assert "hush" not in repr(tracing)


@pytest.mark.parametrize(
    "missing", ["opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http", "opentelemetry.instrumentation.botocore"]
)
def test_without_any_part_of_the_extra_the_fault_says_what_to_install(
    missing: str, monkeypatch: pytest.MonkeyPatch, faults: Callable[..., list[Fault]]
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    found, other = faults("tracing: {endpoint: 'http://127.0.0.1:4318', sample: 2}" + STACK)
    assert (found.line, found.column, found.path) == (1, 10, "tracing")
    assert "pip install '.[otel]'" in found.message
    assert other.path == "tracing.sample"


def test_without_the_whole_extra_the_fault_is_the_same(
    monkeypatch: pytest.MonkeyPatch, faults: Callable[..., list[Fault]]
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "opentelemetry"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    (found,) = faults("tracing: {endpoint: 'http://127.0.0.1:4318'}" + STACK)
    assert found.path == "tracing"


def test_reading_it_loads_nothing_of_opentelemetry() -> None:
    """It takes time and memory, and `watcher status` has no use for it."""
    script = """
import sys
from watcher.config.document import Document
from watcher.cli.configuration import parse
text = b"tracing: {endpoint: 'http://127.0.0.1:4318'}\\nstacks: [{name: x}]"
parse(Document("f", text), {"AWS_REGION": "us-east-1"}, print)
print(*sorted({"opentelemetry.sdk", "opentelemetry.trace", "requests", "google.protobuf"} & sys.modules.keys()))
"""
    assert subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout == "\n"
