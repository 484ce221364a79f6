"""The responses about the daemon: `/api`, health and metrics."""

import json
from collections.abc import Collection, Sequence
from typing import Any

from watcher.core.events import Event
from watcher.core.model import Target, rfc3339
from watcher.core.queries import DeliveryQuery, EventQuery
from watcher.core.status import reported, standing
from watcher.errors import StoreError, StoreSilent
from watcher.observability.daemon_view import DaemonView
from watcher.observability.metrics import Metrics
from watcher.util.redaction import redact
from watcher.util.single_flight import Gate, SingleFlight
from watcher.web import badge, panels, query, views
from watcher.web.attempts import attempts
from watcher.web.overview import Overview, PeerRecords
from watcher.web.responses import Compressor, Response, error_response, json_response

MAX_QUERIES, QUERY_SECONDS = 4, 10.0  # queries to the store at a time, and how long one may take
PROBE_KEPT_SECONDS, PROBE_SECONDS = 2.0, 2.0  # how long a probe of the store is used, and how long it may take
ATTEMPT_EVENTS, ATTEMPT_CHARACTERS = 50, 512 * 1024  # the events that attempts are derived from, and their size
SHOWN_EVENTS, SHOWN_DELIVERIES = 20, 200  # the events of a target, and the deliveries of one event
KEPT_SECONDS = 1.0  # how long metrics and the responses about endpoints, listings and sinks are used

BADGE = "/badge.svg"

Pairs = Collection[tuple[str, str]]
"""The parameters of a query."""

NOT_CONFIGURED = error_response(404, "no such target in the configuration; /api/targets lists all with their IDs")


