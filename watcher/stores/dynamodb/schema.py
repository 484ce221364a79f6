"""Creates the table, and checks that it can be used."""

import asyncio
import contextlib
from typing import Any

from watcher.errors import StoreError
from watcher.stores.dynamodb.client import ConditionFailedError, NoTableError
from watcher.stores.dynamodb.items import FORM, META, SHARDS
from watcher.stores.dynamodb.table import ABSENT, Put, Table

KEYS = [{"AttributeName": "k", "KeyType": "HASH"}, {"AttributeName": "s", "KeyType": "RANGE"}]
TYPES = [{"AttributeName": "k", "AttributeType": "S"}, {"AttributeName": "s", "AttributeType": "S"}]
TTL = "ttl"
CREATION_SECONDS, CHECK_SECONDS = 120.0, 0.5
"""How long AWS may take to create the table, and to make it ready for backups; how often that is checked."""


async def check(table: Table, *, importing: bool = False, preparing: bool = False) -> None:
    """Check a table before anything in it is used.

    `importing`: by an import, which may go on with another. `preparing`: by a daemon, which prepares a table that has
    the right key and was never used: CloudFormation makes tables, but no items.

    Raises:
        StoreError: the table does not exist, or is another program's or a newer version's.
    """
    try:
        meta = await table.get(META)
    except StoreError as error:
        if "ValidationException" in str(error):
            raise _wrong_keys(table) from error
        raise
    if meta is None and preparing:
        await _prepare(table)
        meta = await table.get(META)  # another process may have prepared it at the same moment
    if meta is None:
        raise StoreError(f"{table.address}: it is not prepared for watcher yet; run `watcher state init`")
    form, shards = meta.get("form", 0), meta.get("shards", 0)
    if not isinstance(form, int) or form > FORM:
        raise StoreError(
            f"{table.address}: written by a newer version of watcher (format {form!r}, this one knows {FORM}); "
            "use that version, or another table"
        )
    if meta.get("importing") and not importing:
        raise StoreError(f"{table.address}: an import was interrupted; run `watcher state import` again")
    if form < FORM or shards != SHARDS:
        raise StoreError(
            f"{table.address}: its meta item has the format {form!r} and {shards!r} shards instead of {FORM} and "
            f"{SHARDS}; restore the table, or name another one under `state`"
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
            f"{table.address}: AWS did not create it within {CREATION_SECONDS:g} s; run `watcher state init` again"
        ) from None


async def _init(table: Table) -> list[str]:
    done, found = [], await _description(table)
    if found is None:
        wanted = {"KeySchema": KEYS, "AttributeDefinitions": TYPES, "BillingMode": "PAY_PER_REQUEST"}
        try:
            await table.call("CreateTable", wanted, within=CREATION_SECONDS)
            done.append("the table was created with on-demand capacity")
        except StoreError as error:
            if "ResourceInUse" not in str(error):
                raise  # another process creates it at this moment
        found = await _made(table)
    keys = {(each["AttributeName"], each["KeyType"]) for each in found["KeySchema"]}
    types = {each["AttributeName"]: each["AttributeType"] for each in found["AttributeDefinitions"]}
    if keys != {("k", "HASH"), ("s", "RANGE")} or (types.get("k"), types.get("s")) != ("S", "S"):
        raise _wrong_keys(table)
    if await table.get(META) is None:
        await _prepare(table)
        if await table.get(META) is None:
            raise StoreError(f"{table.address}: it contains items of another program; name another table under `state`")
        done.append(f"it was prepared for watcher (format {FORM})")
    await check(table)
    if await _turn_on_ttl(table):
        done.append(f"TTL was turned on for the attribute `{TTL}`")
    if await _turn_on_recovery(table):
        done.append("point-in-time recovery was turned on")
    return done


async def missing_ttl(table: Table) -> bool:
    """Return whether TTL is known to be off; without permission to read it, it is taken to be on."""
    try:
        return not await _ttl_is_on(table)
    except StoreError:
        return False


async def _prepare(table: Table) -> None:
    """Make a table without items watcher's."""
    found = await table.call("Scan", {"Limit": 1, "ConsistentRead": True})
    if not found.get("Items"):
        with contextlib.suppress(ConditionFailedError):  # another process just did
            await table.write(Put({"k": META.k, "s": META.s, "form": FORM, "shards": SHARDS}, ABSENT))


async def _description(table: Table) -> dict[str, Any] | None:
    try:
        return dict((await table.call("DescribeTable"))["Table"])
    except NoTableError:
        return None


async def _made(table: Table) -> dict[str, Any]:
    """Return the description of the table once it can be used."""
    async with asyncio.timeout(CREATION_SECONDS):
        while True:
            found = await _description(table)
            if found is not None and found.get("TableStatus") == "ACTIVE":
                return found
            await asyncio.sleep(CHECK_SECONDS)


async def _turn_on_ttl(table: Table) -> bool:
    if await _ttl_is_on(table):
        return False
    wanted = {"Enabled": True, "AttributeName": TTL}
    await table.call("UpdateTimeToLive", {"TimeToLiveSpecification": wanted})
    return True


async def _ttl_is_on(table: Table) -> bool:
    ttl = (await table.call("DescribeTimeToLive")).get("TimeToLiveDescription", {})
    return ttl.get("TimeToLiveStatus") in {"ENABLED", "ENABLING"} and ttl.get("AttributeName") == TTL


async def _turn_on_recovery(table: Table) -> bool:
    response = await table.call("DescribeContinuousBackups")
    recovery = response.get("ContinuousBackupsDescription", {}).get("PointInTimeRecoveryDescription", {})
    if recovery.get("PointInTimeRecoveryStatus") == "ENABLED":
        return False
    wanted = {"PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True}}
    async with asyncio.timeout(CREATION_SECONDS):
        while True:
            try:
                await table.call("UpdateContinuousBackups", wanted)
            except StoreError as error:
                if "ContinuousBackupsUnavailable" not in str(error):
                    raise
                await asyncio.sleep(CHECK_SECONDS)  # a table that was just made has none for a while
            else:
                return True


def _wrong_keys(table: Table) -> StoreError:
    return StoreError(
        f"{table.address}: its key is not `k` (text) with the sort key `s` (text); it is another program's table. "
        "Name another one under `state`; `watcher state init` creates it"
    )
