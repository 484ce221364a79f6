"""The image works: the Dockerfile's steps are performed in a folder, and `deploy/compose.yaml`'s services run from it.

There is no container here: the base image's Python is this machine's, and a tree without rights to write stands for a
read-only root. What the steps are, and who runs what from where, is read from the Dockerfile.
"""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.acceptance.building import Image, Users
from tests.support.dockerfile import DEPLOY
from tests.support.ports import unused_port
from tests.support.waiting import PATIENCE, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.soak  # most of its time is pip's

COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))["services"]


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    python = Users().python()
    if python is None:
        pytest.skip("no Python here (3.11 or later, with pip) that another user than root may run")
    made = Image(DEPLOY.parent, python)
    try:
        made.perform((DEPLOY / "Dockerfile").read_text(encoding="utf-8"))
        yield made
    finally:
        made.remove()


def replaced(text: str, old: str, new: str) -> str:
    assert old in text, f"{old} is no more in deploy/compose"
    return text.replace(old, new)


def events(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.read_bytes().split(b"\n")[:-1]]


def run(image: Image, *command: str) -> subprocess.CompletedProcess[str]:
    """Any command in the image, as its user."""
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env={}, **image.users.process(image.user)
    )


async def test_compose_s_services_run_from_the_read_only_image_as_nobody_to_the_first_event_and_a_good_end(
    image: Image, tmp_path: Path
) -> None:
    before = image.contents()
    aws_port, http_port = unused_port(), unused_port()
    config = (DEPLOY / "compose" / "watcher.yaml").read_text(encoding="utf-8")
    config = replaced(config, "http://127.0.0.1:4599", f"http://127.0.0.1:{aws_port}")
    config = replaced(config, "0.0.0.0:8080", f"127.0.0.1:{http_port}")
    state = image.volumes[0] / "watcher.db"
    config = replaced(config, "sqlite:////var/lib/watcher/watcher.db", f"sqlite:///{state}")
    environment = {name: str(value) for name, value in COMPOSE["watcher"]["environment"].items() if "AWS" in name}
    environment |= {"WATCHER_CONFIG_YAML": config, "WATCHER_TOKEN": "a-token-of-the-environment-4711"}

    stand_in = [str(aws_port) if word == "4599" else word for word in COMPOSE["aws"]["command"]]
    aws_out, out = tmp_path / "aws.out", tmp_path / "watcher.out"
    aws = image.start(*stand_in, out=aws_out)
    await until(lambda: b"listens at" in aws_out.read_bytes() or aws.poll() is not None, "the stand-in for AWS")
    watcher = image.start(out=out, **environment)
    log = out.with_suffix(".log")
    await until(lambda: events(out) or watcher.poll() is not None, "an event")

    assert events(out), log.read_text()
    assert events(out)[0]["type"].startswith("watcher.sync.")
    assert state.stat().st_uid == (image.user if image.users.many else os.getuid())
    await until(
        lambda: image.healthy(http_port, **environment) == 0 or watcher.poll() is not None, "the daemon's health"
    )
    assert watcher.poll() is None, log.read_text()

    watcher.terminate()
    assert watcher.wait(PATIENCE) == 0, log.read_text()
    assert image.healthy(http_port, **environment) == 1
    aws.terminate()
    assert aws.wait(PATIENCE) == 0
    assert image.contents() == before
    assert "4711" not in log.read_text()


def test_the_image_is_not_its_users_to_change(image: Image) -> None:
    place = image.below("/opt/watcher/bin/python").parent
    told = run(image, str(place / "python"), "-c", f"open({str(place / 'more')!r}, 'w')")
    assert (told.returncode, "PermissionError" in told.stderr) == (1, True)


def test_the_image_has_what_every_sink_and_tracing_needs_and_nothing_that_builds(image: Image) -> None:
    python = str(image.below("/opt/watcher/bin/python"))
    assert run(image, python, "-c", "import apprise, opentelemetry.sdk, watcher.sinks.notify").returncode == 0
    for absent in ("pip", "hatchling", "pytest"):
        told = run(image, python, "-c", f"import {absent}")
        assert "ModuleNotFoundError" in told.stderr, absent


def test_the_image_has_every_file_of_the_package(image: Image) -> None:
    def files(folder: Path) -> set[str]:
        found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
        return {path.as_posix() for path in found if "__pycache__" not in path.parts}

    (installed,) = image.below("/opt/watcher/lib").glob("python3.*/site-packages/watcher")
    assert files(installed) == files(image.context / "watcher") - {"README.md"}  # for people who change the code


def test_the_code_is_compiled_beforehand_for_it_cannot_be_later(image: Image) -> None:
    packages = next(image.below("/opt/watcher/lib").glob("python3.*/site-packages"))
    sources = list((packages / "watcher").rglob("*.py"))
    assert sources
    for source in sources:
        assert list((source.parent / "__pycache__").glob(f"{source.stem}.*.pyc")), source


def test_the_entry_point_is_started_by_python_and_not_by_a_shell(image: Image) -> None:
    entry = image.below(image.final.last("ENTRYPOINT").words[0])
    assert entry.read_text(encoding="utf-8").splitlines()[0] == f"#!{image.below('/opt/watcher/bin/python')}"
