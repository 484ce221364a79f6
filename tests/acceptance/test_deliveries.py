"""What an operator does about sinks, by the installed command, beside a running daemon and without one."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from tests.acceptance.conftest import NETWORK, WEB
from tests.integration.receiver import Received, Receiver, Reply
from tests.support.simulator import attempt
from tests.support.waiting import until
from watcher.core.event_schema import event_schema
from watcher.core.model import FAILED, SUCCEEDED
from watcher.sources import KINDS
from watcher.stores.sqlite.store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.acceptance.conftest import Places
    from tests.support.installed_command import Child, Site
    from tests.support.simulator import Simulator

T = 1_795_420_800.0
UNKNOWN = "0" * 32
OUT = "{name: out, type: stdout}"
VALID = Draft202012Validator(event_schema(KINDS))


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    await made.start()
    yield made
    await made.stop()


def webhook(url: str, *more: str, name: str = "ops") -> str:
    parts = [f"name: {name}", "type: webhook", f'url: "{url}"', "allow_http: true", "allow_private: true", *more]
    return f"{{{', '.join(parts)}}}"


def sinks(*each: str) -> str:
    return f"sinks: [{', '.join(each)}]"


async def told(site: Site, *arguments: str) -> list[dict[str, Any]]:
    """What `deliveries --json` tells."""
    code, printed, said = await site.run("deliveries", "--json", *arguments)
    assert (code, "Traceback" in said) == (0, False), said
    return [json.loads(line) for line in printed.splitlines()]


async def explained(site: Site, event_id: str) -> dict[str, dict[str, Any]]:
    """What `events explain --json` tells of an event that was recorded once, by sink."""
    code, printed, _ = await site.run("events", "explain", event_id, "--json")
    assert code == 0
    (once,) = json.loads(printed)
    assert once["event"]["id"] == event_id
    return {each["sink"]: each for each in once["sinks"]}


def count(site: Site, where: str, table: str = "delivery") -> int:
    """Rows of the store, which may not be there yet."""
    try:
        return int(site.query(f"SELECT count(*) FROM {table} WHERE {where}")[0][0])  # noqa: S608  written in this file
    except sqlite3.OperationalError:
        return 0


async def reach(site: Site, daemon: Child, where: str, rows: int) -> None:
    """Wait until so many deliveries are like this."""
    await until(
        lambda: count(site, where) == rows or not daemon.running, lambda: f"{rows} that are {where}; {daemon.said()}"
    )
    assert daemon.running, daemon.said()


async def test_deliveries_become_dead_letters_and_are_sent_when_requeued(
    site: Site, simulator: Simulator, receiver: Receiver
) -> None:
    """The receiver takes nothing, the events wait and die, are tried anew, and arrive, or are dropped."""
    receiver.answer = lambda _: Reply(503)
    ops = webhook(receiver.url(), "give_up_after: 1s")
    quiet = webhook(receiver.url(), "events: ['*.succeeded']", name="quiet")
    site.configure((NETWORK, WEB), sinks(OUT, ops, quiet))
    simulator.world.show(NETWORK, attempt(NETWORK, FAILED, T))
    simulator.world.show(WEB, attempt(WEB, FAILED, T))
    daemon = site.start()
    await reach(site, daemon, "state = 'dead'", 2)

    dead = await told(site, "--dead")
    assert {each["subject"] for each in dead} == {NETWORK.id, WEB.id}
    assert all((each["sink"], each["state"], each["reminder"]) == ("ops", "dead", 0) for each in dead)
    assert all(each["tries"] >= 1 and each["tried"].endswith("Z") and each["recorded"].endswith("Z") for each in dead)
    assert {each["error"] for each in dead} == {"given up after 1s: 503 Service Unavailable"}
    one, none, (code, printed, _) = await asyncio.gather(
        told(site, "--limit", "1"), told(site, "--sink", "out"), site.run("deliveries", "--limit", "1")
    )
    assert (one, none, code) == (dead[:1], [], 0)
    first, second, *_, last = printed.splitlines()
    assert (first, last) == ("out: nothing waiting, no dead letters", "quiet: nothing waiting, no dead letters")
    assert second == "ops: 2 dead letters, oldest 1 shown"
    assert dead[0]["id"] in printed

    gone, again = (each["id"] for each in sorted(dead, key=lambda each: each["subject"] != NETWORK.id))
    why = await explained(site, gone)
    assert (why["out"]["state"], why["ops"]["state"], why["quiet"]["state"]) == ("sent", "dead", "not routed")
    assert why["ops"]["why"] == "given up after 1s: 503 Service Unavailable"
    assert "its `events` do not match watcher.sync.failed" in why["quiet"]["why"]

    assert (await site.run("deliveries", "drop", gone, "--sink", "ops"))[1] == "Canceled 1 delivery.\n"
    assert (await explained(site, gone))["ops"]["state"] == "dropped"
    receiver.answer = lambda _: Reply()
    before = len(receiver.received)
    code, printed, _ = await site.run("deliveries", "retry")
    assert (code, printed) == (0, "Requeued 1 dead letter.\n")
    received = await receiver.until(before + 1)
    assert [each.id for each in received[before:]] == [again]
    await reach(site, daemon, "state IN ('dead', 'waiting')", 0)
    why, (_, table, _), nothing = await asyncio.gather(
        explained(site, again), site.run("events", "explain", again), site.run("deliveries", "retry")
    )
    assert (why["ops"]["state"], why["ops"]["answer"]) == ("sent", "200 OK")
    assert all(word in table for word in ("sync.failed", WEB.id, "SENT", "200 OK", "NOT ROUTED"))
    assert nothing[:2] == (0, "There are no dead letters.\n")
    assert await daemon.stopped() == 0


async def test_deliveries_are_listed_requeued_and_dropped_without_a_daemon(
    site: Site, simulator: Simulator, receiver: Receiver
) -> None:
    """What was changed meanwhile holds at the next start, for the sinks that are still there."""
    receiver.answer = lambda _: Reply(400, body=b"what is this?")
    ops, old = webhook(receiver.url("/ops")), webhook(receiver.url("/old"), name="old")
    site.configure((NETWORK, WEB), sinks(ops, old))
    simulator.world.show(NETWORK, attempt(NETWORK, FAILED, T))
    simulator.world.show(WEB, attempt(WEB, FAILED, T))
    daemon = site.start()
    await reach(site, daemon, "state = 'dead'", 4)
    assert await daemon.stopped() == 0
    ids = {each["subject"]: each["id"] for each in await told(site, "--sink", "old")}
    assert "permanently refused: 400 Bad Request: what is this?" in (await site.run("deliveries"))[1]

    code, printed, said = await site.run("deliveries", "retry", ids[NETWORK.id], UNKNOWN)
    assert (code, printed) == (64, "")
    assert UNKNOWN in said
    assert ids[NETWORK.id] not in said
    assert count(site, "state = 'dead'") == 4
    assert (await site.run("deliveries", "drop", ids[WEB.id], "--sink", "old"))[1] == "Canceled 1 delivery.\n"
    code, _, said = await site.run("deliveries", "drop", ids[WEB.id], "--sink", "old")
    assert code == 64
    assert ids[WEB.id] in said
    assert (await site.run("deliveries", "retry", ids[NETWORK.id]))[1] == "Requeued 2 dead letters.\n"

    receiver.answer = lambda _: Reply()
    before = len(receiver.received)
    site.configure((NETWORK, WEB), sinks(ops, webhook(receiver.url("/new"), name="new")))
    daemon = site.start()
    await reach(site, daemon, "state = 'waiting'", 0)
    assert await daemon.stopped() == 0
    assert [(each.path, each.id) for each in receiver.received[before:]] == [("/ops", ids[NETWORK.id])]
    (code, _, said), (_, printed, _), why = await asyncio.gather(
        site.run("deliveries", "retry", "--sink", "old"), site.run("deliveries"), explained(site, ids[NETWORK.id])
    )
    stays = "1 dead letter for the sink old cannot be requeued: it is not in the configuration"
    assert code == 64
    assert stays in said
    assert "old (not in the configuration): 1 dead letter\n" in printed
    assert "the sink is no longer in the configuration" in printed
    assert [each["state"] for each in why.values()] == ["sent", "not there yet", "dead"]
    assert "`replay_from`" in why["new"]["why"]
    code, printed, said = await site.run("deliveries", "retry")
    assert (code, printed) == (0, "Requeued 1 dead letter.\n")
    assert stays in said


async def test_the_summary_counts_waiting_deliveries_beyond_the_limit(
    site: Site, simulator: Simulator, receiver: Receiver
) -> None:
    await receiver.stop()
    site.configure((NETWORK,), sinks(OUT, webhook(receiver.url())), "shutdown_grace: 100ms")
    daemon = site.start()
    for number, status in enumerate((FAILED, SUCCEEDED, FAILED), 1):
        simulator.world.show(NETWORK, attempt(NETWORK, status, T + number))
        await reach(site, daemon, "sink = 'ops'", number)
    # Of one target the oldest is tried, and what is newer waits behind it.
    await reach(site, daemon, "state = 'waiting' AND tries > 0", 1)
    waiting = await told(site)
    assert [each["type"].rpartition(".")[2] for each in waiting] == ["failed", "succeeded", "failed"]
    assert [each["tries"] > 0 for each in waiting] == [True, False, False]
    (_, printed, _), (_, dead, _), why = await asyncio.gather(
        site.run("deliveries", "--limit", "2"),
        site.run("deliveries", "--dead"),
        explained(site, waiting[1]["id"]),
    )
    assert "ops: 3 waiting since 20" in printed
    assert printed.count("WAITING") == 2
    assert "ops: 3 waiting since 20" in dead
    assert "WAITING" not in dead
    assert (why["ops"]["state"], why["ops"]["tries"]) == ("waiting", 0)
    assert (await site.run("deliveries", "drop", waiting[0]["id"]))[0] == 0
    assert [each["id"] for each in await told(site)] == [each["id"] for each in waiting[1:]]
    assert await daemon.stopped() == 0


async def test_a_muted_event_is_marked_and_explained(site: Site, simulator: Simulator) -> None:
    site.configure((NETWORK,), "mute: [{targets: ['*/stack/*'], reason: maintenance}]")
    simulator.world.show(NETWORK, attempt(NETWORK, FAILED, T))
    daemon = site.start()
    await until(lambda: count(site, "TRUE", "event"), "the event")
    assert "muted: maintenance" in (await site.run("events"))[1]
    (event,) = [json.loads(line) for line in (await site.run("events", "--json"))[1].splitlines()]
    VALID.validate(event)
    assert event["data"]["muted"] == {"reason": "maintenance", "until": None}
    why = await explained(site, event["id"])
    assert (why["stdout"]["state"], why["stdout"]["why"]) == ("muted", "maintenance")
    assert await daemon.stopped() == 0
    assert daemon.printed() == b""


@pytest.fixture
def alone(places: Places) -> Site:
    """A place without a stand-in for AWS."""
    site = places()
    site.configure((NETWORK,))
    return site


async def test_test_sink_sends_one_event_without_store_and_routing(alone: Site, receiver: Receiver) -> None:
    alone.configure((NETWORK,), sinks(webhook(receiver.url(), "events: ['*.failed']")))
    code, printed, said = await alone.run("test-sink", "ops")
    assert (code, printed, said) == (0, "ops (webhook) accepted the test event: 200 OK\n", "")
    (received,) = receiver.received
    VALID.validate(received.event)
    assert (received.event["type"], received.event["subject"]) == ("watcher.test", "test/ops")
    assert not alone.state.exists()
    await alone.run("test-sink", "ops")
    assert received.id != receiver.received[1].id


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (503, "ops (webhook) did not accept the test event: 503 Service Unavailable: come back"),
        (400, "ops (webhook) rejected the test event: 400 Bad Request: come back"),
        (410, "ops (webhook) did not accept the test event: it responded 410 Gone: come back"),
    ],
)
async def test_test_sink_shows_why_an_event_was_not_accepted(
    alone: Site, receiver: Receiver, status: int, why: str
) -> None:
    """Once, at once: one try is what a test is."""
    secret = "whsec_bmV2ZXItdG8tYmUtdG9sZC10by1hbnlvbmU="
    receiver.answer = lambda _: Reply(status, body=f"come back {secret}".encode())
    alone.configure((NETWORK,), sinks(webhook(receiver.url(), f"secret: {secret}")))
    code, printed, said = await alone.run("test-sink", "ops")
    assert (code, printed, said) == (69, "", f"watcher: {why} [redacted]\n")
    assert len(receiver.received) == 1


async def test_test_sink_ends_at_the_sinks_deadline(alone: Site, receiver: Receiver) -> None:
    receiver.answer = lambda _: Reply(hang=True)
    alone.configure((NETWORK,), sinks(webhook(receiver.url(), "timeout: 300ms")))
    code, printed, said = await alone.run("test-sink", "ops")
    assert (code, printed) == (69, "")
    assert said.startswith("watcher: ops (webhook) ")


async def test_test_sink_of_a_stdout_sink_leaves_stdout_to_the_event(alone: Site) -> None:
    code, printed, said = await alone.run("test-sink", "stdout")
    assert code == 0
    VALID.validate(json.loads(printed))
    assert said == "stdout (stdout) accepted the test event: written\n"


async def test_test_sink_shows_the_message_as_a_person_reads_it(alone: Site, receiver: Receiver) -> None:
    seen: list[dict[str, Any]] = []

    def answer(received: Received) -> Reply:
        seen.append(received.event)
        return Reply(body=b"ok")

    receiver.answer = answer
    url = receiver.url("/services/T0/B0/never-to-be-told")
    slack = f'type: slack, url: "{url}", allow_http: true, allow_private: true'
    own = "template: 'Hello {{ event.subject }}'"
    alone.configure((NETWORK,), sinks(f"{{name: chat, {slack}}}", f"{{name: own, {slack}, {own}}}"))
    code, printed, said = await alone.run("test-sink", "chat")
    assert (code, said) == (0, "")
    assert "nothing has happened" in printed
    assert "nothing has happened" in json.dumps(seen[0])
    assert "never-to-be-told" not in printed
    assert printed.splitlines()[-1].startswith("chat (slack) accepted the test event: ")
    assert (await alone.run("test-sink", "own"))[1].splitlines()[0] == "  Hello test/own"


async def test_an_unknown_sink_is_refused_with_the_names_of_the_sinks(alone: Site) -> None:
    alone.configure((NETWORK,), sinks(OUT, "{name: log, type: file, path: events.jsonl}"))
    store = SqliteStore(alone.state)  # as a daemon leaves it that saw nothing
    await store.open()
    await store.close()
    commands = "test-sink opps", "deliveries --sink opps", "deliveries retry --sink opps"
    for code, printed, said in await asyncio.gather(*(alone.run(*command.split()) for command in commands)):
        assert (code, printed) == (64, "")
        assert "there is no sink 'opps'; the sinks are: out, log" in said
