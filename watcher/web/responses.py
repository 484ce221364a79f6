"""HTTP responses, and how they are sent: with common headers, compressed if that pays off, in slices."""

import asyncio
import gzip
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from aiohttp import web
from multidict import CIMultiDict

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
"""Headers of every response. The version is only in `/api/status`, which may need a token."""

MIN_GZIP_BYTES = 1024  # smaller bodies are not compressed
MAX_WHOLE_BYTES = 64 * 1024  # larger bodies are sent in slices
SLICE_BYTES = 16 * 1024  # of which a slow client holds two at most
YIELD_BYTES = 256 * 1024  # after which other tasks of the loop run, however fast the client reads


@dataclass(frozen=True, slots=True)
class Response:
    """A response; `gzipped` is the compressed body, if there is one."""

    body: bytes
    content_type: str = JSON
    status: int = 200
    headers: Sequence[tuple[str, str]] = ()
    gzipped: bytes | None = None


def json_response(value: Any, status: int = 200, headers: Sequence[tuple[str, str]] = ()) -> Response:
    """`value` as JSON."""
    return Response(json.dumps(value, separators=(",", ":")).encode(), JSON, status, headers)


def error_response(status: int, error: str, headers: Sequence[tuple[str, str]] = ()) -> Response:
    """An error: what happened, and what to do."""
    return json_response({"error": error}, status, headers)


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether this `Accept-Encoding` accepts gzip (RFC 9110, section 12.5.3)."""
    for part in accept_encoding.lower().split(","):
        coding, _, weight = part.replace(" ", "").partition(";q=")
        if coding in {"gzip", "*"}:
            return weight.strip("0.") != "" or weight == ""
    return False


class Compressor:
    """Compresses bodies on a thread of its own, since this takes a while, and the loop's threads have other work."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "gzip")

    async def compressed(self, response: Response) -> Response:
        """The response with its compressed body, unless it is small."""
        if response.gzipped is not None or len(response.body) < MIN_GZIP_BYTES:
            return response
        # Level 4 takes a quarter of the time of the best level, for a tenth more bytes.
        compress = partial(gzip.compress, response.body, 4, mtime=0)
        return replace(response, gzipped=await asyncio.get_running_loop().run_in_executor(self._thread, compress))

    def close(self) -> None:
        """Cancel what is not compressed yet."""
        self._thread.shutdown(wait=False, cancel_futures=True)


async def send(request: web.BaseRequest, response: Response) -> web.StreamResponse:
    """Send a response as fast as the client reads it; a small one is only returned, and aiohttp sends it."""
    headers = CIMultiDict({**HEADERS, "Content-Type": response.content_type})
    for name, _ in response.headers:
        headers.popall(name, None)
    headers.extend(response.headers)
    body = response.body
    if response.gzipped is not None:
        headers["Vary"] = "Accept-Encoding"
        if accepts_gzip(request.headers.get("Accept-Encoding", "")):
            body, headers["Content-Encoding"] = response.gzipped, "gzip"
    whole = len(body) <= MAX_WHOLE_BYTES or request.method == "HEAD"
    sent = (web.Response if whole else web.StreamResponse)(status=response.status, headers=headers)
    if request.body_exists:
        sent.force_close()  # a body is refused, and not read
    if isinstance(sent, web.Response):
        sent.body = body
        return sent
    sent.content_length = len(body)
    await sent.prepare(request)
    view = memoryview(body)
    for start in range(0, len(body), SLICE_BYTES):
        await sent.write(view[start : start + SLICE_BYTES])
        await request.writer.drain()
        if start % YIELD_BYTES == 0:
            await asyncio.sleep(0)
    await sent.write_eof()
    return sent
