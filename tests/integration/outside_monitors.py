"""Outside monitors that speak the protocols of their vendors: what each accepts, and what it then knows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from tests.integration.receiver import OK, Reply

if TYPE_CHECKING:
    from tests.integration.receiver import Received

UUID, TOKEN = "6053346f-8a33-4edb-9397-10394b695173", "do-not-show-this-token"


class Monitor:
    """Keeps each sign of life: whether it is well, and the reason if it is not."""

    def __init__(self) -> None:
        self.signs: list[tuple[bool, str]] = []

    def note(self, *, well: bool, reason: str = "") -> Reply:
        self.signs.append((well, reason))
        return OK

    def answer(self, received: Received) -> Reply:
        raise NotImplementedError


class Healthchecks(Monitor):
    """https://healthchecks.io/docs/http_api/: any method, `/fail` after the UUID, the body is kept."""

    def answer(self, received: Received) -> Reply:
        if received.path == f"/ping/{UUID}":
            return self.note(well=True)
        if received.path == f"/ping/{UUID}/fail":
            return self.note(well=False, reason=received.body.decode())
        return Reply(200, body=b"OK (not found)")


class Gatus(Monitor):
    """An external endpoint: POST only, with a bearer token; `success` and `error` in the query."""

    def answer(self, received: Received) -> Reply:
        parts = urlsplit(received.path)
        query = parse_qs(parts.query)
        success = query.get("success", [""])[0]
        if received.method != "POST":
            return Reply(405)
        if success not in {"true", "false"}:
            return Reply(400, body=b"missing or invalid success query parameter")
        if received.headers.get("Authorization") != f"Bearer {TOKEN}":
            return Reply(401, body=b"invalid token")
        if parts.path != "/api/v1/endpoints/core_watcher/external":
            return Reply(404, body=b"not found")
        return self.note(well=success == "true", reason=query.get("error", [""])[0])


class UptimeKuma(Monitor):
    """A push monitor of Uptime Kuma 1, which accepts only GET; `status` and `msg` in the query."""

    def answer(self, received: Received) -> Reply:
        parts = urlsplit(received.path)
        query = parse_qs(parts.query)
        if received.method != "GET" or parts.path != f"/api/push/{TOKEN}":
            text = {"ok": False, "msg": "Monitor not found or not active."}
            return Reply(404, body=json.dumps(text).encode())
        well = query.get("status", ["up"])[0] == "up"
        return self.note(well=well, reason="" if well else query.get("msg", ["OK"])[0])
