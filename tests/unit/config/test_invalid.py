"""Every file in `invalid` has exactly the faults in the .txt beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from watcher.errors import Fault

FILES = sorted((Path(__file__).parent / "invalid").glob("*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_fault_is_reported_at_once_with_its_place(file: Path, faults: Callable[..., list[Fault]]) -> None:
    expected = file.with_suffix(".txt").read_text(encoding="utf-8")
    assert "".join(f"{fault}\n" for fault in faults(file.read_bytes())) == expected


def test_every_expectation_has_its_file() -> None:
    assert {file.stem for file in FILES} == {file.stem for file in FILES[0].parent.glob("*.txt")}


@pytest.mark.parametrize(
    ("environ", "profiles", "state", "known"),
    [
        ({}, {}, "dynamodb://watcher", False),
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, {}, "dynamodb://watcher", True),
        ({}, {"default": "eu-west-1"}, "dynamodb://watcher", True),
        ({}, {}, "dynamodb://watcher?region=eu-west-1", True),
        ({}, {}, "sqlite:///watcher.db", True),
    ],
)
def test_a_table_is_in_a_region(
    faults: Callable[..., list[Fault]], environ: dict[str, str], profiles: dict[str, str], state: str, *, known: bool
) -> None:
    text = f"state: {state}\nstacks: [{{name: a, region: us-east-1}}]"
    found = [str(fault) for fault in faults(text, environ, **profiles)]
    wrong = "watcher.yaml:1:8: state: the region of the table is not known; add ?region=…, or set AWS_REGION"
    assert found == ([] if known else [wrong])
