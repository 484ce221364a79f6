"""The models of what targets rest on in a scenario file: connections, repositories with commits, and queues."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import PlainValidator

from watcher.config.faults import Faults
from watcher.config.fields import Boolean, Duration, Plain, Region, Share
from watcher.config.readers import part_reader
from watcher.config.strict_model import Sound
from watcher.simulator.commits import Commit, repository_and_stacks
from watcher.simulator.git_events import FORMS, QueueSettings
from watcher.simulator.inventory import ACCOUNT, Connection, Repository
from watcher.simulator.life_models import AccountNumber, Entry, SpanEntry, one_word_of
from watcher.simulator.subject import Subject
from watcher.simulator.target_models import LinkedStack, Provider, Sourced
from watcher.simulator.timeline import Timeline
from watcher.sources.codeconnections import REPOSITORY

_LINK = PlainValidator(part_reader(REPOSITORY, REPOSITORY.identity[0]))
_CONNECTION_STATUS = one_word_of(("PENDING", "AVAILABLE", "ERROR"))


class _ConnectionStatus(Entry):
    status: Annotated[Plain, _CONNECTION_STATUS]
    at: Duration = 0.0


class ConnectionEntry(Entry):
    """A connection, and its statuses from their moments on."""

    name: Plain
    provider: Provider = "GitHub"
    statuses: tuple[Sound[_ConnectionStatus], ...] = ()
    account: AccountNumber | None = None
    region: Region | None = None
    owner: AccountNumber | None = None
    host: Plain | None = None

    def connection(self) -> Connection:
        statuses = tuple(sorted((each.at, each.status) for each in self.statuses)) or ((0.0, "AVAILABLE"),)
        return Connection(self.name, self.provider, statuses, self.account, self.region, self.owner, self.host)


class _Commit(Entry):
    at: Duration
    stacks: tuple[Plain, ...] | None = None
    failed: tuple[Plain, ...] = ()
    takes: Duration = 40.0
    after: Duration = 2.0
    commit: Plain | None = None
    readable: Boolean = True


class RepositoryEntry(Sourced):
    """A branch of a linked repository, its commits, and the stacks whose syncs these start."""

    name: Plain
    connection: Plain = "github"
    link: Annotated[str, _LINK] | None = None
    absent: tuple[Sound[SpanEntry], ...] = ()
    every: Duration | None = None
    commits: tuple[Sound[_Commit], ...] = ()
    stacks: tuple[Sound[LinkedStack], ...] = ()

    def repository(self) -> Repository:
        absent = tuple(each.span() for each in self.absent)
        return Repository(self.name, self.provider, self.connection, self.account, self.region, self.link, absent)

    def subjects(self) -> list[Subject]:
        """Its stacks."""
        return [each.subject_of(self, self.name) for each in self.stacks]

    def timelines(self) -> Iterator[tuple[Subject, Timeline]]:
        """The branch and its stacks, with their timelines."""
        every_stack = tuple(each.name for each in self.stacks)
        commits = [Commit(**{"stacks": every_stack} | each.model_dump(exclude_none=True)) for each in self.commits]
        return repository_and_stacks(self.repository(), self.branch, self.subjects(), commits, self.every)

    def check(self, faults: Faults) -> None:
        """Report faults that concern several keys."""
        if "/" not in self.name:
            faults.report(self.place("name"), "must be OWNER/NAME")
        known = {each.name for each in self.stacks}
        for number, each in enumerate(self.commits):
            for key, names in (("stacks", each.stacks or ()), ("failed", each.failed)):
                for position, name in enumerate(names):
                    if name not in known:
                        message = f"{name!r} is not one of the stacks of this repository"
                        faults.report(self.place("commits", number, key, position), message)
        if not faults.found:
            try:
                list(self.timelines())
            except ValueError as error:
                faults.report(self.place("every"), f"{error}; make it longer")


class QueueEntry(Entry):
    """A queue that gets EventBridge's events of Git sync."""

    name: Plain
    account: AccountNumber = ACCOUNT
    region: Region = "us-east-1"
    lost: Share = 0.0
    shortest_delay: Duration = 0.0
    longest_delay: Duration = 0.0
    form: Annotated[Plain, one_word_of((*FORMS, "mixed"))] = "mixed"
    visibility: Duration = 30.0

    def queue(self) -> QueueSettings:
        delay = (self.shortest_delay, max(self.shortest_delay, self.longest_delay))
        return QueueSettings(self.name, self.account, self.region, self.lost, delay, self.form, self.visibility)
