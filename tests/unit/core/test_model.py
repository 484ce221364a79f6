"""The values of the domain: kinds, how times are shown, and what a sink's options are unless its type says more."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from botocore import xform_name

from tests.unit.conftest import an_attempt, minute
from watcher.core.model import (
    FAILED,
    QUEUED,
    EndpointKey,
    Target,
    extended,
    for_people,
    parse_rfc3339,
    rfc3339,
)
from watcher.core.sink_settings import SinkOptions
from watcher.sources.codeconnections import CONNECTION, REPOSITORY, STACK, connection
from watcher.sources.proton import TEMPLATE, template


def test_a_request_has_the_identity_and_what_is_always_the_same() -> None:
    stack = STACK.target("prod", "us-east-1", {"name": "network"})
    assert STACK.request(stack) == {"ResourceName": "network", "SyncType": "CFN_STACK_SYNC"}
    identity = {"name": "web", "version": "2", "type": "SERVICE"}
    assert TEMPLATE.request(TEMPLATE.target("prod", "us-east-1", identity)) == {
        "templateName": "web",
        "templateVersion": "2",
        "templateType": "SERVICE",
    }


def test_a_target_is_watched_as_the_configuration_says() -> None:
    target = STACK.target("prod", "us-east-1", {"name": "network"}, interval=5.0, labels={"team": "web"})
    assert (target.interval, target.labels, target.active_interval) == (5.0, {"team": "web"}, 10.0)


def test_a_kinds_operation_has_a_method_of_botocores_client() -> None:
    assert xform_name(STACK.operation) == "get_resource_sync_status"
    assert xform_name(TEMPLATE.operation) == "get_template_sync_status"


def test_a_kind_is_shown_with_its_variant_and_is_polled_unless_its_listing_has_its_status() -> None:
    kinds = [replace(each) for each in (STACK, REPOSITORY, CONNECTION)]  # a kind keeps how it is shown
    assert [str(each) for each in kinds] == ["stack", "repository/codeconnections", "connection"]
    assert [each.polled for each in kinds] == [True, True, False]


@pytest.mark.parametrize(
    ("subject", "id_"),
    [
        (STACK.target("prod", "us-east-1", {"name": "network"}), "prod/us-east-1/stack/network"),
        (STACK.target("prod eu", "us-east-1", {"name": "a/b"}), "prod%20eu/us-east-1/stack/a%2Fb"),
        (template("prod", "us-east-1", "SERVICE", "web", "2"), "prod/us-east-1/template/SERVICE/web/2"),
        (
            REPOSITORY.target("prod", "us-east-1", {"link": "6053346f", "branch": "release/1"}),
            "prod/us-east-1/repository/codeconnections/6053346f/release%2F1",
        ),
        (connection("prod", "us-east-1", "arn:aws:c:connection/7"), "prod/us-east-1/connection/7"),
        (EndpointKey("prod eu", "us/east", "proton"), "prod%20eu/us%2Feast/proton"),
    ],
)
def test_an_id_has_each_part_as_a_segment_of_a_url(subject: Target | EndpointKey, id_: str) -> None:
    assert (subject.id if isinstance(subject, Target) else str(subject)) == id_


@pytest.mark.parametrize(
    ("status", "now", "is_stalled"),
    [(QUEUED, 10.99, False), (QUEUED, 11, True), (QUEUED, 12, True), (FAILED, 12, False), ("ODD", 12, False)],
)
def test_an_unfinished_attempt_is_stalled_after_the_time_it_may_take(
    status: str, now: float, *, is_stalled: bool
) -> None:
    assert an_attempt(1, status).is_stalled(minute(now), timedelta(minutes=10)) is is_stalled


@pytest.mark.parametrize(
    ("revision", "sha"), [({"sha": "62c0"}, "62c0"), ({"sha": None}, ""), ({"branch": "main"}, ""), (None, "")]
)
def test_the_commit_of_an_attempt_is_empty_if_it_is_not_known(revision: dict[str, str | None] | None, sha: str) -> None:
    assert replace(an_attempt(1), target_revision=revision).sha == sha


def test_an_event_has_further_attributes_beside_its_own() -> None:
    assert json.loads(extended('{"id":"7"}', reminder=2)) == {"id": "7", "reminder": 2}


@pytest.fixture
def _in_tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("_in_tokyo")
def test_times_are_shown_in_utc_without_a_fraction_whatever_the_machines_zone_is() -> None:
    moment = datetime(2026, 11, 23, 9, 5, 0, 999_999, timezone(timedelta(hours=1)))
    assert for_people(moment) == for_people(moment.astimezone(UTC)) == "2026-11-23 08:05:00 UTC"
    assert rfc3339(moment) == "2026-11-23T08:05:00.999999Z"
    assert parse_rfc3339("2026-11-23T09:05:00.999999+01:00").isoformat() == "2026-11-23T08:05:00.999999+00:00"


def test_a_sink_writes_no_file_and_has_no_preview_unless_its_type_says_so() -> None:
    options = SinkOptions()
    assert options.may_write("/var/log/events.jsonl") is True
    assert options.preview({}) == ""
    assert (options.built_from(), [*options.secret_texts()], options.written_files()) == (None, [], {})
