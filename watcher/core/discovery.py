"""Which targets discovery watches: what a listing changes, and which of the found targets the rules select. Pure.

1. A listing is of one account, region and kind. Only a complete one counts; a failed one changes nothing.
2. What the first complete listing finds is no event; a target found later is `watcher.target.discovered`.
3. A target that `MISSES` complete listings in a row do not show is `watcher.target.removed`. Until then it is watched.
4. A target that the configuration names is watched as configured there, and does not count towards a `limit`.
5. If several rules match a target, the first one counts. If it matches more targets than its `limit` in one account
   and region, the first by name are watched; those left out are not tried with later rules.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import chain
from typing import NamedTuple

from watcher.core.kinds import Kind
from watcher.core.listings import FoundTarget, Listing, ListingKey
from watcher.core.model import Repository, Target
from watcher.core.settings import Config, DiscoverRule
from watcher.util.globs import matches

MISSES = 3
"""How many complete listings in a row must miss a target before it is removed."""


@dataclass(frozen=True, slots=True)
class ListingChange:
    """What a complete listing changes."""

    listing: Listing
    appeared: tuple[FoundTarget, ...] = ()
    """Targets that were not known, or had been removed; empty for the first listing."""
    removed: tuple[FoundTarget, ...] = ()


def compare(
    before: Listing | None, key: ListingKey, found: Iterable[FoundTarget], now: datetime, retention: float
) -> ListingChange:
    """Return what a complete listing changes; `before`: the last one, None: this is the first.

    A removed target is remembered for `retention` seconds, so that its events are not mistaken for earlier ones when it
    is found again.
    """
    known = {each.identity: each for each in before.targets} if before else {}
    seen = {each.identity: each for each in found}
    targets: list[FoundTarget] = []
    appeared: list[FoundTarget] = []
    removed: list[FoundTarget] = []
    for each in seen.values():
        was = known.get(each.identity)
        is_new = was is None or not is_present(was)
        current = replace(each, times=1 if was is None else was.times + is_new)
        targets.append(current)
        if is_new and before is not None:
            appeared.append(current)
    for was in known.values():
        if was.identity in seen:
            continue
        since = was.missing_since or now
        if is_present(was):
            missed = replace(was, missing=was.missing + 1, missing_since=since)
            targets.append(missed)
            if not is_present(missed):
                removed.append(missed)
        elif now - since <= timedelta(seconds=retention):
            targets.append(was)
    targets.sort(key=lambda each: each.identity)
    listing = Listing(key, now, tuple(targets), follows=before.completed_at if before else None)
    return ListingChange(listing, tuple(appeared), tuple(removed))


def is_present(found: FoundTarget) -> bool:
    """Return whether a target of a listing still counts as existing."""
    return found.missing < MISSES


class Site(NamedTuple):
    """The account, the region and the name of the kind for which rules select targets."""

    account: str
    region: str
    kind: str


@dataclass(frozen=True, slots=True)
class Selection:
    """The targets that the rules select at one site, and how many the `limit` of each rule leaves out."""

    targets: tuple[Target, ...] = ()
    left_out: tuple[tuple[DiscoverRule, int], ...] = ()


def sites(config: Config) -> dict[Site, list[ListingKey]]:
    """Return the sites of the rules, each with its listings: several if several APIs have the kind."""
    found: dict[Site, list[ListingKey]] = {}
    for key, plan in config.listings.items():
        found.setdefault(Site(key.account, key.region, plan.kind.name), []).append(key)
    return found


def select(config: Config, site: Site, listings: Mapping[ListingKey, Listing], listed: Collection[str]) -> Selection:
    """Return what the rules select at a site; `listed`: the ids of the targets that the configuration names."""
    rules = [rule for rule in config.discover if rule.kinds[0].name == site.kind and site[:2] in rule.places]
    chosen: dict[int, list[tuple[str, Target]]] = {}
    for kind in rules[0].kinds:
        listing = listings.get(ListingKey(site.account, site.region, str(kind)))
        for found in filter(is_present, listing.targets if listing else ()):
            name = name_of(kind, found)
            index = next((at for at, rule in enumerate(rules) if _selects(rule, name, found)), None)
            if index is not None:
                target = target_of(kind, site.account, site.region, found, rules[index])
                if target.id not in listed:
                    chosen.setdefault(index, []).append((name, target))
    left_out = []
    selected: list[Target] = []
    for index, named in chosen.items():
        rule = rules[index]
        named.sort(key=lambda each: (each[0], each[1].id))
        selected += [target for _, target in named[: rule.limit]]
        if len(named) > rule.limit:
            left_out.append((rule, len(named) - rule.limit))
    return Selection(tuple(selected), tuple(left_out))


def selections(
    config: Config, listings: Mapping[ListingKey, Listing], of: Iterable[Site] | None = None
) -> dict[Site, Selection]:
    """Return what the rules select from `listings` at some sites (None: at all)."""
    listed = {target.id for target in config.targets if target.found is None}
    return {site: select(config, site, listings, listed) for site in (sites(config) if of is None else of)}


def discovered(config: Config, listings: Mapping[ListingKey, Listing]) -> Config:
    """Return `config` with the targets that its rules select from `listings`."""
    return with_discovered(config, selections(config, listings).values())


def with_discovered(config: Config, selections: Iterable[Selection]) -> Config:
    """Return `config` with the selected targets beside those that it lists."""
    listed = (target for target in config.targets if target.found is None)
    return replace(config, targets=(*listed, *chain.from_iterable(each.targets for each in selections)))


def name_of(kind: Kind, found: FoundTarget) -> str:
    """Return the name by which rules and people know a target; for a linked repository: `owner/name`."""
    named = {**found.facts, **dict(found.identity)}
    return named.get("name") or named.get("repository") or named[kind.named_by]


def target_of(kind: Kind, account: str, region: str, found: FoundTarget, rule: DiscoverRule) -> Target:
    """Return a found target as `rule` watches it."""
    facts = dict(found.facts)
    link = facts.pop("link", None)
    repository = Repository(link, facts["branch"]) if link and kind.synced_from else None
    watching = {**rule.watching, "repository": repository, "found": facts}
    return kind.target(account, region, dict(found.identity), **watching)


def _selects(rule: DiscoverRule, name: str, found: FoundTarget) -> bool:
    branch = dict(found.identity).get("branch") or found.facts.get("branch", "")
    return (
        _any(rule.match, name)
        and not (rule.exclude and _any(rule.exclude, name))
        and _any(rule.repositories, found.facts.get("repository", ""))
        and _any(rule.branches, branch)
    )


def _any(globs: Sequence[str], text: str) -> bool:
    return not globs or any(matches(text, glob) for glob in globs)
