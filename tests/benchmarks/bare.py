"""What one would write to send many events, without a promise, as a process; the relay is measured beside these.

Each sends as many at a time as the sink does, over the same client, and looks only at whether they were taken.
"""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from aiohttp import ClientSession

from tests.benchmarks.parent import Parent, Reading, standard_output_read
from tests.benchmarks.recorded import failures
from tests.benchmarks.worlds import REGION
from watcher.sinks import lines as lines_of_sinks
from watcher.sinks.aws_sender import BATCH
from watcher.sinks.webhook import PARALLEL, STRUCTURED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence

    from watcher.core.events import Event

    Send = Callable[[Sequence[Event]], Awaitable[None]]

FLUSHED = 100
"""The lines that the loop for `stdout` in batches flushes at a time, whatever the sink does."""

CALLS = 4
"""Calls to AWS under way at the same time."""
NO_RETRIES = {"total_max_attempts": 1}


@asynccontextmanager
async def printed(_: dict[str, Any]) -> AsyncIterator[Send]:
    """A line for each, flushed at once, as a program prints what happens."""
    with open(1, "ab", closefd=False) as out:  # noqa: ASYNC230  nothing else is to run

        async def send(events: Sequence[Event]) -> None:
            for event in events:
                out.write(f"{event.body}\n".encode())
                out.flush()

        yield send


@asynccontextmanager
async def composed(_: dict[str, Any]) -> AsyncIterator[Send]:
    """The same, but each line is made of what has happened."""
    with open(1, "w", closefd=False, encoding="utf-8") as out:  # noqa: ASYNC230  nothing else is to run

        async def send(events: Sequence[Event]) -> None:
            for event in events:
                print(json.dumps(event), file=out, flush=True)

        yield send


@asynccontextmanager
async def lines(sink: dict[str, Any]) -> AsyncIterator[Send]:
    """A line for each; flushed after every hundred, or flushed and synced where there is a disk, with each batch."""
    where = Path(sink["path"]) if "path" in sink else 1
    with open(where, "ab", closefd=where != 1) as file:  # noqa: ASYNC230  nothing else is to run

        async def send(events: Sequence[Event]) -> None:
            for part in parts(events, lines_of_sinks.BATCH if "path" in sink else FLUSHED):
                file.writelines(f"{event.body}\n".encode() for event in part)
                file.flush()
                if "path" in sink:
                    os.fsync(file.fileno())

        yield send


@asynccontextmanager
async def webhook(sink: dict[str, Any]) -> AsyncIterator[Send]:
    """Posts over one session."""
    async with ClientSession() as session:

        async def post(event: Event) -> None:
            headers = {"Content-Type": STRUCTURED, "webhook-id": event.id}
            async with session.post(sink["url"], data=event.body.encode(), headers=headers) as answer:
                answer.raise_for_status()
                await answer.read()

        yield lambda events: at_a_time(PARALLEL, post, events)


@asynccontextmanager
async def slack(sink: dict[str, Any]) -> AsyncIterator[Send]:
    """Posts of what Slack takes at the least, one after the other."""
    async with ClientSession() as session:

        async def post(event: Event) -> None:
            async with session.post(sink["url"], json={"text": event.body}) as answer:
                answer.raise_for_status()
                await answer.read()

        yield lambda events: at_a_time(1, post, events)


@asynccontextmanager
async def notify(sink: dict[str, Any]) -> AsyncIterator[Send]:
    """What apprise does by itself, one after the other."""
    from apprise import Apprise  # noqa: PLC0415  slow to load

    sender = Apprise()
    sender.add(sink["urls"])

    async def send(events: Sequence[Event]) -> None:
        for event in events:
            if not sender.notify(title=event.type, body=event.body):
                raise RuntimeError("apprise could not send it")

    yield send


@asynccontextmanager
async def eventbridge(sink: dict[str, Any]) -> AsyncIterator[Send]:
    """PutEvents, ten in a call."""
    async with client("events", sink) as events:

        async def put(part: Sequence[Event]) -> None:
            entries = [{"Source": "watcher", "DetailType": event.type, "Detail": event.body} for event in part]
            refuse(await events.put_events(Entries=entries), "FailedEntryCount")

        yield lambda events: at_a_time(CALLS, put, parts(events, BATCH))


@asynccontextmanager
async def sns(sink: dict[str, Any]) -> AsyncIterator[Send]:
    """PublishBatch, ten in a call."""
    async with client("sns", sink) as topic:

        async def put(part: Sequence[Event]) -> None:
            entries = [{"Id": event.id, "Message": event.body} for event in part]
            refuse(await topic.publish_batch(TopicArn=sink["topic"], PublishBatchRequestEntries=entries), "Failed")

        yield lambda events: at_a_time(CALLS, put, parts(events, BATCH))


@asynccontextmanager
async def sqs(sink: dict[str, Any]) -> AsyncIterator[Send]:
    """SendMessageBatch, ten in a call."""
    async with client("sqs", sink) as queue:

        async def put(part: Sequence[Event]) -> None:
            entries = [{"Id": event.id, "MessageBody": event.body} for event in part]
            refuse(await queue.send_message_batch(QueueUrl=sink["queue"], Entries=entries), "Failed")

        yield lambda events: at_a_time(CALLS, put, parts(events, BATCH))


def client(service: str, sink: dict[str, Any]) -> Any:
    """Aiobotocore's client as it comes, but for botocore's own retries."""
    return get_session().create_client(
        service, region_name=REGION, endpoint_url=sink["endpoint_url"], config=AioConfig(retries=NO_RETRIES)
    )


def refuse(told: dict[str, Any], failed: str) -> None:
    """Raise RuntimeError where AWS did not take all of a batch."""
    if told.get(failed):
        raise RuntimeError(f"not taken: {told}")


def parts(events: Sequence[Event], most: int) -> Iterable[Sequence[Event]]:
    """The events, so many together at most."""
    return (events[start : start + most] for start in range(0, len(events), most))


async def at_a_time(most: int, send: Callable[[Any], Awaitable[None]], things: Iterable[Any]) -> None:
    """Send all things, so many under way at the same time."""
    left = iter(things)

    async def one_after_the_other() -> None:
        for thing in left:
            await send(thing)

    await asyncio.gather(*(one_after_the_other() for _ in range(most)))


LOOPS = {
    "stdout": printed,
    "stdout in batches": lines,
    "stdout composed": composed,
    "file": lines,
    "webhook": webhook,
    "slack": slack,
    "notify": notify,
    "eventbridge": eventbridge,
    "sns": sns,
    "sqs": sqs,
}


async def main() -> None:
    """As often as it is asked, send so many events by a `loop` where the `sink` does, and reply what that took."""
    parent = Parent()
    job = parent.hear()
    events = failures(job["subjects"])
    with standard_output_read():
        async with LOOPS[job["loop"]](job["sink"]) as send:
            while many := await asyncio.to_thread(parent.hear):
                lot: list[Any] = list(islice(events, many))
                if job["loop"] == "stdout composed":
                    lot = [json.loads(event.body) for event in lot]
                mark = Reading.now(0)
                await send(lot)
                parent.reply(Reading.now(many).since(mark))


if __name__ == "__main__":
    asyncio.run(main())
