"""Reads what people ask about an event: its type, and its subject (the id of a target, or an endpoint). Pure."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from difflib import get_close_matches

from watcher.core.event_types import DIGEST_EVENT, EVENT_TYPES, TEST_EVENT
from watcher.core.kinds import Kind
from watcher.core.model import EndpointKey, Target
from watcher.core.routing_questions import Question
from watcher.core.settings import Config
from watcher.sources import KINDS, kind_of
from watcher.sources.subjects import parse_subject

_SHOWN = 200
"""Characters of a wrong value in a message."""
_APIS = tuple(dict.fromkeys(kind.api for kind in KINDS.values()))


def read_event_type(text: str) -> str:
    """Return the type of an event that targets and endpoints have; it may be written without `watcher.`.

    Raises:
        ValueError: there is no such type.
    """
    full = text if text.startswith("watcher.") else f"watcher.{text}"
    if full in EVENT_TYPES:
        return full
    if full == TEST_EVENT:
        raise ValueError(f"{TEST_EVENT} is not routed: `test-sink` sends it to the sink that is named")
    if full == DIGEST_EVENT:
        raise ValueError(f"{DIGEST_EVENT} is not routed: it is sent to the sinks that `digest.to` names")
    close = get_close_matches(full[:_SHOWN], EVENT_TYPES, n=1, cutoff=0.7)
    hint = f"did you mean {close[0]}?" if close else f"the types are {', '.join(EVENT_TYPES)}"
    raise ValueError(f"{text[:_SHOWN]!r} is not an event type; {hint}")


def read_subject(text: str) -> Target | EndpointKey:
    """Return the target with this id, which need not be configured, or the endpoint.

    Raises:
        ValueError: `text` is neither.
    """
    kind, subject = kind_of(text), parse_subject(text, {})
    if subject is None or "" in text.split("/") or (isinstance(subject, EndpointKey) and subject.api not in _APIS):
        raise ValueError(f"{text[:_SHOWN]!r} is not {_wanted(kind)}")
    if isinstance(subject, Target):
        _check_identity(subject)
    written = subject.id if isinstance(subject, Target) else str(subject)
    if written != text:
        raise ValueError(f"{text[:_SHOWN]!r} is not percent-encoded as ids are; write {written}")
    return subject


def _wanted(kind: Kind | None) -> str:
    if kind is not None:
        parts = ("<account>", "<region>", *kind.segments, *(f"<{part.name}>" for part in kind.identity))
        return f"the id of a {kind.name}, which is {'/'.join(parts)}, each part percent-encoded"
    return (
        f"a target's id (<account>/<region>/<kind>/…, where the kind is one of {', '.join(KINDS)}), "
        f"nor an endpoint (<account>/<region>/<api>, where the API is one of {', '.join(_APIS)})"
    )


def _check_identity(target: Target) -> None:
    for part, (name, value) in zip(target.kind.identity, target.identity, strict=True):
        if part.choices and value not in part.choices:
            raise ValueError(f"{value[:_SHOWN]!r} is not a valid {name}; choose from {', '.join(part.choices)}")
        if part.number and not (value.isascii() and value.isdecimal()):
            raise ValueError(f"{value[:_SHOWN]!r} is not a valid {name}; it must be a whole number")


def ask(
    config: Config, event_type: str, subject: Target | EndpointKey, labels: Mapping[str, str], at: datetime
) -> Question:
    """Return the question of which sinks get an event; `labels` adds to those of a configured target, or replaces them.

    Raises:
        ValueError: the subject cannot have an event of this type, or cannot have labels.
    """
    about = event_type.split(".")[1]
    if isinstance(subject, EndpointKey):
        if about != "endpoint":
            raise ValueError(f"{event_type} is an event of a target, and {subject} is an endpoint")
        if labels:
            raise ValueError(f"{subject} is an endpoint, which has no labels")
        return Question(event_type, subject, at)
    if about == "endpoint":
        raise ValueError(f"{event_type} is an event of an endpoint: <account>/<region>/<api>")
    if about in {"sync", "connection"} and subject.kind.polled != (about == "sync"):
        raise ValueError(f"a {subject.kind.name} has no event {event_type}")
    known = config.targets_by_id.get(subject.id, subject)
    return Question(event_type, replace(known, labels={**known.labels, **labels}), at)
