"""Reads single values: each function returns the value of a scalar, or raises a ValueError that says what to write."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from math import inf
from typing import TypeVar

from pydantic import SecretStr

from watcher.aws.service_models import is_region, text_rule
from watcher.config.faults import choice, describe
from watcher.config.tree import Reads, Text, is_null
from watcher.core.kinds import IdentityPart, Kind
from watcher.util import units
from watcher.util.bounded_text import LONGEST_SHOWN, shown

MAX_NAME_LENGTH = 128
"""Characters of an account's or a sink's name: every event repeats it, and the size of an event is limited."""

MAX_MATCHED_LENGTH = 2048
"""Characters of a text that is matched with a pattern."""

_LOCAL_TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?"
TIME = rf"^{_LOCAL_TIME}([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
"""A time with its zone (RFC 3339, section 5.6), in the dialect that Python and JSON Schema share."""
_TIME_EXAMPLE = "2026-11-23T08:00:00Z"

W = TypeVar("W", bound=str)


def quoted(value: object, *, ends_clause: bool = False) -> str:
    """Return `value` as messages show it; of a value made by variables, only the text in the file."""
    if isinstance(value, Text) and value.filled:
        return f"{shown(value.written)}, as filled in{'' if ends_clause else ','}"
    return shown(str(value))


def single(value: object, wanted: str) -> Text:
    """Return `value`, which must be a scalar; `wanted` describes the expected value in messages."""
    if not isinstance(value, Text):
        raise ValueError(f"this must be {wanted}, not {describe(value)}")  # noqa: TRY004  pydantic catches ValueError
    if is_null(value) and not value.written:
        raise ValueError("this key has no value")
    return value


def meant_as_text(value: object, *, secret: bool = False) -> Text:
    """Return the scalar, which must be text to YAML; a variable's value always is."""
    text = single(value, "text")
    if text.reads is Reads.TEXT or text.filled:
        return text
    if secret:
        raise ValueError(f"YAML reads this as {text.reads.value}; put it in quotes")
    written = text[:LONGEST_SHOWN]
    raise ValueError(f'YAML reads {written} as {text.reads.value}; to mean the text, write "{written}" in quotes')


def single_line(value: object, *, secret: bool = False) -> str:
    """Return text, which must be one non-empty line; messages do not repeat a `secret`."""
    text = meant_as_text(value, secret=secret)
    if not text:
        raise ValueError("this must not be empty")
    if not text.isprintable():
        raise ValueError("this must be a single line without control characters")
    return str(text)


def own_name(value: object) -> str:
    """Return the name of an account or a sink."""
    text = single_line(value)
    if len(text) > MAX_NAME_LENGTH:
        raise ValueError(f"this must have at most {MAX_NAME_LENGTH} characters")
    return text


def secret(value: object) -> SecretStr:
    """Return a text that messages do not repeat."""
    return SecretStr(single_line(value, secret=True))


def token(value: object) -> SecretStr:
    """Return a token that an HTTP header can carry."""
    text = single_line(value, secret=True)
    if text != text.strip():
        raise ValueError("a token must not begin or end with a space: no client could send it")
    return SecretStr(text)


def external_id(value: object) -> SecretStr:
    """Return an external ID that AWS accepts."""
    text = single_line(value, secret=True)
    rule = text_rule("sts", "AssumeRole", "ExternalId")
    if not rule.allows(text):
        raise ValueError(f"this is not an external ID that AWS accepts; it must have {rule}")
    return SecretStr(text)


def label_value(value: object) -> str:
    """Return a text that may be empty."""
    return str(meant_as_text(value))


def matching(pattern: str, what: str) -> Callable[[object], str]:
    """Return a reader of text that matches `pattern`; `what` names it in messages."""
    form = re.compile(pattern)

    def read(value: object) -> str:
        text = meant_as_text(value)
        if len(text) > MAX_MATCHED_LENGTH or not form.fullmatch(text):
            raise ValueError(f"{quoted(text)} is not a valid {what}")
        return str(text)

    return read


def accepted(
    *place: str, what: str, read: Callable[[object], str] = single_line, instead: str = ""
) -> Callable[[object], str]:
    """Return a reader of text that AWS's service model allows at `place` (service, operation, member).

    For messages: `what` names the text (with its article), `instead` says what to write (default: the model's rule).
    """

    def check(value: object) -> str:
        text, rule = read(value), text_rule(*place)
        if not rule.allows(text):
            if not instead and rule.allows(name := _name_in_arn(value)):
                raise ValueError(f"{quoted(value)} is not {what}, but an ARN; write the name: `{name}`")
            raise ValueError(f"{quoted(value)} is not {what} that AWS accepts; {instead or f'it must have {rule}'}")
        return str(text)

    return check


