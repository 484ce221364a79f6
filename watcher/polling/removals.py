"""Forgets subjects that left the configuration; one with an open incident is first reported as removed.

The event is recorded before the state is forgotten: after a crash in between, the next start forgets it.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

import structlog

from watcher.core.model import Target
from watcher.core.ports import Entry
from watcher.core.settings import Config
from watcher.core.state import Record
from watcher.errors import Superseded
from watcher.polling.observations import entry_of, observe_removal
from watcher.polling.recorder import Recorder
from watcher.sources.subjects import parse_subject

log = structlog.get_logger()

TRIES = 3
"""How often a removal is recorded that another daemon superseded; after that it is that daemon's to record."""


def removal_entries(
    config: Config, records: Mapping[str, Record], gone: Iterable[str], now: datetime, before: Mapping[str, Target]
) -> list[Entry]:
    """Return the entries that end the open incidents of subjects that left the configuration.

    Args:
        config: the configuration that they left: its sinks and mutes apply.
        records: what is known of subjects.
        gone: the subjects that left.
        now: when they are reported.
        before: the targets of the configuration before. Of others only the id and the labels are known.
    """
    entries = []
    for subject in gone:
        record = records.get(subject)
        if record is None or record.incident is None:
            continue
        about = before.get(subject) or parse_subject(subject, record.incident.labels)
        if about is not None and (observation := observe_removal(about, record, now)) is not None:
            labels: Mapping[str, str] = {}
            if isinstance(about, Target):
                labels = about.labels
                log.info("target.removed", target=subject, problems=record.incident.problems)
            else:
                log.info("endpoint.removed", endpoint=subject, problems=record.incident.problems)
            entries.append(entry_of(subject, record, observation, now, labels=labels, config=config, traceparent=None))
    return entries


async def forget_removed(
    recorder: Recorder, config: Config, gone: Collection[str], before: Mapping[str, Target] | None = None
) -> None:
    """Report and forget subjects that left the configuration, after everything that was recorded before.

    Args:
        recorder: records and forgets them; it is running.
        config: the configuration that they left.
        gone: the subjects that left; those of other daemons are theirs to forget.
        before: the targets of the configuration before.
    """
    if not gone:
        return
    await recorder.drop(())  # what the last polls returned is recorded before
    remaining = set(gone)
    for _ in range(TRIES):
        now = recorder.clock.now()
        entries = removal_entries(config, recorder.records, remaining, now, before or {})
        outcomes = await asyncio.gather(*(recorder.record(entry) for entry in entries), return_exceptions=True)
        remaining = set()
        for entry, outcome in zip(entries, outcomes, strict=True):
            if isinstance(outcome, Superseded):
                remaining.add(entry.subject)
            elif outcome is not None:
                raise outcome
        if not remaining:
            break
    await recorder.forget([subject for subject in gone if subject not in remaining])
