"""`mute`, `mutes`, `unmute` and `ack` as they are installed, beside a daemon that is killed between any two of them."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from tests.acceptance.conftest import NETWORK
from tests.support.simulator import attempt
from tests.support.waiting import PATIENCE, until
from watcher.core.model import FAILED, SUCCEEDED

if TYPE_CHECKING:
    from tests.support.emulators import Emulator
    from tests.support.installed_command import Child, Site
    from tests.support.simulator import Simulator

T = 1_795_420_800.0
TOKEN = "only-for-writing-4711"


async def said(site: Site, *words: str) -> str:
    """What a command prints that succeeds."""
    code, printed, errors = await site.run(*words)
    assert code == 0, errors
    return printed


def events(*runs: Child) -> list[dict[str, Any]]:
    """The events that all runs of the daemon have printed, in order."""
    return [json.loads(line) for run in runs for line in run.delivered().splitlines()]


def types(*runs: Child) -> list[str]:
    return [event["type"] for event in events(*runs)]


def killed(child: Child) -> Child:
    child.end()
    return child


async def test_what_people_set_by_hand_survives_every_kill_and_holds_until_it_is_ended(
    site: Site, simulator: Simulator
) -> None:
    site.configure((NETWORK,), "sinks: [{name: out, type: stdout}]", "http: off")
    simulator.world.show(NETWORK, attempt(NETWORK, SUCCEEDED, T))
    first = site.start()
    await site.polled(first, 2)
    mute = (await said(site, "mute", "*/stack/*", "--for", "1h", "--reason", "a “plan”", "--by", "ada")).strip()
    await until(lambda: bool(first.logged("mute.created")), first.said)
    assert first.logged("mute.created")[0].items() >= {"mute": mute, "by": "ada", "reason": "a “plan”"}.items()

    killed(first)
    simulator.world.show(NETWORK, attempt(NETWORK, FAILED, T + 60))
    second = site.start()
    await until(lambda: any("muted" in event["data"] for event in site.kept()), second.said)
    (failure,) = (event for event in site.kept() if "muted" in event["data"])
    assert failure["type"] == "watcher.sync.failed"
    (listed,) = json.loads(await said(site, "mutes", "--json"))
    assert (listed["id"], listed["by"], listed["active"]) == (mute, "ada", True)
    code, _, error = await site.run("ack", "stack/network")
    assert (code, f"those that are open: {NETWORK.id}" in error) == (64, True), error
    assert failure["data"]["muted"] == {"reason": "a “plan”", "until": listed["until"]}
    route = await said(site, "route", "--type", "sync.failed", "--target", NETWORK.id)
    assert f"by the mute {mute} of ada" in " ".join(route.split())

    explained = " ".join((await said(site, "events", "explain", failure["id"])).split())
    assert f"by the mute {mute} of ada" in explained

    killed(second)
    await said(site, "unmute", mute, "--by", "bob")
    code, _, error = await site.run("unmute", mute)
    assert (code, f"the mute {mute} ended at" in error) == (64, True)
    assert types(first, second).count("watcher.sync.failed") == 0
    third = site.start()
    await until(lambda: "watcher.sync.failed" in types(third), third.said)
    explained = await said(site, "events", "explain", failure["id"])
    assert "the problem outlasted its mute" in explained
    (past,) = json.loads(await said(site, "mutes", "--all", "--json"))
    assert (past["ended_by"], past["active"]) == ("bob", False)
    code, _, error = await site.run("mute", "network", "--for", "1ms", "--reason", "a part of an id")
    assert (code, "a GLOB must match the whole of an id" in error) == (0, True), error

    assert (await said(site, "ack", failure["id"], "--by", "ada", "--note", "mine")).strip() == NETWORK.id
    killed(third)
    fourth = site.start()
    (target,) = json.loads(await said(site, "status", "--json"))["targets"]
    assert target["incident"]["acknowledged"].items() >= {"by": "ada", "note": "mine"}.items()
    simulator.world.show(NETWORK, attempt(NETWORK, SUCCEEDED, T + 120))
    await until(lambda: "watcher.sync.succeeded" in types(fourth), fourth.said)
    assert types(first, second, third, fourth).count("watcher.sync.failed") == 1
    code, _, error = await site.run("ack", failure["id"])
    assert (code, "belongs to no open incident" in error) == (64, True)
    assert await fourth.stopped() == 0


async def test_over_http_a_mute_ends_by_itself_and_an_acknowledgement_ends_the_reminders(
    site: Site, simulator: Simulator
) -> None:
    out = "sinks: [{name: out, type: stdout, remind_every: 300ms}]"
    site.configure((NETWORK,), out, f"http: {{listen: '127.0.0.1:0', write_token: {TOKEN}}}")
    simulator.world.show(NETWORK, attempt(NETWORK, SUCCEEDED, T))
    daemon = site.start()
    await until(lambda: daemon.logged("http.started"), daemon.said)
    url = str(daemon.logged("http.started")[0]["url"])
    await site.polled(daemon, 2)
    async with aiohttp.ClientSession(url) as http:

        async def post(path: str, body: object, token: str = TOKEN) -> tuple[int, Any]:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            async with http.post(path, json=body, headers=headers) as answer:
                return answer.status, await answer.json()

        mute = {"targets": ["*"], "for": "6s", "reason": "plan", "by": "ada"}
        for wrong in ("", TOKEN[:-1]):
            assert (await post("/api/mutes", mute, wrong))[0] == 401
        assert json.loads(await said(site, "mutes", "--json")) == []
        status, made = await post("/api/mutes", mute)
        assert status == 201, made
        simulator.world.show(NETWORK, attempt(NETWORK, FAILED, T + 60))

        def failures() -> list[dict[str, Any]]:
            return [event for event in events(daemon) if event["type"] == "watcher.sync.failed"]

        await until(lambda: any("reminder" in event for event in failures()), daemon.said)
        (sent,) = (event for event in failures() if "reminder" not in event)
        assert sent["data"]["muted"] == {"reason": "plan", "until": made["until"]}
        assert daemon.logged("mute.ended")[0]["timestamp"] >= made["until"][:19], "not before it ended"
        incident = sent["data"]["incident"]["id"]
        assert (await post(f"/api/incidents/{incident}/ack", {"by": "ada"}, ""))[0] == 401
        assert (await post(f"/api/incidents/{incident}/ack", {"by": "ada"}))[0] == 200
    await site.polled(daemon, 5)
    reminded = len(failures())
    await site.polled(daemon, 20)  # seven times as long as it takes to be reminded
    assert len(failures()) == reminded
    simulator.world.show(NETWORK, attempt(NETWORK, SUCCEEDED, T + 120))
    await until(lambda: events(daemon)[-1]["type"] == "watcher.sync.succeeded", daemon.said)
    assert await daemon.stopped() == 0
    assert sum("reminder" not in event for event in failures()) == 1


@pytest.mark.soak
async def test_two_daemons_of_a_table_follow_and_send_what_a_mute_held_back_once(
    site: Site, simulator: Simulator, ministack: Emulator
) -> None:
    """Each daemon is killed in turn; whichever polls the target knows of the mute and of the acknowledgement."""
    table = f"dynamodb://{ministack.name()}?region=us-east-1&endpoint_url={ministack.url}&term=3s"
    site.configure((NETWORK,), "sinks: [{name: out, type: stdout}]", "http: off", f"state: {table}")
    site.environment["AWS_ACCESS_KEY_ID"] = "test"
    await said(site, "state", "init")
    simulator.world.show(NETWORK, attempt(NETWORK, SUCCEEDED, T))
    runs = [site.start(), site.start()]
    await until(lambda: any(run.logged("sync.changed") for run in runs), runs[0].said)
    mute = (await said(site, "mute", "*/stack/*", "--for", "1h", "--reason", "plan", "--by", "ada")).strip()
    made = time.monotonic()
    await until(lambda: all(run.logged("mute.created") for run in runs), runs[0].said)
    assert time.monotonic() - made < 5

    async def recorded() -> int:
        """How many failures are recorded."""
        return (await said(site, "events", "--json", "--type", "sync.failed")).count("\n")

    for number in (1, 2):
        simulator.world.show(NETWORK, attempt(NETWORK, FAILED, T + 60 * number))
        async with asyncio.timeout(PATIENCE):
            while await recorded() < number:
                pass
        killed(runs[-number])
        runs.append(site.start())
    await said(site, "unmute", mute)
    await until(lambda: "watcher.sync.failed" in types(*runs), runs[-1].said)
    await said(site, "ack", "*/stack/*", "--by", "ada")
    await until(lambda: any(run.logged("incident.acknowledged") for run in runs[2:]), runs[-1].said)
    killed(runs[2])
    simulator.world.show(NETWORK, attempt(NETWORK, SUCCEEDED, T + 300))
    await until(lambda: types(*runs).count("watcher.sync.succeeded") == 2, runs[-1].said)
    assert types(*runs).count("watcher.sync.failed") == 1


async def test_wrong_usage_says_what_to_write(site: Site) -> None:
    site.configure((NETWORK,))
    for words, message in (
        (("mute", "*", "--reason", "x"), "Missing option '--for'"),
        (("mute", "*", "--for", "2h"), "Missing option '--reason'"),
        (("mute", "--for", "2h", "--reason", "x"), "Missing argument 'GLOB...'"),
        (("mute", "*", "--for", "2", "--reason", "x"), "2 has no unit"),
        (("mute", "*", "--for", "2h", "--reason", " "), "this must not be empty"),
        (("mute", "*", "--for", "2h", "--reason", "x", "--events", "sync.faild"), "matches no event type"),
        (("mute", "[", "--for", "2h", "--reason", "x"), "an opening [ that no ] closes"),
        (("unmute", "none", "--by", "a\nb"), "a single line"),
        (("ack", ""), "this must not be empty"),
    ):
        code, printed, error = await site.run(*words)
        assert (code, printed) == (64, ""), error
        assert message in error
    assert not site.state.exists()


@pytest.mark.parametrize("command", ["unmute", "ack"])
async def test_an_id_that_does_not_exist_is_wrong_usage(site: Site, simulator: Simulator, command: str) -> None:
    site.configure((NETWORK,))
    simulator.world.show(NETWORK, attempt(NETWORK, SUCCEEDED, T))
    daemon = site.start()
    await site.polled(daemon)
    code, printed, error = await site.run(command, "none")
    assert (code, printed) == (64, "")
    assert "there is no open incident" in error or "with the ID none" in error
