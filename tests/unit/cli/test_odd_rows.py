"""A state file in which one column holds what watcher never writes there: every command ends with a sentence."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.contract.conftest import NOW, after, entry, later, refused
from watcher.cli import main
from watcher.core.attempts import SeenAttempt
from watcher.core.by_hand import Acknowledgement, HandMute
from watcher.core.config_copies import ConfigCopy
from watcher.core.history import AttemptRow, IncidentRow
from watcher.core.listings import FoundTarget, Listing, ListingKey
from watcher.core.ports import Entry
from watcher.core.state import Known, Record
from watcher.stores.sqlite import by_hand, history
from watcher.stores.sqlite.config_copies import SqliteConfigCopies
from watcher.stores.sqlite.migrations import TABLES
from watcher.stores.sqlite.store import SqliteStore

if TYPE_CHECKING:
    from pathlib import Path

SUBJECT = "default/us-east-1/stack/network"
COMMANDS = (["status"], ["events"], ["deliveries", "--json"], ["deliveries"], ["state", "export", "state.jsonl"])


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The content of a state file that has a row in every table."""
    path = tmp_path_factory.mktemp("filled") / "state.db"

    async def fill() -> None:
        store = SqliteStore(path)
        await store.open()
        await store.set_sinks(["x", "y"], NOW)
        events = entry(SUBJECT, 1, 2, 3, sinks="xy").events
        await store.commit([Entry(SUBJECT, Record(Known(None, NOW), 3), events)], NOW)
        await store.settle([refused((await store.due("x", 1))[0])], NOW)
        await store.settle([later((await store.due("x", 1))[0])], NOW)
        await store.mark_alive(NOW)
        found = FoundTarget((("name", "network"),))
        await store.keep_listing(Listing(ListingKey("default", "us-east-1", "stack"), NOW, (found,)))
        await store.close()
        await SqliteConfigCopies(path).keep(ConfigCopy("us-east-1 ssm:x", "stacks: [{name: network}]", NOW))

    asyncio.run(fill())
    with closing(sqlite3.connect(path)) as connection:
        by_hand.write_mute(connection, HandMute("a", ("*",), (), NOW, after(60), "a reason", "somebody"))
        by_hand.write_acknowledgements(connection, [Acknowledgement("b", SUBJECT, NOW, NOW, "somebody")])
        attempt, incident = SeenAttempt(NOW, "FAILED"), IncidentRow(SUBJECT, "b", NOW, after(60))
        history.write(connection, [AttemptRow(SUBJECT, attempt), incident])
        connection.commit()
    return path.read_bytes()


@pytest.mark.parametrize("table", sorted(TABLES))
def test_an_odd_column_is_not_a_bug(
    tmp_path: Path, filled: bytes, table: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "watcher.yaml").write_text(
        "stacks: [{name: network, region: us-east-1}]\nstate: sqlite:///state.db\nhttp: off\n"
        "sinks: [{name: x, type: file, path: events.jsonl}]\n",
        encoding="utf-8",
    )
    path = tmp_path / "state.db"
    path.write_bytes(filled)
    with closing(sqlite3.connect(path)) as connection:
        columns = [name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")]
    for column in columns:
        path.write_bytes(filled)
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            try:
                changed = connection.execute(f"UPDATE OR REPLACE {table} SET {column} = x'ff'")  # noqa: S608  ours
            except sqlite3.Error:  # the column takes nothing but its type
                continue
            assert changed.rowcount, "the table has a row"
        for command in COMMANDS:
            with pytest.raises(SystemExit) as ended:
                main(command)
            said = capsys.readouterr().err
            assert ended.value.code in {0, 73}, f"{column}: {command}: {said}"
            assert ended.value.code == 0 or said.startswith("watcher: ")
