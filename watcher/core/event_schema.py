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
from watcher.core.schema_parts import FLAG, TEXT, TEXT_OR_NULL, TIME, closed_object, count, described, or_null

_REVISION = {
    "type": "object",
    "description": "A commit, with the API's fields in camelCase.",
    "required": ["sha", "branch", "directory", "repositoryName"],
    "additionalProperties": TEXT_OR_NULL,
}
_MUTED = described(
    closed_object(reason=or_null(TEXT), until=or_null(TIME)),
    "The event was muted: only a problem that outlasts the mute, and the end of one that a sink was sent, are sent.",
)
_INCIDENT = described(
    or_null(
        closed_object(
            id=described({**TEXT, "pattern": "^[0-9a-f]{32}$"}, "Derived from the id of the event that opened it."),
            state=described({"enum": [*State]}, "What this event means for it."),
            opened_at=TIME,
            problems=described(
                {"type": "array", "items": {"enum": [*Problem]}, "minItems": 1, "uniqueItems": True},
                "Those that hold after the event; if it is resolved, those that ended with it.",
            ),
            duration_seconds=described(or_null({"type": "number", "minimum": 0}), "Null until it is resolved."),
        )
    ),
    "The incident that the event belongs to; null: it belongs to none. Events of earlier versions lack this.",
)
_LINKS = described(
    closed_object(
        {
            name: {**TEXT, "format": "uri", "maxLength": MAX_LINK_BYTES}
            for name in ("page", "console", "repository", "commit", "deployment_file")
        }
    ),
    "Those that are known: watcher's page, AWS's console, the repository, the commit, and the deployment file at it.",
)
_ERROR = closed_object(code=TEXT, message=TEXT, attempts=count("How many polls failed in a row."), since=TIME)
_OVER = {
    "error": _ERROR,
    "since": TIME,
    "lasted_seconds": described(
        {"type": "number", "minimum": 0}, "Seconds from the first failure to the first answer."
    ),
}
_EVENT = closed_object({"externalId": TEXT_OR_NULL}, type=TEXT_OR_NULL, event=TEXT_OR_NULL, time=or_null(TIME))
_REVISIONS = {
    "target": TEXT_OR_NULL,
    "initialRevision": or_null(_REVISION),
    "targetRevision": or_null(_REVISION),
}
_ATTEMPT = closed_object(
    {
        **_REVISIONS,
        "events_omitted": count(
            "How many of the attempt's events, between the first and the last ones listed, are omitted."
        ),
    },
    startedAt=TIME,
    status=TEXT,
    events={"type": "array", "items": _EVENT},
)
_SYNC = {
    "status": described(TEXT, "As AWS sent it, even if watcher does not know it."),
    "previous_status": or_null(TEXT),
    "new_attempt": FLAG,
    "first_seen": FLAG,
    "observed": described(FLAG, "False if it happened between two polls."),
    "recovered": described(FLAG, "Whether this is the first success after a failed or stalled attempt."),
    "recreated": described(FLAG, "Whether AWS went back to an older attempt."),
    "consecutive_failures": {"type": "integer", "minimum": 0},
    "attempt": _ATTEMPT,
    "previous_attempt": or_null(closed_object(startedAt=TIME, status=TEXT, sha=TEXT_OR_NULL)),
    "desired_state": or_null(_REVISION),
    "latest_successful": or_null(closed_object(startedAt=TIME, sha=TEXT_OR_NULL)),
}
_BLOCKER = described(
    closed_object(
        id=TEXT,
        type=TEXT_OR_NULL,
        status=described(TEXT, "As AWS sent it last; it stays `ACTIVE` if AWS no longer lists the blocker."),
        created_reason=TEXT_OR_NULL,
        created_at=or_null(TIME),
        contexts={"type": "object", "additionalProperties": TEXT},
        resolved_reason=TEXT_OR_NULL,
        resolved_at=or_null(TIME),
    ),
    "A sync blocker: while it is active, AWS starts no further sync.",
)
_BLOCKED = {
    **_SYNC,
    "blocker": _BLOCKER,
    "status": described(or_null(TEXT), "The status of the latest attempt; null if there was none."),
    "attempt": described(or_null(_ATTEMPT), "The latest attempt; null if there was none."),
}
_CONNECTION = closed_object(
    arn=TEXT,
    name=TEXT,
    provider=TEXT_OR_NULL,
    status=described(TEXT, "As AWS sent it: `PENDING` until a person finishes the handshake, `AVAILABLE` or `ERROR`."),
    host=described(TEXT_OR_NULL, "The ARN of the host of a self-managed provider."),
)


def _list(description: str, **properties: Any) -> dict[str, Any]:
    """Return the schema of a list of at most `MAX_LISTED` objects."""
    return described({"type": "array", "items": closed_object(**properties), "maxItems": MAX_LISTED}, description)


