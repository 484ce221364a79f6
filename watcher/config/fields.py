"""What a single value may be: from the text in the file to the value, or a ValueError that says what to write instead.

Each type is a function from the tree's scalar, beside the JSON Schema of the same rule.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from math import inf
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, PlainValidator, SecretStr, WithJsonSchema

from watcher.aws.service_models import REGION, is_region, text_rule
from watcher.config.faults import describe, suggestion
from watcher.config.tree import Reads, Text, is_null
from watcher.config.variables import VARIABLE
from watcher.core.model import FirstSeen
from watcher.core.state_url import SCHEME, parse_address
from watcher.util import duration
from watcher.util.quoting import LONGEST, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from watcher.core.kinds import IdentityPart, Kind

LONGEST_NAME = 128
"""Characters of an account's or a sink's name: every event repeats it, and the size of an event is limited."""


def quoted(value: object) -> str:
    """`value` as messages show it; of one that variables made, only what was written."""
    if isinstance(value, Text) and value.filled:
        return f"{shown(value.written)}, as filled in,"
    return shown(str(value))


def single(value: object, wanted: str) -> Text:
    """The scalar that stands there; `wanted` says what is to stand there, should it be something else."""
    if not isinstance(value, Text):
        raise ValueError(f"this must be {wanted}, not {describe(value)}")  # noqa: TRY004  pydantic catches ValueError
    if is_null(value) and not value.written:
        raise ValueError("this key has no value")
    return value


def meant_as_text(value: object, *, secret: bool = False) -> Text:
    """The scalar, if it is text to YAML as well as to us; a variable's value always is."""
    text = single(value, "text")
    if text.reads is Reads.TEXT or text.filled:
        return text
    if secret:
        raise ValueError(f"YAML reads this as {text.reads.value}; put it in quotes")
    written = text[:LONGEST]
    raise ValueError(f'YAML reads {written} as {text.reads.value}; to mean the text, write "{written}" in quotes')


def printable(value: object, *, secret: bool = False) -> str:
    """Text of one line, and some; the message never has it when it is a `secret`."""
    text = meant_as_text(value, secret=secret)
    if not text:
        raise ValueError("this must not be empty")
    if not text.isprintable():
        raise ValueError("line breaks and control characters cannot stand here")
    return str(text)


def _own_name(value: object) -> str:
    text = printable(value)
    if len(text) > LONGEST_NAME:
        raise ValueError(f"this must have at most {LONGEST_NAME} characters")
    return text


def _secret(value: object) -> SecretStr:
    return SecretStr(printable(value, secret=True))


def _token(value: object) -> SecretStr:
    text = printable(value, secret=True)
    if text != text.strip():
        raise ValueError("a token must not begin or end with a blank: no client could send it so")
    return SecretStr(text)


def _external_id(value: object) -> SecretStr:
    text = printable(value, secret=True)
    rule = text_rule("sts", "AssumeRole", "ExternalId")
    if not rule.allows(text):
        raise ValueError(f"this is not an external ID that AWS accepts; it must have {rule}")
    return SecretStr(text)


def _label_value(value: object) -> str:
    return str(meant_as_text(value))


def matching(pattern: str, what: str, longest: int = 2048) -> Callable[[object], str]:
    """Makes a reader of text that matches `pattern`, of at most `longest` characters; `what` names it in messages."""
    form = re.compile(pattern)

    def read(value: object) -> str:
        text = meant_as_text(value)
        if len(text) > longest or not form.fullmatch(text):
            raise ValueError(f"{quoted(text)} is not a valid {what}")
        return str(text)

    return read


def accepted(
    *place: str, what: str, read: Callable[[object], str] = printable, instead: str = ""
) -> Callable[[object], str]:
    """Makes a reader of text that AWS's service model allows at `place` (service, operation, member).

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
    """The resource's name in an ARN that was written in place of a name; empty if `value` is not an ARN."""
    if isinstance(value, Text) and not value.filled and value.startswith("arn:") and value.count(":") >= 5:
        resource = value.split(":", 5)[5]
        return resource.partition("/")[2].partition("/")[0].partition(":")[0]
    return ""


def _region(value: object) -> str:
    text = meant_as_text(value)
    if not is_region(text):
        raise ValueError(f"{quoted(text)} is not a valid region name (example: us-east-1)")
    return str(text)


