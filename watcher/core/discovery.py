"""Which targets discovery watches: what a listing changes, and which of the found targets the rules select. Pure.

1. A listing is of one account, region and kind. Only a complete one counts; a failed one changes nothing. It is kept
   first, and says of which targets an event is owed: a record has the number of the last one, so none is repeated.
2. What the first complete listing finds is no event; a target found later is `watcher.target.discovered`.
3. A target that `MISSES` complete listings in a row do not show is `watcher.target.removed`. Until then it is watched.
4. A target that the configuration names is watched as configured there, and does not count towards a `limit`. If a
   rule matches it as well, and its settings do not name its repository, the listing does.
5. If several rules match a target, the first one counts. If it matches more targets than its `limit` in one account
   and region, the first by name are watched; those left out are not tried with later rules.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import chain
from typing import NamedTuple

from watcher.core.kinds import Kind
from watcher.core.listings import FoundTarget, Listing, ListingKey
from watcher.core.model import Repository, Target
from watcher.core.settings import Config, DiscoverRule
from watcher.util.globs import let_through

MISSES = 3
"""How many complete listings in a row must miss a target before it is removed."""


def compare(
    before: Listing | None,
    key: ListingKey,
    found: Iterable[FoundTarget],
    now: datetime,
    retention: float,
    reported: Callable[[FoundTarget], int],
) -> Listing:
    """Return the listing that follows a complete one.

    Args:
        before: the last one; None: this is the first.
        key: what they are of.
        found: everything that AWS listed.
        now: when that was complete.
        retention: the seconds for which a removed target is remembered.
        reported: the number of a target's last event (`event_number`). It is asked for those that the last listing does
            not have: a listing that was deleted, or no longer remembers them, counted the events.
    """
    known = {each.identity: each for each in before.targets} if before else {}
    seen = {each.identity: each for each in found}
    targets: list[FoundTarget] = []
    for each in seen.values():
        was = known.get(each.identity)
        is_new = was is None or not is_present(was)
        owed = is_new and before is not None
        times = was.times + is_new if was else 1 + (reported(each) + owed) // 2
        targets.append(replace(each, times=times, owed=owed))
    for was in known.values():
        if was.identity in seen:
            continue
        since = was.missing_since or now
        if is_present(was):
            missed = replace(was, missing=was.missing + 1, missing_since=since)
            targets.append(replace(missed, owed=not is_present(missed)))
        elif now - since <= timedelta(seconds=retention):
            targets.append(replace(was, owed=False))
    targets.sort(key=lambda each: each.identity)
    return Listing(key, now, tuple(targets), follows=before.completed_at if before else None)


def event_number(found: FoundTarget) -> int:
    """Return the number of a target's last event: 1 if it was found, 2 if it was then removed, and so on."""
    return 2 * found.times - is_present(found)


def is_present(found: FoundTarget) -> bool:
    """Return whether a target of a listing still counts as existing."""
    return found.missing < MISSES


def was_present(found: FoundTarget) -> bool:
    """Return whether a target counted as existing before its listing."""
    return is_present(found) is not found.owed


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
    listed: tuple[Target, ...] = ()
    """Targets that the configuration names, as the rules would watch them."""


def sites(config: Config) -> dict[Site, list[ListingKey]]:
    """Return the sites of the rules, each with its listings: several if several APIs have the kind."""
    found: dict[Site, list[ListingKey]] = {}
    for key, plan in config.listings.items():
        found.setdefault(Site(key.account, key.region, plan.kind.name), []).append(key)
    return found


