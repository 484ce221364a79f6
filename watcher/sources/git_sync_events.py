"""Reads EventBridge's events of CloudFormation Git sync: whose status changed. Pure.

AWS's references and samples contradict each other in the detail type and in the ARNs, which in the samples are
malformed, so only what names a stack or a repository is read, from wherever it may be. The status is not read: what an
event says of it is never taken as state.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from watcher.core.hints import Hint

MAX_BODY_CHARACTERS = 256 * 1024
"""The longest message that is read. EventBridge's own limit is 256 KB, and an event of Git sync has less than 2 KB."""

MAX_NAME_CHARACTERS = 1024
"""The longest name that is read; that of a branch may have 255 characters."""

_GIT_SYNC = re.compile(r"\s*git\s?sync\b", re.IGNORECASE)
_ACCOUNT = re.compile(r"[0-9]{12}")


def read_hint(body: str) -> Hint:
    """Return what an event names.

    Raises:
        ValueError: the message is not an event of Git sync, or names neither a stack nor a repository.
    """
    if len(body) > MAX_BODY_CHARACTERS:
        raise ValueError(f"it is longer than {MAX_BODY_CHARACTERS} characters")
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None
    if not isinstance(event, dict):
        raise ValueError("it is JSON, but not an object")  # noqa: TRY004  a fault of the message, as the others
    if not _GIT_SYNC.match(_text(event, "detail-type") or ""):
        raise ValueError("its detail-type is not of Git sync")
    found = event.get("detail")
    detail = found if isinstance(found, dict) else {}
    account, region = _text(event, "account"), _text(event, "region")
    known = account if account and _ACCOUNT.fullmatch(account) else None
    branch = _text(detail, "branch")
    if stack := _last(_arns(event, detail), "stack/") or _bare_name(detail):
        return Hint(known, region, stack=stack, branch=branch)
    link = _text(detail, "repositoryLinkId") or _last(_arns(event, detail), "repository-link/")
    owner, name = _text(detail, "ownerId"), _text(detail, "repositoryName")
    if not link and not (owner and name):
        raise ValueError("it names neither a stack nor a repository")
    return Hint(known, region, link=link, repository=f"{owner}/{name}" if owner and name else None, branch=branch)


def _text(fields: Mapping[str, Any], name: str) -> str | None:
    """A member that is a text of a sensible length; None: it is not."""
    value = fields.get(name)
    return value if isinstance(value, str) and 0 < len(value) <= MAX_NAME_CHARACTERS else None


def _arns(event: Mapping[str, Any], detail: Mapping[str, Any]) -> Iterator[str]:
    """The texts that may be the ARN of the stack or of the repository link."""
    for name in ("syncTarget", "repositoryArn"):
        if text := _text(detail, name):
            yield text
    resources = event.get("resources")
    for each in resources[:10] if isinstance(resources, list) else ():
        if isinstance(each, str) and len(each) <= MAX_NAME_CHARACTERS:
            yield each


def _last(arns: Iterator[str], marker: str) -> str | None:
    """The name after the last `marker` of the first text that has one."""
    for arn in arns:
        _, found, rest = arn.rpartition(marker)
        if found and (name := rest.partition("/")[0]):
            return name
    return None


def _bare_name(detail: Mapping[str, Any]) -> str | None:
    """A target that is a name, and no ARN."""
    name = _text(detail, "syncTarget")
    return name if name and not re.search("[:/]", name) else None
