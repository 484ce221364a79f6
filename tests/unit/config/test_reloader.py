"""When the text of a configuration is loaded and when it is not: real files, read often."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.tasks import running
from tests.support.waiting import until
from watcher.cli.configuration import parse
from watcher.config import reloader, source
from watcher.config.document import Document, locate
from watcher.config.reloader import Reloader
from watcher.config.source import LocalSource
from watcher.errors import ServiceUnreachable
from watcher.util.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from watcher.config.reloader import ReloadStatus
    from watcher.core.settings import Config

FIRST = "stacks: [{name: a}]\n"
SECOND = "stacks: [{name: a}, {name: b}]\n"
WRONG = "stacks: [{nam: a}]\n"


@dataclass
class Daemon:
    """The callbacks of a `Reloader`, and what it called them with."""

    file: Path
    applied: list[list[str]] = field(default_factory=list)
    reports: list[ReloadStatus] = field(default_factory=list)
    parsed: int = 0
    readings: int = 0
    hang: threading.Event | None = None
    refuse: Exception | None = None
    fails: Exception | None = None
    writing: list[str] = field(default_factory=list)
    """The text of the file at each of the next readings."""
    restart_for: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.file.write_text(FIRST)
        self.reload = Reloader(LocalSource(self.locate), self.parse, self.apply, self.reports.append, SystemClock())

    def locate(self) -> Document:
        self.readings += 1
        if self.hang is not None:
            self.hang.wait(30)
        if self.fails is not None:
            raise self.fails
        if self.writing:
            self.file.write_text(self.writing.pop(0))
        return locate(str(self.file), {}, Path("/"))

    def parse(self, document: Document) -> Config:
        self.parsed += 1
        return parse(document, {"AWS_REGION": "us-east-1"}, lambda _: None)

    async def apply(self, config: Config) -> tuple[str, ...]:
        if self.refuse is not None:
            raise self.refuse
        self.applied.append([target.name for target in config.targets])
        return self.restart_for

    async def read_again(self, times: int) -> None:
        """Wait for so many readings that begin after now."""
        before = self.readings
        await until(lambda: self.readings > before + times)


@pytest.fixture
async def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Daemon]:
    monkeypatch.setattr(source, "READ_INTERVAL_SECONDS", 0.01)
    made = Daemon(tmp_path / "watcher.yaml")
    async with running(made.reload.run(Document(str(made.file), FIRST.encode()))):
        yield made


async def test_what_has_not_changed_is_not_read_again(daemon: Daemon) -> None:
    await daemon.read_again(5)
    daemon.file.touch()
    await daemon.read_again(5)
    assert (daemon.parsed, daemon.reports) == (0, [])


async def test_a_changed_file_is_loaded_once(daemon: Daemon) -> None:
    daemon.file.write_text(SECOND)
    await until(lambda: daemon.reports)
    await daemon.read_again(5)
    assert daemon.applied == [["a", "b"]]
    assert [(report.faults, report.successes, report.failures) for report in daemon.reports] == [((), 1, 0)]


async def test_a_file_that_is_added_to_a_directory_or_changed_or_removed_is_noticed(daemon: Daemon) -> None:
    folder = daemon.file.parent / "conf"
    folder.mkdir()
    (folder / "1.yaml").write_text(FIRST)
    daemon.file = folder
    for name, text in (("2.yaml", "stacks: [{name: b}]\n"), ("2.yaml", "stacks: [{name: c}]\n"), ("2.yaml", None)):
        before = len(daemon.applied)
        if text is None:
            (folder / name).unlink()
        else:
            (folder / name).write_text(text)
        await until(lambda before=before: len(daemon.applied) > before)
    assert [each for each in daemon.applied if each != ["a"]] == [["a", "b"], ["a", "c"]]
    assert daemon.applied[-1] == ["a"]


async def test_a_file_that_is_still_being_written_is_waited_for(daemon: Daemon) -> None:
    """Its first half is a configuration, too: one that would forget the other half's targets."""
    daemon.writing = [f"stacks: [{{name: a{number}}}]\n" for number in range(40)]
    await until(lambda: daemon.applied)
    assert daemon.applied == [["a39"]]
    assert len(daemon.reports) == 1


async def test_a_requested_reload_is_immediate_even_if_the_file_is_unchanged(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "READ_INTERVAL_SECONDS", 3600.0)
    await daemon.read_again(0)  # the last one that was not requested; then it waits for an hour
    daemon.reload.ask()
    await until(lambda: daemon.applied)
    assert daemon.applied == [["a"]]


@dataclass
class Remote:
    """A source in AWS: what each of the next readings finds; the last one stays."""

    found: list[str | Exception]
    pause: float = 0.01
    whole: bool = True
    readings: int = 0

    async def read(self) -> Document:
        self.readings += 1
        now = self.found.pop(0) if len(self.found) > 1 else self.found[0]
        if isinstance(now, Exception):
            raise now
        return Document("ssm:x", now.encode())

    def forget(self) -> None:
        """Nothing is kept."""

    async def close(self) -> None:
        """Nothing is open."""


AWAY = ServiceUnreachable("ssm:x cannot be read")


