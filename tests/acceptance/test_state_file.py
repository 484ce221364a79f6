"""A state file that cannot be used, at the start and while running: what is said, and that nothing is lost."""

from __future__ import annotations

import asyncio
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.conftest import NETWORK, WEB
from tests.support.event_oracle import facts_of, judge, whole_lines
from tests.support.simulator import attempt, is_poll
from tests.support.waiting import until
from watcher.core.model import FAILED, SUCCEEDED
from watcher.stores.sqlite.migrations import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.installed_command import Child, Site
    from tests.support.simulator import Simulator

T = 1_795_420_800.0
SETTLED = 1.0
"""Seconds: ten intervals. Who makes no call for so long has stopped polling."""


@pytest.fixture
def told(site: Site, simulator: Simulator) -> Site:
    for target in (NETWORK, WEB):
        simulator.world.show(target, attempt(target, SUCCEEDED, T))
    site.configure((NETWORK, WEB))
    return site


@pytest.fixture
def small_disk(tmp_path: Path, told: Site) -> Iterator[Path]:
    """A file system of 512 KiB, on which the state is to be."""
    point = tmp_path / "disk"
    point.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", point], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"a file system of its own needs root: {mounted.stderr.strip()}")
    told.state = point / "watcher.db"
    told.configure((NETWORK, WEB))
    yield point
    told.end()
    subprocess.run(["umount", "--lazy", point], check=True)


def fill(disk: Path) -> Path:
    """Take all the room that there is."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        size = 65536
        while size:
            try:
                file.write(b"x" * size)
            except OSError:
                size //= 2
    return filler


def make_read_only(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)


async def polled_or_stopped(told: Site, child: Child) -> None:
    """Wait for two polls of the stack, or for the end of all; when there is a second, what the first saw is kept."""

    def polls() -> int:
        return sum(call.target == "stack/network" and is_poll(call) for call in told.calls())

    before = polls()
    await until(lambda: polls() >= before + 2 or child.logged("store.write_failed"), "two polls")


async def test_a_disk_that_fills_up_stops_the_polling_until_there_is_room_and_loses_nothing(
    small_disk: Path, told: Site, simulator: Simulator
) -> None:
    child = told.start()
    await told.polled(child, 6)
    await until(lambda: told.undelivered() == 0, "the first deliveries")
    filler = fill(small_disk)
    seen = 0
    while not child.logged("store.write_failed"):  # the log of the database may have some room yet
        seen += 1
        simulator.world.show(NETWORK, attempt(NETWORK, FAILED, T + seen, events=("x" * 3000,)))
        await polled_or_stopped(told, child)
        assert seen < 100, child.said()
    assert "the disk is full; free some space" in child.said()
    calls = len(told.calls())
    await asyncio.sleep(SETTLED)  # the absence of something takes time
    assert len(told.calls()) - calls <= 1, "polling stops, but for what was under way"
    assert child.running

    filler.unlink()
    await until(lambda: child.logged("store.write_recovered"), "a commit that works")
    await told.polled(child, 6)
    simulator.world.show(WEB, attempt(WEB, FAILED, T + 1))
    await until(lambda: told.kept()[-1]["subject"] == WEB.id, "an event after it")
    assert await child.stopped() == 0
    shown = set(facts_of(told.kept()))
    last = facts_of(event for event in told.kept() if event["subject"] == NETWORK.id)[-1]
    assert last.status == FAILED
    first = judge(whole_lines(child.printed()), must=shown, shown=shown)
    # Each failure was there for two polls, the last one after the stop, too: none may be missing.
    assert len(first[NETWORK.id]) == 1 + seen
    assert told.query("PRAGMA integrity_check") == [("ok",)]


async def test_a_full_disk_at_the_start_is_reported(small_disk: Path, told: Site) -> None:
    filler = fill(small_disk)
    code, _, said = await told.run()
    assert code == 73, said
    assert str(told.state) in said or str(told.state) + ".lock" in said
    assert "No space left" in said or "full" in said
    filler.unlink()
    child = told.start()
    await told.polled(child, 2)
    assert await child.stopped() == 0


async def test_a_read_only_disk_is_reported(small_disk: Path, told: Site) -> None:
    child = told.start()
    await told.polled(child, 2)
    assert await child.stopped() == 0
    make_read_only(small_disk)
    code, _, said = await told.run()
    assert code == 73, said
    assert str(told.state) in said
    assert "ead-only" in said


def garbage(file: Path) -> None:
    file.write_bytes(b"this is no database at all, and never was\n" * 200)


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:5000])


def flipped_page(file: Path) -> None:
    content = bytearray(file.read_bytes())
    size = int.from_bytes(content[16:18], "big")
    for at in range(size, 2 * size):
        content[at] ^= 0xFF
    file.write_bytes(content)


def of_a_newer_watcher(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[60:64] = (VERSION + 7).to_bytes(4, "big")  # user_version: https://sqlite.org/fileformat.html
    file.write_bytes(content)


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (garbage, "it is not an SQLite database"),
        (cut_short, "the file is damaged"),
        (flipped_page, "the file is damaged"),
        (of_a_newer_watcher, f"written by a newer version of watcher (schema {VERSION + 7}, this one knows {VERSION})"),
    ],
)
async def test_a_file_that_is_not_a_state_file_is_reported_and_left_unchanged(
    told: Site, harm: Callable[[Path], None], words: str
) -> None:
    child = told.start()
    await told.polled(child, 2)
    assert await child.stopped() == 0
    for beside in ("-wal", "-shm"):
        told.state.with_name(told.state.name + beside).unlink(missing_ok=True)
    harm(told.state)
    before = told.state.read_bytes()
    # Those who only look read a part of the file, and need not come to the page that is damaged.
    for command in ("run",) if harm is flipped_page else ("run", "status", "events"):
        code, _, said = await told.run(command)
        assert code == 73, f"{command}: {said}"
        assert f"watcher: {told.state}: {words}" in said
        assert told.state.read_bytes() == before


async def test_a_directory_in_place_of_the_state_file_is_reported(told: Site) -> None:
    told.state.mkdir()
    code, _, said = await told.run()
    assert code == 73
    assert said.strip().splitlines()[-1] == f"watcher: {told.state}: is a directory; name a file under `state`"


async def test_a_missing_directory_is_reported(told: Site) -> None:
    told.state = told.folder / "nowhere" / "watcher.db"
    told.configure((NETWORK,))
    code, _, said = await told.run()
    assert code == 73
    assert f"{told.state.parent} does not exist; create it" in said
    assert not told.state.parent.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_state_file_without_permission_to_write_is_reported(told: Site) -> None:
    told.state.touch(0o444)
    told.folder.chmod(0o555)
    code, _, said = await told.run()
    told.folder.chmod(0o755)
    assert code == 73
    assert str(told.state) in said
