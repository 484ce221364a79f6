"""Every store keeps the last complete listing of each account, region and kind."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.contract.conftest import NOW, after
from watcher.core.listings import FoundTarget, Listing, ListingKey
from watcher.stores.dynamodb.contents import MAX_ITEM_TEXT_BYTES
from watcher.stores.dynamodb.store import DynamoStore

if TYPE_CHECKING:
    from tests.support.dynamodb_tables import Tables
    from watcher.core.ports import Store

STACKS = ListingKey("prod", "us-east-1", "stack")
CONNECTIONS = STACKS._replace(kind="connection")
FACTS = {"repository": "org/shop", "branch": "main", "config_file": "shop.yaml", "connection": "arn:aws:x"}
SHOP = FoundTarget((("name", "shop"),), FACTS)
GONE = FoundTarget((("type", "SERVICE"), ("name", "web")), times=3, missing=2, missing_since=after(-60))


def many(count: int, seed: int = 0) -> tuple[FoundTarget, ...]:
    """Targets whose texts do not compress well."""
    digits = random.Random(seed)
    return tuple(FoundTarget((("name", f"{digits.getrandbits(256):x}"),)) for _ in range(count))


async def test_the_last_complete_listing_of_each_kind_is_kept(store: Store) -> None:
    assert await store.listings() == {}
    await store.keep_listing(Listing(STACKS, NOW, (SHOP,)))
    await store.keep_listing(Listing(CONNECTIONS, NOW))
    last = Listing(STACKS, after(600), (SHOP, GONE), follows=NOW)
    await store.keep_listing(last)
    assert await store.listings() == {STACKS: last, CONNECTIONS: Listing(CONNECTIONS, NOW)}


async def test_a_listing_that_found_the_same_is_kept_with_its_time(store: Store) -> None:
    for moment, follows in ((NOW, None), (after(600.25), NOW)):
        await store.keep_listing(Listing(STACKS, moment, (SHOP,), follows))
    assert await store.listings() == {STACKS: Listing(STACKS, after(600.25), (SHOP,))}


async def test_only_listings_that_are_not_known_are_read(store: Store) -> None:
    await store.keep_listing(Listing(STACKS, NOW, (SHOP,)))
    await store.keep_listing(Listing(CONNECTIONS, NOW))
    known = {STACKS: NOW, CONNECTIONS: NOW}
    assert await store.listings(known) == {}
    newer = Listing(STACKS, after(1), (SHOP,), follows=NOW)
    await store.keep_listing(newer)
    assert await store.listings(known) == {STACKS: newer}


async def test_forgotten_listings_are_gone(store: Store) -> None:
    for key in (STACKS, CONNECTIONS):
        await store.keep_listing(Listing(key, NOW, many(300)))
    await store.forget_listings([STACKS, ListingKey("none", "eu-west-1", "stack")])
    assert set(await store.listings()) == {CONNECTIONS}


async def test_a_listing_of_ten_thousand_targets_is_kept_whole(store: Store) -> None:
    large = Listing(STACKS, NOW, tuple(replace(each, facts=FACTS) for each in many(10_000)))
    await store.keep_listing(large)
    assert await store.listings() == {STACKS: large}


async def test_listings_are_not_state(store: Store) -> None:
    await store.keep_listing(Listing(STACKS, NOW, (SHOP,)))
    assert await store.records() == {}


async def _parts(store: DynamoStore) -> int:
    return len([item async for item in store.table.scan("P#")])


async def test_one_daemon_of_a_table_lists_and_the_others_read(tables: Tables) -> None:
    address = await tables()
    first, second = DynamoStore(address), DynamoStore(address)
    await first.open()
    await second.open()
    mine = Listing(STACKS, NOW, many(300))
    await first.keep_listing(mine)
    assert await second.listings() == {STACKS: mine}
    theirs = Listing(STACKS, after(600), many(300, seed=1), follows=NOW)
    await second.keep_listing(theirs)
    assert await first.listings({STACKS: NOW}) == {STACKS: theirs}
    await first.close()
    await second.close()


async def test_no_part_of_a_replaced_or_forgotten_listing_stays_in_a_table(tables: Tables) -> None:
    store = DynamoStore(await tables())
    await store.open()
    for seed in range(3):
        found = many(MAX_ITEM_TEXT_BYTES // 16, seed)
        await store.keep_listing(Listing(STACKS, after(seed), found, follows=after(seed - 1) if seed else None))
        assert await _parts(store) == 1
    await store.keep_listing(Listing(STACKS, after(9), (SHOP,), follows=after(2)))
    assert await _parts(store) == 0
    await store.keep_listing(Listing(STACKS, after(10), many(300), follows=after(9)))
    await store.forget_listings([STACKS])
    assert await _parts(store) == 0
    await store.close()


async def test_a_listing_that_another_daemon_replaced_meanwhile_is_dropped(tables: Tables) -> None:
    address = await tables()
    first, second = DynamoStore(address), DynamoStore(address)
    await first.open()
    await second.open()
    await first.keep_listing(Listing(STACKS, NOW, many(300)))
    theirs = Listing(STACKS, after(2), many(300, seed=2), follows=NOW)
    get = first.table.get

    async def slow(key: object) -> object:
        """Read the item, and let the other daemon replace it."""
        found = await get(key)  # type: ignore[arg-type]
        await second.keep_listing(theirs)
        return found

    first.table.get = slow  # type: ignore[method-assign, assignment]
    assert not await first.keep_listing(Listing(STACKS, after(1), many(300, seed=1), follows=NOW))
    assert await second.listings() == {STACKS: theirs}
    assert await _parts(second) == 1
    await first.close()
    await second.close()


@pytest.mark.parametrize("found", [(SHOP,), (SHOP, GONE)], ids=["the same", "another"])
async def test_a_listing_does_not_replace_one_that_it_does_not_follow(
    tables: Tables, found: tuple[FoundTarget, ...]
) -> None:
    """A daemon that stood still for a while completes a listing that is based on what it knew before."""
    address = await tables()
    first, second = DynamoStore(address), DynamoStore(address)
    await first.open()
    await second.open()
    for moment, follows in ((NOW, None), (after(10), NOW)):
        await second.keep_listing(Listing(STACKS, moment, (SHOP,), follows))
    for late in (None, NOW):
        assert not await first.keep_listing(Listing(STACKS, after(20), found, follows=late))
    assert await second.listings() == {STACKS: Listing(STACKS, after(10), (SHOP,))}
    assert await first.keep_listing(Listing(STACKS, after(20), found, follows=after(10)))
    assert await first.keep_listing(Listing(STACKS, after(20), found, follows=after(10))), "its answer was lost"
    await second.forget_listings([STACKS])
    assert await first.keep_listing(Listing(STACKS, after(30), found, follows=after(20)))
    assert await second.listings() == {STACKS: Listing(STACKS, after(30), found)}
    await first.close()
    await second.close()
