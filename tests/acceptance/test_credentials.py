"""Credentials of a daemon in its own process: corrected, hanging, refused, and late."""

from __future__ import annotations

import signal
import subprocess
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from tests.acceptance.conftest import NETWORK
from tests.support.installed_command import SECRET
from tests.support.processes import alive
from tests.support.simulator import Simulator, attempt
from tests.support.waiting import until
from watcher.aws import credential_process
from watcher.core.model import SUCCEEDED
from watcher.errors import EndpointUnreadable
from watcher.simulator.scenario import Role, Scenario
from watcher.sources.codeconnections import stack

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acceptance.conftest import Places
    from tests.support.dynamodb_tables import Tables
    from tests.support.emulators import Faulty
    from tests.support.installed_command import Site

T = 1_795_420_800.0
ROLE = "arn:aws:iam::111122223333:role/watcher"


def helper(site: Site, text: str, name: str = "helper") -> Path:
    """The profile `team` has this script as its `credential_process`; returns the file in which it writes its id."""
    script, pids = site.folder / name, site.folder / "pids"
    script.write_text(f"#!/bin/sh\necho $$ >> {pids}\n{text}\n")
    script.chmod(0o755)
    pids.touch()
    config = site.folder / "aws-config"
    config.write_text(f"[profile team]\ncredential_process = {script}\n")
    site.environment["AWS_CONFIG_FILE"] = str(config)
    site.configure((NETWORK,), "accounts: [{name: default, profile: team}]")
    return pids


def printing(key: str) -> str:
    return f"""echo '{{"Version": 1, "AccessKeyId": "{key}", "SecretAccessKey": "{SECRET}"}}'"""


async def test_sighup_loads_credentials_again_and_no_command_outlives_the_daemon(
    site: Site, simulator: Simulator
) -> None:
    simulator.world.show(NETWORK, attempt(NETWORK, SUCCEEDED, T))
    helper(site, printing("first"))
    child = site.start()
    await until(lambda: simulator.calls and simulator.calls[-1].access_key == "first", child.said)
    helper(site, printing("second"), "other")
    child.signal(signal.SIGHUP)
    await until(lambda: simulator.calls[-1].access_key == "second", child.said)
    pids = helper(site, "sleep 600 & wait")
    known = len(pids.read_text())
    child.signal(signal.SIGHUP)
    await until(lambda: len(pids.read_text()) > known and alive(pids), child.said)
    assert await child.stopped() == 0
    await until(lambda: not alive(pids), "the end of every command")


@pytest.mark.parametrize("known", [True, False])
async def test_a_daemon_that_ends_at_once_kills_what_it_started(site: Site, *, known: bool) -> None:
    """Also what it is starting at this moment."""
    pids = helper(site, "sleep 600 & wait")
    pipes = dict.fromkeys(("stdout", "stderr"), subprocess.PIPE)
    process = await credential_process.start("team", str(site.folder / "helper"), **pipes)
    await until(lambda: alive(pids), "the command")
    if not known:
        credential_process._groups.clear()
    credential_process.kill_all()
    await until(lambda: not alive(pids), "its end")
    with pytest.raises(EndpointUnreadable, match="ended with -9"):
        await process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
async def test_a_command_that_a_signal_ends_leaves_no_process(site: Site, number: signal.Signals) -> None:
    pids = helper(site, "sleep 600 & echo $! >> $0.pids; sleep 600")
    site.environment |= {"AWS_PROFILE": "team", "AWS_ACCESS_KEY_ID": ""}
    site.configure((NETWORK,), "state: 'dynamodb://watcher'")
    children = site.folder / "helper.pids"
    children.touch()
    child = site.start("status")
    await until(lambda: alive(children), child.said)
    child.signal(number)
    assert await child.ended() == -number
    await until(lambda: not alive(pids) and not alive(children), "the end of every process")