def _name_in_arn(value: object) -> str:
    """Return the resource's name in an ARN that was written instead of a name; empty if `value` is not an ARN."""
    if isinstance(value, Text) and not value.filled and value.startswith("arn:") and value.count(":") >= 5:
        resource = value.split(":", 5)[5]
        return resource.partition("/")[2].partition("/")[0].partition(":")[0]
    return ""


def region(value: object) -> str:
    """Return the name of a region."""
    text = meant_as_text(value)
    if not is_region(text):
        raise ValueError(f"{quoted(text)} is not a valid region name (example: us-east-1)")
    return str(text)


def duration_from(shortest: float, longest: float = inf, *, zero: bool = False) -> Callable[[object], float]:
    """Return a reader of a duration within these limits, in seconds; `zero`: whether 0s is allowed."""

    def read(value: object) -> float:
        text = single(value, "a duration such as 30s")
        try:
            seconds = units.parse_duration(text, zero=zero)
        except ValueError:
            if not text.filled:
                raise
            raise ValueError(f"{quoted(text)} is not a valid duration; it must be {units.DURATION_IN_WORDS}") from None
        if seconds < shortest:
            raise ValueError(f"{quoted(text)} is too short; the shortest is {units.format_duration(shortest)}")
        if seconds > longest:
            raise ValueError(f"{quoted(text)} is too long; the longest is {units.format_duration(longest)}")
        return seconds

    return read


def moment(value: object) -> datetime:
    """Return a time in UTC; it needs no quotes, although YAML reads an unquoted time as a date."""
    text = single(value, f"a time such as {_TIME_EXAMPLE}")
    if len(text) <= LONGEST_SHOWN and re.fullmatch(_LOCAL_TIME, text):
        raise ValueError(f"{quoted(text)} has no time zone; add Z (for UTC) or an offset such as +01:00")
    if len(text) <= LONGEST_SHOWN and re.fullmatch(TIME, text):
        try:
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
        except (ValueError, OverflowError):  # the 30th of February, or a year that UTC's calendar does not have
            pass
    raise ValueError(f"{quoted(text)} is not a valid time (example: {_TIME_EXAMPLE})")


def moment_or_age(value: object) -> datetime | float:
    """Return a time, or the seconds of a duration before now."""
    text = single(value, f"a duration such as 2h, or a time such as {_TIME_EXAMPLE}")
    if re.match(r"[0-9]{4}-", text):
        return moment(text)
    try:
        return units.parse_duration(text)
    except ValueError:
        written = quoted(text)
    raise ValueError(f"{written} is neither a duration (example: 2h) nor a time (example: {_TIME_EXAMPLE})")


def number(least: float, most: float, *, whole: bool) -> Callable[[object], float]:
    """Return a reader of a number from `least` to `most`."""
    what = f"a {'whole ' if whole else ''}number from {least:g} to {most:g}"
    form = re.compile(r"(0|[1-9][0-9]{0,8})" + ("" if whole else r"(\.[0-9]{1,9})?"))

    def read(value: object) -> float:
        text = single(value, what)
        plain = form.fullmatch(text)
        if plain and text.reads is not Reads.NUMBER:
            raise ValueError(f"this must be {what}; remove the quotes")
        if not plain or not least <= float(text) <= most:
            raise ValueError(f"{quoted(text)} is not {what}")
        return int(text) if whole else float(text)

    return read


def boolean(value: object) -> bool:
    """Return true or false."""
    text = single(value, "true or false")
    if text.reads is not Reads.BOOLEAN:
        raise ValueError("this must be true or false, without quotes")
    return not reads_off(text)


def reads_off(value: object) -> bool:
    """Return whether `value` turns something off: `off` is false in YAML 1.1, and text in YAML 1.2."""
    if not isinstance(value, Text):
        return False
    return value == "off" or (value.reads is Reads.BOOLEAN and value.lower() in {"false", "no", "off"})


def one_of(words: Sequence[W]) -> Callable[[object], W]:
    """Return a reader of one of these words."""

    def read(value: object) -> W:
        text = meant_as_text(value)
        for word in words:
            if word == text:
                return word
        raise ValueError(f"{quoted(text)} is not a valid value; {choice(text, words)}")

    return read


def part_reader(kind: Kind, part: IdentityPart) -> Callable[[object], str]:
    """Return a reader of a part of a target's identity: one of its choices, or what the service model allows."""
    if part.choices:
        return one_of(part.choices)
    place = (kind.api, kind.operation, part.parameter)
    if not part.number:
        return accepted(*place, what=part.called, instead=part.form)
    example = "write a whole number without leading zeros, such as 1"
    return accepted(*place, what=part.called, read=lambda value: single(value, part.called), instead=example)
