"""Files and tables keep the last good copy of each configuration in AWS, beside the daemon that uses them."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.contract.conftest import NOW, after
from watcher.core.config_copies import ConfigCopy
from watcher.errors import StoreError
from watcher.stores import config_copies_for
from watcher.stores.dynamodb import items
from watcher.stores.dynamodb.config_copies import DynamoConfigCopies
from watcher.stores.dynamodb.store import DynamoStore
from watcher.stores.dynamodb.table import Delete
from watcher.stores.sqlite.config_copies import SqliteConfigCopies
from watcher.stores.sqlite.migrations import STEPS
from watcher.stores.sqlite.store import SqliteStore

if TYPE_CHECKING:
    from tests.support.dynamodb_tables import Tables
    from watcher.core.config_copies import ConfigCopies
    from watcher.core.ports import Store

PLACE, OTHER = "us-east-1 ssm:/watcher", "eu-west-1 ssm:/watcher"
FIRST = ConfigCopy(PLACE, "stacks: [{name: ä}]\n", NOW)
LONG = ConfigCopy(PLACE, "".join(f"# {random.Random(each).getrandbits(256):x}\n" for each in range(9000)), after(60))


async def use(store: Store, copies: ConfigCopies) -> None:
    """Keep and read copies while a daemon has the store open."""
    await store.open()
    try:
        assert await copies.read(PLACE) is None
        for copy in (FIRST, LONG, ConfigCopy(OTHER, "other", NOW)):
            await copies.keep(copy)
            assert await copies.read(copy.place) == copy
        await copies.keep(replace(LONG, kept_at=after(90)))
        assert await copies.read(PLACE) == LONG
        await copies.keep(ConfigCopy(PLACE, FIRST.text, after(120)))
        assert await copies.read(PLACE) == ConfigCopy(PLACE, FIRST.text, after(120))
        assert await store.records() == {}
    finally:
        await store.close()


async def test_a_state_file_keeps_the_last_copy_of_each_place_beside_its_daemon(tmp_path: Path) -> None:
    await use(SqliteStore(tmp_path / "state.db"), SqliteConfigCopies(tmp_path / "state.db"))


async def test_a_table_keeps_the_last_copy_of_each_place_and_forgets_the_parts_of_earlier_ones(tables: Tables) -> None:
    address = await tables()
    store = DynamoStore(address)
    await use(store, DynamoConfigCopies(address))
    reading = DynamoStore(address)
    await reading.open()
    try:
        assert [item async for item in reading.table.scan("P#")] == []
    finally:
        await reading.close()


async def test_a_copy_with_a_missing_part_is_an_error_until_it_is_kept_again(tables: Tables) -> None:
    address = await tables()
    copies, store = DynamoConfigCopies(address), DynamoStore(address)
    await store.open()
    try:
        await copies.keep(LONG)
        part, *_ = [item async for item in store.table.scan("P#")]
        await store.table.write(Delete(items.key_of(part)))
        with pytest.raises(StoreError, match=r"a part of .* is missing"):
            await copies.read(PLACE)
        await copies.keep(LONG)
        assert await copies.read(PLACE) == LONG
    finally:
        await store.close()


async def test_the_first_copy_creates_the_file_or_migrates_one_of_an_earlier_version(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    assert await SqliteConfigCopies(path).read(PLACE) is None
    assert not path.exists()
    await SqliteConfigCopies(path).keep(FIRST)
    assert await SqliteConfigCopies(path).read(PLACE) == FIRST
    old = tmp_path / "old.db"
    with closing(sqlite3.connect(old)) as connection:
        for step in STEPS[:7]:
            for statement in step:
                connection.execute(statement)
        connection.execute("PRAGMA user_version = 7")
        connection.commit()
    assert await SqliteConfigCopies(old).read(PLACE) is None
    await SqliteConfigCopies(old).keep(FIRST)
    assert await SqliteConfigCopies(old).read(PLACE) == FIRST


async def test_a_store_that_cannot_be_used_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_text("something else")
    copies = SqliteConfigCopies(tmp_path / "state.db")
    with pytest.raises(StoreError, match="not an SQLite database"):
        await copies.read(PLACE)
    with pytest.raises(StoreError, match="not an SQLite database"):
        await copies.keep(FIRST)


def test_memory_keeps_no_copy() -> None:
    assert config_copies_for("memory://") is None
