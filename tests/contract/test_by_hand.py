"""Every store keeps the mutes and acknowledgements that people make, for the daemon and for commands beside it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.contract.conftest import NOW, after
from watcher.core import by_hand
from watcher.core.by_hand import Acknowledgement, ByHand, HandMute
from watcher.core.ports import Entry
from watcher.core.state import Incident, Record
from watcher.stores import outbox_for, store_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.dynamodb_tables import Tables
    from watcher.core.ports import Store

MUTE = HandMute("1a", ("prod/*",), ("watcher.sync.*",), NOW, after(3600.25), "planned “work”", "ada")
SECOND = replace(MUTE, id="2b", events=(), created_at=after(1), until=after(60))
INCIDENT = Incident("7" * 32, NOW, ("failed",))
ACK = Acknowledgement(INCIDENT.id, "a", NOW, after(5), "ada", "I look into it")


async def test_a_mute_is_kept_until_it_ends_and_afterwards_as_a_past_one(store: Store) -> None:
    assert await store.by_hand(NOW) == ByHand()
    assert await store.add_mute(SECOND)
    assert await store.add_mute(MUTE)
    assert (await store.by_hand(NOW)).mutes == (MUTE, SECOND), "the oldest first"
    assert (await store.by_hand(after(60))).mutes == (MUTE,)
    assert (await store.by_hand(after(9999))).mutes == ()
    assert (await store.by_hand()).mutes == (MUTE, SECOND)


async def test_a_mute_is_ended_early_once(store: Store) -> None:
    await store.add_mute(MUTE)
    await store.add_mute(SECOND)
    ended = replace(MUTE, ended_at=after(30), ended_by="bob")
    assert await store.end_mute("none", after(30), "bob") is None
    assert await store.end_mute(MUTE.id, after(30), "bob") == ended
    assert await store.end_mute(MUTE.id, after(31), "eve") is None
    assert await store.end_mute(SECOND.id, after(60), "bob") is None, "it has ended by itself"
    assert (await store.by_hand(after(30))).mutes == (SECOND,)
    assert (await store.by_hand()).mutes == (ended, SECOND)


async def test_only_so_many_mutes_may_be_active(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_hand, "MAX_MUTES", 2)
    assert await store.add_mute(MUTE)
    assert await store.add_mute(SECOND)
    assert not await store.add_mute(replace(MUTE, id="3c"))
    await store.end_mute(MUTE.id, after(2), "ada")
    assert await store.add_mute(replace(MUTE, id="3c", created_at=after(3)))


async def test_an_acknowledgement_replaces_an_earlier_one_of_the_incident(store: Store) -> None:
    other = replace(ACK, incident="8", note=None)
    await store.acknowledge([ACK, other])
    later = replace(ACK, at=after(9), by="bob", note=None)
    await store.acknowledge([later])
    found = await store.by_hand(after(9999))
    assert found.acknowledgements == {ACK.incident: later, "8": other}
    assert found.acknowledgement(INCIDENT) == later
    assert found.acknowledgement(None) is None
    assert found.acknowledgement(replace(INCIDENT, opened_at=after(1))) is None, "opened again with the same id"


async def test_what_is_older_than_the_retention_is_deleted_but_for_open_incidents(store: Store) -> None:
    over = replace(ACK, incident="8", subject="b")
    await store.commit([Entry("a", Record(incident=INCIDENT)), Entry("b", Record())], NOW)
    await store.acknowledge([ACK, over])
    await store.add_mute(MUTE)
    await store.add_mute(SECOND)
    await store.prune(after(60), 10)
    assert await store.by_hand() == ByHand((MUTE, SECOND), {ACK.incident: ACK})
    await store.commit([Entry("a", Record())], after(61))
    await store.prune(after(61), 10)
    assert await store.by_hand() == ByHand((MUTE,))


@pytest.mark.parametrize("kind", ["sqlite", "dynamodb"])
async def test_an_operator_changes_what_a_daemon_reads(kind: str, tmp_path: Path, tables: Tables) -> None:
    address = f"sqlite:///{tmp_path}/state.db"
    if kind == "dynamodb":
        table = await tables()
        address = f"{table}?region={table.region}&endpoint_url={table.endpoint_url}"
    daemon = store_for(address)
    await daemon.open()
    operator = outbox_for(address)
    await operator.open()
    assert await operator.add_mute(MUTE)
    await operator.acknowledge([ACK])
    assert await daemon.by_hand(NOW) == ByHand((MUTE,), {ACK.incident: ACK})
    await operator.end_mute(MUTE.id, after(1), "ada")
    assert (await daemon.by_hand(after(1))).mutes == ()
    await operator.close()
    await daemon.close()
