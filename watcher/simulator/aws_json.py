"""AWS JSON 1.0 by botocore's service models: parses requests, and encodes answers and errors."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from botocore.loaders import Loader
from botocore.model import ServiceModel

from watcher.core.kinds import Kind
from watcher.core.model import Attempt, Snapshot, Target, parse_rfc3339
from watcher.sources.codeconnections import STACK
from watcher.sources.proton import TEMPLATE

if TYPE_CHECKING:
    from botocore.model import Shape

CONTENT_TYPE = "application/x-amz-json-1.0"
CORAL = "com.amazon.coral.service"
"""The namespace of the errors that every AWS service has."""

KINDS = {kind.api: kind for kind in (TEMPLATE, STACK)}
"""The kind of target that each API of the simulator answers for."""

SERVICES = {api: api for api in KINDS} | {"codestar-connections": STACK.api}
"""The APIs by service name; CodeConnections also has its older one."""

INVALID = {TEMPLATE.api: "ValidationException", STACK.api: "InvalidInputException"}
"""The code of the error for wrong input, by API."""


def key_of(kind: Kind, identity: tuple[tuple[str, str], ...]) -> str:
    """How the simulator calls a target: its id without account and region, such as `stack/network`."""
    return Target(kind, "", "", identity).id.removeprefix("//")


@dataclass(frozen=True, slots=True)
class ApiError(Exception):
    """A request that AWS refuses, with the code and the message of the error that it returns."""

    code: str
    message: str


@cache
def model(service: str) -> ServiceModel:
    """A service's model from botocore."""
    return ServiceModel(_description(service), service)


@cache
def _description(service: str) -> Mapping[str, Any]:
    description: Mapping[str, Any] = Loader().load_service_model(service, "service-2")
    return description


@cache
def operations() -> Mapping[str, tuple[str, str]]:
    """The service and the operation by `X-Amz-Target`, also in the short form of AWS's JavaScript SDK."""
    found = {}
    for service, api in SERVICES.items():
        prefix, operation = model(service).metadata["targetPrefix"], KINDS[api].operation
        for each in (prefix, prefix.rpartition(".")[2]):
            found[f"{each}.{operation}"] = service, operation
    return found


@lru_cache(maxsize=65536)
def requested_key(api: str, body: bytes) -> str:
    """The key of the target in a request.

    Raises:
        ApiError: the body does not match the model.
    """
    try:
        request = json.loads(body)
    except ValueError:
        raise ApiError("SerializationException", "") from None
    if not isinstance(request, dict):
        raise ApiError("SerializationException", "Start of structure or map found where not expected.")
    shape = model(api).operation_model(KINDS[api].operation).input_shape
    violations = []
    for name, member in shape.members.items():
        value = request.get(name)
        if value is None:
            if name in shape.required_members:
                violations.append(f"Value null at '{name}' failed to satisfy constraint: Member must not be null")
        elif not isinstance(value, str):
            found = {bool: "BOOLEAN", int: "NUMBER", float: "NUMBER"}.get(type(value), "STRUCTURE_OR_LIST")
            raise ApiError("SerializationException", f"{found}_VALUE can not be converted to a String")
        else:
            violations += [
                f"Value '{value}' at '{name}' failed to satisfy constraint: {violation}"
                for violation in _violations(member, value)
            ]
    if violations:
        count = f"{len(violations)} validation error{'s' * (len(violations) > 1)} detected: "
        raise ApiError(INVALID[api], count + "; ".join(violations))
    kind = KINDS[api]
    return key_of(kind, tuple((part.name, request[part.parameter]) for part in kind.identity))


def _violations(shape: Shape, value: str) -> Iterator[str]:
    rules = shape.metadata
    if len(value) < rules.get("min", 0):
        yield f"Member must have length greater than or equal to {rules['min']}"
    if len(value) > rules.get("max", len(value)):
        yield f"Member must have length less than or equal to {rules['max']}"
    if "pattern" in rules and not re.fullmatch(rules["pattern"], value):
        yield f"Member must satisfy regular expression pattern: {rules['pattern']}"
    if "enum" in rules and value not in rules["enum"]:
        yield f"Member must satisfy enum value set: [{', '.join(rules['enum'])}]"


@lru_cache(maxsize=1024)
def error(service: str, code: str, message: str) -> tuple[int, bytes]:
    """An error's HTTP status and body; one that is not in the model is sent with 400, as AWS's front end does."""
    described = model(service)
    shape = {
        shape.name: shape for shape in described.operation_model(KINDS[SERVICES[service]].operation).error_shapes
    }.get(code)
    if shape is None:
        return 400, json.dumps({"__type": f"{CORAL}#{code}", "message": message}).encode()
    server_fault = _description(service)["shapes"][code].get("fault")  # ServiceModel drops it
    status = shape.metadata.get("error", {}).get("httpStatusCode", 500 if server_fault else 400)
    (member,) = shape.members
    namespace = described.metadata["targetPrefix"].rpartition(".")[0] or f"com.amazonaws.{service}"
    return status, json.dumps({"__type": f"{namespace}#{code}", member: message}).encode()


def answer(snapshot: Snapshot) -> dict[str, Any]:
    """The API's answer for a snapshot, in camelCase, without missing parts."""
    parts = {
        "desiredState": snapshot.desired_state and dict(snapshot.desired_state),
        "latestSync": snapshot.latest and _attempt(snapshot.latest),
        "latestSuccessfulSync": snapshot.latest_successful and _attempt(snapshot.latest_successful),
    }
    return {name: part for name, part in parts.items() if part}


def encode(service: str, fields: Mapping[str, Any]) -> bytes:
    """The JSON of an answer in camelCase; CodeConnections gets PascalCase."""
    return json.dumps(fields if service == TEMPLATE.api else _pascal(fields), separators=(",", ":")).encode()


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "startedAt": attempt.started_at.timestamp(),
        "status": attempt.status,
        "target": attempt.target,
        "initialRevision": dict(attempt.initial_revision or {}),
        "targetRevision": dict(attempt.target_revision or {}),
        "events": [{**event, "time": parse_rfc3339(str(event["time"])).timestamp()} for event in attempt.events],
    }


def _pascal(value: Any) -> Any:
    if isinstance(value, dict):
        return {name[0].upper() + name[1:]: _pascal(inner) for name, inner in value.items()}
    return [_pascal(inner) for inner in value] if isinstance(value, list) else value
