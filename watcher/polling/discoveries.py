"""Records the events that a kept listing owes: what it found anew, and what it removed.

The record of each target has the number of its last such event. So an event is recorded once, whichever daemon records
it, and whenever a daemon ended: before the event, after it, or before the removed target is forgotten.
"""

from collections.abc import Sequence
from datetime import datetime

import structlog

from watcher.core.discovery import event_number, is_present
from watcher.core.listings import FoundTarget
from watcher.core.model import Target
from watcher.core.ports import Entry
from watcher.core.settings import Config
from watcher.errors import Superseded
from watcher.polling.observations import entry_of, observe_discovery
from watcher.polling.recorder import Recorder
from watcher.polling.removals import forget_removed, record_all

log = structlog.get_logger()


async def record_discoveries(recorder: Recorder, config: Config, owed: Sequence[tuple[Target, FoundTarget]]) -> None:
    """Record the events of what a listing found anew or removed, unless they are; and forget what it removed.

    Raises:
        Superseded: another daemon records them.
    """
    about = {target.id: (target, found) for target, found in owed}

    def entry(subject: str, now: datetime) -> Entry | None:
        (target, found), before = about[subject], recorder.record_of(subject)
        removed, number = not is_present(found), event_number(found)
        if before.discovery >= number:
            return None
        log.info("target.removed" if removed else "target.discovered", target=subject)
        observation = observe_discovery(target, before, number, times=found.times, removed=removed, now=now)
        labels, hand = target.labels, recorder.by_hand
        return entry_of(subject, before, observation, now, labels=labels, config=config, hand=hand)

    if await record_all(recorder, about, entry):
        raise Superseded("another daemon reports what this listing found")
    await forget_removed(recorder, config, [subject for subject, (_, each) in about.items() if not is_present(each)])
