"""Parses YAML text to a tree of text, lists and mappings that know where they were written.

Nothing is converted: a scalar is the text in the file, together with the type that YAML gives it, and the schema
decides its meaning. Aliases, tags, merge keys, duplicate keys and deep nesting are faults already here: walking the
tree of an alias bomb of 430 bytes would never end.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from typing import Any, NamedTuple, Self, TypeAlias

import yaml
from yaml.resolver import Resolver

from watcher.config.syntax import in_plain_words
from watcher.util.bounded_text import LONGEST_SHOWN, shown

Node: TypeAlias = "Keys | Items | Text"
Report: TypeAlias = Callable[["Place", str], None]

MAX_DEPTH = 32
"""Levels of nesting."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_RESOLVER = Resolver()
_NUMBER_BY_YAML_1_2 = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|0o[0-7]+")


class Reads(StrEnum):
    """The type that YAML gives to a scalar, in words for messages."""

    TEXT = "text"
    NUMBER = "a number"
    BOOLEAN = "true or false"
    NULL = "nothing"
    DATE = "a date"


_TAGS = {"int": Reads.NUMBER, "float": Reads.NUMBER, "bool": Reads.BOOLEAN, "null": Reads.NULL, "timestamp": Reads.DATE}


class Place(NamedTuple):
    """A place in a file: line and column from 1, and the path of keys to it."""

    line: int
    column: int
    path: str
    file: str = ""
    """Empty: the configuration as a whole, or its only file."""

    def line_beside(self, other: Place) -> str:
        """Return the line in words for a message at `other`: `line 3`, with its file if that is another one."""
        return f"line {self.line}" if self.file == other.file else f"line {self.line} of {self.file}"


class Text(str):
    """A scalar: its value, and the text in the file.

    `filled`: it has a variable in it, so its value must not be shown. `broken`: a fault was reported here already.
    """

    __slots__ = ("broken", "filled", "place", "reads", "written")

    place: Place
    written: str
    reads: Reads
    filled: bool
    broken: bool

    def __new__(
        cls, value: str, place: Place, reads: Reads = Reads.TEXT, *, written: str | None = None, broken: bool = False
    ) -> Self:
        """`written`: the text in the file, if it has variables."""
        text = super().__new__(cls, value)
        text.place, text.reads, text.broken = place, reads, broken
        text.filled, text.written = written is not None, value if written is None else written
        return text


class Items(list[Node]):
    """A sequence."""

    place: Place
    broken = False


class Keys(dict[str, Node]):
    """A mapping, the places of its keys, and the known keys that unknown ones are probably meant for."""

    place: Place
    key_places: dict[str, Place]
    misspelt: frozenset[str] = frozenset()
    broken = False

    def holds(self, name: str) -> bool:
        """Return whether the value of `name` is neither missing nor null, nor an empty list or mapping."""
        node = self.get(name)
        return bool(node) if isinstance(node, Items | Keys) else node is not None and not is_null(node)


def reads_as(plain: str) -> Reads:
    """Return the type of an unquoted scalar: by YAML 1.1, and of numbers by YAML 1.2 as well, as editors read them."""
    if _NUMBER_BY_YAML_1_2.fullmatch(plain):
        return Reads.NUMBER
    tag: str = _RESOLVER.resolve(yaml.ScalarNode, plain, (True, False))  # type: ignore[no-untyped-call]
    return _TAGS.get(tag.rpartition(":")[2], Reads.TEXT)


def is_null(node: object) -> bool:
    """Return whether YAML reads `node` as no value; a value made by variables is never null."""
    return isinstance(node, Text) and node.reads is Reads.NULL and not node.filled