_TEXTS = {"type": "array", "items": TEXT}
_NUMBER = {"type": "number", "minimum": 0}
_COUNTS = {"type": "object", "additionalProperties": {"type": "integer", "minimum": 1}}
_DIGEST = closed_object(
    due=described(TIME, "When it was due by `digest.every`."),
    since=described(TIME, "When the last one was recorded; the counts of syncs and ended incidents are since then."),
    well=described(FLAG, "Whether no incident is open, and no target has a status that needs attention."),
    watched=closed_object(
        targets=count("All targets.", 0),
        endpoints=count("All endpoints.", 0),
        kinds=described(_COUNTS, "Targets by kind."),
        statuses=described(_COUNTS, "Targets by status, as `watcher status` shows it."),
    ),
    open=count("Open incidents.", 0),
    incidents=_list("The oldest open incidents.", subject=TEXT, problems=_TEXTS, opened_at=TIME, age_seconds=_NUMBER),
    syncs=count("Syncs that succeeded or failed.", 0),
    failed=count("Syncs that failed.", 0),
    failures=_list("The targets with the most failed syncs.", subject=TEXT, count={"type": "integer", "minimum": 1}),
    ended=count("Incidents that ended.", 0),
    recoveries=_list(
        "The incidents that ended last.", subject=TEXT, closed_at=TIME, removed=FLAG, duration_seconds=_NUMBER
    ),
    muted=count("Mutes that apply.", 0),
    mutes=_list(
        "Some of the mutes that apply.", targets=_TEXTS, events=_TEXTS, until=or_null(TIME), reason=TEXT_OR_NULL
    ),
)


def event_schema(kinds: Mapping[str, Kind]) -> dict[str, Any]:
    """Return the schema of the attributes of every event, and of `data` by type."""
    apis = list(dict.fromkeys(kind.api for kind in kinds.values()))
    target = _target(kinds.values())
    connected = {**target, "required": [*target["required"], "name"]}
    place = {"account": TEXT, "region": TEXT, "api": {"enum": apis}}
    endpoint = closed_object(**place, targets=count("How many targets are polled; 0: only listings are made.", 0))
    removed = closed_object(**place, targets=described({"const": 0}, "No target is left."))
    data = {
        r"sync\.(?!(un)?blocked$)": {**_data(target=target, **_SYNC), **_revisions(kinds.values())},
        r"sync\.(un)?blocked$": {**_data(target=target, **_BLOCKED), **_revisions(kinds.values())},
        r"target\.(discovered|removed)$": _data(target=target),
        r"target\.unreadable$": _data(target=target, error=_ERROR),
        r"target\.readable$": _data(target=target, **_OVER),
        r"connection\.": _data(target=connected, connection=_CONNECTION, previous_status=or_null(TEXT)),
        r"endpoint\.unreadable$": _data(endpoint=endpoint, error=_ERROR),
        r"endpoint\.removed$": _data(endpoint=removed),
        r"endpoint\.readable$": _data(endpoint=endpoint, **_OVER),
        r"digest$": closed_object(
            {"incident": {"type": "null"}, "links": _LINKS},
            digest=_DIGEST,
            message=TEXT,
            sequence=count("The number of the digest, from 1 and without gaps."),
        ),
        r"test$": closed_object({"incident": {"type": "null"}, "links": _LINKS}, sink=TEXT, message=TEXT),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": DATASCHEMA,
        "title": "watcher event",
        "description": "A CloudEvents 1.0 event in structured mode.",
        **closed_object(
            {
                "reminder": count("An extension attribute of reminders: the number of the reminder, from 1."),
                "traceparent": described(
                    {**TEXT, "pattern": "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"},
                    "CloudEvents' Distributed Tracing extension: the span of the poll that observed the change.",
                ),
            },
            specversion={"const": "1.0"},
            id=described({**TEXT, "pattern": "^[0-9a-f]{32}$"}, "The same for every report of the same change."),
            source={**TEXT, "pattern": "^/watcher/[^/]+/[^/]+$"},
            type={"enum": [*ALL_EVENT_TYPES]},
            subject={**TEXT, "minLength": 1},
            time=described(TIME, "When watcher observed it."),
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
    sequence = count("The number of the subject's event, from 1 and without gaps.")
    return closed_object({"muted": _MUTED, "incident": _INCIDENT, "links": _LINKS}, **properties, sequence=sequence)


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
        parts[part.name] = TEXT if before is None or not part.choices else {"enum": [*before, *part.choices]}
    names = list(dict.fromkeys(kind.name for kind in kinds))
    always = {"id": TEXT, "kind": {"enum": names}, "account": TEXT, "region": TEXT}
    labels = {"type": "object", "additionalProperties": TEXT}
    identities = [
        {"properties": {"kind": {"const": kind.name}}, "required": [part.name for part in kind.identity]}
        for kind in kinds
    ]
    found = {name: TEXT for name in FOUND if name not in parts}
    return {**closed_object({**parts, **found}, **always, labels=labels), "anyOf": identities}
