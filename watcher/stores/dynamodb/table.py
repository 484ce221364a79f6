"""One table, item by item: strongly consistent reads, conditional writes, and transactions that are all or nothing."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from watcher.core.state_url import Address
from watcher.errors import StoreError
from watcher.stores.dynamodb.attributes import checked, decode, encode
from watcher.stores.dynamodb.client import Caller, ConditionFailedError
from watcher.stores.dynamodb.items import Item, Key, Value, key_of
from watcher.util.redaction import printable

MAX_READ, MAX_WRITTEN, MAX_REQUESTS = 100, 100, 16
"""Items in one BatchGetItem, in one transaction; requests under way at the same time."""

ABSENT, PRESENT = "attribute_not_exists(k)", "attribute_exists(k)"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Operation:
    """What is done if `condition` holds for the item that exists; each class is named as in DynamoDB's API.

    In conditions and updates an attribute's name is written as it is, or as `#name` where DynamoDB reserves it.
    """

    target: Item | Key
    condition: str = ""
    values: Mapping[str, Value] | None = None
    update: str = ""


class Put(Operation):
    """Write the item `target`."""


class Delete(Operation):
    """Delete the item with the key `target`."""


class Update(Operation):
    """Update the item with the key `target` by the expression `update`."""


class ConditionCheck(Operation):
    """Change nothing."""


class Table:
    """Every method may raise StoreError; `ConditionFailedError` is one of them."""

    def __init__(self, address: Address, caller: Caller | None = None) -> None:
        """`caller`: one whose connections are shared; the limit of requests at the same time is not."""
        self.address = address
        self.caller = caller or Caller(address)
        self._slots = asyncio.Semaphore(MAX_REQUESTS)

    async def get(self, key: Key) -> Item | None:
        """Return an item; None: it does not exist."""
        response = await self.call("GetItem", {"Key": encode(key), "ConsistentRead": True})
        return self._item(response["Item"]) if response.get("Item") else None

    async def get_all(self, keys: Iterable[Key]) -> dict[Key, Item]:
        """Return those of the items that exist."""
        chunks = await asyncio.gather(*map(self._get_chunk, batches(dict.fromkeys(keys), MAX_READ)))
        return {key_of(item): item for chunk in chunks for item in chunk}

    async def get_committed(self, keys: Iterable[Key]) -> dict[Key, Item]:
        """Return those of the items that exist, once no transaction on them is under way.

        What a transaction writes may be seen item by item, for a moment: this sees all of it, or nothing.
        """
        found = {}
        for some in batches(dict.fromkeys(keys), MAX_READ):
            wanted = [{"Get": {"TableName": self.address.table, "Key": encode(key)}} for key in some]
            async with self._slots:
                response = await self.caller.call("TransactGetItems", {"TransactItems": wanted})
            there = [self._item(each["Item"]) for each in response.get("Responses", ()) if each.get("Item")]
            found.update({key_of(item): item for item in there})
        return found

    async def query(self, k: str, prefix: str = "") -> list[Item]:
        """Return the items of a partition whose sort keys begin with `prefix`, in order."""
        return [item async for item in self.pages(k, prefix)]

    def pages(
        self, k: str, prefix: str = "", *, newest: bool = False, since: str = "", until: str = "", page: int = 0
    ) -> AsyncIterator[Item]:
        """Return the items of a partition whose sort keys begin with `prefix`, or are from `since` on.

        `until`: with `since`, the last sort key; empty: there is no last one. `page`: how many are read at a time, when
        they are asked for; 0: as many as possible.
        """
        condition, values = "k = :k", {":k": k}
        if prefix:
            condition, values = f"{condition} AND begins_with(s, :p)", values | {":p": prefix}
        elif until:
            condition, values = f"{condition} AND s BETWEEN :a AND :b", values | {":a": since, ":b": until}
        elif since:
            condition, values = f"{condition} AND s >= :a", values | {":a": since}
        wanted = {"KeyConditionExpression": condition, "ScanIndexForward": not newest} | (
            {"Limit": page} if page else {}
        )
        return self._paged("Query", wanted, values)

    def scan(self, prefix: str) -> AsyncIterator[Item]:
        """Return the items of all partitions that begin with `prefix`, in no order, by reading the whole table."""
        return self._paged("Scan", {"FilterExpression": "begins_with(k, :p)"}, {":p": prefix})

    async def write(self, operation: Operation) -> None:
        """Carry out one operation by itself."""
        await self.call(f"{type(operation).__name__}Item", _parameters(operation))

    async def transact(self, operations: Sequence[Operation], token: str | None = None) -> None:
        """Carry out all operations, or none; requests with the same `token` are one."""
        if len(operations) > MAX_WRITTEN:
            raise StoreError(f"{self.address}: {len(operations)} items are too many for one transaction")
        name = {"TableName": self.address.table}
        wanted = [{type(each).__name__: name | _parameters(each)} for each in operations]
        more = {"ClientRequestToken": token} if token else {}
        async with self._slots:
            await self.caller.call("TransactWriteItems", {"TransactItems": wanted, **more})

    async def try_transact(self, operations: Sequence[Operation]) -> bool:
        """Carry out all operations, or none; returns False if a condition did not hold."""
        try:
            await self.transact(operations)
        except ConditionFailedError:
            return False
        return True

    async def call(
        self, operation: str, parameters: Mapping[str, Any] | None = None, **within: float
    ) -> dict[str, Any]:
        async with self._slots:
            return await self.caller.call(operation, {"TableName": self.address.table, **(parameters or {})}, **within)

    async def close(self) -> None:
        await self.caller.close()

    async def _paged(
        self, operation: str, parameters: Mapping[str, Any], values: Mapping[str, Value]
    ) -> AsyncIterator[Item]:
        wanted = {**parameters, "ExpressionAttributeValues": encode(values), "ConsistentRead": True}
        while True:
            response = await self.call(operation, wanted)
            for item in map(self._item, response.get("Items", ())):
                yield item
            if not response.get("LastEvaluatedKey"):
                return
            wanted["ExclusiveStartKey"] = encode(decode(response["LastEvaluatedKey"]))

    async def _get_chunk(self, keys: Sequence[Key]) -> list[Item]:
        name, found = self.address.table, list[Item]()
        wanted: Any = {name: {"Keys": [encode(key) for key in keys], "ConsistentRead": True}}
        for pause in range(8):
            async with self._slots:
                response = await self.caller.call("BatchGetItem", {"RequestItems": wanted})
            found += map(self._item, response.get("Responses", {}).get(name, ()))
            # It comes as it was sent, but with bytes still in base64; ours have none.
            wanted = response.get("UnprocessedKeys")
            if not wanted:
                return found
            await asyncio.sleep(0.02 * 2**pause)
        raise StoreError(f"{self.address}: BatchGetItem: AWS repeatedly left out some items; is the table throttled?")

    def unreadable(self, what: str, error: object) -> StoreError:
        """Return the error for an item that has another form than it should."""
        return StoreError(
            f"{self.address}: {what} cannot be read ({error}); restore the table to an earlier time, or delete "
            "that item"
        )

    def _item(self, item: dict[str, Any]) -> Item:
        try:
            return checked(decode(item))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            key = printable(f"k={item.get('k')!r}, s={item.get('s')!r}")
            raise self.unreadable("an item", f"{key}: {error}") from error


async def gather(work: Iterable[Any]) -> list[Any]:
    """Return all results; raises the first error only after all have ended, so that nothing continues behind it."""
    results = await asyncio.gather(*work, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


def batches(each: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield lists of `size`; the last one may be shorter."""
    rest = iter(each)
    return iter(lambda: [*islice(rest, size)], [])


def _parameters(operation: Operation) -> dict[str, Any]:
    names = re.findall(r"#(\w+)", f"{operation.condition} {operation.update}")
    parameters = {
        "Item" if isinstance(operation, Put) else "Key": encode(operation.target),
        "ConditionExpression": operation.condition,
        "UpdateExpression": operation.update,
        "ExpressionAttributeValues": encode(operation.values or {}),
        "ExpressionAttributeNames": {f"#{name}": name for name in names},
    }
    return {name: value for name, value in parameters.items() if value}  # DynamoDB refuses empty ones
