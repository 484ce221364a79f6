"""One table, item by item: strongly consistent reads, conditional writes, and transactions that are all or nothing."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from watcher.errors import StoreError
from watcher.stores.dynamodb.client import Caller, RefusedError
from watcher.stores.dynamodb.items import Item, Key, checked, decode, encode, key_of
from watcher.util.redaction import printable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence

    from watcher.core.state_url import Address
    from watcher.stores.dynamodb.items import Value

MOST_READ, MOST_WRITTEN, MOST_AT_ONCE = 100, 100, 16
"""Items in one BatchGetItem, in one transaction; requests under way at the same time."""

ABSENT, PRESENT = "attribute_not_exists(k)", "attribute_exists(k)"


@dataclass(frozen=True, slots=True)
class Put:
    """Write an item, if `condition` holds of the one that is there."""

    item: Item
    condition: str = ""
    values: Mapping[str, Value] | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """Take an item away, if `condition` holds of it."""

    key: Key
    condition: str = ""
    values: Mapping[str, Value] | None = None


@dataclass(frozen=True, slots=True)
class Update:
    """Change an item by `expression`, if `condition` holds of it."""

    key: Key
    expression: str
    values: Mapping[str, Value] | None = None
    condition: str = PRESENT


@dataclass(frozen=True, slots=True)
class ConditionCheck:
    """Leave an item as it is; only if `condition` holds of it, the rest is done."""

    key: Key
    condition: str
    values: Mapping[str, Value] | None = None


Operation = Put | Delete | Update | ConditionCheck


class Table:
    """Every method may raise StoreError; RefusedError (client.py) says that a condition did not hold.

    In conditions and expressions an attribute's name is written as it is, or as `#name` where DynamoDB reserves it.
    """

    def __init__(self, address: Address, caller: Caller | None = None) -> None:
        """Nothing is opened before the first call. `caller`: one whose connections are shared, though not its turns."""
        self.address = address
        self.caller = caller or Caller(address)
        self._room = asyncio.Semaphore(MOST_AT_ONCE)

    async def get(self, key: Key) -> Item | None:
        """An item, or None."""
        told = await self._call("GetItem", Key=encode(key._asdict()), ConsistentRead=True)
        return self._item(told["Item"]) if told.get("Item") else None

    async def get_all(self, keys: Collection[Key]) -> dict[Key, Item]:
        """Those of the items that are there."""
        rest, found = iter(dict.fromkeys(keys)), {}
        chunks = iter(lambda: [*islice(rest, MOST_READ)], [])
        for some in await asyncio.gather(*map(self._get_chunk, chunks)):
            found.update(some)
        return found

    async def agreed(self, keys: Collection[Key]) -> dict[Key, Item]:
        """Those of the items that are there, once no transaction on them is under way.

        What a transaction writes may be seen item by item, for a moment: this sees all of it, or nothing.
        """
        rest, found = iter(dict.fromkeys(keys)), {}
        name = self.address.table
        for some in iter(lambda: [*islice(rest, MOST_READ)], []):
            wanted = [{"Get": {"TableName": name, "Key": encode(key._asdict())}} for key in some]
            async with self._room:
                told = await self.caller.call("TransactGetItems", {"TransactItems": wanted})
            there = [self._item(each["Item"]) for each in told.get("Responses", ()) if each.get("Item")]
            found.update({key_of(item): item for item in there})
        return found

    async def put(self, item: Item, condition: str = "", values: Mapping[str, Value] | None = None) -> None:
        """Write an item, if `condition` holds of the one that is there."""
        await self._call("PutItem", Item=encode(item), **_expressions(condition, values))

    async def update(
        self, key: Key, expression: str, values: Mapping[str, Value] | None = None, condition: str = ""
    ) -> Item:
        """Change an item, if `condition` holds of it; returns it as it is then."""
        told = await self._call(
            "UpdateItem",
            Key=encode(key._asdict()),
            ReturnValues="ALL_NEW",
            **_expressions(condition, values, expression),
        )
        return self._item(told["Attributes"])

    async def delete(self, key: Key, condition: str = "", values: Mapping[str, Value] | None = None) -> None:
        """Take an item away, if `condition` holds of it."""
        await self._call("DeleteItem", Key=encode(key._asdict()), **_expressions(condition, values))

    async def query(self, k: str, prefix: str = "") -> list[Item]:
        """The items of a partition whose sort keys begin so, in order."""
        return [item async for item in self.pages(k, prefix)]

    async def pages(
        self, k: str, prefix: str = "", *, newest: bool = False, since: str = "", before: str = "", page: int = 0
    ) -> AsyncIterator[Item]:
        """The same one after the other, read as they are asked for (`page`: at a time; 0: as many as may be).

        `since`, `before`: only sort keys from here on, and only those before there.
        """
        condition, values = "k = :k", {":k": k}
        if prefix:
            condition, values = f"{condition} AND begins_with(s, :p)", values | {":p": prefix}
        elif since and before:
            # BETWEEN takes both ends; the end itself is left out below.
            condition, values = f"{condition} AND s BETWEEN :a AND :b", values | {":a": since, ":b": before}
        elif since or before:
            condition = f"{condition} AND s {'>=' if since else '<'} :a"
            values = values | {":a": since or before}
        wanted: dict[str, Any] = {
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": encode(dict(values)),
            "ConsistentRead": True,
            "ScanIndexForward": not newest,
            **({"Limit": page} if page else {}),
        }
        while True:
            told = await self._call("Query", **wanted)
            for item in map(self._item, told.get("Items", ())):
                if not before or str(item["s"]) < before:
                    yield item
            if not told.get("LastEvaluatedKey"):
                return
            wanted["ExclusiveStartKey"] = encode(decode(told["LastEvaluatedKey"]))

    async def any(self) -> bool:
        """Whether there is any item."""
        told = await self._call("Scan", Limit=1, ConsistentRead=True)
        return bool(told.get("Items"))

    async def scan(self, prefix: str) -> AsyncIterator[Item]:
        """The items of all partitions that begin so, in no order: by a look at the whole table."""
        wanted: dict[str, Any] = {
            "FilterExpression": "begins_with(k, :p)",
            "ExpressionAttributeValues": encode({":p": prefix}),
            "ConsistentRead": True,
        }
        while True:
            told = await self._call("Scan", **wanted)
            for item in told.get("Items", ()):
                yield self._item(item)
            if not told.get("LastEvaluatedKey"):
                return
            wanted["ExclusiveStartKey"] = encode(decode(told["LastEvaluatedKey"]))

    async def transact(self, operations: Sequence[Operation], token: str | None = None) -> None:
        """All of them, or none; `token` makes repeats of the same request one.

        Raises:
            RefusedError: conditions did not hold: `at` says of which.
        """
        if len(operations) > MOST_WRITTEN:
            raise StoreError(f"{self.address}: {len(operations)} items are too many for one transaction")
        name = self.address.table
        more = {"ClientRequestToken": token} if token else {}
        wanted = [_operation(operation, name) for operation in operations]
        async with self._room:
            await self.caller.call("TransactWriteItems", {"TransactItems": wanted, **more})

    async def try_transact(self, operations: Sequence[Operation]) -> bool:
        """Carry out all operations, or none; returns False if a condition did not hold."""
        try:
            await self.transact(operations)
        except RefusedError:
            return False
        return True

    async def close(self) -> None:
        """Close the connections."""
        await self.caller.close()

    async def _get_chunk(self, keys: Sequence[Key]) -> dict[Key, Item]:
        name, found = self.address.table, {}
        wanted: Any = {name: {"Keys": [encode(key._asdict()) for key in keys], "ConsistentRead": True}}
        for pause in range(8):
            async with self._room:
                told = await self.caller.call("BatchGetItem", {"RequestItems": wanted})
            for item in map(self._item, told.get("Responses", {}).get(name, ())):
                found[key_of(item)] = item
            rest = told.get("UnprocessedKeys")
            if not rest:
                return found
            # It comes as it was sent, but with bytes still in base64; ours have none.
            wanted = rest
            await asyncio.sleep(0.02 * 2**pause)
        raise StoreError(f"{self.address}: BatchGetItem: some items are left out again and again; is it throttled?")

    def _item(self, told: dict[str, Any]) -> Item:
        try:
            return checked(decode(told))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            key = printable(f"k={told.get('k')!r}, s={told.get('s')!r}")
            raise StoreError(
                f"{self.address}: an item cannot be read ({key}: {error}); restore the table to an earlier time, or "
                "delete that item"
            ) from error

    async def _call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        async with self._room:
            return await self.caller.call(operation, {"TableName": self.address.table, **parameters})


async def gather(work: Iterable[Any]) -> list[Any]:
    """The results of all; the first error only after all have ended, so that nothing goes on behind it."""
    results = await asyncio.gather(*work, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


def _expressions(condition: str, values: Mapping[str, Value] | None, update: str = "") -> dict[str, Any]:
    told: dict[str, Any] = {}
    if condition:
        told["ConditionExpression"] = condition
    if update:
        told["UpdateExpression"] = update
    if values:
        told["ExpressionAttributeValues"] = encode(dict(values))
    names = {name: name[1:] for name in re.findall(r"#\w+", f"{condition} {update}")}
    return told | ({"ExpressionAttributeNames": names} if names else {})


def _operation(operation: Operation, table: str) -> dict[str, Any]:
    update = operation.expression if isinstance(operation, Update) else ""
    told = {"TableName": table, **_expressions(operation.condition, operation.values, update)}
    if isinstance(operation, Put):
        return {"Put": told | {"Item": encode(operation.item)}}
    return {type(operation).__name__: told | {"Key": encode(operation.key._asdict())}}
