"""One table, item by item: strongly consistent reads, conditional writes, and transactions that are all or nothing."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from watcher.core.state_url import Address
from watcher.errors import StoreError
from watcher.stores.dynamodb.client import Caller, RefusedError
from watcher.stores.dynamodb.items import Item, Key, Value, checked, decode, encode, key_of
from watcher.util.redaction import printable

MOST_READ, MOST_WRITTEN, MOST_AT_ONCE = 100, 100, 16
"""Items in one BatchGetItem, in one transaction; requests under way at the same time."""

ABSENT, PRESENT = "attribute_not_exists(k)", "attribute_exists(k)"


@dataclass(frozen=True, slots=True)
class Put:
    """Write an item if `condition` holds for the one that exists."""

    item: Item
    condition: str = ""
    values: Mapping[str, Value] | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete an item if `condition` holds for it."""

    key: Key
    condition: str = ""
    values: Mapping[str, Value] | None = None


@dataclass(frozen=True, slots=True)
class Update:
    """Update an item by `expression` if `condition` holds for it."""

    key: Key
    expression: str
    values: Mapping[str, Value] | None = None
    condition: str = PRESENT


@dataclass(frozen=True, slots=True)
class ConditionCheck:
    """Require that `condition` holds for an item."""

    key: Key
    condition: str
    values: Mapping[str, Value] | None = None


Operation = Put | Delete | Update | ConditionCheck


