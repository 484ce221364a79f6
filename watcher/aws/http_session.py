"""Sends requests to AWS over a client's pooled connections, and reads no answer that is too long.

botocore reads bodies of any length. The class is plugged in by the client's public setting `http_session_cls`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn, Self
from weakref import WeakValueDictionary

import aiohttp
from aiobotocore.httpsession import AIOHTTPSession
from aiohttp import ClientRequest, ClientTimeout
from aiohttp.http import HttpProcessingError
from botocore import exceptions as botocore_errors
from botocore.httpsession import get_cert_path, mask_proxy_url
from yarl import URL

from watcher.aws import proxies
from watcher.errors import EndpointUnreadable
from watcher.util.http_responses import bounded_responses
from watcher.util.special_files import refuse_special

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping
    from ssl import SSLContext

    from aiobotocore.awsrequest import AioAWSResponse
    from aiohttp import StreamReader, TCPConnector
    from aiohttp.connector import Connection
    from aiohttp.http import RawResponseMessage

MAX_ANSWER_BYTES = 1024 * 1024
NO_TIMEOUT = ClientTimeout(total=None)
"""The caller limits the time of a call as a whole."""

_CONTEXTS: WeakValueDictionary[tuple[str, int, int], SSLContext] = WeakValueDictionary()
"""The TLS contexts that sessions use, by the file of certificate authorities: path, inode, time of change in ns."""
_READING = Lock()


class Form:
    """What all requests of an operation have in common: the URL, and headers without a line break in them."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self.url = URL(url, encoded=True)
        self.headers = headers


@dataclass(slots=True)
class _Prepared:
    """How the requests of a form are sent: what connects, for which request, and how each of them begins."""

    connector: TCPConnector
    request: ClientRequest
    """Without a body; it has the headers that aiohttp adds."""
    beginning: str = ""
    """The first line and the common headers; made when the first request is sent."""