def select(
    config: Config,
    site: Site,
    listings: Mapping[ListingKey, Listing],
    listed: Collection[str],
    exists: Callable[[FoundTarget], bool] = is_present,
) -> Selection:
    """Return what the rules select at a site of what `exists`; `listed`: the ids of what the configuration names."""
    rules = [rule for rule in config.discover if rule.kinds[0].name == site.kind and site[:2] in rule.places]
    chosen: dict[int, list[tuple[str, Target]]] = {}
    of_listed: list[Target] = []
    for kind in rules[0].kinds:
        listing = listings.get(ListingKey(site.account, site.region, str(kind)))
        for found in filter(exists, listing.targets if listing else ()):
            name = name_of(kind, found)
            index = next((at for at, rule in enumerate(rules) if _selects(rule, name, found)), None)
            if index is not None:
                target = target_of(kind, site.account, site.region, found, rules[index])
                if target.id in listed:
                    of_listed.append(target)
                else:
                    chosen.setdefault(index, []).append((name, target))
    left_out = []
    selected: list[Target] = []
    for index, named in chosen.items():
        rule = rules[index]
        named.sort(key=lambda each: (each[0], each[1].id))
        selected += [target for _, target in named[: rule.limit]]
        if len(named) > rule.limit:
            left_out.append((rule, len(named) - rule.limit))
    return Selection(tuple(selected), tuple(left_out), tuple(of_listed))


def selections(
    config: Config, listings: Mapping[ListingKey, Listing], of: Iterable[Site] | None = None
) -> dict[Site, Selection]:
    """Return what the rules select from `listings` at some sites (None: at all)."""
    listed = _listed(config)
    return {site: select(config, site, listings, listed) for site in (sites(config) if of is None else of)}


def owed_events(
    config: Config, key: ListingKey, listings: Mapping[ListingKey, Listing]
) -> list[tuple[Target, FoundTarget]]:
    """Return the targets of a listing of which an event is owed: those that the rules select now, or did until then."""
    owed = {each.identity: each for each in listings[key].targets if each.owed} if key in listings else {}
    if not owed:
        return []
    site, listed = Site(key.account, key.region, config.listings[key].kind.name), _listed(config)
    events = []
    for exists in (is_present, was_present):
        for target in select(config, site, listings, listed, exists).targets:
            found = owed.get(target.identity) if str(target.kind) == key.kind else None
            if found is not None and is_present(found) is (exists is is_present):
                events.append((target, found))
    return events


def settled(listing: Listing) -> Listing:
    """Return a listing that owes no event."""
    return replace(listing, targets=tuple(replace(each, owed=False) if each.owed else each for each in listing.targets))


def _listed(config: Config) -> set[str]:
    return {target.id for target in config.targets if not target.discovered}


def discovered(config: Config, listings: Mapping[ListingKey, Listing]) -> Config:
    """Return `config` with the targets that its rules select from `listings`."""
    return with_discovered(config, selections(config, listings).values())


def with_discovered(config: Config, selections: Iterable[Selection]) -> Config:
    """Return `config` with the selected targets beside those that it lists."""
    selections = [*selections]
    shown = {target.id: target for each in selections for target in each.listed}
    listed = (_as_shown(target, shown.get(target.id)) for target in config.targets if not target.discovered)
    return replace(config, targets=(*listed, *chain.from_iterable(each.targets for each in selections)))


def _as_shown(listed: Target, shown: Target | None) -> Target:
    """Return a target that the configuration names, with what a listing shows of it, unless it names its repository."""
    own = listed if listed.found is None else replace(listed, repository=None, found=None)
    if shown is None or own.repository is not None:
        return own
    return replace(own, repository=shown.repository, found=shown.found)


def name_of(kind: Kind, found: FoundTarget) -> str:
    """Return the name by which rules and people know a target; for a linked repository: `owner/name`."""
    named = {**found.facts, **dict(found.identity)}
    return named.get("name") or named.get("repository") or named[kind.named_by]


def target_of(kind: Kind, account: str, region: str, found: FoundTarget, rule: DiscoverRule) -> Target:
    """Return a found target as `rule` watches it."""
    facts = dict(found.facts)
    link = facts.pop("link", None)
    repository = Repository(link, facts["branch"]) if link and kind.synced_from else None
    watching = {**rule.watching, "repository": repository, "found": facts, "discovered": True}
    return kind.target(account, region, dict(found.identity), **watching)


def _selects(rule: DiscoverRule, name: str, found: FoundTarget) -> bool:
    branch = dict(found.identity).get("branch") or found.facts.get("branch", "")
    return (
        let_through(rule.match, name)
        and not (rule.exclude and let_through(rule.exclude, name))
        and let_through(rule.repositories, found.facts.get("repository", ""))
        and let_through(rule.branches, branch)
    )
