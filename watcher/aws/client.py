"""One aiobotocore client for an account's service in a region: opened by its first call, and again for new credentials.

It tries each call once: retries and time limits are the caller's. It hides its credentials from all output.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from aiobotocore import __version__ as aiobotocore_version
from aiobotocore.config import AioConfig

from watcher import __version__
from watcher.aws.call_errors import call_failure, no_credentials_in_time
from watcher.aws.http_session import BoundedSession
from watcher.aws.sessions import Session, Sessions
from watcher.aws.signed_calls import SignedCalls
from watcher.core.settings import Account
from watcher.errors import EndpointUnreadable, PollFailed, Superseded, TargetUnreadable
from watcher.util.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

T = TypeVar("T")

USER_AGENT = f"watcher/{__version__} aiobotocore/{aiobotocore_version}"
KEEPALIVE_SECONDS = 45.0
"""How long an idle connection is kept: a new one takes as long as three calls, one that AWS just closed costs a try."""
UNBOUNDED_SECONDS = 86400.0
OPENING_SECONDS = 30.0
"""How long opening a client, with its credentials, may take."""


@dataclass(eq=False, slots=True)
class LeasedClient:
    """botocore's client and its number of calls under way; closed once it was replaced and the last call has ended."""

    session: Session
    api: Any
    signed: SignedCalls
    calls: int = 0


