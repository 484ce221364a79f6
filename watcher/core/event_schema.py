"""The JSON Schema of the events (`watcher schema --event`)."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from watcher.core.digest import MAX_LISTED
from watcher.core.event_links import MAX_LINK_BYTES
from watcher.core.event_types import ALL_EVENT_TYPES
from watcher.core.events import DATASCHEMA
from watcher.core.incidents import Problem, State
from watcher.core.kinds import Kind
from watcher.core.model import FOUND

_TEXT = {"type": "string"}
_TIME = {**_TEXT, "format": "date-time", "pattern": "Z$"}
_TEXT_OR_NULL = {"type": ["string", "null"], "description": "Null if AWS sent none."}
_FLAG = {"type": "boolean"}
_REVISION = {
    "type": "object",
    "description": "A commit, with the API's fields in camelCase.",
    "required": ["sha", "branch", "directory", "repositoryName"],
    "additionalProperties": _TEXT_OR_NULL,
}


def _described(schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {**schema, "description": description}


def _count(description: str, minimum: int = 1) -> dict[str, Any]:
    return _described({"type": "integer", "minimum": minimum}, description)


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


def _object(optional: dict[str, Any] | None = None, /, **properties: Any) -> dict[str, Any]:
    """Return the schema of an object that has `properties`, and may have `optional` ones."""
    return {
        "type": "object",
        "required": list(properties),
        "properties": {**properties, **(optional or {})},
        "additionalProperties": False,
    }


_MUTED = _described(
    _object(reason=_or_null(_TEXT), until=_or_null(_TIME)),
    "The event was muted: only a problem that outlasts the mute, and the end of one that a sink was sent, are sent.",
)
_INCIDENT = _described(
    _or_null(
        _object(
            id=_described({**_TEXT, "pattern": "^[0-9a-f]{32}$"}, "Derived from the id of the event that opened it."),
            state=_described({"enum": [*State]}, "What this event means for it."),
            opened_at=_TIME,
            problems=_described(
                {"type": "array", "items": {"enum": [*Problem]}, "minItems": 1, "uniqueItems": True},
                "Those that hold after the event; if it is resolved, those that ended with it.",
            ),
            duration_seconds=_described(_or_null({"type": "number", "minimum": 0}), "Null until it is resolved."),
        )
    ),
    "The incident that the event belongs to; null: it belongs to none. Events of earlier versions lack this.",
)
_LINKS = _described(
    _object(
        {
            name: {**_TEXT, "format": "uri", "maxLength": MAX_LINK_BYTES}
            for name in ("page", "console", "repository", "commit", "deployment_file")
        }
    ),
    "Those that are known: watcher's page, AWS's console, the repository, the commit, and the deployment file at it.",
)
_ERROR = _object(code=_TEXT, message=_TEXT, attempts=_count("How many polls failed in a row."), since=_TIME)
_OVER = {
    "error": _ERROR,
    "since": _TIME,
    "lasted_seconds": _described(
        {"type": "number", "minimum": 0}, "Seconds from the first failure to the first answer."
    ),
}
_EVENT = _object({"externalId": _TEXT_OR_NULL}, type=_TEXT_OR_NULL, event=_TEXT_OR_NULL, time=_or_null(_TIME))
_REVISIONS = {
    "target": _TEXT_OR_NULL,
    "initialRevision": _or_null(_REVISION),
    "targetRevision": _or_null(_REVISION),
}
_ATTEMPT = _object(
    {
        **_REVISIONS,
        "events_omitted": _count(
            "How many of the attempt's events, between the first and the last ones listed, are omitted."
        ),
    },
    startedAt=_TIME,
    status=_TEXT,
    events={"type": "array", "items": _EVENT},
)
_SYNC = {
    "status": _described(_TEXT, "As AWS sent it, even if watcher does not know it."),
    "previous_status": _or_null(_TEXT),
    "new_attempt": _FLAG,
    "first_seen": _FLAG,
    "observed": _described(_FLAG, "False if it happened between two polls."),
    "recovered": _described(_FLAG, "Whether this is the first success after a failed or stalled attempt."),
    "recreated": _described(_FLAG, "Whether AWS went back to an older attempt."),
    "consecutive_failures": {"type": "integer", "minimum": 0},
    "attempt": _ATTEMPT,
    "previous_attempt": _or_null(_object(startedAt=_TIME, status=_TEXT, sha=_TEXT_OR_NULL)),
    "desired_state": _or_null(_REVISION),
    "latest_successful": _or_null(_object(startedAt=_TIME, sha=_TEXT_OR_NULL)),
}
_BLOCKER = _described(
    _object(
        id=_TEXT,
        type=_TEXT_OR_NULL,
        status=_described(_TEXT, "As AWS sent it last; it stays `ACTIVE` if AWS no longer lists the blocker."),
        created_reason=_TEXT_OR_NULL,
        created_at=_or_null(_TIME),
        contexts={"type": "object", "additionalProperties": _TEXT},
        resolved_reason=_TEXT_OR_NULL,
        resolved_at=_or_null(_TIME),
    ),
    "A sync blocker: while it is active, AWS starts no further sync.",
)
_BLOCKED = {
    **_SYNC,
    "blocker": _BLOCKER,
    "status": _described(_or_null(_TEXT), "The status of the latest attempt; null if there was none."),
    "attempt": _described(_or_null(_ATTEMPT), "The latest attempt; null if there was none."),
}
_CONNECTION = _object(
    arn=_TEXT,
    name=_TEXT,
    provider=_TEXT_OR_NULL,
    status=_described(
        _TEXT, "As AWS sent it: `PENDING` until a person finishes the handshake, `AVAILABLE` or `ERROR`."
    ),
    host=_described(_TEXT_OR_NULL, "The ARN of the host of a self-managed provider."),
)


def _list(description: str, **properties: Any) -> dict[str, Any]:
    """Return the schema of a list of at most `MAX_LISTED` objects."""
    return _described({"type": "array", "items": _object(**properties), "maxItems": MAX_LISTED}, description)


_TEXTS = {"type": "array", "items": _TEXT}
_NUMBER = {"type": "number", "minimum": 0}
_COUNTS = {"type": "object", "additionalProperties": {"type": "integer", "minimum": 1}}
_DIGEST = _object(
    due=_described(_TIME, "When it was due by `digest.every`."),
    since=_described(_TIME, "When the last one was recorded; the counts of syncs and ended incidents are since then."),
    well=_described(_FLAG, "Whether no incident is open, and no target has a status that needs attention."),
    watched=_object(
        targets=_count("All targets.", 0),
        endpoints=_count("All endpoints.", 0),
        kinds=_described(_COUNTS, "Targets by kind."),
        statuses=_described(_COUNTS, "Targets by status, as `watcher status` shows it."),
    ),
    open=_count("Open incidents.", 0),
    incidents=_list("The oldest open incidents.", subject=_TEXT, problems=_TEXTS, opened_at=_TIME, age_seconds=_NUMBER),
    syncs=_count("Syncs that succeeded or failed.", 0),
    failed=_count("Syncs that failed.", 0),
    failures=_list("The targets with the most failed syncs.", subject=_TEXT, count={"type": "integer", "minimum": 1}),
    ended=_count("Incidents that ended.", 0),
    recoveries=_list(
        "The incidents that ended last.", subject=_TEXT, closed_at=_TIME, removed=_FLAG, duration_seconds=_NUMBER
    ),
    muted=_count("Mutes that apply.", 0),
    mutes=_list(
        "Some of the mutes that apply.", targets=_TEXTS, events=_TEXTS, until=_or_null(_TIME), reason=_TEXT_OR_NULL
    ),
)


def event_schema(kinds: Mapping[str, Kind]) -> dict[str, Any]:
    """Return the schema of the attributes of every event, and of `data` by type."""
    apis = list(dict.fromkeys(kind.api for kind in kinds.values()))
    target = _target(kinds.values())
    connected = {**target, "required": [*target["required"], "name"]}
    place = {"account": _TEXT, "region": _TEXT, "api": {"enum": apis}}
    endpoint = _object(**place, targets=_count("How many targets are polled; 0: only listings are made.", 0))
    removed = _object(**place, targets=_described({"const": 0}, "No target is left."))
    data = {
        r"sync\.(?!(un)?blocked$)": {**_data(target=target, **_SYNC), **_revisions(kinds.values())},
        r"sync\.(un)?blocked$": {**_data(target=target, **_BLOCKED), **_revisions(kinds.values())},
        r"target\.(discovered|removed)$": _data(target=target),
        r"target\.unreadable$": _data(target=target, error=_ERROR),
        r"target\.readable$": _data(target=target, **_OVER),
        r"connection\.": _data(target=connected, connection=_CONNECTION, previous_status=_or_null(_TEXT)),
        r"endpoint\.unreadable$": _data(endpoint=endpoint, error=_ERROR),
        r"endpoint\.removed$": _data(endpoint=removed),
        r"endpoint\.readable$": _data(endpoint=endpoint, **_OVER),
        r"digest$": _object(
            {"incident": {"type": "null"}, "links": _LINKS},
            digest=_DIGEST,
            message=_TEXT,
            sequence=_count("The number of the digest, from 1 and without gaps."),
        ),
        r"test$": _object({"incident": {"type": "null"}, "links": _LINKS}, sink=_TEXT, message=_TEXT),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": DATASCHEMA,
        "title": "watcher event",
        "description": "A CloudEvents 1.0 event in structured mode.",
        **_object(
            {
                "reminder": _count("An extension attribute of reminders: the number of the reminder, from 1."),
                "traceparent": _described(
                    {**_TEXT, "pattern": "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"},
                    "CloudEvents' Distributed Tracing extension: the span of the poll that observed the change.",
                ),
            },
            specversion={"const": "1.0"},
            id=_described({**_TEXT, "pattern": "^[0-9a-f]{32}$"}, "The same for every report of the same change."),
            source={**_TEXT, "pattern": "^/watcher/[^/]+/[^/]+$"},
            type={"enum": [*ALL_EVENT_TYPES]},
            subject={**_TEXT, "minLength": 1},
            time=_described(_TIME, "When watcher observed it."),
            datacontenttype={"const": "application/json"},
            dataschema={"const": DATASCHEMA},
            data={"type": "object"},
        ),
        "allOf": [
            {
                "if": {"properties": {"type": {"pattern": rf"^watcher\.{pattern}"}}},
                "then": {"properties": {"data": schema}},
            }
            for pattern, schema in data.items()
        ],
    }


def event_schema_text(kinds: Mapping[str, Kind]) -> str:
    """Return the schema as it is printed."""
    return json.dumps(event_schema(kinds), indent=2) + "\n"


def _data(**properties: Any) -> dict[str, Any]:
    sequence = _count("The number of the subject's event, from 1 and without gaps.")
    return _object({"muted": _MUTED, "incident": _INCIDENT, "links": _LINKS}, **properties, sequence=sequence)


def _revisions(kinds: Collection[Kind]) -> dict[str, Any]:
    """Return the schema that an attempt has a target and revisions, unless AWS does not report them for its kind."""
    without = list(dict.fromkeys(kind.name for kind in kinds if not kind.has_revisions))
    return {
        "if": {"properties": {"target": {"properties": {"kind": {"enum": without}}}}},
        "then": {"properties": {"attempt": {"properties": dict.fromkeys(_REVISIONS, False)}}},
        "else": {"properties": {"attempt": {"required": [*_REVISIONS]}}},
    }


def _target(kinds: Collection[Kind]) -> dict[str, Any]:
    parts: dict[str, dict[str, Any]] = {}
    for part in (part for kind in kinds for part in kind.identity):
        before = parts.get(part.name, {"enum": []}).get("enum")
        # Another kind that has this part may allow any text.
        parts[part.name] = _TEXT if before is None or not part.choices else {"enum": [*before, *part.choices]}
    names = list(dict.fromkeys(kind.name for kind in kinds))
    always = {"id": _TEXT, "kind": {"enum": names}, "account": _TEXT, "region": _TEXT}
    labels = {"type": "object", "additionalProperties": _TEXT}
    identities = [
        {"properties": {"kind": {"const": kind.name}}, "required": [part.name for part in kind.identity]}
        for kind in kinds
    ]
    found = {name: _TEXT for name in FOUND if name not in parts}
    return {**_object({**parts, **found}, **always, labels=labels), "anyOf": identities}