def duration_from(shortest: float, longest: float = inf, *, zero: bool = False) -> Callable[[object], float]:
    """Reads a duration of that many seconds at least, and at most; no time at all only if `zero`."""

    def read(value: object) -> float:
        text = single(value, "a duration such as 30s")
        try:
            seconds = duration.parse_duration(text, zero=zero)
        except ValueError:
            if not text.filled:
                raise
            raise ValueError(f"{quoted(text)} is no duration; it must be {duration.FORM_IN_WORDS}") from None
        if seconds < shortest:
            raise ValueError(f"{quoted(text)} is too short; the shortest is {duration.format_duration(shortest)}")
        if seconds > longest:
            raise ValueError(f"{quoted(text)} is too long; the longest is {duration.format_duration(longest)}")
        return seconds

    return read


def _number(least: float, most: float, *, whole: bool) -> Callable[[object], float]:
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


def _boolean(value: object) -> bool:
    text = single(value, "true or false")
    if text.reads is not Reads.BOOLEAN:
        raise ValueError("this must be true or false, without quotes")
    return reads_true(text)


def reads_true(text: Text) -> bool:
    """What YAML makes of a boolean: `on` and `yes` are true."""
    return text.lower() in {"true", "yes", "on"}


def reads_off(value: object) -> bool:
    """Whether `value` turns something off: `off` is false in YAML 1.1, and text in YAML 1.2."""
    return isinstance(value, Text) and (value == "off" or (value.reads is Reads.BOOLEAN and not reads_true(value)))


def or_off(schema: dict[str, Any]) -> dict[str, Any]:
    """`schema`, or off: see `reads_off`."""
    return {"anyOf": [schema, {"enum": [False, "off"]}]}


def one_of(words: Sequence[str]) -> Callable[[object], str]:
    """Reads one of these words."""

    def read(value: object) -> str:
        text = meant_as_text(value)
        if text not in words:
            close = [] if text.filled else suggestion(text, words)
            hint = f"did you mean {close[0]}?" if close else f"choose from {', '.join(words)}"
            raise ValueError(f"{quoted(text)} cannot stand here; {hint}")
        return str(text)

    return read


_AUTHORITY = re.compile(r"(.*@)?(\[[0-9A-Fa-f:.]+(%[^\[\]]+)?\]|[^\[\]%]+)(:[0-9]*)?")
"""A user, a host and a port (RFC 3986, section 3.2), without percent-escapes in the name: it could not be resolved."""


def http_url(value: object, *, example: str, secret: bool = False, user: bool = False) -> str:
    """Read the http(s) URL of a host; messages never repeat it, since it may have a password. `user`: allow a user."""
    text = printable(value, secret=secret)
    try:
        parts = urlsplit(text)
        named = bool(_AUTHORITY.fullmatch(parts.netloc)) and bool((parts.hostname or "").encode("idna"))
        sound = named and parts.scheme in {"http", "https"} and parts.port != 0 and " " not in text
    except ValueError:
        sound = False
    if not sound:
        raise ValueError(f"this must be the URL of a host, such as {example}")
    if "@" in parts.netloc and not user:
        raise ValueError("a URL here cannot have a user name or a password in it")
    return text


def _endpoint_url(value: object) -> str:
    return http_url(value, example="https://proton.example.com or http://127.0.0.1:4566")


def _state(value: object) -> str:
    text = printable(value)
    if text.startswith(SCHEME):
        region = parse_address(text).region
        if region is not None and not is_region(region):
            raise ValueError("`region` must be a valid region name (example: us-east-1)")
    elif text != "memory://" and not re.fullmatch(r"sqlite:///.*[^/]", text):
        raise ValueError(
            "this must be sqlite:///PATH (relative), sqlite:////PATH (absolute), dynamodb://TABLE or memory://"
        )
    return text


def split_listen(listen: str) -> tuple[str, int]:
    """The host and the port of `HOST:PORT` or `[IPv6]:PORT`.

    Raises:
        ValueError: it is neither.
    """
    host, _, port = listen.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = str(ip_address(host[1:-1]))
    elif not re.fullmatch(r"[0-9A-Za-z]([0-9A-Za-z.-]*[0-9A-Za-z])?", host):
        raise ValueError("no host")
    if not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535:
        raise ValueError("no port")
    return host, int(port)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _listen(value: object) -> str:
    text = meant_as_text(value)
    try:
        split_listen(text)
    except ValueError:
        message = f"{quoted(text)} is no HOST:PORT, such as 127.0.0.1:8080, 0.0.0.0:8080 or (in quotes) '[::1]:8080'"
        raise ValueError(message) from None
    return str(text)


def lasting(written: str) -> Any:
    """A field's default duration, as it is written: in seconds to the program, as text in the JSON Schema."""
    return Field(default=duration.parse_duration(written), json_schema_extra={"default": written})


