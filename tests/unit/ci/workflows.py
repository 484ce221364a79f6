"""The rules that every GitHub workflow here keeps, so that neither a stranger's change nor a moved tag can do harm."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

GITHUB = Path(__file__).parents[3] / ".github"
FILES = sorted((GITHUB / "workflows").glob("*.y*ml"))

TRIGGERS = {"push", "pull_request", "workflow_call"}
"""`pull_request_target`, `workflow_run`, `issue_comment` have the repository's rights, and a stranger's words."""
RUNNERS = {"ubuntu-24.04"}
OWN = re.compile(r"\./\.github/workflows/[\w-]+\.yaml")
PINNED = re.compile(r"[\w-]+/[\w./-]+@[0-9a-f]{40}")
USES = re.compile(r"(?m)^\s*-?\s*uses:\s*(\S+)(.*)$")
VERSION = re.compile(r"\s#\sv\d+\.\d+\.\d+")
SECRETS = re.compile(r"\bsecrets\.(\w+)")


def faults(text: str) -> list[str]:
    """What a workflow does that none may."""
    workflow = yaml.safe_load(text)
    triggers = set(workflow.get("on", workflow.get(True)))  # YAML 1.1 reads `on` as true
    said = [f"is started by {trigger}" for trigger in sorted(triggers - TRIGGERS)]
    if workflow.get("permissions") != {}:
        said.append("does not begin with no permission at all")
    if "group" not in workflow.get("concurrency", {}):
        said.append("may run twice at once")
    said += [f"is given the secret {name}" for name in SECRETS.findall(text) if name != "GITHUB_TOKEN"]
    said += [f"pins {reference} without naming its version" for reference in _nameless(text)]
    for name, job in workflow["jobs"].items():
        said += [f"{name}: {fault}" for fault in _job_faults(job, triggers)]
    return said


def pins(text: str) -> dict[str, tuple[str, str]]:
    """Commit and version of each action that a workflow uses."""
    found = ([*reference.split("@"), comment] for reference, comment in USES.findall(text) if "@" in reference)
    return {action: (commit, comment.strip()) for action, commit, comment in found}


def scripts(text: str) -> list[str]:
    """What a workflow runs."""
    jobs = yaml.safe_load(text)["jobs"].values()
    return [step["run"] for job in jobs for step in job.get("steps", []) if "run" in step]


def _nameless(text: str) -> Iterator[str]:
    for reference, comment in USES.findall(text):
        if not OWN.fullmatch(reference) and not VERSION.fullmatch(comment):
            yield reference


def _job_faults(job: Mapping[str, Any], triggers: set[str]) -> Iterator[str]:
    permissions = job.get("permissions")
    if not isinstance(permissions, dict):
        yield "does not name its permissions"
    elif "write" in permissions.values() and "pull_request" in triggers and not _only_pushed(job):
        yield "may write for a pull request"
    if job.get("secrets") == "inherit":
        yield "is given every secret"
    if "uses" in job:
        yield from _reference_faults(job["uses"])
        return
    if job.get("runs-on") not in RUNNERS:
        yield f"runs on {job.get('runs-on')}"
    if not isinstance(job.get("timeout-minutes"), int):
        yield "has no time limit"
    for step in job["steps"]:
        yield from _step_faults(step)


def _only_pushed(job: Mapping[str, Any]) -> bool:
    """For a called workflow the event is the caller's."""
    return str(job.get("if", "")).startswith("github.event_name == 'push' &&")


def _step_faults(step: Mapping[str, Any]) -> Iterator[str]:
    if "${{" in step.get("run", ""):
        yield f"puts an expression into a script, where it is run: {step['run']}"
    if "uses" in step:
        yield from _reference_faults(step["uses"])
        if (
            step["uses"].startswith("actions/checkout@")
            and step.get("with", {}).get("persist-credentials") is not False
        ):
            yield "leaves the token in the checkout"


def _reference_faults(reference: str) -> Iterator[str]:
    if not OWN.fullmatch(reference) and not PINNED.fullmatch(reference):
        yield f"uses {reference}, which may change"
