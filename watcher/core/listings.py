"""The last complete listing of what an account has, and its JSON form in the store. Pure.

A listing is of one account, region and kind: everything that AWS listed there, whatever is watched of it. A store keeps
the last complete one of each, so that one that fails changes nothing.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from watcher.core.model import parse_rfc3339, rfc3339
from watcher.util.shapes import Each, Nullable, Optional, check, is_time, parse


class ListingKey(NamedTuple):
    """What a listing is of."""

    account: str
    region: str
    kind: str
    """The kind as in ids, with its variant if it has one: `stack`, `repository/proton`."""

    @property
    def kind_name(self) -> str:
        """The name of the kind without its variant."""
        return self.kind.partition("/")[0]

    def __str__(self) -> str:
        return "/".join(self)


@dataclass(frozen=True, slots=True)
class FoundTarget:
    """A target in a listing; also one that the last listings did not show."""

    identity: tuple[tuple[str, str], ...]
    """The parts that name it in its account and region, as `Target.identity`."""
    facts: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What else AWS said of it when it was last listed: `repository`, `branch`, `connection`, …"""
    times: int = 1
    """How many times it has appeared: when it was first found, and after each removal; in the ids of its events."""
    missing: int = 0
    """How many complete listings in a row did not show it."""
    missing_since: datetime | None = None
    """When the first of these was complete."""
    owed: bool = False
    """Whether this listing found it anew, or removed it: its event may not be recorded yet."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A complete listing."""

    key: ListingKey
    completed_at: datetime
    targets: tuple[FoundTarget, ...] = ()
    follows: datetime | None = field(default=None, compare=False)
    """When the listing with which it was compared was complete; None: there was none. Stores do not keep this."""


def dump(targets: tuple[FoundTarget, ...]) -> str:
    """Return the targets of a listing as the text that a store keeps."""
    return json.dumps(targets_to_json(targets), separators=(",", ":"))


def load(text: str, key: ListingKey) -> tuple[FoundTarget, ...]:
    """Return the targets that `dump` wrote; messages name the `key` of their listing.

    Raises:
        ValueError: the text is not a list of targets.
    """
    return targets_from_json(parse(text, None, f"the listing of {key}"), key)


def targets_to_json(targets: tuple[FoundTarget, ...]) -> list[dict[str, Any]]:
    """Return the JSON form of the targets of a listing."""
    return [
        {
            "identity": dict(target.identity),
            "facts": dict(target.facts),
            "times": target.times,
            "missing": target.missing,
            "missing_since": None if target.missing_since is None else rfc3339(target.missing_since),
            **({"owed": True} if target.owed else {}),
        }
        for target in targets
    ]


def targets_from_json(form: Any, key: ListingKey) -> tuple[FoundTarget, ...]:
    """Return the targets whose JSON form this is; messages name the `key` of their listing.

    Raises:
        ValueError: it has another form.
    """
    check(form, _TARGETS, f"the listing of {key}")
    return tuple(
        FoundTarget(
            identity=tuple(each["identity"].items()),
            facts=each["facts"],
            times=each["times"],
            missing=each["missing"],
            missing_since=None if each["missing_since"] is None else parse_rfc3339(each["missing_since"]),
            owed=each.get("owed", False),
        )
        for each in form
    )


_TARGETS = Each(list, {"identity": Each(dict, str), "facts": Each(dict, str), "times": int, "missing": int,
                       "missing_since": Nullable(is_time), "owed": Optional(bool)})  # fmt: skip
"""The form of the targets; other keys are allowed, since a later version may add some."""
