"""The HTTP side of the simulator: authenticates each call, gets the world's reply, and sends it.

Like AWS it reads only headers and body; the path may be any.
"""

import asyncio
import contextlib
import socket
import struct
import time
from collections import deque
from random import uniform
from typing import NamedTuple
from uuid import uuid4

import structlog
from aiohttp import web

from watcher.config.listen_address import is_loopback
from watcher.errors import ServiceUnreachable, UsageError
from watcher.simulator import aws_json, credentials
from watcher.simulator.faults import Reply, Transmission, error_reply
from watcher.simulator.inventory import Place
from watcher.simulator.operations import by_target
from watcher.simulator.world import World

DRIP_SECONDS = 0.1  # between two bytes of the fault `drip`
LONG_POLL_STEP = 0.05  # seconds between two looks of a long poll
MAX_CALLS = 100_000  # that `Simulator.calls` keeps
FORM = "application/x-www-form-urlencoded"
LINGER_ZERO = struct.pack("ii", 1, 0)

log = structlog.get_logger()


class Call(NamedTuple):
    """One call. `at` is `time.monotonic()`; `answer` is a sync status, `OK`, an error's code or a fault's name.

    `target` is the target's id without account and region. Fields that could not be determined are empty.
    """

    at: float
    region: str = ""
    api: str = ""
    operation: str = ""
    target: str = ""
    answer: str = ""
    access_key: str = ""


class Simulator:
    """Proton, CodeConnections (under both of its names), SQS and STS AssumeRole on one port.

    `calls` has the last calls. `url` is the base URL once it is started. Signatures and temporary credentials depend on
    the system's clock, timelines on the world's.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.calls: deque[Call] = deque(maxlen=MAX_CALLS)
        self.url = ""
        self._keyring = credentials.Keyring(world.scenario.keys, world.scenario.accounts)
        self._stopping = asyncio.Event()
        self._runner: web.ServerRunner | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen, and return the base URL; port 0 picks a free port. The first start also starts the world.

        Raises:
            UsageError: `host` is not on loopback.
            ServiceUnreachable: the port is not available.
        """
        if not is_loopback(host):
            raise UsageError(f"the simulated AWS listens on loopback only, not on {host!r}; use 127.0.0.1")
        self._stopping = asyncio.Event()
        # A client that disconnects cancels its request, which may hang.
        # A small compressed body could hold the loop for seconds while it is inflated; no AWS client sends one.
        server = web.Server(self._respond, handler_cancellation=True, access_log=None, auto_decompress=False)
        self._runner = web.ServerRunner(server, shutdown_timeout=1.0)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as reason:
            await self.stop()
            raise ServiceUnreachable(f"cannot listen on {host}:{port}: {reason.strerror}") from reason
        self.world.start()
        address = self._runner.addresses[0]
        self.url = f"http://[{address[0]}]:{address[1]}" if ":" in address[0] else f"http://{address[0]}:{address[1]}"
        self.world.url = self.url
        return self.url

    async def stop(self) -> None:
        """Stop listening, and end every connection. It can be started again."""
        self._stopping.set()
        if self._runner:
            await self._runner.cleanup()
            self._runner = None

    async def _respond(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        call, reply = self._reply(request, body)
        if reply.long_poll:
            reply = await self._received(reply, reply.long_poll.seconds)
            call = call._replace(answer=reply.kind)
        self.calls.append(call)
        return await self._send(request, reply)

    def _reply(self, request: web.BaseRequest, body: bytes) -> tuple[Call, Reply]:
        """The reply to a request, which is checked in the order in which AWS does it."""
        arrived = time.monotonic()
        headers = request.headers
        if _is_cbor(request):
            log.warning("simulator.cbor_refused", path=request.path, content_type=headers.get("Content-Type", ""))
            reply = Reply("UnsupportedMediaType", CBOR_REFUSED, 415, "application/json")
            return Call(arrived, answer=reply.kind), reply
        target = headers.get("X-Amz-Target", "")
        if headers.get("Content-Type", "").startswith(FORM) and "X-Amz-Target" not in headers:
            service = api = "sts"
            operation = "AssumeRole"
        elif request.method == "POST" and (found := by_target().get(target)):
            service, operation = found
            api = aws_json.SERVICES[service]
        else:
            message = f"The simulator does not answer {target!r}."
            reply = error_reply("proton", "UnknownOperationException", message)
            return Call(arrived, operation=target, answer=reply.kind), reply
        region = access_key = key = ""
        try:
            signature = self._keyring.verified(service, request, body, time.time())
            region, access_key = signature.region, signature.access_key
            if service == "sts":
                reply = credentials.assume_role(body, self.world.scenario.roles, self._keyring, time.time())
            else:
                place = Place(self._keyring.account_of(access_key), region)
                key, reply = self.world.answer(place, service, operation, aws_json.checked(service, operation, body))
        except aws_json.ApiError as error:
            is_sts = service == "sts"
            reply = credentials.sts_error(error) if is_sts else error_reply(service, error.code, error.message)
        return Call(arrived, region, api, operation, key, reply.kind, access_key), reply

    async def _received(self, reply: Reply, seconds: float) -> Reply:
        """The reply of a long poll that has something; the last one after so many seconds, or when this stops."""
        until = time.monotonic() + seconds
        while reply.long_poll and (left := until - time.monotonic()) > 0 and not self._stopping.is_set():
            with contextlib.suppress(TimeoutError):
                # With equal steps, the reader that hid a message for whole seconds would always receive it again.
                step = LONG_POLL_STEP * uniform(0.5, 1.5)
                await asyncio.wait_for(self._stopping.wait(), min(left, step))
            reply = reply.long_poll.again()
        return reply

    async def _send(self, request: web.BaseRequest, reply: Reply) -> web.StreamResponse:
        headers = {"x-amzn-RequestId": str(uuid4()), **reply.headers}
        if reply.content_type:
            headers["Content-Type"] = reply.content_type
        if reply.transmission is Transmission.WHOLE:
            return web.Response(body=reply.body or None, status=reply.status, headers=headers)
        response = web.StreamResponse(status=reply.status, headers=headers)
        if reply.transmission in (Transmission.RESET, Transmission.HANG):
            if reply.transmission is Transmission.HANG:
                await self._stopping.wait()
            _reset(request)
            return response
        response.content_length = len(reply.body)
        with contextlib.suppress(ConnectionError):  # the client may have disconnected
            await response.prepare(request)
            if reply.transmission is Transmission.CUT:
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
                await asyncio.wait_for(self._stopping.wait(), DRIP_SECONDS)
                _reset(request)
                return
        await response.write_eof()


CBOR_REFUSED = (
    b'{"message": "The simulator speaks AWS JSON 1.0 only, not RPC v2 CBOR: '
    b'send X-Amz-Target and application/x-amz-json-1.0."}'
)


def _is_cbor(request: web.BaseRequest) -> bool:
    headers = request.headers
    return (
        "cbor" in headers.get("Content-Type", "")
        or headers.get("smithy-protocol") == "rpc-v2-cbor"
        or (request.path.startswith("/service/") and "/operation/" in request.path)
    )


def _reset(request: web.BaseRequest) -> None:
    """Close the connection by RST."""
    transport = request.transport
    if transport:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
        transport.abort()