def or_variable(schema: dict[str, Any]) -> dict[str, Any]:
    """`schema`, or a text with a variable in it."""
    return {"anyOf": [schema, {"type": "string", "pattern": VARIABLE}]}


def text_schema(pattern: str | None = None, **more: Any) -> WithJsonSchema:
    """The JSON Schema of a text; one with a pattern may have a variable instead."""
    schema: dict[str, Any] = {"type": "string", **more}
    return WithJsonSchema(or_variable(schema | {"pattern": pattern}) if pattern else schema)


def _number_schema(kind: Literal["integer", "number"], least: float, most: float) -> WithJsonSchema:
    return WithJsonSchema(or_variable({"type": kind, "minimum": least, "maximum": most}))


HTTP_URL = r"^[Hh][Tt][Tt][Pp][Ss]?://[^/?#@]+([/?#].*)?$"
"""The form of a URL of a host without a user, in the dialect that Python and JSON Schema share."""
_ROLE = r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[0-9A-Za-z_+=,.@/-]+$"
DURATION_SCHEMA = WithJsonSchema(
    or_variable({"type": "string", "pattern": duration.PATTERN}) | {"examples": ["500ms", "30s", "5m", "1h30m"]}
)


Plain = Annotated[str, PlainValidator(printable), text_schema(minLength=1)]
OwnName = Annotated[str, PlainValidator(_own_name), text_schema(minLength=1, maxLength=LONGEST_NAME)]
"""The name of an account or a sink, given in the configuration."""
LabelValue = Annotated[str, PlainValidator(_label_value), text_schema()]
Secret = Annotated[SecretStr, PlainValidator(_secret), text_schema(minLength=1)]
Token = Annotated[SecretStr, PlainValidator(_token), text_schema(r"^\S(.*\S)?$")]
ExternalId = Annotated[SecretStr, PlainValidator(_external_id), text_schema(minLength=2)]
Region = Annotated[str, PlainValidator(_region), text_schema(REGION)]
RoleArn = Annotated[
    str,
    PlainValidator(
        accepted(
            "sts",
            "AssumeRole",
            "RoleArn",
            what="a role ARN",
            read=matching(_ROLE, "role ARN, such as arn:aws:iam::111122223333:role/watcher"),
        )
    ),
    text_schema(_ROLE),
]
Url = Annotated[str, PlainValidator(_endpoint_url), text_schema(HTTP_URL)]
State = Annotated[str, PlainValidator(_state), text_schema(r"^(sqlite:///.+|dynamodb://.+|memory://)$")]
Listen = Annotated[str, PlainValidator(_listen), text_schema(r"^.+:[0-9]{1,5}$")]
Interval = Annotated[float, PlainValidator(duration_from(0.1)), DURATION_SCHEMA]
Duration = Annotated[float, PlainValidator(duration_from(0)), DURATION_SCHEMA]
Rate = Annotated[float, PlainValidator(_number(0.1, 1000, whole=False)), _number_schema("number", 0.1, 1000)]
Share = Annotated[float, PlainValidator(_number(0, 1, whole=False)), _number_schema("number", 0, 1)]
Concurrency = Annotated[int, PlainValidator(_number(1, 1000, whole=True)), _number_schema("integer", 1, 1000)]
Count = Concurrency
Tries = Annotated[int, PlainValidator(_number(1, 20, whole=True)), _number_schema("integer", 1, 20)]
Boolean = Annotated[bool, PlainValidator(_boolean), WithJsonSchema(or_variable({"type": "boolean"}))]
OnFirstSeen = Annotated[
    FirstSeen,
    PlainValidator(lambda value: FirstSeen(one_of(list(FirstSeen))(value))),
    WithJsonSchema(or_variable({"enum": list(FirstSeen)})),
]


def part_reader(kind: Kind, part: IdentityPart) -> Callable[[object], str]:
    """Makes a reader of a part of a target's identity: one of its choices, or what the service model allows."""
    if part.choices:
        return one_of(part.choices)
    place = (kind.api, kind.operation, part.parameter)
    if not part.number:
        return accepted(*place, what=part.called)
    example = "write a whole number without leading zeros, such as 1"
    return accepted(*place, what=part.called, read=lambda value: single(value, part.called), instead=example)


def part_schema(part: IdentityPart) -> WithJsonSchema:
    """The JSON Schema of the same rule."""
    if part.choices:
        return WithJsonSchema(or_variable({"enum": list(part.choices)}))
    if not part.number:
        return text_schema(minLength=1)
    number = {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": r"^(0|[1-9][0-9]*)$"}]}
    return WithJsonSchema(or_variable(number))
