"""The kinds of targets: one file for each API, and one line of `KINDS` for each kind."""

from watcher.core.kinds import Kind
from watcher.sources import codeconnections, proton

KINDS: dict[str, Kind] = {
    "template": proton.TEMPLATE,
    "service-instance": proton.SERVICE_INSTANCE,
    "stack": codeconnections.STACK,
    "repository/codeconnections": codeconnections.REPOSITORY,
    "repository/proton": proton.REPOSITORY,
    "connection": codeconnections.CONNECTION,
}
"""The kinds by name, and variant if they have one, as in ids."""


def kind_names() -> tuple[str, ...]:
    """Return the names of the kinds, each once."""
    return tuple(dict.fromkeys(kind.name for kind in KINDS.values()))


def kind_of(subject: str) -> Kind | None:
    """Return the kind of the target with this id; None if the subject is not a target, or of an unknown kind."""
    parts = subject.split("/", 4)
    return KINDS.get(parts[2]) or KINDS.get("/".join(parts[2:4])) if len(parts) > 3 else None
