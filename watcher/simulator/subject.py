"""A target of the simulated AWS: where it exists, what it is synced from, and what blocks it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from watcher.core.kinds import Kind
from watcher.core.model import Target
from watcher.simulator.aws_json import key_of
from watcher.sources.codeconnections import STACK
from watcher.sources.proton import SERVICE_INSTANCE, TEMPLATE

PROTON_PROVIDERS = {"GitHub": "GITHUB", "GitHubEnterpriseServer": "GITHUB_ENTERPRISE", "Bitbucket": "BITBUCKET"}
"""CodeConnections' names of the providers that Proton knows too, and Proton's own."""


@dataclass(frozen=True, slots=True)
class Span:
    """From the moment `begin` up to the moment `end`."""

    begin: float = 0.0
    end: float = float("inf")

    def __contains__(self, moment: float) -> bool:
        return self.begin <= moment < self.end

    def at_pace(self, pace: float) -> Span:
        return Span(self.begin / pace, self.end / pace)


@dataclass(frozen=True, slots=True)
class Blocker:
    """A sync blocker: it is active in `active`, then resolved, and is forgotten `kept` seconds after that."""

    active: Span
    reason: str = "The sync failed several times in a row"
    contexts: tuple[tuple[str, str], ...] = ()
    resolved_reason: str = "The cause was fixed"
    kept: float = float("inf")


@dataclass(frozen=True, slots=True)
class SyncSettings:
    """A stack's sync configuration but for its repository; None: derived from the stack's name and account.

    `moves` are the moments at which it gets another branch, with the branch.
    """

    config_file: str | None = None
    role_arn: str | None = None
    publish_deployment_status: str = "DISABLED"
    trigger_resource_update_on: str = "ANY_CHANGE"
    moves: tuple[tuple[float, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Subject:
    """A target and the repository (`owner/name`) that it is synced from.

    Without `region` it exists in every region, without `account` (a number) in every account, and is the same one
    there. While `absent` it is neither found nor listed. One that is not `synced` is listed, and has no sync status.
    """

    kind: Kind
    identity: tuple[tuple[str, str], ...]
    region: str | None = None
    repository: str = "example-org/infrastructure"
    branch: str = "main"
    provider: str = "GitHub"
    directory: str | None = None
    account: str | None = None
    settings: SyncSettings = SyncSettings()
    absent: tuple[Span, ...] = ()
    blockers: tuple[Blocker, ...] = ()
    synced: bool = True
    key: str = field(init=False, compare=False, default="")

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", key_of(self.kind, self.identity))

    def target(self, account: str, region: str) -> Target:
        """The target as a watcher has it in the configuration of `account` and `region`."""
        return Target(self.kind, account, region, self.identity)

    @property
    def name(self) -> str:
        return dict(self.identity)[self.kind.named_by]

    @property
    def config_file(self) -> str:
        """A stack's deployment file in its repository."""
        return self.settings.config_file or f"deployments/{self.name}.yaml"

    @property
    def attempt_target(self) -> str | None:
        """The `target` of its attempts, as AWS writes it; a repository's have none."""
        parts = dict(self.identity)
        if self.kind is TEMPLATE:
            return f"{parts['name']}:{parts['version']}"
        if self.kind is SERVICE_INSTANCE:
            return f"{parts['service']}/{parts['name']}"
        return parts["name"] if self.kind.has_revisions else None

    @property
    def proton_provider(self) -> str:
        return PROTON_PROVIDERS.get(self.provider, self.provider)

    def folder(self) -> str:
        """The directory in its repository that it is synced from."""
        parts = dict(self.identity)
        own = {TEMPLATE: "/{name}/v{version}", SERVICE_INSTANCE: "/{service}"}.get(self.kind, "/deployments")
        return self.directory or own.format(**parts)

    def revision(self, sha: str, *, branch: str | None = None, repository: str | None = None) -> dict[str, str] | None:
        """A revision in its repository, with the fields that its API returns, in camelCase; None of a repository."""
        if not self.kind.has_revisions:
            return None
        owner, _, name = (repository or self.repository).partition("/")
        common = {"branch": branch or self.branch, "directory": self.folder(), "sha": sha}
        if self.kind is STACK:
            return common | {"ownerId": owner, "repositoryName": name, "providerType": self.provider}
        return common | {"repositoryName": f"{owner}/{name}", "repositoryProvider": self.proton_provider}

    def exists(self, moment: float) -> bool:
        return not any(moment in span for span in self.absent)

    def branch_at(self, moment: float) -> str:
        moved = [branch for since, branch in self.settings.moves if since <= moment]
        return moved[-1] if moved else self.branch

    def blockers_at(self, epoch: float, moment: float) -> Iterator[Mapping[str, Any]]:
        """What an answer has of its blockers at this moment, in camelCase. `epoch`: moment 0, in seconds since 1970."""
        for number, blocker in enumerate(self.blockers):
            begin, end = blocker.active.begin, blocker.active.end
            if not begin <= moment < end + blocker.kept:
                continue
            fields: dict[str, Any] = {
                "id": str(uuid5(NAMESPACE_URL, f"{self.account} {self.region} {self.key} {number}")),
                "type": "AUTOMATED",
                "status": "RESOLVED" if moment >= end else "ACTIVE",
                "createdReason": blocker.reason,
                "createdAt": round(epoch + begin, 3),
                "contexts": [{"key": key, "value": value} for key, value in blocker.contexts],
            }
            if moment >= end:
                fields |= {"resolvedReason": blocker.resolved_reason, "resolvedAt": round(epoch + end, 3)}
            yield fields

    def at_pace(self, pace: float) -> Subject:
        if not (self.absent or self.blockers or self.settings.moves):
            return self
        moves = tuple((since / pace, branch) for since, branch in self.settings.moves)
        blockers = tuple(
            replace(each, active=each.active.at_pace(pace), kept=each.kept / pace) for each in self.blockers
        )
        absent = tuple(span.at_pace(pace) for span in self.absent)
        return replace(self, settings=replace(self.settings, moves=moves), absent=absent, blockers=blockers)
