#!/usr/bin/env python3
"""Checks that a tag may be released (it is the version, and the changelog has its notes), and prints the notes."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


class NotReadyError(Exception):
    """The tag must not be released; the message says why and what to do."""


def notes(tag: str, pyproject: str, changelog: str) -> str:
    """Return the changelog's section of the tag's version.

    Raises:
        NotReadyError: the tag is not `v` and the version, or the section is missing, empty or still unreleased.
    """
    version = tomllib.loads(pyproject)["project"]["version"]
    if tag != f"v{version}":
        raise NotReadyError(
            f"the tag is {tag}, but pyproject.toml has the version {version}: use v{version}, or change the version"
        )
    section = re.search(rf"(?ms)^## {re.escape(version)}(?= |$)(?P<rest>[^\n]*)\n(?P<text>.*?)(?=^## |\Z)", changelog)
    if section is None:
        raise NotReadyError(f"CHANGELOG.md has no section `## {version}`: write what is new in it")
    if "unreleased" in section["rest"]:
        raise NotReadyError(f"CHANGELOG.md calls {version} unreleased: put the date in its place")
    if not section["text"].strip():
        raise NotReadyError(f"CHANGELOG.md says nothing about {version}: write what is new in it")
    return section["text"].strip() + "\n"


def main() -> None:
    """Print the notes of the tag that is given."""
    if len(sys.argv) != 2:
        sys.exit("usage: release.py TAG")
    pyproject, changelog = ((ROOT / name).read_text(encoding="utf-8") for name in ("pyproject.toml", "CHANGELOG.md"))
    try:
        sys.stdout.write(notes(sys.argv[1], pyproject, changelog))
    except NotReadyError as error:
        sys.exit(f"not to be released: {error}")


if __name__ == "__main__":
    main()
