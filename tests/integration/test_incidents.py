"""Incidents from the first problem to the end of the last, with the real client over a real socket and real stores."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import Watch, a_config, a_stack, running
from tests.support.clocks import ShiftedClock
from tests.support.simulator import Simulator
from watcher.cli.output.events import event_text
from watcher.cli.output.targets import record_to_json
from watcher.core.event_ids import incident_id
from watcher.core.event_types import Severity
from watcher.core.model import Target, parse_rfc3339
from watcher.core.mutes import Mute
from watcher.core.settings import Config
from watcher.core.sink_settings import SinkSettings
from watcher.errors import StoreError
from watcher.web.views import committed_row

HEALTHY = a_stack("healthy")
NETWORK = a_stack("network", labels={"team": "platform"})


def incidents(watch: Watch) -> list[tuple[str, str | None]]:
    """The type of each event, and what it means for its incident."""
    found = ((each["type"].removeprefix("watcher."), each["data"]["incident"]) for each in watch.caught.events)
    return [(kind, incident and incident["state"]) for kind, incident in found]


async def reload(watch: Watch, config: Config) -> None:
    await watch.app.apply(config)


@pytest.fixture(name="both")
def two_targets(simulator: Simulator, tmp_path: Path) -> Config:
    return a_config(simulator.url, [HEALTHY, NETWORK], state=f"sqlite:///{tmp_path / 'watcher.db'}")


def without(config: Config, target: Target) -> Config:
    return replace(config, targets=tuple(each for each in config.targets if each != target))


async def fails(watch: Watch) -> dict[str, Any]:
    """Show that one target is well and the other fails; return the event of the failure."""
    watch.show(HEALTHY, "SUCCEEDED", 1)
    watch.show(NETWORK, "FAILED", 1)
    (failure,) = await watch.events(1)
    return failure


async def test_an_incident_lasts_from_the_first_failure_to_the_success(simulator: Simulator, both: Config) -> None:
    async with running(simulator, both) as watch:
        failure = await fails(watch)
        watch.show(NETWORK, "FAILED", 2)
        await watch.events(2)
        watch.show(NETWORK, "SUCCEEDED", 3)
        *_, success = await watch.events(3)
        watch.show(NETWORK, "SUCCEEDED", 4)
        await watch.events(4)
    assert incidents(watch) == [
        ("sync.failed", "opened"),
        ("sync.failed", "ongoing"),
        ("sync.succeeded", "resolved"),
        ("sync.succeeded", None),
    ]
    opened, ended = failure["data"]["incident"], success["data"]["incident"]
    assert opened["id"] == ended["id"] == incident_id(failure["id"])
    assert parse_rfc3339(opened["opened_at"]) == parse_rfc3339(ended["opened_at"]) == parse_rfc3339(failure["time"])
    assert (opened["problems"], ended["problems"]) == (["failed"], ["failed"])
    assert opened["duration_seconds"] is None
    assert ended["duration_seconds"] > 0


async def test_an_incident_goes_on_after_a_restart(simulator: Simulator, both: Config) -> None:
    async with running(simulator, both) as watch:
        failure = await fails(watch)
    async with running(simulator, both) as watch:
        watch.show(NETWORK, "SUCCEEDED", 2)
        (success,) = await watch.events(1)
    assert success["data"]["incident"]["id"] == failure["data"]["incident"]["id"]
    assert success["data"]["incident"]["state"] == "resolved"


async def test_a_sink_of_errors_alone_is_sent_the_end_after_a_restart_with_other_filters_and_a_mute(
    simulator: Simulator, both: Config
) -> None:
    errors = replace(both, sinks=(SinkSettings("stdout", "stdout", min_severity=Severity.ERROR),))
    async with running(simulator, errors) as watch:
        await fails(watch)
    elsewhere = (SinkSettings("stdout", "stdout", targets=("nowhere/*",)),)
    async with running(simulator, replace(both, sinks=elsewhere, mutes=(Mute(),))) as watch:
        watch.show(NETWORK, "SUCCEEDED", 2)
        await watch.events(1)
        watch.show(NETWORK, "SUCCEEDED", 3)
        await watch.events(1)
    assert incidents(watch) == [("sync.succeeded", "resolved")]


MUTED = (Mute(),)


async def ended(watch: Watch, config: Config) -> None:
    """End all mutes, and wait until the daemon has looked at that and polled a few times."""
    await reload(watch, config)
    await watch.until(lambda: all(not held_back(watch, target) for target in config.targets))
    await watch.polls(3)


def held_back(watch: Watch, target: Target) -> list[str]:
    """The ids of the events that are held back."""
    incident = watch.app.recorder.record_of(target.id).incident
    return [] if incident is None else [each.event_id for each in incident.held]


async def muted_failure(watch: Watch, minute: float) -> str:
    """Show a failure that a mute holds back; return the id of its event."""
    before = held_back(watch, NETWORK)
    watch.show(HEALTHY, "SUCCEEDED", 1)
    watch.show(NETWORK, "FAILED", minute)
    await watch.until(lambda: held_back(watch, NETWORK) not in ([], before))
    (event_id,) = held_back(watch, NETWORK)
    return event_id


async def test_of_a_problem_that_outlasts_its_mute_the_latest_event_is_sent_once_and_its_end_follows(
    simulator: Simulator, both: Config
) -> None:
    errors = replace(both, sinks=(SinkSettings("stdout", "stdout", min_severity=Severity.ERROR),))
    async with running(simulator, replace(errors, mutes=MUTED)) as watch:
        await muted_failure(watch, 1)
        latest = await muted_failure(watch, 2)
        await watch.events(0)
        await ended(watch, errors)
        (failure,) = await watch.events(1)
        assert (failure["id"], failure["data"]["incident"]["state"]) == (latest, "ongoing")
        watch.show(NETWORK, "SUCCEEDED", 3)
        await watch.events(2)
    assert incidents(watch) == [("sync.failed", "ongoing"), ("sync.succeeded", "resolved")]


async def test_a_problem_whose_mute_ended_while_no_daemon_ran_is_sent_at_the_next_start_and_not_again(
    simulator: Simulator, both: Config
) -> None:
    async with running(simulator, replace(both, mutes=MUTED)) as watch:
        held = await muted_failure(watch, 1)
    async with running(simulator, both) as watch:
        (failure,) = await watch.events(1)
        assert failure["id"] == held
    async with running(simulator, both) as watch:
        await watch.events(0)


async def test_a_mute_that_ends_by_its_time_while_the_target_fails_is_followed_by_the_event(
    simulator: Simulator, both: Config
) -> None:
    clock = ShiftedClock()
    mute = Mute(until=clock.now() + timedelta(hours=1))
    async with running(simulator, replace(both, mutes=(mute,)), clock=clock) as watch:
        held = await muted_failure(watch, 1)
        await watch.events(0)
        clock.offset = timedelta(hours=1)
        (failure,) = await watch.events(1)
    assert failure["id"] == held
    assert parse_rfc3339(failure["data"]["muted"]["until"]) <= clock.now()


async def test_a_problem_that_ended_before_its_mute_is_never_sent(simulator: Simulator, both: Config) -> None:
    async with running(simulator, replace(both, mutes=MUTED)) as watch:
        await muted_failure(watch, 1)
        watch.show(NETWORK, "SUCCEEDED", 2)
        await watch.until(lambda: not held_back(watch, NETWORK))
        await ended(watch, both)
        watch.show(NETWORK, "SUCCEEDED", 3)
        await watch.events(1)
    assert incidents(watch) == [("sync.succeeded", None)]


async def test_metrics_rows_and_status_have_the_open_incidents_and_how_long_others_lasted(
    simulator: Simulator, both: Config
) -> None:
    async with running(simulator, both) as watch:

        async def exposed() -> str:
            return (await watch.app.metrics.expose()).decode()

        failure = await fails(watch)
        record = watch.app.recorder.record_of(NETWORK.id)
        found = {name: failure["data"]["incident"][name] for name in ("id", "opened_at", "problems")}
        found |= {"sinks": ["stdout"], "acknowledged": None}
        assert committed_row(NETWORK, record, None)["incident"] == found
        assert record_to_json(NETWORK, record)["incident"] == found
        assert 'watcher_incidents_open{kind="stack"} 1.0' in await exposed()
        assert "watcher_restore_seconds_count 0.0" in await exposed()
        watch.show(NETWORK, "SUCCEEDED", 2)
        await watch.events(2)
        assert committed_row(NETWORK, watch.app.recorder.record_of(NETWORK.id), None)["incident"] is None
        assert 'watcher_incidents_open{kind="stack"} 0.0' in await exposed()
        assert 'watcher_incidents_open{kind="endpoint"} 0.0' in await exposed()
        assert "watcher_restore_seconds_count 1.0" in await exposed()
        notes = [str(event_text(event)) for event in watch.caught.events]
        assert "incident opened" in notes[0]
        assert "incident resolved after " in notes[1]
        watch.show(NETWORK, "FAILED", 3)
        await watch.events(3)
        await reload(watch, without(both, NETWORK))
        await watch.events(4)
        assert "watcher_restore_seconds_count 1.0" in await exposed(), "a removal restores nothing"


async def test_a_failed_target_that_leaves_at_a_reload_ends_its_incident_and_begins_another_when_it_is_put_back(
    simulator: Simulator, both: Config
) -> None:
    async with running(simulator, both) as watch:
        failure = await fails(watch)
        await reload(watch, without(both, NETWORK))
        _, removed = await watch.events(2)
        assert NETWORK.id not in {*watch.app.view.config.targets_by_id}
        await reload(watch, both)
        *_, again = await watch.events(3)
    assert incidents(watch) == [
        ("sync.failed", "opened"),
        ("target.removed", "resolved"),
        ("sync.failed", "opened"),
    ]
    assert removed["data"]["target"] == failure["data"]["target"]
    assert removed["data"]["incident"]["id"] == failure["data"]["incident"]["id"]
    assert (again["id"], again["data"]["first_seen"]) == (failure["id"], True)
    assert [event["data"]["sequence"] for event in (failure, removed, again)] == [1, 2, 3]


async def test_a_failed_target_that_left_while_no_daemon_ran_ends_its_incident_at_the_next_start(
    simulator: Simulator, both: Config
) -> None:
    async with running(simulator, both) as watch:
        failure = await fails(watch)
    async with running(simulator, without(both, NETWORK)) as watch:
        (removed,) = await watch.events(1)
    assert incidents(watch) == [("target.removed", "resolved")]
    assert removed["data"]["target"] == failure["data"]["target"], "also its labels"
    assert removed["data"]["incident"]["id"] == failure["data"]["incident"]["id"]
    async with running(simulator, without(both, NETWORK)) as watch:
        await watch.events(0)
    async with running(simulator, both) as watch:
        (again,) = await watch.events(1)
    assert (again["id"], again["data"]["incident"]["state"]) == (failure["id"], "opened")


async def test_a_target_without_an_open_incident_leaves_silently(simulator: Simulator, both: Config) -> None:
    async with running(simulator, both) as watch:
        await fails(watch)
        watch.show(NETWORK, "SUCCEEDED", 2)
        await watch.events(2)
        await reload(watch, without(both, NETWORK))
        await watch.events(2)
    async with running(simulator, without(both, HEALTHY)) as watch:
        await watch.events(0)


async def test_the_last_target_of_an_unreadable_endpoint_takes_its_incident_with_it(
    simulator: Simulator, both: Config
) -> None:
    elsewhere = replace(a_stack("far"), region="eu-west-1")
    async with running(simulator, replace(both, targets=(NETWORK, elsewhere))) as watch:
        watch.show(NETWORK, "SUCCEEDED", 1)
        watch.show(elsewhere, "SUCCEEDED", 1)
        await watch.polls(2)
        simulator.world.fault(None, "access_denied", region="us-east-1")
        await watch.until(lambda: watch.kinds() == ["endpoint.unreadable"])
        await reload(watch, replace(both, targets=(elsewhere,)))
        unreadable, removed = await watch.events(2)
    assert incidents(watch) == [("endpoint.unreadable", "opened"), ("endpoint.removed", "resolved")]
    assert removed["subject"] == unreadable["subject"] == str(NETWORK.endpoint)
    assert removed["data"]["endpoint"] == {**unreadable["data"]["endpoint"], "targets": 0}


async def test_a_removal_that_was_recorded_before_a_crash_is_reported_once(
    simulator: Simulator, both: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(simulator, both) as watch:
        failure = await fails(watch)

    async def never(*_: object) -> int:
        return await asyncio.Future()

    with monkeypatch.context() as patched, pytest.raises(StoreError, match="could not be stored"):  # noqa: PT012  it ends the block
        async with running(simulator, replace(both, shutdown_grace=1.0)) as watch:
            await watch.polls(2)
            patched.setattr(type(watch.app.store), "forget", never)
            reloading = asyncio.create_task(reload(watch, without(both, NETWORK)))
            await watch.until(lambda: watch.kinds() == ["target.removed"])
            reloading.cancel()
    async with running(simulator, both) as watch:
        (again,) = await watch.events(1)
    assert (again["id"], again["data"]["first_seen"]) == (failure["id"], True)
    assert again["data"]["incident"]["state"] == "opened"
