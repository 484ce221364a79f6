"""A text from outside is bounded in the form in which it is recorded."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.util.bounded_text import CUT, LONGEST_TEXT, bounded


@pytest.mark.parametrize(
    ("letter", "bytes_each"), [("a", 1), ('"', 2), ("\n", 2), ("\x01", 6), ("é", 6), ("\ud800", 6), ("🟢", 12)]
)
def test_a_longer_text_is_cut_and_marked(letter: str, bytes_each: int) -> None:
    fits = LONGEST_TEXT // bytes_each
    assert bounded(letter * fits) == letter * fits
    cut = bounded(letter * (fits + 1))
    assert cut == letter * ((LONGEST_TEXT - len(json.dumps(CUT)) + 2) // bytes_each) + CUT
    assert bounded(letter * 1_000_000) == cut
    assert bounded(cut) == cut


@given(st.text(st.characters(exclude_categories=()), max_size=60), st.integers(20, 60))
def test_any_text_fits(text: str, longest: int) -> None:
    cut = bounded(text, longest)
    assert len(json.dumps(cut)) - 2 <= longest
    assert cut == text or (cut.endswith(CUT) and text.startswith(cut.removesuffix(CUT)))
