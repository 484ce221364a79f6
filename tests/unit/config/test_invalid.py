"""Every file in `invalid` is refused with exactly the faults in the .txt beside it, no more and no less."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from watcher.errors import Fault

FILES = sorted((Path(__file__).parent / "invalid").glob("*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_fault_is_told_at_once_with_its_place(file: Path, faults: Callable[..., list[Fault]]) -> None:
    expected = file.with_suffix(".txt").read_text(encoding="utf-8")
    assert "".join(f"{fault}\n" for fault in faults(file.read_bytes())) == expected


def test_every_expectation_has_its_file() -> None:
    assert {file.stem for file in FILES} == {file.stem for file in FILES[0].parent.glob("*.txt")}
