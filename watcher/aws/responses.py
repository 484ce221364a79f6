"""Makes aiobotocore return AWS's answers as complete bodies instead of parsed ones.

botocore takes an HTML page or half a JSON body with status 200 for an empty answer, and spends a fifth of a call on
parsing: reading the body here is safer and faster. The classes are plugged in by the session's public components
`response_parser_factory` and `data_loader`.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from aiobotocore.parsers import AioResponseParserFactory
from botocore.loaders import Loader

from watcher.errors import MALFORMED, EndpointUnreadable


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
            of_redirect = {"location": headers.get("location", "")}
            parsed["ResponseMetadata"] = {"HTTPStatusCode": status, "HTTPHeaders": of_redirect}
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
