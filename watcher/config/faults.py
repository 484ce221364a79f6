"""Gathers what is wrong with one file, each with its place, and never with a value that may be secret."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from watcher.config.tree import Items, Keys, Place, Text, join
from watcher.errors import Fault
from watcher.util.quoting import LONGEST, shown

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from pydantic import ValidationError


class Faults:
    """The faults of one file, as they are found."""

    def __init__(self, file: str) -> None:
        """Begin with none."""
        self.file = file
        self.found: list[Fault] = []

    def report(self, place: Place, message: str) -> None:
        """Keep one."""
        self.found.append(Fault(self.file, place.line, place.column, place.path, message))

    def report_unknown(self, keys: Keys, known: Collection[str], told: Collection[str] = ()) -> None:
        """Keep one for each of the `keys` not `known`, nor `told` of; note in `keys` which were probably meant."""
        misspelt = set()
        for name in (keys.keys() - known).difference(told):
            close = suggestion(name, known)
            misspelt.update(close)
            hint = f"did you mean '{close[0]}'?" if close else f"the keys here are {', '.join(known)}"
            self.report(keys.key_places[name], f"unknown key {shown(name)}; {hint}")
        keys.misspelt = frozenset(misspelt)

    def take(self, value: Any, error: ValidationError) -> None:
        """Keep what pydantic found wrong in `value`, but for what follows from a fault that is known already."""
        for each in error.errors(include_url=False, include_input=False):
            if each["loc"][-1:] == ("[key]",):  # pydantic's own step to a key of a mapping whose keys have a form
                mapping, name = _walk(value, each["loc"][:-2]), str(each["loc"][-2])
                self.report(mapping.key_places[name], _message(each["type"], each.get("ctx", {}).get("error"), name))
                continue
            node = _walk(value, each["loc"])
            if getattr(node, "broken", False):
                continue
            if each["type"] == "missing":
                name = str(each["loc"][-1])
                if name not in getattr(node, "misspelt", ()):
                    self.report(node.place._replace(path=join(node.place.path, name)), "this key is missing")
            else:
                self.report(node.place, _message(each["type"], each.get("ctx", {}).get("error"), node))


def suggestion(word: str, known: Iterable[str]) -> list[str]:
    """The one of the `known` words that was probably meant, if any."""
    if len(word) > LONGEST:  # the search is quadratic
        return []
    return get_close_matches(word, list(known), n=1, cutoff=0.7)


def describe(value: object) -> str:
    """What sort of thing stands there."""
    if isinstance(value, Keys):
        return "a mapping"
    if isinstance(value, Items):
        return "a list"
    return value.reads.value if isinstance(value, Text) and not value.filled else "text"


def _walk(value: Any, loc: Iterable[int | str]) -> Any:
    """The node that `loc` leads to, or the last one on the way (pydantic adds steps of its own)."""
    for step in loc:
        if isinstance(value, Keys) and step in value:
            value = value[str(step)]
        elif isinstance(value, Items) and isinstance(step, int):
            value = value[step]
    return value


def _message(kind: str, raised: object, node: Any) -> str:
    if isinstance(raised, ValueError):  # one of our own, from `fields`
        return str(raised)
    if kind in {"model_type", "dict_type", "model_attributes_type"}:
        return f"this must be a mapping (key: value), not {describe(node)}"
    if kind in {"list_type", "tuple_type"}:
        return f"this must be a list (- item), not {describe(node)}"
    if kind == "too_short":
        return "this list must not be empty"
    return "this is not what belongs here"  # pydantic's own words may quote the value
