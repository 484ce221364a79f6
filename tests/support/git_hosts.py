"""GitHub, GitLab and Bitbucket as receivers of commit statuses, which keep them as their vendors document it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from jsonschema import Draft202012Validator

from tests.integration.receiver import Received, Reply, json_reply
from tests.support.event_samples import SHA
from watcher.core.model import rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping

Key = tuple[str, str, str]
"""A repository, a commit and a context."""

_URL = {"type": "string", "pattern": "^https?://"}


def _object(*required: str, **properties: Any) -> Draft202012Validator:
    return Draft202012Validator({
        "type": "object", "required": required, "properties": properties, "additionalProperties": False,
    })  # fmt: skip


GITHUB = json.loads((Path(__file__).parent / "vendor" / "github-openapi.json").read_text())["paths"]
"""GitHub's own description of two operations (`vendor/README.md`)."""

STATUSES = GITHUB["/repos/{owner}/{repo}/statuses/{sha}"]["post"]
TOKENS = GITHUB["/app/installations/{installation_id}/access_tokens"]["post"]


def _json(part: Mapping[str, Any]) -> Any:
    """The schema of a request or a response in JSON."""
    return part["content"]["application/json"]["schema"]


GITHUB_STATUS = Draft202012Validator({
    "allOf": [_json(STATUSES["requestBody"])],
    "properties": {
        "state": True,
        "target_url": _URL,
        "description": {"type": "string", "maxLength": 140},
        "context": {"type": "string", "maxLength": 255},
    },
    "additionalProperties": False,
})  # fmt: skip
"""The body by GitHub's own description, without keys that it does not have, and the lengths that GitHub accepts."""

GITHUB_TOKEN = Draft202012Validator(_json(TOKENS["responses"]["201"]))

GITLAB_STATUS = _object(
    "state",
    state={"enum": ["pending", "running", "success", "failed", "canceled", "skipped"]},
    name={"type": "string", "maxLength": 255},
    ref={"type": "string", "maxLength": 255},
    target_url={**_URL, "maxLength": 255},
    description={"type": "string", "maxLength": 255},
)
"""The body by https://docs.gitlab.com/api/commits/#set-commit-pipeline-status."""

BITBUCKET_STATUS = _object(
    "key",
    "state",
    "url",
    key={"type": "string", "minLength": 1, "maxLength": 40},
    state={"enum": ["INPROGRESS", "SUCCESSFUL", "FAILED", "STOPPED"]},
    name={"type": "string", "maxLength": 255},
    description={"type": "string", "maxLength": 255},
    url=_URL,
)
"""The body by https://developer.atlassian.com/cloud/bitbucket/rest/api-group-commit-statuses/."""


@dataclass
class GitHost:
    """What all of them have: a repository with a commit, a token, and the statuses, oldest first."""

    repository: str
    sha: str = SHA
    token: str = "ghp_a-token-that-may-write-statuses"
    statuses: dict[Key, list[Mapping[str, Any]]] = field(default_factory=dict)

    def keep(self, repository: str, sha: str, context: str, form: Mapping[str, Any]) -> None:
        self.statuses.setdefault((repository, sha, context), []).append(form)

    def states(self, context: str) -> list[str]:
        return [each["state"] for each in self.statuses.get((self.repository, self.sha, context), [])]


