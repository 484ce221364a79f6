"""Parses URLs: target ids in paths, and the parameters of queries. Pure."""

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any
from urllib.parse import unquote

from watcher.core.event_types import ALL_EVENT_TYPES
from watcher.core.model import parse_rfc3339, path_segment
from watcher.core.queries import EventQuery
from watcher.core.status import Status
from watcher.sources import kind_names
from watcher.util.globs import matches
from watcher.util.units import parse_duration

MAX_EVENTS, MAX_EVENT_CHARACTERS = 1000, 4 * 1024 * 1024  # of one response; a single event may be longer
MAX_REPEATS, MAX_CHARACTERS = 50, 1000  # how often a parameter may be given, and its length
MAX_TYPES, MAX_TYPE_CHARACTERS = 16, 32  # the same for `type`, whose globs are expensive
MAX_ID_CHARACTERS, MAX_ID_SLASHES = 6000, 9  # of an id that is encoded twice; one slash is that of `/badge.svg`
MAX_NUMBER = 2**63 - 1

STATUS = r"^[A-Z][A-Z0-9_]*$"
LABEL = r"^[^=]+="
DURATION = r"^(?=.*[1-9])([12]?[0-9]{1,3}d)?([0-9]{1,4}h)?([0-9]{1,5}m)?([0-9]{1,7}s)?([0-9]{1,9}ms)?$"
MOMENT = (
    r"^[12][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?"
    r"(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
)
"""The patterns of parameters, as in the OpenAPI document, for Python and for JSON Schema."""


class QueryError(ValueError):
    """A parameter is wrong; the message names it, and says what to write."""


def parameters(
    pairs: Iterable[tuple[str, str]], *, once: Sequence[str] = (), many: str = ""
) -> tuple[dict[str, str], list[str]]:
    """The values of the parameters that may be given `once`, by name, and those of the one that may be repeated.

    Raises:
        QueryError: a parameter is unknown, too long, or given too often.
    """
    single: dict[str, str] = {}
    repeated: list[str] = []
    known = (*once, many) if many else once
    for name, value in pairs:
        if name not in known:
            hint = f"choose from {', '.join(known)}" if known else "there are none for this path"
            raise QueryError(f"{_shown(name)}: unknown parameter; {hint}")
        if name in single:
            raise QueryError(f"{name}: may be given once only")
        most, longest = (MAX_TYPES, MAX_TYPE_CHARACTERS) if name == "type" else (MAX_REPEATS, MAX_CHARACTERS)
        if len(value) > longest or (name == many and len(repeated) >= most):
            raise QueryError(f"{name}: may be given at most {most} times, with at most {longest} characters each")
        if name == many:
            repeated.append(value)
        else:
            single[name] = value
    return single, repeated


def target_id(raw: str, known: Container[str]) -> str | None:
    """The id among `known` that a raw path names: each part percent-encoded, or the whole id once more."""
    if len(raw) > MAX_ID_CHARACTERS or raw.count("/") > MAX_ID_SLASHES:
        return None
    for candidate in (raw, _canonical(raw), unquote(raw), _canonical(unquote(raw))):
        if candidate in known:
            return candidate
    return None


def _canonical(raw: str) -> str:
    """`raw` with its parts encoded as in ids: clients differ in which characters they encode."""
    return "/".join(path_segment(unquote(part)) for part in raw.split("/"))


class Row:
    """A target's row, its JSON, and the text that is searched, made at the first search and kept for all others."""

    def __init__(self, fields: Mapping[str, Any], json: str) -> None:
        self.fields = fields
        self.json = json

    @cached_property
    def haystack(self) -> str:
        """What the page shows of the row, in lower case."""
        fields = self.fields
        labels = (f"{name}={value}" for name, value in fields["labels"].items())
        parts = (fields[part] or "" for part in ("id", "name", "title", "repository", "branch", "sha", "note"))
        unreadable = fields["unreadable"]
        return "\n".join((*parts, unreadable["message"] if unreadable else "", *labels)).lower()


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows `/api/targets` returns."""

    account: str | None = None
    kind: str | None = None
    status: str | None = None
    """A status of the watcher's (`standing`), or of AWS."""
    labels: tuple[tuple[str, str], ...] = ()
    text: str = ""

    def accepts(self, row: Row) -> bool:
        fields = row.fields
        return (
            self.account in (None, fields["account"])
            and self.kind in (None, fields["kind"])
            and self.status in (None, fields["standing"], fields["status"])
            and all(fields["labels"].get(name) == value for name, value in self.labels)
            and (not self.text or self.text in row.haystack)
        )