class Api:
    """Each method responds to one path; it raises QueryError for a parameter, StoreError for the store."""

    def __init__(self, daemon: DaemonView, metrics: Metrics, compressor: Compressor) -> None:
        self._daemon = daemon
        self._metrics = metrics
        self._exposition = SingleFlight(metrics.expose, KEPT_SECONDS)
        self._probe = SingleFlight(self._probe_store, PROBE_KEPT_SECONDS, StoreSilent)
        self._peers = PeerRecords(daemon)
        self._overview = Overview(daemon, self._peers, compressor)
        self._rows = {
            "endpoints": SingleFlight(self._endpoints, KEPT_SECONDS),
            "listings": SingleFlight(self._listings, KEPT_SECONDS),
            "sinks": SingleFlight(self._sinks, KEPT_SECONDS),
        }
        self._gate = Gate(MAX_QUERIES, QUERY_SECONDS, StoreSilent)

    def close(self) -> None:
        """Cancel what is running."""
        for each in (self._exposition, self._probe, self._overview, self._peers):
            each.close()
        for rows in self._rows.values():
            rows.close()

    def live(self) -> Response:
        """`/livez`: the loop turns if there is a response at all; without the store, and without waiting."""
        return _health(self._daemon.stuck())

    async def ready(self) -> Response:
        """`/readyz`: the daemon is not ready either if its store cannot be read."""
        return _health(await self._unready())

    async def metrics(self) -> Response:
        """`/metrics`."""
        return Response(await self._exposition.get(), self._metrics.content_type)

    async def status(self, pairs: Pairs) -> Response:
        """The current configuration, and how many targets have each status."""
        query.parameters(pairs)
        counts, unready = await self._overview.counts(), await self._unready()
        return json_response(views.status_view(self._daemon, counts, self._daemon.stuck(), unready))

    async def targets(self, pairs: Pairs) -> Response:
        """A row for each target that matches the parameters."""
        return await self._overview.response(query.targets_filter(pairs) if pairs else None)

    async def target(self, raw: str, pairs: Pairs) -> Response:
        """Everything about one target, or its badge; `raw` is the rest of the path."""
        targets = self._daemon.config.targets_by_id
        found = query.target_id(raw, targets)
        if found is None and raw.endswith(BADGE):
            found = query.target_id(raw.removesuffix(BADGE), targets)
            if found is not None:
                return await self._badge(targets[found])
        if found is None:
            return NOT_CONFIGURED
        query.parameters(pairs)
        details = await self._details(targets[found])
        return NOT_CONFIGURED if details is None else json_response(details)

    async def rows(self, what: str, pairs: Pairs) -> Response:
        """A row for each of the `endpoints`, of the `listings` that the rules of discovery need, or of the `sinks`."""
        query.parameters(pairs)
        return await self._rows[what].get()

    def hints(self, pairs: Pairs) -> Response:
        """A row for each queue of hints."""
        query.parameters(pairs)
        return json_response(panels.hints_view(self._daemon.hint_queues(), self._daemon.clock.now()))

    async def mutes(self, pairs: Pairs) -> Response:
        """The mutes of the configuration and those that people have made; with `past` those that have ended, too."""
        daemon = self._daemon
        past = query.flag(pairs, "past")
        made = (await self._gate.run(daemon.reader.by_hand) if past else daemon.by_hand).mutes
        return json_response(panels.mutes_view(daemon.config.mutes, made, daemon.clock.now()))

    async def events(self, pairs: Pairs) -> Response:
        """Recorded events."""
        now, reader = self._daemon.clock.now(), self._daemon.reader
        wanted = query.events_query(pairs, now)
        found = await self._gate.run(lambda: reader.events(wanted))
        last = found[-1][0] if found else None
        if wanted.newest:
            found.reverse()
        # A body is the JSON of its event already.
        texts = ",".join(f'{{"number":{number},"event":{event.body}}}' for number, event in found)
        return Response(f'{{"now":"{rfc3339(now)}","events":[{texts}],"last":{json.dumps(last)}}}'.encode())

    async def _probe_store(self) -> None:
        await self._daemon.reader.find("")

    async def _unready(self) -> list[str]:
        reasons = list(self._daemon.unready())
        try:
            await self._probe.get_within(PROBE_SECONDS)
        except StoreError as error:
            reasons.append(str(error))
        return reasons

    async def _endpoints(self) -> Response:
        daemon = self._daemon
        config, hand, now = daemon.config, daemon.by_hand, daemon.clock.now()
        loads = {load.endpoint: load for load in config.loads}
        return json_response(panels.endpoints_view(daemon.endpoints(), daemon.records, loads, config.mutes, hand, now))

    async def _listings(self) -> Response:
        return json_response(panels.listings_view(self._daemon.listings(), self._daemon.clock.now()))

    async def _sinks(self) -> Response:
        backlogs = await self._metrics.backlogs.get()
        return json_response(panels.sinks_view(self._daemon.sinks(), backlogs, self._daemon.clock.now()))

    async def _details(self, target: Target) -> dict[str, Any] | None:
        """Everything about a target; None if it has left the configuration meanwhile."""
        reader = self._daemon.reader
        wanted = EventQuery(target=target.id, limit=ATTEMPT_EVENTS, size=ATTEMPT_CHARACTERS)
        found = await self._gate.run(lambda: reader.events(wanted))
        explained = [await self._explained(number, event) for number, event in reversed(found[-SHOWN_EVENTS:])]
        records = await self._peers.records()
        if target.id not in self._daemon.config.targets_by_id:
            return None
        record = records.get(target.id)
        return {
            **self._overview.row(target, records, self._overview.mutes()).fields,
            **views.target_view(target, record),
            "attempts": attempts((event for _, event in found), record),
            "events": explained,
        }

    async def _explained(self, number: int, event: Event) -> dict[str, Any]:
        reader, wanted = self._daemon.reader, DeliveryQuery(event_id=event.id, limit=SHOWN_DELIVERIES)
        found = await self._gate.run(lambda: reader.deliveries(wanted))
        # The same change may have been recorded twice, after a state that was lost.
        deliveries = [delivery for delivery in found if delivery.event == event]
        return views.explained(number, event, deliveries, self._daemon.config, self._daemon.by_hand)

    async def _badge(self, target: Target) -> Response:
        records = await self._peers.records()
        record = records.get(target.id)
        status = standing(record, records.get(str(target.endpoint)))
        of = badge.SYNC if target.kind.polled else badge.CONNECTION
        svg = badge.badge(status, target.title, of, reported(record)[0] or "")
        return Response(svg.encode("utf-8", "replace"), "image/svg+xml", headers=[("Cache-Control", "no-cache")])


def _health(reasons: Sequence[str]) -> Response:
    return json_response({"ok": not reasons, "reasons": [*map(redact, reasons)]}, 503 if reasons else 200)
