"""Matches subjects with a glob of the id, or of the target's name. Pure."""

from collections.abc import Mapping
from dataclasses import fields
from urllib.parse import unquote

from watcher.core.model import EndpointKey, Target
from watcher.sources import kind_of
from watcher.util.globs import matches


def subject_matches(subject: str, pattern: str) -> bool:
    """Return whether the glob `pattern` matches a subject's id or, if it has no slash, the name of the target."""
    return matches(subject, pattern) or ("/" not in pattern and matches(_name(subject), pattern))


def matches_one_id(pattern: str) -> bool:
    """Return whether `pattern` can match only the subject that has it as its id."""
    return "/" in pattern and not any(letter in pattern for letter in "*?[")


def parse_subject(subject: str, labels: Mapping[str, str]) -> Target | EndpointKey | None:
    """Return the target, with these labels, or the endpoint of which this is the subject; None: it is neither."""
    kind, parts = kind_of(subject), [unquote(part) for part in subject.split("/")]
    if kind is None:
        return EndpointKey(*parts) if len(parts) == len(fields(EndpointKey)) else None
    account, region, *_ = parts
    values = parts[2 + len(kind.segments) :]
    if len(values) != len(kind.identity):
        return None
    identity = {part.name: value for part, value in zip(kind.identity, values, strict=True)}
    return kind.target(account, region, identity, labels=labels)


def _name(subject: str) -> str:
    """Return the configured name of a target; for an endpoint or a test, the whole subject."""
    kind = kind_of(subject)
    if kind is None:
        return subject
    at = 2 + len(kind.segments) + [part.name for part in kind.identity].index(kind.named_by)
    return "/".join(map(unquote, subject.split("/")[at : at + 1]))
