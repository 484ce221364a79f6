"""Creates the table, and checks that it can be used."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import structlog

from watcher.errors import StoreError
from watcher.stores.dynamodb.client import Caller, NoTableError, RefusedError
from watcher.stores.dynamodb.items import FORM, META, SHARDS
from watcher.stores.dynamodb.table import ABSENT, Table

log = structlog.get_logger()

KEYS = [{"AttributeName": "k", "KeyType": "HASH"}, {"AttributeName": "s", "KeyType": "RANGE"}]
TYPES = [{"AttributeName": "k", "AttributeType": "S"}, {"AttributeName": "s", "AttributeType": "S"}]
TTL = "ttl"

CREATION_SECONDS = 120.0
"""How long AWS may take to create the table, and to make it ready for backups."""

CHECK_SECONDS = 0.5
"""Between checks whether it has."""


async def check(table: Table, *, importing: bool = False, preparing: bool = False) -> None:
    """Check a table before anything in it is used.

    `importing`: by an import, which may go on with another. `preparing`: by a daemon, which prepares a table that has
    the right key and was never used: CloudFormation makes tables, but no items.

    Raises:
        StoreError: the table does not exist, or is another program's or a newer version's.
    """
    try:
        meta = await table.get(META)
    except NoTableError:
        raise
    except StoreError as error:
        if "ValidationException" in str(error):
            raise _wrong_keys(table) from error
        raise
    if meta is None and preparing:
        if not await table.any():
            await _prepare(table)
        meta = await table.get(META)  # another process may have prepared it at the same moment
    if meta is None:
        raise StoreError(f"{table.address}: it is there, and not yet watcher's; `watcher state init` prepares it")
    form, shards = meta.get("form", 0), meta.get("shards", 0)
    if not isinstance(form, int) or form > FORM:
        raise StoreError(
            f"{table.address}: written by a newer watcher (form {form!r}, this one knows {FORM}); use that version, or "
            "another table"
        )
    if meta.get("importing") and not importing:
        raise StoreError(f"{table.address}: an import did not come to its end; run `watcher state import` again")
    if form < FORM or shards != SHARDS:
        raise StoreError(
            f"{table.address}: its meta item says form {form!r} and {shards!r} shards, where there is only form {FORM} "
            f"with {SHARDS}; restore the table, or name another one under `state`"
        )


async def init(table: Table) -> list[str]:
    """Create the table, or what it lacks; returns what was done, for people.

    Raises:
        StoreError: the table cannot be used, or may not be changed.
    """
    try:
        return await _init(table)
    except TimeoutError:
        raise StoreError(
            f"{table.address}: AWS has not made all of it within {CREATION_SECONDS:g} s; run `watcher state init` again"
        ) from None


async def _init(table: Table) -> list[str]:
    done, caller, name = [], table.caller, table.address.table
    try:
        response = await caller.call("DescribeTable", {"TableName": name})
    except NoTableError:
        wanted = {"TableName": name, "KeySchema": KEYS, "AttributeDefinitions": TYPES, "BillingMode": "PAY_PER_REQUEST"}
        try:
            await caller.call("CreateTable", wanted, within=CREATION_SECONDS)
            done.append("the table was made, with capacity on demand")
        except StoreError as error:
            if "ResourceInUse" not in str(error):
                raise  # another process creates it at this moment
        response = await _made(caller, name)
    found = {(each["AttributeName"], each["KeyType"]) for each in response["Table"]["KeySchema"]}
    types = {each["AttributeName"]: each["AttributeType"] for each in response["Table"]["AttributeDefinitions"]}
    if found != {("k", "HASH"), ("s", "RANGE")} or (types.get("k"), types.get("s")) != ("S", "S"):
        raise _wrong_keys(table)
    if await table.get(META) is None:
        if await table.any() and await table.get(META) is None:
            raise StoreError(
                f"{table.address}: there are items in it that are not watcher's; name another table under `state`"
            )
        await _prepare(table)
        done.append(f"it was prepared for watcher (form {FORM})")
    await check(table)
    if await _turn_on_ttl(table):
        done.append(f"TTL was turned on, by the attribute `{TTL}`")
    if await _turn_on_recovery(table):
        done.append("point-in-time recovery was turned on")
    return done


async def missing_ttl(table: Table) -> bool:
    """Return whether TTL is known to be off; without permission to read it, it is taken to be on."""
    try:
        response = await table.caller.call("DescribeTimeToLive", {"TableName": table.address.table})
    except StoreError:
        return False
    return not _ttl_is_on(response)


async def _prepare(table: Table) -> None:
    with contextlib.suppress(RefusedError):  # another process just did
        await table.put({"k": META.k, "s": META.s, "form": FORM, "shards": SHARDS}, ABSENT)


async def _made(caller: Caller, name: str) -> dict[str, Any]:
    async with asyncio.timeout(CREATION_SECONDS):
        while True:
            try:
                response = await caller.call("DescribeTable", {"TableName": name})
            except NoTableError:
                response = {}
            if response.get("Table", {}).get("TableStatus") == "ACTIVE":
                return response
            await asyncio.sleep(CHECK_SECONDS)


async def _turn_on_ttl(table: Table) -> bool:
    name = table.address.table
    if _ttl_is_on(await table.caller.call("DescribeTimeToLive", {"TableName": name})):
        return False
    wanted = {"Enabled": True, "AttributeName": TTL}
    await table.caller.call("UpdateTimeToLive", {"TableName": name, "TimeToLiveSpecification": wanted})
    return True


def _ttl_is_on(response: dict[str, Any]) -> bool:
    ttl = response.get("TimeToLiveDescription", {})
    return ttl.get("TimeToLiveStatus") in {"ENABLED", "ENABLING"} and ttl.get("AttributeName") == TTL


async def _turn_on_recovery(table: Table) -> bool:
    name = table.address.table
    response = await table.caller.call("DescribeContinuousBackups", {"TableName": name})
    recovery = response.get("ContinuousBackupsDescription", {}).get("PointInTimeRecoveryDescription", {})
    if recovery.get("PointInTimeRecoveryStatus") == "ENABLED":
        return False
    wanted = {"TableName": name, "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True}}
    async with asyncio.timeout(CREATION_SECONDS):
        while True:
            try:
                await table.caller.call("UpdateContinuousBackups", wanted)
            except StoreError as error:
                if "ContinuousBackupsUnavailable" not in str(error):
                    raise
                await asyncio.sleep(CHECK_SECONDS)  # a table that was just made has none for a while
            else:
                return True


def _wrong_keys(table: Table) -> StoreError:
    return StoreError(
        f"{table.address}: its key is not `k` (text) with the sort key `s` (text); it is another program's table. "
        "Name another one under `state`; `watcher state init` makes it"
    )
