"""What one account of the simulated AWS has in one region: connections, linked repositories, and targets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple
from uuid import NAMESPACE_URL, uuid5

from watcher.core.kinds import Kind
from watcher.simulator.subject import Span, Subject
from watcher.sources.codeconnections import STACK

ACCOUNT = "123456789012"
"""The number of the account that access keys belong to unless something else is known of them."""


class Place(NamedTuple):
    """An account, by number, and a region."""

    account: str
    region: str


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection to a provider. `statuses` are the moments at which it gets a status, with the status.

    `owner` is the account that shares it; None: the account that has it.
    """

    name: str
    provider: str = "GitHub"
    statuses: tuple[tuple[float, str], ...] = ((0.0, "AVAILABLE"),)
    account: str | None = None
    region: str | None = None
    owner: str | None = None
    host: str | None = None

    def arn(self, place: Place) -> str:
        """Its ARN as an account sees it in a region."""
        owner = self.owner or place.account
        id_ = uuid5(NAMESPACE_URL, f"connection {owner} {place.region} {self.name}")
        return f"arn:aws:codeconnections:{place.region}:{owner}:connection/{id_}"

    def status_at(self, moment: float) -> str:
        begun = [status for since, status in self.statuses if since <= moment]
        return begun[-1] if begun else self.statuses[0][1]

    def at_pace(self, pace: float) -> Connection:
        return replace(self, statuses=tuple((since / pace, status) for since, status in self.statuses))


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository (`owner/name`) that is linked to an account, through the connection of that name.

    `link` is the ID of the link; None: derived from the other fields. While `absent` it is neither found nor listed.
    """

    name: str
    provider: str = "GitHub"
    connection: str = "github"
    account: str | None = None
    region: str | None = None
    link: str | None = None
    absent: tuple[Span, ...] = ()

    @property
    def link_id(self) -> str:
        about = f"repository-link {self.account} {self.region} {self.provider} {self.name}"
        return self.link or str(uuid5(NAMESPACE_URL, about))

    def exists(self, moment: float) -> bool:
        return not any(moment in span for span in self.absent)

    def at_pace(self, pace: float) -> Repository:
        return replace(self, absent=tuple(span.at_pace(pace) for span in self.absent))


class Inventory:
    """What a place has, by moments of the world.

    A repository that a stack is synced from is linked, even if the scenario does not list it; so is its connection.
    """

    def __init__(
        self,
        place: Place,
        epoch: float,
        page_size: int,
        subjects: Iterable[Subject],
        repositories: Iterable[Repository],
        connections: Iterable[Connection],
    ) -> None:
        """`epoch`: moment 0, in seconds since 1970; `page_size`: the largest page of a listing."""
        self.place = place
        self.epoch = epoch
        self.page_size = page_size
        self.subjects: dict[str, Subject] = {}
        for subject in subjects:
            # One of this account and region alone counts more than one of every account or region.
            other = self.subjects.get(subject.key)
            if _is_in(subject, place) and (other is None or _closeness(subject) > _closeness(other)):
                self.subjects[subject.key] = subject
        stacks = [subject for subject in self.subjects.values() if subject.kind is STACK]
        implied = [
            Repository(stack.repository, stack.provider, stack.provider.lower(), stack.account, stack.region)
            for stack in stacks
        ]
        visible = [each for each in (*repositories, *implied) if _is_in(each, place)]
        by_name = {(each.provider, each.name): each for each in reversed(visible)}
        self.links = {each.link_id: each for each in sorted(by_name.values(), key=lambda each: each.name)}
        self._stacks: dict[str, list[Subject]] = {link: [] for link in self.links}
        for stack in sorted(stacks, key=lambda each: each.key):
            self._stacks[by_name[stack.provider, stack.repository].link_id].append(stack)
        known = {each.name: each for each in connections if _is_in(each, place)}
        for each in self.links.values():
            known.setdefault(each.connection, Connection(each.connection, each.provider))
        self.connections = dict(sorted(known.items()))

    def linked(self, link: str, moment: float) -> Repository | None:
        """The repository of a link, if it exists at this moment."""
        found = self.links.get(link)
        return found if found and found.exists(moment) else None

    def stacks(self, link: str, moment: float) -> list[Subject]:
        """The stacks that are synced from a linked repository at this moment, by name; none while it is absent."""
        if self.linked(link, moment) is None:
            return []
        return [stack for stack in self._stacks[link] if stack.exists(moment)]

    def of_kind(self, kind: Kind, moment: float) -> list[Subject]:
        """Its targets of a kind at this moment, by key."""
        found = (each for each in self.subjects.values() if each.kind is kind and each.exists(moment))
        return sorted(found, key=lambda each: each.key)

    def connection_arn(self, repository: Repository) -> str:
        return self.connections[repository.connection].arn(self.place)


def _is_in(each: Subject | Repository | Connection, place: Place) -> bool:
    return each.account in (None, place.account) and each.region in (None, place.region)


def _closeness(subject: Subject) -> int:
    return (subject.account is not None) + (subject.region is not None)
