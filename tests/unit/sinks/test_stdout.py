"""Lines are whole, whoever writes them and whatever comes between."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from io import FileIO
from typing import TYPE_CHECKING

import pytest

from watcher.core.deliveries import Delivery, Verdict
from watcher.core.events import trial_event
from watcher.errors import SinkClosed, SinkError
from watcher.sinks import lines, stdout
from watcher.sinks.lines import EndingError, Lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from watcher.core.ports import Sink


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

    monkeypatch.setattr(os, "write", write)


@pytest.mark.parametrize("fail_at", [1, 2, 3])
def test_a_line_that_was_cut_short_goes_on_where_it_was(
    monkeypatch: pytest.MonkeyPatch, file: Path, fail_at: int
) -> None:
    written = Lines(opened(file))
    short_writes(monkeypatch, fail_at)
    with pytest.raises(OSError, match="No space"):
        written.write([(("a", 1), b"x" * 25)])
    written.write([(("a", 1), b"x" * 25)])
    written.write([(("a", 2), b"y" * 25)])
    assert file.read_bytes().splitlines() == [b"x" * 25, b"y" * 25]


def test_another_sink_completes_a_line_before_its_own(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    """The first then repeats it: a repeat, and never half a line."""
    written = Lines(opened(file))
    short_writes(monkeypatch, 2)
    with pytest.raises(OSError, match="No space"):
        written.write([(("a", 1), b"x" * 25)])
    written.write([(("b", 1), b"y" * 25)])
    written.write([(("a", 1), b"x" * 25)])
    assert file.read_bytes().splitlines() == [b"x" * 25, b"y" * 25, b"x" * 25]


@pytest.mark.parametrize("append", [os.O_APPEND, 0])
def test_a_file_that_is_truncated_has_only_whole_lines_afterwards(
    monkeypatch: pytest.MonkeyPatch, file: Path, append: int
) -> None:
    """Also one that a shell opened by `>`, where the next line would come after a hole."""
    written = Lines(os.open(file, os.O_WRONLY | os.O_CREAT | append))
    written.write([(("a", 1), b"v" * 25)])
    short_writes(monkeypatch, 2)
    with pytest.raises(OSError, match="No space"):
        written.write([(("a", 2), b"w" * 25)])
    os.truncate(file, 0)
    written.write([(("b", 1), b"x" * 25)])
    written.write([(("a", 2), b"w" * 25)])
    assert file.read_bytes().splitlines() == [b"x" * 25, b"w" * 25]
    os.truncate(file, 0)
    written.write([(("a", 3), b"y" * 25)])
    assert file.read_bytes() == b"y" * 25 + b"\n"


@pytest.mark.parametrize("fail_at", range(1, 8))
def test_of_several_lines_those_before_an_error_are_written_and_the_next_write_goes_on_where_it_was(
    monkeypatch: pytest.MonkeyPatch, file: Path, fail_at: int
) -> None:
    several = [
        (number, bytes([letter]) * size) for number, (letter, size) in enumerate(zip(b"abc", (25, 9, 12), strict=True))
    ]
    written = Lines(opened(file))
    short_writes(monkeypatch, fail_at)
    left = several
    while left:
        try:
            left = left[written.write(left) :]
        except OSError:
            assert left is several  # later, the lines before the error are a success
            assert written.torn is (fail_at > 1)
    assert file.read_bytes().splitlines() == [line for _, line in several]


def test_a_line_of_which_nothing_was_written_is_not_written_by_another_sink(
    monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    written = Lines(opened(file))
    short_writes(monkeypatch, 2)
    assert written.write([(("a", 1), b"x" * 9), (("a", 2), b"y" * 9)]) == 1
    assert not written.torn
    written.write([(("b", 1), b"z" * 9)])
    assert file.read_bytes().splitlines() == [b"x" * 9, b"z" * 9]


def test_lines_for_a_pipe_are_written_several_at_a_time_and_each_within_one_write(
    monkeypatch: pytest.MonkeyPatch, reader: FileIO
) -> None:
    """A pipe takes `PIPE_BUF` bytes as a whole: what other processes write comes between lines, not within them."""
    real, writes = os.write, list[bytes]()

    def write(descriptor: int, data: bytes) -> int:
        writes.append(data)
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", write)
    several = [(number, b"x" * size) for number, size in enumerate((1000, 1000, 2000, 95, 4095, 5000, 10))]
    assert stdout.STDOUT.write(several) == 7
    assert [len(data) for data in writes] == [4003, 96, 4096, 4096, 905, 11]
    assert reader.read(65536).splitlines() == [line for _, line in several]


def test_a_slow_reader_has_what_it_took_recorded_meanwhile(monkeypatch: pytest.MonkeyPatch, reader: FileIO) -> None:
    """A crash repeats only what was written since."""
    monkeypatch.setattr(lines, "WRITE_SECONDS", 0.0)
    assert stdout.STDOUT.write([(number, b"x" * 3000) for number in range(9)]) == 1
    assert stdout.STDOUT.write([(number, b"x" * 1000) for number in range(1, 9)]) == 4


def test_a_reader_that_stalls_has_what_was_written_before_recorded(
    monkeypatch: pytest.MonkeyPatch, reader: FileIO
) -> None:
    """Also if a line is cut short: the next write continues it."""
    monkeypatch.setattr(lines, "WRITE_SECONDS", 0.1)
    several = [(number, b"%d;" % number * 2000) for number in range(80)]
    written = stdout.STDOUT.write(several, lambda: False)
    assert 0 < written < len(several)
    taken = b""
    while written < len(several):
        taken += reader.read(65536)
        written += stdout.STDOUT.write(several[written:])
    taken += reader.read(65536)
    assert taken.splitlines() == [line for _, line in several]


def test_half_a_line_of_a_run_that_was_killed_is_ended(file: Path) -> None:
    file.write_bytes(b'{"whole": 1}\n{"half')
    descriptor = os.open(file, os.O_RDWR | os.O_APPEND)
    Lines(descriptor).write([(("a", 1), b'{"again": 2}')])
    assert file.read_bytes().splitlines() == [b'{"whole": 1}', b'{"half', b'{"again": 2}']


def test_a_whole_file_is_only_appended_to(file: Path) -> None:
    file.write_bytes(b'{"whole": 1}\n')
    Lines(opened(file)).write([(("a", 1), b'{"next": 2}')])
    assert file.read_bytes() == b'{"whole": 1}\n{"next": 2}\n'


def test_a_reader_that_stalls_does_not_hold_the_end_up() -> None:
    reading, writing = os.pipe()
    with pytest.raises(EndingError):
        Lines(writing).write([(("a", 1), b"x" * 1_000_000)], lambda: True)
    os.close(reading)
    os.close(writing)


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileIO]:
    """Standard output is a pipe, and this its other end."""
    reading, writing = os.pipe()
    with FileIO(reading) as reader, FileIO(writing, "w"):
        monkeypatch.setattr(stdout, "STDOUT", Lines(writing))
        yield reader


def a_sink() -> Sink:
    return stdout.StdoutSink(stdout.StdoutOptions.model_construct(name="out"))


def deliveries(count: int) -> list[Delivery]:
    return [Delivery(number, "out", trial_event("out", datetime.now(UTC))) for number in range(1, count + 1)]


async def test_events_are_written_in_order_as_they_are_sent(reader: FileIO) -> None:
    sink, sent = a_sink(), deliveries(3)
    sent.append(sent[0]._replace(reminder=1))
    answers = await sink.send(sent)
    await sink.close()
    assert [(answer.delivery, answer.verdict) for answer in answers] == [(one, Verdict.TAKEN) for one in sent]
    assert reader.read(65536).decode().splitlines() == [one.body for one in sent]
    assert sent[3].body != sent[0].body
    assert sink.limits.in_order


async def test_what_a_reader_had_no_room_for_stays_due(reader: FileIO) -> None:
    sink, sent = a_sink(), deliveries(2000)
    sending = asyncio.ensure_future(sink.send(sent))
    await asyncio.sleep(0)  # it has begun
    await sink.close()
    answers = await sending
    assert 0 < len(answers) < 2000
    assert [answer.delivery for answer in answers] == sent[: len(answers)]

    with pytest.raises(SinkError, match="does not read"):
        sink._send(sent[len(answers) :])  # type: ignore[attr-defined]


async def test_a_reader_that_has_gone_closes_the_sink(reader: FileIO) -> None:
    reader.close()
    sink = a_sink()
    with pytest.raises(SinkClosed, match="closed by its reader"):
        await sink.send(deliveries(1))
    await sink.close()
