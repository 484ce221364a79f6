"""Makes aiobotocore return AWS's answers as bounded, complete bodies instead of parsed ones.

botocore takes an HTML page or half a JSON body with status 200 for an empty answer, reads bodies of any length, and
spends a fifth of a call on parsing: reading the body here is safer and faster. The classes are plugged in by the
client's public settings (`http_session_cls`, the components `response_parser_factory` and `data_loader`).
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn, Self

import aiohttp
from aiobotocore.httpsession import AIOHTTPSession
from aiobotocore.parsers import AioResponseParserFactory
from aiohttp.http_exceptions import BadStatusLine
from botocore import exceptions as botocore_errors
from botocore.httpsession import mask_proxy_url
from botocore.loaders import Loader

from watcher.errors import MALFORMED, EndpointUnreadable
from watcher.util.http_responses import bounded_responses

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiobotocore.awsrequest import AioAWSResponse
    from aiohttp import TCPConnector
    from yarl import URL

MAX_ANSWER_BYTES = 1024 * 1024


class BoundedSession(AIOHTTPSession):  # type: ignore[misc]  # aiobotocore has no types
    """Reads no answer longer than `longest` bytes, and follows no redirect: a request is signed for one host only."""

    longest = MAX_ANSWER_BYTES

    async def __aenter__(self) -> Self:
        """Create the connector at once, so that certificates are not read during the first call."""
        await super().__aenter__()
        await self._get_session(None)
        return self

    async def _create_connector(self, proxy_url: str | None) -> TCPConnector:
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
        if int(response.headers.get("content-length", self.longest + 1)) > self.longest:  # HTTP itself bounds others
            response.raw = SimpleNamespace(read=partial(_bounded_body, response.raw, self.longest))
        await response.content
        return response

    async def post(self, url: URL, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
        """Send a request and read its answer, as `send` does with less work; returns what a parser of botocore takes.

        Raises:
            BotoCoreError: as `send` raises it.
            EndpointUnreadable: the answer is too long.
        """
        where = str(url)
        proxy = self._proxy_config.proxy_url_for(where)
        try:
            session = await self._get_session(proxy)
            response = await session.request(
                "POST", url=url, headers={**headers, "accept-encoding": "identity"}, data=body, proxy=proxy,
                proxy_headers=self._proxy_config.proxy_headers_for(where) if proxy else None,
            )  # fmt: skip
        except Exception as error:  # noqa: BLE001  as `send` does
            _raise_as_sent(error, where, proxy)
        return {
            "status_code": response.status,
            "headers": {name.lower(): value for name, value in response.headers.items()},
            "body": await self._body(response),
        }

    async def _body(self, response: Any) -> bytes:
        if int(response.headers.get("content-length", self.longest + 1)) > self.longest:  # HTTP itself bounds others
            return await _bounded_body(response, self.longest)
        return bytes(await response.read())


def _raise_as_sent(error: Exception, url: str, proxy: str | None) -> NoReturn:
    """Raise the error of botocore's that `AIOHTTPSession.send` raises for one of aiohttp's."""
    match error:
        case aiohttp.ClientSSLError():
            raise botocore_errors.SSLError(endpoint_url=url, error=error) from error
        case aiohttp.ClientProxyConnectionError() | aiohttp.ClientHttpProxyError():
            raise botocore_errors.ProxyConnectionError(proxy_url=mask_proxy_url(proxy), error=error) from error
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientPayloadError() | BadStatusLine():
            raise botocore_errors.ConnectionClosedError(endpoint_url=url, error=error, request=None) from error
        case aiohttp.ClientConnectionError() | OSError():
            raise botocore_errors.EndpointConnectionError(endpoint_url=url, error=error) from error
    raise botocore_errors.HTTPClientError(error=error) from error


async def _bounded_body(response: Any, longest: int) -> bytes:
    body = bytearray()
    try:
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > longest:
                raise EndpointUnreadable(  # noqa: TRY301  the response is closed on the way
                    "AnswerTooLong", f"the answer is longer than {longest} bytes"
                )
    except BaseException:
        # The rest of this answer would be read as the beginning of the next one.
        response.close()
        raise
    return bytes(body)


class JsonModels(Loader):  # type: ignore[misc]  # botocore has no types
    """Loads service models; a model that lists JSON among its protocols is loaded with JSON alone.

    CodeConnections' model lists CBOR first. botocore chooses the protocol by an order of its own, which no client
    setting changes, and only JSON is read here.
    """

    def load_service_model(self, service_name: str, type_name: str, api_version: str | None = None) -> Any:
        """Return the model as `Loader` loads it, with JSON as its only protocol if it has JSON."""
        model = super().load_service_model(service_name, type_name, api_version)
        metadata = model.get("metadata", {})
        if "json" not in metadata.get("protocols", ()):
            return model
        return {**model, "metadata": {**metadata, "protocol": "json", "protocols": ["json"]}}


class ResponseParserFactory(AioResponseParserFactory):  # type: ignore[misc]  # aiobotocore has no types
    """Makes the parsers of a session, one for each protocol: `_JsonAnswers` for JSON, botocore's for all others."""

    def __init__(self) -> None:
        super().__init__()
        self._parsers: dict[str, Any] = {}

    def create_parser(self, protocol_name: str) -> Any:
        if protocol_name not in self._parsers:
            parser = super().create_parser(protocol_name)
            self._parsers[protocol_name] = _JsonAnswers(parser) if protocol_name == "json" else parser
        return self._parsers[protocol_name]


class _JsonAnswers:
    """Returns the body of a successful answer unparsed: `sources` reads it."""

    def __init__(self, errors: Any) -> None:
        self._errors = errors

    async def parse(self, response: dict[str, Any], shape: Any) -> Any:
        headers, status = response["headers"], response["status_code"]
        if shape is not None and shape.metadata.get("exception"):
            # botocore asks again, for the members that the service models for an error.
            return await self._errors.parse(response, shape)
        if status >= 300:
            try:
                parsed = await self._errors.parse(response, shape)
                code = str(parsed["Error"]["Code"])
            except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
                # JSON that is not an object, or has another structure: only the status is known.
                parsed, code = {"Error": {"Message": ""}}, str(status)
            if code == str(status):
                code = headers.get("x-amzn-errortype", code).partition(":")[0].rpartition("#")[2]
            parsed["Error"]["Code"] = code
            parsed["ResponseMetadata"] = {"HTTPStatusCode": status}
            return parsed
        return {
            "body": response["body"],
            "content_type": headers.get("content-type", ""),
            "date": headers.get("date"),
            "ResponseMetadata": {},
        }


def body_of(content: bytes, content_type: str) -> dict[str, Any]:
    """The JSON object in an answer's body.

    Raises:
        EndpointUnreadable: the body has no JSON object. The answer is cut off, or not the API's: it says nothing about
            the target.
    """
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        kind = content_type.partition(";")[0].strip() or "no content type"
        raise EndpointUnreadable(
            MALFORMED, f"the answer is not whole JSON ({len(content)} bytes, {kind})", passing=True
        ) from None
    if not isinstance(answer, dict):
        raise EndpointUnreadable(MALFORMED, "the answer is JSON, but not an object", passing=True)
    return answer


def http_date(text: str | None) -> datetime | None:
    """Return the time of a `Date` header; None: not a date, or more than an hour from this clock.

    AWS refuses signatures after a few minutes.
    """
    try:
        moment = parsedate_to_datetime(text or "")
        near = moment.tzinfo and abs(moment - datetime.now(UTC)) <= timedelta(hours=1)
        return moment.astimezone(UTC) if near else None
    except (ValueError, OverflowError):
        return None
