"""Records a digest when one is due; `core.digest` decides when that is, and what it says."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from watcher.core.digest import DIGEST_SUBJECT, LOOK_BACK, Digest, Period, digest_data
from watcher.core.events import digest_event
from watcher.core.ports import Entry
from watcher.core.routing import active_mutes
from watcher.core.settings import Config
from watcher.core.stamps import stamped
from watcher.core.state import KnownDigests, Record
from watcher.core.status import outage_of
from watcher.errors import StoreError, Superseded
from watcher.observability.daemon_view import DaemonView
from watcher.polling.recorder import Recorder

log = structlog.get_logger()

LOOK_SECONDS = 1.0
"""Seconds between two checks whether a digest is due."""

FIRST_POLLS = timedelta(minutes=10)
"""How long after its start a daemon waits at most until AWS has answered for its targets, or they are unreadable."""


class DigestRecorder:
    """Records the digests that are this daemon's to record (`mine`); of several on a table, one records them."""

    def __init__(
        self, daemon: DaemonView, recorder: Recorder, mine: Callable[[Iterable[str]], Collection[str]]
    ) -> None:
        self._daemon = daemon
        self._recorder = recorder
        self._mine = mine
        self._failing = False

    async def run(self) -> None:
        """Record for ever."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if self._daemon.config.digest is not None and self._mine([DIGEST_SUBJECT]):
                await self.record_due(self._daemon.config, self._daemon.config.digest)

    async def record_due(self, config: Config, digest: Digest) -> None:
        """Record the digest that is due; or, of a schedule that is new or changed, from when on one may be."""
        now, record = self._recorder.clock.now(), self._recorder.record_of(DIGEST_SUBJECT)
        known, due = record.digests, digest.last_due(now)
        try:
            if known is None or known.schedule != str(digest):
                begun = KnownDigests(str(digest), until=now, since=now if known is None else known.since)
                await self._recorder.record(Entry(DIGEST_SUBJECT, replace(record, digests=begun), follows=record))
            elif due > known.until and not self._unpolled(config, now):
                await self._recorder.record(await self._entry(config, digest, record, Period(known.since), due, now))
                log.info("digest.recorded", sinks=digest.to)
                self._failing = False
        except Superseded:
            return  # by another daemon; the next look decides again
        except StoreError as error:
            if not self._failing:
                consequence = "the digest is late until the store works again"
                log.warning("digest.failed", error=str(error), consequence=consequence)
            self._failing = True

    def _unpolled(self, config: Config, now: datetime) -> bool:
        """Return whether the state of a target polled here is of an earlier run, and may be replaced soon."""
        daemon, here = self._daemon, self._daemon.endpoints()
        return now - daemon.started <= FIRST_POLLS and any(
            each.endpoint in here
            and daemon.target(each.id).answered is None
            and outage_of(daemon.records.get(each.id), daemon.records.get(str(each.endpoint))) is None
            for each in config.targets
        )

    async def _entry(
        self, config: Config, digest: Digest, record: Record, period: Period, due: datetime, now: datetime
    ) -> Entry:
        async for row in self._daemon.reader.history(period.since - LOOK_BACK):
            period.add(row)
        records, by_hand = await self._records(config), await self._daemon.reader.by_hand(now)
        mutes = active_mutes(config.mutes, by_hand, now)
        data = digest_data(config, records, period, mutes, due=due, now=now)
        after = replace(record, digests=KnownDigests(str(digest), until=now, since=now), sequence=record.sequence + 1)
        event = digest_event(data, map(str, config.endpoints), due=due, sequence=after.sequence, now=now)
        configured = {sink.name for sink in config.sinks}
        sinks = [name for name in digest.to if name in configured]
        return Entry(DIGEST_SUBJECT, after, [(stamped(event, public_url=config.public_url), sinks)], follows=record)

    async def _records(self, config: Config) -> Mapping[str, Record]:
        """Return what is known of all subjects, also of those that other daemons poll."""
        if config.endpoints.keys() <= self._daemon.endpoints().keys():
            return self._daemon.records
        return await self._daemon.reader.records()
