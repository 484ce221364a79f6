"""Every command as it is installed: what it prints and its exit code."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sqlite3
import sys
import time
from typing import TYPE_CHECKING

import pytest
from jsonschema import Draft202012Validator

from tests.acceptance.conftest import NETWORK, WEB
from tests.support.installed_command import SECRET, Site
from tests.support.simulator import attempt
from tests.support.waiting import until
from watcher.core.event_schema import event_schema
from watcher.core.model import FAILED, IN_PROGRESS, SUCCEEDED
from watcher.sources import KINDS
from watcher.sources.codeconnections import stack

if TYPE_CHECKING:
    from tests.acceptance.conftest import Places
    from tests.support.installed_command import Child
    from tests.support.simulator import Simulator

T = 1_795_420_800.0
COMMANDS = (
    "run", "check", "discover", "validate", "status", "events", "events explain", "deliveries", "deliveries retry",
    "deliveries drop", "route", "test", "test-sink", "schema", "simulate", "demo",
)  # fmt: skip
EVENTS = Draft202012Validator(event_schema(KINDS))


@pytest.fixture
def alone(places: Places) -> Site:
    """A place without a stand-in for AWS."""
    site = places()
    site.configure((NETWORK, WEB))
    return site


WRONG = """\
templates:
  - {name: web, type: SERVICE, version: 2, intervall: 30s}
stacks:
  - {name: network, interval: 30}
"""


@pytest.mark.parametrize(
    "command",
    [
        "run", "validate", "status", "events", "events --config {} explain 1", "deliveries drop 1 --config {}",
        "route --type sync.failed --target a/b/stack/c", "test routing.yaml", "test-sink ops",
    ],
)  # fmt: skip
async def test_a_wrong_configuration_names_every_fault_with_its_place(alone: Site, command: str) -> None:
    """Wherever its file is named: a group's `--config` may stand before and after the subcommand."""
    wrong = alone.folder / "wrong.yaml"
    wrong.write_text(WRONG, encoding="utf-8")
    words = (command if "--config" in command else f"{command} --config {{}}").format(wrong).split()
    code, printed, said = await alone.run(*words)
    assert (code, printed) == (78, "")
    first, second = said.splitlines()
    assert first.startswith(f"{wrong}:2:44: templates[0].intervall: ")
    assert "did you mean 'interval'?" in first
    assert second.startswith(f"{wrong}:4:31: stacks[0].interval: ")


async def test_a_missing_configuration_is_named(alone: Site) -> None:
    code, _, said = await alone.run("validate", "--config", "nowhere.yaml")
    assert code == 78
    assert "nowhere.yaml" in said


@pytest.mark.parametrize(
    "arguments",
    [
        "--nope", "nope", "run --nope", "events --since 2x", "-x", "events nope", "events explain",
        "events --limit 1 explain 1", "deliveries drop", "deliveries --limit 0", "deliveries --sink out retry",
        "deliveries --dead drop 1", "test-sink", "test-sink nope",
    ],
)  # fmt: skip
async def test_wrong_usage_is_64(alone: Site, arguments: str) -> None:
    code, printed, said = await alone.run(*arguments.split())
    assert (code, printed) == (64, "")
    assert said


async def test_check_exits_with_3_on_any_error(alone: Site) -> None:
    assert (await alone.run("check", "--nope"))[0] == 3
    alone.config.write_text(WRONG, encoding="utf-8")
    assert (await alone.run("check"))[0] == 3


async def test_help_of_every_command_has_examples(alone: Site) -> None:
    for command in ((), *(tuple(name.split()) for name in COMMANDS)):
        code, printed, said = await alone.run(*command, "--help")
        assert (code, said) == (0, "")
        assert f"Usage: watcher {' '.join(command)}".strip() in printed
        assert "schema" in command or "Examples:" in printed, command


async def test_validate_shows_the_load(alone: Site) -> None:
    code, printed, _ = await alone.run("validate", "--json")
    assert code == 0
    told = json.loads(printed)
    assert told["targets"] == 2
    assert [(load["api"], load["requests_per_second"], load["allowed"]) for load in told["endpoints"]] == [
        ("codeconnections", 10, 500),
        ("proton", 10, 500),
    ]
    code, printed, _ = await alone.run("validate")
    assert code == 0
    assert "is valid: 2 targets." in printed
    assert (told["http"], "not served: `http` is off" in printed) == (None, True)


async def test_validate_warns_of_a_pager_that_is_better_served_by_a_sink_of_its_own(alone: Site) -> None:
    urls = f"['pagerduty://{'k' * 32}@{'a' * 20}', 'opsgenie://hush-hush-key', 'json://example.com']"
    alone.configure((NETWORK,), f"sinks: [{{name: pagers, type: notify, urls: {urls}}}]")
    code, printed, said = await alone.run("validate")
    warnings = [line for line in printed.splitlines() if line.startswith("Warning: ")]
    assert (code, said, len(warnings)) == (0, "", 2)
    assert warnings[0].startswith("Warning: sink pagers: pagerduty:// opens an alert for each event")
    assert "use a sink of type jsm" in warnings[1]
    assert "hush" not in printed
    code, printed, _ = await alone.run("validate", "--json")
    assert (code, len(json.loads(printed)["warnings"])) == (0, 2)


