"""Performs a Dockerfile without a container engine: its steps in a folder, as users other than root; and runs it.

The folder stands for the root of the image's file system: every absolute path of the Dockerfile is taken below it, and
what a stage made moves away when the next begins, so that only what is copied is there. The base image's Python is this
machine's.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.dockerfile import DEPLOY, Instruction, Stage, ignored, stages

if TYPE_CHECKING:
    from collections.abc import Iterator

BUILDER = 65531
"""Stands for the image's root, who installs; the image's own user comes from its USER."""


class Users:
    """Whether there may be other users here: root can be anybody, anybody else is only themselves."""

    def __init__(self) -> None:
        self.many = os.getuid() == 0

    def process(self, number: int) -> dict[str, Any]:
        """What makes a child process theirs."""
        return {"user": number, "group": number, "extra_groups": []} if self.many else {}

    def give(self, path: Path, number: int) -> None:
        """Make a folder theirs, with everything in it."""
        if self.many:
            for found in (path, *path.rglob("*")):
                os.chown(found, number, number, follow_symlinks=False)

    def python(self) -> str | None:
        """A Python that they may run, of a version that watcher runs on."""
        probe = "import sys, pip; sys.exit(sys.version_info < (3, 11))"
        candidates = [
            getattr(sys, "_base_executable", sys.executable),
            shutil.which("python3", path="/usr/local/bin:/usr/bin"),
        ]
        for candidate in filter(None, candidates):
            try:
                told = subprocess.run([candidate, "-c", probe], **self.process(BUILDER), env={}, cwd="/", check=False)
            except OSError:
                continue
            if told.returncode == 0:
                return str(candidate)
        return None


class Image:
    """What a Dockerfile makes, in a folder of its own: `perform` makes it, `start` runs it, `remove` ends it all."""

    def __init__(self, context: Path, python: str) -> None:
        self.context = context
        # A path that is short, for a shebang may not be long, and that other users can reach.
        self.folder = Path(tempfile.mkdtemp(prefix="image-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.root = self.folder / "root"
        self.users = Users()
        self.children: list[subprocess.Popen[bytes]] = []
        self._python = python
        self._ignore = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8")
        self._finished: dict[str, Path] = {}

    def perform(self, dockerfile: str) -> None:
        """Perform every stage, and take away all rights to write that the image does not give."""
        self.stages = stages(dockerfile)
        home, programs = self.folder / "home", self.folder / "bin"
        home.mkdir()
        programs.mkdir()
        (programs / "python").symlink_to(self._python)
        self.users.give(home, BUILDER)
        for number, stage in enumerate(self.stages):
            if number:
                before = self.stages[number - 1].name
                self._finished[before] = self.root.rename(self.folder / f"stage-{before}")
            self.root.mkdir()
            self.users.give(self.root, BUILDER)
            self._perform_stage(stage, {"HOME": str(home), "PATH": f"{programs}:/usr/bin:/bin"})
        # What another stage made is not in the image; if something still refers to it, that shall fail.
        for made in self._finished.values():
            shutil.rmtree(made)
        shutil.rmtree(home)
        self._make_read_only()

    @property
    def final(self) -> Stage:
        return self.stages[-1]

    @property
    def user(self) -> int:
        return int(self.final.last("USER").text.partition(":")[0])

    @property
    def volumes(self) -> list[Path]:
        return [self.below(path) for volume in self.final.of("VOLUME") for path in volume.words]

    def below(self, path: str) -> Path:
        """Where a path of the image is here."""
        return self.root / path.lstrip("/")

    def start(self, *command: str, out: Path, **environment: str) -> subprocess.Popen[bytes]:
        """Run the image's entry point, with `command` instead of its CMD, as its user; the log goes beside `out`."""
        entry, *words = self.final.last("ENTRYPOINT").words
        words += command or self.final.last("CMD").words
        with out.open("wb") as stdout, out.with_suffix(".log").open("wb") as stderr:
            child = subprocess.Popen(
                [self.below(entry), *words],
                cwd=self.below(self.final.last("WORKDIR").text),
                env={**self._environment(), **environment},
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                **self.users.process(self.user),
            )
        self.children.append(child)
        return child

    def healthy(self, port: int, **environment: str) -> int:
        """The exit code of the image's HEALTHCHECK, where the daemon had to listen at another port."""
        asked = Instruction("CMD", {}, self.final.last("HEALTHCHECK").text.removeprefix("CMD "))
        entry, *words = asked.words
        told = subprocess.run(
            [self.below(entry), *(word.replace("127.0.0.1:8080", f"127.0.0.1:{port}") for word in words)],
            env={**self._environment(), **environment},
            capture_output=True,
            check=False,
            **self.users.process(self.user),
        )
        return told.returncode

    def contents(self) -> dict[str, tuple[int, int, int]]:
        """Everything in the image outside its volumes, with its mode, size and time."""
        return {str(path): (found.st_mode, found.st_size, found.st_mtime_ns) for path, found in self._outside_volumes()}

    def remove(self) -> None:
        """End what runs, and remove everything."""
        for child in self.children:
            if child.poll() is None:
                child.kill()
            child.wait()
        for path, found in self._outside_volumes():
            if stat.S_ISDIR(found.st_mode):
                path.chmod(0o755)
        shutil.rmtree(self.folder)

    def _environment(self) -> dict[str, str]:
        """What ENV sets. There is no PATH: neither a shell nor anything else is found."""
        return {name: self._inside(value) for name, value in self.final.environment.items()}

    def _perform_stage(self, stage: Stage, outside: dict[str, str]) -> None:
        working, environment = self.root, {**_pip_settings(), **outside}
        for instruction in stage.instructions:
            if instruction.word == "WORKDIR":
                working = self.below(instruction.text)
                if not working.exists():
                    working.mkdir(parents=True)
                    self.users.give(self.root, BUILDER)
            elif instruction.word == "ENV":
                environment |= {word.partition("=")[0]: word.partition("=")[2] for word in instruction.words}
            elif instruction.word == "COPY":
                self._copy(instruction, working)
            elif instruction.word == "RUN":
                self._run(instruction, working, environment)
            else:
                assert instruction.word in {"LABEL", "VOLUME", "USER", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD"}

    def _run(self, instruction: Instruction, working: Path, environment: dict[str, str]) -> None:
        told = subprocess.run(
            ["/bin/sh", "-ec", self._inside(instruction.text)],
            cwd=working,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            **self.users.process(BUILDER),
        )
        assert told.returncode == 0, f"RUN {instruction.text}\n{told.stdout}{told.stderr}"

    def _copy(self, instruction: Instruction, working: Path) -> None:
        *sources, target = instruction.words
        place = self.below(target) if target.startswith("/") else working / target
        for source in sources:
            if "from" in instruction.flags:
                found = self._finished[instruction.flags["from"]] / source.lstrip("/")
            else:
                assert not ignored(self._ignore, source), f"COPY {source}: the context does not have it"
                found = self.context / source
            if found.is_dir():
                shutil.copytree(found, place, symlinks=True, dirs_exist_ok=True, ignore=self._left_out)
            else:
                goal = place / found.name if target.endswith("/") else place
                goal.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(found, goal)
        self.users.give(self.root if "from" not in instruction.flags else place, self._owner(instruction))

    def _left_out(self, folder: str, names: list[str]) -> set[str]:
        if not Path(folder).is_relative_to(self.context):
            return set()
        inside = Path(folder).relative_to(self.context)
        return {name for name in names if ignored(self._ignore, (inside / name).as_posix())}

    def _owner(self, instruction: Instruction) -> int:
        return int(instruction.flags.get("chown", str(BUILDER)).partition(":")[0])

    def _inside(self, text: str) -> str:
        """A text of the Dockerfile with its absolute paths below the folder."""
        return re.sub(r"(?<![\w.:/])/(?=\w)", f"{self.root}/", text)

    def _make_read_only(self) -> None:
        for path, found in [*self._outside_volumes()]:
            if not stat.S_ISLNK(found.st_mode):
                path.chmod(stat.S_IMODE(found.st_mode) & ~0o222)

    def _outside_volumes(self) -> Iterator[tuple[Path, os.stat_result]]:
        volumes = self.volumes
        for path in (self.root, *self.root.rglob("*")):
            if not any(path.is_relative_to(volume) for volume in volumes):
                yield path, path.lstat()


def _pip_settings() -> dict[str, str]:
    """Where this machine's pip finds packages; everything else of the environment stays outside."""
    passed = ("PIP_", "SSL_", "REQUESTS_", "HTTP_", "HTTPS_", "NO_PROXY", "http_", "https_", "no_proxy")
    return {name: value for name, value in os.environ.items() if name.startswith(passed)}
