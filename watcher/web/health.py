"""Whether the daemon is alive and ready, and its metrics."""

from __future__ import annotations

from collections.abc import Sequence

from watcher.errors import StoreError, StoreSilent
from watcher.observability.daemon_view import DaemonView
from watcher.observability.metrics import Metrics
from watcher.util.single_flight import SingleFlight
from watcher.web import views
from watcher.web.responses import Response, json_response

PROBE_KEPT_SECONDS, PROBE_SECONDS = 2.0, 2.0
"""How long the result of a probe of the store is used, and how long one may take."""

METRICS_KEPT_SECONDS = 1.0


class Health:
    """Responds to `/livez`, `/readyz` and `/metrics`."""

    def __init__(self, daemon: DaemonView, metrics: Metrics) -> None:
        self._daemon = daemon
        self._metrics = metrics
        self._exposition = SingleFlight(metrics.expose, METRICS_KEPT_SECONDS)
        self._probe = SingleFlight(self._probe_store, PROBE_KEPT_SECONDS, StoreSilent)

    def live(self) -> Response:
        """`/livez`: the loop turns if there is a response at all; without the store, and without waiting."""
        return _health(self._daemon.stuck())

    async def ready(self) -> Response:
        """`/readyz`."""
        return _health(await self.unready())

    async def unready(self) -> list[str]:
        """Why the daemon is not ready, which includes a store that cannot be read."""
        reasons = list(self._daemon.unready())
        try:
            await self._probe.get_within(PROBE_SECONDS)
        except StoreError as error:
            reasons.append(str(error))
        return reasons

    async def metrics(self) -> Response:
        """`/metrics`."""
        return Response(await self._exposition.get(), self._metrics.content_type)

    def close(self) -> None:
        """Cancel what is running."""
        self._exposition.close()
        self._probe.close()

    async def _probe_store(self) -> None:
        await self._daemon.reader.find("")


def _health(reasons: Sequence[str]) -> Response:
    return json_response(views.health_view(reasons), 503 if reasons else 200)
