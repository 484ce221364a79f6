"""Sends the sign of life that an outside monitor expects; `core.heartbeat` decides what it says."""

import asyncio
from datetime import datetime

import structlog

from watcher.core.heartbeat import REASON, Heartbeat, reason_of, with_reason
from watcher.errors import SinkError, StoreError
from watcher.observability.backlogs import Backlogs
from watcher.observability.daemon_view import DaemonView, endpoint_unreadable
from watcher.observability.heartbeat_metrics import HeartbeatMetrics
from watcher.sinks.poster import Poster
from watcher.util.redaction import printable, redact
from watcher.util.verbatim_urls import verbatim

log = structlog.get_logger()

LOOK_SECONDS = 1.0
"""Seconds between two looks whether the configuration has another heartbeat."""

RETRY_SECONDS = 10.0
"""Seconds until the next request after one that failed, unless `every` is shorter."""

NOT_RECORDED = ("OK (not found)", "OK (rate limited)")
"""What Healthchecks responds with status 200 if it does not record a request."""


class HeartbeatSender:
    """Sends the heartbeat of the configuration in force, for this daemon alone: others on its table send their own."""

    def __init__(self, daemon: DaemonView, backlogs: Backlogs, metrics: HeartbeatMetrics) -> None:
        self._daemon = daemon
        self._backlogs = backlogs
        self._metrics = metrics
        self._oldest: dict[str, datetime] = {}
        self._read_at = self._ready_at = daemon.clock.monotonic()
        self._failing = self._unwell = False

    async def run(self) -> None:
        """Send for ever."""
        while True:
            settings = self._daemon.config.heartbeat
            if settings is None:
                await asyncio.sleep(LOOK_SECONDS)
            else:
                await self._run(settings)

    async def _run(self, settings: Heartbeat) -> None:
        """Send until the configuration has another heartbeat."""
        clock, receivers = self._daemon.clock, _Receivers(settings)
        try:
            while self._daemon.config.heartbeat == settings:
                begun = clock.monotonic()
                accepted = await self._beat(settings, receivers)
                due = begun + (settings.every if accepted else min(settings.every, RETRY_SECONDS))
                while self._daemon.config.heartbeat == settings and (left := due - clock.monotonic()) > 0:  # noqa: ASYNC110  a reload has no event
                    await asyncio.sleep(min(left, LOOK_SECONDS))
        finally:
            await receivers.close()

    async def _beat(self, settings: Heartbeat, receivers: "_Receivers") -> bool:
        """Make one request and return whether it was accepted."""
        reason = await self._reason(settings)
        if reason and not self._unwell:
            log.warning("heartbeat.withheld", reason=reason, consequence="the heartbeat reports a failure")
        self._unwell = bool(reason)
        error = await receivers.send(reason)
        self._metrics.sent(well=not reason, accepted=not error)
        if error and not self._failing:
            log.warning("heartbeat.failed", error=error, consequence="the outside monitor may raise the alarm")
        elif self._failing and not error:
            log.info("heartbeat.recovered")
        self._failing = bool(error)
        return not error

    async def _reason(self, settings: Heartbeat) -> str:
        """Return why the daemon does not do its work; empty: it does."""
        daemon = self._daemon
        stuck = [*daemon.stuck(), *self._unready(settings), *await self._unread(settings)]
        records = {
            str(key): daemon.records.get(str(key)) for key in daemon.endpoints() if endpoint_unreadable(daemon, key)
        }
        unreadable = {key: record.outage for key, record in records.items() if record and record.outage}
        configured = {sink.name for sink in daemon.config.sinks}
        oldest = {sink: since for sink, since in self._oldest.items() if sink in configured}
        return printable(redact(reason_of(stuck, unreadable, oldest, daemon.clock.now(), settings.stale_after)))

    def _unready(self, settings: Heartbeat) -> list[str]:
        """Return why the daemon is not ready, such as a store that cannot be written, if that has lasted too long."""
        now, reasons = self._daemon.clock.monotonic(), self._daemon.unready()
        if not reasons:
            self._ready_at = now
        return reasons if now - self._ready_at > settings.stale_after else []

    async def _unread(self, settings: Heartbeat) -> list[str]:
        """Read how old the pending events are, and return why that has been unknown for too long, if it has."""
        now = self._daemon.clock.monotonic()
        try:
            backlogs = await self._backlogs.get()
        except StoreError as error:
            late = now - self._read_at > settings.stale_after
            return [f"the state store cannot be read for pending events: {error}"] if late else []
        self._read_at = now
        self._oldest = {sink: each.oldest for sink, each in backlogs.items() if each.oldest is not None}
        return []


class _Receivers:
    """Where a heartbeat is sent; connections are kept open."""

    def __init__(self, settings: Heartbeat) -> None:
        url, fail_url = settings.url.get_secret_value(), settings.fail_url.get_secret_value()
        self._headers = {name: value.get_secret_value() for name, value in settings.headers.items()}
        secrets = [*self._headers.values()]
        self._well, self._fail = (Poster(each, settings, secrets) for each in (url, fail_url.replace(REASON, "")))
        self._url, self._fail_url = url, fail_url
        self._methods = (settings.method or "GET", settings.method or "POST")

    async def send(self, reason: str) -> str:
        """Make one request and return why it was not accepted; empty: it was."""
        poster, method, url = self._well, self._methods[0], self._url
        if reason:
            poster, method, url = self._fail, self._methods[1], with_reason(self._fail_url, reason)
        text = {"Content-Type": "text/plain; charset=utf-8"} if method == "POST" else {}
        body = reason.encode() if method == "POST" else None
        try:
            response = await poster.request(method, verbatim(url), body, {**text, **self._headers})
        except SinkError as error:
            return str(error)
        accepted = 200 <= response.status < 300 and not response.text.startswith(NOT_RECORDED)
        return "" if accepted else f"the receiver responded {response}"

    async def close(self) -> None:
        await self._well.close()
        await self._fail.close()
