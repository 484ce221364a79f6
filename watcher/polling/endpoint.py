"""Calls one API in one account and region, with its client, rate limit and retries. botocore's errors end here.

Every call, also each retry, must be admitted: it needs a free connection, and then the rate limiter's permission.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from hashlib import blake2b
from typing import Any, TypeVar

from watcher.aws.call_errors import call_failure
from watcher.aws.client import Client
from watcher.aws.responses import body_of, http_date
from watcher.aws.sessions import Sessions, credentials_of
from watcher.core.kinds import BlockerCall
from watcher.core.model import Blocker, EndpointKey, Snapshot, Target
from watcher.core.settings import Account, Retry
from watcher.errors import PollFailed, Superseded, TargetUnreadable
from watcher.polling.rate_limiter import RateLimiter
from watcher.polling.retry import always, retry_after

T = TypeVar("T")


class CallsUnderWay:
    """Counts the calls under way, each a `with`, and waits until all have ended."""

    def __init__(self) -> None:
        self._count = 0
        self._none = asyncio.Event()
        self._none.set()

    async def ended(self) -> None:
        """Wait until no call is under way."""
        await self._none.wait()

    def __enter__(self) -> None:
        self._count += 1
        self._none.clear()

    def __exit__(self, *_: object) -> None:
        self._count -= 1
        if not self._count:
            self._none.set()


class Endpoint:
    """Gets the sync status of targets, and listings, from one API in one account and region."""

    def __init__(
        self,
        key: EndpointKey,
        account: Account,
        sessions: Sessions,
        retry: Retry,
        rate_limiter: RateLimiter | None = None,
        may_poll: Callable[[], bool] = always,
    ) -> None:
        """The client is opened by the first call.

        `rate_limiter`: one in which other calls to the same API count as well. `may_poll`: whether a call may begin
        now; another daemon may be taking this endpoint over.
        """
        self.key = key
        self.account = account
        self.may_poll = may_poll
        self.rate_limiter = rate_limiter or RateLimiter(account.rate_limit.requests_per_second)
        self._retry = retry
        concurrency = account.rate_limit.concurrency
        self._slots = asyncio.Semaphore(concurrency)
        self._client = Client(
            key.api, key.region, account, sessions, endpoint_url=account.endpoint_url, pool=concurrency
        )
        self._answers: dict[str, tuple[bytes, Snapshot]] = {}
        self._under_way = CallsUnderWay()

    def asks_as(self, account: Account) -> bool:
        """Return whether its results hold for `account`: it asks the same AWS, with the same credentials."""
        mine = self.account
        return mine is account or (
            mine.endpoint_url == account.endpoint_url and credentials_of(mine) == credentials_of(account)
        )

    def serves(self, account: Account) -> bool:
        """Return whether its client can be used for `account` as now configured; only the rate may differ."""
        return self.asks_as(account) and self.account.rate_limit.concurrency == account.rate_limit.concurrency

    def reconfigure(self, account: Account, retry: Retry) -> None:
        """Continue for an account that it `serves`, with another rate and other retries."""
        self.account = account
        self._retry = retry
        self.rate_limiter.set_rate(account.rate_limit.requests_per_second)

    def forget(self, target_ids: Iterable[str]) -> None:
        """Drop the cached answers of these targets."""
        for target_id in target_ids:
            self._answers.pop(target_id, None)

    async def admit(self) -> None:
        """Wait until one call may begin. `fetch`, `call` or `dismiss` must follow."""
        await self._slots.acquire()
        try:
            while True:
                # Before the rate limiter: a call that it admits must begin at once, or two calls come too close.
                prepared = self._client.is_ready or await self._client.prepare()
                await self.rate_limiter.acquire()
                if not prepared or self._client.is_open:  # the session may have been dropped meanwhile
                    return
        except asyncio.CancelledError:
            self._slots.release()
            raise

    def dismiss(self) -> None:
        """Return an admission that is not used."""
        self._slots.release()

    async def fetch(self, target: Target, *, again: Callable[[], bool] = always) -> Snapshot:
        """Return the sync status of a target, whose first call was admitted; it is retried while `again()` is true.

        Raises:
            TargetUnreadable: the endpoint answered with an error about this target.
            EndpointUnreadable: the endpoint did not answer.
            Superseded: no call was made, since another daemon polls this endpoint by now.
        """
        return await self._tried(lambda: self._ask(target, target.kind.operation, partial(self._read, target)), again)

    async def fetch_blockers(
        self, target: Target, call: BlockerCall, *, again: Callable[[], bool]
    ) -> tuple[Blocker, ...]:
        """Return the sync blockers of a target, for which `call` asks; the rest is as for `fetch`."""
        return await self._tried(
            lambda: self._ask(
                target, call.operation, lambda answer: call.read(body_of(answer["body"], answer["content_type"]))
            ),
            again,
        )

    async def call(self, operation: str, parameters: Mapping[str, Any], timeout: float) -> dict[str, Any]:  # noqa: ASYNC109  the limit of each call is its caller's
        """Make one call of an operation, which was admitted; return the members of the answer.

        Raises:
            TargetUnreadable: AWS answered that what the call is about does not exist, or is not valid.
            EndpointUnreadable: the endpoint did not answer.
            Superseded: no call was made, since another daemon uses this endpoint by now.
        """

        async def ask() -> dict[str, Any]:
            answer = await self._client.call(operation, parameters, timeout, check=self._check_may_poll)
            return body_of(answer["body"], answer["content_type"])

        with self._under_way:
            return await self._adjusting_rate(ask())

    async def quiet(self) -> None:
        """Wait until no `fetch` and no `call` is under way."""
        await self._under_way.ended()

    async def close(self) -> None:
        await self._client.close()

    async def _tried(self, ask: Callable[[], Awaitable[T]], again: Callable[[], bool]) -> T:
        """Return what `ask` returns, whose first call was admitted; it is retried while `again()` is true."""

        async def call() -> T:
            await self.admit()
            return await self._adjusting_rate(ask())

        with self._under_way:
            try:
                return await self._adjusting_rate(ask())
            except PollFailed as error:
                return await retry_after(error, call, self._retry, again)

    async def _adjusting_rate(self, call: Awaitable[T]) -> T:
        """Return the result of an admitted call, which adjusts the rate; the admission ends with it."""
        begun = time.monotonic()
        try:
            result = await call
        except PollFailed as error:
            if error.throttled:
                self.rate_limiter.slow_down(begun)
            elif isinstance(error, TargetUnreadable):
                self.rate_limiter.speed_up()
            raise
        finally:
            self._slots.release()
        self.rate_limiter.speed_up()
        return result

    async def _ask(self, target: Target, operation: str, read: Callable[[dict[str, Any]], T]) -> T:
        """Make one call about a target; return what `read` makes of the answer."""
        request = target.kind.request(target)
        answer = await self._client.call(operation, request, target.timeout, check=self._check_may_poll)
        try:
            return read(answer)
        except PollFailed:
            raise
        except Exception as error:
            raise call_failure(error, target.timeout) from error

    def _check_may_poll(self) -> None:
        # Checked as late as possible: the process may have been stopped for a while.
        if not self.may_poll():
            raise Superseded(f"{self.key}: another daemon may poll it by now")

    def _read(self, target: Target, answer: Mapping[str, Any]) -> Snapshot:
        """Return the snapshot of an answer; one with the same bytes as the last, as most have, is not read again."""
        body: bytes = answer["body"]
        digest = blake2b(body, digest_size=16).digest()
        last = self._answers.get(target.id)
        if last is not None and last[0] == digest:
            snapshot = last[1]
        else:
            read = target.kind.read
            if read is None:
                raise ValueError(f"{target.id} is not polled: the listing of its kind has its status")
            snapshot = read(body_of(body, answer["content_type"]))
            self._answers[target.id] = (digest, snapshot)
        if snapshot.latest is not None and snapshot.latest.unfinished:
            # Only an unfinished attempt is compared with a clock: use AWS's, which stamped the attempt.
            snapshot = replace(snapshot, at=http_date(answer["date"]))
        return snapshot
