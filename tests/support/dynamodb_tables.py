"""Fresh tables in an emulator, for tests of the DynamoDB store; fixtures of every test (`tests/conftest.py`)."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from enum import StrEnum
from itertools import count
from typing import TYPE_CHECKING

import pytest
from aiohttp import ClientSession, web

from tests.support.emulators import WORKER
from watcher.core.state_url import Address
from watcher.stores.dynamodb import items
from watcher.stores.dynamodb.attributes import encode
from watcher.stores.dynamodb.items import META
from watcher.stores.dynamodb.schema import KEYS, TTL, TYPES, init
from watcher.stores.dynamodb.table import Table

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.emulators import Emulator

Tables = Callable[[], Awaitable[Address]]

_numbers = count()


def address(url: str, name: str = "", *, leases: bool = False) -> Address:
    """Of a table that is not there yet."""
    return Address(name or f"table-{WORKER}-{next(_numbers)}", "us-east-1", url, leases)


async def made(where: Address) -> Address:
    """Make a table as `watcher state init` does."""
    table = Table(where)
    try:
        await init(table)
    finally:
        await table.close()
    return where


@pytest.fixture
def tables(ministack: Emulator, aws_credentials: None) -> Tables:
    """Makes fresh tables, each held as a whole by the store that is opened on it: as `made`, with fewer calls."""
    client = ministack.client("dynamodb")

    async def make() -> Address:
        where = address(ministack.url)
        client.create_table(
            TableName=where.table, KeySchema=KEYS, AttributeDefinitions=TYPES, BillingMode="PAY_PER_REQUEST"
        )
        client.update_time_to_live(
            TableName=where.table, TimeToLiveSpecification={"Enabled": True, "AttributeName": TTL}
        )
        meta = {**META._asdict(), "form": items.FORM, "shards": items.SHARDS}
        client.put_item(TableName=where.table, Item=encode(meta))
        return where

    return make


class Fate(StrEnum):
    """What becomes of a request on its way."""

    PASSES = "passes"
    ANSWER_LOST = "it is carried out, and the connection breaks before the answer"
    LOST = "the connection breaks before it arrives"
    LATE = "the connection breaks, and it arrives when nobody counts on it any more"
    THROTTLED = "throttled"
    DENIED = "denied"
    BROKEN = "the server fails"
    NO_JSON = "a page of HTML"
    NO_BACKUPS = "a table that was just made cannot be backed up yet"


_ERRORS = {
    Fate.THROTTLED: (400, "ProvisionedThroughputExceededException", "slow down"),
    Fate.DENIED: (400, "AccessDeniedException", "not authorized to perform this"),
    Fate.BROKEN: (500, "InternalServerError", "sorry"),
    Fate.NO_BACKUPS: (400, "ContinuousBackupsUnavailableException", "Backups are being enabled. Please retry later"),
}


class Gate:
    """A way to the emulator on which requests meet their fates: those of an operation, one after the other."""

    def __init__(self, url: str) -> None:
        """It leads to `url`, from `start` on."""
        self.seen: list[str] = []
        self.bodies: list[bytes] = []
        """Of the requests that `seen` names."""
        self.fates: dict[str, list[Fate]] = {}
        self.always: Fate | None = None
        self.url = ""
        self._to = url
        self._late: list[tuple[dict[str, str], bytes]] = []

    async def start(self) -> None:
        self._session = ClientSession(auto_decompress=False)
        app = web.Application(client_max_size=64 << 20)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"

    async def stop(self) -> None:
        await self._runner.cleanup()
        await self._session.close()

    async def let_arrive(self) -> None:
        """What is late arrives now."""
        late, self._late = self._late, []
        for headers, body in late:
            await self._forward(headers, body)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        operation = request.headers.get("X-Amz-Target", "").rpartition(".")[2]
        self.seen.append(operation)
        body = await request.read()
        self.bodies.append(body)
        headers = {name: value for name, value in request.headers.items() if name.lower() != "host"}
        coming = self.fates.get(operation)
        fate = coming.pop(0) if coming else self.always or Fate.PASSES
        if fate in _ERRORS:
            status, code, message = _ERRORS[fate]
            told = json.dumps({"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": message})
            return web.Response(status=status, text=told, content_type="application/x-amz-json-1.0")
        if fate is Fate.NO_JSON:
            return web.Response(text="<html>welcome</html>", content_type="text/html")
        if fate is Fate.LATE:
            self._late.append((headers, body))
        if fate in {Fate.PASSES, Fate.ANSWER_LOST}:
            answer = await self._forward(headers, body)
        if fate is not Fate.PASSES:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return answer

    async def _forward(self, headers: dict[str, str], body: bytes) -> web.Response:
        async with self._session.post(self._to, headers=headers, data=body) as answer:
            told = {name: answer.headers[name] for name in ("Content-Type", "x-amz-crc32") if name in answer.headers}
            return web.Response(status=answer.status, body=await answer.read(), headers=told)


@pytest.fixture
async def gate(ministack: Emulator) -> AsyncIterator[Gate]:
    made_gate = Gate(ministack.url)
    await made_gate.start()
    yield made_gate
    await made_gate.stop()
