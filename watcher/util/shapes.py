"""Checks that values read from JSON have the shape that their readers rely on. Pure.

A form is one of: a type, or a tuple of types; a function that returns whether it accepts a value, such as `is_moment`;
`Each`; `Nullable`; a mapping of an object's keys to forms, in which other keys are allowed.
"""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

MAX_INTEGER = 2**63 - 1
"""The largest integer that SQLite can store, and that other readers of JSON expect."""

MAX_SECONDS = 1e11
"""Seconds since 1970 that no clock reaches (the year 5138)."""

NONE = type(None)

_SURROGATES = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Nullable:
    """A value that may be null; `null` is false only for an `Optional` key whose value may not be."""

    form: Any
    null: bool = True


@dataclass(frozen=True, slots=True)
class Optional(Nullable):
    """A key that may be missing; its value is like that of `Nullable`."""


@dataclass(frozen=True, slots=True)
class Each:
    """A list, or an object, all of whose values have one form."""

    kind: type[list[Any] | dict[str, Any]]
    form: Any


def is_unicode(value: Any) -> bool:
    """Whether a value is a text that can be written as UTF-8: lone surrogates stand for bytes that were not UTF-8."""
    return isinstance(value, str) and not _SURROGATES.search(value)


def is_moment(value: Any) -> bool:
    """Whether a value is a number of seconds, since 1970 or of a duration."""
    return _is_a(value, (int, float)) and 0 <= value < MAX_SECONDS


def is_time(value: Any) -> bool:
    """Whether a value is a text with a time (RFC 3339)."""
    try:
        datetime.fromisoformat(value).astimezone(UTC)
    except (OverflowError, TypeError, ValueError):
        return False
    return True


def parse(text: Any, form: Any, name: str) -> Any:
    """The value of the JSON `text`, checked against `form` (None: any value).

    Raises:
        ValueError: `text` is not text, not JSON, or has another shape.
    """
    check(text, str, name)
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError(f"{name} is nested too deeply") from None
    if form is not None:
        check(value, form, name)
    return value


def check(value: Any, form: Any, name: str) -> None:
    """Check `value` against `form`; messages call it `name`.

    Raises:
        ValueError: it has another shape; the message names the part and its value.
    """
    if isinstance(form, Nullable):
        if value is not None or not form.null:
            check(value, form.form, name)
        return
    if not _accepts(form, value):
        raise ValueError(f"{name} cannot be {json.dumps(value, default=repr)[:40]}")
    if isinstance(form, Each):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            check(each, form.form, f"{name}[{key!r}]")
    elif isinstance(form, dict):
        for key, of_key in form.items():
            if key in value:
                check(value[key], of_key, f"{name}.{key}")
            elif not isinstance(of_key, Optional):
                raise ValueError(f"{name} has no {key!r}")


def _accepts(form: Any, value: Any) -> bool:
    if isinstance(form, dict):
        return isinstance(value, dict)
    if isinstance(form, Each):
        return isinstance(value, form.kind)
    if isinstance(form, type | tuple):
        return _is_a(value, form)
    return bool(form(value))


def _is_a(value: Any, types: type | tuple[type, ...]) -> bool:
    if isinstance(value, bool):
        return types is bool
    return isinstance(value, types) and not (isinstance(value, int) and not 0 <= value <= MAX_INTEGER)
