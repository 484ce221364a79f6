"""The faults of the simulated AWS by name, each as a pure function that makes its reply from the correct answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Any

from watcher.simulator import aws_json

MakeAnswer = Callable[[], Mapping[str, Any]]
"""Makes the correct answer, in camelCase."""
MakeReply = Callable[["Fault", str, MakeAnswer], "Reply"]

HUGE_BYTES = 1_300_000
"""The least size of the answer of the fault `huge`: more than the 1 MiB that the watcher accepts."""

HTML = b"<html><head><title>%(t)b</title></head><body><center><h1>%(t)b</h1></center></body></html>\r\n"


class Transmission(Enum):
    """How the server sends a reply."""

    WHOLE = auto()
    CUT = auto()  # half of the body, then the connection is closed
    RESET = auto()  # TCP RST instead of a response
    HANG = auto()  # nothing, until the client disconnects
    DRIP = auto()  # the headers, then the body byte by byte


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP response. `kind` is what `Call.answer` records: a sync status, `OK`, an error's code, a fault's name."""

    kind: str
    body: bytes
    status: int = 200
    content_type: str | None = aws_json.CONTENT_TYPE
    transmission: Transmission = Transmission.WHOLE
    headers: Mapping[str, str] = field(default_factory=dict)
    long_poll: LongPoll | None = None


@dataclass(frozen=True, slots=True)
class LongPoll:
    """A call that has nothing yet, and waits for it at most so many `seconds`; `again` returns a newer reply."""

    seconds: float
    again: Callable[[], Reply]


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault by name. `at`: the field that is missing or wrong, as Proton spells it."""

    name: str
    at: str = "latestSync.startedAt"

    def __post_init__(self) -> None:
        if self.name not in FAULTS:
            raise ValueError(f"there is no fault {self.name!r}; known: {', '.join(FAULTS)}")

    def applied(self, service: str, correct: MakeAnswer) -> Reply:
        return replace(FAULTS[self.name](self, service, correct), kind=self.name)


def error_reply(service: str, code: str, message: str) -> Reply:
    """An error as `service` sends it: as its model says, or as every AWS JSON API does for other errors."""
    status, body, headers = aws_json.error(service, code, message)
    return Reply(code, body, status, headers=headers)


def _error(code: str, message: str) -> MakeReply:
    return lambda _, service, __: error_reply(service, code, message)


def _invalid(_: Fault, service: str, __: MakeAnswer) -> Reply:
    return error_reply(service, aws_json.INVALID[aws_json.SERVICES[service]], "The input is not valid.")


def _raw(status: int, body: bytes = b"", content_type: str | None = aws_json.CONTENT_TYPE) -> MakeReply:
    return lambda *_: Reply("", body, status, content_type)


def _html(status: int, title: bytes) -> MakeReply:
    return _raw(status, HTML % {b"t": title}, "text/html")


def _altered(alter: Callable[[bytes], bytes]) -> MakeReply:
    return lambda _, service, correct: Reply("", alter(aws_json.encode(service, correct())))


def _transmitted(transmission: Transmission) -> MakeReply:
    return lambda _, service, correct: Reply("", aws_json.encode(service, correct()), transmission=transmission)


def _edited(edit: Callable[[dict[str, Any], str], None], at: str | None = None) -> MakeReply:
    def reply(fault: Fault, service: str, correct: MakeAnswer) -> Reply:
        answer = json.loads(json.dumps(correct()))
        *way, last = (at or fault.at).split(".")
        inner: Any = answer
        for step in way:
            inner = inner.get(step) if isinstance(inner, dict) else None
        if isinstance(inner, dict) and last in inner:
            edit(inner, last)
        return Reply("", aws_json.encode(service, answer))

    return reply


def _drop(fields: dict[str, Any], name: str) -> None:
    del fields[name]


def _mistype(fields: dict[str, Any], name: str) -> None:
    fields[name] = 17 if isinstance(fields[name], str) else "not of the right type"


def _pause(fields: dict[str, Any], name: str) -> None:
    fields[name] = "PAUSED_BY_MAINTENANCE"


FAULTS: Mapping[str, MakeReply] = {
    # errors of the service's model
    "server_error": _error("InternalServerException", "Internal error."),
    "throttling": _error("ThrottlingException", "Rate exceeded"),
    "access_denied": _error("AccessDeniedException", "User is not authorized to perform this action on the resource."),
    "not_found": _error("ResourceNotFoundException", "The resource was not found."),
    "validation": _invalid,
    # errors of every AWS service
    "expired_credentials": _error("ExpiredTokenException", "The security token included in the request is expired"),
    "skewed_clock": _error(
        "InvalidSignatureException", "Signature expired: the request was signed an hour ago by this clock"
    ),
    # responses that are not from the API: of a proxy or a load balancer, or of a service that AWS has ended
    "http_500": _html(500, b"500 Internal Server Error"),
    "http_502": _html(502, b"502 Bad Gateway"),
    "http_503": _html(503, b"503 Service Unavailable"),
    "http_429": _raw(429, content_type=None),
    "retired": _html(410, b"410 Gone"),
    # 200 without a correct answer
    "html": _html(200, b"Please log in"),
    "empty": _raw(200),
    "not_an_object": _raw(200, b"[]"),
    "half_json": _altered(lambda body: body[: len(body) // 2]),
    "huge": _altered(lambda body: body.ljust(HUGE_BYTES)),  # valid JSON, and no field is wrong
    "missing_field": _edited(_drop),
    "wrong_type": _edited(_mistype),
    "unknown_status": _edited(_pause, at="latestSync.status"),
    # faults of the connection
    "cut": _transmitted(Transmission.CUT),
    "reset": _transmitted(Transmission.RESET),
    "hang": _transmitted(Transmission.HANG),
    "drip": _transmitted(Transmission.DRIP),
}
