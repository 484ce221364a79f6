"""What calls to DynamoDB are charged for, by AWS's rules for capacity on demand, and how much is stored."""

from __future__ import annotations

import base64
from collections import defaultdict
from math import ceil
from typing import TYPE_CHECKING, Any

from watcher.stores.dynamodb.client import Caller

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

READ, WRITE = 4096, 1024
"""Bytes of an item, or of a query's answer, in one unit; a part of one counts as a whole."""
TRANSACTION = 2
"""Units of a transactional write or read, where any other costs one."""
OVERHEAD = 100
"""Bytes of storage for each item beside its own."""

Key = tuple[str, str]


class Meter:
    """Hears every call of this process, repeats included; `spent` has the units by operation and partition.

    What a call costs follows from what was sent and answered. An item that is updated is taken to have the size that it
    was put with: here an update changes numbers.
    """

    def __init__(self) -> None:
        self.reads: dict[tuple[str, str], float] = defaultdict(float)
        self.writes: dict[tuple[str, str], float] = defaultdict(float)
        self.sizes: dict[Key, int] = {}
        """Of what is in the table by now, as far as this process wrote it."""
        self.events = 0

    def install(self) -> None:
        """Listen from now on."""
        once: Callable[..., Any] = Caller._once

        async def heard(caller: Caller, operation: str, parameters: Mapping[str, Any], within: float) -> dict[str, Any]:
            told: dict[str, Any] = {}
            try:
                told = await once(caller, operation, parameters, within)
                return told
            finally:
                # What is refused costs what it would have cost.
                self.hear(operation, parameters, told)

        setattr(Caller, "_once", heard)  # noqa: B010  the one place that every call goes through

    def hear(self, operation: str, sent: Mapping[str, Any], told: Mapping[str, Any]) -> None:
        """Charge for one call."""
        match operation:
            case "GetItem":
                self._read(operation, sent["Key"], size(told.get("Item", {})))
            case "BatchGetItem":
                self._read_many(sent["RequestItems"], told.get("Responses", {}))
            case "Query":
                first = {"k": sent["ExpressionAttributeValues"][":k"], "s": {"S": ""}}
                self._read(operation, first, sum(map(size, told.get("Items", ()))))
            case "TransactGetItems":
                answers = told.get("Responses") or [{} for _ in sent["TransactItems"]]
                for item, answer in zip(sent["TransactItems"], answers, strict=True):
                    self._read(operation, item["Get"]["Key"], size(answer.get("Item", {})), TRANSACTION)
            case "TransactWriteItems":
                for item in sent["TransactItems"]:
                    ((kind, what),) = item.items()
                    self._write(operation, kind, what, TRANSACTION)
            case "PutItem" | "UpdateItem" | "DeleteItem":
                self._write(operation, operation.removesuffix("Item"), sent, 1)

    def units(self) -> tuple[float, float]:
        """Read and written so far."""
        return sum(self.reads.values()), sum(self.writes.values())

    def stored(self) -> int:
        """Bytes that are charged for by the month."""
        return sum(self.sizes.values()) + OVERHEAD * len(self.sizes)

    def _read(self, operation: str, key: Mapping[str, Any], bytes_: int, factor: int = 1) -> None:
        self.reads[operation, key["k"]["S"][0]] += factor * max(1, ceil(bytes_ / READ))

    def _read_many(self, wanted: Mapping[str, Any], found: Mapping[str, Any]) -> None:
        """Each item by itself, and a unit for one that is not there."""
        for table, request in wanted.items():
            sizes = {_key(item): size(item) for item in found.get(table, ())}
            for key in request["Keys"]:
                self._read("BatchGetItem", key, sizes.get(_key(key), 0))

    def _write(self, operation: str, kind: str, what: Mapping[str, Any], factor: int) -> None:
        key = _key(what.get("Item") or what["Key"])
        before, after = self.sizes.get(key, 0), size(what.get("Item", {}))
        self.writes[operation, key[0][0]] += factor * max(1, ceil(max(before, after) / WRITE))
        if kind == "Put":
            self.events += key[0].startswith("E#") and key not in self.sizes
            self.sizes[key] = after
        elif kind == "Delete":
            self.sizes.pop(key, None)


def size(item: Mapping[str, Any]) -> int:
    """Bytes of an item: the names of its attributes, and their values."""
    return sum(len(name.encode()) + _value(value) for name, value in item.items())


def _value(value: Mapping[str, Any]) -> int:
    ((kind, told),) = value.items()
    match kind:
        case "S":
            return len(told.encode())
        case "N":
            return len(told.strip("-").replace(".", "")) // 2 + 2
        case "B":
            return len(told if isinstance(told, bytes) else base64.b64decode(told))
        case "L":
            return 3 + sum(1 + _value(each) for each in told)
    raise ValueError(f"an attribute of type {kind}, which is never written")


def _key(item: Mapping[str, Any]) -> Key:
    return item["k"]["S"], item["s"]["S"]
