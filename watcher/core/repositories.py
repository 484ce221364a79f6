"""The repositories that stand for the stacks that are synced from them. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from watcher.core.kinds import Kind
    from watcher.core.model import Repository, Target

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
    groups: defaultdict[tuple[Kind, Repository], list[Target]] = defaultdict(list)
    for target in by_id.values():
        if target.repository is not None and target.kind.synced_from is not None:
            groups[target.kind.synced_from, target.repository].append(target)
    found = {}
    for (kind, repository), stacks in groups.items():
        if len(stacks) >= MIN_STACKS:
            source = _as_target(kind, repository, stacks[-1])
            listed = by_id.get(source.id, source)
            found[source.id] = SourceRepository(_as_often(listed, stacks), tuple(stacks))
    return found


def _as_target(kind: Kind, repository: Repository, stack: Target) -> Target:
    """Return a repository as a target, with the settings of a stack that is synced from it."""
    watching = {
        "interval": stack.repository_interval,
        "active_interval": stack.active_interval,
        "timeout": stack.timeout,
    }
    return kind.target(stack.account, stack.region, {"link": repository.link, "branch": repository.branch}, **watching)


def _as_often(repository: Target, stacks: Iterable[Target]) -> Target:
    return replace(repository, interval=min(repository.interval, *(stack.repository_interval for stack in stacks)))
