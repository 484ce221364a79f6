"""`gitlab`: the status of the commit that AWS syncs, at GitLab (https://docs.gitlab.com/api/commits/)."""

from __future__ import annotations

from typing import ClassVar, Literal
from urllib.parse import quote

from pydantic import Field

from watcher.config.fields import Token
from watcher.core.deliveries import Verdict
from watcher.messages.sanitize import one_line
from watcher.sinks.commit_status import CommitState, CommitStatus, CommitStatusSink, StatusOptions, shortened
from watcher.sinks.http import BaseUrl, Post, Response

MAX_DESCRIPTION, MAX_CONTEXT, MAX_URL = 255, 255, 255
"""Characters that GitLab accepts."""

ALREADY_SO = "Cannot transition status"
"""How GitLab refuses a status that the commit already has."""

_STATES = {CommitState.PENDING: "pending", CommitState.SUCCESS: "success", CommitState.FAILURE: "failed"}


class GitLabSink(CommitStatusSink):
    """Sets statuses by GitLab's API."""

    def __init__(self, options: GitLabOptions) -> None:
        token = options.token.get_secret_value()
        super().__init__(options, token, headers={"PRIVATE-TOKEN": token})

    def request(self, status: CommitStatus) -> Post:
        commit = status.commit
        body = {
            "state": _STATES[status.state],
            "name": shortened(status.context, MAX_CONTEXT),
            "description": one_line(status.description, MAX_DESCRIPTION),
            # Without it, GitLab takes any branch with the commit.
            **({"ref": commit.branch} if commit.branch else {}),
            **({"target_url": status.link} if status.link and len(status.link) <= MAX_URL else {}),
        }
        return Post(f"/projects/{quote(commit.repository, safe='')}/statuses/{commit.sha}", body)

    def judged(self, response: Response) -> tuple[Verdict, str]:
        if response.status == 400 and ALREADY_SO in response.body:
            return Verdict.TAKEN, f"it already has this status: {response}"
        return super().judged(response)


class GitLabOptions(StatusOptions):
    """The status of each commit that AWS syncs, at GitLab."""

    sink: ClassVar = GitLabSink
    hosted = frozenset({"GITLAB"})
    self_hosted = frozenset({"GITLABSELFMANAGED"})

    type: Literal["gitlab"]
    token: Token = Field(examples=["${GITLAB_TOKEN}"])
    """An access token with the scope `api`. A secret: take it from a variable."""
    url: BaseUrl = Field(default="https://gitlab.com/api/v4", examples=["https://gitlab.example.com/api/v4"])
    """The URL of the API; another one for a server of your own."""
