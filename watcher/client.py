"""One aiobotocore client of an account's service in a region: opened by its first call, anew for newer credentials.

It makes one try for each call, in no time limit but the caller's own, and keeps its credentials out of what is shown.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiobotocore import __version__ as aiobotocore_version
from aiobotocore.config import AioConfig
from botocore.exceptions import NoCredentialsError

from watcher import __version__
from watcher.answers import BoundedSession
from watcher.redact import remember

if TYPE_CHECKING:
    from aiobotocore.session import AioSession

    from watcher.config.settings import Account
    from watcher.sessions import Sessions

USER_AGENT = f"watcher/{__version__} aiobotocore/{aiobotocore_version}"
KEEPALIVE = 45.0
"""Seconds that an idle connection is kept: a new one costs three calls, one that AWS just closed costs a try."""
UNBOUNDED = 86400.0
OPENING = 30.0
"""Seconds in which a client, with its credentials, must be had."""


@dataclass(eq=False, slots=True)
class Lent:
    """botocore's client and the calls that are under way on it; closed when it is retired and the last one is done."""

    session: AioSession
    api: Any
    calls: int = 0
    retired: bool = False


class Client:
    """Lends botocore's client for one call at a time each: `take`, call, `give_back`."""

    def __init__(
        self, service: str, region: str, account: Account, sessions: Sessions, *, endpoint_url: str | None, pool: int,
        http_session: type[BoundedSession] = BoundedSession,
    ) -> None:  # fmt: skip
        """`pool`: connections at most; `http_session`: bounds the answers. Nothing is opened yet."""
        self._service = service
        self._region = region
        self._account = account
        self._sessions = sessions
        self._endpoint_url = endpoint_url
        self._pool = pool
        self._http_session = http_session
        self._opening = asyncio.Lock()
        self._current: Lent | None = None
        self._closed = False

    async def take(self) -> Lent:
        """The client, for one call.

        Raises:
            TimeoutError: neither it nor credentials could be had in time.
            NoCredentialsError: there are none; and whatever else botocore says of them.
        """
        lent = self._current or await self._open()
        lent.calls += 1
        return lent

    async def prepare(self) -> None:
        """Open it ahead of a call, which tells what was wrong if that fails."""
        if self._current is None:
            with contextlib.suppress(Exception):
                await self._open()

    async def give_back(self, lent: Lent | None) -> None:
        """The call is over."""
        if lent is None:
            return
        lent.calls -= 1
        if lent.retired and lent.calls == 0:
            await lent.api.close()

    def renew(self, lent: Lent) -> bool:
        """Have newer credentials looked for; whether there may be any."""
        if self._current is lent:
            if not self._sessions.renew(self._account, lent.session):
                return False
            lent.retired = True
            self._current = None
        return True

    async def close(self) -> None:
        """Close it for good; calls under way fail."""
        self._closed = True
        if self._current is not None:
            lent, self._current = self._current, None
            await lent.api.close()

    async def _open(self) -> Lent:
        async with self._opening, asyncio.timeout(OPENING):
            if self._closed:
                raise ConnectionError("this client is closed")
            if self._current is None:
                session = self._sessions.of(self._account, self._region)
                if await session.get_credentials() is None:
                    # A client made now would sign nothing for as long as it lives.
                    raise NoCredentialsError
                context = session.create_client(
                    self._service,
                    region_name=self._region,
                    endpoint_url=self._endpoint_url,
                    config=AioConfig(
                        retries={"total_max_attempts": 1},
                        # Each call is bounded as a whole, by whoever makes it.
                        connect_timeout=UNBOUNDED,
                        read_timeout=UNBOUNDED,
                        max_pool_connections=self._pool,
                        user_agent=USER_AGENT,
                        connector_args={"keepalive_timeout": KEEPALIVE},
                        http_session_cls=self._http_session,
                    ),
                )
                api = await context.__aenter__()
                if self._closed:  # meanwhile
                    await api.close()
                    raise ConnectionError("this client is closed")
                # Tries are counted elsewhere; botocore's handler would still look at each answer.
                service = api.meta.service_model.service_id.hyphenize()
                api.meta.events.unregister(f"needs-retry.{service}", unique_id=f"retry-config-{service}")
                api.meta.events.register(f"before-send.{service}", _Remembering(session))
                self._current = Lent(session, api)
            return self._current


class _Remembering:
    """Keeps a session's credentials, whenever they are new, out of everything that is shown."""

    def __init__(self, session: AioSession) -> None:
        self._session = session
        self._seen: object = self

    async def __call__(self, request: Any, **_: Any) -> None:
        token = request.headers.get("X-Amz-Security-Token")
        if token != self._seen:
            self._seen = token
            credentials = await (await self._session.get_credentials()).get_frozen_credentials()
            remember(credentials.secret_key, credentials.token, passing=True)
