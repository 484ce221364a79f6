"""Commit statuses over real HTTP, at receivers that keep them as GitHub, GitLab and Bitbucket document it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import SecretStr

from tests.integration.posting_sinks import sending
from tests.integration.receiver import Cut, Reply, json_reply
from tests.support.event_samples import (
    LINKED,
    NETWORK,
    SHA,
    WEB,
    attempt,
    blocker,
    outage,
    reminder,
    sync,
    sync_of_repository,
    trial,
)
from tests.support.git_hosts import Bitbucket, GitHost, GitHub, GitLab
from watcher.core.deliveries import SendOutcome, Verdict
from watcher.core.diff import Reason
from watcher.core.model import FAILED, IN_PROGRESS, QUEUED, SUCCEEDED
from watcher.core.stamps import stamped
from watcher.errors import SinkError
from watcher.sinks.bitbucket import BitbucketOptions
from watcher.sinks.commit_status import StatusOptions, shortened, status_of
from watcher.sinks.github import GitHubOptions
from watcher.sinks.gitlab import GitLabOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.integration.receiver import Received
    from watcher.core.events import Event

REPOSITORY = "example-org/platform-templates"
CONTEXT = f"watcher/{WEB.id}"
PAGE = "https://watcher.example.com/#web"
KEYS = {"app_id": None, "private_key": None, "installation_id": None}


def linked(event: Event, **links: str) -> Event:
    form = json.loads(event.body)
    form["data"]["links"] = links
    return event._replace(body=json.dumps(form))


def of(provider: str, status: str, *said: str, **altered: Any) -> Event:
    return linked(sync(attempt(status, *said, repositoryProvider=provider, **altered)), page=PAGE)


HOSTS: dict[str, tuple[type[StatusOptions], type[GitHost], str]] = {
    "github": (GitHubOptions, GitHub, "GITHUB_ENTERPRISE"),
    "gitlab": (GitLabOptions, GitLab, "GITLABSELFMANAGED"),
    "bitbucket": (BitbucketOptions, Bitbucket, "BITBUCKET"),
}


async def sent(name: str, host: Any, events: Sequence[Event], *script: Reply, **keys: Any) -> list[SendOutcome]:
    options: dict[str, Any] = {"token": SecretStr(host.token), **KEYS, **keys}
    async with sending(HOSTS[name][0], host.answer, *script, **options) as made:
        return [await made.send(event) for event in events]


@pytest.mark.parametrize(
    ("name", "states"),
    [
        ("github", ["pending", "failure", "pending", "success"]),
        ("gitlab", ["pending", "failed", "pending", "success"]),
        ("bitbucket", ["INPROGRESS", "FAILED", "INPROGRESS", "SUCCESSFUL"]),
    ],
)
async def test_a_commits_status_follows_its_attempts_to_the_end(name: str, states: list[str]) -> None:
    _, host_type, provider = HOSTS[name]
    host = host_type(REPOSITORY)
    events = [
        of(provider, IN_PROGRESS),
        of(provider, FAILED, "Sync started", "Failed to parse schema.yaml: line 14"),
        of(provider, IN_PROGRESS, number=5),
        of(provider, SUCCEEDED, number=5),
    ]
    outcomes = await sent(name, host, events)
    assert {outcome.verdict for outcome in outcomes} == {Verdict.TAKEN}, outcomes
    ((repository, sha, _), kept), *others = host.statuses.items()
    assert (repository, sha, others) == (REPOSITORY, SHA, [])
    assert [each["state"] for each in kept] == states
    failed = kept[1]
    assert failed["description"] == "Failed to parse schema.yaml: line 14"
    assert PAGE in (failed.get("target_url"), failed.get("url"))
    assert CONTEXT.lower() in (failed.get("context", "").lower(), failed.get("name", "").lower())


async def test_the_links_of_recorded_events_are_used() -> None:
    host = GitHub(REPOSITORY)
    event = sync(attempt(FAILED, "No", repositoryProvider="GITHUB_ENTERPRISE"))
    urls = ["https://watcher.example.com/ops", None]
    await sent("github", host, [stamped(event, public_url=url) for url in urls])
    (kept,) = host.statuses.values()
    assert [each["target_url"] for each in kept] == [
        f"https://watcher.example.com/ops/targets/{WEB.id}",
        "https://eu-west-1.console.aws.amazon.com/proton/home?region=eu-west-1#/templates/services/detail/web",
    ]


@pytest.mark.parametrize("name", HOSTS)
async def test_the_longest_texts_are_accepted(name: str) -> None:
    _, host_type, provider = HOSTS[name]
    host = host_type(REPOSITORY)
    long = of(provider, FAILED, "é" * 3000)._replace(subject="x")
    form = json.loads(long.body)
    form["subject"] = f"{'a' * 128}/us-east-1/stack/{'b%20' * 100}"
    (outcome,) = await sent(name, host, [long._replace(body=json.dumps(form))])
    assert outcome.verdict is Verdict.TAKEN, outcome.text


@pytest.mark.parametrize("name", HOSTS)
async def test_without_the_page_the_link_is_the_console_or_what_the_provider_needs(name: str) -> None:
    _, host_type, provider = HOSTS[name]
    host = host_type(REPOSITORY)
    event = sync(attempt(FAILED, "No", repositoryProvider=provider))
    await sent(name, host, [linked(event, console="https://console.example.com/"), event])
    ((first, second),) = host.statuses.values()
    assert "https://console.example.com/" in (first.get("target_url"), first.get("url"))
    commit = f"https://bitbucket.org/{REPOSITORY}/commits/{SHA}"
    assert second.get("target_url") is None
    assert second.get("url") == (commit if name == "bitbucket" else None)


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (trial(), "not sent: a test event has no commit"),
        (reminder(of("GITHUB_ENTERPRISE", FAILED), 1), "not sent: it does not change the status"),
        (outage(NETWORK), "not sent: it does not change the status"),
        (blocker(), "not sent: it does not change the status"),
        (sync_of_repository(LINKED, QUEUED), "not for this sink: AWS does not say which commit"),
        (of("GITHUB", FAILED), "not for this sink: the commit is at GITHUB"),
        (of("GITLABSELFMANAGED", FAILED), "not for this sink: the commit is at GITLABSELFMANAGED"),
        (of("GITHUB_ENTERPRISE", FAILED, repositoryName="../x"), "not for this sink: AWS does not say"),
        (of("GITHUB_ENTERPRISE", FAILED, sha="HEAD"), "not for this sink: AWS does not say"),
    ],
)
async def test_what_is_not_for_the_sink_is_settled_with_the_reason(event: Event, why: str) -> None:
    host = GitHub(REPOSITORY)
    (outcome,) = await sent("github", host, [event])
    assert (outcome.verdict, outcome.text.startswith(why)) == (Verdict.TAKEN, True), outcome.text
    assert host.statuses == {}


@pytest.mark.parametrize(
    ("options", "own", "others"),
    [
        (GitHubOptions, {"GITHUB"}, {"GITHUB_ENTERPRISE", "GITHUBENTERPRISESERVER"}),
        (GitLabOptions, {"GITLAB"}, {"GITLABSELFMANAGED"}),
        (BitbucketOptions, {"BITBUCKET"}, {"BITBUCKET"}),
    ],
)
def test_the_url_decides_whose_commits_a_sink_is_for(
    options: type[StatusOptions], own: set[str], others: set[str]
) -> None:
    url = options.model_fields["url"].default
    assert options.model_construct(url=url).providers == own
    assert options.model_construct(url="https://git.example.com/api").providers == others


def test_a_stalled_and_an_unknown_status_are_not_the_end() -> None:
    now = datetime(2026, 11, 23, 9, tzinfo=UTC)
    for event in (
        sync(attempt(IN_PROGRESS), reason=Reason.STALLED, type="sync.stalled"),
        sync(attempt("ROLLED_BACK"), type="sync.unknown"),
    ):
        status = status_of(json.loads(event.body), now, frozenset({"GITHUB"}))
        assert not isinstance(status, str)
        assert status.state.value == "pending"


def test_a_long_context_keeps_its_beginning_and_gets_a_hash() -> None:
    assert shortened("watcher/a", 255) == "watcher/a"
    long = shortened(f"watcher/{'a' * 300}", 255)
    assert (len(long), long[:8]) == (72, "watcher/")


# What a response means.

FAILURE = of("GITHUB_ENTERPRISE", FAILED, "No")


@pytest.mark.parametrize(
    ("response", "verdict"),
    [
        (json_reply(401, message="Bad credentials"), Verdict.LATER),
        (json_reply(403, message="Resource not accessible by integration"), Verdict.LATER),
        (json_reply(404, message="Not Found"), Verdict.NEVER),
        (json_reply(410, message="Gone"), Verdict.NEVER),
        (json_reply(422, message="No commit found for SHA"), Verdict.NEVER),
        (json_reply(502), Verdict.LATER),
        (Reply(cut=Cut.AFTER), Verdict.LATER),
    ],
)
async def test_a_response_decides_what_becomes_of_the_event(response: Reply, verdict: Verdict) -> None:
    (outcome,) = await sent("github", GitHub(REPOSITORY), [FAILURE], response)
    assert outcome.verdict is verdict


@pytest.mark.parametrize(
    ("status", "headers", "body", "least", "most"),
    [
        (403, {"Retry-After": "7"}, "secondary", 7, 7),
        (429, {"Retry-After": "7"}, "too many", 7, 7),
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "+90"}, "API rate limit exceeded", 80, 90),
        (429, {}, "too many", 60, 60),
        (403, {}, "You have exceeded a secondary rate limit", 60, 60),
        (403, {}, '{\n  "message": "You have exceeded a secondary rate limit"\n}', 60, 60),
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "-90"}, "API rate limit exceeded", 0, 0),
    ],
)
async def test_a_limit_is_waited_for_as_long_as_github_says(
    status: int, headers: dict[str, str], body: str, least: float, most: float
) -> None:
    if (reset := headers.get("X-RateLimit-Reset", "")) and reset[0] in "+-":
        headers = headers | {"X-RateLimit-Reset": str(int(datetime.now(UTC).timestamp()) + int(reset))}
    with pytest.raises(SinkError, match=str(status)) as limited:
        await sent("github", GitHub(REPOSITORY), [FAILURE], Reply(status, headers, body.encode()))
    assert limited.value.retry_after is not None
    assert least <= limited.value.retry_after <= most


async def test_a_status_that_gitlab_already_has_is_delivered() -> None:
    host = GitLab(REPOSITORY)
    event = of("GITLABSELFMANAGED", IN_PROGRESS)
    first, repeated = await sent("gitlab", host, [event, event])
    assert (first.verdict, repeated.verdict) == (Verdict.TAKEN, Verdict.TAKEN)
    assert repeated.text.startswith("it already has this status: 400")
    assert host.states(CONTEXT) == ["pending"]


async def test_a_token_is_not_repeated_in_a_response() -> None:
    host = GitHub(REPOSITORY)
    (outcome,) = await sent("github", host, [FAILURE], json_reply(401, message=f"Bad credentials: {host.token}"))
    assert host.token not in outcome.text


# A GitHub App.


@pytest.fixture(scope="module")
def app_key() -> Any:
    pytest.importorskip("jwt", reason="the extra `github` is not installed")
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def app(key: Any) -> dict[str, Any]:
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    return {"token": None, "app_id": "123456", "private_key": SecretStr(pem.decode()), "installation_id": "7654321"}


async def test_an_app_uses_one_token_until_shortly_before_its_end(app_key: Any) -> None:
    host = GitHub(REPOSITORY, app_key=app_key.public_key())
    outcomes = await sent("github", host, [FAILURE, FAILURE], **app(app_key))
    assert [outcome.verdict for outcome in outcomes] == [Verdict.TAKEN, Verdict.TAKEN]
    assert len(host.tokens) == 1
    host.lifetime = timedelta(minutes=4)
    await sent("github", host, [FAILURE, FAILURE], **app(app_key))
    assert len(host.tokens) == 3


async def test_an_apps_own_token_is_not_repeated_in_a_response(app_key: Any) -> None:
    def repeating(request: Received) -> Reply:
        return json_reply(401, message=f"not {request.headers['Authorization'].removeprefix('Bearer ')}")

    async with sending(GitHubOptions, repeating, **app(app_key)) as made:
        with pytest.raises(SinkError, match=r'gives no token .*: 401 Unauthorized: .*"not \[redacted\]"'):
            await made.send(FAILURE)


async def test_an_app_gets_another_token_after_one_was_refused(app_key: Any) -> None:
    host = GitHub(REPOSITORY, app_key=app_key.public_key())
    options = app(app_key)
    async with sending(GitHubOptions, host.answer, **options) as made:
        await made.send(FAILURE)
        host.tokens.append("ghs_another-one")  # the first is revoked
        assert (await made.send(FAILURE)).verdict is Verdict.LATER
        assert (await made.send(FAILURE)).verdict is Verdict.TAKEN


async def test_an_app_without_a_token_is_a_failure_of_the_sink(app_key: Any) -> None:
    host = GitHub(REPOSITORY, app_key=app_key.public_key())
    with pytest.raises(SinkError, match="GitHub gives no token for the App's installation: 404 Not Found"):
        await sent("github", host, [FAILURE], **app(app_key) | {"installation_id": "1"})


@pytest.mark.parametrize(
    "reply",
    [
        json_reply(201, nothing=1),
        json_reply(201, token="ghs_1\r\nX-Forged: 1", expires_at="2099-01-01T00:00:00Z"),
        json_reply(201, token={"a": 1}, expires_at="2099-01-01T00:00:00Z"),
        json_reply(201, token="ghs_1", expires_at="0001-01-01T00:00:00Z"),
        json_reply(201, token="ghs_1", expires_at=None),
        Reply(201, body=b'{"token":' * 7_000),
        Reply(201, body=b"[]"),
    ],
)
async def test_what_is_not_a_token_of_an_app_is_a_failure_of_the_sink(app_key: Any, reply: Reply) -> None:
    host = GitHub(REPOSITORY, app_key=app_key.public_key())
    with pytest.raises(SinkError, match="gives no token for the App's installation: 201, but not a token"):
        await sent("github", host, [FAILURE], reply, **app(app_key))
