"""Watches what discovery finds: keeps the listings, records their events, and changes the targets of the daemon.

A crash at any moment loses no event: those of a listing are recorded before the listing is kept. After a crash in
between, the next listing has the same changes, and they are recorded again, as events with the same ids.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from watcher.app.view import RunningDaemon
from watcher.config.reloader import difference
from watcher.core.discovery import (
    ListingChange,
    Selection,
    Site,
    compare,
    discovered,
    is_present,
    selections,
    sites,
    with_discovered,
)
from watcher.core.events import discovery_event
from watcher.core.listings import FoundTarget, Listing, ListingKey
from watcher.core.model import Target
from watcher.core.ports import Entry, Store
from watcher.core.settings import Config
from watcher.core.state import forgotten
from watcher.errors import StoreError, Superseded
from watcher.observability.daemon_view import ListingStatus, TargetStatus
from watcher.polling.observations import Observation, entry_of, observe_connection
from watcher.polling.recorder import Recorder
from watcher.polling.removals import forget_removed

log = structlog.get_logger()

REFRESH_SECONDS = 15.0
"""Seconds between two reads of the listings that other daemons on the table have made."""


class Discovery:
    """The last complete listings, and the targets that the rules select from them. Implements `lister.Listings`."""

    def __init__(self, store: Store, recorder: Recorder, daemon: Callable[[], RunningDaemon]) -> None:
        """`daemon`: returns the daemon whose configuration changes with each listing."""
        self.changing = asyncio.Lock()
        """Held while the configuration in force is replaced."""
        self.listings: Mapping[ListingKey, Listing] = {}
        self.selections: Mapping[Site, Selection] = {}
        self._store = store
        self._recorder = recorder
        self._daemon = daemon

    async def load(self) -> None:
        """Read the listings from the store, and watch what they have; delete those that no rule needs.

        Raises:
            StoreError: the store cannot be used.
        """
        daemon = self._daemon()
        self.listings = await self._store.listings()
        await self._store.forget_listings(self.adopt(daemon.config))
        daemon.watch(self.configured(daemon.config))

    def configured(self, config: Config) -> Config:
        """Return a configuration with what its rules select from the present listings."""
        return discovered(config, self.listings)

    def adopt(self, config: Config) -> Collection[ListingKey]:
        """Continue with the rules of another configuration; returns the listings that are not needed any more.

        The caller holds `changing`, and puts the configuration into force.
        """
        gone = self.listings.keys() - config.listings.keys()
        self.listings = {key: listing for key, listing in self.listings.items() if key not in gone}
        self._select(selections(config, self.listings))
        return gone

    def completed_at(self, key: ListingKey) -> datetime | None:
        listing = self.listings.get(key)
        return listing.completed_at if listing else None

    async def complete(self, key: ListingKey, found: Sequence[FoundTarget]) -> None:
        try:
            await self._complete(key, found)
        except Superseded:
            with suppress(StoreError):  # then the next listing is superseded as well
                await self.refresh()
            raise

    async def _complete(self, key: ListingKey, found: Sequence[FoundTarget]) -> None:
        async with self.changing:
            daemon, before = self._daemon(), self.listings.get(key)
            config = daemon.config
            if key not in config.listings:
                return  # its rule left the configuration meanwhile
            change = compare(before, key, found, daemon.clock.now(), config.state_retention)
            site = Site(key.account, key.region, config.listings[key].kind.name)
            listings = {**self.listings, key: change.listing}
            selected = {**self.selections, **selections(config, listings, [site])}
            try:
                await self._record(config, change, self.selections[site], selected[site])
                await self._record_statuses(config, change.listing, selected[site])
                await self._recorder.keep_listing(change.listing)
                self.listings = listings
                self._select(selected)
            finally:
                await self._put(config, with_discovered(config, self.selections.values()))
        if before is None:
            watched = sum(str(target.kind) == key.kind for target in selected[site].targets)
            log.info("listing.completed", listing=str(key), targets=len(found), watched=watched)

    async def refresh(self) -> None:
        """Read the listings that other daemons on the table have made since the last call, and watch what they have.

        Raises:
            StoreError: the store cannot be read.
        """
        async with self.changing:
            config = self._daemon().config
            known = {key: listing.completed_at for key, listing in self.listings.items()}
            news = {key: each for key, each in (await self._store.listings(known)).items() if key in config.listings}
            if news:
                self.listings = {**self.listings, **news}
                changed = [site for site, keys in sites(config).items() if not news.keys().isdisjoint(keys)]
                self._select({**self.selections, **selections(config, self.listings, changed)})
                await self._put(config, with_discovered(config, self.selections.values()))

    def target_status(self, target: Target, *, here: bool) -> TargetStatus:
        """Return when a target that is not polled was listed; `here`: whether this daemon lists it."""
        key = ListingKey(target.account, target.region, str(target.kind))
        completed, plan = self.completed_at(key), self._daemon().config.listings.get(key)
        following = None if completed is None or plan is None else completed + timedelta(seconds=plan.every)
        return TargetStatus(completed, completed, following, failures=0, polled_here=here)

    def statuses(self) -> dict[ListingKey, ListingStatus]:
        """Return the status of each listing: those that this daemon makes, and those that others on the table make."""
        daemon = self._daemon()
        runs = {} if daemon.polling.lister is None else daemon.polling.lister.runs()
        watched = Counter((site, str(each.kind)) for site, at in self.selections.items() for each in at.targets)
        statuses = {}
        for key, plan in daemon.config.listings.items():
            listing, run = self.listings.get(key), runs.get(key)
            statuses[key] = ListingStatus(
                api=plan.kind.api,
                every=plan.every,
                completed=listing.completed_at if listing else None,
                found=sum(map(is_present, listing.targets)) if listing else 0,
                watched=watched[Site(key.account, key.region, plan.kind.name), key.kind],
                error=run.error if run else "",
                made_here=run is not None,
            )
        return statuses

    async def keep_fresh(self) -> None:
        """Call `refresh` again and again, until cancelled."""
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            with suppress(StoreError):  # what writes to the store reports its trouble
                await self.refresh()

    def _select(self, selected: Mapping[Site, Selection]) -> None:
        """Replace the selections; log each limit that leaves out another number of targets than before."""
        for site, selection in selected.items():
            before = self.selections.get(site, Selection())
            for rule, count in selection.left_out:
                if (rule, count) not in before.left_out:
                    log.warning(
                        "targets.limited",
                        rule=rule.place,
                        account=site.account,
                        region=site.region,
                        left_out=count,
                        limit=rule.limit,
                        remedy="raise `limit`, or let `match` select fewer",
                    )
        self.selections = selected

    async def _record(self, config: Config, change: ListingChange, before: Selection, after: Selection) -> None:
        """Record the events of what a listing adds to the selection of a site, and of what it removes."""
        kind = change.listing.key.kind
        new, gone = ({each.identity: each.times for each in targets} for targets in (change.appeared, change.removed))
        found = [each for each in after.targets if str(each.kind) == kind and each.identity in new]
        removed = [each for each in before.targets if str(each.kind) == kind and each.identity in gone]
        await self._record_events(config, [(target, new[target.identity]) for target in found], removed=False)
        if removed:
            ids = {target.id for target in removed}
            self._daemon().watch(replace(config, targets=tuple(each for each in config.targets if each.id not in ids)))
            await self._recorder.drop(())  # what their last polls returned is recorded before
            await self._record_events(config, [(target, gone[target.identity]) for target in removed], removed=True)

    async def _record_events(self, config: Config, targets: Iterable[tuple[Target, int]], *, removed: bool) -> None:
        now = self._daemon().clock.now()
        entries = []
        for target, times in targets:
            log.info("target.removed" if removed else "target.discovered", target=target.id)
            before = self._recorder.record_of(target.id)
            record = replace(before, sequence=before.sequence + 1)
            record = forgotten(record) if removed else record
            event = discovery_event(target, removed=removed, times=times, sequence=record.sequence, now=now)
            entries.append(self._entry(config, target, Observation(record, (event,)), now))
        await asyncio.gather(*map(self._recorder.record, entries))

    async def _record_statuses(self, config: Config, listing: Listing, selection: Selection) -> None:
        """Record what a listing says of the targets that are not polled."""
        now = self._daemon().clock.now()
        shown = {each.identity for each in listing.targets if not each.missing}
        entries = []
        for target in selection.targets:
            if not target.kind.polled and target.identity in shown:
                observation = observe_connection(target, self._recorder.record_of(target.id), now)
                if observation is not None:
                    entries.append(self._entry(config, target, observation, now))
        await asyncio.gather(*map(self._recorder.record, entries))

    def _entry(self, config: Config, target: Target, observation: Observation, now: datetime) -> Entry:
        return entry_of(
            target.id,
            self._recorder.record_of(target.id),
            observation,
            now,
            labels=target.labels,
            config=config,
            traceparent=None,
        )

    async def _put(self, before: Config, config: Config) -> None:
        """Put a configuration with other discovered targets than `before` into force, and forget those that left."""
        daemon = self._daemon()
        if config.targets != daemon.config.targets:
            daemon.watch(config)
        if config.targets != before.targets:
            gone = daemon.mine(difference(before, config).forgotten)
            await forget_removed(self._recorder, config, gone, before.targets_by_id)
