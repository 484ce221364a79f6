"""A queue: which messages can be received when, and what becomes of them."""

from __future__ import annotations

import pytest

from watcher.simulator import queues
from watcher.simulator.aws_json import ApiError
from watcher.simulator.queues import Queue


def bodies(queue: Queue, now: float, most: int = 10) -> list[str]:
    return [message.body for message in queue.receive(most, now)]


def test_messages_are_received_once_they_are_visible_and_hidden_then() -> None:
    queue = Queue("q", visibility=30)
    queue.send("late", 0.0, delay=5)
    queue.send("first", 0.0)
    assert bodies(queue, 0.0) == ["first"]
    assert bodies(queue, 5.0) == ["late"]
    assert bodies(queue, 29.9) == []
    assert bodies(queue, 30.0) == ["first"]
    assert queue.next_visible() == 35.0


def test_no_more_messages_are_received_than_asked_for() -> None:
    queue = Queue("q")
    for number in range(5):
        queue.send(str(number), 0.0)
    assert bodies(queue, 0.0, most=2) == ["0", "1"]
    assert bodies(queue, 0.0) == ["2", "3", "4"]


def test_a_deleted_message_is_gone_and_can_be_deleted_again() -> None:
    queue = Queue("q")
    queue.send("a", 0.0)
    (message,) = queue.receive(1, 0.0)
    queue.delete(message.receipt)
    queue.delete(message.receipt)
    assert bodies(queue, 100.0) == []
    assert queue.next_visible() is None


def test_an_older_receipt_deletes_nothing() -> None:
    queue = Queue("q", visibility=1)
    queue.send("a", 0.0)
    older = queue.receive(1, 0.0)[0].receipt
    newer = queue.receive(1, 1.0)[0].receipt
    queue.delete(older)
    assert len(queue.messages) == 1
    queue.delete(newer)
    assert not queue.messages


def test_visibility_can_be_prolonged_and_ended() -> None:
    queue = Queue("q", visibility=10)
    queue.send("a", 0.0)
    receipt = queue.receive(1, 0.0)[0].receipt
    queue.change_visibility(receipt, 60, 9.0)
    assert bodies(queue, 68.9) == []
    queue.change_visibility(receipt, 0, 20.0)
    assert bodies(queue, 20.0) == ["a"]


@pytest.mark.parametrize("receipt", ["", "none", "YQ==", "YSBi"])
def test_what_is_no_receipt_is_refused(receipt: str) -> None:
    with pytest.raises(ApiError) as raised:
        Queue("q").delete(receipt)
    assert raised.value.code == "ReceiptHandleIsInvalid"


def test_the_visibility_of_a_message_that_is_not_in_flight_cannot_be_changed() -> None:
    queue = Queue("q", visibility=1)
    queue.send("a", 0.0)
    receipt = queue.receive(1, 0.0)[0].receipt
    with pytest.raises(ApiError) as raised:
        queue.change_visibility(receipt, 10, 5.0)
    assert raised.value.code == "MessageNotInflight"


def test_a_full_queue_drops_the_oldest_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "MAX_MESSAGES", 2)
    queue = Queue("q")
    for body in "abc":
        queue.send(body, 0.0)
    assert bodies(queue, 0.0) == ["b", "c"]
