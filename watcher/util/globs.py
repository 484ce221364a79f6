"""Matches texts with shell globs (`*`, `?`, `[a-z]`) as `fnmatch` does, but caches fewer compiled patterns."""

import re
from collections.abc import Callable
from fnmatch import translate
from functools import lru_cache


def matches(text: str, glob: str) -> bool:
    """Whether the whole of `text` matches `glob`; case matters."""
    return _matcher(glob)(text) is not None


@lru_cache(maxsize=1024)  # a pattern of 1,000 characters takes 28 KB; `fnmatch` caches 32,768 patterns
def _matcher(glob: str) -> Callable[[str], object]:
    return re.compile(translate(glob)).match
