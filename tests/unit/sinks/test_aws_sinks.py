"""What the AWS sinks decide without AWS: how events are put together, and what an error code means for one."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.conftest import EIGHT
from watcher.core.deliveries import Delivery, Verdict
from watcher.core.events import Event, outage_event, trial_event
from watcher.core.model import EndpointKey
from watcher.core.state import Outage
from watcher.sinks.aws import attributes, message, verdict
from watcher.sinks.aws_sender import MAX_BATCH_BYTES, batches, size
from watcher.sinks.eventbridge import EventBridgeOptions
from watcher.sinks.sns import SnsOptions
from watcher.sinks.sqs import SqsOptions
from watcher.sources.codeconnections import stack

NEVER, LATER = Verdict.NEVER, Verdict.LATER


def an_event(subject: str = "default/us-east-1/stack/network", body: str = "{}") -> Event:
    return Event("0" * 32, "watcher.sync.failed", subject, "2026-11-23T08:00:00Z", body)


def a_delivery(event: Event, reminder: int = 0) -> Delivery:
    return Delivery(1, "a-sink", event, reminder=reminder)


@pytest.mark.parametrize(
    ("code", "message", "meaning"),
    [
        ("MalformedDetail", "Detail is malformed.", NEVER),
        ("MalformedDetail", "The event bus default could not read Detail: no TopicArn, no QueueUrl", NEVER),
        ("InvalidMessageContents", "The queue URL in it does not exist", NEVER),
        ("InvalidArgument", "Parameter Detail is not valid. Reason: Detail is a required argument.", NEVER),
        ("InvalidArgument", "Parameter EventBusName is not valid.", LATER),
        ("ValidationException", "Total size of the entries in the request is over the limit.", NEVER),
        ("ValidationException", "Value at 'entries.1.member.eventBusName' failed to satisfy constraint", LATER),
        ("413", "", NEVER),
        ("InternalFailure", "", LATER),
        ("InternalException", "", LATER),
        ("ThrottlingException", "", LATER),
        ("AccessDeniedException", "", LATER),
        ("NotAuthorizedForSourceException", "", LATER),
        ("NotAuthorizedForDetailTypeException", "", LATER),
        ("InvalidAccountIdException", "", LATER),
        ("RedactionFailure", "", LATER),
        ("ResourceNotFoundException", "Event bus syncs does not exist.", LATER),
        ("InvalidMessageContents", "", NEVER),
        ("InvalidParameterValue", "One or more parameters are invalid. Reason: Message must be shorter", NEVER),
        ("InvalidParameterValue", "The value for parameter QueueUrl is wrong", LATER),
        ("BatchRequestTooLong", "", NEVER),
        ("AWS.SimpleQueueService.BatchRequestTooLong", "", NEVER),
        ("AWS.SimpleQueueService.NonExistentQueue", "", LATER),
        ("QueueDoesNotExist", "", LATER),
        ("OverLimit", "", LATER),
        ("RequestThrottled", "", LATER),
        ("KmsAccessDenied", "", LATER),
        ("InvalidParameter", "Invalid parameter: Message too long", NEVER),
        ("InvalidParameter", "Invalid parameter: TopicArn", LATER),
        ("InvalidParameter", "Invalid parameter: Topic Name", LATER),
        ("InvalidParameter", "Invalid parameter: TargetArn Reason: no value for required parameter", LATER),
        ("InvalidParameterValue", "The specified queue does not exist for this wsdl version.", LATER),
        ("InvalidParameterValue", "The specified queue does not exist or you do not have access to it.", LATER),
        ("InvalidParameterValue", "AWS.SimpleQueueService.NonExistentQueue; see the SQS docs.", LATER),
        ("ParameterValueInvalid", "The topic doesn't exist", LATER),
        ("InvalidParameterException", "The message topic is too long", NEVER),
        ("ParameterValueInvalid", "", NEVER),
        ("NotFound", "Topic does not exist", LATER),
        ("AuthorizationError", "", LATER),
        ("KMSDisabled", "", LATER),
        ("EmptyBatchRequest", "", LATER),
        ("SomethingNew", "", LATER),
        ("", "", LATER),
    ],
)
def test_only_the_events_own_content_is_refused_for_good(code: str, message: str, meaning: Verdict) -> None:
    assert verdict(code, message) is meaning


@pytest.mark.parametrize(
    ("lengths", "parts"),
    [
        ([], []),
        ([1] * 10, [10]),
        ([1] * 25, [10, 10, 5]),
        ([MAX_BATCH_BYTES - 1, 1], [2]),
        ([MAX_BATCH_BYTES, 1], [1, 1]),
        ([1, MAX_BATCH_BYTES + 1, 1, 1], [1, 1, 2]),
        ([200_000, 100_000, 100_000, 62_144], [1, 3]),
    ],
)
def test_a_call_takes_ten_entries_and_no_more_bytes_than_fit(lengths: list[int], parts: list[int]) -> None:
    entries = [(a_delivery(an_event()), {"": "x" * length}) for length in lengths]
    made = batches(entries)
    assert [len(part) for part in made] == parts
    assert [one for part in made for one in part] == entries


def test_all_of_an_entry_is_counted_in_bytes() -> None:
    assert size({"Id": "é", "Attributes": {"a": {"Type": "b"}}, "List": ["cc"], "Time": datetime.now(UTC)}) == (
        2 + 2 + 10 + 1 + 4 + 1 + 4 + 2 + 4 + 14
    )


def told(event: Event) -> dict[str, str]:
    assert all(value["DataType"] == "String" for value in attributes(event).values())
    return {name: value["StringValue"] for name, value in attributes(event).items()}


def test_attributes_tell_the_account_as_it_is_configured() -> None:
    outage = Outage(EIGHT, "ResourceNotFoundException", "", 3)
    target = stack("prod/é", "eu-west-1", "a/b")
    assert told(outage_event(target, outage, sequence=1, now=EIGHT, over=False)) == {
        "type": "watcher.target.unreadable",
        "target": "prod%2F%C3%A9/eu-west-1/stack/a%2Fb",
        "account": "prod/é",
        "region": "eu-west-1",
    }
    endpoint = EndpointKey("prod", "eu-west-1", "proton")
    assert told(outage_event(endpoint, outage, sequence=1, now=EIGHT, over=True)) == {
        "type": "watcher.endpoint.readable",
        "target": "prod/eu-west-1/proton",
        "account": "prod",
        "region": "eu-west-1",
    }


def test_a_test_event_is_of_no_account() -> None:
    assert told(trial_event("a/sink", EIGHT)) == {"type": "watcher.test", "target": "test/a%2Fsink"}


@pytest.mark.parametrize("place", ["https://sqs.us-east-1.amazonaws.com/1/syncs", "arn:aws:sns:us-east-1:1:syncs"])
def test_only_fifo_has_groups(place: str) -> None:
    delivery = a_delivery(an_event())
    standard = {"Id": delivery.id, "MessageAttributes": attributes(delivery.event)}
    assert message(place, delivery) == standard
    assert message(f"{place}.fifo", delivery) == standard | {
        "MessageGroupId": "default/us-east-1/stack/network",
        "MessageDeduplicationId": "0" * 32,
    }


def test_a_reminder_is_no_repeat_of_its_event() -> None:
    event = an_event()
    ids = {message(".fifo", a_delivery(event, reminder))["MessageDeduplicationId"] for reminder in (0, 1, 12)}
    assert ids == {event.id, f"{event.id}-reminder-1", f"{event.id}-reminder-12"}


@pytest.mark.parametrize("subject", ["x" * 129, "a subject with spaces", "é", ""])
def test_a_subject_that_is_no_message_group_has_one_of_its_own(subject: str) -> None:
    groups = {message(".fifo", a_delivery(an_event(text)))["MessageGroupId"] for text in (subject, f"{subject}2")}
    assert len(groups) == 2
    assert all(len(group) <= 128 and group.isascii() and group.isalnum() for group in groups if group != "2")


def test_a_body_has_no_character_that_xml_forbids() -> None:
    """SNS and SQS refuse such a message; JSON writes them as escapes."""
    hostile = "".join(map(chr, (*range(0x20), 0x7F, 0xDFFF, 0xD800, 0xFFFE, 0xFFFF, 0x1FFFF)))
    outage = Outage(EIGHT, "ResourceNotFoundException", hostile, 3)
    event = outage_event(stack("a", "us-east-1", "n"), outage, sequence=1, now=EIGHT, over=False)
    for body in (a_delivery(event).body, a_delivery(event, 1).body):
        assert all(" " <= letter <= "\x7f" for letter in body)
        assert json.loads(body)["data"]["error"]["message"] == hostile


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("0" * 32),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["Id", "MessageId", "Code", "Message", "SenderFault", "EventId", "ErrorCode", "ErrorMessage", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["Successful", "Failed", "Entries", "FailedEntryCount"]), JSON, max_size=3))
@example({"Successful": [{"Id": ["a"], "MessageId": "m"}]})
@example({"Failed": [{"Id": {}, "Code": ["a"], "Message": {}}]})
@example({"Entries": [{"EventId": ["a"]}]})
@example({"Entries": [{"ErrorCode": ["MalformedDetail"], "ErrorMessage": 1}]})
def test_an_answer_that_is_malformed_delivers_nothing_and_fails_nothing(told: dict[str, Any]) -> None:
    """Whatever JSON comes, each delivery has an answer; it is taken only by an id that is a text, and its own."""
    delivery = a_delivery(an_event())
    entries = [one for name in ("Successful", "Entries") for one in as_list(told.get(name)) if isinstance(one, dict)]
    for read in (SqsOptions.read, SnsOptions.read, EventBridgeOptions.read):
        (answer,) = read(None, told, [delivery])  # type: ignore[arg-type]  # it is of no sink
        assert answer.delivery is delivery
        assert answer.verdict is not Verdict.TAKEN or any(
            isinstance(one.get("EventId") or (one.get("Id") == delivery.id and one.get("MessageId")), str)
            for one in entries
        )


def test_an_answer_that_is_deeper_than_can_be_shown_fails_nothing() -> None:
    deep: Any = []
    for _ in range(5_000):
        deep = [deep]
    delivery = a_delivery(an_event())
    entry = {"Id": delivery.id, "MessageId": deep, "EventId": deep, "Code": deep, "ErrorCode": deep, "Message": deep}
    for told in ({"Failed": [entry]}, {"Successful": [entry]}, {"Entries": [entry]}, {"Failed": [{"Id": deep}]}):
        for read in (SqsOptions.read, EventBridgeOptions.read):
            (answer,) = read(None, told, [delivery])  # type: ignore[arg-type]  # it is of no sink
            assert answer.verdict is Verdict.LATER


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
