"""A Dockerfile as its stages and their instructions, for the tests that look at it and the one that performs it."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

DEPLOY = Path(__file__).parents[2] / "deploy"


@dataclass(frozen=True)
class Instruction:
    """One instruction: its word, its `--flags`, and what follows; several lines are one."""

    word: str
    flags: dict[str, str]
    text: str

    @property
    def words(self) -> list[str]:
        """What follows: the list of an exec form, else its words."""
        return self.command or shlex.split(self.text)

    @property
    def command(self) -> list[str] | None:
        """The words of an exec form; None of a form that a shell reads."""
        return list(json.loads(self.text)) if self.text.startswith("[") else None


@dataclass
class Stage:
    """What begins with FROM: the image that it begins with, its name, and its instructions."""

    image: str
    name: str
    instructions: list[Instruction] = field(default_factory=list)

    def of(self, word: str) -> list[Instruction]:
        return [instruction for instruction in self.instructions if instruction.word == word]

    def last(self, word: str) -> Instruction:
        return self.of(word)[-1]

    @property
    def environment(self) -> dict[str, str]:
        """What its ENV instructions set."""
        pairs = (word.partition("=") for instruction in self.of("ENV") for word in instruction.words)
        return {name: value for name, _, value in pairs}


def stages(text: str) -> list[Stage]:
    """The stages of a Dockerfile, in their order."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    found: list[Stage] = []
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        word, _, rest = line.partition(" ")
        flags, rest = _flags(rest.strip())
        if word == "FROM":
            image, _, name = rest.partition(" AS ")
            found.append(Stage(image, name.strip()))
        else:
            found[-1].instructions.append(Instruction(word, flags, rest))
    return found


def ignored(text: str, path: str) -> bool:
    """Whether a .dockerignore keeps a path of the context out of the build; the last pattern that fits says so."""
    out = False
    for line in text.splitlines():
        pattern = line.strip()
        if pattern and not pattern.startswith("#"):
            told = pattern.lstrip("!")
            regex = re.escape(told).replace(r"\*\*/", "(.*/)?").replace(r"\*", "[^/]*")
            if re.fullmatch(f"{regex}(/.*)?", path):
                out = not pattern.startswith("!")
    return out


def _flags(text: str) -> tuple[dict[str, str], str]:
    flags: dict[str, str] = {}
    while found := re.match(r"--([a-z-]+)=(\S+)\s+", text):
        flags[found[1]] = found[2]
        text = text[found.end() :]
    return flags, text
