"""Messages: names, durations, links, groups, and what remains of an event of an unknown form."""

from __future__ import annotations

import pytest

from tests.support.event_samples import (
    EVENTS,
    NETWORK,
    SHA,
    attempt,
    blocker,
    bodies,
    failures,
    message_of,
    outage,
    revision,
    sync,
)
from tests.unit.conftest import minute
from watcher.core.diff import Reason
from watcher.core.links import links
from watcher.core.model import FAILED, SUCCEEDED
from watcher.messages.alert import alert_for
from watcher.messages.blocks import slack_payload
from watcher.messages.message import Tone
from watcher.messages.phrases import length, ordinal
from watcher.messages.plain import plain, subject
from watcher.sources.codeconnections import stack
from watcher.sources.proton import template


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "less than a second"),
        (0.4, "less than a second"),
        (41, "41 s"),
        (59.7, "1 min"),
        (550, "9 min 10 s"),
        (3600, "1 h"),
        (3605, "1 h"),
        (7500, "2 h 5 min"),
        (86400 * 3 + 14400, "3 d 4 h"),
        (86400 * 30 + 60, "30 d"),
    ],
)
def test_a_length_has_its_two_largest_units(seconds: float, text: str) -> None:
    assert length(seconds) == text


def test_ordinals() -> None:
    numbers = (1, 2, 3, 4, 11, 12, 13, 21, 102, 111)
    assert " ".join(map(ordinal, numbers)) == "1st 2nd 3rd 4th 11th 12th 13th 21st 102nd 111th"


@pytest.mark.parametrize(
    ("altered", "address"),
    [
        ({}, "https://github.com/example-org/platform-templates/commit/" + SHA),
        ({"repositoryProvider": "BITBUCKET"}, "https://bitbucket.org/example-org/platform-templates/commits/" + SHA),
        ({"repositoryProvider": "GITLAB"}, "https://gitlab.com/example-org/platform-templates/-/commit/" + SHA),
        (
            {"repositoryProvider": "", "providerType": "GitLab", "repositoryName": "a/b/c"},
            "https://gitlab.com/a/b/c/-/commit/" + SHA,
        ),
        (
            {"repositoryProvider": "", "providerType": "GitHub", "ownerId": "org", "repositoryName": "infra"},
            "https://github.com/org/infra/commit/" + SHA,
        ),
        ({"repositoryProvider": "GITHUB_ENTERPRISE"}, None),
        ({"repositoryProvider": "", "providerType": "GitHubEnterpriseServer"}, None),
        ({"repositoryProvider": "", "providerType": "GitLabSelfManaged"}, None),
        ({"repositoryProvider": "", "providerType": "AzureDevOps"}, None),
        ({"repositoryName": "a/b/c"}, None),
        ({"repositoryName": "../.."}, None),
        ({"repositoryName": "a/.."}, None),
        ({"repositoryName": "a/b?x"}, None),
        ({"repositoryName": "a/b\n"}, None),
        ({"repositoryName": "@evil/b"}, None),
        ({"repositoryName": "b"}, None),
        ({"sha": "main"}, None),
        ({"sha": SHA + "/../x"}, None),
    ],
)
def test_a_commit_is_linked_where_the_host_is_known_and_the_names_can_only_be_names(
    altered: dict[str, str], address: str | None
) -> None:
    assert links(revision(**altered))[1] == address


def test_a_subject_says_what_failed_and_where() -> None:
    assert subject(bodies(sync())[0]) == "FAILED: SERVICE template web:2 (prod, eu-west-1)"


def test_a_reminder_says_which_it_is() -> None:
    message = message_of(bodies(*EVENTS["sync.failed-reminder"]))
    assert message.title.startswith("FAILED (reminder 2): ")
    assert message.lead.endswith(" Nothing has changed for 3 h 59 min.")


