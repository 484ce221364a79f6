"""A file of lines is whole and complete, whatever the disk, a crash, or another program that rotates does to it."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from watcher.core.deliveries import Delivery, Verdict
from watcher.core.events import trial_event
from watcher.errors import SinkError
from watcher.sinks.file import FileOptions, FileSink, RotatedFile

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from watcher.core.deliveries import SendOutcome

LINE = b"x" * 9  # ten bytes with its end


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


def rotated(path: Path, max_size: int = 1_000_000, keep: int = 2) -> RotatedFile:
    return RotatedFile(path, max_size, keep)


def keyed(*lines: bytes) -> list[tuple[object, bytes]]:
    return [(line, line) for line in lines]


def contents(path: Path) -> dict[str, list[bytes]]:
    return {file.name.removeprefix(path.name): file.read_bytes().splitlines() for file in path.parent.iterdir()}


def failing(monkeypatch: pytest.MonkeyPatch, name: str, at: int, error: int, part: int = 0) -> None:
    """The disk fails the call of `os` with this number, once; a write takes `part` bytes before."""
    real: Callable[..., Any] = getattr(os, name)
    calls = [0]

    def call(*arguments: Any) -> Any:
        calls[0] += 1
        if calls[0] == at:
            if part:
                return real(arguments[0], arguments[1][:part])
            raise OSError(error, os.strerror(error))
        if part and calls[0] == at + 1:
            raise OSError(error, os.strerror(error))
        return real(*arguments)

    monkeypatch.setattr(os, name, call)


# The sink.


@pytest.fixture
async def sink(path: Path) -> AsyncIterator[FileSink]:
    options = FileOptions.model_construct(name="log", type="file", path=str(path), max_size=1_000_000, keep=2)
    made = FileSink(options)
    yield made
    await made.close()


def deliveries(count: int) -> list[Delivery]:
    return [Delivery(number, "log", trial_event("log", datetime.now(UTC))) for number in range(1, count + 1)]


def taken(answers: list[SendOutcome]) -> list[Delivery]:
    assert {answer.verdict for answer in answers} <= {Verdict.TAKEN}
    return [answer.delivery for answer in answers]


async def test_events_are_appended_in_order_as_they_are_sent(sink: FileSink, path: Path) -> None:
    before = rotated(path)
    before.append(keyed(b'{"older": 1}'))
    before.close()
    sent = deliveries(3)
    sent.append(sent[0]._replace(reminder=1))
    assert taken([*await sink.send(sent[:2]), *await sink.send(sent[2:])]) == sent
    assert contents(path) == {"": [b'{"older": 1}', *(one.body.encode() for one in sent)]}
    assert (sink.limits.in_order, sink.limits.batch) == (True, 1000)


async def test_what_was_written_before_the_disk_was_full_is_answered(
    sink: FileSink, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = deliveries(3)
    failing(monkeypatch, "write", 1, errno.ENOSPC, part=len(sent[0].body) + 20)
    assert taken([*await sink.send(sent)]) == sent[:1]
    assert taken([*await sink.send(sent[1:])]) == sent[1:]
    assert contents(path) == {"": [one.body.encode() for one in sent]}


async def test_nothing_is_opened_before_the_first_send_and_a_sink_may_be_closed_twice(
    sink: FileSink, path: Path
) -> None:
    await sink.close()
    assert contents(path) == {}


# The file.


def test_a_new_file_is_not_for_everybody(path: Path) -> None:
    before = os.umask(0o022)
    try:
        rotated(path).append(keyed(LINE))
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_lines_count_once_they_are_synced(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[tuple[int, int]] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        real(descriptor)
        found = os.fstat(descriptor)
        synced.append((found.st_ino, found.st_size if stat.S_ISREG(found.st_mode) else 0))

    monkeypatch.setattr(os, "fsync", fsync)
    assert rotated(path).append(keyed(b"a", b"b")) == 2
    assert synced == [(path.parent.stat().st_ino, 0), (path.stat().st_ino, 4)]


@pytest.mark.parametrize("part", [0, 1, 5, 9, 10, 11, 19, 20, 21, 25, 29])
def test_a_full_disk_tears_and_doubles_no_line(path: Path, monkeypatch: pytest.MonkeyPatch, part: int) -> None:
    file = rotated(path)
    waiting = keyed(b"1" * 9, b"2" * 9, b"3" * 9)
    failing(monkeypatch, "write", 1, errno.ENOSPC, part)
    refused = 0
    while waiting:
        try:
            waiting = waiting[file.append(waiting) :]
        except SinkError as error:
            assert "No space left on device" in str(error)  # noqa: PT017  how often it is raised depends on the row
            refused += 1
    assert refused == (part < 10)
    assert path.read_bytes().splitlines() == [b"1" * 9, b"2" * 9, b"3" * 9]


@pytest.mark.parametrize(
    ("meanwhile", "left"),
    [(b"", b""), (b"theirs\n", b"theirs\n"), (b"torn line", b"torn line\n"), (b"xxxx+theirs\n", b"xxxx+theirs\n")],
)
def test_the_rest_of_a_line_is_never_written_without_its_beginning(
    path: Path, monkeypatch: pytest.MonkeyPatch, meanwhile: bytes, left: bytes
) -> None:
    """Whoever truncates a full disk's file, or writes to it, takes the first half away."""
    file = rotated(path)
    failing(monkeypatch, "write", 1, errno.ENOSPC, part=4)
    with pytest.raises(SinkError):
        file.append(keyed(LINE))
    path.write_bytes(meanwhile)
    assert file.append(keyed(LINE, b"next")) == 2
    assert path.read_bytes() == left + LINE + b"\nnext\n"


