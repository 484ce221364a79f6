"""Follows what people set by hand: mutes and acknowledgements, which any daemon or command may write to the store.

An event is compared with the mutes as they were last read, `READ_SECONDS` or `READ_TABLE_SECONDS` ago. So an event that
is recorded soon after a mute was made may still be sent. One that is still held back after a mute was ended is released
when `polling.mute_ends` looks next.
"""

import asyncio
from datetime import datetime

import structlog

from watcher.core.by_hand import ByHand, HandReader
from watcher.core.model import rfc3339
from watcher.errors import StoreError
from watcher.messages.sanitize import one_line
from watcher.polling.recorder import Recorder

log = structlog.get_logger()

READ_SECONDS, READ_TABLE_SECONDS = 1.0, 2.0
"""Seconds between two reads of the store; of a table, each costs money."""


async def read_by_hand(store: HandReader, recorder: Recorder) -> None:
    """Let the recorder follow what people have set until now.

    Raises:
        StoreError: the store cannot be read.
    """
    found = await store.by_hand(recorder.clock.now())
    if found != recorder.by_hand:
        recorder.by_hand = found


async def follow_by_hand(store: HandReader, recorder: Recorder, seconds: float) -> None:
    """Let the recorder follow what people set by hand, for ever; while the store fails, with what was read last."""
    failed = False
    while True:
        await asyncio.sleep(seconds)
        before = recorder.by_hand
        try:
            await read_by_hand(store, recorder)
        except StoreError as error:
            if not failed:
                log.warning("mutes.read_failed", error=str(error), consequence="new mutes have no effect yet")
            failed = True
            continue
        if failed:
            log.info("mutes.read_recovered")
        failed = False
        if recorder.by_hand is not before:
            _log_changes(before, recorder.by_hand, recorder.clock.now())


def _log_changes(before: ByHand, after: ByHand, now: datetime) -> None:
    known, current = ({mute.id: mute for mute in each.mutes} for each in (before, after))
    for mute in after.mutes:
        if mute.id not in known:
            log.info(
                "mute.created",
                mute=mute.id,
                targets=[*map(one_line, mute.targets)],
                until=rfc3339(mute.until),
                reason=one_line(mute.reason),
                by=one_line(mute.by),
            )
    for mute in before.mutes:
        if mute.until <= now:
            log.info("mute.expired", mute=mute.id)
        elif mute.id not in current or (mute.ended_at is None and current[mute.id].ended_at is not None):
            log.info("mute.removed", mute=mute.id, until=rfc3339(mute.until))
    for incident, each in after.acknowledgements.items():
        if before.acknowledgements.get(incident) != each:
            log.info("incident.acknowledged", incident=incident, target=each.subject, by=one_line(each.by))
