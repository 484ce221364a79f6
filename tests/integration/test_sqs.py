"""Events to SQS queues: what was recorded is what is read."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from tests.support.event_samples import HOSTILE
from watcher.core.deliveries import Verdict
from watcher.errors import SinkError

if TYPE_CHECKING:
    from tests.support.emulators import Deliveries, Emulator, Faulty, Sinks


async def test_messages_are_the_events_byte_for_byte(ministack: Emulator, sinks: Sinks, deliveries: Deliveries) -> None:
    """Also where their text has what XML, and thus SQS, does not take."""
    queue = ministack.queue()
    sent = deliveries("network", "web", account="prod/eu", message=HOSTILE)
    answers = await sinks("sqs", ministack.url, queue=queue).send(sent)
    assert [answer.verdict for answer in answers] == [Verdict.TAKEN, Verdict.TAKEN]
    messages = ministack.received(queue, 2)
    assert {message["Body"] for message in messages} == {delivery.event.body for delivery in sent}
    assert {answer.text for answer in answers} == {message["MessageId"] for message in messages}
    told = {name: value["StringValue"] for name, value in messages[0]["MessageAttributes"].items()}
    assert told.pop("target") in {delivery.event.subject for delivery in sent}
    assert told == {"type": "watcher.target.unreadable", "account": "prod/eu", "region": "us-east-1"}


async def test_a_fifo_queue_groups_by_target_and_takes_a_repeat_once(
    ministack: Emulator, sinks: Sinks, deliveries: Deliveries
) -> None:
    queue = ministack.queue(fifo=True)
    sink = sinks("sqs", ministack.url, queue=queue)
    sent = deliveries("network", "x" * 200)
    for _ in range(2):
        assert {answer.verdict for answer in await sink.send(sent)} == {Verdict.TAKEN}
    (reminder,) = deliveries("network", reminder=1)
    assert (await sink.send([reminder]))[0].verdict is Verdict.TAKEN
    messages = {message["Body"]: message["Attributes"] for message in ministack.received(queue, 3)}
    assert set(messages) == {delivery.body for delivery in (*sent, reminder)}
    assert (
        messages[reminder.body]["MessageGroupId"] == messages[sent[0].body]["MessageGroupId"] == sent[0].event.subject
    )
    assert messages[reminder.body]["MessageDeduplicationId"] == reminder.id


async def test_ten_at_a_time_and_no_more_than_fit(ministack: Emulator, sinks: Sinks, deliveries: Deliveries) -> None:
    queue = ministack.queue()
    sent = deliveries(*(f"stack-{number}" for number in range(10)), message="x" * 100_000)
    answers = await sinks("sqs", ministack.url, queue=queue).send(sent)
    assert [answer.delivery for answer in answers] == sent
    assert {answer.verdict for answer in answers} == {Verdict.TAKEN}
    assert {message["Body"] for message in ministack.received(queue, 10)} == {delivery.body for delivery in sent}


@pytest.mark.parametrize("emulated", ["moto", "ministack"])
async def test_an_event_that_is_refused_for_good_delays_no_other(
    emulated: str, request: pytest.FixtureRequest, sinks: Sinks, deliveries: Deliveries
) -> None:
    """One emulator refuses the entry, as AWS does; the other refuses the whole call for it."""
    emulator: Emulator = request.getfixturevalue(emulated)
    queue = emulator.queue(MaximumMessageSize="2048")
    (large,) = deliveries("large", message="x" * 4000)
    first, second = deliveries("network", "web")
    answers = await sinks("sqs", emulator.url, queue=queue).send([first, large, second])
    assert {answer.delivery.id: answer.verdict for answer in answers} == {
        first.id: Verdict.TAKEN,
        large.id: Verdict.NEVER,
        second.id: Verdict.TAKEN,
    }
    assert {message["Body"] for message in emulator.received(queue, 2)} == {first.body, second.body}


async def test_a_queue_that_is_not_there_makes_no_dead_letters(
    ministack: Emulator, sinks: Sinks, deliveries: Deliveries
) -> None:
    """An operator mends that: the events wait."""
    queue = f"{ministack.url}/000000000000/nowhere"
    with pytest.raises(SinkError, match=r"SendMessageBatch: .*(QueueDoesNotExist|NonExistentQueue)"):
        await sinks("sqs", ministack.url, queue=queue).send(deliveries("network"))


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, "<html>Please log in</html>", "not whole JSON"),
        (200, '{"Successful": [{"Id": "', "not whole JSON"),
        (200, "[]", "not an object"),
        (204, "", "not whole JSON"),
        (302, "", "302"),
        (500, "<html>", "500"),
        (400, '{"__type": "ThrottlingException"}', "ThrottlingException"),
        (403, '{"__type": "AccessDeniedException"}', "AccessDeniedException"),
        (400, '{"__type": "com.amazonaws.sqs#KmsDisabled"}', "KmsDisabled"),
        (200, " " * 1_100_000, "longer"),
    ],
)
async def test_an_answer_that_takes_nothing_is_a_failure_of_the_sink(
    status: int, body: str, said: str, faulty: Faulty, sinks: Sinks, deliveries: Deliveries
) -> None:
    asked = []

    async def odd(request: web.Request) -> web.Response:
        asked.append(await request.read())
        return web.Response(status=status, text=body, headers={"Location": "/elsewhere"})

    url = await faulty(odd)
    with pytest.raises(SinkError, match=f"^SendMessageBatch: .*{said}"):
        await sinks("sqs", url, queue=f"{url}/000000000000/syncs").send(deliveries("network", "web"))
    assert len(asked) == 1  # one send is one try


async def test_a_send_that_was_cut_short_leaves_the_next_one_whole(
    faulty: Faulty, sinks: Sinks, deliveries: Deliveries
) -> None:
    asked = asyncio.Event()

    async def slow_at_first(request: web.Request) -> web.Response:
        entries = (await request.json())["Entries"]
        if not asked.is_set():
            asked.set()
            await asyncio.Event().wait()
        return web.json_response({"Successful": [{"Id": entry["Id"], "MessageId": "1"} for entry in entries]})

    url = await faulty(slow_at_first)
    sink = sinks("sqs", url, queue=f"{url}/000000000000/syncs")
    send = asyncio.create_task(sink.send(deliveries("network")))
    await asked.wait()
    send.cancel()
    with pytest.raises(asyncio.CancelledError):
        await send
    (answer,) = await sink.send(deliveries("network"))
    assert answer.verdict is Verdict.TAKEN


async def test_a_connection_that_is_cut_is_a_failure_of_the_sink(
    faulty: Faulty, sinks: Sinks, deliveries: Deliveries
) -> None:
    async def cut(request: web.Request) -> web.Response:
        assert request.transport
        request.transport.abort()
        return web.Response()

    url = await faulty(cut)
    with pytest.raises(SinkError, match=r"^SendMessageBatch: ConnectionClosedError"):
        await sinks("sqs", url, queue=f"{url}/000000000000/syncs").send(deliveries("network"))


async def test_an_entry_counts_by_its_own_id_alone(faulty: Faulty, sinks: Sinks, deliveries: Deliveries) -> None:
    taken, twice, strange, throttled, wrong = sent = deliveries("taken", "twice", "strange", "throttled", "wrong")

    async def partly(_: web.Request) -> web.Response:
        successful = [
            {"Id": twice.id, "MessageId": "1"},
            {"Id": twice.id, "MessageId": "2"},
            {"Id": "another", "MessageId": "3"},
            {"MessageId": "4"},
            "5",
            {"Id": taken.id, "MessageId": "6"},
        ]
        failed = [
            {"Id": throttled.id, "Code": "RequestThrottled", "Message": "too many", "SenderFault": True},
            {"Id": wrong.id, "Code": "InvalidMessageContents", "Message": "no such\ncharacter", "SenderFault": True},
        ]
        return web.json_response({"Successful": successful, "Failed": failed})

    url = await faulty(partly)
    answers = await sinks("sqs", url, queue=f"{url}/000000000000/syncs").send(sent)
    assert [(answer.delivery, answer.verdict, answer.text) for answer in answers] == [
        (taken, Verdict.TAKEN, "6"),
        (twice, Verdict.LATER, "the answer has 2 entries for it, not one"),
        (strange, Verdict.LATER, "the answer has 0 entries for it, not one"),
        (throttled, Verdict.LATER, "RequestThrottled: too many"),
        (wrong, Verdict.NEVER, "InvalidMessageContents: no such character"),
    ]
