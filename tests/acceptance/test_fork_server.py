"""A command that was started by fork does what the installed command does."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.conftest import NETWORK

if TYPE_CHECKING:
    from tests.support.installed_command import Site


@pytest.mark.parametrize("command", [("--help",), ("validate",), ("schema",), ("validate", "--nonsense"), ("events",)])
async def test_it_prints_the_same_and_ends_with_the_same_code(site: Site, command: tuple[str, ...]) -> None:
    site.configure([NETWORK])
    forked = await site.run(*command)
    site.forks = False
    assert forked == await site.run(*command)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGKILL, -signal.SIGKILL)])
async def test_it_gets_signals_and_has_an_environment_of_its_own(site: Site, number: signal.Signals, code: int) -> None:
    site.configure([NETWORK])
    child = site.start(environment={"AWS_REGION": "us-east-1"})
    await site.polled(child)
    child.signal(number)
    assert child.process.wait() == code
    assert child.process.returncode == code
    assert {call.access_key for call in site.calls()} == {child.key}
