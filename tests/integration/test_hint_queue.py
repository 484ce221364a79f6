"""A queue of hints at the emulators of SQS: messages are received, hidden, shown and deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.waiting import until
from watcher.aws import queue
from watcher.aws.queue import Message, Queue
from watcher.aws.sessions import Sessions
from watcher.core.settings import Account, HintQueue
from watcher.errors import PollFailed

if TYPE_CHECKING:
    from tests.support.emulators import Emulator


@pytest.mark.parametrize("emulated", ["moto", "ministack"])
async def test_a_message_is_received_hidden_shown_and_deleted(
    emulated: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "WAIT_SECONDS", 1)
    emulator: Emulator = request.getfixturevalue(emulated)
    url = emulator.queue()
    account = Account("default", ("us-east-1",), endpoint_url=emulator.url)
    read = Queue(HintQueue(url, account, "us-east-1"), Sessions())
    try:
        assert await read.receive(10, 60) == []
        for body in ("a", "ü" * 70_000):
            emulator.client("sqs").send_message(QueueUrl=url, MessageBody=body)
        found: dict[str, Message] = {}

        async def receive() -> bool:
            found.update((message.body, message) for message in await read.receive(10, 60))
            return len(found) == 2

        await until(receive, "both messages")
        assert found.keys() == {"a", "ü" * 70_000}
        assert {message.receives for message in found.values()} == {1}
        await read.hide(found["a"], 60)
        assert await read.receive(10, 60) == []
        await read.show([*found.values()])
        before, _ = dict(found), found.clear()
        await until(receive, "both messages again")
        assert {message.receives for message in found.values()} == {2}
        assert before.keys() == found.keys()
        for message in found.values():
            await read.delete(message)
    finally:
        await read.close()


async def test_a_queue_that_does_not_exist_is_a_failure_with_aws_own_words(ministack: Emulator) -> None:
    account = Account("default", ("us-east-1",), endpoint_url=ministack.url)
    read = Queue(HintQueue(f"{ministack.url}/000000000000/none", account, "us-east-1"), Sessions())
    try:
        with pytest.raises(PollFailed, match=r"(?i)queue") as raised:
            await read.receive(1, 30)
        assert not raised.value.passing
    finally:
        await read.close()
