"""The attributes of the table's items: their form in DynamoDB's API, and those that readers rely on. Pure."""

import base64
from collections.abc import Mapping
from typing import Any

from watcher.stores.dynamodb.items import ATTEMPTS, BY_HAND, FORGOTTEN, INCIDENTS, LISTINGS, Item, Key, Value
from watcher.util.shapes import Each, Optional, check, is_moment, is_time


def encodable(text: str) -> str:
    """Return `text` as DynamoDB accepts it: a lone surrogate becomes a question mark."""
    return text.encode("utf-8", "replace").decode()


def encode(item: Mapping[str, Value] | Key) -> dict[str, Any]:
    """Return an item, a key or values in the form of DynamoDB's API."""
    values = item._asdict() if isinstance(item, Key) else item
    return {name: _encode(value) for name, value in values.items()}


def decode(item: dict[str, Any]) -> Item:
    """Return an item from DynamoDB's JSON, parsed by botocore or watcher.

    Raises:
        ValueError: an attribute has a type that watcher never writes.
    """
    return {name: _decode(value) for name, value in item.items()}


def checked(item: Item) -> Item:
    """Return `item` if it has the attributes that its readers rely on.

    Raises:
        ValueError: an attribute is missing, or has another type.
    """
    partition, _, rest = str(item["k"]).partition("#")
    form = _DELIVERY if "sink" in item and partition in {"O", "D", "X"} else _FORMS.get(partition)
    if form is not None and (rest or partition in _WHOLE):
        check(item, form, "the item")
        if item.get("state", "sent") not in _STATES:
            raise ValueError(f"the item.state cannot be {item['state']!r}")
    return item


def _encode(value: Value) -> dict[str, Any]:
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, bytes):
        return {"B": value}
    if isinstance(value, list):
        return {"L": [{"S": each} for each in value]}
    # In DynamoDB's own form, in which it is also returned.
    return {"N": str(int(value)) if value == int(value) else repr(value)}


def _decode(value: dict[str, Any]) -> Value:
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return str(content)
        case "N":
            return int(content) if content.lstrip("-").isdecimal() else float(content)
        case "B":
            return base64.b64decode(content)
        case "L":
            return [str(_decode(each)) for each in content]
    raise ValueError(f"an attribute of type {kind}, which is never written")


_STATES = ("waiting", "sent", "dead", "dropped")
_TEXT = {"text": Optional((str, bytes)), "parts": Optional(str), "count": Optional(int)}
_NAMED = {"number": int, "id": str, "subject": str}
_SHOWN = {**_NAMED, "type": str, "time": str, "recorded": is_moment}
_OWED = Each(list, str)
_FORMS: dict[str, Any] = {
    "T": {"subject": str, "tx": str, "n": Optional(int), "forgotten": Optional(is_moment), **_TEXT},
    FORGOTTEN: {"subject": str, "forgotten": is_moment},
    "E": _SHOWN | _TEXT,
    "H": _SHOWN,
    "X": _NAMED,
    "O": {"subject": str, "recorded": is_moment, "owed": _OWED, "tx": str},
    LISTINGS: {"account": str, "region": str, "kind": str, "completed_at": is_time, "digest": str, **_TEXT},
    BY_HAND: {"at": is_moment, "form": str},
    ATTEMPTS: {"subject": str, "labels": str},
    INCIDENTS: {"subject": str, "labels": str},
    "P": {"text": (str, bytes)},
}
_WHOLE = {LISTINGS, FORGOTTEN, BY_HAND, ATTEMPTS, INCIDENTS}
"""The partitions whose names have no second part."""
_DELIVERY = {
    **_NAMED, "sink": str, "reminder": int, "recorded": is_moment, "state": Optional(str), "tries": Optional(int),
    "tried": Optional(is_moment), "ended": Optional(is_moment), "answer": Optional(str), "failures": Optional(int),
    "since": Optional(is_moment), "next_try": Optional(is_moment), "after": Optional(int), "owed": Optional(_OWED),
}  # fmt: skip
"""The attributes by the first letter of the partition (`_FORMS`), and of deliveries in any partition."""