@pytest.mark.parametrize(
    ("found", "applied", "faults", "loaded"),
    [
        pytest.param([FIRST, SECOND], [["a", "b"]], [()], [SECOND], id="a changed text is loaded when it is seen once"),
        pytest.param([AWAY, FIRST], [], [], [], id="one failure is not reported"),
        pytest.param([AWAY, AWAY, FIRST], [["a"]], [(str(AWAY),), ()], [FIRST], id="an outage is, and its end"),
        pytest.param([WRONG, FIRST], [["a"]], [..., ()], [FIRST], id="a wrong text changes nothing and is not kept"),
    ],
)
async def test_a_changed_text_in_aws_is_loaded_and_an_outage_or_a_wrong_text_is_reported(
    tmp_path: Path, found: list[str | Exception], applied: list[list[str]], faults: list[Any], loaded: list[str]
) -> None:
    made, remote, kept = Daemon(tmp_path / "watcher.yaml"), Remote(found), []
    made.reload.source = remote
    made.reload.loaded = lambda document: kept.append(document.text.decode())
    async with running(made.reload.run(Document("ssm:x", FIRST.encode()))):
        await until(lambda: remote.readings > len(found) + 3)
    assert made.applied == applied
    assert [want is ... or report.faults == want for report, want in zip(made.reports, faults, strict=True)] == [
        True for _ in faults
    ]
    assert kept == loaded


async def test_a_copy_is_reported_until_its_source_can_be_read_even_if_that_has_the_same_text(tmp_path: Path) -> None:
    made, clock = Daemon(tmp_path / "watcher.yaml"), SystemClock()
    made.reload.source = remote = Remote([AWAY, AWAY, AWAY, FIRST])
    kept_at = clock.now()
    async with running(made.reload.run(Document("ssm:x", FIRST.encode()), str(AWAY), kept_at)):
        await until(lambda: remote.readings > 6)
    assert [(report.faults, report.kept_at) for report in made.reports] == [((str(AWAY),), kept_at), ((), None)]


async def test_a_wrong_file_changes_nothing_and_is_reported_once_with_its_places(daemon: Daemon) -> None:
    daemon.file.write_text(WRONG)
    await until(lambda: daemon.reports)
    await daemon.read_again(5)
    assert daemon.applied == []
    (report,) = daemon.reports
    assert report.failures == 1
    assert any(":1:11: stacks[0].nam: unknown key; did you mean 'name'?" in fault for fault in report.faults)
    daemon.file.write_text(FIRST)
    await until(lambda: len(daemon.reports) == 2)
    assert (daemon.reports[1].faults, daemon.reports[1].successes, daemon.reports[1].failures) == ((), 1, 1)
    assert daemon.reports[1].at > daemon.reports[0].at


async def test_a_missing_file_is_a_fault_until_it_is_back(daemon: Daemon) -> None:
    daemon.file.unlink()
    await until(lambda: daemon.reports)
    await daemon.read_again(5)
    assert "no such file" in daemon.reports[0].faults[0]
    assert len(daemon.reports) == 1
    daemon.file.write_text(FIRST)
    await until(lambda: len(daemon.reports) == 2)
    assert daemon.reports[1].faults == ()


async def test_a_file_replaced_by_another_as_bind_mounts_and_editors_do_is_seen(daemon: Daemon) -> None:
    other = daemon.file.with_name("other.yaml")
    other.write_text(SECOND)
    other.replace(daemon.file)
    await until(lambda: daemon.applied)
    assert daemon.applied == [["a", "b"]]


async def test_a_thousand_faults_are_not_all_kept(daemon: Daemon) -> None:
    daemon.file.write_text("stacks:\n" + "  - {nam: a}\n" * 1000)
    await until(lambda: daemon.reports)
    assert len(daemon.reports[0].faults) == reloader.MAX_FAULTS + 1
    assert daemon.reports[0].faults[-1].startswith("and 980 more")


@pytest.mark.parametrize(
    ("error", "said"), [(ServiceUnreachable("the address is taken"), "the address is taken"), (KeyError("x"), "a bug")]
)
async def test_a_configuration_that_cannot_be_applied_is_reported(daemon: Daemon, error: Exception, said: str) -> None:
    daemon.refuse = error
    daemon.file.write_text(SECOND)
    await until(lambda: daemon.reports)
    assert said in daemon.reports[0].faults[0]
    daemon.refuse = None
    daemon.reload.ask()
    await until(lambda: daemon.applied)
    assert daemon.reports[-1].faults == ()


async def test_keys_that_need_a_restart_are_reported(daemon: Daemon) -> None:
    daemon.restart_for = ("state",)
    daemon.file.write_text(SECOND)
    await until(lambda: daemon.reports)
    assert daemon.reports[0].restart_for == ("state",)


async def test_an_unreadable_directory_does_not_end_the_watch(daemon: Daemon) -> None:
    daemon.fails = PermissionError(13, "Permission denied")
    await until(lambda: daemon.reports)
    assert daemon.reports[0].faults == ("the configuration could not be read: [Errno 13] Permission denied",)
    daemon.fails = None
    await until(lambda: daemon.reports[-1].faults == ())


async def test_a_disk_that_hangs_for_long_costs_one_thread(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MAX_READ_SECONDS", 0.01)
    daemon.hang = threading.Event()
    await until(lambda: daemon.reports)
    before = daemon.readings
    await asyncio.sleep(0.3)  # thirty times the time limit of a reading
    assert daemon.readings == before
    hang, daemon.hang = daemon.hang, None
    hang.set()
    await daemon.read_again(3)


async def test_a_disk_that_hangs_is_reported_and_delays_nothing_else(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "MAX_READ_SECONDS", 0.02)
    daemon.hang = threading.Event()
    await until(lambda: daemon.reports)
    assert "does its disk answer" in daemon.reports[0].faults[0]
    monkeypatch.setattr(source, "MAX_READ_SECONDS", 30.0)  # checking the text may take longer than 0.02 s
    hang, daemon.hang = daemon.hang, None
    hang.set()
    await until(lambda: daemon.reports[-1].faults == ())
