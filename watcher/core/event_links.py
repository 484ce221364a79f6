"""The links of an event, `data.links`: those of its page, AWS's console and its commit that are known. Pure."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from watcher.core.links import connection_page, links, provider_of
from watcher.core.model import Revision, path_segment

MAX_LINK_BYTES = 2048
"""The most bytes of a link in an event; a longer one is left out."""

_FILES = {"GITHUB": "/blob/{}/{}", "GITLAB": "/-/blob/{}/{}", "BITBUCKET": "/src/{}/{}"}
"""The URL of a file at a commit, below that of its repository."""

_DEPLOYMENT_FILE = re.compile(r"/?([^\x00-\x20\x7f][^\x00-\x1f\x7f]*\.(?:ya?ml|json))", re.IGNORECASE)


def event_links(data: Mapping[str, Any], public_url: str | None) -> dict[str, str]:
    """Return `data.links` of an event.

    Args:
        data: the event's, with its target, its endpoint or its digest; others have no links.
        public_url: where people reach the page; None: it is not known.
    """
    target, revision = data.get("target"), (data.get("attempt") or {}).get("targetRevision") or {}
    if target is None and "endpoint" not in data and "digest" not in data:
        return {}
    repository, commit = links(revision)
    found = {
        "page": _page(target, public_url),
        "console": console_page(target) if target else None,
        "repository": repository,
        "commit": commit,
        "deployment_file": _deployment_file(target, revision, repository) if target and commit else None,
    }
    return {name: link for name, link in found.items() if link and len(link) <= MAX_LINK_BYTES}


def _page(target: Mapping[str, Any] | None, public_url: str | None) -> str | None:
    if public_url is None:
        return None
    base = f"{public_url.rstrip('/')}/"
    return base if target is None else f"{base}targets/{target['id']}"  # the id is percent-encoded already


def console_page(target: Mapping[str, Any]) -> str | None:
    """Return the page of AWS's console for a `data.target`: a stack, a template or a connection; others have none."""
    region, kind = target["region"], target["kind"]
    if kind == "connection":
        return connection_page(target["arn"])
    home = f"https://{region}.{_console_host(region)}/{{}}/home?region={region}#/"
    if kind == "stack":
        return f"{home.format('cloudformation')}stacks/stackinfo?stackId={path_segment(target['name'])}"
    if kind == "template":
        of = "environments" if target["type"] == "ENVIRONMENT" else "services"
        return f"{home.format('proton')}templates/{of}/detail/{path_segment(target['name'])}"
    return None


def _console_host(region: str) -> str:
    if region.startswith("cn-"):
        return "console.amazonaws.cn"
    return "console.amazonaws-us-gov.com" if region.startswith("us-gov-") else "console.aws.amazon.com"


def _deployment_file(target: Mapping[str, Any], revision: Revision, repository: str | None) -> str | None:
    """Return a stack's deployment file at the commit: the one that discovery found, or that the revision names."""
    found = _DEPLOYMENT_FILE.fullmatch(target.get("config_file") or revision.get("directory") or "")
    if target["kind"] != "stack" or repository is None or found is None:
        return None
    return repository + _FILES[provider_of(revision)].format(revision["sha"], quote(found[1]))
