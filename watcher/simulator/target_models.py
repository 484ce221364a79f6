"""The models of the targets in a scenario file: stacks, and the templates and service instances of Proton."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field, PlainValidator

from watcher.config.faults import Faults
from watcher.config.fields import Boolean, Duration, Plain, Region, RoleArn
from watcher.config.readers import part_reader
from watcher.config.strict_model import Sound
from watcher.core.kinds import Kind
from watcher.simulator.life_models import AccountNumber, Entry, SpanEntry, Window, entry_of_life, one_word_of
from watcher.simulator.subject import Blocker, Subject, SyncSettings
from watcher.simulator.timeline import Scene, Timeline, Unsynced
from watcher.sources.codeconnections import STACK
from watcher.sources.proton import SERVICE_INSTANCE, TEMPLATE

PROVIDERS = ("GitHub", "GitHubEnterpriseServer", "Bitbucket", "GitLab", "GitLabSelfManaged", "AzureDevOps")
Provider = Annotated[Plain, one_word_of(PROVIDERS)]
_TYPE, _TEMPLATE_NAME, _VERSION = (PlainValidator(part_reader(TEMPLATE, part)) for part in TEMPLATE.identity)
_SERVICE, _INSTANCE_NAME = (PlainValidator(part_reader(SERVICE_INSTANCE, part)) for part in SERVICE_INSTANCE.identity)
_STACK_NAME = PlainValidator(part_reader(STACK, STACK.identity[0]))
Life = tuple[Annotated[Any, PlainValidator(entry_of_life)], ...]
_ENABLED = one_word_of(("ENABLED", "DISABLED"))
_TRIGGER = one_word_of(("ANY_CHANGE", "FILE_CHANGE"))


class _Blocker(SpanEntry):
    """Active in its span, then resolved, and forgotten after the time `kept`."""

    reason: Plain = "The sync failed several times in a row"
    contexts: Mapping[str, Plain] = Field(default={})
    resolved_reason: Plain = "The cause was fixed"
    kept: Duration = float("inf")

    def blocker(self) -> Blocker:
        return Blocker(self.span(), self.reason, tuple(self.contexts.items()), self.resolved_reason, self.kept)


class _Move(Entry):
    at: Duration
    branch: Plain


class Sourced(Entry):
    """Where something exists, and the provider and the branch that it is synced from."""

    account: AccountNumber | None = None
    region: Region | None = None
    branch: Plain = "main"
    provider: Provider = "GitHub"


class Synced(Entry):
    """Something that is synced from a repository, wherever the repository is written."""

    kind: ClassVar[Kind] = STACK
    directory: Plain | None = None
    config_file: Plain | None = None
    role_arn: RoleArn | None = None
    publish_deployment_status: Annotated[Plain, _ENABLED] = "DISABLED"
    trigger_resource_update_on: Annotated[Plain, _TRIGGER] = "ANY_CHANGE"
    moves: tuple[Sound[_Move], ...] = ()
    absent: tuple[Sound[SpanEntry], ...] = ()
    blockers: tuple[Sound[_Blocker], ...] = ()
    faults: tuple[Sound[Window], ...] = ()

    def subject_of(self, source: Sourced, repository: str, *, synced: bool = True) -> Subject:
        """The target, which is synced from this repository (`owner/name`)."""
        settings = SyncSettings(
            self.config_file,
            self.role_arn,
            self.publish_deployment_status,
            self.trigger_resource_update_on,
            tuple(sorted((each.at, each.branch) for each in self.moves)),
        )
        return Subject(
            self.kind,
            tuple((part.name, getattr(self, part.name)) for part in self.kind.identity),
            source.region,
            repository,
            source.branch,
            source.provider,
            self.directory,
            source.account,
            settings,
            absent=tuple(each.span() for each in self.absent),
            blockers=tuple(each.blocker() for each in self.blockers),
            synced=synced,
        )


class LinkedStack(Synced):
    """A stack of a repository whose commits are written."""

    name: Annotated[str, _STACK_NAME]


class _Target(Synced, Sourced):
    """A target with a life of its own."""

    life: Life = ()
    repository: Plain = "example-org/infrastructure"
    repeat: Boolean = False

    @property
    def is_synced(self) -> bool:
        """Whether it has a sync status; otherwise it is only listed."""
        return True

    def subject(self) -> Subject:
        return self.subject_of(self, self.repository, synced=self.is_synced)

    def timeline(self) -> Timeline:
        if not self.is_synced:
            return Timeline((Scene(Unsynced()),))
        return Timeline(tuple(scene for entry in self.life for scene in entry.scenes()), self.repeat)

    def check(self, faults: Faults) -> None:
        """Report faults that concern several keys."""
        if "/" not in self.repository:
            faults.report(self.place("repository"), "must be OWNER/NAME")
        scenes = self.timeline().scenes
        if not scenes:
            faults.report(self.place("life"), "needs at least one entry, and an attempt at least one status")
        endless = [scene.seconds is None and scene.calls is None for scene in scenes]
        if any(endless[:-1]) or (self.repeat and any(endless)):
            message = "only the last entry may last for ever, and none if the life repeats; add `for` or `calls`"
            faults.report(self.place("life"), message)
        if any(scene.seconds is not None and scene.calls is not None for scene in scenes):
            faults.report(self.place("life"), "an entry may have `for` or `calls`, not both")


class Stack(_Target):
    """A stack with a life of its own."""

    life: Life
    name: Annotated[str, _STACK_NAME]


class _OfProton(_Target):
    """A target of Proton; one that is not `synced` is only listed."""

    synced: Boolean = True

    @property
    def is_synced(self) -> bool:
        return self.synced


class Template(_OfProton):
    """A major version of a template."""

    kind: ClassVar[Kind] = TEMPLATE
    name: Annotated[str, _TEMPLATE_NAME]
    type: Annotated[str, _TYPE]
    version: Annotated[str, _VERSION]


class ServiceInstance(_OfProton):
    """A service instance."""

    kind: ClassVar[Kind] = SERVICE_INSTANCE
    service: Annotated[str, _SERVICE]
    name: Annotated[str, _INSTANCE_NAME]
