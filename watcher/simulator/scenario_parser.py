"""Parses a scenario's YAML text, and reports every fault in it with its place.

`config/scenario.yaml` documents the format with an example. Each entry of a target's `life` has one of the keys
`statuses`, `fault`, `stale` and `unsynced`, and lasts `for` a time, for a number of `calls`, or for ever.
"""

from collections.abc import Iterator

from pydantic import ValidationError

from watcher.config.faults import Faults
from watcher.config.fields import Count, Duration, Plain, Rate, RoleArn
from watcher.config.strict_model import Sound
from watcher.config.tree import Keys, Place, compose
from watcher.errors import ConfigError
from watcher.simulator.inventory_models import ConnectionEntry, QueueEntry, RepositoryEntry
from watcher.simulator.life_models import AccountNumber, Entry, WideWindow
from watcher.simulator.listing import MAX_PAGE
from watcher.simulator.scenario import FaultWindow, Role, Scenario, Throttle
from watcher.simulator.subject import Subject
from watcher.simulator.target_models import ServiceInstance, Stack, Synced, Template


def load_scenario(text: str, name: str) -> Scenario:
    """The scenario in `text`; messages call the file `name`.

    Raises:
        ConfigError: with every fault of the scenario.
    """
    faults = Faults(name)
    tree = compose(text, faults.report)
    read = None
    if isinstance(tree, Keys):
        try:
            read = _Scenario.model_validate(tree, context=faults)
        except ValidationError as error:
            faults.take(tree, error)
    elif not faults.found:
        faults.report(Place(1, 1, ""), "a scenario must be a mapping with at least `templates` or `stacks`")
    if read and not faults.found:  # an entry with a fault is left out, which would cause further ones here
        read.check(faults)
    if faults.found or read is None:
        raise ConfigError(faults.found)
    return read.scenario(name)


class _Throttle(Entry):
    requests_per_second: Rate
    burst: Count | None = None

    def throttle(self) -> Throttle:
        return Throttle(self.requests_per_second, self.burst or max(1, round(self.requests_per_second)))


class _Key(Entry):
    access_key: Plain
    secret: Plain | None = None
    account: AccountNumber | None = None


class _Role(Entry):
    arn: RoleArn
    external_id: Plain | None = None
    lifetime: Duration = 3600.0


class _Scenario(Entry):
    throttle: _Throttle | None = None
    page_size: Count = MAX_PAGE
    keys: tuple[Sound[_Key], ...] = ()
    roles: tuple[Sound[_Role], ...] = ()
    faults: tuple[Sound[WideWindow], ...] = ()
    queues: tuple[Sound[QueueEntry], ...] = ()
    connections: tuple[Sound[ConnectionEntry], ...] = ()
    repositories: tuple[Sound[RepositoryEntry], ...] = ()
    templates: tuple[Sound[Template], ...] = ()
    service_instances: tuple[Sound[ServiceInstance], ...] = ()
    stacks: tuple[Sound[Stack], ...] = ()

    @property
    def _targets(self) -> tuple[Template | ServiceInstance | Stack, ...]:
        return (*self.templates, *self.service_instances, *self.stacks)

    def check(self, faults: Faults) -> None:
        """Report faults that concern several targets."""
        for checked in (*self.repositories, *self._targets):
            checked.check(faults)
        known: set[tuple[str, str | None, str | None]] = set()
        for subject, entry in self._entries():
            identity = (subject.key, subject.account, subject.region)
            if identity in known:
                faults.report(entry.place(), f"{subject.key} is in this scenario twice")
            known.add(identity)

    def scenario(self, name: str) -> Scenario:
        of_repositories = [timeline for each in self.repositories for timeline in each.timelines()]
        own = [(target.subject(), target.timeline()) for target in self._targets]
        return Scenario(
            name,
            (*own, *of_repositories),
            tuple(self._windows()),
            self.throttle.throttle() if self.throttle else None,
            {key.access_key: key.secret for key in self.keys if key.secret},
            tuple(Role(role.arn, role.external_id, role.lifetime) for role in self.roles),
            tuple(each.repository() for each in self.repositories),
            tuple(each.connection() for each in self.connections),
            {key.access_key: key.account for key in self.keys if key.account},
            self.page_size,
            tuple(each.queue() for each in self.queues),
        )

    def _entries(self) -> Iterator[tuple[Subject, Synced]]:
        """Every target, and where it is written."""
        for target in self._targets:
            yield target.subject(), target
        for each in self.repositories:
            yield from zip(each.subjects(), each.stacks, strict=True)

    def _windows(self) -> Iterator[FaultWindow]:
        """The faults of single targets, which come before those of the service."""
        for subject, entry in self._entries():
            for window in entry.faults:
                yield window.window(key=subject.key, region=subject.region, account=subject.account)
        for wide in self.faults:
            yield wide.window(account=wide.account, api=wide.api, region=wide.region, page=wide.page)
