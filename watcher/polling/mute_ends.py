"""Sends what mutes held back when they end; `core.mute_ends` decides what that is."""

import asyncio
from collections.abc import Callable
from itertools import islice

import structlog

from watcher.core.mute_ends import released
from watcher.core.settings import Config
from watcher.errors import Superseded
from watcher.polling.recorder import MAX_ENTRIES, Recorder

log = structlog.get_logger()

LOOK_SECONDS = 1.0
"""Seconds between two looks whether a mute has ended."""


async def release_held(recorder: Recorder, config: Callable[[], Config]) -> None:
    """Queue the events that mutes held back, for ever; those of the subjects that this daemon records.

    The note of them is deleted in the commit that queues them, so that a crash neither loses nor repeats one. If a poll
    changes the state at the same moment, the next look decides again.
    """
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        await release_due(recorder, config())


async def release_due(recorder: Recorder, config: Config) -> None:
    """Queue the events that ended mutes held back until now."""
    found = released(config, recorder.records, recorder.clock.now(), recorder.by_hand)
    entries = [*islice(found, MAX_ENTRIES)]
    outcomes = await asyncio.gather(*map(recorder.record, entries), return_exceptions=True)
    for entry, outcome in zip(entries, outcomes, strict=True):
        if outcome is None:
            log.info("mute.ended", subject=entry.subject, events=len(entry.released))
        elif not isinstance(outcome, Superseded):
            raise outcome
