"""EventBridge's events of Git sync: their forms, which of them are lost, and how late the others are."""

from __future__ import annotations

from statistics import mean

import pytest

from watcher.core.model import FAILED, IN_PROGRESS, Attempt
from watcher.simulator.git_events import FORMS, Change, QueueSettings, event
from watcher.simulator.inventory import Place, Repository
from watcher.simulator.subject import Subject
from watcher.simulator.timeline import datetime_at
from watcher.sources.codeconnections import REPOSITORY, STACK

T = 1_795_420_800.0
PLACE = Place("111111111111", "eu-west-1")
LINK = "6053346f-8a33-4edb-9397-10394b695173"
SHOP = Subject(STACK, (("name", "shop"),), repository="org/shop", branch="live")
REPO = Subject(REPOSITORY, (("link", LINK), ("branch", "live")))
CHANGES = [
    Change(SHOP, PLACE, T + 0.7, Attempt(datetime_at(T), FAILED, "shop", None, SHOP.revision("c0ffee")), IN_PROGRESS),
    Change(REPO, PLACE, T, Attempt(datetime_at(T), FAILED, None, None, None), None, Repository("org/shop"), "arn:c"),
]


@pytest.mark.parametrize(
    ("form", "detail_type", "previous", "arn"),
    [
        (
            "reference",
            "Git Sync Resource Sync Status Change",
            "previousSync",
            "arn:aws:cloudformation:eu-west-1:111111111111:stack/shop/",
        ),
        (
            "sample",
            "Git Sync Resource Sync Status Change",
            "previousStatus",
            "arn:aws:aws:cloudformation:eu-west-1:111111111111:stack/shop",
        ),
        (
            "eventbridge",
            "GitSync Resource Sync Status Change",
            "previousSync",
            "arn:aws:cloudformation:eu-west-1:111111111111:stack/shop/",
        ),
    ],
)
def test_a_stacks_event_has_the_form_that_is_asked_for(form: str, detail_type: str, previous: str, arn: str) -> None:
    made = event(CHANGES[0], form)
    assert (made["detail-type"], made["source"]) == (detail_type, "aws.codeconnections")
    assert (made["account"], made["region"], made["time"]) == (*PLACE, "2026-11-23T08:00:00Z")
    (resource,) = made["resources"]
    assert resource.startswith(arn)
    detail = made["detail"]
    assert detail["syncTarget"] == resource
    assert detail[previous] == IN_PROGRESS
    assert len({"previousSync", "previousStatus"} & set(detail)) == 1
    assert (detail["repositoryName"], detail["branch"], detail["commit"]) == ("shop", "live", "c0ffee")
    assert (detail["status"], detail["syncType"]) == (FAILED, "CFN_STACK_SYNC")


@pytest.mark.parametrize("form", FORMS)
def test_a_repositorys_event_names_its_link_and_branch(form: str) -> None:
    made = event(CHANGES[1], form)
    assert made["detail-type"].endswith("Repository Sync Status Change")
    detail = made["detail"]
    assert (detail["repositoryLinkId"], detail["branch"], detail["ownerId"]) == (LINK, "live", "org")
    assert (detail["repositoryName"], detail["connectionArn"]) == ("shop", "arn:c")
    assert "syncTarget" not in detail
    assert not {"previousSync", "previousStatus"} & set(detail), "nothing was before"
    assert made["resources"][0].startswith("arn:aws:aws:codestar" if form == "sample" else "arn:aws:codeconnections:")


def test_a_queue_loses_its_share_and_delays_the_others() -> None:
    queue = QueueSettings("q", lost=0.1, delay=(1.0, 3.0))
    delays = [queue.delay_of(str(number)) for number in range(2000)]
    arrived = [delay for delay in delays if delay is not None]
    assert 1720 <= len(arrived) <= 1880
    assert 1.0 <= min(arrived) < max(arrived) <= 3.0
    assert mean(arrived) == pytest.approx(2.0, abs=0.1)
    assert delays == [queue.delay_of(str(number)) for number in range(2000)]
    assert QueueSettings("q").delay_of("1") == 0.0


def test_mixed_events_have_every_form() -> None:
    assert {QueueSettings("q").form_of(str(number)) for number in range(50)} == set(FORMS)
    assert QueueSettings("q", form="sample").form_of("1") == "sample"
