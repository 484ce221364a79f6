"""Whether the daemon lives, is ready, and what it measures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watcher.errors import StoreError, StoreSilent
from watcher.util.single_flight import SingleFlight
from watcher.web import views
from watcher.web.responses import Response, told

if TYPE_CHECKING:
    from watcher.observability.daemon_view import DaemonView
    from watcher.observability.metrics import Metrics

PROBED, PROBE_WITHIN = 2.0, 2.0
"""Seconds for which the store is taken to be as it was, and within which it must answer."""

EXPOSED = 1.0
"""Seconds for which the same metrics are told."""


class Health:
    """Answers `/livez`, `/readyz` and `/metrics`."""

    def __init__(self, inside: DaemonView, metrics: Metrics) -> None:
        """`inside` is of whom it is told."""
        self._inside = inside
        self._metrics = metrics
        self._exposed = SingleFlight(metrics.expose, EXPOSED)
        self._probed = SingleFlight(self._probe, PROBED, StoreSilent)

    def live(self) -> Response:
        """`/livez`: the loop turns, if this is answered at all; without the store, and without waiting."""
        stuck = self._inside.stuck()
        return told(views.health_view(stuck), 503 if stuck else 200)

    async def ready(self) -> Response:
        """`/readyz`."""
        unready = await self.unready()
        return told(views.health_view(unready), 503 if unready else 200)

    async def unready(self) -> list[str]:
        """Why it is not ready; the store must be readable, too."""
        reasons = list(self._inside.unready())
        try:
            await self._probed.get_within(PROBE_WITHIN)
        except StoreError as error:
            reasons.append(str(error))
        return reasons

    async def metrics(self) -> Response:
        """`/metrics`."""
        return Response(await self._exposed.get(), self._metrics.content_type)

    def close(self) -> None:
        """Look at nothing any more."""
        self._exposed.close()
        self._probed.close()

    async def _probe(self) -> None:
        """Read something small."""
        await self._inside.reader.find("")
