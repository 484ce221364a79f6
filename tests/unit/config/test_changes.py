"""What a new configuration changes, by a table of edits of its text."""

from __future__ import annotations

import pytest

from watcher.cli.configuration import parse
from watcher.config.document import Document
from watcher.config.reloader import Difference, difference

BASE = """
accounts:
  - {name: prod, regions: [us-east-1], role_arn: "arn:aws:iam::111122223333:role/a"}
  - {name: dev, regions: [us-east-1, eu-west-1]}
stacks:
  - {name: network, account: prod}
  - {name: shop, account: dev}
templates:
  - {name: web, type: SERVICE, version: 2, account: prod}
sinks:
  - {name: out, type: stdout, replay_from: 2h}
  - {name: queue, type: sqs, queue: "https://sqs.us-east-1.amazonaws.com/111122223333/syncs", account: prod}
  - {name: hook, type: webhook, url: "https://example.com/a", secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
"""


def config(*edits: tuple[str, str]) -> object:
    text = BASE
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new)
    return parse(Document("test", text.encode()), {}, lambda _: None)


def after(*edits: tuple[str, str]) -> Difference:
    return difference(config(), config(*edits))  # type: ignore[arg-type]


def names(change: Difference) -> tuple[set[str], list[str]]:
    return set(change.leaving_sinks), [sink.name for sink in change.coming_sinks]


def test_the_same_text_changes_nothing() -> None:
    assert after() == Difference((), 0, 0, frozenset(), (), ())


@pytest.mark.parametrize(
    "edit",
    [
        ("stacks:", "# a comment\nstacks:"),
        ("{name: network, account: prod}", "{account: prod, name: network}"),
        ("replay_from: 2h", "replay_from: 3h"),
        ("{name: out, type: stdout,", "{name: out, type: stdout, events: [watcher.sync.failed], labels: {a: b},"),
        ("type: webhook,", "type: webhook, give_up_after: 1h, remind_every: 4h, min_severity: error,"),
        ("accounts:", "mute: [{targets: 'prod/*', reason: x}]\naccounts:"),
        ("accounts:", "mute: [{targets: 'prod/*', when: {zone: Europe/Berlin}}]\naccounts:"),
    ],
)
def test_routing_and_comments_replace_no_sink_and_no_target(edit: tuple[str, str]) -> None:
    change = after(edit)
    assert names(change) == (set(), [])
    assert (change.forgotten, change.new_targets, change.changed_targets) == ((), 0, 0)


def test_a_removed_target_is_forgotten_with_its_endpoint_if_it_was_the_last() -> None:
    assert after(("  - {name: web, type: SERVICE, version: 2, account: prod}\n", "  []\n")).forgotten == (
        "prod/us-east-1/proton",
        "prod/us-east-1/template/SERVICE/web/2",
    )
    assert after(("regions: [us-east-1, eu-west-1]", "regions: [us-east-1]")).forgotten == (
        "dev/eu-west-1/codeconnections",
        "dev/eu-west-1/stack/shop",
    )


def test_new_and_changed_targets_are_counted() -> None:
    change = after(
        ("- {name: shop, account: dev}", "- {name: shop, account: dev, interval: 5m}\n  - {name: new, account: prod}")
    )
    assert (change.forgotten, change.new_targets, change.changed_targets) == ((), 1, 2)


@pytest.mark.parametrize(
    ("edit", "goes", "comes"),
    [
        (("https://example.com/a", "https://example.com/b"), {"hook"}, ["hook"]),
        (("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_bm90IHRoZSBzYW1lIGFzIGJlZm9yZS4u"), {"hook"}, ["hook"]),
        (("type: webhook,", "type: webhook, mode: binary,"), {"hook"}, ["hook"]),
        (("name: hook", "name: other"), {"hook"}, ["other"]),
        (("  - {name: out, type: stdout, replay_from: 2h}\n", ""), {"out"}, []),
        (("sinks:", "sinks:\n  - {name: more, type: file, path: more.jsonl}"), set(), ["more"]),
        # A sink at AWS is replaced if its account's credentials change, but not if the account's rate changes.
        (("role/a", "role/b"), {"queue"}, ["queue"]),
        (('role/a"', 'role/a", rate_limit: {requests_per_second: 1}'), set(), []),
    ],
)  # fmt: skip
def test_a_sink_is_replaced_if_its_own_keys_change(edit: tuple[str, str], goes: set[str], comes: list[str]) -> None:
    assert names(after(edit)) == (goes, comes)


def test_keys_that_apply_only_after_a_restart_are_returned() -> None:
    assert after(("stacks:", "state: sqlite:///other.db\nstacks:")).restart_for == ("state",)
