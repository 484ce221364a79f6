"""The command that resolves a blocker is what a shell passes to `aws`, whatever AWS sent as its id."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

import pytest

from tests.support.event_samples import INSTANCE, NETWORK, blocker, outage, sync
from watcher.messages.blockers import resolve_command

if TYPE_CHECKING:
    from watcher.core.events import Event

REASON = ["--resolved-reason", "what was fixed"]
STACK = ["--sync-type", "CFN_STACK_SYNC", "--resource-name", "network", *REASON, "--region", "us-east-1"]


def command(event: Event) -> str:
    return resolve_command(json.loads(event.body))


@pytest.mark.parametrize("id_", ["b-1", "b 1", "'; rm -rf ~ #", "$(reboot)", "`reboot`", '"', "{name}", "-1"])
def test_a_shell_reads_the_id_as_one_argument(id_: str) -> None:
    said = command(blocker(id_, target=NETWORK))
    assert shlex.split(said) == ["aws", "codeconnections", "update-sync-blocker", "--id", id_, *STACK]
    assert "\n" not in said


def test_the_id_is_one_line_of_bounded_length() -> None:
    (_, _, _, _, id_, *_) = shlex.split(command(blocker("a\nb\x1b[31m" + "c" * 4_000)))
    assert id_.startswith("a b")
    assert len(id_) <= 128


def test_a_service_instances_blocker_is_resolved_by_its_id_alone() -> None:
    said = shlex.split(command(blocker("b-1", target=INSTANCE)))
    assert said == ["aws", "proton", "update-service-sync-blocker", "--id", "b-1", *REASON, "--region", "eu-west-1"]


def test_nothing_else_has_a_command() -> None:
    assert [command(event) for event in (blocker(over=True), sync(), outage(NETWORK))] == ["", "", ""]