@pytest.mark.parametrize(
    ("name", "cause", "lead"),
    [
        (
            "endpoint.unreadable-reminder",
            "First error: AccessDeniedException: User is not authorized to perform: GetResourceSyncStatus",
            "The sync status of its targets has been unreadable for 4 h.",
        ),
        (
            "sync.stalled-reminder",
            "",
            "Still IN_PROGRESS after 4 h.",
        ),
    ],
)
def test_a_reminder_is_as_of_now(name: str, cause: str, lead: str) -> None:
    message = message_of(bodies(*EVENTS[name]))
    assert (message.cause, message.lead) == (cause, lead)


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("sync.failed", "Failed to parse schema.yaml: line 14"),
        ("sync.failed-reminder", "Failed to parse schema.yaml: line 14"),
        ("sync.failed-group", "No schema for service-0, or similar."),
        (
            "sync.failed-group-alike",
            "Access to the repository was denied (request 6053346f-8a33-4edb-9397-10394b695170), or similar.",
        ),
        ("sync.stalled", "Still IN_PROGRESS after 31 min 30 s."),
        (
            "endpoint.unreadable",
            "AccessDeniedException: User is not authorized to perform: GetResourceSyncStatus",
        ),
        ("target.unreadable-group", "AccessDeniedException: User is not authorized to perform: GetResourceSyncStatus"),
        ("target.unreadable", "ResourceNotFoundException: No such stack: network"),
        ("endpoint.readable", "The sync status of 40 targets was unreadable for 1 h 35 min."),
    ],
)
def test_a_mail_begins_with_the_cause(name: str, first: str) -> None:
    assert plain(message_of(bodies(*EVENTS[name]))).body.splitlines()[0] == first


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (["Parameter Size is missing"], 0),
        (["Sync started", "Parameter Size is missing"], 2),
        ([""], 1),
    ],
)
def test_the_only_event_of_a_failed_attempt_is_shown_once_as_the_cause(said: list[str], shown: int) -> None:
    message = message_of(bodies(sync(attempt(FAILED, *said))))
    assert message.cause == said[-1]
    assert len(message.lines) == shown


@pytest.mark.parametrize(
    ("name", "headline"),
    [
        ("sync.failed", "FAILED: SERVICE template web:2 (prod, eu-west-1): Failed to parse schema.yaml: line 14"),
        ("sync.stalled", "STALLED: SERVICE template web:2 (prod, eu-west-1): Still IN_PROGRESS after 31 min 30 s."),
        (
            "connection.unavailable",
            (
                "UNAVAILABLE: connection github (prod, eu-west-1): "
                "AWS reads no repository through this connection until a person finishes its handshake in the console."
            ),
        ),
        ("sync.succeeded-recovered", "RECOVERED: SERVICE template web:2 (prod, eu-west-1)"),
    ],
)
def test_the_headline_of_a_problem_says_why_in_awss_words_or_what_happened(name: str, headline: str) -> None:
    assert alert_for(*bodies(*EVENTS[name]), minute(240)).headline == headline


def test_a_group_is_one_message_that_lists_its_targets_and_counts_the_rest() -> None:
    message = message_of(bodies(*failures(57)))
    assert message.title == "FAILED: 57 targets (prod, eu-west-1)"
    assert len(message.lines) == 21
    assert message.lines[0] == "SERVICE template service-0:1: No schema for service-0"
    assert message.lines[-1] == "and 37 more"


@pytest.mark.parametrize(
    ("count", "targets"),
    [
        (2, "SERVICE template service-0:1 and SERVICE template service-1:1"),
        (3, "SERVICE template service-0:1, SERVICE template service-1:1 and SERVICE template service-2:1"),
        (57, "SERVICE template service-0:1, SERVICE template service-1:1, SERVICE template service-2:1 and 54 more"),
    ],
)
def test_a_notification_of_a_group_says_why_and_what_it_happened_to(count: int, targets: str) -> None:
    title, said = slack_payload(message_of(bodies(*failures(count))))["text"].split("\n")
    assert title == f"🔴 FAILED: {count} targets (prod, eu-west-1)"
    assert said == f"No schema for service-0, or similar. {targets}"


