"""Sizes as people write them (`500KB`, `64MiB`) to bytes."""

from __future__ import annotations

import re

from watcher.util.quoting import shown

PATTERN = r"^[0-9]{1,9}(KB|MB|GB|KiB|MiB|GiB)$"
"""A size, as a regular expression for Python and for JSON Schema."""

FORM_IN_WORDS = "a whole number with its unit, such as 500KB, 64MiB or 1GB"
"""What a message says about the form of a size."""

_BYTES = {"KB": 1000, "MB": 1000**2, "GB": 1000**3, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_SMALLEST = 1000
_LARGEST_GIB = 1024
_FORM = re.compile(PATTERN)


def parse_size(text: str) -> int:
    """The bytes of a size: `KB`, `MB` and `GB` are powers of 1000; `KiB`, `MiB` and `GiB` are powers of 1024.

    Raises:
        ValueError: `text` is not a size, is less than 1KB, or is more than 1024GiB; the message quotes the text.
    """
    if re.fullmatch(r"[0-9]{1,12}", text):
        raise ValueError(f"{text} has no unit; write {FORM_IN_WORDS}")
    if not _FORM.fullmatch(text):
        raise ValueError(f"{shown(text)} is not a valid size; write {FORM_IN_WORDS}")
    unit = text.lstrip("0123456789")
    size = int(text.removesuffix(unit)) * _BYTES[unit]
    if size < _SMALLEST:
        raise ValueError(f"{text} is too small; the smallest is 1KB")
    if size > _LARGEST_GIB * _BYTES["GiB"]:
        raise ValueError(f"{text} is too large; the largest is {_LARGEST_GIB}GiB")
    return size
