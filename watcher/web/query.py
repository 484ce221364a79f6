"""What is asked for in a URL: ids in paths, parameters in queries. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from watcher.core.model import EVENT_TYPES, TEST_EVENT, Kind, parse_rfc3339, path_segment
from watcher.core.ports import EventQuery
from watcher.core.status import Status
from watcher.util.duration import parse_duration
from watcher.util.globs import matches

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

MOST_EVENTS, MOST_TEXT = 1000, 4 * 1024 * 1024
"""Events of one response, and the characters of their bodies in all; a single event may have more."""

MOST, LONGEST = 50, 1000
MOST_TYPES, LONGEST_TYPE = 16, 32
"""How often a parameter may be given, and its length in characters; less for `type`, whose globs are expensive."""

LONGEST_ID, MOST_PARTS = 2000, 9
"""Characters of an id that is percent-encoded twice, and its slashes, including the one before `badge.svg`."""

MOST_NUMBER = 2**63 - 1

STATUS = r"^[A-Z][A-Z0-9_]*$"
LABEL = r"^[^=]+="
DURATION = r"^(?=.*[1-9])([12]?[0-9]{1,3}d)?([0-9]{1,4}h)?([0-9]{1,5}m)?([0-9]{1,7}s)?([0-9]{1,9}ms)?$"
MOMENT = (
    r"^[12][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?"
    r"(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
)
"""The patterns of parameters, as in the OpenAPI document, in the dialect that Python and JSON Schema share."""


class WrongQuery(ValueError):
    """A parameter is wrong; the message names it, and says what to write."""


Parameters = dict[str, list[str]]


def parameters(pairs: Iterable[tuple[str, str]], *, once: Sequence[str] = (), many: Sequence[str] = ()) -> Parameters:
    """The parameters of a query by name, each in a list.

    Raises:
        WrongQuery: there is one that is not among `once` and `many`, one of `once` comes twice, or is too long.
    """
    found: Parameters = {}
    known = (*once, *many)
    for name, value in pairs:
        if name not in known:
            told = f"; there are: {', '.join(known)}" if known else "; there are none here"
            raise WrongQuery(f"{_shown(name)}: unknown parameter{told}")
        if name in once and name in found:
            raise WrongQuery(f"{name}: it may be given once only")
        most, longest = (MOST_TYPES, LONGEST_TYPE) if name == "type" else (MOST, LONGEST)
        if len(value) > longest or len(found.get(name, ())) >= most:
            raise WrongQuery(f"{name}: it may be given {most} times at most, with at most {longest} characters each")
        found.setdefault(name, []).append(value)
    return found


def target_id(raw: str, known: Container[str]) -> str | None:
    """The id of the target that a raw path names, if it is known: each part percent-encoded, or the whole once more."""
    if len(raw) > LONGEST_ID or raw.count("/") > MOST_PARTS:
        return None
    for candidate in (raw, _canonical(raw), unquote(raw), _canonical(unquote(raw))):
        if candidate in known:
            return candidate
    return None


def _canonical(raw: str) -> str:
    """`raw`, with its parts encoded as ids are: clients differ in what they encode."""
    return "/".join(path_segment(unquote(part)) for part in raw.split("/"))


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows of `/api/targets` are wanted."""

    account: str | None = None
    kind: str | None = None
    status: str | None = None
    """A standing, or a status as AWS tells it."""
    labels: tuple[tuple[str, str], ...] = ()
    text: str = ""

    def lets(self, row: Mapping[str, Any]) -> bool:
        """Whether it lets a row through."""
        return (
            self.account in (None, row["account"])
            and self.kind in (None, row["kind"])
            and self.status in (None, row["standing"], row["status"])
            and all(row["labels"].get(name) == value for name, value in self.labels)
            and (not self.text or self.text in haystack(row))
        )


def haystack(row: Mapping[str, Any]) -> str:
    """The text of a row that is searched, in small letters: what a person can read of it, as on the page."""
    labels = (f"{name}={value}" for name, value in row["labels"].items())
    parts = (row[part] or "" for part in ("id", "name", "title", "repository", "branch", "sha", "note"))
    unreadable = row["unreadable"]
    return "\n".join((*parts, unreadable["message"] if unreadable else "", *labels)).lower()


