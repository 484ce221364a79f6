"""What is answered, and how it goes out: with the same headers everywhere, packed where that is worth it, in slices."""

from __future__ import annotations

import asyncio
import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from aiohttp import web
from multidict import CIMultiDict

if TYPE_CHECKING:
    from collections.abc import Sequence

JSON = "application/json; charset=utf-8"

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Server": "watcher",
}
"""On everything. No version: it is told to those who may look, in `/api/status`."""

WORTH_PACKING = 1024
WHOLE = 64 * 1024
SLICE = 16 * 1024
BREATH = 256 * 1024
"""Bytes: from which on an answer is packed; up to which one is written at once; of a slice of a larger one, of which a
slow reader holds two at most; and after how many others on the loop get their turn, even when the reader is quick."""


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer; `packed` is the body by gzip, where that is at hand."""

    body: bytes
    content_type: str = JSON
    status: int = 200
    headers: Sequence[tuple[str, str]] = ()
    packed: bytes | None = None


def told(form: Any, status: int = 200, headers: Sequence[tuple[str, str]] = ()) -> Response:
    """`form` as JSON."""
    return Response(json.dumps(form, separators=(",", ":")).encode(), JSON, status, headers)


def failed(status: int, error: str, headers: Sequence[tuple[str, str]] = ()) -> Response:
    """An error: what happened, and what to do."""
    return told({"error": error}, status, headers)


def takes_gzip(accept_encoding: str) -> bool:
    """Whether a client with this `Accept-Encoding` takes gzip (RFC 9110, section 12.5.3)."""
    for part in accept_encoding.lower().split(","):
        coding, _, weight = part.replace(" ", "").partition(";q=")
        if coding in {"gzip", "*"}:
            return weight.strip("0.") != "" or weight == ""
    return False


class Packer:
    """Packs by gzip, on a thread of its own: it takes a while, and others have work for the loop's threads."""

    LEVEL = 4
    """A quarter of the time of the best, for a tenth more bytes."""

    def __init__(self) -> None:
        """The thread begins with the first work."""
        self._thread = ThreadPoolExecutor(1, "gzip")

    async def packed(self, answer: Response) -> Response:
        """`answer`, with its body by gzip as well where that is worth it."""
        if answer.packed is not None or len(answer.body) < WORTH_PACKING:
            return answer
        pack = partial(gzip.compress, answer.body, self.LEVEL, mtime=0)
        return replace(answer, packed=await asyncio.get_running_loop().run_in_executor(self._thread, pack))

    def close(self) -> None:
        """Take no more work."""
        self._thread.shutdown(wait=False, cancel_futures=True)


async def send(request: web.BaseRequest, answer: Response) -> web.StreamResponse:
    """Send it, as fast as the client takes it."""
    headers = CIMultiDict({**HEADERS, "Content-Type": answer.content_type})
    for name, _ in answer.headers:
        headers.popall(name, None)
    headers.extend(answer.headers)
    body = answer.body
    if answer.packed is not None:
        headers["Vary"] = "Accept-Encoding"
        if takes_gzip(request.headers.get("Accept-Encoding", "")):
            body, headers["Content-Encoding"] = answer.packed, "gzip"
    if len(body) <= WHOLE or request.method == "HEAD":
        whole = web.Response(body=body, status=answer.status, headers=headers)
        _close_after_body(request, whole)
        return whole
    response = web.StreamResponse(status=answer.status, headers=headers)
    response.content_length = len(body)
    _close_after_body(request, response)
    await response.prepare(request)
    view = memoryview(body)
    for start in range(0, len(body), SLICE):
        await response.write(view[start : start + SLICE])
        await request.writer.drain()
        if start % BREATH == 0:
            await asyncio.sleep(0)
    await response.write_eof()
    return response


def _close_after_body(request: web.BaseRequest, response: web.StreamResponse) -> None:
    """What a client sends after a request that has no body here is not waited for."""
    if request.body_exists:
        response.force_close()


def on_the_wire(answer: Response, *, head_only: bool = False) -> bytes:
    """The whole of a last answer, for a connection that nothing else will be read from."""
    headers = {**HEADERS, "Content-Type": answer.content_type, **dict(answer.headers), "Connection": "close"}
    lines = [f"HTTP/1.1 {answer.status} ", *(f"{name}: {value}" for name, value in headers.items())]
    head = "\r\n".join((*lines, f"Content-Length: {len(answer.body)}", "", "")).encode()
    return head if head_only else head + answer.body
