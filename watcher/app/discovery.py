"""Watches what discovery finds: keeps the listings, records their events, and changes the targets of the daemon.

The order survives a crash at any moment. A listing is kept first, and says which events it owes; then they are
recorded, and then what it removed is forgotten. After a crash in between, the next start continues there.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

import structlog

from watcher.app.view import RunningDaemon
from watcher.config.reloader import difference
from watcher.core.discovery import (
    Selection,
    Site,
    compare,
    discovered,
    is_present,
    owed_events,
    selections,
    settled,
    sites,
    with_discovered,
)
from watcher.core.listings import FoundTarget, Listing, ListingKey
from watcher.core.ports import Store
from watcher.core.settings import Config
from watcher.errors import StoreError, Superseded
from watcher.polling.discoveries import record_discoveries
from watcher.polling.observations import entry_of, observe_connection
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
        daemon.watch(discovered(daemon.config, self.listings))

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
        return listing.completed_at if listing and not self._owes(key) else None

    def leaving(self) -> frozenset[str]:
        """Return the targets whose removal by a listing may not be recorded yet: their states are needed for that."""
        config = self._daemon().config
        owed = (each for key in self.listings for each in owed_events(config, key, self.listings))
        return frozenset(target.id for target, found in owed if not is_present(found))

    async def report(self, key: ListingKey) -> None:
        async with self.changing:
            if self._owes(key):
                await self._settle(key)

    async def complete(self, key: ListingKey, found: Sequence[FoundTarget]) -> None:
        try:
            await self._complete(key, found)
        except Superseded:
            with suppress(StoreError):  # then the next listing is superseded as well
                await self.refresh()
            raise

    async def _complete(self, key: ListingKey, found: Sequence[FoundTarget]) -> None:
        async with self.changing:
            daemon = self._daemon()
            if key not in daemon.config.listings:
                return  # its rule left the configuration meanwhile
            if self._owes(key):
                await self._settle(key)
            config, before, kind = daemon.config, self.listings.get(key), daemon.config.listings[key].kind

            def reported(each: FoundTarget) -> int:
                return self._recorder.record_of(kind.target(key.account, key.region, dict(each.identity)).id).discovery

            listing = compare(before, key, found, daemon.clock.now(), config.state_retention, reported)
            await self._recorder.keep_listing(listing)
            self.listings = {**self.listings, key: listing}
            site = Site(key.account, key.region, kind.name)
            self._select({**self.selections, **selections(config, self.listings, [site])})
            await self._settle(key)
            await self._record_statuses(config, listing, self.selections[site])
        if before is None:
            watched = sum(str(target.kind) == key.kind for target in self.selections[site].targets)
            log.info("listing.completed", listing=str(key), targets=len(found), watched=watched)

    def _owes(self, key: ListingKey) -> bool:
        listing = self.listings.get(key)
        return listing is not None and any(each.owed for each in listing.targets)

    async def _settle(self, key: ListingKey) -> None:
        """Record the events that a listing owes, and watch what the rules select."""
        daemon, config = self._daemon(), self._daemon().config
        owed = owed_events(config, key, self.listings)
        removed = {target.id for target, found in owed if not is_present(found)}
        try:
            if removed:
                daemon.watch(replace(config, targets=tuple(each for each in config.targets if each.id not in removed)))
                await self._recorder.drop(())  # what their last polls returned is recorded before
            if owed:
                await record_discoveries(self._recorder, config, owed)
            self.listings = {**self.listings, key: settled(self.listings[key])}
        finally:
            await self._put(config, with_discovered(config, self.selections.values()))

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

    async def keep_fresh(self) -> None:
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

    async def _record_statuses(self, config: Config, listing: Listing, selection: Selection) -> None:
        """Record what a listing says of the targets that are not polled."""
        now = self._daemon().clock.now()
        shown = {each.identity for each in listing.targets if not each.missing}
        entries = []
        for target in selection.targets:
            before = self._recorder.record_of(target.id)
            if not target.kind.polled and target.identity in shown:
                observation = observe_connection(target, before, now)
                if observation is not None:
                    hand = self._recorder.by_hand
                    made = entry_of(target.id, before, observation, now, labels=target.labels, config=config, hand=hand)
                    entries.append(made)
        await asyncio.gather(*map(self._recorder.record, entries))

    async def _put(self, before: Config, config: Config) -> None:
        """Put a configuration with other discovered targets than `before` into force, and forget those that left.

        Those that are `leaving` are forgotten when that is reported.
        """
        daemon = self._daemon()
        if config.targets != daemon.config.targets:
            daemon.watch(config)
        if config.targets != before.targets:
            leaving = self.leaving()
            gone = daemon.mine(each for each in difference(before, config).forgotten if each not in leaving)
            await forget_removed(self._recorder, config, gone, before.targets_by_id)
