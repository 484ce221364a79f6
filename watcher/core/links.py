"""Links to repositories, commits and AWS's console, made only from names that are safe in a URL. Pure."""

import re
from dataclasses import dataclass

from watcher.core.model import Revision

_HOSTS = {
    "GITHUB": ("https://github.com/{}", "/commit/{}"),
    "GITLAB": ("https://gitlab.com/{}", "/-/commit/{}"),
    "BITBUCKET": ("https://bitbucket.org/{}", "/commits/{}"),
}
"""The URL of a provider's repository, and of a commit below it. AWS does not report the URLs of self-hosted servers."""

_PART = r"(?!\.{1,2}(?:/|$))[A-Za-z0-9_.-]{1,100}"
_REPOSITORY = re.compile(rf"{_PART}/{_PART}")
_IN_GROUPS = re.compile(rf"{_PART}(?:/{_PART}){{1,20}}")
_SHA = re.compile(r"[0-9a-fA-F]{7,64}")

_CONNECTION = re.compile(r"arn:aws:([a-z-]{1,40}):([a-z0-9-]{1,40}):(\d{12}):connection/([0-9A-Za-z-]{1,64})")


def connection_page(arn: str) -> str | None:
    """Return the URL of a connection's page in the console; None: the ARN is not that of a connection."""
    found = _CONNECTION.fullmatch(arn)
    if found is None:
        return None
    service, region, account, uuid = found.groups()
    settings = f"https://{region}.console.aws.amazon.com/codesuite/settings"
    return f"{settings}/{account}/{region}/{service}/connections/{uuid}"


def provider_of(revision: Revision) -> str:
    """Return AWS's word for the kind of server, in capitals; Proton and CodeConnections name the field differently."""
    return (revision.get("repositoryProvider") or revision.get("providerType") or "").upper()


def repository_name(revision: Revision) -> str:
    """Return `owner/name`, which Proton reports in one field and CodeConnections in two."""
    name, owner = revision.get("repositoryName") or "", revision.get("ownerId")
    return f"{owner}/{name}" if owner and name and "/" not in name else name


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit, as AWS names it."""

    provider: str
    """AWS's word for the kind of server, in capitals: `GITHUB`, `GITHUB_ENTERPRISE`, `GITLABSELFMANAGED`, …"""
    repository: str
    """`owner/name`; at GitLab there may be groups between them."""
    sha: str
    branch: str


def commit_of(revision: Revision) -> Commit | None:
    """Return the commit of a revision; None: it names none, or its names cannot be what they stand for."""
    provider, name, sha = provider_of(revision), repository_name(revision), revision.get("sha") or ""
    if not (provider and _may_be_named(name, provider) and _SHA.fullmatch(sha)):
        return None
    return Commit(provider, name, sha, revision.get("branch") or "")


def links(revision: Revision) -> tuple[str | None, str | None]:
    """Return the URLs of a revision's repository and of its commit, as far as they are known."""
    provider, name, sha = provider_of(revision), repository_name(revision), revision.get("sha") or ""
    if provider not in _HOSTS or not _may_be_named(name, provider):
        return None, None
    repository, commit = _HOSTS[provider]
    address = repository.format(name)
    return address, address + commit.format(sha) if _SHA.fullmatch(sha) else None


def _may_be_named(name: str, provider: str) -> bool:
    """Return whether a repository can have this name at a provider; at GitLab it may be in groups."""
    shape = _IN_GROUPS if provider.startswith("GITLAB") else _REPOSITORY
    return shape.fullmatch(name) is not None
