"""Lines are whole, whoever writes them and whatever comes between."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from watcher.sinks import stdout
from watcher.sinks.stdout import Lines

if TYPE_CHECKING:
    from pathlib import Path


def never() -> bool:
    return False


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


def opened(file: Path) -> int:
    return os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def short_writes(monkeypatch: pytest.MonkeyPatch, fail_at: int) -> None:
    """A disk that takes 10 bytes at a time, and is full at the write with this number, once."""
    real, writes = os.write, [0]

    def write(descriptor: int, line: bytes) -> int:
        writes[0] += 1
        if writes[0] == fail_at:
            raise OSError(28, "No space left on device")
        return real(descriptor, line[:10])

    monkeypatch.setattr(stdout.os, "write", write)


@pytest.mark.parametrize("fail_at", [1, 2, 3])
def test_a_line_that_was_cut_short_goes_on_where_it_was(
    monkeypatch: pytest.MonkeyPatch, file: Path, fail_at: int
) -> None:
    lines = Lines(opened(file))
    short_writes(monkeypatch, fail_at)
    with pytest.raises(OSError, match="No space"):
        lines.write(("a", 1), b"x" * 25, never)
    lines.write(("a", 1), b"x" * 25, never)
    lines.write(("a", 2), b"y" * 25, never)
    assert file.read_bytes().splitlines() == [b"x" * 25, b"y" * 25]


def test_another_sink_completes_a_line_before_its_own(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    """The first then repeats it: a repeat, and never half a line."""
    lines = Lines(opened(file))
    short_writes(monkeypatch, 2)
    with pytest.raises(OSError, match="No space"):
        lines.write(("a", 1), b"x" * 25, never)
    lines.write(("b", 1), b"y" * 25, never)
    lines.write(("a", 1), b"x" * 25, never)
    assert file.read_bytes().splitlines() == [b"x" * 25, b"y" * 25, b"x" * 25]


def test_half_a_line_of_a_run_that_was_killed_is_ended(file: Path) -> None:
    file.write_bytes(b'{"whole": 1}\n{"half')
    descriptor = os.open(file, os.O_RDWR | os.O_APPEND)
    Lines(descriptor).write(("a", 1), b'{"again": 2}', never)
    assert file.read_bytes().splitlines() == [b'{"whole": 1}', b'{"half', b'{"again": 2}']


def test_a_whole_file_is_only_appended_to(file: Path) -> None:
    file.write_bytes(b'{"whole": 1}\n')
    Lines(opened(file)).write(("a", 1), b'{"next": 2}', never)
    assert file.read_bytes() == b'{"whole": 1}\n{"next": 2}\n'


def test_a_reader_that_stalls_does_not_hold_the_end_up() -> None:
    reading, writing = os.pipe()
    with pytest.raises(stdout._EndingError):
        Lines(writing).write(("a", 1), b"x" * 1_000_000, lambda: True)
    os.close(reading)
    os.close(writing)
