"""What people ask about an event: its type and its subject."""

import pytest

from tests.unit.conftest import minute
from watcher.core.event_types import EVENT_TYPES
from watcher.core.model import EndpointKey
from watcher.core.settings import Config, Retry
from watcher.messages.samples import ENDPOINT, FOUND_STACK, GITHUB, NETWORK, WEB, sample_of
from watcher.sources.codeconnections import stack
from watcher.sources.questions import ask, read_event_type, read_subject

LISTED = stack("prod", "us-east-1", "network", labels={"team": "platform", "tier": "1"})
CONFIG = Config("here", {}, (LISTED,), Retry(), 3, (), "memory://", None, 1.0, 1.0)


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_a_type_may_be_written_without_its_prefix(event_type: str) -> None:
    assert read_event_type(event_type) == event_type
    assert read_event_type(event_type.removeprefix("watcher.")) == event_type


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sync.faild", "did you mean watcher.sync.failed?"),
        ("nonsense", "the types are watcher.sync.initiated, "),
        ("", "the types are"),
        ("watcher.test", "watcher.test is not routed"),
    ],
)
def test_a_type_that_is_unknown_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("?", r"\?")):
        read_event_type(text)


@pytest.mark.parametrize("target", [WEB, NETWORK, FOUND_STACK, GITHUB], ids=lambda target: target.id)
def test_a_target_is_read_from_its_id(target: object) -> None:
    identifier = target.id  # type: ignore[attr-defined]
    read = read_subject(identifier)
    assert not isinstance(read, EndpointKey)
    assert read.id == identifier


def test_an_endpoint_is_read_from_its_subject() -> None:
    assert read_subject("prod/eu-west-1/codeconnections") == ENDPOINT


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not a target's id"),
        ("network", "is not a target's id"),
        ("prod/us-east-1/s3", "is not a target's id"),
        ("prod/us-east-1/stack", "is not a target's id"),
        ("prod/us-east-1/stacks/network", "is not a target's id"),
        ("prod//stack/network", "which is <account>/<region>/stack/<name>"),
        ("prod/us-east-1/stack/a/b", "which is <account>/<region>/stack/<name>"),
        ("prod/us-east-1/stack/a%2fb", "write prod/us-east-1/stack/a%2Fb"),
        ("prod/us-east-1/stack/a b", "write prod/us-east-1/stack/a%20b"),
        ("prod/us-east-1/template/service/web/1", "choose from ENVIRONMENT, SERVICE"),
        ("prod/us-east-1/template/SERVICE/web/one", "must be a whole number"),
    ],
)
def test_a_malformed_id_is_refused_with_what_to_write(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_subject(text)


def test_a_listed_target_has_its_labels_and_those_of_the_question_over_them() -> None:
    question = ask(CONFIG, "watcher.sync.failed", read_subject(LISTED.id), {"tier": "2", "new": ""}, minute(0))
    assert question.labels == {"team": "platform", "tier": "2", "new": ""}
    other = ask(CONFIG, "watcher.sync.failed", read_subject("prod/us-east-1/stack/other"), {"a": "b"}, minute(0))
    assert other.labels == {"a": "b"}


@pytest.mark.parametrize(
    ("event_type", "subject", "labels", "message"),
    [
        ("watcher.sync.failed", str(ENDPOINT), {}, "is an event of a target"),
        ("watcher.endpoint.unreadable", LISTED.id, {}, "is an event of an endpoint"),
        ("watcher.endpoint.unreadable", str(ENDPOINT), {"a": "b"}, "has no labels"),
        ("watcher.connection.available", LISTED.id, {}, "a stack has no event"),
        ("watcher.sync.failed", GITHUB.id, {}, "a connection has no event"),
    ],
)
def test_an_event_that_cannot_be_is_refused(
    event_type: str, subject: str, labels: dict[str, str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        ask(CONFIG, event_type, read_subject(subject), labels, minute(0))


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_a_sample_of_each_type_is_about_the_subject_of_the_question(event_type: str) -> None:
    about = event_type.split(".")[1]
    subject = (
        EndpointKey("dev", "us-west-2", "proton")
        if about == "endpoint"
        else GITHUB
        if about == "connection"
        else stack("dev", "us-west-2", "a b", labels={"team": "x"})
    )
    sample = sample_of(event_type, subject)
    if isinstance(subject, EndpointKey):
        assert (sample["subject"], sample["source"]) == ("dev/us-west-2/proton", "/watcher/dev/us-west-2")
        assert sample["data"]["endpoint"]["api"] == "proton"
    else:
        assert sample["subject"] == subject.id == sample["data"]["target"]["id"]
        assert sample["data"]["target"]["labels"] == subject.labels
    assert sample["type"] == event_type
