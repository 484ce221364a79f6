"""`bitbucket`: the status of the commit that AWS syncs, at Bitbucket Cloud.

https://developer.atlassian.com/cloud/bitbucket/rest/api-group-commit-statuses/
"""

from __future__ import annotations

from hashlib import sha256
from typing import ClassVar, Literal

from pydantic import Field

from watcher.config.fields import Token
from watcher.messages.sanitize import one_line
from watcher.sinks.commit_status import CommitState, CommitStatus, CommitStatusSink, StatusOptions, shortened
from watcher.sinks.http import BaseUrl, Post

MAX_DESCRIPTION, MAX_NAME, MAX_KEY = 255, 255, 40
"""Characters that Bitbucket accepts."""

_STATES = {CommitState.PENDING: "INPROGRESS", CommitState.SUCCESS: "SUCCESSFUL", CommitState.FAILURE: "FAILED"}


class BitbucketSink(CommitStatusSink):
    """Sets build statuses by the API of Bitbucket Cloud."""

    def __init__(self, options: BitbucketOptions) -> None:
        token = options.token.get_secret_value()
        super().__init__(options, token, headers={"Authorization": f"Bearer {token}"})

    def request(self, status: CommitStatus) -> Post:
        commit, context = status.commit, status.context
        key = context if len(context) <= MAX_KEY else sha256(context.encode()).hexdigest()[:MAX_KEY]
        body = {
            "key": key,
            "state": _STATES[status.state],
            "name": shortened(context, MAX_NAME),
            "description": one_line(status.description, MAX_DESCRIPTION),
            "url": status.link or status.commit_page,  # Bitbucket accepts no status without one
        }
        return Post(f"/2.0/repositories/{commit.repository}/commit/{commit.sha}/statuses/build", body)


class BitbucketOptions(StatusOptions):
    """The status of each commit that AWS syncs, at Bitbucket Cloud."""

    sink: ClassVar = BitbucketSink
    hosted = frozenset({"BITBUCKET"})
    self_hosted = hosted

    type: Literal["bitbucket"]
    token: Token = Field(examples=["${BITBUCKET_TOKEN}"])
    """An access token that may write to the repositories. A secret: take it from a variable."""
    url: BaseUrl = Field(default="https://api.bitbucket.org", examples=["https://bitbucket-proxy.example.com"])
    """The URL of the API, without /2.0."""
