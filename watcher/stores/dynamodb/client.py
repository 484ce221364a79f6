"""Calls to DynamoDB, one try each and bounded in time: the one place where botocore's errors become StoreError."""

import asyncio
import contextlib
import os
import random
from collections.abc import Mapping
from typing import Any

import aiohttp
from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError

from watcher.aws.call_errors import call_failure, response_failure
from watcher.aws.client import Client, LeasedClient
from watcher.aws.http_session import BoundedSession
from watcher.aws.profiles import ProfileError, botocore_profile_region
from watcher.aws.responses import body_of
from watcher.aws.sessions import Sessions
from watcher.core.settings import Account
from watcher.core.state_url import Address
from watcher.errors import PollFailed, StoreError
from watcher.util.redaction import printable, redacted_excerpt

CALL_SECONDS = 5.0  # for one call in total
CONNECTIONS = 32
MAX_CONFLICTS = 4  # tries of a transaction that conflicts with another one on the same item
REPEATABLE = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded", "RequestLimitExceeded"}
"""Reasons of cancelled transactions that may succeed when repeated."""


class NoTableError(StoreError):
    """The table does not exist."""


class PassingError(StoreError):
    """A repeat may succeed soon: requests are throttled or conflict, or AWS has a temporary problem."""

    passing = True


class _ConflictError(PassingError):
    """Another transaction on the same item is under way."""


class UnknownOutcomeError(PassingError):
    """The request was sent, and no response says whether it was carried out."""


class ConditionFailedError(StoreError):
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
            ConditionFailedError: a condition did not hold.
            UnknownOutcomeError: it may or may not have been carried out.
            StoreError: it was not carried out.
        """
        for tried in range(1, MAX_CONFLICTS):
            with contextlib.suppress(_ConflictError):
                return await self._once(operation, parameters, within)
            # Of two conflicting ones, one is to come first.
            await asyncio.sleep(0.02 * 2**tried * random.uniform(0.5, 1.5))  # noqa: S311  jitter
        return await self._once(operation, parameters, within)

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _once(self, operation: str, parameters: Mapping[str, Any], within: float) -> dict[str, Any]:
        leased: LeasedClient | None = None
        client = self._client or self._opened()
        try:
            async with asyncio.timeout(within):
                leased = await client.take()
                response = await getattr(leased.api, xform_name(operation))(**parameters)
            return body_of(response["body"], response["content_type"])
        except ClientError as error:
            raise self._refused(error, client, leased) from error
        except (BotoCoreError, aiohttp.ClientError, OSError, PollFailed) as error:
            late = leased is None and isinstance(error, TimeoutError)
            failure = client.not_ready(within) if late else call_failure(error, within)
            raise self._lost(operation, leased, failure) from error
        finally:
            await client.give_back(leased)

    def _opened(self) -> Client:
        region = self.address.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        try:
            region = region or botocore_profile_region(None)
        except ProfileError as error:
            raise StoreError(f"{self.address}: its region is not known: the AWS profile {error}") from None
        if region is None:
            raise StoreError(f"{self.address}: its region is not known; add ?region=…, or set AWS_REGION")
        self._where = region if self.address.endpoint_url is None else f"{region} at {self.address.endpoint_url}"
        self._client = Client(
            "dynamodb", region, Account("state", (region,)), self._sessions, endpoint_url=self.address.endpoint_url,
            pool=CONNECTIONS, http_session=_LargeAnswers,
        )  # fmt: skip
        return self._client

    def _lost(self, operation: str, leased: LeasedClient | None, failure: PollFailed) -> StoreError:
        """The error of a call without an answer; if the call was not made at all, it may be possible soon."""
        if leased is not None:
            return UnknownOutcomeError(self._shown(operation, str(failure)))
        text = self._shown(f"{operation} could not be called", str(failure))
        return PassingError(text) if failure.passing else StoreError(text)

    def _refused(self, error: ClientError, client: Client, leased: LeasedClient | None) -> StoreError:
        failure = response_failure(error)
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if failure.stale_credentials and leased is not None:
            client.renew(leased)
        text = self._shown(error.operation_name, str(failure))
        match failure.code.rpartition("#")[2]:
            case "ResourceNotFoundException":
                return NoTableError(
                    f"{self.address}: there is no such table in {self._where}; `watcher state init` creates it"
                )
            case "ConditionalCheckFailedException":
                return ConditionFailedError(text)
            case "TransactionCanceledException":
                reasons = {str(reason.get("Code")) for reason in error.response.get("CancellationReasons") or ()}
                if "ConditionalCheckFailed" in reasons:
                    return ConditionFailedError(text)
                return _ConflictError(text) if reasons & REPEATABLE else StoreError(text)
            case "IdempotentParameterMismatchException":
                # Its token is that of a transaction that was carried out: the table shows which.
                return UnknownOutcomeError(text)
            case "TransactionConflictException" | "TransactionInProgressException":
                return _ConflictError(text)
        # Whatever a server says of itself (500, 503) leaves open whether it did what it was asked for.
        if status >= 500:
            return UnknownOutcomeError(text)
        return PassingError(text) if failure.throttled else StoreError(text)

    def _shown(self, operation: str, text: str) -> str:
        return printable(f"{self.address}: {operation}: {redacted_excerpt(' '.join(text.split()), 600)}")
