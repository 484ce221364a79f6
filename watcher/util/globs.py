"""Whether a text matches a shell glob (`*`, `?`, `[a-z]`), as `fnmatch` has it, but with few of them kept compiled."""

from __future__ import annotations

import re
from fnmatch import translate
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def matches(text: str, glob: str) -> bool:
    """Whether the whole of `text` matches; capitals make a difference."""
    return _matcher(glob)(text) is not None


@lru_cache(maxsize=1024)  # one of 1,000 letters takes 28 KB; `fnmatch` keeps 32,768
def _matcher(glob: str) -> Callable[[str], object]:
    return re.compile(translate(glob)).match
