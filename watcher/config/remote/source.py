"""Reads a configuration from AWS, always with the ambient credentials: those of an account are in its text."""

import asyncio
import os
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from watcher.aws.call_errors import REDIRECTS, redirect
from watcher.aws.client import Client
from watcher.aws.http_session import BoundedSession
from watcher.aws.profiles import botocore_profile_region
from watcher.aws.sessions import Sessions
from watcher.config.accounts import Environment, ambient_region
from watcher.config.document import MAX_BYTES, Document
from watcher.config.remote.address import RemoteAddress, parse_remote
from watcher.config.remote.services import TEXTS, RemoteText
from watcher.core.settings import Account
from watcher.errors import ConfigError, EndpointUnreadable, Fault, PollFailed, ServiceUnreachable
from watcher.util.redaction import printable

POLL_SECONDS = 60.0
"""The time between two readings, unless the service wants more."""

CALL_SECONDS = 10.0
"""The time limit of one reading, with its retries at most `TRIES` times that."""

REGION = "x-amz-bucket-region"
"""The header by which S3 tells in which region a bucket is."""

TRIES, RETRY_SECONDS = 3, 0.5
"""How often a reading is tried while the failure may pass, and the wait before the second try, which then doubles."""

_MISSING = {
    "ParameterNotFound": "there is no such parameter",
    "ParameterVersionNotFound": "the parameter has no such version or label",
    "NoSuchBucket": "there is no such bucket",
    "NoSuchKey": "there is no such object",
    "ResourceNotFoundException": "there is no such application, environment or profile, or nothing is deployed",
    "ValidationException": "this is not a valid name",
    "ParamValidationError": "this is not a valid name",
}
"""What the error codes mean that say that there is no text: the service answers, so the name is wrong."""


class RemoteSource:
    """Reads one place in AWS; nothing is opened before the first reading."""

    whole = True

    def __init__(self, address: RemoteAddress, region: str) -> None:
        self.name, self.region = address.text, region
        self._sessions = Sessions()
        self._client = Client(
            address.service, region, Account("configuration", (region,)), self._sessions, endpoint_url=None, pool=1,
            http_session=_ConfigSession,
        )  # fmt: skip
        self._text: RemoteText = TEXTS[address.service](*address.parts)
        self._last: Document | None = None

    @property
    def key(self) -> str:
        """What tells it apart from the same name in another region."""
        return f"{self.region} {self.name}"

    @property
    def pause(self) -> float:
        return max(POLL_SECONDS, self._text.pause or 0.0)

    async def read(self) -> Document:
        content = await self._with_retries()
        if content is not None or self._last is None:
            self._last = Document(self.name, content or b"")
        return self._last

    def forget(self) -> None:
        self._sessions.drop()
        self._text.forget()

    async def close(self) -> None:
        await self._client.close()
        self._sessions.close()

    async def _with_retries(self) -> bytes | None:
        tries = 0
        while True:
            tries += 1
            try:
                return await self._client.use(lambda lease: self._text.read(lease.api), CALL_SECONDS)
            except PollFailed as failure:
                if not failure.passing or tries == TRIES:
                    raise self._error(failure) from failure
            await asyncio.sleep(RETRY_SECONDS * 2 ** (tries - 1))

    def _error(self, failure: PollFailed) -> ConfigError | ServiceUnreachable:
        if failure.code == "AnswerTooLong":
            return _fault(self.name, "larger than 4 MiB; is it the right one?")
        if failure.code in _MISSING:
            return _fault(self.name, f"{_MISSING[failure.code]} in {self.region} ({printable(str(failure))})")
        return ServiceUnreachable(
            f"{self.name} cannot be read in {self.region}: {printable(str(failure))}; check that it can be reached, "
            f"and that the ambient credentials allow {self._text.permissions}"
        )


def remote_source(name: str) -> RemoteSource:
    """Return the source of the place that `name` names, in the ambient region unless it names one.

    Raises:
        ConfigError: it is not a valid name, or the region is not known.
    """
    try:
        address = parse_remote(name)
        environment = Environment(os.environ, botocore_profile_region, datetime.now(UTC))
        region = address.region or ambient_region(environment, None)
    except ValueError as error:
        raise _fault(name, str(error)) from None
    except LookupError as error:
        raise _fault(name, f"the region is not known: the AWS profile {error}") from None
    if not region:
        raise _fault(name, "the region is not known; set AWS_REGION")
    return RemoteSource(address, region)


def _fault(name: str, message: str) -> ConfigError:
    return ConfigError([Fault(printable(name), 1, 1, "", message)])


class _ConfigSession(BoundedSession):
    """Reads an answer as a whole, also one that botocore treats as a stream."""

    longest = MAX_BYTES

    async def send(self, request: Any) -> Any:
        response = await super().send(request)
        # botocore asks for the region of a bucket in such an answer by another such request, without an end.
        if request.method == "HEAD" and response.status_code in REDIRECTS and REGION not in response.headers:
            raise EndpointUnreadable(str(response.status_code), redirect(response.status_code, response.headers))
        whole = asyncio.StreamReader()
        whole.feed_data(await response.content)
        whole.feed_eof()
        response.raw = SimpleNamespace(content=whole, url=request.url)
        return response