class Table:
    """Every method may raise StoreError; RefusedError (client.py) means that a condition did not hold.

    In conditions and expressions an attribute's name is written as it is, or as `#name` where DynamoDB reserves it.
    """

    def __init__(self, address: Address, caller: Caller | None = None) -> None:
        """`caller`: one whose connections are shared; the limit of requests at the same time is not."""
        self.address = address
        self.caller = caller or Caller(address)
        self._room = asyncio.Semaphore(MOST_AT_ONCE)

    async def get(self, key: Key) -> Item | None:
        """Return an item; None: it does not exist."""
        response = await self._call("GetItem", Key=encode(key._asdict()), ConsistentRead=True)
        return self._item(response["Item"]) if response.get("Item") else None

    async def get_all(self, keys: Collection[Key]) -> dict[Key, Item]:
        """Return those of the items that exist."""
        rest, found = iter(dict.fromkeys(keys)), {}
        chunks = iter(lambda: [*islice(rest, MOST_READ)], [])
        for some in await asyncio.gather(*map(self._get_chunk, chunks)):
            found.update(some)
        return found

    async def agreed(self, keys: Collection[Key]) -> dict[Key, Item]:
        """Return those of the items that exist, once no transaction on them is under way.

        What a transaction writes may be seen item by item, for a moment: this sees all of it, or nothing.
        """
        rest, found = iter(dict.fromkeys(keys)), {}
        name = self.address.table
        for some in iter(lambda: [*islice(rest, MOST_READ)], []):
            wanted = [{"Get": {"TableName": name, "Key": encode(key._asdict())}} for key in some]
            async with self._room:
                response = await self.caller.call("TransactGetItems", {"TransactItems": wanted})
            there = [self._item(each["Item"]) for each in response.get("Responses", ()) if each.get("Item")]
            found.update({key_of(item): item for item in there})
        return found

    async def put(self, item: Item, condition: str = "", values: Mapping[str, Value] | None = None) -> None:
        """Write an item if `condition` holds for the one that exists."""
        await self._call("PutItem", Item=encode(item), **_expressions(condition, values))

    async def update(
        self, key: Key, expression: str, values: Mapping[str, Value] | None = None, condition: str = ""
    ) -> Item:
        """Update an item if `condition` holds for it; returns the item."""
        response = await self._call(
            "UpdateItem",
            Key=encode(key._asdict()),
            ReturnValues="ALL_NEW",
            **_expressions(condition, values, expression),
        )
        return self._item(response["Attributes"])

    async def delete(self, key: Key, condition: str = "", values: Mapping[str, Value] | None = None) -> None:
        """Delete an item if `condition` holds for it."""
        await self._call("DeleteItem", Key=encode(key._asdict()), **_expressions(condition, values))

    async def query(self, k: str, prefix: str = "") -> list[Item]:
        """Return the items of a partition whose sort keys begin with `prefix`, in order."""
        return [item async for item in self.pages(k, prefix)]

    def pages(
        self, k: str, prefix: str = "", *, newest: bool = False, since: str = "", page: int = 0
    ) -> AsyncIterator[Item]:
        """Return the items of a partition whose sort keys begin with `prefix`, or are not less than `since`.

        `page`: how many are read at a time, when they are asked for; 0: as many as possible.
        """
        condition, values = "k = :k", {":k": k}
        if prefix:
            condition, values = f"{condition} AND begins_with(s, :p)", values | {":p": prefix}
        elif since:
            condition, values = f"{condition} AND s >= :a", values | {":a": since}
        return self._paged(
            "Query",
            KeyConditionExpression=condition,
            ExpressionAttributeValues=encode(dict(values)),
            ScanIndexForward=not newest,
            **({"Limit": page} if page else {}),
        )

    async def any(self) -> bool:
        """Return whether there is any item."""
        response = await self._call("Scan", Limit=1, ConsistentRead=True)
        return bool(response.get("Items"))

    def scan(self, prefix: str) -> AsyncIterator[Item]:
        """Return the items of all partitions that begin with `prefix`, in no order, by reading the whole table."""
        values = encode({":p": prefix})
        return self._paged("Scan", FilterExpression="begins_with(k, :p)", ExpressionAttributeValues=values)

    async def transact(self, operations: Sequence[Operation], token: str | None = None) -> None:
        """Carry out all operations, or none; requests with the same `token` are one.

        Raises:
            RefusedError: a condition did not hold.
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

    async def _paged(self, operation: str, **wanted: Any) -> AsyncIterator[Item]:
        while True:
            response = await self._call(operation, ConsistentRead=True, **wanted)
            for item in map(self._item, response.get("Items", ())):
                yield item
            if not response.get("LastEvaluatedKey"):
                return
            wanted["ExclusiveStartKey"] = encode(decode(response["LastEvaluatedKey"]))

    async def _get_chunk(self, keys: Sequence[Key]) -> dict[Key, Item]:
        name, found = self.address.table, {}
        wanted: Any = {name: {"Keys": [encode(key._asdict()) for key in keys], "ConsistentRead": True}}
        for pause in range(8):
            async with self._room:
                response = await self.caller.call("BatchGetItem", {"RequestItems": wanted})
            for item in map(self._item, response.get("Responses", {}).get(name, ())):
                found[key_of(item)] = item
            rest = response.get("UnprocessedKeys")
            if not rest:
                return found
            # It comes as it was sent, but with bytes still in base64; ours have none.
            wanted = rest
            await asyncio.sleep(0.02 * 2**pause)
        raise StoreError(f"{self.address}: BatchGetItem: some items are left out again and again; is it throttled?")

    def _item(self, item: dict[str, Any]) -> Item:
        try:
            return checked(decode(item))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            key = printable(f"k={item.get('k')!r}, s={item.get('s')!r}")
            raise StoreError(
                f"{self.address}: an item cannot be read ({key}: {error}); restore the table to an earlier time, or "
                "delete that item"
            ) from error

    async def _call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        async with self._room:
            return await self.caller.call(operation, {"TableName": self.address.table, **parameters})


async def gather(work: Iterable[Any]) -> list[Any]:
    """Return all results; raises the first error only after all have ended, so that nothing continues behind it."""
    results = await asyncio.gather(*work, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


def _expressions(condition: str, values: Mapping[str, Value] | None, update: str = "") -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    if condition:
        parameters["ConditionExpression"] = condition
    if update:
        parameters["UpdateExpression"] = update
    if values:
        parameters["ExpressionAttributeValues"] = encode(dict(values))
    names = {name: name[1:] for name in re.findall(r"#\w+", f"{condition} {update}")}
    return parameters | ({"ExpressionAttributeNames": names} if names else {})


def _operation(operation: Operation, table: str) -> dict[str, Any]:
    update = operation.expression if isinstance(operation, Update) else ""
    parameters = {"TableName": table, **_expressions(operation.condition, operation.values, update)}
    if isinstance(operation, Put):
        return {"Put": parameters | {"Item": encode(operation.item)}}
    return {type(operation).__name__: parameters | {"Key": encode(operation.key._asdict())}}