def test_half_a_line_of_a_run_that_was_killed_is_ended(path: Path) -> None:
    path.write_bytes(b'{"whole": 1}\n{"half')
    rotated(path).append(keyed(LINE))
    assert path.read_bytes().splitlines() == [b'{"whole": 1}', b'{"half', LINE]


def test_after_a_failed_sync_everything_is_written_anew(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the disk did not take may be lost, and asking it again would not tell."""
    file = rotated(path)
    file.append(keyed(b"before"))
    failing(monkeypatch, "fsync", 1, errno.EIO)
    with pytest.raises(SinkError, match="Input/output error"):
        file.append(keyed(b"a", b"b"))
    assert file.append(keyed(b"a", b"b")) == 2
    assert path.read_bytes().splitlines() == [b"before", b"a", b"b", b"a", b"b"]


# Rotation.


def test_a_file_is_rotated_before_it_is_too_large(path: Path) -> None:
    file = rotated(path, max_size=30)
    lines = [b"%09d" % number for number in range(11)]
    assert file.append(keyed(*lines)) == 11
    assert contents(path) == {"": lines[9:], ".1": lines[6:9], ".2": lines[3:6]}  # the oldest three went


def test_a_file_is_rotated_also_when_it_was_large_before(path: Path) -> None:
    path.write_bytes((LINE + b"\n") * 5)
    rotated(path, max_size=30).append(keyed(b"next"))
    assert contents(path) == {"": [b"next"], ".1": [LINE] * 5}


def test_a_line_larger_than_a_file_may_be_has_one_of_its_own(path: Path) -> None:
    large = b"y" * 100
    rotated(path, max_size=30).append(keyed(LINE, large, b"z"))
    assert contents(path) == {"": [b"z"], ".1": [large], ".2": [LINE]}


def test_none_is_kept_if_none_is_to_be(path: Path) -> None:
    rotated(path, max_size=10, keep=0).append(keyed(b"a" * 9, b"b" * 9))
    assert contents(path) == {"": [b"b" * 9]}


@pytest.mark.parametrize(("cut_short_at", "left"), [(1, {"": b"now", ".1": b"1"}), (2, {"": b"now", ".2": b"1"})])
def test_a_rotation_that_was_cut_short_is_made_whole_by_the_next(
    path: Path, monkeypatch: pytest.MonkeyPatch, cut_short_at: int, left: dict[str, bytes]
) -> None:
    """Each rename may be the last thing that a run did; no old file is lost to the next rotation."""
    path.write_bytes(b"now\n")
    path.with_name(path.name + ".1").write_bytes(b"1\n")
    failing(monkeypatch, "replace", cut_short_at, errno.EIO)
    killed = rotated(path, max_size=5, keep=3)
    with pytest.raises(SinkError, match="Input/output error"):
        killed.append(keyed(b"next"))
    killed.close()
    assert contents(path) == {name: [line] for name, line in left.items()}
    assert rotated(path, max_size=5, keep=3).append(keyed(b"next")) == 1
    assert contents(path) == {"": [b"next"], ".1": [b"now"], ".2": [b"1"]}


def test_what_was_written_before_a_rotation_failed_is_answered(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = rotated(path, max_size=10)
    file.append(keyed(b"0" * 4))
    failing(monkeypatch, "open", 1, errno.EMFILE)
    assert file.append(keyed(b"1" * 4, b"2" * 4)) == 1
    assert file.append(keyed(b"2" * 4)) == 1
    assert contents(path) == {"": [b"2" * 4], ".1": [b"0" * 4, b"1" * 4]}


# Others.


def test_a_file_that_others_rotate_is_begun_anew(path: Path) -> None:
    file = rotated(path)
    file.append(keyed(b"before"))
    path.rename(path.with_name("moved"))
    file.append(keyed(b"after"))
    assert path.read_bytes() == b"after\n"
    assert path.with_name("moved").read_bytes() == b"before\n"
    path.unlink()
    file.append(keyed(b"again"))
    assert path.read_bytes() == b"again\n"


def test_a_file_that_others_truncate_is_appended_to(path: Path) -> None:
    file = rotated(path)
    file.append(keyed(b"before"))
    os.truncate(path, 0)
    file.append(keyed(b"after"))
    assert path.read_bytes() == b"after\n"


def test_lines_in_a_file_that_is_removed_meanwhile_do_not_count(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = rotated(path)
    file.append(keyed(b"before"))
    real = os.write

    def write(descriptor: int, line: bytes) -> int:
        path.unlink(missing_ok=True)
        monkeypatch.setattr(os, "write", real)
        return real(descriptor, line)

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(SinkError, match="removed while it was written"):
        file.append(keyed(LINE))
    file.append(keyed(LINE))
    assert path.read_bytes() == LINE + b"\n"


def test_what_is_no_file_is_named(path: Path, tmp_path: Path) -> None:
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SinkError, match=r"events.jsonl: it is a symbolic link"):
        rotated(path).append(keyed(LINE))
    assert not (tmp_path / "elsewhere").exists()
    with pytest.raises(SinkError, match="it is a directory"):
        rotated(tmp_path).append(keyed(LINE))
    with pytest.raises(SinkError, match="its directory does not exist"):
        rotated(tmp_path / "nowhere" / "events.jsonl").append(keyed(LINE))
    (tmp_path / "file").touch()
    with pytest.raises(SinkError, match="its directory is a file"):
        rotated(tmp_path / "file" / "events.jsonl").append(keyed(LINE))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SinkError, match="not a regular file"):
        rotated(tmp_path / "pipe").append(keyed(LINE))
    reading = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(SinkError, match="not a regular file"):
        rotated(tmp_path / "pipe").append(keyed(LINE))
    os.close(reading)


def test_a_link_put_in_the_files_place_is_not_followed(path: Path, tmp_path: Path) -> None:
    file = rotated(path)
    file.append(keyed(LINE))
    path.rename(tmp_path / "moved")
    path.symlink_to(tmp_path / "moved")
    with pytest.raises(SinkError, match="symbolic link"):
        file.append(keyed(LINE))
    path.unlink()
    assert file.append(keyed(LINE)) == 1


# Two processes (each with a file of its own, for the lock is the open file's), or a daemon and `test-sink`.


def test_who_is_second_does_not_write_until_the_first_has_closed(path: Path) -> None:
    first, second = rotated(path), rotated(path)
    first.append(keyed(b"1"))
    with pytest.raises(SinkError, match=r"events\.jsonl: another process is writing to it"):
        second.append(keyed(b"2"))
    first.append(keyed(b"3"))
    first.close()
    assert second.append(keyed(b"4")) == 1
    assert path.read_bytes() == b"1\n3\n4\n"


def test_a_file_that_is_rotated_before_its_lock_is_had_is_not_written(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second opened it while the first had it, and gets the lock when it is an older file already."""
    first, second = rotated(path, max_size=30), rotated(path)
    first.append(keyed(LINE))
    real = fcntl.flock

    def flock(descriptor: int, how: int) -> None:
        monkeypatch.setattr(fcntl, "flock", real)
        assert first.append(keyed(LINE, LINE, b"next")) == 3
        first.close()
        real(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    assert second.append(keyed(b"second")) == 1
    assert contents(path) == {"": [b"next", b"second"], ".1": [LINE] * 3}


def test_who_begins_the_next_file_during_a_rotation_has_it_and_nothing_is_lost(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = rotated(path, max_size=30, keep=5), rotated(path, max_size=30, keep=5)
    real = os.replace

    def replace_and_slip_in(*names: Path) -> None:
        real(*names)
        monkeypatch.setattr(os, "replace", real)
        assert second.append(keyed(b"second")) == 1

    monkeypatch.setattr(os, "replace", replace_and_slip_in)
    assert first.append(keyed(LINE, LINE, LINE, b"next")) == 3
    with pytest.raises(SinkError, match="another process"):
        first.append(keyed(b"next"))
    second.close()
    assert first.append(keyed(b"next")) == 1
    assert contents(path) == {"": [b"second", b"next"], ".1": [LINE] * 3}


def test_a_file_that_took_the_place_of_ours_is_not_rotated_away(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As logrotate does it, with another process writing its new file at once."""
    file, other = rotated(path, max_size=30), rotated(path, max_size=30)
    file.append(keyed(LINE, LINE))
    real = os.write

    def write(descriptor: int, line: bytes) -> int:
        monkeypatch.setattr(os, "write", real)
        written = real(descriptor, line)
        path.rename(path.with_name("moved"))
        other.append(keyed(b"other"))
        return written

    monkeypatch.setattr(os, "write", write)
    assert file.append(keyed(LINE, b"next")) == 1
    other.close()
    assert file.append(keyed(b"next")) == 1
    assert path.read_bytes() == b"other\nnext\n"
    assert path.with_name("moved").read_bytes() == (LINE + b"\n") * 3
    assert sorted(found.name for found in path.parent.iterdir()) == ["events.jsonl", "moved"]


def test_two_that_write_and_rotate_at_the_same_time_lose_nothing(path: Path) -> None:
    written: list[bytes] = []

    def write(name: int) -> None:
        waiting = keyed(*(b"%d %03d" % (name, number) for number in range(60)))
        while waiting:
            file = rotated(path, max_size=24, keep=1000)
            try:
                taken = file.append(waiting[:5])
            except SinkError:
                time.sleep(0.001)  # the other has it; its end is not announced
                continue
            finally:
                file.close()
            written.extend(line for _, line in waiting[:taken])
            del waiting[:taken]

    with ThreadPoolExecutor() as both:
        list(both.map(write, (1, 2)))
    assert len(written) == 120
    assert sorted(line for lines in contents(path).values() for line in lines) == sorted(written)
