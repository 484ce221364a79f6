"""Which targets a hint names."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from watcher.core.hints import Hint, HintIndex, account_number
from watcher.core.model import Repository
from watcher.core.settings import Account, Config, Retry
from watcher.sources.codeconnections import REPOSITORY, connection, stack
from watcher.sources.proton import template

if TYPE_CHECKING:
    from watcher.core.model import Target

EAST, WEST = "us-east-1", "eu-west-1"
SHOP = Repository("6053346f", "main")
SOLO = Repository("77777777", "main")
MOVED = Repository("99999999", "main")
ROLE = "arn:aws:iam::111122223333:role/watcher"
ACCOUNTS = {
    "prod": Account("prod", (EAST,), role_arn=ROLE),
    "dev": Account("dev", (EAST,), role_arn="arn:aws-cn:iam::444455556666:role/path/watcher"),
    "default": Account("default", (EAST,)),
}


def found(account: str, name: str, repository: Repository, facts: str) -> Target:
    return stack(account, EAST, name, repository=repository, found={"repository": facts, "branch": repository.branch})


TARGETS = [
    connection("prod", EAST, "arn:aws:codeconnections:us-east-1:111122223333:connection/7", name="github"),
    stack("prod", EAST, "web"),
    stack("dev", EAST, "web"),
    stack("default", EAST, "web"),
    stack("default", WEST, "web"),
    found("prod", "shop-a", SHOP, "org/shop"),
    found("prod", "shop-b", SHOP, "org/shop"),
    found("prod", "solo", SOLO, "org/solo"),
    stack("dev", EAST, "moved", repository=MOVED, found={"repository": "org/moved", "branch": "before"}),
    stack("dev", EAST, "unlinked", found={"repository": "org/unlinked", "branch": "main"}),
    REPOSITORY.target("dev", EAST, {"link": "88888888", "branch": "main"}),
    template("prod", EAST, "SERVICE", "web", "1"),
]
CONFIG = Config("test", ACCOUNTS, tuple(TARGETS), Retry(), 3, (), "memory://", None, 1.0, 1.0)
OF_SHOP = {"prod/us-east-1/repository/codeconnections/6053346f/main"}
BY_ANY_ACCOUNT = {"prod/us-east-1/stack/web", "dev/us-east-1/stack/web", "default/us-east-1/stack/web"}


def hint(**named: Any) -> Hint:
    return Hint(**{"account": "111122223333", "region": EAST, "branch": "main", **named})


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (hint(stack="web"), {"prod/us-east-1/stack/web", "default/us-east-1/stack/web"}),
        (hint(stack="web", account="444455556666"), {"dev/us-east-1/stack/web", "default/us-east-1/stack/web"}),
        (hint(stack="web", account="999999999999"), {"default/us-east-1/stack/web"}),
        (hint(stack="web", account=None), BY_ANY_ACCOUNT),
        (hint(stack="web", account="999999999999", region=WEST), {"default/eu-west-1/stack/web"}),
        (hint(stack="web", region="ap-south-1"), set()),
        (hint(stack="solo", branch="moved"), {"prod/us-east-1/stack/solo"}),
        (hint(stack="other"), set()),
        (hint(link="6053346f"), OF_SHOP),
        (hint(link="6053346f", repository="org/shop"), OF_SHOP),
        (hint(link="6053346f", branch=None), OF_SHOP),
        (hint(link="6053346f", branch="dev"), set()),
        (hint(link="6053346f", account="444455556666"), set()),
        (hint(link="77777777"), {"prod/us-east-1/stack/solo"}),
        (hint(repository="org/shop"), OF_SHOP),
        (hint(repository="org/solo"), {"prod/us-east-1/stack/solo"}),
        (hint(link="unknown", repository="org/solo"), {"prod/us-east-1/stack/solo"}),
        (hint(repository="org/solo", branch="dev"), set()),
        (hint(link="99999999", account=None), {"dev/us-east-1/stack/moved"}),
        (hint(repository="org/unlinked", account=None), {"dev/us-east-1/stack/unlinked"}),
        (hint(repository="org/unlinked", account=None, branch="dev"), set()),
        (hint(link="88888888", account=None), {"dev/us-east-1/repository/codeconnections/88888888/main"}),
        (hint(link="88888888", account="444455556666", branch="dev"), set()),
    ],
)
def test_a_hint_names_what_may_be_its_stack_or_repository(of: Hint, expected: set[str]) -> None:
    assert {target.id for target in HintIndex(CONFIG).named(of)} == expected


def test_an_index_that_follows_another_one_names_what_is_configured_now() -> None:
    targets = [each for each in CONFIG.targets if (each.account, each.name) != ("prod", "solo")]
    without = replace(CONFIG, targets=tuple(targets))
    for first, then in ((CONFIG, without), (without, CONFIG)):
        index, alone = HintIndex(then, HintIndex(first)), HintIndex(then)
        for of in (hint(stack="solo"), hint(stack="web"), hint(link="6053346f"), hint(link="77777777")):
            assert index.named(of) == alone.named(of)


def test_an_index_that_follows_another_one_uses_the_names_of_endpoints_that_did_not_change() -> None:
    targets = [each for each in CONFIG.targets if (each.account, each.name) != ("prod", "solo")]
    before = HintIndex(CONFIG)
    after = HintIndex(replace(CONFIG, targets=tuple(targets)), before)
    kept = {str(key) for key, names in after.endpoints.items() if names is before.endpoints[key]}
    assert kept == {str(key) for key in CONFIG.endpoints} - {"prod/us-east-1/codeconnections"}


@pytest.mark.parametrize(
    ("of", "accounts"),
    [
        (hint(stack="web"), {"prod"}),
        (hint(stack="web", account="444455556666"), {"dev"}),
        (hint(stack="web", account="999999999999"), {"default"}),
        (hint(stack="web", account=None), set()),
        (hint(stack="solo", account=None), {"prod"}),
        (hint(link="6053346f"), {"prod"}),
        (hint(stack="other"), set()),
    ],
)
def test_an_endpoint_is_heard_if_a_hint_is_about_no_other_one(of: Hint, accounts: set[str]) -> None:
    index = HintIndex(CONFIG)
    assert {endpoint.account for endpoint in index.heard(of, index.named(of))} == accounts


def test_the_number_of_an_account_is_that_of_its_role() -> None:
    numbers = {name: account_number(account) for name, account in ACCOUNTS.items()}
    assert numbers == {"prod": "111122223333", "dev": "444455556666", "default": None}
