"""Checks that values read from JSON have the shape that their readers rely on. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

MAX_INTEGER = 2**63 - 1
"""The largest integer that SQLite can store, and that other readers of JSON expect."""

MOMENT_END = 1e11
"""Seconds since 1970 that no clock reaches (the year 5138)."""

NONE = type(None)

_SURROGATES = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Optional:
    """A key that may be missing, or (with `null`) null."""

    form: Any
    null: bool = True


@dataclass(frozen=True, slots=True)
class Nullable:
    """A value that may be null."""

    form: Any


@dataclass(frozen=True, slots=True)
class Each:
    """A list, or an object's values, all of one form."""

    kind: type[list[Any] | dict[str, Any]]
    form: Any


class Moment:
    """Seconds since 1970, or of a duration."""


class Time:
    """A text that is a time (RFC 3339)."""


class Text:
    """A text that can be written as UTF-8."""


def is_unicode(text: str) -> bool:
    """Whether a text can be written as UTF-8: it has no lone surrogates, which stand for bytes that were not UTF-8."""
    return not _SURROGATES.search(text)


def parse(text: Any, form: Any, name: str) -> Any:
    """The value of the JSON `text`, checked against `form` (None: any value).

    Raises:
        ValueError: `text` is not text, not JSON, or has another shape.
    """
    if not isinstance(text, str):
        raise ValueError(f"{name} is not text")  # noqa: TRY004  the reader of a file catches one kind of error
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError(f"{name} is nested too deeply") from None
    if form is not None:
        check(value, form, name)
    return value


def check(value: Any, form: Any, name: str) -> None:
    """Check `value` against `form`; `name` is what messages call it.

    A form is a type or a tuple of types, `Moment`, `Time`, `Text`, `Each`, `Nullable`, or a mapping of an object's keys
    to forms (other keys may be there as well).

    Raises:
        ValueError: it has another shape; the message names the part and its value.
    """
    if isinstance(form, dict):
        _require(value, isinstance(value, dict), name)
        _check_keys(value, form, name)
    elif isinstance(form, Nullable):
        if value is not None:
            check(value, form.form, name)
    elif isinstance(form, Each):
        _require(value, isinstance(value, form.kind), name)
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            check(each, form.form, f"{name}[{key!r}]")
    elif form is Text:
        _require(value, isinstance(value, str) and is_unicode(value), name)
    elif form is Time:
        _require(value, isinstance(value, str) and _is_time(value), name)
    elif form is Moment:
        _require(value, _is_a(value, (int, float)) and 0 <= value < MOMENT_END, name)
    else:
        _require(value, _is_a(value, form if isinstance(form, tuple) else (form,)), name)


def _check_keys(value: dict[str, Any], form: dict[str, Any], name: str) -> None:
    for key, of_key in form.items():
        optional = isinstance(of_key, Optional)
        if key in value:
            each = of_key if not optional else Nullable(of_key.form) if of_key.null else of_key.form
            check(value[key], each, f"{name}.{key}")
        elif not optional:
            raise ValueError(f"{name} has no {key!r}")


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text).astimezone(UTC)
    except (OverflowError, ValueError):
        return False
    return True


def _is_a(value: Any, types: tuple[type, ...]) -> bool:
    if isinstance(value, bool):
        return bool in types
    return isinstance(value, types) and not (isinstance(value, int) and not 0 <= value <= MAX_INTEGER)


def _require(value: Any, holds: bool, name: str) -> None:  # noqa: FBT001  what was found, not an option
    if not holds:
        raise ValueError(f"{name} cannot be {json.dumps(value, default=repr)[:40]}")
