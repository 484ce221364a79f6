"""Events to SNS topics, and by a subscription to a queue: what was recorded is what is read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from tests.support.event_samples import HOSTILE
from watcher.core.deliveries import Verdict
from watcher.errors import SinkError

if TYPE_CHECKING:
    from tests.support.emulators import Deliveries, Emulator, Faulty, Sinks


async def test_a_raw_subscription_gets_the_events_byte_for_byte(
    ministack: Emulator, sinks: Sinks, deliveries: Deliveries
) -> None:
    queue = ministack.queue()
    topic = ministack.topic(queue, RawMessageDelivery="true")
    sent = deliveries("network", "web", account="prod/eu", message=HOSTILE)
    answers = await sinks("sns", ministack.url, topic=topic).send(sent)
    assert [answer.verdict for answer in answers] == [Verdict.TAKEN, Verdict.TAKEN]
    messages = ministack.received(queue, 2)
    assert {message["Body"] for message in messages} == {delivery.body for delivery in sent}
    told = {name: value["StringValue"] for name, value in messages[0]["MessageAttributes"].items()}
    assert told.pop("target") in {delivery.event.subject for delivery in sent}
    assert told == {"type": "watcher.target.unreadable", "account": "prod/eu", "region": "us-east-1"}


async def test_other_subscriptions_get_them_with_a_subject_line(
    ministack: Emulator, sinks: Sinks, deliveries: Deliveries
) -> None:
    queue = ministack.queue()
    topic = ministack.topic(queue)
    (sent,) = deliveries("network", message=HOSTILE)
    (answer,) = await sinks("sns", ministack.url, topic=topic).send([sent])
    (message,) = ministack.received(queue, 1)
    envelope = json.loads(message["Body"])
    assert envelope["Message"] == sent.body
    assert envelope["MessageId"] == answer.text
    assert "network" in envelope["Subject"]


async def test_a_filter_policy_reads_the_attributes(ministack: Emulator, sinks: Sinks, deliveries: Deliveries) -> None:
    queue = ministack.queue()
    policy = json.dumps({"account": ["prod"], "type": [{"prefix": "watcher.target."}]})
    topic = ministack.topic(queue, RawMessageDelivery="true", FilterPolicy=policy)
    (wanted,) = deliveries("network", account="prod")
    answers = await sinks("sns", ministack.url, topic=topic).send([*deliveries("network"), wanted])
    assert [answer.verdict for answer in answers] == [Verdict.TAKEN, Verdict.TAKEN]
    (message,) = ministack.received(queue, 1)
    assert message["Body"] == wanted.body


async def test_a_fifo_topic_groups_by_target_and_takes_a_repeat_once(
    ministack: Emulator, sinks: Sinks, deliveries: Deliveries
) -> None:
    queue = ministack.queue(fifo=True)
    sink = sinks("sns", ministack.url, topic=ministack.topic(queue, fifo=True, RawMessageDelivery="true"))
    sent = deliveries("network", "x" * 200)
    for _ in range(2):
        assert {answer.verdict for answer in await sink.send(sent)} == {Verdict.TAKEN}
    messages = {message["Body"]: message["Attributes"] for message in ministack.received(queue, 2)}
    assert set(messages) == {delivery.body for delivery in sent}
    assert messages[sent[0].body]["MessageGroupId"] == sent[0].event.subject


async def test_an_event_that_is_too_large_is_refused_for_good_and_delays_no_other(
    ministack: Emulator, sinks: Sinks, deliveries: Deliveries
) -> None:
    queue = ministack.queue()
    sink = sinks("sns", ministack.url, topic=ministack.topic(queue, RawMessageDelivery="true"))
    (large,) = deliveries("large", message="x" * 300_000)
    first, second = deliveries("network", "web")
    answers = await sink.send([first, large, second])
    assert [answer.verdict for answer in answers] == [Verdict.TAKEN, Verdict.NEVER, Verdict.TAKEN]
    assert {message["Body"] for message in ministack.received(queue, 2)} == {first.body, second.body}


TOPIC = "arn:aws:sns:us-east-1:000000000000:syncs"


async def test_a_topic_that_is_not_there_makes_no_dead_letters(
    ministack: Emulator, sinks: Sinks, deliveries: Deliveries
) -> None:
    """An operator mends that: the events wait."""
    with pytest.raises(SinkError, match=r"^PublishBatch: NotFound"):
        await sinks("sns", ministack.url, topic=f"{TOPIC}-nowhere").send(deliveries("network", "web"))


@pytest.mark.parametrize(
    "body",
    [
        "<html><body>Please <br> log in",
        "<html><body><p>Please log in</p></body></html>",
        '<PublishBatchResponse xmlns="x"><PublishBa',
        "",
    ],
)
async def test_an_answer_that_is_not_the_apis_is_a_failure_of_the_sink(
    body: str, faulty: Faulty, sinks: Sinks, deliveries: Deliveries
) -> None:
    async def odd(_: web.Request) -> web.Response:
        return web.Response(text=body, content_type="text/xml")

    with pytest.raises(SinkError, match=r"^PublishBatch: the answer could not be read"):
        await sinks("sns", await faulty(odd), topic=TOPIC).send(deliveries("network"))


async def test_an_answer_that_is_silent_about_an_entry_does_not_take_it(
    faulty: Faulty, sinks: Sinks, deliveries: Deliveries
) -> None:
    sent = deliveries("network", "web", "shop")

    async def partly(_: web.Request) -> web.Response:
        taken = f"<member><Id>{sent[1].id}</Id><MessageId>4711</MessageId></member>"
        failed = f"<member><Id>{sent[2].id}</Id><Code>InternalError</Code><SenderFault>false</SenderFault></member>"
        return web.Response(text=an_answer(f"<Successful>{taken}</Successful><Failed>{failed}</Failed>"))

    answers = await sinks("sns", await faulty(partly), topic=TOPIC).send(sent)
    assert [answer.verdict for answer in answers] == [Verdict.LATER, Verdict.TAKEN, Verdict.LATER]
    assert [answer.text for answer in answers[1:]] == ["4711", "InternalError"]


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (400, "Throttling", ": Rate exceeded"),
        (403, "AuthorizationError", ": not you"),
        (400, "KMSDisabled", ": the key"),
        (500, "InternalError", ""),
    ],
)
async def test_what_an_operator_or_time_mends_is_a_failure_of_the_sink(
    status: int, code: str, message: str, faulty: Faulty, sinks: Sinks, deliveries: Deliveries
) -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=status, text=an_error(code, message.lstrip(": ")), content_type="text/xml")

    with pytest.raises(SinkError) as refused:
        await sinks("sns", await faulty(refuse), topic=TOPIC).send(deliveries("network", "web"))
    assert str(refused.value) == f"PublishBatch: {code}{message}"


async def test_a_wrong_topic_is_not_blamed_on_the_events(faulty: Faulty, sinks: Sinks, deliveries: Deliveries) -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=400, text=an_error("InvalidParameter", "Invalid parameter: TopicArn"))

    answers = await sinks("sns", await faulty(refuse), topic=TOPIC).send(deliveries("network", "web"))
    assert {answer.verdict for answer in answers} == {Verdict.LATER}


def an_error(code: str, message: str) -> str:
    told = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
    return f'<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/">{told}</ErrorResponse>'


def an_answer(result: str) -> str:
    told = f"<PublishBatchResult>{result}</PublishBatchResult>"
    return f'<PublishBatchResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/">{told}</PublishBatchResponse>'
