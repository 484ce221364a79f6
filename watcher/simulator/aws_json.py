"""AWS JSON 1.0 by botocore's service models: checks requests, and encodes answers and errors."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from botocore.loaders import Loader
from botocore.model import NoShapeFoundError, ServiceModel

from watcher.core.kinds import Kind
from watcher.core.model import Attempt, Snapshot, Target, parse_rfc3339

if TYPE_CHECKING:
    from botocore.model import Shape

CONTENT_TYPE = "application/x-amz-json-1.0"
CORAL = "com.amazon.coral.service"
"""The namespace of the errors that every AWS service has."""

SERVICES = {
    "proton": "proton",
    "codeconnections": "codeconnections",
    "codestar-connections": "codeconnections",
    "sqs": "sqs",
}
"""The APIs by service name; CodeConnections also has its older one."""

INVALID = {
    "proton": "ValidationException",
    "codeconnections": "InvalidInputException",
    "sqs": "InvalidParameterValueException",
}
"""The code of the error for wrong input, by API."""

QUERY_CODES = {
    "QueueDoesNotExist": "AWS.SimpleQueueService.NonExistentQueue",
    "EmptyBatchRequest": "AWS.SimpleQueueService.EmptyBatchRequest",
    "TooManyEntriesInBatchRequest": "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
    "BatchEntryIdsNotDistinct": "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
    "MessageNotInflight": "AWS.SimpleQueueService.MessageNotInflight",
}
"""The codes that errors of SQS had in its older protocol, which it still sends in a header; the others are equal."""

_TYPES: Mapping[str, tuple[tuple[Any, ...], str]] = {
    "string": ((str,), "a String"),
    "blob": ((str,), "a Blob"),
    "integer": ((int,), "an Integer"),
    "boolean": ((bool,), "a Boolean"),
    "list": ((list,), "a List"),
    "map": ((dict,), "a Map"),
    "structure": ((dict,), "a Structure"),
}
"""The types of JSON that each type of the models accepts, and what messages call it."""


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


@lru_cache(maxsize=16384)
def checked(service: str, operation: str, body: bytes) -> Mapping[str, Any]:
    """The request in `body`; members that are null or not in the model are left out.

    Raises:
        ApiError: the body does not match the model.
    """
    try:
        request = json.loads(body)
    except (ValueError, RecursionError):
        raise ApiError("SerializationException", "") from None
    if not isinstance(request, dict):
        raise ApiError("SerializationException", "Start of structure or map found where not expected.")
    shape = model(service).operation_model(operation).input_shape
    if violations := list(_violations(shape, request, "")):
        count = f"{len(violations)} validation error{'s' * (len(violations) > 1)} detected: "
        raise ApiError(INVALID[SERVICES[service]], count + "; ".join(violations))
    return {name: value for name, value in request.items() if value is not None and name in shape.members}


def _violations(shape: Shape, value: Any, path: str) -> Iterator[str]:
    types, called = _TYPES[shape.type_name]
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        found = {bool: "BOOLEAN", int: "NUMBER", float: "NUMBER", str: "STRING"}.get(type(value), "STRUCTURE_OR_LIST")
        raise ApiError("SerializationException", f"{found}_VALUE can not be converted to {called}")
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            place = f"{path}.{name}" if path else name
            if value.get(name) is not None:
                yield from _violations(member, value[name], place)
            elif name in shape.required_members:
                yield f"Value null at '{place}' failed to satisfy constraint: Member must not be null"
    elif shape.type_name == "list":
        for number, inner in enumerate(value, 1):
            yield from _violations(shape.member, inner, f"{path}.{number}.member")
    elif shape.type_name == "map":
        for name, inner in value.items():
            yield from _violations(shape.value, inner, f"{path}.{name}.member")
    else:
        for violation in _broken_rules(shape.metadata, value):
            yield f"Value '{value}' at '{path}' failed to satisfy constraint: {violation}"


def _broken_rules(rules: Mapping[str, Any], value: str | int) -> Iterator[str]:
    size, measured = (len(value), "length") if isinstance(value, str) else (value, "value")
    if size < rules.get("min", size):
        yield f"Member must have {measured} greater than or equal to {rules['min']}"
    if size > rules.get("max", size):
        yield f"Member must have {measured} less than or equal to {rules['max']}"
    if isinstance(value, str) and "pattern" in rules and not re.fullmatch(rules["pattern"], value):
        yield f"Member must satisfy regular expression pattern: {rules['pattern']}"
    if "enum" in rules and value not in rules["enum"]:
        yield f"Member must satisfy enum value set: [{', '.join(rules['enum'])}]"


@lru_cache(maxsize=1024)
def error(service: str, code: str, message: str) -> tuple[int, bytes, dict[str, str]]:
    """An error's HTTP status, body and headers.

    One that is not in the model is sent with 400, as AWS's front end does.
    """
    described = model(service)
    try:
        shape = described.shape_for(code)
    except NoShapeFoundError:
        return 400, json.dumps({"__type": f"{CORAL}#{code}", "message": message}).encode(), {}
    rules = shape.metadata.get("error", {})
    server_fault = _description(service)["shapes"][code].get("fault")  # ServiceModel drops it
    status = rules.get("httpStatusCode", 500 if server_fault else 400)
    member = next(iter(shape.members), "message")
    namespace = described.metadata["targetPrefix"].rpartition(".")[0] or f"com.amazonaws.{service}"
    headers = {}
    if "awsQueryCompatible" in described.metadata:  # clients read the code of the older protocol from a header
        headers["x-amzn-query-error"] = f"{QUERY_CODES.get(code, code)};{'Receiver' if server_fault else 'Sender'}"
    return status, json.dumps({"__type": f"{namespace}#{code}", member: message}).encode(), headers


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
    spelled = _pascal(fields) if SERVICES[service] == "codeconnections" else fields
    return json.dumps(spelled, separators=(",", ":")).encode()


def _attempt(attempt: Attempt) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "startedAt": attempt.started_at.timestamp(),
        "status": attempt.status,
        "events": [{**event, "time": parse_rfc3339(str(event["time"])).timestamp()} for event in attempt.events],
    }
    if attempt.target is not None:  # a repository's attempt has neither a target nor revisions
        fields["target"] = attempt.target
        fields["initialRevision"] = dict(attempt.initial_revision or {})
        fields["targetRevision"] = dict(attempt.target_revision or {})
    return fields


def _pascal(value: Any) -> Any:
    if isinstance(value, dict):
        return {name[0].upper() + name[1:]: _pascal(inner) for name, inner in value.items()}
    return [_pascal(inner) for inner in value] if isinstance(value, list) else value
