"""What the status page, the metrics and the reload report read of the running daemon."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from watcher.cluster.membership import Membership
from watcher.config.reloader import ReloadStatus
from watcher.core.by_hand import ByHand
from watcher.core.discovery import Site, is_present
from watcher.core.listings import ListingKey
from watcher.core.model import EndpointKey
from watcher.core.ports import Clock, Reader
from watcher.core.settings import Config
from watcher.core.state import Record
from watcher.delivery.relay import Relay
from watcher.observability.daemon_view import EndpointStatus, HintQueueStatus, ListingStatus, SinkStatus, TargetStatus
from watcher.polling.hint_readers import HintReaders
from watcher.polling.manager import PollerManager
from watcher.polling.recorder import Recorder

if TYPE_CHECKING:
    from watcher.app.discovery import Discovery


@dataclass(eq=False)
class RunningDaemon:
    """Implements `DaemonView`, and changes what is watched."""

    config: Config
    """The configuration in force; replaced by a reload."""
    clock: Clock
    reader: Reader
    recorder: Recorder
    polling: PollerManager
    hints: HintReaders
    relay: Relay
    membership: Membership | None
    discovery: Discovery
    stage: str = "it is starting"
    """Why the daemon as a whole is not ready; empty while it watches."""

    def __post_init__(self) -> None:
        self.started: datetime = self.clock.now()
        self.loaded = ReloadStatus(self.started, self.started)

    def watch(self, config: Config) -> None:
        """Put a configuration into force: poll what it has, or the part of it that is this daemon's."""
        self.config = config
        self.polling.reconfigure(config if self.membership is None else self.membership.restricted(config))
        self.hints.reconfigure(config)

    def mine(self, subjects: Iterable[str]) -> Sequence[str]:
        """Return the subjects that this daemon records, and so has to forget."""
        return [*subjects] if self.membership is None else self.membership.mine(subjects)

    @property
    def records(self) -> Mapping[str, Record]:
        return self.recorder.records

    @property
    def by_hand(self) -> ByHand:
        return self.recorder.by_hand

    def target(self, target_id: str) -> TargetStatus:
        target = self.config.targets_by_id.get(target_id)
        if target is None or target.kind.polled:
            return self.polling.target_status(target_id)
        # What is not polled is answered by its listing, which another daemon on the table may make.
        key = ListingKey(target.account, target.region, str(target.kind))
        listing, plan = self.discovery.listings.get(key), self.config.listings.get(key)
        completed = listing.completed_at if listing else None
        following = None if completed is None or plan is None else completed + timedelta(seconds=plan.every)
        here = target.endpoint in self.polling.endpoints
        return TargetStatus(completed, completed, following, failures=0, polled_here=here)

    def endpoints(self) -> Mapping[EndpointKey, EndpointStatus]:
        return self.polling.endpoint_statuses()

    def listings(self) -> Mapping[ListingKey, ListingStatus]:
        runs = {} if self.polling.lister is None else self.polling.lister.runs()
        selections = self.discovery.selections.items()
        watched = Counter((site, str(each.kind)) for site, selection in selections for each in selection.targets)
        statuses = {}
        for key, plan in self.config.listings.items():
            listing, run = self.discovery.listings.get(key), runs.get(key)
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

    def sinks(self) -> Mapping[str, SinkStatus]:
        return self.relay.statuses({sink.name: sink.type for sink in self.config.sinks})

    def hint_queues(self) -> Mapping[str, HintQueueStatus]:
        return self.hints.statuses()

    def stuck(self) -> list[str]:
        recorder = self.recorder.writes.stuck()
        return [*self.polling.stuck(), *self.relay.stuck(), *([recorder] if recorder else [])]

    def unready(self) -> list[str]:
        reasons = [self.stage] if self.stage else []
        if self.recorder.writes.trouble is not None:
            reasons.append(f"the state store cannot be written: {self.recorder.writes.trouble}")
        if self.relay.trouble is not None:
            reasons.append(f"the state store cannot be read for pending deliveries: {self.relay.trouble}")
        reasons += [] if self.membership is None else self.membership.keeper.unready()
        untried = (key for key, status in self.endpoints().items() if not status.tried)
        return [*reasons, *(f"{key} has not been polled yet" for key in untried)]
