"""The simulated SQS, called by the real client, and the events of Git sync that arrive in its queues."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from tests.support import simulated_accounts
from tests.support.service_models import conforms
from tests.support.simulator import attempt
from tests.support.waiting import PATIENCE, SLACK
from watcher.core.model import FAILED, IN_PROGRESS, INITIATED, SUCCEEDED
from watcher.simulator.aws_json import model
from watcher.simulator.git_events import QueueSettings
from watcher.simulator.inventory import ACCOUNT
from watcher.simulator.scenario import Scenario
from watcher.simulator.subject import Subject
from watcher.simulator.timeline import NewAttempt, Scene, Status, Timeline
from watcher.sources.codeconnections import REPOSITORY, STACK, stack

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

REGION = "us-east-1"
LINK = "6053346f-8a33-4edb-9397-10394b695173"
NAME = "git-sync"


@contextlib.asynccontextmanager
async def client(scenario: Scenario | None = None, **queue: Any) -> AsyncIterator[Any]:
    """A client of SQS with the URL of a queue as its attribute `queue`."""
    made = scenario or Scenario("test", queues=(QueueSettings(NAME, **queue),))
    async with simulated_accounts.client(made, "sqs") as found:
        found.queue = (await found.get_queue_url(QueueName=NAME))["QueueUrl"]
        yield found


def code(raised: pytest.ExceptionInfo[ClientError]) -> str:
    found: str = raised.value.response["Error"]["Code"]
    return found


async def received(sqs: Any, **how: Any) -> list[Any]:
    found: list[Any] = (await sqs.receive_message(QueueUrl=sqs.queue, **how)).get("Messages", [])
    return found


async def test_a_message_is_sent_received_kept_back_and_deleted() -> None:
    async with client() as sqs:
        assert sqs.queue == f"{sqs.simulator.url}/{ACCOUNT}/{NAME}"
        sent = await sqs.send_message(QueueUrl=sqs.queue, MessageBody="hello")
        (message,) = await received(sqs, AttributeNames=["All"])
        assert (message["Body"], message["MessageId"]) == ("hello", sent["MessageId"])
        assert message["Attributes"]["ApproximateReceiveCount"] == "1"
        assert await received(sqs) == []
        handle = message["ReceiptHandle"]
        await sqs.change_message_visibility(QueueUrl=sqs.queue, ReceiptHandle=handle, VisibilityTimeout=0)
        (message,) = await received(sqs)
        await sqs.delete_message(QueueUrl=sqs.queue, ReceiptHandle=message["ReceiptHandle"])
        counts = await sqs.get_queue_attributes(QueueUrl=sqs.queue, AttributeNames=["All"])
        assert counts["Attributes"]["ApproximateNumberOfMessages"] == "0"
        assert counts["Attributes"]["ApproximateNumberOfMessagesNotVisible"] == "0"


async def test_a_batch_can_fail_in_part() -> None:
    async with client() as sqs:
        await sqs.send_message(QueueUrl=sqs.queue, MessageBody="hello")
        (message,) = await received(sqs)
        entries = [{"Id": "a", "ReceiptHandle": message["ReceiptHandle"]}, {"Id": "b", "ReceiptHandle": "no receipt"}]
        hidden = [{**entry, "VisibilityTimeout": 60} for entry in entries]
        for call, given in ((sqs.change_message_visibility_batch, hidden), (sqs.delete_message_batch, entries)):
            answer = await call(QueueUrl=sqs.queue, Entries=given)
            assert [entry["Id"] for entry in answer["Successful"]] == ["a"]
            assert [(entry["Id"], entry["Code"]) for entry in answer["Failed"]] == [("b", "ReceiptHandleIsInvalid")]
        for wrong in ([], [entries[0]] * 2, [{"Id": str(n), "ReceiptHandle": "x"} for n in range(11)]):
            with pytest.raises(ClientError, match="Batch"):
                await sqs.delete_message_batch(QueueUrl=sqs.queue, Entries=wrong)


async def test_a_queue_that_does_not_exist_has_the_code_of_the_older_protocol() -> None:
    async with client() as sqs:
        for wrong in (f"{sqs.simulator.url}/{ACCOUNT}/other", f"{sqs.simulator.url}/999999999999/{NAME}"):
            with pytest.raises(sqs.exceptions.QueueDoesNotExist) as raised:
                await sqs.receive_message(QueueUrl=wrong)
            assert code(raised) == "AWS.SimpleQueueService.NonExistentQueue"


@pytest.mark.parametrize("wrong", [{"MaxNumberOfMessages": 11}, {"WaitTimeSeconds": 21}, {"VisibilityTimeout": -1}])
async def test_a_request_out_of_range_is_refused(wrong: dict[str, int]) -> None:
    async with client() as sqs:
        with pytest.raises(ClientError, match="Must be between"):
            await sqs.receive_message(QueueUrl=sqs.queue, **wrong)


async def test_a_long_poll_waits_for_a_message() -> None:
    async with client() as sqs:
        await sqs.send_message(QueueUrl=sqs.queue, MessageBody="soon", DelaySeconds=1)
        assert await received(sqs) == []
        async with asyncio.timeout(SLACK):
            (message,) = await received(sqs, WaitTimeSeconds=20)
        assert message["Body"] == "soon"


async def test_a_long_poll_without_a_message_ends_empty() -> None:
    async with client() as sqs:
        began = time.monotonic()
        assert await received(sqs, WaitTimeSeconds=1) == []
        assert time.monotonic() - began >= 1.0
        assert sqs.simulator.calls[-1].answer == "EMPTY"


async def test_a_long_poll_ends_when_the_simulator_stops() -> None:
    async with client() as sqs:
        world, begun = sqs.simulator.world, asyncio.Event()
        answer = world.answer
        world.answer = lambda *call: (begun.set(), answer(*call))[1]
        waiting = asyncio.create_task(received(sqs, WaitTimeSeconds=20))
        await begun.wait()
        async with asyncio.timeout(SLACK):
            await sqs.simulator.stop()
            assert (await asyncio.gather(waiting, return_exceptions=True))[0] == []


async def test_each_status_of_a_stack_and_of_a_repository_is_an_event() -> None:
    life = Timeline(
        (
            Scene(Status(SUCCEEDED, NewAttempt()), 0.2),
            Scene(Status(INITIATED, NewAttempt()), 0.1),
            Scene(Status(IN_PROGRESS), 0.1),
            Scene(Status(FAILED)),
        )
    )
    subjects = (
        Subject(STACK, (("name", "shop"),), account="111111111111", region="eu-west-1"),
        Subject(REPOSITORY, (("link", LINK), ("branch", "main"))),
    )
    queues = (QueueSettings(NAME, delay=(0.05, 0.1)), QueueSettings("lossy", lost=1.0))
    async with client(Scenario("test", tuple((each, life) for each in subjects), queues=queues)) as sqs:
        events: list[Any] = []
        async with asyncio.timeout(PATIENCE):
            while len(events) < 6:
                found = await received(sqs, WaitTimeSeconds=1, MaxNumberOfMessages=10)
                events += [json.loads(message["Body"]) for message in found]
        of_stack = [each for each in events if "Resource" in each["detail-type"]]
        assert {each["detail"]["status"] for each in of_stack} == {INITIATED, IN_PROGRESS, FAILED}
        assert {(each["account"], each["region"]) for each in of_stack} == {("111111111111", "eu-west-1")}
        of_repository = [each for each in events if each not in of_stack]
        assert {each["detail"]["repositoryLinkId"] for each in of_repository} == {LINK}
        assert len(of_repository) == 3
        lossy = f"{sqs.simulator.url}/{ACCOUNT}/lossy"
        assert "Messages" not in await sqs.receive_message(QueueUrl=lossy)


async def test_what_a_test_shows_is_an_event_too() -> None:
    async with client() as sqs:
        target = stack("default", REGION, "network")
        sqs.simulator.world.show(target, attempt(target, IN_PROGRESS, 1000.0))
        sqs.simulator.world.show(target, attempt(target, IN_PROGRESS, 1000.0, events=("more",)))
        sqs.simulator.world.show(target, attempt(target, FAILED, 1000.0))
        found = await received(sqs, MaxNumberOfMessages=10)
        assert [json.loads(each["Body"])["detail"]["status"] for each in found] == [IN_PROGRESS, FAILED]


async def test_every_answer_has_the_models_shape() -> None:
    async with client() as sqs:
        world = sqs.simulator.world
        place = next(iter(world.bus.queues))[0]
        for operation, request in (
            ("GetQueueUrl", {"QueueName": NAME}),
            ("SendMessage", {"QueueUrl": sqs.queue, "MessageBody": "x"}),
            ("ReceiveMessage", {"QueueUrl": sqs.queue, "AttributeNames": ["All"]}),
            ("GetQueueAttributes", {"QueueUrl": sqs.queue, "AttributeNames": ["All"]}),
            ("DeleteMessageBatch", {"QueueUrl": sqs.queue, "Entries": [{"Id": "a", "ReceiptHandle": "x"}]}),
        ):
            _, reply = world.answer(place, "sqs", operation, request)
            conforms(model("sqs").operation_model(operation).output_shape, json.loads(reply.body))
