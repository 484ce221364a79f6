"""Sets the sinks in the store, and replaces those that a new configuration changes; retries while the store fails."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from watcher.app.store_retries import repeat_until_stored
from watcher.aws.sessions import Sessions
from watcher.config.reloader import Difference
from watcher.core.deliveries import DeliveryState
from watcher.core.ports import Clock, Sink, Store
from watcher.core.queries import DeliveryQuery
from watcher.core.replays import Replay
from watcher.core.retry_policy import REMOVED
from watcher.core.returned_sinks import owed_again
from watcher.core.settings import Config
from watcher.core.sink_settings import SinkSettings
from watcher.delivery.relay import Relay
from watcher.polling.notified_sinks import noted, read_notified_sinks
from watcher.polling.recorder import Recorder

log = structlog.get_logger()

MAX_RESTORED, MAX_DROPPED = 10_000, 10_000
"""How many dead letters of removed sinks, and how many dropped deliveries of a sink that is back, are read."""


@dataclass(frozen=True, eq=False)
class SinkChanges:
    """Changes the sinks at the start and at reloads."""

    store: Store
    relay: Relay
    recorder: Recorder
    clock: Clock
    sessions: Sessions | None
    """For new sinks that call AWS; None: the sinks were passed to `build`, and no reload changes them."""

    async def update_store(self, sinks: Sequence[SinkSettings]) -> None:
        """Set the sinks in the store: replay events to new ones, and requeue what returned ones are owed.

        What is pending for removed ones becomes dead letters.
        """
        await self._note_notified()
        known = await self.store.registered_sinks()
        for sink in sinks:
            if sink.name not in known and sink.replay_from is not None:
                replayed = await self._replay(sink, sink.replay_from)
                log.info("sink.replayed", sink=sink.name, events=replayed)
        if count := await self.store.set_sinks([sink.name for sink in sinks], self.clock.now()):
            log.warning("sink.removed", dead_letters=count, remedy="list them with `watcher deliveries --dead`")
        await self.restore(sinks)

    async def catch_up(self, sinks: Sequence[SinkSettings]) -> None:
        """Do what `update_store` does about states, for those that another daemon of the table kept until now."""
        await self._note_notified()
        await self.restore(sinks)

    async def _note_notified(self) -> None:
        """Note which sinks were sent the open incidents of an earlier version, before other filters apply to them."""
        records = self.recorder.records.items()
        unknown = {
            key: record.incident for key, record in records if record.incident and record.incident.notified is None
        }
        notified = {key: await read_notified_sinks(self.store, key, incident) for key, incident in unknown.items()}
        if unknown:
            await self.recorder.revise([*unknown], lambda stored: noted(stored, notified))

    async def restore(self, sinks: Sequence[SinkSettings]) -> None:
        """Requeue what is owed to sinks that are back after this or another daemon of the table removed them."""
        removed = DeliveryQuery([DeliveryState.DEAD], answer=REMOVED, limit=MAX_RESTORED, newest=True)
        found = sorted(await self.store.deliveries(removed), key=lambda each: each.recorded)
        for sink in sinks:
            owed = owed_again(sink, found, self.recorder.record_of)
            if owed and (count := await self.store.requeue(owed, sink.name, self.clock.now())):
                log.info("sink.restored", sink=sink.name, events=count)

    async def _replay(self, sink: SinkSettings, since: datetime) -> int:
        """Queue the history of a new sink, with the ends of the problems in it; return how many events that are.

        A crash leaves a part of it queued, of which the sink is sent the ends all the same; the next start repeats it.
        """
        query = DeliveryQuery([DeliveryState.DROPPED], sink.name, limit=MAX_DROPPED)
        dropped = {each.event.id for each in await self.store.deliveries(query) if not each.reminder}
        replay, count = Replay(sink, dropped), 0
        while True:
            count += await self.store.replay(sink.name, since, replay.wants)
            if not (subjects := replay.unsettled()):
                return count
            count += replay.committed(await self.recorder.revise(subjects, replay.entries))

    def build(self, change: Difference) -> Sequence[Sink]:
        """Return the sinks that are new, or made from other settings; not yet opened."""
        sessions = self.sessions
        return [] if sessions is None else [each.options.build(each, sessions) for each in change.coming_sinks]

    async def apply(
        self, config: Config, change: Difference, coming: Sequence[Sink], forget: Callable[[], Awaitable[None]]
    ) -> None:
        """Replace the sinks by `coming`, what `build` returned for `change`; `forget` reports and forgets subjects.

        What was routed to a removed sink is recorded before the sink is taken off the list.
        """
        if self.sessions is None:
            await forget()
            return
        for sink in config.sinks:
            self.relay.set_give_up_after(sink.name, sink.give_up_after)
        with self.relay.changing():
            try:
                await self.relay.remove_sinks(change.leaving_sinks)
                await forget()
                await repeat_until_stored(
                    lambda: self.update_store(config.sinks),
                    "config.deferred",
                    "the new sinks wait until the store works",
                )
            finally:
                for made, settings in zip(coming, change.coming_sinks, strict=True):
                    self.relay.add_sink(made, settings.give_up_after)
