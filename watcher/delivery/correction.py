"""Corrects the alert of a subject that a late send has changed.

If a daemon is suspended or cut off from its table during a send, its request may reach the receiver after another
daemon has sent the same event and later ones: its problem then opens the alert of an incident that is over, or its end
closes the alert of a later one.
"""

import asyncio

from structlog.typing import FilteringBoundLogger

from watcher.core.deliveries import Delivery, Verdict
from watcher.core.ports import Sink, Store
from watcher.delivery.incident_history import latest_sent, was_tried_elsewhere
from watcher.errors import SinkError, StoreError

TRIES = 10


async def correct(late: Delivery, sink: Sink, store: Store, log: FilteringBoundLogger) -> None:
    """Send again the last problem or end that another daemon has sent of the subject since a late delivery.

    Wait before each send as long as a send may take, so that the other daemon has recorded what it was sending. Repeat
    until it has sent nothing more.
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