class Client:
    """Makes calls (`call`, `use`), or leases botocore's client for one call each: `take`, call, `give_back`.

    `pool`: maximum number of connections; `http_session`: bounds the answers. Nothing is opened yet.
    """

    def __init__(
        self, service: str, region: str, account: Account, sessions: Sessions, *, endpoint_url: str | None, pool: int,
        http_session: type[BoundedSession] = BoundedSession,
    ) -> None:  # fmt: skip
        self._service = service
        self._region = region
        self._account = account
        self._sessions = sessions
        self._endpoint_url = endpoint_url
        self._pool = pool
        self._http_session = http_session
        self._opening = asyncio.Lock()
        self._current: LeasedClient | None = None
        self._closed = False

    def not_ready(self, seconds: float) -> EndpointUnreadable:
        """The failure of a `take` that did not return within `seconds`; it names what the call waited for."""
        session = self._sessions.of(self._account, self._region)
        if session.usable:
            limit = format_duration(seconds)
            return EndpointUnreadable("ClientTimeout", f"no client could be opened within {limit}", passing=True)
        return no_credentials_in_time(seconds, session.asked)

    async def call(
        self,
        operation: str,
        parameters: Mapping[str, Any],
        seconds: float,
        *,
        check: Callable[[], None] = lambda: None,
    ) -> dict[str, Any]:
        """Make one call, which takes no longer than `seconds` in all; return its answer unread.

        `check` is called as late as possible before the call, and may raise Superseded.

        Raises:
            PollFailed: there was no answer, or the answer is an error.
        """

        def ask(lease: LeasedClient) -> Awaitable[dict[str, Any]]:
            check()
            return lease.signed.call(operation, parameters)

        return await self.use(ask, seconds, operation)

    async def use(self, ask: Callable[[LeasedClient], Awaitable[T]], seconds: float, operation: str | None = None) -> T:
        """Return what `ask` returns, which may make calls for `seconds` in all.

        `operation`: the only one that it calls; None: it may call several.

        Raises:
            PollFailed: there was no answer, or the answer is an error.
        """
        lease: LeasedClient | None = None
        try:
            async with asyncio.timeout(seconds):
                lease = await self.take()
                return await ask(lease)
        except (PollFailed, Superseded):
            raise
        except Exception as error:
            if isinstance(error, TimeoutError) and lease is None:
                raise self.not_ready(seconds) from error
            failure = _failure(error, operation, seconds)
            if failure.stale_credentials and lease is not None:
                failure.passing = self.renew(lease)
            raise failure from error
        finally:
            await self.give_back(lease)

    async def take(self) -> LeasedClient:
        """Return the client for one call, with credentials that can sign it.

        Raises:
            EndpointUnreadable: there are no credentials, or the client cannot be opened.
            ConnectionError: the client is closed.
        """
        session = self._sessions.of(self._account, self._region)
        lease = self._ready(session) or await self._prepared(session)
        lease.calls += 1
        return lease

    def _ready(self, session: Session) -> LeasedClient | None:
        """Return the open client if `session` is its own and can sign calls; None: there is something to wait for."""
        lease = self._current
        return lease if lease is not None and lease.session is session and session.fresh else None

    @property
    def is_open(self) -> bool:
        """Whether the client is open with the account's current session."""
        return self._current is not None and self._current.session is self._sessions.of(self._account, self._region)

    @property
    def is_ready(self) -> bool:
        """Whether a call can be made at once: the client is open, and no refresh of its credentials is due."""
        return self._ready(self._sessions.of(self._account, self._region)) is not None

    async def prepare(self) -> bool:
        """Open the client ahead of a call; returns whether it is ready. If it is not, the call reports why."""
        with contextlib.suppress(Exception):
            if self.is_ready:
                return True
            async with asyncio.timeout(OPENING_SECONDS):
                await self.give_back(await self.take())
                return True
        return False

    async def give_back(self, lease: LeasedClient | None) -> None:
        """End a lease; None is ignored."""
        if lease is not None:
            lease.calls -= 1
            if lease is not self._current:
                await self._close_replaced(lease)

    def renew(self, lease: LeasedClient) -> bool:
        """Load newer credentials at the next call; returns whether there may be any."""
        return self._sessions.renew(self._account, lease.session)

    async def close(self) -> None:
        """Close the client for good; calls under way fail."""
        self._closed = True
        lease, self._current = self._current, None
        if lease is not None:
            await lease.api.close()

    async def _prepared(self, session: Session) -> LeasedClient:
        try:
            await session.prepare()
            async with self._opening:
                self._refuse_closed()
                before = self._current
                if before is not None and before.session is session:
                    return before
                self._current = None
                if before is not None:
                    await self._close_replaced(before)
                self._current = opened = await self._opened(session)
                return opened
        except (ConnectionError, EndpointUnreadable):
            raise
        except Exception as error:
            raise session.failure(error) from error

    def _refuse_closed(self) -> None:
        if self._closed:
            raise ConnectionError("this client is closed")

    async def _opened(self, session: Session) -> LeasedClient:
        context = session.botocore.create_client(
            self._service,
            region_name=self._region,
            endpoint_url=self._endpoint_url,
            config=AioConfig(
                retries={"total_max_attempts": 1},
                # The caller limits the time of each call as a whole.
                connect_timeout=UNBOUNDED_SECONDS,
                read_timeout=UNBOUNDED_SECONDS,
                max_pool_connections=self._pool,
                user_agent=USER_AGENT,
                connector_args={"keepalive_timeout": KEEPALIVE_SECONDS},
                http_session_cls=self._http_session,
            ),
        )
        api = await context.__aenter__()
        if self._closed:
            await api.close()
            self._refuse_closed()
        # The caller retries; botocore's handler would still examine each answer.
        service = api.meta.service_model.service_id.hyphenize()
        api.meta.events.unregister(f"needs-retry.{service}", unique_id=f"retry-config-{service}")
        return LeasedClient(session, api, SignedCalls(session.botocore, api))

    async def _close_replaced(self, lease: LeasedClient) -> None:
        if lease is not self._current and lease.calls == 0:
            await lease.api.close()


def _failure(error: Exception, operation: str | None, seconds: float) -> PollFailed:
    """Return the failure that an exception of a call stands for."""
    failure = call_failure(error, seconds)
    called = getattr(error, "operation_name", None)
    if operation and isinstance(failure, TargetUnreadable) and called and called != operation:
        # A call before it was refused (AssumeRole): that concerns the endpoint, not the target.
        return EndpointUnreadable(failure.code, f"{called}: {failure.message}")
    return failure
