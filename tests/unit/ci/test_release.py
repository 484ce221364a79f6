"""A tag is released only when it is the version and the changelog tells of it."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.ci.workflows import GITHUB

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = GITHUB / "release.py"
PROJECT = '[project]\nversion = "1.2.3"\n'
CHANGELOG = """# Changelog

## 1.2.30 (2027-03-01)

- Another.

## 1.2.3 (2027-02-01)

- What is new.
- What is mended.

## 1.2.2 (2027-01-01)

- Old.
"""


@pytest.fixture(scope="module")
def release() -> Any:
    spec = importlib.util.spec_from_file_location("release", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(root: Path, tag: str, project: str = PROJECT) -> subprocess.CompletedProcess[str]:
    """Run the script itself in a repository of its own."""
    (root / ".github").mkdir()
    shutil.copy(SCRIPT, root / ".github")
    (root / "pyproject.toml").write_text(project, encoding="utf-8")
    (root / "CHANGELOG.md").write_text(CHANGELOG, encoding="utf-8")
    command = [sys.executable, root / ".github" / "release.py", tag]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)


@pytest.mark.parametrize(
    ("version", "notes"), [("1.2.3", "- What is new.\n- What is mended.\n"), ("1.2.2", "- Old.\n")]
)
def test_the_notes_are_the_section_of_the_version(release: Any, version: str, notes: str) -> None:
    assert release.notes(f"v{version}", PROJECT.replace("1.2.3", version), CHANGELOG) == notes


@pytest.mark.parametrize(
    ("tag", "project", "changelog", "said"),
    [
        ("v1.2.4", PROJECT, CHANGELOG, "the tag is v1.2.4, but pyproject.toml has the version 1.2.3"),
        ("1.2.3", PROJECT, CHANGELOG, "the tag is 1.2.3, but"),
        ("v1x2.3", PROJECT, CHANGELOG, "the tag is v1x2.3, but"),
        ("v1.2", PROJECT.replace("1.2.3", "1.2"), CHANGELOG, "no section `## 1.2`"),
        ("v1.2.3", PROJECT, CHANGELOG.replace("1.2.3 (2027-02-01)", "1.2.3 (unreleased)"), "calls 1.2.3 unreleased"),
        ("v1.2.3", PROJECT, CHANGELOG.replace("- What is new.\n- What is mended.\n", ""), "says nothing about 1.2.3"),
    ],
)
def test_what_is_not_ready_is_refused_with_what_to_do(
    release: Any, tag: str, project: str, changelog: str, said: str
) -> None:
    with pytest.raises(release.NotReadyError, match=said.replace("(", r"\(")):
        release.notes(tag, project, changelog)


def test_the_script_prints_the_notes_and_nothing_else(tmp_path: Path) -> None:
    done = run(tmp_path, "v1.2.3")
    assert (done.returncode, done.stdout, done.stderr) == (0, "- What is new.\n- What is mended.\n", "")


def test_the_script_refuses_without_a_traceback(tmp_path: Path) -> None:
    done = run(tmp_path, "v9")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("not to be released: the tag is v9, but")
    assert done.stderr.count("\n") == 1
