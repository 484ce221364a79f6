"""Mutes and acknowledgements in the table, which all its daemons follow.

All are in one partition. A mute's sort key begins with the moment at which it ends, and an acknowledgement's with a
letter, which is greater than any digit: so one query returns the mutes that have not ended, and all acknowledgements.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from uuid import uuid4

from watcher.core import by_hand
from watcher.core.by_hand import Acknowledgement, ByHand, HandMute
from watcher.stores.dynamodb import codec, items
from watcher.stores.dynamodb.client import ConditionFailedError
from watcher.stores.dynamodb.contents import Contents
from watcher.stores.dynamodb.items import Item
from watcher.stores.dynamodb.table import PRESENT, Delete, Put, gather
from watcher.util.shapes import parse


class HandItems:
    """What people set by hand in one table."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents
        self._table = contents.table

    async def read(self, now: datetime | None = None) -> ByHand:
        since = "" if now is None else f"{items.number_at(now.timestamp()):020}"
        found = [item async for item in self._table.pages(items.BY_HAND, since=since)]
        mutes = [self._mute_of(item) for item in found if not _is_acknowledgement(item)]
        return by_hand.in_order(
            [mute for mute in mutes if now is None or now < mute.ends],
            [self._acknowledgement_of(item) for item in found if _is_acknowledgement(item)],
        )

    async def add_mute(self, mute: HandMute) -> bool:
        """Add a mute unless there are `MAX_MUTES`; if several are added at the same moment, there may be a few more."""
        if len((await self.read(mute.created_at)).mutes) >= by_hand.MAX_MUTES:
            return False
        await self._table.write(Put(mute_item(mute)))
        return True

    async def end_mute(self, mute_id: str, now: datetime, by: str) -> HandMute | None:
        mute = next((each for each in (await self.read(now)).mutes if each.id == mute_id), None)
        ended = by_hand.ended_early(mute, now, by) if mute else None
        if mute is None or ended is None:
            return None
        try:
            # With a token: a try whose answer was lost is the same one.
            operations = [Delete(items.mute(mute), PRESENT), Put(mute_item(ended))]
            await self._table.transact(operations, token=uuid4().hex)
        except ConditionFailedError:  # another operator ended it at the same moment
            return None
        return ended

    async def acknowledge(self, acknowledgements: Sequence[Acknowledgement]) -> None:
        await gather(self._table.write(Put(acknowledgement_item(each))) for each in acknowledgements)

    async def prune(self, before: float) -> None:
        found = await self._table.query(items.BY_HAND)
        await gather(self._prune(item) for item in found if float(item["at"]) < before)

    async def _prune(self, item: Item) -> None:
        if _is_acknowledgement(item):
            each = self._acknowledgement_of(item)
            state = await self._contents.record_of(await self._table.get(items.state(each.subject)))
            if state is not None and state[1].incident is not None and state[1].incident.id == each.incident:
                return
        await self._table.write(Delete(items.key_of(item)))

    def _mute_of(self, item: Item) -> HandMute:
        try:
            return by_hand.mute_from_json(parse(item["form"], None, "the mute"))
        except ValueError as error:
            raise self._contents.table.unreadable("a mute", error) from error

    def _acknowledgement_of(self, item: Item) -> Acknowledgement:
        try:
            return by_hand.acknowledgement_from_json(parse(item["form"], None, "the acknowledgement"))
        except ValueError as error:
            raise self._contents.table.unreadable("an acknowledgement", error) from error


def mute_item(mute: HandMute) -> Item:
    """Return the item of a mute."""
    return codec.at(items.mute(mute), {"at": mute.ends.timestamp(), "form": json.dumps(by_hand.mute_to_json(mute))})


def acknowledgement_item(each: Acknowledgement) -> Item:
    """Return the item of an acknowledgement."""
    form = json.dumps(by_hand.acknowledgement_to_json(each))
    return codec.at(items.acknowledgement(each.incident), {"at": each.at.timestamp(), "form": form})


def _is_acknowledgement(item: Item) -> bool:
    return str(item["s"]).startswith(items.ACKNOWLEDGED)
