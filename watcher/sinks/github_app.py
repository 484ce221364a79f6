"""Tokens of a GitHub App's installation, each valid for an hour (the extra `github`).

https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from watcher.core.deliveries import Verdict
from watcher.core.model import parse_rfc3339
from watcher.errors import SinkError
from watcher.sinks.commit_status import judged
from watcher.sinks.http import json_object
from watcher.util.redaction import remember

if TYPE_CHECKING:
    from watcher.sinks.http import Response
    from watcher.sinks.poster import Poster

CLOCK_LEEWAY = timedelta(seconds=60)
"""How far GitHub's clock may be behind: it refuses what was signed in its future."""

LIFETIME = timedelta(minutes=9)
"""How long the App's own token is valid; GitHub allows ten minutes."""

RENEW_BEFORE = timedelta(minutes=5)
"""How long before its end a token is replaced."""

_LONG_AGO = datetime.fromtimestamp(0, UTC)


def app_token(app_id: str, private_key: str, now: datetime) -> str:
    """Return the token with which an App authenticates itself, to get the token of an installation."""
    import jwt

    claims = {"iat": now - CLOCK_LEEWAY, "exp": now + LIFETIME, "iss": app_id}
    token: str = jwt.encode(claims, private_key, algorithm="RS256")
    return token


def key_fault(private_key: str) -> str | None:
    """Return why an App cannot sign with this key, without repeating it; None if it can."""
    try:
        from jwt.algorithms import RSAAlgorithm
    except ImportError:
        return "a GitHub App needs the extra `github`; install it: pip install '.[github]'"
    with suppress(Exception):  # whatever the library says of a wrong key
        RSAAlgorithm(RSAAlgorithm.SHA256).prepare_key(private_key)
        if "PRIVATE KEY" in private_key:
            return None
    return "this must be the App's private key: the whole PEM file, from BEGIN to END"


class InstallationToken:
    """The current token of an installation; a new one is requested shortly before it expires."""

    def __init__(self, poster: Poster, app_id: str, private_key: str, installation_id: str) -> None:
        self._poster = poster
        self._app_id, self._private_key = app_id, private_key
        self._path = f"/app/installations/{installation_id}/access_tokens"
        self._asking = asyncio.Lock()
        self._token, self._renew_at = "", _LONG_AGO

    async def current(self, headers: Mapping[str, str]) -> str:
        """Return a token that is valid for some minutes; `headers` are sent when a new one is requested.

        Raises:
            SinkError: GitHub returns none.
        """
        async with self._asking:
            now = datetime.now(UTC)
            if now >= self._renew_at:
                signed = app_token(self._app_id, self._private_key, now)
                remember(signed, temporary=True)
                given = {**headers, "Authorization": f"Bearer {signed}"}
                verdict, text = await self._poster.deliver(b"{}", given, path=self._path, judge=self._take)
                if verdict is not Verdict.TAKEN:
                    raise SinkError(f"GitHub gives no token for the App's installation: {text}")
            return self._token

    def forget(self) -> None:
        """Request a new token next time: GitHub refused this one."""
        self._renew_at = _LONG_AGO

    def _take(self, response: Response) -> tuple[Verdict, str]:
        """Keep the token in a response; return what the response means."""
        verdict, text = judged(response)
        if verdict is not Verdict.TAKEN:
            return verdict, text
        found = json_object(response.body) or {}
        token = found.get("token")
        try:
            renew_at = parse_rfc3339(str(found.get("expires_at"))) - RENEW_BEFORE
        except (ValueError, OverflowError):
            return Verdict.LATER, f"{response.status}, but not a token"
        if not isinstance(token, str) or not re.fullmatch("[!-~]+", token):  # it is sent as a header
            return Verdict.LATER, f"{response.status}, but not a token"
        self._token, self._renew_at = token, renew_at
        remember(token, temporary=True)
        return Verdict.TAKEN, "a token"
