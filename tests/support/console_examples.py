"""The console examples of a page of documentation: commands, and what they print.

What differs from one run to the next (times, durations, ids, ports) may differ from the page, but an id is the same
wherever the page has the same. `…` stands for any rest of a line, and alone in a line for any number of lines.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HERE_DOCUMENT = re.compile(r"<<'(\w+)'$")
VARYING = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC)"
    r"|(?P<id>\b(?:[0-9a-f]{32}|[0-9a-f]{8})\b)"
    r"|(?P<duration>\b\d+ ?(?:s|m|min|h|d)(?: ?\d+ ?(?:s|m|min|h))?\b)"
    r"|(?P<port>(?<=127\.0\.0\.1:)\d+)"
    r"|(?P<rest>…)"
    r"|(?P<space>\s+)"
)
PATTERNS = {
    "time": r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC",
    "duration": r"(?:less than a second|\d+ ?[a-z]+(?: ?\d+ ?[a-z]+)?)",
    "port": r"\d+",
    "rest": r".*",
    "space": r"\s+",
}


@dataclass(frozen=True, slots=True)
class Example:
    """A command with its here-document, and the lines that it prints."""

    command: str
    printed: tuple[str, ...]


def examples_of(page: str, heading: str) -> Iterator[Example]:
    """The examples below a heading of the second level, in order."""
    _, _, below = page.partition(f"\n## {heading}\n")
    for block in BLOCK.findall(below.partition("\n## ")[0]):
        lines = iter(block.splitlines())
        command, printed = "", list[str]()
        for line in lines:
            if not line.startswith("$ "):
                printed.append(line)
                continue
            if command:
                yield Example(command, tuple(printed))
            command, printed = line[2:], []
            if here := HERE_DOCUMENT.search(line):
                for given in lines:
                    command += f"\n{given}"
                    if given == here[1]:
                        break
        yield Example(command, tuple(printed))


@dataclass
class Ids:
    """The ids of the page, and what they are in this run."""

    known: dict[str, str] = field(default_factory=dict)

    def put_into(self, command: str) -> str:
        """The command with the ids of this run."""
        return re.sub(r"\b[0-9a-f]{8,32}\b", lambda found: self.known.get(found[0], found[0]), command)

    def match(self, expected: tuple[str, ...], printed: str) -> bool:
        """Whether this was printed; then its ids are known from now on."""
        new: dict[str, str] = {}
        pattern = "".join(self._line(line.rstrip(), new) for line in expected)
        found = re.fullmatch(pattern, "".join(f"{line.rstrip()}\n" for line in printed.splitlines()))
        if found:
            self.known |= {each: found[name] for each, name in new.items()}
        return found is not None

    def _line(self, line: str, new: dict[str, str]) -> str:
        if line == "…":
            return r"(?:.*\n)*?"
        pattern, end = "", 0
        for found in VARYING.finditer(line):
            kind = str(found.lastgroup)
            pattern += re.escape(line[end : found.start()])
            pattern += self._id(found[0], new) if kind == "id" else PATTERNS[kind]
            end = found.end()
        return f"{pattern}{re.escape(line[end:])}\n"

    def _id(self, text: str, new: dict[str, str]) -> str:
        if text in self.known:
            return re.escape(self.known[text])
        if text in new:
            return f"(?P={new[text]})"
        new[text] = f"id{len(new)}"
        return f"(?P<{new[text]}>[0-9a-f]{{{len(text)}}})"
