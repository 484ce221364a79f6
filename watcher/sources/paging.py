"""Follows the pages of a listing by hand: the APIs that are listed have no paginators in botocore, or not for all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from watcher.errors import MALFORMED, EndpointUnreadable, TargetUnreadable
from watcher.util.bounded_text import bounded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from watcher.core.kinds import Ask

T = TypeVar("T")

PAGE = 100
"""The most items of a page that the APIs allow."""

MAX_PAGES = 1000
"""The most pages of one listing."""

MAX_ITEMS = MAX_PAGES * PAGE
"""The most items of one listing; pages may have more of them than the API allows."""

MAX_CHARACTERS = 128 * 1024 * 1024
"""The most characters of all items of one listing, as Python writes them; an ordinary item has about 500."""


async def pages(
    ask: Ask, spell: Callable[[str], str], operation: str, member: str, parameters: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Return the items of all pages of an operation; `member` has them, and `spell` spells names in camelCase.

    Raises:
        PollFailed: a call failed, a page is not what the API promises, a token came twice, or there are too many pages
            or items.
    """
    request = {spell("maxResults"): PAGE, **(parameters or {})}
    found: list[dict[str, Any]] = []
    tokens: set[str] = set()
    characters = 0
    for _ in range(MAX_PAGES):
        answer = await ask(operation, request)
        page = items(answer, operation, spell(member))
        found += page
        characters += len(str(page))
        if len(found) > MAX_ITEMS or characters > MAX_CHARACTERS:
            raise EndpointUnreadable(
                "TooManyItems", f"{operation}: there are more than {MAX_ITEMS} items, or too long ones"
            )
        token = answer.get(spell("nextToken"))
        if not token:
            return found
        if not isinstance(token, str) or token in tokens:
            raise EndpointUnreadable(MALFORMED, f"{operation}: a page has the token of an earlier one, or a wrong one")
        tokens.add(token)
        request[spell("nextToken")] = token
    raise EndpointUnreadable("TooManyPages", f"{operation}: there are more than {MAX_PAGES} pages")


def items(answer: Mapping[str, Any], operation: str, member: str) -> list[dict[str, Any]]:
    """Return the list of structures that an answer has as `member`."""
    found = answer.get(member)
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise EndpointUnreadable(MALFORMED, f"{operation}: {member} is missing, or not a list of structures")
    return found


def text(item: Mapping[str, Any], member: str) -> str:
    """Return a text that an item of a listing must have."""
    value = item.get(member)
    if not isinstance(value, str) or not value:
        raise EndpointUnreadable(MALFORMED, f"an item of the listing has no text {member!r}")
    return bounded(value)


def known(facts: Iterable[tuple[str, Any]]) -> dict[str, str]:
    """Return the facts that are texts and not empty."""
    return {name: bounded(value) for name, value in facts if isinstance(value, str) and value}


async def or_none(ask: Ask, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the answer of a call; None: AWS has no such resource."""
    try:
        return await ask(operation, parameters)
    except TargetUnreadable as error:
        if error.code != "ResourceNotFoundException":
            raise
        return None
