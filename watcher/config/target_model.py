"""The keys of a target in the configuration: those of every kind, and the parts of a kind's identity."""

from typing import Annotated, Any, ClassVar

from pydantic import Field, PlainValidator, create_model

from watcher.config.fields import Duration, Interval, LabelValue, OnFirstSeen, Plain, Region, part_schema
from watcher.config.readers import part_reader
from watcher.config.strict_model import StrictModel
from watcher.core.kinds import Kind

Labels = dict[str, LabelValue]


class TargetModel(StrictModel):
    """The keys that every target has; the parts of its identity are added by `target_model`."""

    kind: ClassVar[Kind]

    name: str
    """The name in AWS."""
    account: Plain | None = None
    """The account, by its name under `accounts`. Default: the only account, or the one named `default`."""
    region: Region | None = Field(default=None, examples=["eu-west-1"])
    """The region. Default: each region of the account."""
    interval: Interval | None = None
    """The time between polls of this target when it is settled."""
    active_interval: Interval | None = None
    """The time between polls of this target while its sync is unfinished."""
    repository_interval: Interval | None = None
    """The time between polls of the repository that this target is synced from."""
    backstop_interval: Interval | None = None
    """The time between polls of this target when it is settled and its repository is polled."""
    stalled_after: Duration | None = None
    """An unfinished attempt of this target that is older than this is stalled."""
    timeout: Duration | None = None
    """The time limit of one API call about this target."""
    on_first_seen: OnFirstSeen | None = None
    """Which first observations of this target are events."""
    labels: Labels = Field(default={}, examples=[{"team": "platform"}])
    """Labels that are added to those of `defaults`."""

    @property
    def identity(self) -> dict[str, str]:
        """The values of the parts of the identity, by name."""
        return {part.name: getattr(self, part.name) for part in self.kind.identity}


def target_model(kind: Kind) -> type[TargetModel]:
    """Return the model of a target of this kind."""
    parts: dict[str, Any] = {
        part.name: (
            Annotated[str, PlainValidator(part_reader(kind, part)), part_schema(part)],
            Field(description=part.description, examples=[part.example]),
        )
        for part in kind.identity
    }
    model = create_model(kind.name.capitalize(), __base__=TargetModel, __doc__=kind.description, **parts)
    model.kind = kind
    return model
