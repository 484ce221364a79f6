"""`route` and `test` as they are installed: which sinks get an event, before there is one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.conftest import NETWORK, WEB

if TYPE_CHECKING:
    from tests.acceptance.conftest import Places
    from tests.support.installed_command import Site

SINKS = """\
sinks:
  - {name: out, type: stdout}
  - {name: chat, type: slack, url: "https://hooks.slack.com/services/T0/B0/do-not-show-me", min_severity: error}
  - {name: shop, type: teams, url: "https://example.com/do-not-show-me", labels: {team: shop}}
mute:
  - {targets: "*/stack/*", from: 2026-12-24T20:00:00Z, until: 2026-12-25T20:00:00Z, reason: Christmas}"""

TOLD = "but it gets the event if it was sent a problem that this event ends"
UNMATCHED = "its `labels` ask for team=shop"
MUTED = "the event is muted until 2026-12-25 20:00:00 UTC (Christmas)"
BY_SEVERITY = "its filters let it through: `min_severity`"


@pytest.fixture(name="routed")
def a_site_with_sinks(places: Places) -> Site:
    """A place without a stand-in for AWS: neither command calls it."""
    site = places()
    site.configure((NETWORK, WEB), SINKS)
    return site


@pytest.mark.parametrize(
    ("words", "sinks"),
    [
        (
            ("--type", "sync.failed", "--at", "2026-12-01T09:00:00+01:00"),
            {"out": (True, "it has no filters"), "chat": (True, BY_SEVERITY), "shop": (False, UNMATCHED)},
        ),
        (
            ("--type", "watcher.sync.failed", "--at", "2026-12-24T20:00:00Z", "--label", "team=shop"),
            {"out": (False, MUTED), "chat": (False, MUTED), "shop": (False, MUTED)},
        ),
        (
            ("--type", "sync.succeeded", "--at", "2026-12-24T20:00:00Z"),
            {
                "out": (False, f"{MUTED}; {TOLD}"),
                "chat": (
                    False,
                    f"its `min_severity` is error, and watcher.sync.succeeded is info; {MUTED}; {TOLD}",
                ),
                "shop": (False, f"{UNMATCHED}; {MUTED}; {TOLD}"),
            },
        ),
    ],
)
async def test_route_says_which_sinks_would_get_an_event_and_why(
    routed: Site, words: tuple[str, ...], sinks: dict[str, tuple[bool, str]]
) -> None:
    code, printed, said = await routed.run("route", "--target", NETWORK.id, *words, "--json")
    assert (code, said) == (0, "")
    answer: dict[str, Any] = json.loads(printed)
    assert set(answer) == {"event", "sinks"}
    assert (answer["event"]["type"], answer["event"]["target"]) == (
        f"watcher.{words[1].removeprefix('watcher.')}",
        NETWORK.id,
    )
    assert answer["event"]["at"] == ("2026-12-01T08:00:00Z" if words[1] == "sync.failed" else "2026-12-24T20:00:00Z")
    assert answer["sinks"] == [{"sink": name, "sent": sent, "why": why} for name, (sent, why) in sinks.items()]
    assert not routed.state.exists()


async def test_route_shows_people_a_table_and_the_messages_that_they_would_receive(routed: Site) -> None:
    code, printed, said = await routed.run("route", "--target", NETWORK.id, "--type", "sync.failed")
    assert (code, said) == (0, "")
    header, out, chat, shop, *messages = printed.splitlines()
    assert header.split() == ["SINK", "TYPE", "SENT", "NOTE"]
    assert [line.split()[:3] for line in (out, chat, shop)] == [
        ["out", "stdout", "yes"], ["chat", "slack", "yes"], ["shop", "teams", "no"]
    ]  # fmt: skip
    assert any("FAILED: stack network" in line for line in messages)
    assert "shop (teams)" not in printed
    assert "do-not-show-me" not in printed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "Missing option '--type'"),
        (("--type", "sync.faild", "--target", NETWORK.id), "did you mean watcher.sync.failed?"),
        (("--type", "sync.failed", "--target", "networks"), "is not a target's id"),
        (("--type", "sync.failed", "--target", "stack/network"), f"not a whole id; did you mean {NETWORK.id}?"),
        (("--type", "endpoint.readable", "--target", NETWORK.id), "is an event of an endpoint"),
        (("--type", "sync.failed", "--target", NETWORK.id, "--label", "team"), "write NAME=VALUE"),
        (("--type", "sync.failed", "--target", NETWORK.id, "--at", "noon"), "is not a valid time"),
        (("--type", "sync.failed", "--target", NETWORK.id, "--at", "2026-12-24T20:00:00"), "has no time zone"),
    ],
)
async def test_a_wrong_question_is_wrong_usage(routed: Site, words: tuple[str, ...], message: str) -> None:
    code, printed, said = await routed.run("route", *words)
    assert (code, printed) == (64, "")
    assert message in said


async def test_route_says_that_labels_of_discovered_targets_are_not_known(routed: Site) -> None:
    routed.configure((NETWORK,), SINKS, "discover: [{kind: stack, labels: {team: shop}}]")
    words = ("route", "--type", "sync.failed", "--json", "--target")
    assert (await routed.run(*words, NETWORK.id))[2] == ""
    assert "give them with --label" in (await routed.run(*words, f"{NETWORK.id}-2"))[2]


CASES = f"""\
- given: {{type: sync.failed, target: {NETWORK.id}, at: 2026-12-01T08:00:00Z}}
  expect: [chat, out]
- given: {{type: sync.failed, target: {NETWORK.id}, labels: {{team: shop}}, at: 2026-12-01T08:00:00Z}}
  expect: [out, chat, shop]
- given: {{type: endpoint.unreadable, target: default/us-east-1/proton}}
  expect: [out, chat]
"""


async def test_test_exits_with_0_if_every_event_is_routed_as_expected(routed: Site) -> None:
    (routed.folder / "routing.yaml").write_text(CASES, encoding="utf-8")
    assert await routed.run("test", "routing.yaml") == (0, "3 cases, routed as expected.\n", "")


async def test_test_shows_each_sink_that_differs_and_exits_with_1(routed: Site) -> None:
    cases = CASES.replace("[chat, out]", "[out, shop]")
    (routed.folder / "routing.yaml").write_text(cases, encoding="utf-8")
    code, printed, said = await routed.run("test", "routing.yaml")
    assert (code, said) == (1, "")
    assert printed.splitlines() == [
        f"routing.yaml:1:3: watcher.sync.failed of {NETWORK.id} at 2026-12-01T08:00:00Z",
        f"  + chat: not expected; {BY_SEVERITY}",
        f"  - shop: expected; {UNMATCHED}",
        "3 cases, 1 routed otherwise than expected.",
    ]


async def test_test_reports_every_fault_of_its_file_with_its_place(routed: Site) -> None:
    cases = CASES.replace("sync.failed", "sync.faild", 1).replace("shop]", "shp]")
    (routed.folder / "routing.yaml").write_text(cases, encoding="utf-8")
    code, printed, said = await routed.run("test", "routing.yaml")
    assert (code, printed) == (78, "")
    first, second = said.splitlines()
    assert first.startswith("routing.yaml:1:17: [0].given.type: 'sync.faild' is not an event type; did you mean")
    assert second.startswith("routing.yaml:4:23: [1].expect[2]: there is no sink 'shp'; did you mean shop?")


async def test_a_file_of_test_that_is_missing_is_named(routed: Site) -> None:
    code, _, said = await routed.run("test", "nowhere.yaml")
    assert code == 78
    assert said.startswith("nowhere.yaml:1:1: no such file")
