"""A kind of target: how it is configured and named, which call asks for its status, and how to read the answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from watcher.core.model import Target

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from watcher.core.listings import FoundTarget
    from watcher.core.model import Blocker, Snapshot

    Ask = Callable[[str, Mapping[str, Any]], Awaitable[dict[str, Any]]]
    """Calls an operation of the kind's API with these parameters, and returns the answer; raises PollFailed."""


@dataclass(frozen=True, slots=True)
class IdentityPart:
    """One part of what names a target within its account and region."""

    name: str
    """The key in the configuration, and in an event's `data.target`."""
    parameter: str
    """The member of the request that has its value; the service model says which values AWS accepts."""
    called: str
    """What messages call it, with its article: `a template name`."""
    description: str
    """The description of the key in the configuration's schema."""
    example: str | int
    """An example of the value, in the configuration's schema."""
    choices: tuple[str, ...] = ()
    """The only values; empty: whatever the service model allows."""
    number: bool = False
    """Whether it is a whole number, which YAML may read as one."""
    form: str = ""
    """What to write, for messages about a value that AWS does not accept; empty: the service model's rule."""


@dataclass(frozen=True, slots=True)
class BlockerCall:
    """How the blockers of a kind's targets are asked for, with the parameters of the call for their status."""

    operation: str
    """The operation of the kind's API: `GetSyncBlockerSummary`."""
    read: Callable[[dict[str, Any]], tuple[Blocker, ...]]
    """Return the blockers in an answer, or raise PollFailed if it is not what the API promises."""
    resolve: tuple[str, ...]
    """The AWS CLI's command that resolves one: formats with the parts of the identity, and `{blocker}`, its id."""


@dataclass(frozen=True, eq=False)
class Kind:
    """A kind of target. Each is described once, in a file under `watcher/sources/`.

    Kinds of one name, such as the repositories of two APIs, share a list of the configuration, and have a `variant`.
    """

    name: str
    """The name in ids, events and metrics: `stack`."""
    section: str
    """The key of the configuration that lists targets of this kind: `stacks`; empty: only discovery finds them."""
    description: str
    """One such target, in the configuration's schema."""
    section_description: str
    """The list of such targets, in the configuration's schema."""
    api: str
    """The API that answers, by botocore's name of the service; with account and region it is an endpoint."""
    operation: str
    """The operation of the API: `GetResourceSyncStatus`."""
    identity: tuple[IdentityPart, ...]
    """The parts of a target's identity, in the order of its id; one of them has the name `named_by`."""
    read: Callable[[dict[str, Any]], Snapshot] | None
    """Return the meaning of an answer, or raise PollFailed if it is not what the API promises.

    None: such targets are not polled, since their listing has their status.
    """
    parameters: Mapping[str, str] = field(default_factory=dict)
    """The parameters that are the same in every request."""
    blockers: BlockerCall | None = None
    """None: its targets have no blockers."""
    in_id: Callable[[str], str] = str
    """Return the form that a part of the identity has in an id."""
    title: str = "{name}"
    """The format of the short text that people know a target by, with the parts of the identity."""
    variant: str = ""
    """What distinguishes kinds of one name: a further part of the id, after the name."""
    named_by: str = "name"
    """The part of the identity that a glob without a slash is compared with."""
    has_revisions: bool = True
    """Whether an answer has revisions, the attempt's target, the desired state and the latest successful attempt."""
    synced_from: Kind | None = None
    """The kind of repository that a target may name as its source, with all keys of its identity or none."""
    listing: Callable[[Ask], Awaitable[Sequence[FoundTarget]]] | None = None
    """Lists all targets of the kind in an account and region, or raises PollFailed; None: AWS cannot list them."""

    @property
    def polled(self) -> bool:
        """Whether each target is asked for by itself; else its listing has its status."""
        return self.read is not None

    @cached_property
    def segments(self) -> tuple[str, ...]:
        """The part of an id that names the kind: its name, and its variant if it has one."""
        return (self.name, self.variant) if self.variant else (self.name,)

    def __str__(self) -> str:
        return "/".join(self.segments)

    def target(self, account: str, region: str, identity: Mapping[str, str], **watching: Any) -> Target:
        """Return the target with this identity; `watching`: how it is watched, as fields of `Target`."""
        parts = tuple((part.name, identity[part.name]) for part in self.identity)
        return Target(self, account, region, parts, **watching)

    def request(self, target: Target) -> dict[str, str]:
        """Return the parameters of the call that asks for a target."""
        identity = dict(target.identity)
        return {**{part.parameter: identity[part.name] for part in self.identity}, **self.parameters}
