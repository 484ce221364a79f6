"""Configurations for one reload after the other: chosen ones, and random ones, valid and invalid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.benchmarks.worlds import REGION

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from random import Random

    from watcher.core.model import Target

VOLATILE = 30
"""Targets that come and go, and a few are watched through a second account now and then."""

WRONG = ("stakcs: []", "unreadable_after: often", "mute: [{targets: [}]", "\tstate: memory://")
HTTP = ("off", "{listen: 127.0.0.1:0}", "{listen: 127.0.0.1:0, token: a-token-of-mine}")


@dataclass(frozen=True)
class Edit:
    """How one configuration differs from the plain one. `kept`: number of targets; `wrong`: a line that is invalid."""

    interval: float
    label: str = ""
    kept: int | None = None
    http: str = HTTP[1]
    region: str | None = None
    """Of the second account; None: there is none."""
    also: Sequence[str] = ()
    """Names of targets that are watched through it."""
    sinks: int = 0
    """How many there are beside `stdout`."""
    file: int = 1
    wrong: str = ""


@dataclass(frozen=True)
class Editor:
    """Writes configurations of these targets into a folder."""

    folder: Path
    targets: Sequence[Target]
    polls: float
    """Polls a second, unless the edit changes it; ten times as many are allowed."""
    aws: str
    hook: str = ""

    @property
    def file(self) -> Path:
        """The file of the configuration."""
        return self.folder / "watcher.yaml"

    @property
    def plain(self) -> Edit:
        """The plain configuration."""
        return Edit(len(self.targets) / self.polls)

    def any(self, chance: Random) -> Edit:
        """A random edit, invalid every third time."""
        another = chance.random() < 0.5
        return Edit(
            interval=self.plain.interval * chance.choice([0.8, 1.0]),
            label=chance.choice("ab"),
            kept=len(self.targets) - chance.randint(0, VOLATILE),
            http=chance.choice(HTTP),
            region=chance.choice(["us-east-1", "eu-west-1"]) if another else None,
            also=[_name(target) for target in chance.sample(self.targets, 5)] if another else [],
            sinks=chance.randint(0, 2),
            file=chance.randint(1, 2),
            wrong=chance.choice(WRONG) if chance.random() < 1 / 3 else "",
        )

    def write(self, edit: Edit) -> None:
        """Write the configuration to the file."""
        sinks = [
            f"  - {{name: lines, type: file, path: '{self.folder / 'lines'}', max_size: 1MiB, keep: {edit.file}}}",
            f"  - {{name: hook, type: webhook, url: '{self.hook}', allow_http: true, allow_private: true}}",
        ]
        account = "  - {{name: {}, regions: [{}], endpoint_url: '{}'}}"
        lines = [
            f"state: sqlite:///{self.folder / 'edited.db'}",
            f"http: {edit.http}",
            "accounts:",
            account.format("default", REGION, self.aws),
            *([account.format("other", edit.region, self.aws)] if edit.region else []),
            f"defaults: {{interval: {edit.interval * 1000:.0f}ms}}",
            f"rate_limit: {{requests_per_second: {10 * self.polls:g}}}",
            "sinks:",
            "  - {name: out, type: stdout}",
            *sinks[: edit.sinks],
            "stacks:",
            *(
                f"  - {{name: {_name(target)}, account: default, labels: {{x: '{edit.label}'}}}}"
                for target in self.targets[: edit.kept]
            ),
            *(f"  - {{name: {name}, account: other}}" for name in edit.also),
            edit.wrong,
        ]
        self.file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _name(target: Target) -> str:
    return dict(target.identity)["name"]