def test_a_notification_of_a_group_that_shares_nothing_has_the_places_of_its_targets() -> None:
    other = template("prod", "us-east-1", "SERVICE", "api", "1")
    message = message_of(bodies(sync(), sync(attempt(FAILED, sha="1" * 40), target=other)))
    assert message.brief == "SERVICE template web:2 (prod, eu-west-1) and SERVICE template api:1 (prod, us-east-1)"


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        (Reason.FIRST_SEEN, "It already had this status at the first poll."),
        (Reason.MISSED_SUCCESS, "A later attempt has started since."),
        (
            Reason.RECREATED,
            "AWS reports an older attempt: the target was probably deleted and created again.",
        ),
    ],
)
def test_a_group_mentions_how_it_was_observed_if_it_holds_for_all(reason: Reason, said: str) -> None:
    usual, unusual = sync(), [sync(reason=reason), sync(target=NETWORK, reason=reason)]
    assert message_of(bodies(*unusual)).lead.endswith(f" {said}")
    for some in ([usual, *unusual], [*unusual, usual]):
        assert said not in message_of(bodies(*some)).lead


def test_the_worst_of_a_group_gives_it_its_tone() -> None:
    assert message_of(bodies(sync(attempt(SUCCEEDED)), sync())).tone is Tone.FAILURE


def test_a_group_says_only_what_is_true_of_all() -> None:
    other = template("prod", "us-east-1", "SERVICE", "api", "1")
    message = message_of(bodies(sync(), sync(attempt(FAILED, "Sync started", directory="/api"), target=other)))
    assert message.title == "FAILED: 2 targets"
    assert {fact.name for fact in message.facts} == {"Commit", "Repository", "Branch", "Started", "Last success"}


def test_slacks_limits_hold_for_the_longest_texts() -> None:
    long = template("a" * 500, "eu-west-1", "SERVICE", "n" * 500, "2", labels={"l" * 300: "v" * 300})
    made = attempt(FAILED, *("&" * 5000 for _ in range(50)), repositoryName="r" * 900, directory="d" * 900)
    for events in (bodies(sync(made, target=long)), bodies(*(sync(made, target=long) for _ in range(100)))):
        blocks = slack_payload(message_of(events))["blocks"]
        assert len(blocks) <= 50
        assert len(blocks[0]["text"]["text"]) <= 150
        for block in blocks:
            for section in block["elements"] if block["type"] == "rich_text" else ():
                assert sum(len(element["text"]) for element in section["elements"]) <= 3000
        if len(events) > 1:
            assert "and 80 more" in str(blocks)


def test_slack_is_sent_no_part_of_a_command() -> None:
    stacks = (stack("default", "us-east-1", f"stack-{number}-" + "x" * 100) for number in range(20))
    message = message_of(bodies(*(blocker(target=target) for target in stacks)))
    lines = slack_payload(message)["blocks"][2]["elements"][1]["elements"][0]["text"]
    *shown, last = lines.split("\n")
    assert last == "…"
    assert 2000 < len(lines) <= 3000
    assert shown == list(message.lines[: len(shown)])


def test_a_templates_long_text_is_divided_into_sections_that_slack_takes() -> None:
    text = "\n".join("x" * 90 for _ in range(300)) + "\n" + "y" * 9000
    blocks = slack_payload(message_of(bodies(sync())), text)["blocks"]
    assert 1 < len(blocks) <= 50
    assert all(len(block["text"]["text"]) <= 3000 for block in blocks)
    assert all(block["text"]["verbatim"] for block in blocks)


@pytest.mark.parametrize("lost", ["data", "type", "subject", "time", "id"])
def test_an_event_of_an_unknown_form_has_a_message_of_what_is_there(lost: str) -> None:
    event = bodies(sync())[0]
    del event[lost]
    for events in ([event], [event, event]):
        assert plain(message_of(events)).title
        assert subject(event)


def test_an_attempt_that_ended_before_it_began_has_no_length() -> None:
    assert message_of(bodies(sync(attempt(FAILED, number=5), after=1))).lead == "The sync failed."


def test_the_end_of_an_outage_says_how_long_it_lasted() -> None:
    message = message_of(bodies(outage(template("a", "b", "SERVICE", "c", "1"), over=True)))
    assert message.lead == "The sync status was unreadable for 1 h 35 min."
