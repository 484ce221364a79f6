"""Bounds how many responses a client of aiohttp reads for each request.

An interim response, such as `100 Continue`, costs as much as any other. aiohttp does not bound their number: as many as
arrive in one read would keep the event loop busy for seconds.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from aiohttp.client_proto import ResponseHandler
from aiohttp.http import HttpProcessingError

if TYPE_CHECKING:
    from aiohttp import TCPConnector

MOST_RESPONSES = 16
"""Responses to one request, the interim ones included."""

SLICE = 4096
"""Bytes that are parsed before the responses in them are counted."""


def bounded_responses(connector: TCPConnector) -> TCPConnector:
    """`connector`, whose connections now end when a server sends too many responses."""
    connector._factory = partial(_Responses, loop=connector._loop)  # type: ignore[assignment]  # noqa: SLF001  `partial` is invariant, and aiohttp has no setting
    return connector


class _Responses(ResponseHandler):
    """The responses on one connection."""

    _read = 0

    def set_response_params(self, **params: Any) -> None:
        """Begin with the next request."""
        self._read = 0
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
        """Parse what arrived, until there are too many responses; no data resumes what was paused."""
        for start in range(0, max(1, len(data)), SLICE):
            if self._read <= MOST_RESPONSES:
                super().data_received(data[start : start + SLICE])

    def feed_data(self, data: Any, size: int = 0) -> None:
        """Count a response, and end the connection at one too many."""
        self._read += 1
        if self._read <= MOST_RESPONSES:
            super().feed_data(data, size)
        elif self.transport is not None:
            self.set_exception(HttpProcessingError(message="too many responses"))
            self.transport.abort()
