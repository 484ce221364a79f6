"""The keys of a rule of discovery in the configuration."""

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar

from pydantic import Field, PlainValidator, create_model

from watcher.config import fields
from watcher.config.fields import OneOrMany, choice_schema, lasting
from watcher.config.readers import one_of
from watcher.config.strict_model import StrictModel
from watcher.config.target_model import Labels
from watcher.core.kinds import Kind

MAX_TARGETS = 100_000
"""The highest `limit` of a rule."""

Limit = Annotated[
    int,
    PlainValidator(fields.readers.number(1, MAX_TARGETS, whole=True)),
    fields.number_schema("integer", 1, MAX_TARGETS),
]


class DiscoverModel(StrictModel):
    """A rule of discovery: which targets of a kind are watched, of those that AWS lists."""

    region_key: ClassVar[str] = "`regions` to the rule"
    """Where the region can be written, for messages."""
    kinds: ClassVar[tuple[Kind, ...]]
    """The kinds that can be discovered."""

    kind: str
    """The kind of the targets."""
    account: fields.Plain | None = None
    """The account, by its name under `accounts`. Default: every account."""
    regions: OneOrMany[fields.Region] = Field(default=(), examples=[["us-east-1"]])
    """The regions. Default: each region of the account."""
    every: fields.Interval = lasting("10m")
    """The time between two listings; at least 100ms."""
    match: OneOrMany[fields.Plain] = Field(default=(), examples=["prod-*", ["prod-*", "shop-*"]])
    """A glob of names, or a list of globs; the name of a repository is OWNER/NAME. Default: all names."""
    exclude: OneOrMany[fields.Plain] = Field(default=(), examples=["*-sandbox"])
    """A glob of names that are not watched, or a list of globs."""
    repositories: OneOrMany[fields.Plain] = Field(default=(), examples=["example-org/*"])
    """A glob of repositories (OWNER/NAME) that targets are synced from, or a list of globs. Default: all."""
    branches: OneOrMany[fields.Plain] = Field(default=(), examples=["main"])
    """A glob of branches that targets are synced from, or a list of globs. Default: all."""
    limit: Limit = 10_000
    """The most targets in each account and region; of more, the first by name are watched."""
    labels: Labels = Field(default={}, examples=[{"found": "true"}])
    """Labels that are added to those of `defaults`."""

    @property
    def kinds_found(self) -> tuple[Kind, ...]:
        """The kinds of that name: several if several APIs have one."""
        return tuple(kind for kind in self.kinds if kind.name == self.kind)


def discover_model(kinds: Iterable[Kind]) -> type[DiscoverModel]:
    """Return the model of a rule that discovers one of these kinds."""
    found = tuple(kind for kind in kinds if kind.listing is not None)
    names = list(dict.fromkeys(kind.name for kind in found))
    type_: Any = Annotated[str, PlainValidator(one_of(names)), choice_schema(names)]
    field: Any = Field(description="The kind of the targets.", examples=names[-1:])
    model = create_model("Discover", __base__=DiscoverModel, __doc__=DiscoverModel.__doc__, kind=(type_, field))
    model.kinds = found
    return model
