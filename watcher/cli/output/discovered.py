"""The output of `discover`: YAML for the configuration, or JSON."""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from watcher.config.tree import Reads, reads_as
from watcher.core.model import Target
from watcher.util.redaction import printable

NOT_WATCHED = "  # not watched yet"
"""The mark of a target that the configuration does not watch."""


@dataclass(frozen=True, slots=True)
class Discovered:
    """A target that was found, what AWS says of it, and the ids of the targets that are watched."""

    target: Target
    facts: Mapping[str, str]
    watched: Collection[str]

    @property
    def is_watched(self) -> bool:
        """Whether the configuration watches it already, as it is or by a rule."""
        return self.target.id in self.watched

    def to_json(self) -> dict[str, Any]:
        target = self.target
        place = {"id": target.id, "kind": target.kind.name, "account": target.account, "region": target.region}
        return {**place, **self.facts, **dict(target.identity), "watched": self.is_watched}


def discovered_yaml(found: Iterable[Discovered], *, with_account: bool) -> str:
    """Return the lists of the configuration that have these targets; `with_account`: whether each names its account."""
    sections: dict[str, list[str]] = {}
    rules: dict[str, list[str]] = {}
    for each in found:
        kind = each.target.kind
        mark = "" if each.is_watched else NOT_WATCHED
        if kind.section:
            keys = ", ".join(f"{key}: {value}" for key, value in _keys(each, with_account=with_account))
            sections.setdefault(kind.section, []).append(f"  - {{{keys}}}{mark}")
        else:  # only a rule finds them
            about = printable(" ".join(each.facts[name] for name in ("name", "status") if name in each.facts))
            place = f"{printable(each.target.account)}/{each.target.region}" if with_account else each.target.region
            rules.setdefault(kind.name, []).append(f"  #   {place}: {about}{mark.replace('  # ', ', ')}")
    lines = [line for section, items in sections.items() for line in (f"{section}:", *items)]
    if rules:
        lines.append("discover:")
        lines += [line for kind, items in rules.items() for line in (f"  - {{kind: {kind}}}", *items)]
    return "".join(f"{line}\n" for line in lines)


def _keys(each: Discovered, *, with_account: bool) -> Iterator[tuple[str, str]]:
    """Yield the keys of a target in the configuration, with their values as YAML."""
    target, identity = each.target, dict(each.target.identity)
    for part in target.kind.identity:
        yield part.name, identity[part.name] if part.number else _text(identity[part.name])
    source = target.kind.synced_from
    names = [part.name for part in source.identity] if source else []
    if names and all(name in each.facts for name in names):
        for name in names:
            yield name, _text(each.facts[name])
    if with_account:
        yield "account", _text(target.account)
    yield "region", _text(target.region)


def _text(value: str) -> str:
    """Return a text as YAML: in quotes if it could be read as something else."""
    if re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z_./-]*", value) and reads_as(value) is Reads.TEXT:
        return value
    return printable(json.dumps(value, ensure_ascii=False))  # its escapes are those of YAML, too