def compose(text: str, report: Report, file: str = "") -> Node | None:
    """Return the document in `text`, or None if the text is empty, is not YAML, or is nested too deep.

    Report every fault, except that the text is empty. `file`: its name, if the configuration has several.
    """
    loader = _LOADER(text)
    try:
        return _Composer(loader, report, file).document()
    except _TooDeepError as error:
        report(error.args[0], f"nested more than {MAX_DEPTH} levels deep, which no configuration needs")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(mark.line + 1, mark.column + 1, "", file) if mark else Place(1, 1, "", file)
        report(place, in_plain_words(error, text))
    except yaml.YAMLError:
        report(Place(1, 1, "", file), "this is not YAML text")
    finally:
        loader.dispose()
    return None


class _TooDeepError(Exception):
    """Its argument is the place."""


class _Composer:
    """Builds the tree from the parser's events, down to the maximum depth."""

    def __init__(self, loader: Any, report: Report, file: str) -> None:
        self._next: Callable[[], Any] = loader.get_event
        self._peek: Callable[[], Any] = loader.peek_event
        self._report = report
        self._file = file

    def document(self) -> Node | None:
        self._next()  # the stream's start
        if isinstance(self._peek(), yaml.StreamEndEvent):
            return None
        self._next()  # the document's start
        root = self._node(self._next(), "", 0)
        self._next()  # the document's end
        after = self._next()
        if not isinstance(after, yaml.StreamEndEvent):
            self._report(self._place(after, ""), "a second YAML document begins here; write only one")
        return root

    def _node(self, event: Any, path: str, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise _TooDeepError(self._place(event, ""))
        place = self._place(event, path)
        if isinstance(event, yaml.AliasEvent):
            self._report(place, "YAML aliases (*name) are not supported; write the value out")
            return Text("", place, broken=True)
        tagged = event.tag is not None
        if tagged:
            self._report(place, "YAML tags (!name) are not supported; remove it, and put text in quotes")
        if isinstance(event, yaml.ScalarEvent):
            reads = reads_as(event.value) if event.implicit[0] else Reads.TEXT
            return Text(event.value, place, reads, broken=tagged)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._items(place, depth)
        return self._keys(place, depth)

    def _items(self, place: Place, depth: int) -> Items:
        items = Items()
        items.place = place
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            items.append(self._node(event, f"{place.path}[{len(items)}]", depth + 1))
        return items

    def _keys(self, place: Place, depth: int) -> Keys:
        keys = Keys()
        keys.place, keys.key_places = place, {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            name = self._key(event, keys, depth)
            if name is None:
                self._skip_value(place, depth)
                continue
            path = join(place.path, name)
            value = self._node(self._next(), path, depth + 1)
            if name in keys:
                first = keys.key_places[name].line
                self._report(self._place(event, path), f"this key is given twice; the first is on line {first}")
            else:
                keys[name], keys.key_places[name] = value, self._place(event, path)
        return keys

    def _skip_value(self, place: Place, depth: int) -> None:
        """Pass over the value of an invalid key: its faults follow from the key's."""
        report, self._report = self._report, lambda _place, _message: None
        self._node(self._next(), place.path, depth + 1)
        self._report = report

    def _key(self, event: Any, keys: Keys, depth: int) -> str | None:
        """The key that `event` begins, or None if it is invalid; then `keys` is broken as a whole."""
        path = keys.place.path
        if isinstance(event, yaml.ScalarEvent) and event.tag is None:
            if event.value == "<<" and event.implicit[0]:
                self._report(self._place(event, path), "YAML merge keys (<<) are not supported; write the keys out")
                keys.broken = True
                return None
            return str(event.value)
        keys.broken = True
        node = self._node(event, path, depth + 1)
        if not node.broken:  # an alias or a tag has been reported
            self._report(self._place(event, path), "a key must be plain text")
        return None

    def _place(self, event: Any, path: str) -> Place:
        return Place(event.start_mark.line + 1, event.start_mark.column + 1, path, self._file)


def join(path: str, key: str) -> str:
    """Return the path of `key` in the mapping at `path`."""
    key = key if key.isidentifier() and len(key) <= LONGEST_SHOWN else shown(key)
    return f"{path}.{key}" if path else key
