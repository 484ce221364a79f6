"""The repositories that stand for the stacks that are synced from them. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from watcher.core.model import Target

MIN_STACKS = 2
"""For how many stacks a repository must stand to be polled: for one, polling the stack itself shows more."""


@dataclass(frozen=True, slots=True)
class SourceRepository:
    """A repository as a target, and the stacks that are synced from it."""

    target: Target
    stacks: tuple[Target, ...]


def source_repositories(targets: Iterable[Target]) -> dict[str, SourceRepository]:
    """Return the repositories that stand for several of these targets of one endpoint, by id.

    A repository that is a target as well is polled as often as either asks for.
    """
    by_id = {target.id: target for target in targets}
    groups: defaultdict[str, list[Target]] = defaultdict(list)
    found = {}
    for target in by_id.values():
        if (repository := _repository_of(target)) is not None:
            groups[repository.id].append(target)
            found[repository.id] = by_id.get(repository.id, repository)
    return {
        target_id: SourceRepository(_as_often(found[target_id], stacks), tuple(stacks))
        for target_id, stacks in groups.items()
        if len(stacks) >= MIN_STACKS
    }


def _repository_of(stack: Target) -> Target | None:
    """The repository that a stack is synced from, as a target; None: it is not known."""
    repository, kind = stack.repository, stack.kind.synced_from
    if repository is None or kind is None:
        return None
    watching = {
        "interval": stack.repository_interval,
        "active_interval": stack.active_interval,
        "timeout": stack.timeout,
    }
    return kind.target(stack.account, stack.region, {"link": repository.link, "branch": repository.branch}, **watching)


def _as_often(repository: Target, stacks: Iterable[Target]) -> Target:
    return replace(repository, interval=min(repository.interval, *(stack.repository_interval for stack in stacks)))