def targets_filter(pairs: Iterable[tuple[str, str]]) -> Filter:
    """Of `/api/targets`.

    Raises:
        WrongQuery: a parameter is wrong.
    """
    found = parameters(pairs, once=("account", "kind", "status", "text"), many=("label",))
    kind, status = _one(found, "kind"), _one(found, "status")
    if kind is not None and kind not in list(Kind):
        raise WrongQuery(f"kind: {_shown(kind)} is no kind; write one of {', '.join(Kind)}")
    if status is not None and status not in list(Status) and not re.fullmatch(STATUS, status):
        raise WrongQuery(
            f"status: {_shown(status)} is neither one of {', '.join(Status)} nor a status of AWS, such as FAILED"
        )
    labels = []
    for label in found.get("label", []):
        if not re.search(LABEL, label):
            raise WrongQuery(f"label: {_shown(label)} is no label; write NAME=VALUE")
        name, _, value = label.partition("=")
        labels.append((name, value))
    return Filter(_one(found, "account"), kind, status, tuple(labels), (_one(found, "text") or "").strip().lower())


def events_query(pairs: Iterable[tuple[str, str]], now: datetime) -> EventQuery:
    """Of `/api/events`.

    Raises:
        WrongQuery: a parameter is wrong.
    """
    found = parameters(pairs, once=("target", "since", "after", "limit"), many=("type",))
    since, after, limit = _one(found, "since"), _one(found, "after"), _one(found, "limit")
    return EventQuery(
        target=_one(found, "target"),
        types=_types(found.get("type", [])),
        since=None if since is None else _moment("since", since, now),
        after=0 if after is None else _number("after", after, 0, MOST_NUMBER),
        limit=50 if limit is None else _number("limit", limit, 1, MOST_EVENTS),
        newest=after is None,
        size=MOST_TEXT,
    )


def stream_after(pairs: Iterable[tuple[str, str]], last_event_id: str | None) -> int | None:
    """The number of the event after which a stream goes on; None: with what is still to come.

    Raises:
        WrongQuery: it is no number.
    """
    found = parameters(pairs, once=("after",))
    if last_event_id:  # what a browser sends by itself when it comes back is newer than the address it was given
        return _number("Last-Event-ID", last_event_id, 0, MOST_NUMBER)
    after = _one(found, "after")
    return None if after is None else _number("after", after, 0, MOST_NUMBER)


def _types(globs: Sequence[str]) -> tuple[str, ...]:
    """The event types that match the globs, so that the store compares names only; if none does, an unknown name."""
    full = [glob if glob.startswith(("watcher.", "*")) else f"watcher.{glob}" for glob in globs]
    found = dict.fromkeys(each for glob in full for each in (*EVENT_TYPES, TEST_EVENT) if matches(each, glob))
    return tuple(found) or tuple(re.sub(r"[*?\[]", "", glob) for glob in full[:1])


def _moment(name: str, text: str, now: datetime) -> datetime:
    """A duration back from now, or an RFC 3339 time."""
    try:
        if re.fullmatch(DURATION, text):
            return now - timedelta(seconds=parse_duration(text))
        if re.fullmatch(MOMENT, text):
            return parse_rfc3339(text)
    except ValueError:
        pass  # a 30th of February, or a year before the first
    raise WrongQuery(
        f"{name}: {_shown(text)} is neither a duration, such as 2h, nor a time, such as 2026-11-23T08:00:00Z"
    )


def _number(name: str, text: str, least: int, most: int) -> int:
    if text.isascii() and text.isdecimal() and len(text) < 20 and least <= int(text) <= most:
        return int(text)
    raise WrongQuery(f"{name}: {_shown(text)} is no whole number from {least} to {most}")


def _one(found: Parameters, name: str) -> str | None:
    return found[name][0] if name in found else None


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:60] + "…")