async def test_validate_shows_the_url_of_the_page_and_no_token(alone: Site) -> None:
    alone.configure((NETWORK,), "http: {listen: '[::1]:9090', token: a-token-of-mine}")
    for how in ((), ("--json",)):
        code, printed, said = await alone.run("validate", *how)
        assert (code, said) == (0, "")
        assert "http://[::1]:9090" in printed
        assert "a-token-of-mine" not in printed


async def test_schemas_are_json_schemas(alone: Site) -> None:
    for arguments in (("schema",), ("schema", "--event")):
        code, printed, _ = await alone.run(*arguments)
        assert code == 0
        Draft202012Validator.check_schema(json.loads(printed))


async def test_the_exit_code_of_check_is_that_of_the_worst_target(site: Site, simulator: Simulator) -> None:
    """0 all well, 1 stalled, 2 failed, 3 unreadable; 2 beats 3 beats 1."""
    gone = stack("default", "us-east-1", "gone")
    site.configure((NETWORK, WEB, gone))
    world = simulator.world
    for target in (NETWORK, WEB, gone):
        world.show(target, attempt(target, SUCCEEDED, T))
    assert await check(site) == (0, "ok", ["ok", "ok", "ok"])
    world.show(WEB, attempt(WEB, IN_PROGRESS, T - 86400))
    assert await check(site) == (1, "warning", ["warning", "ok", "ok"])
    world.remove(gone)
    assert await check(site) == (3, "unknown", ["warning", "ok", "unknown"])
    world.show(NETWORK, attempt(NETWORK, FAILED, T))
    assert await check(site) == (2, "critical", ["warning", "critical", "unknown"])
    code, printed, _ = await site.run("check")
    assert code == 2
    assert all(word in printed for word in ("STALLED", "FAILED", "UNREADABLE", "ResourceNotFoundException"))
    assert not site.state.exists()


async def check(site: Site) -> tuple[int, str, list[str]]:
    code, printed, _ = await site.run("check", "--json")
    told = json.loads(printed)
    return code, told["result"], [target["result"] for target in told["targets"]]


async def test_commands_on_deliveries_and_events_fail_when_there_is_no_state(alone: Site) -> None:
    commands = "deliveries", "deliveries retry", "deliveries drop 1", "events explain 1"
    for code, printed, said in await asyncio.gather(*(alone.run(*command.split()) for command in commands)):
        assert (code, printed) == (73, "")
        assert "there is no state yet" in said
    assert not alone.state.exists()


async def test_status_and_events_show_the_state_of_a_running_daemon(site: Site, simulator: Simulator) -> None:
    code, _, said = await look_before_the_start(site)
    assert code == 73
    assert "there is no state yet" in said
    simulator.world.show(NETWORK, attempt(NETWORK, SUCCEEDED, T))
    simulator.world.show(WEB, attempt(WEB, FAILED, T))
    daemon = site.start()
    await site.polled(daemon, 4)
    calls_of_others = len(site.calls()) - len(site.calls(daemon))

    told = json.loads((await site.run("status", "--json"))[1])
    assert {each["target"]["id"]: each["status"] for each in told["targets"]} == {
        NETWORK.id: SUCCEEDED,
        WEB.id: FAILED,
    }
    await until(lambda: marks(site), "the first mark")
    _, table, said = await site.run("status")
    first, _, _, worst, best = table.splitlines()
    assert first.startswith("1 failed, 1 succeeded; as of ")
    assert (worst.split()[0], best.split()[0], said) == ("FAILED", "SUCCEEDED", "")

    assert {event["type"] for event in await events(site)} == {"watcher.sync.succeeded", "watcher.sync.failed"}
    assert [event["subject"] for event in await events(site, "--target", "*/stack/*")] == [NETWORK.id]
    assert [event["subject"] for event in await events(site, "--type", "watcher.*.failed")] == [WEB.id]
    assert [event["subject"] for event in await events(site, "--type", "sync.failed")] == [WEB.id]
    assert len(await events(site, "--limit", "1")) == 1
    assert len(await events(site, "--since", "1h")) == 2
    assert await events(site, "--since", "1ms") == []
    assert [event["subject"] for event in await events(site, "--target", "network")] == [NETWORK.id]
    code, printed, said = await site.run("events", "--target", "netwrk", "--type", "sync.fialed")
    assert (code, printed) == (0, "")
    assert said == (
        "watcher: no recorded event matches; no event type matches --type 'watcher.sync.fialed'; no target in the "
        "configuration has an id or name that matches --target 'netwrk'\n"
    )
    code, printed, said = await site.run("deliveries", "--dead", "--json")
    assert (code, printed, said) == (0, "", "watcher: there are no dead letters\n")
    (failed,) = [line for line in (await site.run("events"))[1].splitlines() if "sync.failed" in line]
    event_id = failed.split()[4]
    code, printed, _ = await site.run("events", "explain", event_id)
    assert code == 0
    assert WEB.id in printed
    code, printed, said = await site.run("events", "explain", "0" * 32)
    assert (code, printed) == (64, "")
    assert "0" * 32 in said
    assert len(site.calls()) - len(site.calls(daemon)) == calls_of_others, "those who look call nobody"
    assert await daemon.stopped() == 0
    change(site, "UPDATE alive SET at = at - 660")
    code, table, said = await site.run("status")
    assert (code, table.splitlines()[0].endswith(" (11m ago)")) == (0, True)
    assert f"no daemon has updated sqlite:///{site.state} for 11m" in said
    code, printed, _ = await site.run("status", "--json")
    assert (code, json.loads(printed)["daemon_silent"]) == (0, True)


