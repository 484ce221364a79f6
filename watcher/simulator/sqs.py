"""The operations of the simulated SQS, in AWS JSON 1.0."""

from collections.abc import Callable, Mapping, Sequence
from hashlib import md5
from typing import Any
from urllib.parse import urlsplit

from watcher.simulator.aws_json import ApiError
from watcher.simulator.inventory import Place
from watcher.simulator.listing import Fields, Request
from watcher.simulator.queues import Message, Queue

MAX_BATCH = 10
"""The most messages of one call."""
MAX_WAIT = 20
"""The longest long polling, in seconds."""
MAX_VISIBILITY = 43_200
"""The longest time that a message can be hidden, in seconds."""

Queues = Mapping[tuple[Place, str], Queue]
"""The queues by account and region, and name."""


def queue_of(queues: Queues, place: Place, request: Request) -> Queue:
    """The queue in the URL of a request, which names its account, too.

    Raises:
        ApiError: there is no such queue.
    """
    account, _, name = urlsplit(request["QueueUrl"]).path.strip("/").rpartition("/")
    found = queues.get((Place(account, place.region), name))
    if found is None:
        raise ApiError("QueueDoesNotExist", "The specified queue does not exist.")
    return found


def _within(request: Request, name: str, least: int, most: int, default: int | None = None) -> int | None:
    value: int | None = request.get(name, default)
    if value is not None and not least <= value <= most:
        message = f"Value {value} for parameter {name} is invalid. Reason: Must be between {least} and {most}"
        raise ApiError("InvalidParameterValueException", message)
    return value


def _receive(queue: Queue, now: float, request: Request) -> Fields:
    most = _within(request, "MaxNumberOfMessages", 1, MAX_BATCH, 1) or 1
    visibility = _within(request, "VisibilityTimeout", 0, MAX_VISIBILITY)
    wait_seconds(request)
    wanted = {*request.get("AttributeNames", ()), *request.get("MessageSystemAttributeNames", ())}
    found = [_message(each, wanted) for each in queue.receive(most, now, visibility)]
    return {"Messages": found} if found else {}


def wait_seconds(request: Request) -> int:
    """How long a request to receive messages waits for the first."""
    return _within(request, "WaitTimeSeconds", 0, MAX_WAIT, 0) or 0


def _message(message: Message, wanted: set[str]) -> Fields:
    fields: dict[str, Any] = {
        "MessageId": message.id,
        "ReceiptHandle": message.receipt,
        "MD5OfBody": _md5(message.body),
        "Body": message.body,
    }
    attributes = {
        "SentTimestamp": str(round(message.sent * 1000)),
        "ApproximateReceiveCount": str(message.receives),
        "ApproximateFirstReceiveTimestamp": str(round((message.first_received or 0.0) * 1000)),
    }
    if shown := {name: value for name, value in attributes.items() if wanted & {name, "All"}}:
        fields["Attributes"] = shown
    return fields


def _delete(queue: Queue, _: float, request: Request) -> Fields:
    queue.delete(request["ReceiptHandle"])
    return {}


def _change_visibility(queue: Queue, now: float, request: Request) -> Fields:
    seconds = _within(request, "VisibilityTimeout", 0, MAX_VISIBILITY, int(queue.visibility)) or 0
    queue.change_visibility(request["ReceiptHandle"], seconds, now)
    return {}


def _send(queue: Queue, now: float, request: Request) -> Fields:
    body = request["MessageBody"]
    message = queue.send(body, now, _within(request, "DelaySeconds", 0, 900, 0) or 0)
    return {"MessageId": message.id, "MD5OfMessageBody": _md5(body)}


def _attributes(queue: Queue, now: float, request: Request) -> Fields:
    hidden = sum(each.visible > now for each in queue.messages.values() if each.receives)
    delayed = sum(each.visible > now for each in queue.messages.values() if not each.receives)
    found = {
        "ApproximateNumberOfMessages": str(len(queue.messages) - hidden - delayed),
        "ApproximateNumberOfMessagesNotVisible": str(hidden),
        "ApproximateNumberOfMessagesDelayed": str(delayed),
        "VisibilityTimeout": str(int(queue.visibility)),
    }
    wanted = set(request.get("AttributeNames", ()))
    return {"Attributes": {name: value for name, value in found.items() if wanted & {name, "All"}}}


Answer = Callable[[Queue, float, Request], Fields]


def _batch(answer: Answer) -> Answer:
    """The operation on each entry of a batch, some of which may fail."""

    def of_all(queue: Queue, now: float, request: Request) -> Fields:
        entries: Sequence[Request] = request["Entries"]
        if not entries:
            raise ApiError("EmptyBatchRequest", "There should be at least one entry in the request.")
        if len(entries) > MAX_BATCH:
            raise ApiError("TooManyEntriesInBatchRequest", f"Maximum number of entries per request are {MAX_BATCH}.")
        if len({entry["Id"] for entry in entries}) < len(entries):
            raise ApiError("BatchEntryIdsNotDistinct", "Two or more batch entries in the request have the same Id.")
        successful: list[Fields] = []
        failed: list[Fields] = []
        for entry in entries:
            try:
                answer(queue, now, entry)
                successful.append({"Id": entry["Id"]})
            except ApiError as error:
                fields = {"Id": entry["Id"], "SenderFault": True, "Code": error.code, "Message": error.message}
                failed.append(fields)
        return {"Successful": successful, "Failed": failed}

    return of_all


def _md5(text: str) -> str:
    return md5(text.encode(), usedforsecurity=False).hexdigest()


OPERATIONS: Mapping[str, Answer] = {
    "ReceiveMessage": _receive,
    "DeleteMessage": _delete,
    "DeleteMessageBatch": _batch(_delete),
    "ChangeMessageVisibility": _change_visibility,
    "ChangeMessageVisibilityBatch": _batch(_change_visibility),
    "SendMessage": _send,
    "GetQueueAttributes": _attributes,
}
"""The operations on one queue."""


def queue_url(queues: Queues, base: str, place: Place, request: Request) -> Fields:
    """The URL of a queue of the caller's account, or of the account in the request. `base`: of the simulator."""
    name, account = request["QueueName"], request.get("QueueOwnerAWSAccountId", place.account)
    if (Place(account, place.region), name) not in queues:
        raise ApiError("QueueDoesNotExist", "The specified queue does not exist.")
    return {"QueueUrl": f"{base}/{account}/{name}"}
