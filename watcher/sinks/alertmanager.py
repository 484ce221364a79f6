"""`alertmanager`: one alert for each incident, by the API v2 of Prometheus's Alertmanager.

Alertmanager keeps alerts in memory, and identifies them by their labels: they are those of the event that opened the
incident, whatever changes meanwhile. An open alert is posted again every `resend`, also after a restart of either side;
it ends by itself if it is not posted for three `resend`s.

The members of a cluster do not share alerts, so each of `urls` gets every post, as from Prometheus. An event is
delivered when one member accepted it. The others get the alert with a later `resend`, and its end for `KEPT_SECONDS`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, PlainValidator

from watcher.config.fields import HEADER_NAME_SCHEMA, Headers, Interval, lasting
from watcher.config.receiver_model import may_be_reached
from watcher.config.url_readers import header_name
from watcher.core.deliveries import Delivery, Limits, SendOutcome, Verdict
from watcher.errors import SinkError
from watcher.sinks.alertmanager_alerts import alert_of
from watcher.sinks.alerts import OUTSIDE, PARALLEL, PROGRESS, AlertOptions, Step, step_of
from watcher.sinks.http import BaseUrl, ReceiverOptions

PATH = "/api/v2/alerts"

MAX_ALERTS = 256
"""Alerts in one post, as in Prometheus."""

KEPT_SECONDS, MAX_ENDED = 900.0, 10_000
"""How long the end of an alert is posted again, as in Prometheus, and of how many alerts at most."""


class AlertmanagerSink:
    """Posts alerts to every member of a cluster, and repeats those that are open."""

    def __init__(self, options: AlertmanagerOptions) -> None:
        self.name = options.name
        # An end waits for a repetition that is under way.
        self.limits = Limits(parallel=PARALLEL, deadline=2 * options.timeout + 1.0, with_opening=True, ends_last=True)
        self.resend_every = options.resend
        headers = {name: value.get_secret_value() for name, value in options.headers.items()}
        self._headers = {**headers, "Content-Type": "application/json"}
        self._members = [options.poster_to(url, headers.values(), secret_url=False) for url in options.urls]
        self._ended: dict[str, tuple[datetime, dict[str, Any]]] = {}
        """Until when the end of an alert is repeated, by incident, the oldest first."""
        self._repeating = asyncio.Lock()
        """Held while open alerts are repeated or one ends: a repetition must not come after the end."""

    async def send(self, deliveries: Sequence[Delivery]) -> Sequence[SendOutcome]:
        (delivery,) = deliveries
        event, now = json.loads(delivery.body), datetime.now(UTC)
        step = step_of(event)
        if step in (Step.OUTSIDE, Step.PROGRESS):
            text = OUTSIDE if step is Step.OUTSIDE else PROGRESS
            return [SendOutcome(delivery, Verdict.TAKEN, text)]
        alert = alert_of(delivery, now, self.resend_every)
        if step is not Step.END:
            # A target that left the configuration while it failed, and is put back, has the same incident again.
            self._ended.pop(alert["labels"]["incident"], None)
            return [SendOutcome(delivery, *await self._post([alert]))]
        async with self._repeating:
            self._ended[alert["labels"]["incident"]] = now + timedelta(seconds=KEPT_SECONDS), alert
            if len(self._ended) > MAX_ENDED:
                del self._ended[next(iter(self._ended))]
            return [SendOutcome(delivery, *await self._post([alert]))]

    async def resend(self, deliveries: Sequence[Delivery]) -> None:
        answers = []
        for start in range(0, len(deliveries), MAX_ALERTS):
            async with self._repeating:
                now = datetime.now(UTC)
                alerts = [alert_of(each, now, self.resend_every) for each in deliveries[start : start + MAX_ALERTS]]
                open_ = [each for each in alerts if each["labels"]["incident"] not in self._ended]
                answers.append(await self._repeat(open_))
        now = datetime.now(UTC)
        self._ended = {incident: (until, alert) for incident, (until, alert) in self._ended.items() if until > now}
        ended = [alert for _, alert in self._ended.values()]
        for start in range(0, len(ended), MAX_ALERTS):
            answers.append(await self._repeat(ended[start : start + MAX_ALERTS]))  # noqa: PERF401  one after the other
        if refused := [answer for answer in answers if answer]:
            raise SinkError(refused[0])

    async def _repeat(self, alerts: Sequence[Mapping[str, Any]]) -> str:
        """Post alerts; return the answer if no member accepted all of them. Alertmanager keeps those that are valid."""
        if not alerts:
            return ""
        verdict, answer = await self._post(alerts)
        return "" if verdict is Verdict.TAKEN else answer

    async def close(self) -> None:
        for member in self._members:
            await member.close()

    async def _post(self, alerts: Sequence[Mapping[str, Any]]) -> tuple[Verdict, str]:
        """Post to every member; return the verdict of the one that took it best, and what each responded.

        Raises:
            SinkError: no member can be reached.
        """
        body = json.dumps(alerts).encode()
        tries = [member.deliver(body, self._headers, path=PATH) for member in self._members]
        results = await asyncio.gather(*tries, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, SinkError):
                raise result
        responses = [result for result in results if not isinstance(result, BaseException)]
        if not responses:
            raise next(result for result in results if isinstance(result, SinkError))
        text = "; ".join(dict.fromkeys(str(each) if isinstance(each, BaseException) else each[1] for each in results))
        verdicts = {verdict for verdict, _ in responses}
        return next(each for each in (Verdict.TAKEN, Verdict.LATER, Verdict.NEVER) if each in verdicts), text


_HeaderName = Annotated[str, PlainValidator(header_name("the sink")), HEADER_NAME_SCHEMA]


class AlertmanagerOptions(ReceiverOptions, AlertOptions):
    """Alerts in Prometheus's Alertmanager, repeated while an incident lasts."""

    sink: ClassVar = AlertmanagerSink

    type: Literal["alertmanager"]
    urls: list[Annotated[BaseUrl, AfterValidator(may_be_reached)]] = Field(
        min_length=1, examples=[["https://alertmanager.example.com"]]
    )
    """The URLs of the members of a cluster, without the path of the API."""
    resend: Interval = lasting("1m")
    """How often an open alert is sent again; it ends by itself if that fails three times in a row."""
    headers: Headers[_HeaderName] = Field(default={}, examples=[{"Authorization": "Bearer ${TOKEN}"}])
    """Headers of every post. Secrets: take them from variables."""
