"""The last good text of a configuration that is in AWS, kept in a store for a start while AWS cannot be asked."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ConfigCopy:
    """A text as it was read: a variable in it is kept as `${NAME}`, without its value."""

    place: str
    """The region and the name of where it was read."""
    text: str
    kept_at: datetime
    """When this text was first kept."""


class ConfigCopies(Protocol):
    """The copies in one store, which is opened for each call. Every method may raise StoreError."""

    async def read(self, place: str) -> ConfigCopy | None:
        """Return the last copy of a place; None: none is kept."""

    async def keep(self, copy: ConfigCopy) -> None:
        """Keep a copy in place of the last one of its place, unless that has the same text."""
