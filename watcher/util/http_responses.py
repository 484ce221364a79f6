"""Limits how many responses aiohttp's client reads for each request.

Interim responses, such as `100 Continue`, cost as much as others, and aiohttp does not limit their number: those that
arrive in one read could block the event loop for seconds.
"""

from __future__ import annotations

import asyncio
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
    """`connector`, which now closes a connection when the server sends too many responses."""
    vars(connector)["_factory"] = partial(_Responses, loop=asyncio.get_running_loop())  # aiohttp has no setting for it
    return connector


class _Responses(ResponseHandler):
    """The responses on one connection, of which `_read` were to the current request."""

    _read = 0

    def set_response_params(self, **params: Any) -> None:
        self._read = 0
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
        """Parse the data in slices until there are too many responses; aiohttp passes no data to resume reading."""
        for start in range(0, max(1, len(data)), SLICE):
            if self._read <= MOST_RESPONSES:
                super().data_received(data[start : start + SLICE])

    def resume_reading(self, resume_parser: bool = True) -> None:  # noqa: FBT001, FBT002  as aiohttp has it
        """Resume reading if it was paused; aiohttp parses nothing at all after each body otherwise."""
        if self._reading_paused:
            super().resume_reading(resume_parser)

    def feed_data(self, data: Any, size: int = 0) -> None:
        self._read += 1
        if self._read <= MOST_RESPONSES:
            super().feed_data(data, size)
        elif self.transport is not None:
            self.set_exception(HttpProcessingError(message="too many responses"))
            self.transport.abort()
