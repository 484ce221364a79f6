"""Matches texts with shell globs (`*`, `?`, `[a-z]`) as `fnmatch` does, but caches fewer compiled patterns."""

import re
from collections.abc import Callable, Collection
from fnmatch import translate
from functools import lru_cache


def matches(text: str, glob: str) -> bool:
    """Whether the whole of `text` matches `glob`; case matters."""
    return _matcher(glob)(text) is not None


def let_through(globs: Collection[str], text: str) -> bool:
    """Whether `text` matches one of `globs`; if there are none, every text does."""
    return not globs or any(matches(text, glob) for glob in globs)


@lru_cache(maxsize=1024)  # a pattern of 1,000 characters takes 28 KB; `fnmatch` caches 32,768 patterns
def _matcher(glob: str) -> Callable[[str], object]:
    return re.compile(translate(glob)).match
