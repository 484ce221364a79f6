"""The receiver of events as a process: webhooks, and the batch calls of AWS. It accepts everything and does nothing.

Its job may be empty. `arrivals` returns by `webhook-id` when each event that was posted to `/hook` since the last
question first arrived. A post to `/hang` is never answered.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from typing import Any

from aiohttp import web

from tests.benchmarks.parent import Parent

ENTRY_ID = re.compile(r"\.Id=(\w+)")
MESSAGE_ID = "62c0ffee-62c0-ffee-62c0-ffee62c0ffee"


class Receiver:
    """Records when events arrived, and nothing else."""

    def __init__(self) -> None:
        self.arrivals: dict[str, float] = {}
        self.over = asyncio.Event()

    async def hook(self, request: web.Request) -> web.Response:
        await request.read()
        self.arrivals.setdefault(request.headers.get("webhook-id", ""), time.monotonic())
        return web.Response()

    async def hang(self, request: web.Request) -> web.Response:
        await request.read()
        await self.over.wait()
        return web.Response()

    async def aws(self, request: web.Request) -> web.Response:
        body = await request.read()
        target = request.headers.get("X-Amz-Target")
        if target is None:
            return web.Response(text=publish_batch(body.decode()), content_type="text/xml")
        entries = json.loads(body)["Entries"]
        return web.json_response(
            put_events(entries) if target == "AWSEvents.PutEvents" else send_message_batch(entries)
        )


def put_events(entries: list[dict[str, Any]]) -> dict[str, Any]:
    return {"FailedEntryCount": 0, "Entries": [{"EventId": MESSAGE_ID} for _ in entries]}


def send_message_batch(entries: list[dict[str, Any]]) -> dict[str, Any]:
    taken = [{"Id": entry["Id"], "MessageId": MESSAGE_ID, "MD5OfMessageBody": ""} for entry in entries]
    return {"Successful": taken, "Failed": []}


def publish_batch(form: str) -> str:
    ids = ENTRY_ID.findall(form)
    taken = "".join(f"<member><Id>{each}</Id><MessageId>{MESSAGE_ID}</MessageId></member>" for each in ids)
    result = f"<PublishBatchResult><Successful>{taken}</Successful><Failed/></PublishBatchResult>"
    return f'<PublishBatchResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/">{result}</PublishBatchResponse>'


async def main() -> None:
    """Answer until the parent closes the connection."""
    parent, receiver = Parent(), Receiver()
    parent.hear()
    app = web.Application()
    app.router.add_post("/hook", receiver.hook)
    app.router.add_post("/hang", receiver.hang)
    app.router.add_post("/{path:.*}", receiver.aws)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()

    def hear() -> None:
        if parent.hear() == "arrivals":
            parent.reply(receiver.arrivals)
            receiver.arrivals.clear()
        else:
            receiver.over.set()

    parent.reply(f"http://127.0.0.1:{runner.addresses[0][1]}")
    asyncio.get_running_loop().add_reader(0, hear)
    await receiver.over.wait()
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main())
