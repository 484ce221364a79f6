"""Builds the daemon from its settings: the only module that wires concrete classes together."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from watcher.app.discovery import Discovery
from watcher.app.lifecycle import App
from watcher.app.sink_changes import SinkChanges
from watcher.app.view import RunningDaemon
from watcher.aws.sessions import Sessions
from watcher.cluster.lease_keeper import Tenure
from watcher.cluster.membership import GainSteps, Membership
from watcher.core.model import EndpointKey
from watcher.core.ports import Clock, Sink
from watcher.core.settings import Config
from watcher.delivery.heartbeat import HeartbeatSender
from watcher.delivery.maintenance import Maintenance
from watcher.delivery.relay import Relay
from watcher.observability.metrics import Metrics
from watcher.observability.observer import Observer, Observers
from watcher.polling.by_hand import READ_SECONDS, READ_TABLE_SECONDS, follow_by_hand, read_by_hand
from watcher.polling.digests import DigestRecorder
from watcher.polling.hint_readers import HintReaders
from watcher.polling.manager import PollerManager
from watcher.polling.mute_ends import release_held
from watcher.polling.recorder import Recorder
from watcher.stores import reader_for, store_for
from watcher.util.clock import SystemClock
from watcher.web.changes import Changes
from watcher.web.server import WebServer
from watcher.web.stream import Hub


def build(
    config: Config,
    *,
    clock: Clock | None = None,
    sinks: Sequence[Sink] | None = None,
    observers: Sequence[Observer] = (),
) -> App:
    """Build the daemon; nothing is opened before `App.run`.

    Args:
        config: what to watch and how.
        clock: the system's clock by default.
        sinks: where events go; by default the configured sinks, which then change with the configuration.
        observers: notified of every poll, commit and delivery, besides the metrics and the event stream.
    """
    clock = clock or SystemClock()
    sessions, observer = Sessions(), Observers()
    membership: Membership | None = None

    def may_poll(key: EndpointKey) -> bool:
        return membership is None or membership.may_poll(key)

    tenure = Tenure(clock)
    store = store_for(config.state, sessions, tenure.covers)
    reader = reader_for(config.state, sessions, store)
    made = [each.options.build(each, sessions) for each in config.sinks] if sinks is None else sinks
    relay = Relay(store, made, clock, {sink.name: sink.give_up_after for sink in config.sinks}, observer)
    recorder = Recorder(store, clock, relay.wake, observer)
    # With leases, a daemon polls only for the shards that it holds: none yet.
    to_poll = config if store.shards is None else replace(config, targets=(), discover=())
    discovery = Discovery(store, recorder, lambda: daemon)
    polling = PollerManager(to_poll, sessions, recorder, may_poll, discovery)
    if store.shards is not None:
        membership = Membership(
            store.shards,
            tenure,
            lambda: daemon.config,
            polling,
            recorder,
            relay,
            steps=GainSteps(discovery.refresh, discovery.leaving, lambda: changes.catch_up(daemon.config.sinks)),
        )
    hints = HintReaders(lambda: daemon.config, sessions, polling, polling.list_soon, observer, clock)
    daemon = RunningDaemon(config, clock, reader, recorder, polling, hints, relay, membership, discovery)
    hub = Hub(daemon)
    metrics = Metrics(daemon, lambda: hub.streams)
    for each in (metrics, metrics.hints, metrics.syncs, hub, *observers):
        observer.add(each)
    web = WebServer(daemon, metrics, hub, Changes(daemon, store, partial(read_by_hand, store, recorder)))
    changes = SinkChanges(store, relay, recorder, clock, sessions if sinks is None else None)
    maintenance = Maintenance(daemon, store, relay)
    heartbeat = HeartbeatSender(daemon, metrics.backlogs, metrics.heartbeats)
    digests = DigestRecorder(daemon, recorder, daemon.mine)
    seconds = READ_TABLE_SECONDS if store.late else READ_SECONDS
    tasks = (
        maintenance.prune,
        maintenance.mark_alive,
        maintenance.remind,
        maintenance.resend,
        heartbeat.run,
        digests.run,
        hints.run,
        partial(follow_by_hand, store, recorder, seconds),
        partial(release_held, recorder, lambda: daemon.config),
    )
    return App(daemon, store, reader, sessions, discovery, changes, tasks, observer, metrics, hub, web)
