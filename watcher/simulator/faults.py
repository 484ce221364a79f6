"""All that can go wrong on the way of an answer: one table of names, each with what it makes of the good answer.

A fault is pure: it turns the answer that would have been given into another one. `Delivery` tells the server how to
send it; only the server knows about sockets.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from watcher.simulator import aws_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from watcher.core.model import Api

    Good = Callable[[], Mapping[str, Any]]
    """Makes the answer that would have been given, in camelCase."""
    Make = Callable[["Fault", Api, Good], "Reply"]

HUGE = 1_300_000
"""Bytes that an answer of the fault `huge` has at least: more than the 1 MiB that a client should believe."""

HTML = b"<html><head><title>%(t)b</title></head><body><center><h1>%(t)b</h1></center></body></html>\r\n"


class Delivery(Enum):
    """How an answer goes over the wire."""

    WHOLE = auto()
    CUT = auto()
    """Half of the promised body, then the connection is closed."""
    RESET = auto()
    """TCP RST instead of an answer."""
    HANG = auto()
    """Nothing, until the client goes."""
    DRIP = auto()
    """The headers, then one byte a while."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer, ready to be sent. `kind` names it in the record of calls: an AWS status, an error code, a fault."""

    kind: str
    body: bytes
    status: int = 200
    content_type: str | None = aws_json.CONTENT_TYPE
    delivery: Delivery = Delivery.WHOLE
    error: tuple[str, str] | None = None
    """The code and the message, if the reply is an error of AWS."""

    def by(self, service: str) -> Reply:
        """The reply in the form of `service`: the two names of CodeConnections encode errors differently."""
        if self.error is None:
            return self
        status, body = aws_json.error(service, *self.error)
        return replace(self, status=status, body=body)


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault by name. `at` says which field (`latestSync.startedAt`, as Proton spells it) is missing or wrong."""

    name: str
    at: str = "latestSync.startedAt"

    def __post_init__(self) -> None:
        """Refuse a name that is not in the table.

        Raises:
            ValueError: there is no such fault.
        """
        if self.name not in FAULTS:
            raise ValueError(f"there is no fault {self.name!r}; known: {', '.join(FAULTS)}")

    def applied(self, api: Api, good: Good) -> Reply:
        """The reply of `api`, had this fault happened to the answer that `good` makes (in camelCase)."""
        return replace(FAULTS[self.name].reply(self, api, good), kind=self.name)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table."""

    meaning: str
    reply: Make = field(repr=False)


def error(service: str, code: str, message: str) -> Reply:
    """An error as `service` sends it: in the modelled form where the model has it, else as every AWS JSON API does."""
    return Reply(code, b"", error=(code, message)).by(service)


def _error(code: str | Mapping[str, str], message: str) -> Make:
    return lambda _, api, __: error(api, code if isinstance(code, str) else code[api.value], message)


def _raw(status: int, body: bytes = b"", content_type: str | None = aws_json.CONTENT_TYPE) -> Make:
    return lambda *_: Reply("", body, status, content_type)


def _html(status: int, title: bytes) -> Make:
    return _raw(status, HTML % {b"t": title}, "text/html")


def _delivered(delivery: Delivery) -> Make:
    return lambda _, api, good: Reply("", aws_json.encode(api, good()), delivery=delivery)


def _half(_: Fault, api: Api, good: Good) -> Reply:
    body = aws_json.encode(api, good())
    return Reply("", body[: len(body) // 2])


def _huge(_: Fault, api: Api, good: Good) -> Reply:
    body = aws_json.encode(api, good())
    return Reply("", body + b" " * (HUGE - len(body)))  # valid JSON, and no field is wrong


def _edited(edit: Callable[[dict[str, Any], str], None]) -> Make:
    def reply(fault: Fault, api: Api, good: Good) -> Reply:
        answer = json.loads(json.dumps(good()))
        *way, last = fault.at.split(".")
        inner: Any = answer
        for step in way:
            inner = inner.get(step) if isinstance(inner, dict) else None
        if isinstance(inner, dict) and last in inner:
            edit(inner, last)
        return Reply("", aws_json.encode(api, answer))

    return reply


def _drop(fields: dict[str, Any], name: str) -> None:
    del fields[name]


def _mistype(fields: dict[str, Any], name: str) -> None:
    fields[name] = 17 if isinstance(fields[name], str) else "not what was promised"


def _unknown_status(_: Fault, api: Api, good: Good) -> Reply:
    answer = dict(good())
    if answer.get("latestSync"):
        answer["latestSync"] = {**answer["latestSync"], "status": "PAUSED_BY_MAINTENANCE"}
    return Reply("", aws_json.encode(api, answer))


INVALID = {"proton": "ValidationException", "codeconnections": "InvalidInputException"}

FAULTS: Mapping[str, Row] = {
    "server_error": Row("the modelled InternalServerException", _error("InternalServerException", "Internal error.")),
    "throttling": Row("the modelled ThrottlingException", _error("ThrottlingException", "Rate exceeded")),
    "access_denied": Row(
        "AccessDeniedException",
        _error("AccessDeniedException", "User is not authorized to perform this action on the resource."),
    ),
    "not_found": Row("ResourceNotFoundException", _error("ResourceNotFoundException", "The resource was not found.")),
    "validation": Row(
        "ValidationException, or CodeConnections' InvalidInputException", _error(INVALID, "The input is not valid.")
    ),
    "expired_credentials": Row(
        "ExpiredTokenException",
        _error("ExpiredTokenException", "The security token included in the request is expired"),
    ),
    "skewed_clock": Row(
        "InvalidSignatureException, as for a clock that is an hour off",
        _error("InvalidSignatureException", "Signature expired: the request was signed an hour ago by this clock"),
    ),
    "http_500": Row("500 with HTML", _html(500, b"500 Internal Server Error")),
    "http_502": Row("502 with HTML", _html(502, b"502 Bad Gateway")),
    "http_503": Row("503 with HTML", _html(503, b"503 Service Unavailable")),
    "http_429": Row("429 with no body", _raw(429, content_type=None)),
    "retired": Row("410 with HTML, as of a service that is no more", _html(410, b"410 Gone")),
    "html": Row("200 with HTML, as of a captive proxy", _html(200, b"Please log in")),
    "empty": Row("200 with no body", _raw(200)),
    "not_an_object": Row("200 with JSON that is a list", _raw(200, b"[]")),
    "half_json": Row("200 with the first half of the JSON, its length right", _half),
    "huge": Row("200 with an answer of over 1 MiB", _huge),
    "missing_field": Row("the good answer without the field `at`", _edited(_drop)),
    "wrong_type": Row("the good answer with another type in the field `at`", _edited(_mistype)),
    "unknown_status": Row("the good answer with a status that nobody knows", _unknown_status),
    "cut": Row("the connection is closed in the middle of the body", _delivered(Delivery.CUT)),
    "reset": Row("the connection is reset before an answer", _delivered(Delivery.RESET)),
    "hang": Row("no answer until the client goes", _delivered(Delivery.HANG)),
    "drip": Row("the good answer, one byte a while", _delivered(Delivery.DRIP)),
}
