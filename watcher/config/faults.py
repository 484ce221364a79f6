"""Collects the faults of one configuration, each with its place and without values that may be secret."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

from watcher.config.tree import Items, Keys, Node, Place, Text, join
from watcher.errors import Fault
from watcher.util.bounded_text import LONGEST_SHOWN

if TYPE_CHECKING:
    from pydantic import ValidationError


class Faults:
    """The faults of one configuration, in the order in which they are found."""

    def __init__(self, file: str, files: Sequence[str] = ()) -> None:
        """`file`: the name of the configuration; `files`: those that it consists of, if it is a directory."""
        self.file = file
        self.files = (*files,) or (file,)
        self.found: list[Fault] = []

    def report(self, place: Place, message: str) -> None:
        self.found.append(Fault(place.file or self.file, place.line, place.column, place.path, message))

    def report_unknown(self, keys: Keys, known: Collection[str], reasons: Mapping[str, str] = {}) -> None:
        """Add a fault for each key that is not `known`; note in `keys` which were probably meant.

        `reasons` has the message about some of these keys.
        """
        misspelt = set()
        for name in keys.keys() - known:
            if name in reasons:
                self.report(keys.key_places[name], reasons[name])
                continue
            close = suggestion(name, known)
            misspelt.update(close)
            hint = f"did you mean '{close[0]}'?" if close else f"the keys here are {', '.join(known)}"
            self.report(keys.key_places[name], f"unknown key; {hint}")
        keys.misspelt = frozenset(misspelt)

    def take(self, value: Node, error: ValidationError) -> None:
        """Add what pydantic found wrong in `value`, except what follows from a fault that is reported already."""
        for each in error.errors(include_url=False, include_input=False):
            of_key = each["loc"][-1:] == ("[key]",)  # pydantic's own step to a key of a mapping whose keys have a form
            loc = each["loc"][:-1] if of_key else each["loc"]
            node, name = walk(value, loc[:-1] if of_key else loc), str(loc[-1]) if loc else ""
            message = _message(each["type"], each.get("ctx", {}).get("error"), node)
            if of_key and isinstance(node, Keys):
                self.report(node.key_places[name], message)
            elif node.broken:
                continue
            elif each["type"] != "missing":
                self.report(node.place, message)
            elif isinstance(node, Keys) and name not in node.misspelt:
                self.report(node.place._replace(path=join(node.place.path, name)), "this key is missing")


def suggestion(word: str, known: Iterable[str]) -> list[str]:
    """Return the one of the `known` words that was probably meant, if any; none for a value made by variables."""
    if len(word) > LONGEST_SHOWN or (isinstance(word, Text) and word.filled):
        return []  # the search is quadratic, and a similar word would reveal the variable's value
    return get_close_matches(word, list(known), n=1, cutoff=0.7)


def choice(word: str, known: Collection[str]) -> str:
    """Return what to write instead of `word`, for messages: the word that was probably meant, else all of them."""
    close = suggestion(word, known)
    return f"did you mean {close[0]}?" if close else f"choose from {', '.join(known)}"


def listed(names: Sequence[str], conjunction: str, mark: str = "`") -> str:
    """Return these names for messages, each in marks: `a`, `b` and `c`."""
    shown = [f"{mark}{name}{mark}" for name in names]
    return f" {conjunction} ".join(filter(None, (", ".join(shown[:-1]), *shown[-1:])))


def describe(value: object) -> str:
    """Return the type of a value, with its article."""
    if isinstance(value, Keys):
        return "a mapping"
    if isinstance(value, Items):
        return "a list"
    return value.reads.value if isinstance(value, Text) and not value.filled else "text"


def walk(node: Node, loc: Iterable[int | str]) -> Node:
    """Return the node at `loc`, or the last one on the path to it: pydantic adds steps of its own."""
    for step in loc:
        if isinstance(node, Keys) and step in node:
            node = node[str(step)]
        elif isinstance(node, Items) and isinstance(step, int):
            node = node[step]
    return node


def _message(kind: str, raised: object, node: Node) -> str:
    if isinstance(raised, ValueError):  # a reader's own, with a message for people
        return str(raised)
    if kind in {"model_type", "dict_type", "model_attributes_type"}:
        return f"this must be a mapping (key: value), not {describe(node)}"
    if kind in {"list_type", "tuple_type"}:
        return f"this must be a list (- item), not {describe(node)}"
    if kind == "too_short":
        return "this list must not be empty"
    return "this value is not valid here"  # pydantic's own message may quote the value
