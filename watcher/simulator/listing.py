"""Operations that read an inventory, and the pages of their listings."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from watcher.simulator.aws_json import INVALID, ApiError

if TYPE_CHECKING:
    from watcher.simulator.inventory import Inventory

MAX_PAGE = 100
"""The largest page of a listing, and the size of one if the request does not say."""

Request = Mapping[str, Any]
Fields = Mapping[str, Any]
Answer = Callable[["Inventory", float, Request], Fields]
"""From an inventory, a moment and a request: the fields of the answer, in camelCase."""
Items = Callable[["Inventory", float, Request], Sequence[Fields]]
"""From an inventory, a moment and a request: all items of a listing."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation that reads the inventory.

    `key` returns the key of the target that a request is about; `token` is the member that has the token of a page,
    empty if the operation takes none.
    """

    answer: Answer
    key: Callable[[Request], str] = lambda _: ""
    token: str = ""


def listing(api: str, operation: str, name: str, items: Items) -> Operation:
    """An operation that returns items in pages, as the member `name`."""
    spell = str.capitalize if api == "codeconnections" else str
    token, size = f"{spell('next')}Token", f"{spell('max')}Results"

    def answer(inventory: Inventory, moment: float, request: Request) -> Fields:
        number, begin = page_of(api, operation, request.get(token))
        found = items(inventory, moment, request)
        end = begin + min(request.get(size) or MAX_PAGE, inventory.page_size)
        fields: dict[str, Any] = {name: list(found[begin:end])}
        if end < len(found):
            fields["nextToken"] = base64.b64encode(f"{operation} {number + 1} {end}".encode()).decode()
        return fields

    return Operation(answer, token=token)


def page_of(api: str, operation: str, token: str | None) -> tuple[int, int]:
    """The number, from 1, of the page that a token asks for, and the index of its first item.

    Raises:
        ApiError: no listing of this operation returned the token.
    """
    if token is None:
        return 1, 0
    try:
        of, number, begin = base64.b64decode(token, validate=True).decode().split()
        if of == operation:
            return int(number), int(begin)
    except (binascii.Error, ValueError):
        pass
    raise ApiError(INVALID[api], "The next token is not valid.")
