"""The JSON Schema of the events (`watcher schema --event`)."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from watcher.core.events import DATASCHEMA
from watcher.core.kinds import Kind
from watcher.core.model import EVENT_TYPES, TEST_EVENT

_TIME = {"type": "string", "format": "date-time", "pattern": "Z$"}
_TEXT = {"type": "string"}
_TEXT_OR_NULL = {"type": ["string", "null"], "description": "Null: AWS sent none."}
_SEQUENCE = {
    "type": "integer",
    "minimum": 1,
    "description": "The number of the subject's event, from 1 and without gaps.",
}
_REVISION = {
    "type": "object",
    "description": "A commit, with the API's fields in camelCase.",
    "required": ["sha", "branch", "directory", "repositoryName"],
    "additionalProperties": _TEXT_OR_NULL,
}
_OMITTED = {
    "type": "integer",
    "minimum": 1,
    "description": "How many of the attempt's events, between the first and the last ones listed, are omitted.",
}
_REMINDER = {
    "type": "integer",
    "minimum": 1,
    "description": "An extension attribute: this is the event's reminder with this number, since it still holds.",
}
_TRACEPARENT = {
    "type": "string",
    "pattern": "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$",
    "description": "CloudEvents' Distributed Tracing extension: the span of the poll that observed the change.",
}


def event_schema(kinds: Mapping[str, Kind]) -> dict[str, Any]:
    """Return the schema of the attributes of every event, and of `data` by type."""
    target, endpoint = _target(kinds.values()), _endpoint(kinds.values())
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": DATASCHEMA,
        "title": "watcher event",
        "description": "A CloudEvents 1.0 event, structured mode.",
        **_object(
            {"reminder": _REMINDER, "traceparent": _TRACEPARENT},
            specversion={"const": "1.0"},
            id={
                "type": "string",
                "pattern": "^[0-9a-f]{32}$",
                "description": "The same for every report of the same change.",
            },
            source={"type": "string", "pattern": "^/watcher/[^/]+/[^/]+$"},
            type={"enum": [*EVENT_TYPES, TEST_EVENT]},
            subject={"type": "string", "minLength": 1},
            time={**_TIME, "description": "When watcher observed it."},
            datacontenttype={"const": "application/json"},
            dataschema={"const": DATASCHEMA},
            data={"type": "object"},
        ),
        "allOf": [
            _when(r"^watcher\.sync\.", _sync(target)),
            _when(r"^watcher\.target\.unreadable$", _data(target=target, error=_error())),
            _when(r"^watcher\.target\.readable$", _over(target=target)),
            _when(r"^watcher\.endpoint\.unreadable$", _data(endpoint=endpoint, error=_error())),
            _when(r"^watcher\.endpoint\.readable$", _over(endpoint=endpoint)),
            _when(r"^watcher\.test$", _object(sink=_TEXT, message=_TEXT)),
        ],
    }


def event_schema_text(kinds: Mapping[str, Kind]) -> str:
    """Return the schema as it is printed."""
    return json.dumps(event_schema(kinds), indent=2) + "\n"


def _data(**properties: Any) -> dict[str, Any]:
    muted = {
        **_object(reason=_or_null(_TEXT), until=_or_null(_TIME)),
        "description": "The event was muted: it was recorded, and sent to no sink.",
    }
    return _object({"muted": muted}, **properties, sequence=_SEQUENCE)


def _sync(target: dict[str, Any]) -> dict[str, Any]:
    return _data(
        target=target,
        status={"type": "string", "description": "As AWS sent it, known or not."},
        previous_status=_or_null(_TEXT),
        new_attempt={"type": "boolean"},
        first_seen={"type": "boolean"},
        observed={"type": "boolean", "description": "False: it happened between two polls."},
        recovered={"type": "boolean", "description": "The first success after a failed or stalled attempt."},
        recreated={"type": "boolean", "description": "An older attempt that AWS kept returning."},
        consecutive_failures={"type": "integer", "minimum": 0},
        attempt=_object(
            {"events_omitted": _OMITTED},
            startedAt=_TIME,
            status=_TEXT,
            target=_TEXT_OR_NULL,
            initialRevision=_or_null(_REVISION),
            targetRevision=_or_null(_REVISION),
            events={
                "type": "array",
                "items": _object(
                    {"externalId": _TEXT_OR_NULL}, type=_TEXT_OR_NULL, event=_TEXT_OR_NULL, time=_or_null(_TIME)
                ),
            },
        ),
        previous_attempt=_or_null(_object(startedAt=_TIME, status=_TEXT, sha=_TEXT_OR_NULL)),
        desired_state=_or_null(_REVISION),
        latest_successful=_or_null(_object(startedAt=_TIME, sha=_TEXT_OR_NULL)),
    )


def _over(**subject: Any) -> dict[str, Any]:
    lasted = {"type": "number", "minimum": 0, "description": "Seconds from the first failure to the first answer."}
    return _data(**subject, error=_error(), since=_TIME, lasted_seconds=lasted)


def _target(kinds: Collection[Kind]) -> dict[str, Any]:
    parts: dict[str, dict[str, Any]] = {}
    for part in (part for kind in kinds for part in kind.identity):
        before = parts.get(part.name, {"enum": []}).get("enum")
        # Another kind that has this part may allow any text.
        parts[part.name] = _TEXT if before is None or not part.choices else {"enum": [*before, *part.choices]}
    return {
        "type": "object",
        "required": ["id", "kind", "account", "region", "name", "labels"],
        "properties": {
            "id": _TEXT,
            "kind": {"enum": [kind.name for kind in kinds]},
            "account": _TEXT,
            "region": _TEXT,
            **parts,
            "labels": {"type": "object", "additionalProperties": _TEXT},
        },
        "additionalProperties": False,
    }


def _endpoint(kinds: Collection[Kind]) -> dict[str, Any]:
    targets = {"type": "integer", "minimum": 1, "description": "How many targets share it."}
    apis = list(dict.fromkeys(kind.api for kind in kinds))
    return _object(account=_TEXT, region=_TEXT, api={"enum": apis}, targets=targets)


def _error() -> dict[str, Any]:
    attempts = {"type": "integer", "minimum": 1, "description": "How many polls failed in a row."}
    return _object(code=_TEXT, message=_TEXT, attempts=attempts, since=_TIME)


def _object(optional: dict[str, Any] | None = None, /, **properties: Any) -> dict[str, Any]:
    """Return the schema of an object that has `properties`, and may have `optional` ones."""
    return {
        "type": "object",
        "required": list(properties),
        "properties": {**properties, **(optional or {})},
        "additionalProperties": False,
    }


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


def _when(pattern: str, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "if": {"properties": {"type": {"pattern": pattern}}},
        "then": {"properties": {"data": data}},
    }