@dataclass
class GitHub(GitHost):
    """`POST /repos/{owner}/{repo}/statuses/{sha}`, and the tokens of an App's installation."""

    app_key: Any = None
    """The App's public key."""
    tokens: list[str] = field(default_factory=list)
    """Those of the installation, the newest last; only that one is valid."""
    lifetime: timedelta = timedelta(hours=1)

    def answer(self, request: Received) -> Reply:
        parts = request.path.strip("/").split("/")
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        assert request.headers["Accept"] == "application/vnd.github+json"
        if parts[:2] == ["app", "installations"]:
            return self._new_token(given, parts[2])
        if given not in (self.token, *self.tokens[-1:]):
            return json_reply(401, message="Bad credentials", status="401")
        _, owner, name, _, sha = parts
        repository = f"{owner}/{name}"
        if repository != self.repository:
            return json_reply(404, message="Not Found", status="404")
        form = json.loads(request.body)
        wrong = [{"message": error.message} for error in GITHUB_STATUS.iter_errors(form)]
        if wrong or sha != self.sha:
            return json_reply(422, message=f"No commit found for SHA: {sha}", errors=wrong, status="422")
        self.keep(repository, sha, form["context"].lower(), form)
        return json_reply(201, state=form["state"], context=form["context"])

    def _new_token(self, signed: str, installation: str) -> Reply:
        import jwt  # noqa: PLC0415  only with the extra `github`

        try:
            claims = jwt.decode(signed, self.app_key, algorithms=["RS256"], options={"require": ["iat", "exp", "iss"]})
        except jwt.InvalidTokenError as error:
            return json_reply(401, message=f"A JSON web token could not be decoded: {error}")
        if claims["exp"] - datetime.now(UTC).timestamp() > 600:
            return json_reply(401, message="'Expiration time' claim ('exp') is too far in the future")
        if (claims["iss"], installation) != ("123456", "7654321"):
            return json_reply(404, message="Not Found")
        self.tokens.append(f"ghs_installation-token-{len(self.tokens) + 1}")
        until = rfc3339(datetime.now(UTC) + self.lifetime)
        made = {"token": self.tokens[-1], "expires_at": until, "permissions": {"statuses": "write"}}
        GITHUB_TOKEN.validate(made)
        return json_reply(201, **made)


@dataclass
class GitLab(GitHost):
    """`POST /projects/{id}/statuses/{sha}`: a pipeline's job, which goes from pending to its end once."""

    branch: str = "main"

    def answer(self, request: Received) -> Reply:
        if request.headers.get("PRIVATE-TOKEN") != self.token:
            return json_reply(401, message="401 Unauthorized")
        projects, project, statuses, sha = request.path.strip("/").split("/")
        assert (projects, statuses) == ("projects", "statuses")
        form = json.loads(request.body)
        if unquote(project) != self.repository:
            return json_reply(404, message="404 Project Not Found")
        if sha != self.sha or form.get("ref", self.branch) != self.branch:
            return json_reply(404, message="404 Commit Not Found")
        if wrong := [error.message for error in GITLAB_STATUS.iter_errors(form)]:
            return json_reply(400, message={"description": wrong})
        earlier = self.states(form["name"])
        if earlier[-1:] == ["pending"] == [form["state"]]:
            reason = 'Reason(s): Status cannot transition via \\"enqueue\\"'
            return json_reply(400, message=f"Cannot transition status via :enqueue from :pending ({reason})")
        self.keep(self.repository, sha, form["name"], form)
        return json_reply(201, status=form["state"], name=form["name"])


@dataclass
class Bitbucket(GitHost):
    """`POST /2.0/repositories/{workspace}/{repo}/commit/{commit}/statuses/build`: one status for each key."""

    def answer(self, request: Received) -> Reply:
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return json_reply(401, type="error", error={"message": "Token is invalid or not supported"})
        form, parts = json.loads(request.body), request.path.strip("/").split("/")
        assert (parts[:2], parts[4], parts[6:]) == (["2.0", "repositories"], "commit", ["statuses", "build"])
        if "/".join(parts[2:4]) != self.repository or parts[5] != self.sha:
            return json_reply(404, type="error", error={"message": "Commit not found"})
        if wrong := [error.message for error in BITBUCKET_STATUS.iter_errors(form)]:
            return json_reply(400, type="error", error={"message": "Bad request", "fields": wrong})
        known = (self.repository, self.sha, form["key"]) in self.statuses
        self.keep(self.repository, self.sha, form["key"], form)
        return json_reply(200 if known else 201, **form)
