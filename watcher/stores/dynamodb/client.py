"""Calls to DynamoDB, one try each and bounded in time: the one place where botocore's errors become StoreError."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Mapping
from typing import Any

import aiohttp
from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError

from watcher.aws.call_errors import call_failure, refusal
from watcher.aws.client import Client, LeasedClient
from watcher.aws.profiles import ProfileError, botocore_profile_region
from watcher.aws.responses import BoundedSession, body_of
from watcher.aws.sessions import Sessions
from watcher.core.settings import Account
from watcher.core.state_url import Address
from watcher.errors import PollFailed, StoreError
from watcher.util.redaction import excerpt, printable

CALL_SECONDS = 5.0
"""For one call in total."""

CONNECTIONS = 32

REPEATABLE = ("TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded", "RequestLimitExceeded")
"""Reasons of cancelled transactions that may succeed when repeated."""

MAX_CONFLICTS = 4
"""Tries of a transaction that conflicts with another one on the same item."""


class NoTableError(StoreError):
    """The table does not exist."""


class PassingError(StoreError):
    """A repeat may succeed soon: requests are throttled, or AWS has a temporary problem."""

    passing = True


class UnknownOutcomeError(PassingError):
    """The request was sent, and no response says whether it was carried out."""


class RefusedError(StoreError):
    """A condition did not hold, and nothing was written."""


class _LargeAnswers(BoundedSession):
    """DynamoDB responds with up to 16 MB of items."""

    longest = 64 * 1024 * 1024


class Caller:
    """Calls one table's API with the ambient credentials. `address` is what messages name."""

    def __init__(self, address: Address, sessions: Sessions | None = None) -> None:
        """Nothing is opened before the first call. `sessions`: the AWS sessions shared with other clients."""
        self.address = address
        self._sessions = sessions or Sessions()
        self._client: Client | None = None
        self._where = ""

    async def call(
        self, operation: str, parameters: Mapping[str, Any], *, within: float = CALL_SECONDS
    ) -> dict[str, Any]:
        """Make one call; returns the response.

        Raises:
            NoTableError: the table does not exist.
            RefusedError: a condition did not hold.
            UnknownOutcomeError: it may or may not have been carried out.
            StoreError: it was not carried out.
        """
        for tried in range(MAX_CONFLICTS):
            if tried:
                # Of two conflicting ones, one is to come first.
                await asyncio.sleep(0.02 * 2**tried * random.uniform(0.5, 1.5))  # noqa: S311  jitter
            try:
                return await self._once(operation, parameters, within)
            except _ConflictError as error:
                last = error
        raise PassingError(str(last))

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            client, self._client = self._client, None
            await client.close()

    async def _once(self, operation: str, parameters: Mapping[str, Any], within: float) -> dict[str, Any]:
        lent: LeasedClient | None = None
        client = self._client or self._opened()
        try:
            async with asyncio.timeout(within):
                lent = await client.take()
                response = await getattr(lent.api, xform_name(operation))(**parameters)
            return body_of(response["body"], response["content_type"])
        except ClientError as error:
            raise self._refused(error, client, lent) from error
        except (BotoCoreError, aiohttp.ClientError, OSError, PollFailed) as error:
            late = lent is None and isinstance(error, TimeoutError)
            failure = client.not_ready(within) if late else call_failure(error, within)
            raise self._lost(operation, lent, failure) from error
        finally:
            await client.give_back(lent)

    def _opened(self) -> Client:
        region = self.address.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        if region is None:
            try:
                region = botocore_profile_region(None)
            except ProfileError as error:
                raise StoreError(f"{self.address}: its region is not known: the AWS profile {error}") from None
        if region is None:
            raise StoreError(f"{self.address}: its region is not known; add ?region=…, or set AWS_REGION")
        self._where = region if self.address.endpoint_url is None else f"{region} at {self.address.endpoint_url}"
        account = Account("state", (region,))
        self._client = Client(
            "dynamodb",
            region,
            account,
            self._sessions,
            endpoint_url=self.address.endpoint_url,
            pool=CONNECTIONS,
            http_session=_LargeAnswers,
        )
        return self._client

    def _lost(self, operation: str, lent: LeasedClient | None, failure: PollFailed) -> StoreError:
        """The error of a call without an answer; if the call was not made at all, it may be possible soon."""
        if lent is not None:
            return UnknownOutcomeError(self._shown(operation, str(failure)))
        text = self._shown(f"{operation} could not be called", str(failure))
        return PassingError(text) if failure.passing else StoreError(text)

    def _refused(self, error: ClientError, client: Client, lent: LeasedClient | None) -> StoreError:
        failure = refusal(error)
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if failure.stale_credentials and lent is not None:
            client.renew(lent)
        text = self._shown(error.operation_name, str(failure))
        match failure.code.rpartition("#")[2]:
            case "ResourceNotFoundException":
                return NoTableError(
                    f"{self.address}: there is no such table in {self._where}; `watcher state init` makes it"
                )
            case "ConditionalCheckFailedException":
                return RefusedError(text)
            case "TransactionCanceledException":
                return self._cancelled(error, text)
            case "IdempotentParameterMismatchException":
                # Its token is that of a transaction that was carried out: the table shows which.
                return UnknownOutcomeError(text)
            case "TransactionConflictException" | "TransactionInProgressException":
                return _ConflictError(text)
        # Whatever a server says of itself (500, 503) leaves open whether it did what it was asked for.
        if status >= 500:
            return UnknownOutcomeError(text)
        return PassingError(text) if failure.throttled else StoreError(text)

    def _cancelled(self, error: ClientError, text: str) -> StoreError:
        codes = [str(reason.get("Code")) for reason in error.response.get("CancellationReasons") or ()]
        if "ConditionalCheckFailed" in codes:
            return RefusedError(text)
        return _ConflictError(text) if any(code in REPEATABLE for code in codes) else StoreError(text)

    def _shown(self, operation: str, text: str) -> str:
        return printable(f"{self.address}: {operation}: {excerpt(' '.join(text.split()), 600)}")


class _ConflictError(PassingError):
    """Another transaction on the same item is under way."""