@pytest.mark.parametrize("command", [("status", "--json"), ("state", "init")], ids=" ".join)
async def test_a_command_that_reads_a_table_without_credentials_prints_one_sentence(
    site: Site, command: tuple[str, ...]
) -> None:
    helper(site, "echo 'no session' >&2; exit 4")
    site.environment |= {"AWS_PROFILE": "team", "AWS_ACCESS_KEY_ID": ""}
    site.configure((NETWORK,), "state: 'dynamodb://watcher'")
    code, out, said = await site.run(*command)
    assert (code, out) == (73, "")
    assert len(said.splitlines()) == 1
    assert "profile 'team': its credential_process" in said
    assert said.endswith("ended with 4: no session\n")


async def test_accounts_that_sts_refuses_are_a_few_lines_without_a_traceback(places: Places) -> None:
    simulator = Simulator(Scenario("roles", roles=(Role(ROLE, "the-external-id"),)))
    await simulator.start()
    try:
        site = places(simulator)
        site.environment["AWS_ENDPOINT_URL_STS"] = simulator.url
        rows = ", ".join(f"{{name: a{n}, role_arn: '{ROLE}', external_id: another}}" for n in range(6))
        targets = "\n".join(f"  - {{name: network, account: a{n}}}" for n in range(6))
        site.configure((), f"accounts: [{rows}]", f"stacks:\n{targets}")
        child = site.start()
        await until(lambda: child.printed().count(b"endpoint.unreadable") == 6, child.said)
        asked = len(simulator.calls)
        await until(lambda: len(simulator.calls) > asked + 18, "probes")
        assert await child.stopped() == 0
        # Of each account its first failed poll and its endpoint; nothing of the library, which raises the error, too.
        lines = child.said().splitlines()
        assert not [line for line in lines if '"logger"' in line]
        assert len(lines) <= 2 * 6 + 10
        assert "Traceback" not in child.said()
    finally:
        await simulator.stop()


async def test_a_role_of_a_profile_without_a_region_is_assumed_in_the_accounts(places: Places) -> None:
    simulator = Simulator(Scenario("roles", roles=(Role(ROLE, "the-external-id"),)))
    await simulator.start()
    try:
        site = places(simulator)
        site.environment |= {"AWS_ENDPOINT_URL_STS": simulator.url, "AWS_CONFIG_FILE": str(site.folder / "aws-config")}
        del site.environment["AWS_REGION"]
        (site.folder / "aws-config").write_text(
            f"[profile team]\nrole_arn = {ROLE}\nexternal_id = the-external-id\nsource_profile = base\n"
            "[profile base]\naws_access_key_id = base\naws_secret_access_key = a\n"
        )
        target = stack("default", "eu-west-1", "network")
        simulator.world.show(target, attempt(target, SUCCEEDED, T))
        site.configure((target,), "accounts: [{name: default, profile: team, regions: [eu-west-1]}]")
        code, out, said = await site.run("check")
        assert (code, "SUCCEEDED" in out) == (0, True), said
    finally:
        await simulator.stop()


async def test_a_start_waits_for_the_credentials_of_its_table(
    places: Places, simulator: Simulator, tables: Tables, faulty: Faulty
) -> None:
    """The container's credentials server answers 500 to the first try of botocore's, three requests."""
    asked = []

    async def credentials(_: web.Request) -> web.Response:
        asked.append(1)
        if len(asked) <= 3:
            return web.Response(status=500)
        expiration = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        keys = {"AccessKeyId": "late", "SecretAccessKey": SECRET, "Token": "t", "Expiration": expiration}
        return web.json_response(keys)

    site, table = places(simulator), await tables()
    simulator.world.show(NETWORK, attempt(NETWORK, SUCCEEDED, T))
    site.environment |= {"AWS_CONTAINER_CREDENTIALS_FULL_URI": await faulty(credentials), "AWS_ACCESS_KEY_ID": ""}
    site.configure([NETWORK], f"state: 'dynamodb://{table.table}?endpoint_url={table.endpoint_url}&leases=off'")
    child = site.start()
    await until(lambda: b"sync.succeeded" in child.printed() or not child.running, child.said)
    assert await child.stopped() == 0, child.said()
    waited = child.logged("store.unavailable")
    assert len({line["error"] for line in waited}) == len(waited) > 0, "each reason once"
    # On a busy machine a look for credentials may also take longer than it may.
    assert all("could not be called: Credential" in line["error"] for line in waited), waited
