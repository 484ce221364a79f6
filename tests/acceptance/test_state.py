"""`state init`, `export` and `import` by the installed command, and a daemon that goes on where another store ended."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.conftest import NETWORK, WEB
from tests.contract.conftest import event
from tests.support.dynamodb_tables import address
from tests.support.simulator import attempt
from tests.support.waiting import until
from watcher.core.model import FAILED, SUCCEEDED
from watcher.core.state_url import parse_address
from watcher.stores.dynamodb.table import Table
from watcher.stores.transfer import Recorded, lines

if TYPE_CHECKING:
    from tests.acceptance.conftest import Places
    from tests.support.emulators import Emulator
    from tests.support.installed_command import Site
    from tests.support.simulator import Simulator


T = 1_795_420_800.0


@pytest.fixture
def table(ministack: Emulator) -> str:
    """An address under which there is nothing yet."""
    where = address(ministack.url)
    return f"{where}?region=us-east-1&endpoint_url={ministack.url}"


def configure(site: Site, state: str) -> None:
    site.configure([NETWORK, WEB], f'state: "{state}"', "sinks: [{name: out, type: stdout}]")


async def events(site: Site) -> list[dict[str, object]]:
    code, printed, said = await site.run("events", "--json", "--limit", "1000")
    assert (code, "Traceback" in said) == (0, False), said
    return [json.loads(line) for line in printed.splitlines()]


async def as_of(site: Site) -> str | None:
    """When a daemon last kept the state up to date, by `status`."""
    code, printed, said = await site.run("status", "--json")
    assert code == 0, said
    moment: str | None = json.loads(printed)["as_of"]
    return moment


async def test_a_table_is_made_once_and_then_found_to_be_right(site: Site, table: str) -> None:
    configure(site, table)
    code, printed, said = await site.run("status")
    assert code == 73
    assert "there is no such table in us-east-1 at http://127.0.0.1:" in said
    assert said.endswith("`watcher state init` creates it\n")
    code, printed, said = await site.run("state", "init")
    assert (code, said) == (0, "")
    assert [line.partition(": ")[2] for line in printed.splitlines()] == [
        "the table was created with on-demand capacity.",
        "it was prepared for watcher (format 1).",
        "TTL was turned on for the attribute `ttl`.",
        "point-in-time recovery was turned on.",
    ]
    code, printed, said = await site.run("state", "init")
    assert (code, said) == (0, "")
    assert printed.endswith(" is complete; nothing was changed.\n")
    assert (await site.run("status"))[0] == 0
    assert (await site.run("deliveries"))[0] == 0


async def test_a_table_that_cannot_be_used_is_reported_without_a_traceback(site: Site, table: str) -> None:
    configure(site, table.replace("http://127.0.0.1:", "http://127.0.0.1:1"))
    for command in (("state", "init"), ("status",), ("run",), ("state", "export", "x.jsonl")):
        code, _, said = await site.run(*command)
        assert code in {73, 78}, said
        assert "Traceback" not in said


@pytest.mark.parametrize("back", [False, True])
async def test_a_daemon_goes_on_after_a_move_where_it_was(
    places: Places, simulator: Simulator, table: str, *, back: bool
) -> None:
    site = places(simulator)
    sqlite = f"sqlite:///{site.folder / 'watcher.db'}"
    source, target = (table, sqlite) if back else (sqlite, table)
    configure(site, table)
    assert (await site.run("state", "init"))[0] == 0
    configure(site, source)
    simulator.world.show(NETWORK, attempt(NETWORK, FAILED, T))
    simulator.world.show(WEB, attempt(WEB, SUCCEEDED, T))
    first = site.start()
    await until(lambda: first.delivered().count(b"\n") >= 2 or not first.running, "the first events")
    code, _, said = await site.run("state", "export", "state.jsonl")
    assert (code, "stop" in said) == (73, True), said
    assert await first.stopped() == 0, first.said()
    before = await events(site)
    assert len(before) == 2
    code, printed, said = await site.run("state", "export", "state.jsonl")
    assert (code, said) == (0, "")
    assert " 2 events and 2 deliveries to state.jsonl." in printed
    configure(site, target)
    code, printed, said = await site.run("state", "import", "state.jsonl")
    assert (code, said) == (0, ""), said
    assert await events(site) == before
    assert await as_of(site) is None, "no daemon has used the copy"
    code, _, said = await site.run("state", "import", "state.jsonl")
    assert (code, "already contains state" in said) == (73, True)
    simulator.world.show(NETWORK, attempt(NETWORK, SUCCEEDED, T + 60))
    second = site.start()
    await until(lambda: second.delivered().count(b"\n") >= 1 or not second.running, "what is new")
    assert await until(lambda: as_of(site), "the daemon's mark")
    assert await second.stopped() == 0, second.said()
    (new,) = [json.loads(line) for line in second.delivered().splitlines()]
    assert (new["subject"], new["data"]["sequence"], new["data"]["recovered"]) == (NETWORK.id, 2, True)
    assert await events(site) == [*before, new]


async def test_an_import_of_something_else_changes_nothing(site: Site) -> None:
    configure(site, f"sqlite:///{site.state}")
    (site.folder / "other.jsonl").write_text("hello\n", encoding="utf-8")
    code, _, said = await site.run("state", "import", "other.jsonl")
    assert code == 64
    assert "other.jsonl:1: this is not an export of watcher" in said
    assert not site.state.exists()
    code, _, said = await site.run("state", "export", "x.jsonl")
    assert (code, "there is no state yet" in said) == (73, True)
    assert not site.state.exists()


async def test_an_export_replaces_an_export_and_nothing_else(site: Site, simulator: Simulator) -> None:
    events = site.folder / "events.jsonl"
    site.configure([NETWORK], f"sinks: [{{name: lines, type: file, path: {events}}}]")
    daemon = site.start()
    await until(events.exists, "an event")
    assert await daemon.stopped() == 0
    for name in ("new.jsonl", "new.jsonl", "empty.jsonl"):
        (site.folder / "empty.jsonl").touch()
        assert (await site.run("state", "export", name))[0] == 0
        assert (site.folder / name).read_text(encoding="utf-8").startswith('{"watcher_state"')
        assert (site.folder / name).stat().st_mode & 0o777 == 0o600
    (site.folder / "other.txt").write_text("something else\n", encoding="utf-8")
    (site.folder / "link.jsonl").symlink_to("new.jsonl")
    (site.folder / "hard.db").hardlink_to(site.state)
    os.mkfifo(site.folder / "pipe")
    names = ("other.txt", "new.jsonl", "watcher.db", "watcher.yaml", "events.jsonl")
    before = [(site.folder / name).read_bytes() for name in names]
    for name, why in (
        ("pipe", "not a regular file"),
        ("-", "name a file"),
        ("no/folder", "cannot be written: No such file"),
        (".", "directory"),
        ("link.jsonl", "a symbolic link"),
        ("other.txt", "not an export of watcher"),
        ("hard.db", "not an export of watcher"),
        ("watcher.db", "used by `state`"),
        ("watcher.db-wal", "used by `state`"),
        ("watcher.db.lock", "used by `state`"),
        ("watcher.yaml", "the configuration"),
        ("events.jsonl", "used by a sink"),
        ("events.jsonl.1", "used by a sink"),
    ):
        code, _, said = await site.run("state", "export", name)
        assert (code, why in said) == (64, True), said
    assert [(site.folder / name).read_bytes() for name in names] == before


async def test_an_empty_state_file_is_filled_with_a_warning_on_stderr(site: Site) -> None:
    configure(site, f"sqlite:///{site.state}")
    site.state.touch()
    (site.folder / "state.jsonl").write_text("".join(f"{line}\n" for line in lines([])), encoding="utf-8")
    code, printed, said = await site.run("state", "import", "state.jsonl")
    assert (code, printed) == (0, "Imported 0 states, 0 events and 0 deliveries from state.jsonl.\n")
    assert json.loads(said)["event"] == "store.created"


async def test_an_import_of_a_file_without_end_is_refused(site: Site) -> None:
    configure(site, f"sqlite:///{site.state}")
    code, _, said = await site.run("state", "import", "/dev/zero")
    assert (code, said) == (
        64,
        "watcher: /dev/zero:1: this is not an export of watcher: a line is longer than 64 MiB\n",
    )
    assert not site.state.exists()


async def test_an_interrupted_import_fails(site: Site, table: str, aws_credentials: None) -> None:
    """Nor is it mixed with the one that comes while it lives; the next one begins anew."""
    configure(site, f"{table}&term=5s")  # within which a busy machine lets an import renew its lease
    assert (await site.run("state", "init"))[0] == 0
    many = [Recorded(number, 1e9 + number, event(number)) for number in range(8_000)]
    few = [Recorded(1, 1e9, event(1))]
    for name, told in (("many", many), ("few", few)):
        (site.folder / name).write_text("".join(f"{line}\n" for line in lines(told)), encoding="utf-8")
    long = site.start("state", "import", "many")
    await until_importing(table)
    code, _, said = await site.run("state", "import", "few")
    assert (code, "used by a daemon or an import" in said) == (73, True), said
    assert long.running
    long.signal(signal.SIGINT)
    assert await long.ended() == 130
    code, _, said = await site.run("run")
    assert (code, "an import was interrupted" in said) == (73, True), said
    code, _, said = await site.run("state", "import", "few")
    assert (code, said) == (0, ""), said
    assert len(await events(site)) == 1


async def until_importing(table: str) -> None:
    """Wait until an import writes."""
    looking = Table(parse_address(table))
    try:
        await until(lambda: looking.query("L", "W#import"), "an import")
    finally:
        await looking.close()


async def test_memory_cannot_be_moved(site: Site) -> None:
    configure(site, "memory://")
    code, _, said = await site.run("state", "export", "x.jsonl")
    assert code == 73
    assert "cannot be seen from outside" in said
    assert (await site.run("state", "init"))[0] == 0
