"""Corrects the alert of a subject that a late send has changed.

A daemon that stood still, or was cut off from its table, while it sent may come to the receiver after another daemon
has sent the same and later events: its problem opens the alert of an incident that is over, or its end closes that of
a later one.
"""

import asyncio

from structlog.typing import FilteringBoundLogger

from watcher.core.deliveries import Delivery, Verdict
from watcher.core.ports import Sink, Store
from watcher.delivery.incident_history import latest_sent, was_tried_elsewhere
from watcher.errors import SinkError, StoreError

TRIES = 10


async def correct(late: Delivery, sink: Sink, store: Store, log: FilteringBoundLogger) -> None:
    """Send again the last problem or end that another daemon has sent of the subject of a late delivery.

    That daemon has recorded what it had sent before when as much time has passed as a send may take. What it sends
    meanwhile is sent again as well.
    """
    corrected, reason = None, ""
    for _ in range(TRIES):
        try:
            if not await was_tried_elsewhere(late, store):
                return
            await asyncio.sleep(sink.limits.deadline)
            latest = await latest_sent(late, store)
            if latest is None or latest.id == corrected:
                return
            (outcome,) = await sink.send([latest])
        except (SinkError, StoreError) as error:
            reason = str(error)
            continue
        reason = outcome.text
        if outcome.verdict is Verdict.TAKEN:
            corrected = latest.id
            log.info("alert.corrected", subject=late.event.subject, event_id=latest.id)
    consequence = "the receiver may show as open what is over, or not show what is open"
    log.error("alert.correction_failed", subject=late.event.subject, error=reason, consequence=consequence)
