"""One call to AWS, as a process: signed and sent by watcher, made by botocore, and its request by aiohttp alone."""

from __future__ import annotations

import asyncio
from itertools import repeat
from typing import TYPE_CHECKING
from unittest import mock

from aiohttp import ClientSession, TCPConnector

from tests.benchmarks.bare import at_a_time
from tests.benchmarks.parent import Parent, Reading
from tests.benchmarks.worlds import REGION, settled
from watcher.aws.client import Client
from watcher.aws.sessions import Sessions
from watcher.aws.signed_calls import RequestTemplate
from watcher.core.settings import Account

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

CONCURRENCY = 10
SECONDS = 60.0
"""A call's limit."""


async def main() -> None:
    """Make `calls` calls each way in turn, `turns` times; reply with the seconds of a call by way and turn."""
    parent = Parent()
    job = parent.hear()
    kind, count = job["settled"]
    target = settled(kind, count).targets()[0]
    operation, parameters = target.kind.operation, target.kind.request(target)
    account = Account("default", (REGION,), endpoint_url=job["url"])
    client = Client(target.api, REGION, account, Sessions(), endpoint_url=job["url"], pool=CONCURRENCY)

    async def call(_: object) -> None:
        await client.call(operation, parameters, SECONDS)

    async with ClientSession(connector=TCPConnector(limit=CONCURRENCY)) as session:
        await call(None)  # from now on calls are signed here
        lease = await client.take()
        template = lease.signed._templates[operation]
        assert template is not None, "botocore makes every call"
        own, body = template.request(parameters, await lease.signed._keys())
        headers = {**template.form.headers, **own}
        await client.give_back(lease)

        async def bare(_: object) -> None:
            async with session.post(template.form.url, data=body, headers=headers) as answer:
                await answer.read()

        ways: dict[str, Callable[[object], Awaitable[None]]] = {"signed": call, "botocore": call, "aiohttp": bare}
        spent: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(job["turns"]):
            for way, ask in ways.items():
                fits = (lambda *_: False) if way == "botocore" else RequestTemplate.fits
                with mock.patch.object(RequestTemplate, "fits", fits):
                    mark = Reading.now(0)
                    await at_a_time(CONCURRENCY, ask, repeat(None, job["calls"]))
                    spent[way].append(Reading.now(job["calls"]).since(mark)["cpu"] / job["calls"])
    await client.close()
    parent.reply(spent)


if __name__ == "__main__":
    asyncio.run(main())
