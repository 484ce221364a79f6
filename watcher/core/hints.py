"""Hints: what an event of AWS says has changed, and which targets it names. Pure.

A hint makes its targets due at once. What an event says of a status is never taken as state.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from watcher.core.repositories import source_repositories

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from watcher.core.model import EndpointKey, Target
    from watcher.core.settings import Account, Config

    _Names = Mapping[tuple[str, str | None], Mapping[str, Target]]

_ROLE_ACCOUNT = re.compile(r"arn:[^:]+:iam::([0-9]{12}):")


@dataclass(frozen=True, slots=True)
class Hint:
    """Names the stack, or the branch of a repository, whose sync status changed. What is not known is None."""

    account: str | None = None
    """The number of the account."""
    region: str | None = None
    stack: str | None = None
    """The stack's name; None: the event is about a repository."""
    link: str | None = None
    """The ID of the repository link."""
    repository: str | None = None
    """`owner/name`."""
    branch: str | None = None


class HintIndex:
    """The stacks and repositories of a configuration, by the names that hints have for them.

    What a hint does not say, or what is not known of a target, counts as equal: a poll too many costs one call.
    Accounts are compared by number, which is known only from the ARN of a role.
    """

    def __init__(self, config: Config, before: HintIndex | None = None) -> None:
        """`before`: the index of an earlier configuration; of the endpoints that did not change, its names are used."""
        self._numbers = {name: account_number(account) for name, account in config.accounts.items()}
        earlier = before.endpoints if before else {}
        self.endpoints: dict[EndpointKey, tuple[Sequence[Target], _Names]] = {}
        for key, targets in config.endpoints.items():
            last = earlier.get(key)
            self.endpoints[key] = last if last is not None and last[0] == targets else (targets, _names_of(targets))

    def named(self, hint: Hint) -> Sequence[Target]:
        """Return the targets that a hint names; if its repository is not polled, the stacks that are synced from it."""
        names = [("stack", hint.stack)] if hint.stack else [("link", hint.link), ("repository", hint.repository)]
        for what, name in names:
            candidates = (each.get((what, name), {}).values() for _, each in self.endpoints.values())
            if found := [target for target in chain.from_iterable(candidates) if self._may_be(target, hint)]:
                return found
        return ()

    def heard(self, hint: Hint, named: Sequence[Target]) -> Collection[EndpointKey]:
        """Return the endpoint whose changes are reported, as a hint shows; `named`: the targets that the hint names.

        It is that of the hint's account, if its number is known, or the only one that has such a target; else there is
        none.
        """
        certain = {each.endpoint for each in named if hint.account and hint.account == self._numbers.get(each.account)}
        possible = {each.endpoint for each in named}
        return certain or (possible if len(possible) == 1 else ())

    def _may_be(self, target: Target, hint: Hint) -> bool:
        """Whether a target with the name in the hint may be the one that it is about."""
        number, branch = self._numbers.get(target.account), None
        if not hint.stack:  # a stack may be synced from another branch since
            facts = {**(target.found or {}), **dict(target.identity)}
            branch = target.repository.branch if target.repository else facts.get("branch")
        pairs = ((number, hint.account), (target.region, hint.region), (branch, hint.branch))
        return all(known is None or said is None or known == said for known, said in pairs)


def _names_of(targets: Iterable[Target]) -> _Names:
    """Return the targets of an endpoint, and the repositories that stand for some of them, by what hints call them."""
    sources = source_repositories(targets).values()
    shown_by = {stack.id: source.target for source in sources for stack in source.stacks}
    names: defaultdict[tuple[str, str | None], dict[str, Target]] = defaultdict(dict)
    for target in targets:
        repository = shown_by.get(target.id, target)
        if target.kind.synced_from is not None:
            names["stack", target.name][target.id] = target
            link = target.repository.link if target.repository else None
        else:
            link = dict(target.identity).get("link")
            if link is None:
                continue  # AWS sends no events about it
        for what, name in (("link", link), ("repository", (target.found or {}).get("repository"))):
            if name:
                names[what, name][repository.id] = repository
    return names


def account_number(account: Account) -> str | None:
    """Return the number of an account; None: it is not known, because the account has no role."""
    found = _ROLE_ACCOUNT.match(account.role_arn or "")
    return found[1] if found else None
