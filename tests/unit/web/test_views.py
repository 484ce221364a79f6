"""The rows of targets that the page and the API show."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from watcher.core.model import Attempt
from watcher.core.state import Known, Record
from watcher.sources.codeconnections import REPOSITORY as LINKED
from watcher.sources.codeconnections import stack
from watcher.sources.proton import REPOSITORY as OF_PROTON
from watcher.web.views import committed_row

if TYPE_CHECKING:
    from watcher.core.model import Target

AT = datetime(2026, 11, 23, 8, tzinfo=UTC)
LINK = "6053346f-8a33-4edb-9397-10394b695173"
PROTON = {"provider": "GITHUB", "name": "org/templates", "branch": "release/1", "sync_type": "TEMPLATE_SYNC"}


@pytest.mark.parametrize(
    ("target", "branch"),
    [
        (LINKED.target("default", "us-east-1", {"link": LINK, "branch": "release/1"}), "release/1"),
        (OF_PROTON.target("default", "us-east-1", PROTON), "release/1"),
        (stack("default", "us-east-1", "shop", found={"repository": "org/shop", "branch": "main"}), "main"),
        (stack("default", "us-east-1", "shop"), None),
    ],
    ids=["linked repository", "repository of Proton", "discovered stack", "listed stack"],
)
def test_a_row_has_the_branch_that_is_known_without_an_attempt(target: Target, branch: str | None) -> None:
    assert committed_row(target, None, None)["branch"] == branch


def test_a_row_has_the_synced_beside_the_desired_commit_and_the_console() -> None:
    target = stack("prod", "eu-west-1", "shop")
    revision = {"repositoryProvider": "GITHUB", "repositoryName": "org/shop", "sha": "a" * 40}
    known = Known(
        None,
        AT,
        desired_state={**revision, "sha": "b" * 40},
        latest_successful=Attempt(AT, "SUCCEEDED", None, None, revision),
    )
    row = committed_row(target, Record(known), None)
    page = "https://github.com/org/shop/commit/"
    assert row["synced"] == {"sha": "a" * 40, "url": page + "a" * 40}
    assert row["desired"] == {"sha": "b" * 40, "url": page + "b" * 40}
    assert row["console_url"].startswith("https://eu-west-1.console.aws.amazon.com/cloudformation/")
    unseen = committed_row(target, None, None)
    assert (unseen["synced"], unseen["desired"]) == (None, None)
