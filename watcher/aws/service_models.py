"""Rules from the data of the installed botocore: which texts a request may have, and which regions exist.

The files are read without botocore's own loader, which takes longer to import than the files take to read.
"""

import gzip
import json
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

REGION = r"^[a-z]{2,}(-[a-z]+)+-[0-9]+$"
"""The form of a region's name: regions that are newer than the installed botocore are accepted by it."""


@dataclass(frozen=True, slots=True)
class TextRule:
    """Which texts a service model allows for one member."""

    shortest: int
    longest: int | None
    pattern: str | None

    def allows(self, text: str) -> bool:
        """Whether AWS can accept `text`; its services match a pattern against the whole text, anchored or not."""
        if len(text) < self.shortest or (self.longest is not None and len(text) > self.longest):
            return False
        return self.pattern is None or re.fullmatch(self.pattern, text, re.ASCII) is not None

    def __str__(self) -> str:
        """The rule in words, for messages."""
        if self.pattern and not self.shortest and self.longest is None:
            return f"the form {self.pattern}"
        lengths = f"at least {self.shortest}" if self.longest is None else f"{self.shortest} to {self.longest}"
        return f"{lengths} characters" + (f" of the form {self.pattern}" if self.pattern else "")


@cache
def text_rule(service: str, operation: str, *members: str) -> TextRule:
    """The rule that the model of `service` has for a member of a request, or of a structure within it."""
    model = _service_model(service)
    shapes, shape = model["shapes"], model["operations"][operation]["input"]["shape"]
    for member in members:
        shape = shapes[shape]["members"][member]["shape"]
        if shapes[shape]["type"] == "list":
            shape = shapes[shape]["member"]["shape"]
    rule = shapes[shape]
    return TextRule(rule.get("min", 0), rule.get("max"), _readable(rule.get("pattern")))


def _readable(pattern: str | None) -> str | None:
    """The pattern; None if Python cannot compile it: some use Java's character classes."""
    with suppress(re.error):
        return pattern and re.compile(pattern).pattern
    return None


def is_region(text: str) -> bool:
    """Whether `text` is a region that botocore knows, or has the form of a region's name."""
    return re.fullmatch(REGION, text) is not None or text in _known_regions()


@cache
def _known_regions() -> frozenset[str]:
    """The regions of all partitions, without pseudo-regions such as `aws-global`."""
    partitions = json.loads(files("botocore").joinpath("data", "partitions.json").read_bytes())["partitions"]
    return frozenset(name for each in partitions for name in each["regions"] if not name.endswith("-global"))


@cache
def _service_model(service: str) -> Any:
    newest = max(files("botocore").joinpath("data", service).iterdir(), key=lambda version: version.name)
    plain = newest.joinpath("service-2.json")
    if plain.is_file():
        return json.loads(plain.read_bytes())
    return json.loads(gzip.decompress(newest.joinpath("service-2.json.gz").read_bytes()))
