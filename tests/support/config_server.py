"""A server of one configuration by the wire protocols of SSM, S3 and AppConfig, which can have an outage."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = {
    "ssm": "ssm:/watcher/config",
    "s3": "s3://bucket/watcher.yaml",
    "appconfigdata": "appconfig:watcher/prod/main",
}
"""What this server has, by service: always the same text."""


@dataclass
class ConfigServer:
    """Answers with `text`, unless it has an `outage`: `hangs`, `denied`, `throttled`, `malformed` or `redirect`."""

    text: str
    outage: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    """More headers of a redirect."""
    calls: int = 0
    _tokens: Iterator[int] = field(default_factory=count)
    _sessions: dict[str, str] = field(default_factory=dict)
    """What each unused token of AppConfig has been sent."""

    async def start(self) -> None:
        """Serve at `url`."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Refuse connections."""
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.calls += 1
        xml = request.path.startswith("/bucket")
        match self.outage:
            case "hangs":
                await asyncio.sleep(3600)
            case "denied":
                return _error("AccessDeniedException", 403, xml=xml)
            case "throttled":
                return _error("SlowDown" if xml else "ThrottlingException", 503 if xml else 400, xml=xml)
            case "malformed":
                return web.Response(text="<html>a proxy's page", content_type="application/json")
            case "redirect":
                return web.Response(status=307, headers={"Location": "https://elsewhere.example.com/x", **self.headers})
        if xml:
            return self._object(request)
        if request.path == "/configurationsessions":
            return web.json_response({"InitialConfigurationToken": self._token("")}, status=201)
        if request.path == "/configuration":
            return self._configuration(request)
        parameter = {"Name": "/watcher/config", "Type": "SecureString", "Value": self.text, "Version": len(self.text)}
        return web.json_response({"Parameter": parameter}, content_type="application/x-amz-json-1.1")

    def _object(self, request: web.Request) -> web.StreamResponse:
        headers = {"ETag": f'"{hashlib.sha256(self.text.encode()).hexdigest()}"'}
        if request.headers.get("If-None-Match") == headers["ETag"]:
            return web.Response(status=304, headers=headers)
        return web.Response(body=self.text.encode(), headers=headers)

    def _configuration(self, request: web.Request) -> web.StreamResponse:
        sent = self._sessions.pop(request.query["configuration_token"], None)
        if sent is None:
            return _error("BadRequestException", 400, xml=False)
        token = self._token(self.text)
        headers = {"Next-Poll-Configuration-Token": token, "Next-Poll-Interval-In-Seconds": "300"}
        return web.Response(body=b"" if sent == self.text else self.text.encode(), headers=headers)

    def _token(self, sent: str) -> str:
        token = f"token-{next(self._tokens)}"
        self._sessions[token] = sent
        return token


def _error(code: str, status: int, *, xml: bool) -> web.Response:
    if xml:
        return web.Response(status=status, text=f"<Error><Code>{code}</Code><Message>no</Message></Error>")
    return web.json_response({"__type": code, "message": "no"}, status=status, headers={"x-amzn-ErrorType": code})