class BoundedSession(AIOHTTPSession):  # type: ignore[misc]  # aiobotocore has no types
    """Reads no answer longer than `longest` bytes, and follows no redirect: a request is signed for one host only."""

    longest = MAX_ANSWER_BYTES

    async def __aenter__(self) -> Self:
        """Create the connector at once, so that certificates are not read during the first call."""
        await super().__aenter__()
        self._prepared_for: dict[Form, _Prepared] = {}
        await self._get_session(None)
        return self

    def _build_ssl_contexts(self, proxy_url: str | None) -> tuple[SSLContext, SSLContext | None]:
        """Return the TLS contexts for AWS and for the proxy; sessions that trust the same file share one for AWS.

        Reading the file takes as long as the rest of opening a client. aiobotocore calls this on a thread. A session
        with a client certificate or a proxy has contexts of its own, since both change them.
        """
        path = get_cert_path(self._verify)
        if path and Path(path).exists():
            refuse_special(path)
        if self._cert_file or proxy_url or not path or not Path(path).is_file():
            contexts: tuple[SSLContext, SSLContext | None] = super()._build_ssl_contexts(proxy_url)
            return contexts
        file = Path(path).stat()
        key = (path, file.st_ino, file.st_mtime_ns)
        with _READING:
            context: SSLContext = _CONTEXTS.get(key) or super()._build_ssl_contexts(None)[0]
            _CONTEXTS[key] = context
        return context, None

    async def _create_connector(self, proxy_url: str | None) -> TCPConnector:
        if proxy_url and proxies.proxy_url(proxy_url) is None:
            raise botocore_errors.InvalidProxiesConfigError
        return bounded_responses(await super()._create_connector(proxy_url))

    async def _get_session(self, proxy_url: str | None) -> SimpleNamespace:
        session = await super()._get_session(proxy_url)
        return SimpleNamespace(request=partial(session.request, allow_redirects=False))

    async def send(self, request: Any) -> AioAWSResponse:
        """Send a request and read its answer.

        Raises:
            EndpointUnreadable: the answer is too long.
        """
        request.stream_output = True  # leaves the body to this method
        response = await super().send(request)
        response.raw = SimpleNamespace(read=partial(_read_or_close, response.raw, self.longest))
        await response.content
        return response

    async def post(self, form: Form, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
        """Send a request and read its answer, as `send` does with less work; returns what a parser of botocore takes.

        `headers`: those that the form does not have; there is no line break in any of them.

        aiohttp connects and reads what arrives. Its objects for a request and a response, its timers and its task that
        writes a body are left out: they take longer than everything else in a call.

        Raises:
            BotoCoreError: as `send` raises it.
            EndpointUnreadable: the answer is too long.
        """
        try:
            prepared = self._prepared_for.get(form) or await self._prepare(form)
            connection, head, content = await _exchange(prepared, form, headers, body)
        except Exception as error:  # noqa: BLE001  as `send` does
            _raise_as_sent(error, str(form.url), self._proxy_config.proxy_url_for(str(form.url)))
        try:
            answer = await _body(head.headers, content, self.longest)
        except BaseException:
            connection.close()
            raise
        connection.release()
        return {"status_code": head.code, "headers": head.headers, "body": answer}

    async def _prepare(self, form: Form) -> _Prepared:
        where = str(form.url)
        proxy = self._proxy_config.proxy_url_for(where)
        session = await super()._get_session(proxy)
        # `Host` is what aiohttp adds when it connects; it compares these headers to find an open connection.
        of_proxy = {**self._proxy_config.proxy_headers_for(where), "Host": form.url.host_port_subcomponent}
        request = ClientRequest(
            "POST", form.url, headers={"Accept-Encoding": "identity"}, session=session,
            proxy=URL(proxy) if proxy else None, proxy_headers=of_proxy if proxy else None,
        )  # fmt: skip
        self._prepared_for[form] = prepared = _Prepared(session.connector, request)
        return prepared


async def _exchange(
    prepared: _Prepared, form: Form, headers: Mapping[str, str], body: bytes
) -> tuple[Connection, RawResponseMessage, StreamReader]:
    """Send a request; return the connection, the head of the response, and what its body is read from."""
    request = prepared.request
    connection = await prepared.connector.connect(request, [], NO_TIMEOUT)
    try:
        protocol: Any = connection.protocol
        protocol.set_response_params(read_until_eof=True, auto_decompress=False)
        if not prepared.beginning:  # only now has the request the headers that the proxy asks for
            prepared.beginning = _beginning(request, form.headers)
        head = f"{prepared.beginning}{_lines(headers)}Content-Length: {len(body)}\r\n\r\n"
        _open_transport(protocol).write(head.encode() + body)
        response, content = await protocol.read()
        while 100 <= response.code < 200 and response.code != 101:  # an interim response, which another one follows
            response, content = await protocol.read()
    except HttpProcessingError as error:
        connection.close()
        raise aiohttp.ClientResponseError(request.request_info, (), status=error.code, message=error.message) from error
    except BaseException:
        connection.close()
        raise
    return connection, response, content


def _open_transport(protocol: Any) -> asyncio.Transport:
    transport: asyncio.Transport | None = protocol.transport
    if transport is None or transport.is_closing():
        raise aiohttp.ClientConnectionResetError("the connection was closed")
    return transport


def _beginning(request: ClientRequest, headers: Mapping[str, str]) -> str:
    """Return how requests begin that have these headers, and those of `request` which they do not replace."""
    target = str(request.url) if request.proxy and not request.is_ssl() else request.url.raw_path_qs
    both = request.headers.copy()
    both.update(headers)
    del both["Content-Length"]  # each request has its own
    return f"POST {target} HTTP/1.1\r\n{_lines(both)}"


def _lines(headers: Mapping[str, str]) -> str:
    return "".join([f"{name}: {value}\r\n" for name, value in headers.items()])


async def _read_or_close(response: aiohttp.ClientResponse, longest: int) -> bytes:
    try:
        return await _body(response.headers, response.content, longest)
    except BaseException:
        # The rest of this answer would be read as the beginning of the next one.
        response.close()
        raise


async def _body(headers: Mapping[str, str], content: StreamReader, longest: int) -> bytes:
    if int(headers.get("content-length", longest + 1)) <= longest:  # HTTP itself bounds it
        return content.read_nowait() if content.is_eof() else await content.read()
    body = bytearray()
    async for chunk in content.iter_any():
        body += chunk
        if len(body) > longest:
            raise EndpointUnreadable("AnswerTooLong", f"the answer is longer than {longest} bytes")
    return bytes(body)


def _raise_as_sent(error: Exception, url: str, proxy: str | None) -> NoReturn:
    """Raise the error of botocore's that `AIOHTTPSession.send` raises for one of aiohttp's."""
    match error:
        case aiohttp.ClientSSLError():
            raise botocore_errors.SSLError(endpoint_url=url, error=error) from error
        case aiohttp.ClientProxyConnectionError() | aiohttp.ClientHttpProxyError():
            raise botocore_errors.ProxyConnectionError(proxy_url=mask_proxy_url(proxy), error=error) from error
        case aiohttp.ServerDisconnectedError():
            raise botocore_errors.ConnectionClosedError(endpoint_url=url, error=error, request=None) from error
        case aiohttp.ClientConnectionError() | OSError():
            raise botocore_errors.EndpointConnectionError(endpoint_url=url, error=error) from error
    raise botocore_errors.HTTPClientError(error=error) from error