def marks(site: Site) -> list[tuple[float]]:
    return change(site, "SELECT at FROM alive")


def change(site: Site, sql: str) -> list[tuple[float]]:
    with contextlib.closing(sqlite3.connect(site.state)) as state, state:
        return state.execute(sql).fetchall()


async def look_before_the_start(site: Site) -> tuple[int, str, str]:
    site.configure((NETWORK, WEB))
    return await site.run("status")


async def events(site: Site, *arguments: str) -> list[dict[str, object]]:
    code, printed, _ = await site.run("events", "--json", *arguments)
    assert code == 0
    told = [json.loads(line) for line in printed.splitlines()]
    for event in told:
        EVENTS.validate(event)
    return told


async def test_events_follow_prints_new_events(site: Site, simulator: Simulator) -> None:
    site.configure((NETWORK,))
    simulator.world.show(NETWORK, attempt(NETWORK, SUCCEEDED, T))
    daemon = site.start()
    await until(daemon.printed, "the first event")
    following = site.start("events", "--follow", "--json")
    await lines(following, 1)
    for number in (1, 2, 3):
        simulator.world.show(NETWORK, attempt(NETWORK, FAILED, T + number))
        await lines(following, 1 + number)
    await lines(daemon, 4)  # what is recorded may be read before it is delivered
    assert following.printed() == daemon.printed()
    following.signal(signal.SIGINT)
    assert await following.ended() == 0
    assert await daemon.stopped() == 0


async def lines(child: Child, count: int) -> None:
    await until(lambda: child.printed().count(b"\n") == count, f"{count} lines")


async def test_check_and_run_watch_simulate(alone: Site) -> None:
    """All by commands: no part of this test's own process is asked."""
    scenario = alone.folder / "scenario.yaml"
    scenario.write_text(
        "stacks:\n  - name: network\n    life: [{statuses: [{status: FAILED, events: [it broke]}]}]\n", encoding="utf-8"
    )
    world = alone.start("simulate", "--port", "0", "--scenario", str(scenario))
    await until(lambda: b"stack/network" in world.printed(), "the stand-in")
    url = world.printed().decode().split(" listens at ")[1].split()[0]
    alone.environment["AWS_ENDPOINT_URL"] = url
    alone.configure((NETWORK,))
    assert (await alone.run("check"))[0] == 2
    daemon = alone.start()
    await until(lambda: b"it broke" in daemon.printed(), "the event")
    assert await daemon.stopped() == 0
    assert await world.stopped() == 0


async def test_demo_ends_by_itself(alone: Site) -> None:
    begun = time.monotonic()
    code, printed, said = await alone.run("demo", "--for", "3s")
    assert (code, said) == (0, "")
    assert time.monotonic() - begun >= 3
    assert "API calls. Current status:" in printed


async def test_the_module_runs_like_the_command(alone: Site) -> None:
    prefix = ("sh", "-c", f'shift; exec "{sys.executable}" -m watcher "$@"', "sh")
    code, printed, _ = await alone.run("--version", prefix=prefix)
    assert (code, printed.split()[0]) == (0, "watcher,")


async def test_no_command_prints_a_secret(site: Site, simulator: Simulator) -> None:
    """Neither of the configuration nor of the environment, though the world refuses and repeats what it can."""
    external, token = "external-id-never-to-be-told", "session-token-never-to-be-told"
    site.environment |= {
        "EXTERNAL": external, "AWS_SESSION_TOKEN": token, "AWS_ENDPOINT_URL_STS": simulator.url,
    }  # fmt: skip
    site.configure(
        (NETWORK,),
        "accounts: [{name: default, role_arn: 'arn:aws:iam::111122223333:role/watcher', external_id: '${EXTERNAL}'}]",
        "unreadable_after: 1",
    )
    simulator.world.show(NETWORK, attempt(NETWORK, FAILED, T))
    simulator.world.fault(None, "skewed_clock", calls=6)
    daemon = site.start("run", "--verbose")
    await until(lambda: b"sync.failed" in daemon.printed(), "the event")
    assert await daemon.stopped() == 0
    for command in (("status",), ("events",), ("validate",), ("check", "--verbose")):
        await site.run(*command)
    for file in site.folder.iterdir():
        for secret in (external, token, SECRET):
            assert secret.encode() not in file.read_bytes(), file