def targets_filter(pairs: Iterable[tuple[str, str]]) -> Filter:
    """The filter in a query of `/api/targets`; raises QueryError."""
    given, labels = parameters(pairs, once=("account", "kind", "status", "text"), many="label")
    kind, status = given.get("kind"), given.get("status")
    if kind is not None and kind not in kind_names():
        raise QueryError(f"kind: {_shown(kind)} is not a valid kind; choose from {', '.join(kind_names())}")
    if status is not None and status not in list(Status) and not re.fullmatch(STATUS, status):
        raise QueryError(
            f"status: {_shown(status)} is neither one of {', '.join(Status)} nor a status of AWS (example: FAILED)"
        )
    for label in labels:
        if not re.search(LABEL, label):
            raise QueryError(f"label: {_shown(label)} is not a valid label; write NAME=VALUE")
    wanted = tuple((name, value) for name, _, value in (label.partition("=") for label in labels))
    return Filter(given.get("account"), kind, status, wanted, given.get("text", "").strip().lower())


def flag(pairs: Iterable[tuple[str, str]], name: str) -> bool:
    """The only parameter of a query, `true` or `false` (default); raises QueryError."""
    value = parameters(pairs, once=(name,))[0].get(name, "false")
    if value not in {"true", "false"}:
        raise QueryError(f"{name}: {_shown(value)} is neither true nor false")
    return value == "true"


def events_query(pairs: Iterable[tuple[str, str]], now: datetime) -> EventQuery:
    """The query of `/api/events` for the store; raises QueryError."""
    given, types = parameters(pairs, once=("target", "since", "after", "limit"), many="type")
    return EventQuery(
        target=given.get("target"),
        types=_types(types),
        since=_moment("since", given["since"], now) if "since" in given else None,
        after=_number("after", given.get("after", "0"), 0, MAX_NUMBER),
        limit=_number("limit", given.get("limit", "50"), 1, MAX_EVENTS),
        newest="after" not in given,
        size=MAX_EVENT_CHARACTERS,
    )


def stream_after(pairs: Iterable[tuple[str, str]], last_event_id: str | None) -> int | None:
    """The number of the event after which a stream begins; None: with the next event.

    Raises:
        QueryError: a parameter or `Last-Event-ID` is wrong.
    """
    given, _ = parameters(pairs, once=("after",))
    if last_event_id:  # a browser that reconnects sends it, and it is newer than the URL
        return _number("Last-Event-ID", last_event_id, 0, MAX_NUMBER)
    return _number("after", given["after"], 0, MAX_NUMBER) if "after" in given else None


def _types(globs: Sequence[str]) -> tuple[str, ...]:
    """The event types that match the globs, so that the store only compares names; if none does, an unknown name."""
    full = [glob if glob.startswith(("watcher.", "*")) else f"watcher.{glob}" for glob in globs]
    found = dict.fromkeys(each for glob in full for each in ALL_EVENT_TYPES if matches(each, glob))
    return tuple(found) or tuple(re.sub(r"[*?\[]", "", glob) for glob in full[:1])


def _moment(name: str, text: str, now: datetime) -> datetime:
    """A time from a duration back from now, or from RFC 3339."""
    try:
        if re.fullmatch(DURATION, text):
            return now - timedelta(seconds=parse_duration(text))
        if re.fullmatch(MOMENT, text):
            return parse_rfc3339(text)
    except ValueError:
        pass  # such as a 30th of February
    raise QueryError(
        f"{name}: {_shown(text)} is neither a duration (example: 2h) nor a time (example: 2026-11-23T08:00:00Z)"
    )


def _number(name: str, text: str, least: int, most: int) -> int:
    if text.isascii() and text.isdecimal() and len(text) < 20 and least <= int(text) <= most:
        return int(text)
    raise QueryError(f"{name}: {_shown(text)} is not a whole number from {least} to {most}")


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:60] + "…")
