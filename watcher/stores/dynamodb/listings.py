"""The last complete listings in the table, which all its daemons share: one lists, the others read.

A listing has the time at which it was complete beside its targets, in a small item, so that reading what is known
already is cheap, and a listing that found nothing new is one small write.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from hashlib import sha256

from watcher.core import listings
from watcher.core.listings import Listing, ListingKey
from watcher.core.model import parse_rfc3339, rfc3339
from watcher.stores.dynamodb import codec, items
from watcher.stores.dynamodb.client import ConditionFailedError
from watcher.stores.dynamodb.contents import MAX_ITEM_TEXT_BYTES, Contents, forget_text, keep_text
from watcher.stores.dynamodb.items import Item
from watcher.stores.dynamodb.table import ABSENT, Delete, Put, Update, gather


class Listings:
    """The listings of one table."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents
        self._table = contents.table

    async def read(self, known: Mapping[ListingKey, datetime] | None = None) -> dict[ListingKey, Listing]:
        known = known or {}
        found = await self._table.query(items.LISTINGS)
        news = [item for item in found if known.get(_key_of(item)) != parse_rfc3339(item["completed_at"])]
        read = await gather(map(self._listing_of, news))
        return {listing.key: listing for listing in read if listing is not None}

    async def keep(self, listing: Listing) -> bool:
        """Keep a listing, also if the one that it follows was forgotten."""
        key, at = items.listing(listing.key), rfc3339(listing.completed_at)
        follows = rfc3339(listing.follows) if listing.follows else None
        text = listings.dump(listing.targets)
        digest = sha256(text.encode()).hexdigest()
        before = await self._table.get(key)
        if before and (before["completed_at"], before["digest"]) == (at, digest):
            return True  # by a try whose answer was lost
        if before and before["completed_at"] != follows:
            return False
        held: Item = {}
        unchanged = {":follows": before["completed_at"]} if before else {}
        try:
            if before and before["digest"] == digest:
                values = {**unchanged, ":at": at}
                await self._table.write(Update(key, "completed_at = :follows", values, "SET completed_at = :at"))
                return True
            held = await keep_text(self._table, text, MAX_ITEM_TEXT_BYTES)
            item = codec.at(key, {**listing.key._asdict(), "completed_at": at, "digest": digest, **held})
            await self._table.write(Put(item, "completed_at = :follows" if before else ABSENT, unchanged))
        except ConditionFailedError:
            await forget_text(self._table, held)
            return False
        await forget_text(self._table, before)
        return True

    async def forget(self, keys: Collection[ListingKey]) -> None:
        await gather(map(self._forget, keys))

    async def _listing_of(self, item: Item) -> Listing | None:
        found = await self._contents.text_now(item)
        if found is None:
            return None
        text, item = found
        key = _key_of(item)
        try:
            return Listing(key, parse_rfc3339(item["completed_at"]), listings.load(text, key))
        except ValueError as error:
            raise self._contents.table.unreadable(f"the listing of {key}", error) from error

    async def _forget(self, key: ListingKey) -> None:
        item = await self._table.get(items.listing(key))
        if item is not None:
            await self._table.write(Delete(items.key_of(item)))
            await forget_text(self._table, item)


def _key_of(item: Item) -> ListingKey:
    return ListingKey(item["account"], item["region"], item["kind"])
