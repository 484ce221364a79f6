"""The thin edge of the stand-in: HTTP on loopback, from a request to the world's reply and how it is sent.

Like AWS it looks at headers and body alone: any path will do. Nothing here decides what a target shows.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import struct
import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

import structlog
from aiohttp import web

from watcher.core.model import Api
from watcher.errors import ServiceUnreachable, UsageError
from watcher.simulator import aws_json, signing, sts
from watcher.simulator.faults import Delivery, Reply, error
from watcher.simulator.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from watcher.simulator.scenario import Scenario

DRIP_EVERY = 0.1
"""Seconds between two bytes of a dripping answer."""

REMEMBERED_CALLS = 100_000
FORM = "application/x-www-form-urlencoded"
LINGER_ZERO = struct.pack("ii", 1, 0)

log = structlog.get_logger()


class Call(NamedTuple):
    """One call that arrived. `at` is `time.monotonic()`; `answer` is a sync status, an error's code or a fault's name.

    What could not be told is empty. `target` is the target's id without account and region.
    """

    at: float
    region: str
    api: str
    operation: str
    target: str
    answer: str
    access_key: str


class Simulator:
    """The stand-in for AWS: Proton, CodeConnections (by either of its names) and STS AssumeRole on one port.

    `clock` (seconds since 1970) moves the world; signatures and temporary credentials go by the wall clock.
    `calls` keeps the last calls that arrived, and `on_call` is told each as it is answered. `url` is where it listens.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        clock: Callable[[], float] = time.time,
        on_call: Callable[[Call], None] | None = None,
    ) -> None:
        self.world = World(scenario, clock)
        self.calls: deque[Call] = deque(maxlen=REMEMBERED_CALLS)
        self.on_call = on_call
        self.url = ""
        self._keyring = signing.Keyring(scenario.keys)
        self._stopping = asyncio.Event()
        self._runner: web.ServerRunner | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen, and say at which base URL; port 0 takes a free one. The world begins at the first start.

        Raises:
            UsageError: `host` is not on loopback.
            ServiceUnreachable: the port cannot be had.
        """
        if host != "localhost" and not _is_loopback(host):
            raise UsageError(f"the stand-in for AWS listens on loopback only, not on {host!r}; use 127.0.0.1")
        self._stopping = asyncio.Event()
        # A client that goes takes the reply that hangs for it along.
        server = web.Server(self._respond, handler_cancellation=True, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=1.0)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as reason:
            await self.stop()
            raise ServiceUnreachable(f"cannot listen on {host}:{port}: {reason.strerror}") from reason
        self.world.begin()
        address = self._runner.addresses[0]
        self.url = f"http://[{address[0]}]:{address[1]}" if ":" in address[0] else f"http://{address[0]}:{address[1]}"
        return self.url

    async def stop(self) -> None:
        """Stop listening and end every connection, hanging ones too. `start` may be called again."""
        self._stopping.set()
        if self._runner:
            await self._runner.cleanup()
            self._runner = None

    async def _respond(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        call, reply = self._reply(request, body)
        self.calls.append(call)
        if self.on_call:
            self.on_call(call)
        return await self._send(request, reply)

    def _reply(self, request: web.BaseRequest, body: bytes) -> tuple[Call, Reply]:
        """What is answered: the whole way of a call in order, as AWS refuses it."""
        arrived = time.monotonic()
        headers = request.headers
        signed = signing.Request(request.method, request.path_qs, headers, body)
        if _is_cbor(request):
            log.warning("simulator.cbor_refused", path=request.path, content_type=headers.get("Content-Type", ""))
            reply = Reply("UnsupportedMediaType", CBOR_REFUSED, 415, "application/json")
            return Call(arrived, "", "", "", "", reply.kind, ""), reply
        if headers.get("Content-Type", "").startswith(FORM) and "X-Amz-Target" not in headers:
            return self._assume_role(arrived, signed)
        named = headers.get("X-Amz-Target", "")
        found = aws_json.operation(named) if request.method == "POST" else None
        if found is None:
            reply = error(Api.PROTON, "UnknownOperationException", f"The stand-in does not answer {named!r}.")
            return Call(arrived, "", "", named, "", reply.kind, ""), reply
        service, operation = found
        api = aws_json.SERVICES[service]
        region = access_key = key = ""
        try:
            signer = self._keyring.signer(service, signed, time.time())
            region, access_key = signer.region, signer.access_key
            key = aws_json.asked(api, body)
            reply = self.world.answer(region, api, key).by(service)
        except aws_json.Refusal as refusal:
            reply = error(service, refusal.code, refusal.message)
        return Call(arrived, region, api.value, operation, key, reply.kind, access_key), reply

    def _assume_role(self, arrived: float, request: signing.Request) -> tuple[Call, Reply]:
        region = access_key = ""
        try:
            signer = self._keyring.signer("sts", request, time.time())
            region, access_key = signer.region, signer.access_key
            reply = sts.assume_role(request.body, self.world.scenario.roles, self._keyring, time.time())
        except aws_json.Refusal as refusal:
            reply = sts.refused(refusal)
        return Call(arrived, region, "sts", "AssumeRole", "", reply.kind, access_key), reply

    async def _send(self, request: web.BaseRequest, reply: Reply) -> web.StreamResponse:
        headers = {"x-amzn-RequestId": str(uuid4())}
        if reply.content_type:
            headers["Content-Type"] = reply.content_type
        if reply.delivery is Delivery.WHOLE:
            return web.Response(body=reply.body or None, status=reply.status, headers=headers)
        response = web.StreamResponse(status=reply.status, headers=headers)
        if reply.delivery in (Delivery.RESET, Delivery.HANG):
            if reply.delivery is Delivery.HANG:
                await self._stopping.wait()
            _reset(request)
            return response
        response.content_length = len(reply.body)
        # Nobody may be there any more to read on.
        with contextlib.suppress(ConnectionError):
            await response.prepare(request)
            if reply.delivery is Delivery.CUT:
                await response.write(reply.body[: len(reply.body) // 2])
                if request.transport:
                    request.transport.close()
            else:
                await self._drip(request, response, reply.body)
        return response

    async def _drip(self, request: web.BaseRequest, response: web.StreamResponse, body: bytes) -> None:
        for byte in body:
            await response.write(bytes([byte]))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), DRIP_EVERY)
                _reset(request)
                return
        await response.write_eof()


CBOR_REFUSED = (
    b'{"message": "The stand-in for AWS speaks AWS JSON 1.0 only, not RPC v2 CBOR: '
    b'send X-Amz-Target and application/x-amz-json-1.0."}'
)


def _is_cbor(request: web.BaseRequest) -> bool:
    headers = request.headers
    return (
        "cbor" in headers.get("Content-Type", "")
        or headers.get("smithy-protocol") == "rpc-v2-cbor"
        or (request.path.startswith("/service/") and "/operation/" in request.path)
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _reset(request: web.BaseRequest) -> None:
    """Close the connection by RST."""
    transport = request.transport
    if transport:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
        transport.abort()
