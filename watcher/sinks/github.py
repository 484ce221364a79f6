"""`github`: the status of the commit that AWS syncs, at GitHub.

https://docs.github.com/rest/commits/statuses, and for limits https://docs.github.com/rest/using-the-rest-api.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, PlainValidator, SecretStr, WithJsonSchema, model_validator

from watcher.config.fields import Token, or_variable, text_schema
from watcher.config.readers import meant_as_text, single
from watcher.core.deliveries import Verdict
from watcher.messages.sanitize import one_line
from watcher.sinks.commit_status import CommitStatus, CommitStatusSink, StatusOptions, shortened
from watcher.sinks.github_app import InstallationToken, key_fault
from watcher.sinks.http import BaseUrl, Post, Response

MAX_DESCRIPTION, MAX_CONTEXT = 140, 255
"""Characters that GitHub accepts."""

HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}

_ID = r"^[A-Za-z0-9._-]{1,64}$"


def _id(value: object) -> str:
    """Return the id of an App or of an installation: GitHub's are numbers, or begin with letters."""
    text = single(value, "an id")
    if not re.fullmatch(_ID, text):
        raise ValueError("this must be the id that GitHub shows: a number, or letters and digits")
    return str(text)


def _private_key(value: object) -> SecretStr:
    text = meant_as_text(value, secret=True).replace("\\n", "\n").strip()  # variables often have it in one line
    if wrong := key_fault(text):
        raise ValueError(wrong)
    return SecretStr(text)


Id = Annotated[str, PlainValidator(_id), WithJsonSchema(or_variable({"type": ["integer", "string"], "pattern": _ID}))]
PrivateKey = Annotated[SecretStr, PlainValidator(_private_key), text_schema(minLength=1)]


class GitHubSink(CommitStatusSink):
    """Sets statuses by GitHub's REST API."""

    def __init__(self, options: GitHubOptions) -> None:
        self._token = options.token.get_secret_value() if options.token else ""
        super().__init__(options, *filter(None, [self._token]))
        self._app = None
        if options.app_id and options.private_key and options.installation_id:
            key = options.private_key.get_secret_value()
            self._app = InstallationToken(self._poster, options.app_id, key, options.installation_id)

    def request(self, status: CommitStatus) -> Post:
        body = {
            "state": status.state.value,
            "context": shortened(status.context, MAX_CONTEXT),
            "description": one_line(status.description, MAX_DESCRIPTION),
            **({"target_url": status.link} if status.link else {}),
        }
        return Post(f"/repos/{status.commit.repository}/statuses/{status.commit.sha}", body)

    async def headers(self) -> Mapping[str, str]:
        token = await self._app.current(HEADERS) if self._app else self._token
        return {**HEADERS, "Authorization": f"Bearer {token}"}

    def judged(self, response: Response) -> tuple[Verdict, str]:
        if response.status == 401 and self._app:
            self._app.forget()
        return super().judged(response)


class GitHubOptions(StatusOptions):
    """The status of each commit that AWS syncs, at GitHub."""

    sink: ClassVar = GitHubSink
    hosted = frozenset({"GITHUB"})
    self_hosted = frozenset({"GITHUB_ENTERPRISE", "GITHUBENTERPRISESERVER"})

    type: Literal["github"]
    token: Token | None = Field(default=None, examples=["${GITHUB_TOKEN}"])
    """A token that may write commit statuses of the repositories. A secret: take it from a variable."""
    app_id: Id | None = Field(default=None, examples=["123456"])
    """The id of a GitHub App that may write commit statuses, instead of a token."""
    private_key: PrivateKey | None = Field(default=None, examples=["${GITHUB_APP_KEY}"])
    """The App's private key (PEM). A secret: take it from a variable."""
    installation_id: Id | None = Field(default=None, examples=["7654321"])
    """The id of the App's installation in the organisation of the repositories."""
    url: BaseUrl = Field(default="https://api.github.com", examples=["https://github.example.com/api/v3"])
    """The URL of the API; another one for a GitHub Enterprise Server."""

    @model_validator(mode="after")
    def _one_identity(self) -> Self:
        app = [self.app_id, self.private_key, self.installation_id]
        if all(app) == bool(self.token) or any(app) != all(app):
            raise ValueError("set `token`, or `app_id`, `private_key` and `installation_id` together")
        return self
