"""What one would write without thinking of cost, as a process; the watcher is measured beside these.

Each asks for the sync status of every target over and over, and does nothing with the answers.
"""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from typing import TYPE_CHECKING, Any

import boto3  # type: ignore[import-untyped]  # it tells no types
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from asyncio_throttle import Throttler  # type: ignore[attr-defined]  # it tells no types
from botocore import xform_name
from botocore.config import Config
from tenacity import retry, stop_after_attempt, wait_random_exponential

from tests.benchmarks.parent import Parent, Reading, metered
from tests.benchmarks.worlds import REGION, world

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watcher.core.model import Target

CONCURRENCY = 10
NO_RETRIES = {"total_max_attempts": 1}


class Asking:
    """Targets and how each is asked for, with a count of the answers."""

    def __init__(self, targets: Sequence[Target]) -> None:
        self.api = targets[0].api
        self.method = xform_name(targets[0].kind.operation)
        self.requests = [target.kind.request(target) for target in targets]
        self.answers = 0

    def count(self) -> int:
        return self.answers

    def aio_client(self, url: str) -> Any:
        """Aiobotocore's client as it comes, but for botocore's own retries, which the watcher does without as well."""
        config = AioConfig(retries=NO_RETRIES)
        return get_session().create_client(self.api, region_name=REGION, endpoint_url=url, config=config)


async def gather(parent: Parent, job: dict[str, Any], asking: Asking) -> None:
    """`asyncio.gather` over all targets with a semaphore, again and again."""
    slots = asyncio.Semaphore(CONCURRENCY)
    async with asking.aio_client(job["url"]) as client:

        async def poll(request: dict[str, str]) -> None:
            async with slots:
                await getattr(client, asking.method)(**request)
            asking.answers += 1

        async def loop() -> None:
            while True:
                await asyncio.gather(*map(poll, asking.requests))

        await _metered_beside(asyncio.ensure_future(loop()), parent, job, asking)


async def paced(parent: Parent, job: dict[str, Any], asking: Asking) -> None:
    """One call after the other, evenly spread over the interval, with nothing to hold them back: the least there is."""
    async with asking.aio_client(job["url"]) as client, asyncio.TaskGroup() as calls:

        async def poll(request: dict[str, str]) -> None:
            await getattr(client, asking.method)(**request)
            asking.answers += 1

        async def loop() -> None:
            due = time.monotonic()
            for request in cycle(asking.requests):
                calls.create_task(poll(request))
                due += job["interval"] / len(asking.requests)
                await asyncio.sleep(due - time.monotonic())

        await _metered_beside(asyncio.ensure_future(loop()), parent, job, asking)


async def tasks(parent: Parent, job: dict[str, Any], asking: Asking) -> None:
    """A task for each target that sleeps its interval; one throttler that all wait on; tenacity around each call."""
    throttler = Throttler(rate_limit=job["rate"])
    async with asking.aio_client(job["url"]) as client:

        @retry(stop=stop_after_attempt(4), wait=wait_random_exponential(multiplier=0.5, max=20), reraise=True)
        async def poll(request: dict[str, str]) -> None:
            async with throttler:
                await getattr(client, asking.method)(**request)
            asking.answers += 1

        async def watch(request: dict[str, str]) -> None:
            while True:
                await poll(request)
                await asyncio.sleep(job["interval"])

        await _metered_beside(asyncio.gather(*map(watch, asking.requests)), parent, job, asking)


def threads(parent: Parent, job: dict[str, Any], asking: Asking) -> None:
    """boto3's client, shared by a pool of threads."""
    client = boto3.client(asking.api, region_name=REGION, endpoint_url=job["url"], config=Config(retries=NO_RETRIES))
    over, lock = threading.Event(), threading.Lock()

    def poll(first: int) -> None:
        while not over.is_set():
            for request in asking.requests[first::CONCURRENCY]:
                getattr(client, asking.method)(**request)
                with lock:
                    asking.answers += 1
                if over.is_set():
                    return

    with ThreadPoolExecutor(CONCURRENCY) as pool:
        polling = [pool.submit(poll, first) for first in range(CONCURRENCY)]
        time.sleep(job["warm"])
        mark = Reading.now(asking.answers)
        time.sleep(job["seconds"])
        spent = Reading.now(asking.answers).since(mark)
        over.set()
    for each in polling:
        each.result()
    parent.reply(spent)


async def _metered_beside(work: asyncio.Future[Any], parent: Parent, job: dict[str, Any], asking: Asking) -> None:
    replies = [await metered(asking.count, job["warm"], job["seconds"])]
    if "again" in job:
        replies.append(await metered(asking.count, job["again"], job["seconds"]))
    if work.done():
        work.result()
    work.cancel()
    await asyncio.wait([work])
    for spent in replies:
        parent.reply(spent)


def main() -> None:
    """Run the loop that the job names, and reply what `seconds` cost after `warm` seconds that do not count.

    With `again`, it goes on for so many seconds, and for as many more that are measured.
    """
    parent = Parent()
    job = parent.hear()
    asking = Asking(world(job).targets())
    if job["loop"] == "threads":
        threads(parent, job, asking)
    else:
        asyncio.run({"gather": gather, "paced": paced, "tasks": tasks}[job["loop"]](parent, job, asking))


if __name__ == "__main__":
    main()
