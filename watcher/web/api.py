"""The answers of `/api`: what was asked for, from where it is known, to JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from watcher.core.model import rfc3339
from watcher.core.ports import DeliveryQuery, EventQuery
from watcher.core.status import standing
from watcher.errors import StoreSilent
from watcher.util.single_flight import Gate, SingleFlight
from watcher.web import badge, history, query, views
from watcher.web.overview import Overviews
from watcher.web.peers import PeerRecords
from watcher.web.responses import Response, failed, told

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from multidict import MultiMapping

    from watcher.core.events import Event
    from watcher.core.model import Target
    from watcher.core.settings import Config
    from watcher.observability.backlog import Backlogs
    from watcher.observability.daemon_view import DaemonView
    from watcher.web.health import Health
    from watcher.web.responses import Packer

QUESTIONS, PATIENCE = 4, 10.0
"""Questions to the store at once, and the seconds that one may take."""

ATTEMPT_EVENTS, ATTEMPT_TEXT, TOLD_EVENTS, DELIVERIES = 50, 512 * 1024, 20, 200
"""Recorded events from which a target's attempts are derived, and their characters; events shown for a target;
deliveries shown for one event."""

KEPT = 1.0
"""Seconds for which the same is told of endpoints and sinks."""

BADGE = "/badge.svg"


NOT_CONFIGURED = failed(404, "there is no such target in the configuration; /api/targets tells the ids of all")


class Api:
    """Each method answers one route; it raises WrongQuery for a parameter, StoreError for the store."""

    def __init__(self, inside: DaemonView, backlogs: Backlogs, health: Health, packer: Packer) -> None:
        """`inside` is of whom it is told."""
        self._inside = inside
        self._backlogs = backlogs
        self._health = health
        self._elsewhere = PeerRecords(inside)
        self._overviews = Overviews(inside, self._elsewhere, packer)
        self._endpoints = SingleFlight(self._all_endpoints, KEPT)
        self._sinks = SingleFlight(self._all_sinks, KEPT)
        self._gate = Gate(QUESTIONS, PATIENCE, StoreSilent)
        self._index: tuple[Config | None, Mapping[str, Target]] = (None, {})

    def close(self) -> None:
        """Build nothing any more."""
        for each in (self._overviews, self._endpoints, self._sinks, self._elsewhere):
            each.close()

    async def status(self, asked: MultiMapping[str]) -> Response:
        """What is in force, and how many targets stand how."""
        query.parameters(asked.items())
        counts, unready = (await self._overviews.get()).counts, await self._health.unready()
        return told(views.status_view(self._inside, counts, self._inside.stuck(), unready))

    async def targets(self, asked: MultiMapping[str]) -> Response:
        """A row for each target that is asked for."""
        wanted = query.targets_filter(asked.items()) if asked else None
        return await (await self._overviews.get()).answer(wanted)

    async def target(self, raw: str, asked: MultiMapping[str]) -> Response:
        """One target, by what stands in the path: all that is known of it, or its badge."""
        known = self._known()
        found = query.target_id(raw, known)
        if found is None and raw.endswith(BADGE):
            found = query.target_id(raw.removesuffix(BADGE), known)
            if found is not None:
                return await self._badge(known[found])
        if found is None:
            return NOT_CONFIGURED
        query.parameters(asked.items())
        one = await self._one(known[found])
        return NOT_CONFIGURED if one is None else told(one)

    async def endpoints(self, asked: MultiMapping[str]) -> Response:
        """A row for each account, region and API."""
        query.parameters(asked.items())
        return await self._endpoints.get()

    async def sinks(self, asked: MultiMapping[str]) -> Response:
        """A row for each sink."""
        query.parameters(asked.items())
        return await self._sinks.get()

    async def events(self, asked: MultiMapping[str]) -> Response:
        """Recorded events."""
        now, reader = self._inside.clock.now(), self._inside.reader
        wanted = query.events_query(asked.items(), now)
        found = await self._gate.run(lambda: reader.events(wanted))
        last = found[-1][0] if found else None
        if wanted.newest:
            found.reverse()
        # A body is the JSON of its event already.
        texts = ",".join(f'{{"number":{number},"event":{event.body}}}' for number, event in found)
        return Response(f'{{"now":"{rfc3339(now)}","events":[{texts}],"last":{json.dumps(last)}}}'.encode())

    async def _all_endpoints(self) -> Response:
        inside = self._inside
        return told(views.endpoints_view(inside.endpoints(), inside.records, inside.clock.now()))

    async def _all_sinks(self) -> Response:
        backlogs = await self._backlogs.get()
        return told(views.sinks_view(self._inside.sinks(), backlogs, self._inside.clock.now()))

    async def _one(self, target: Target) -> dict[str, Any] | None:
        """All that is known of a target, or None when it has left the configuration meanwhile."""
        reader = self._inside.reader
        wanted = EventQuery(target=target.id, limit=ATTEMPT_EVENTS, size=ATTEMPT_TEXT)
        found = await self._gate.run(lambda: reader.events(wanted))
        explained = [await self._explained(number, event) for number, event in reversed(found[-TOLD_EVENTS:])]
        records = await self._elsewhere.records()
        if target.id not in self._known():
            return None
        record = records.get(target.id)
        return {
            **self._overviews.row(target, records),
            **views.target_view(target, record),
            "attempts": history.attempts((event for _, event in found), record.known if record else None),
            "events": explained,
        }

    async def _explained(self, number: int, event: Event) -> dict[str, Any]:
        reader, wanted = self._inside.reader, DeliveryQuery(event_id=event.id, limit=DELIVERIES)
        found = await self._gate.run(lambda: reader.deliveries(wanted))
        # The same change may have been recorded twice, after a state that was lost.
        mine = [delivery for delivery in found if delivery.event == event]
        return history.explained(number, event, mine, self._inside.config)

    async def _badge(self, target: Target) -> Response:
        records = await self._elsewhere.records()
        stands = standing(records.get(target.id), records.get(str(target.endpoint)))
        picture = badge.badge(stands, views.title(target))
        return Response(picture.encode("utf-8", "replace"), "image/svg+xml", headers=[("Cache-Control", "no-cache")])

    def _known(self) -> Mapping[str, Target]:
        """The configured targets by id."""
        config = self._inside.config
        if self._index[0] is not config:
            self._index = config, {target.id: target for target in config.targets}
        return self._index[1]
