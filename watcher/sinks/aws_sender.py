"""Sends batches of events to EventBridge, SNS and SQS.

A call that is refused as a whole for its content is made again entry by entry, so that one poison event delays no
other. No error of botocore leaves this module.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError

from watcher.aws.call_errors import response_failure
from watcher.aws.client import Client, LeasedClient
from watcher.aws.responses import body_of
from watcher.aws.sessions import Sessions
from watcher.core.deliveries import Delivery, Limits, SendOutcome, Verdict
from watcher.core.sink_settings import SinkSettings
from watcher.errors import PollFailed, SinkError
from watcher.sinks.aws import AwsOptions, Entry, blames_call, shown, verdict
from watcher.util.fitting import first_fitting

Part = list[tuple[Delivery, Entry]]
"""What one call sends: deliveries, each with its entry."""

BATCH = 10
"""Entries in one call, at all three services."""
MAX_BATCH_BYTES = 256 * 1024
"""Bytes in one call that all three services accept; a larger event is sent alone, for AWS to judge."""


class AwsSink:
    """Sends events in calls of up to ten; AWS answers for each event."""

    def __init__(self, options: AwsOptions, settings: SinkSettings, sessions: Sessions) -> None:
        assert settings.account is not None  # noqa: S101  the configuration resolves both for sinks at AWS
        assert settings.region is not None  # noqa: S101  the same
        self.name = settings.name
        self.limits = Limits(batch=BATCH, parallel=4, deadline=options.timeout)
        self._options = options
        self._client = Client(
            options.service,
            settings.region,
            settings.account,
            sessions,
            endpoint_url=options.endpoint_url or settings.account.endpoint_url,
            pool=BATCH * self.limits.parallel,
        )

    async def send(self, deliveries: Sequence[Delivery]) -> Sequence[SendOutcome]:
        return await self._each(batches([(delivery, self._options.entry(delivery)) for delivery in deliveries]))

    async def close(self) -> None:
        await self._client.close()

    async def _each(self, parts: Sequence[Part]) -> list[SendOutcome]:
        """Return the outcomes of all deliveries; those of a call that failed are due later.

        Raises:
            SinkError: all calls failed.
        """
        results = await asyncio.gather(*map(self._put, parts), return_exceptions=True)
        errors = [result for result in results if isinstance(result, BaseException)]
        errors.sort(key=lambda error: isinstance(error, SinkError))  # a bug is raised first
        for error in errors:
            if len(errors) == len(parts) or not isinstance(error, SinkError):
                raise error
        outcomes: list[SendOutcome] = []
        for part, result in zip(parts, results, strict=True):
            if isinstance(result, BaseException):
                outcomes += [SendOutcome(delivery, Verdict.LATER, str(result)) for delivery, _ in part]
            else:
                outcomes += result
        return outcomes

    async def _put(self, part: Part) -> list[SendOutcome]:
        try:
            answer = await self._call(self._options.request([entry for _, entry in part]))
        except RefusedError as refused:
            if len(part) > 1:
                return await self._each([[one] for one in part])
            return [SendOutcome(part[0][0], refused.verdict, str(refused))]
        return self._options.read(answer, [delivery for delivery, _ in part])

    async def _call(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Make one call and return its answer.

        Raises:
            RefusedError: AWS blames the content of the call.
            SinkError: it was not answered, or it was refused for another reason.
        """
        lease: LeasedClient | None = None
        try:
            try:
                async with asyncio.timeout(self.limits.deadline / 2):
                    lease = await self._client.take()
            except TimeoutError:
                raise self._client.not_ready(self.limits.deadline / 2) from None
            answer: dict[str, Any] = await getattr(lease.api, xform_name(self._options.operation))(**parameters)
            # JSON comes unparsed (see `aws.responses`), XML parsed.
            return body_of(answer["body"], answer["content_type"]) if "body" in answer else answer
        except ClientError as error:
            raise self._refused(error, lease) from error
        except PollFailed as error:
            raise SinkError(f"{self._options.operation}: {shown(str(error))}") from error
        except Exception as error:
            known = isinstance(error, (BotoCoreError, aiohttp.ClientError, OSError))
            text = shown(f"{'' if known else 'the answer could not be read: '}{type(error).__name__}: {error}")
            raise SinkError(f"{self._options.operation}: {text}") from error
        finally:
            await self._client.give_back(lease)

    def _refused(self, error: ClientError, lease: LeasedClient | None) -> SinkError:
        failure = response_failure(error)
        if failure.stale_credentials and lease is not None:
            self._client.renew(lease)
        text = f"{error.operation_name}: {shown(str(failure))}"
        # Another call on the way there (AssumeRole) may be refused in the same words.
        if error.operation_name == self._options.operation and blames_call(failure.code):
            return RefusedError(text, verdict(failure.code, failure.message))
        return SinkError(text)


class RefusedError(SinkError):
    """AWS refused a call as a whole, for its content. `verdict`: what that means for an event that was alone in it."""

    def __init__(self, text: str, verdict: Verdict) -> None:
        super().__init__(text)
        self.verdict = verdict


def batches(entries: Sequence[tuple[Delivery, Entry]]) -> list[Part]:
    """Return the entries, in their order, in as few calls as their number and size allow."""
    parts: list[Part] = []
    while entries:
        parts.append(first_fitting(entries[:BATCH], MAX_BATCH_BYTES, lambda each: size(each[1])))
        entries = entries[len(parts[-1]) :]
    return parts


def size(value: Any) -> int:
    """Return the bytes of an entry: at least as many as AWS counts."""
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, dict):
        return sum(map(size, (*value, *value.values())))
    if isinstance(value, list):
        return sum(map(size, value))
    return 14  # a time: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html
