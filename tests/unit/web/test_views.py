"""The rows of targets that the page and the API show."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from watcher.sources.codeconnections import REPOSITORY as LINKED
from watcher.sources.codeconnections import stack
from watcher.sources.proton import REPOSITORY as OF_PROTON
from watcher.web.views import committed_row

if TYPE_CHECKING:
    from watcher.core.model import Target

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
