"""Forgets subjects that left the configuration; one with an open incident is first reported as removed.

The event is recorded before the state is forgotten: after a crash in between, the next start forgets it.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime

import structlog

from watcher.core.by_hand import ByHand
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
"""How often an entry is recorded that another change superseded; after that it is another daemon's to record."""


async def record_all(
    recorder: Recorder, subjects: Collection[str], entry: Callable[[str, datetime], Entry | None]
) -> Sequence[str]:
    """Record an entry for each subject, again while another change supersedes it; returns those that stayed so.

    `entry` returns what to record of a subject now; None: nothing.
    """
    remaining = [*subjects]
    for _ in range(TRIES):
        now = recorder.clock.now()
        entries = [made for subject in remaining if (made := entry(subject, now)) is not None]
        outcomes = await asyncio.gather(*map(recorder.record, entries), return_exceptions=True)
        remaining = []
        for made, outcome in zip(entries, outcomes, strict=True):
            if isinstance(outcome, Superseded):
                remaining.append(made.subject)
            elif outcome is not None:
                raise outcome
        if not remaining:
            break
    return remaining


def removal_entry(
    config: Config, record: Record | None, subject: str, now: datetime, before: Mapping[str, Target], hand: ByHand
) -> Entry | None:
    """Return the entry that ends the open incident of a subject that left the configuration; None: it has none.

    The arguments are as for `removal_entries`; `record`: what is known of the subject.
    """
    if record is None or record.incident is None:
        return None
    about = before.get(subject) or parse_subject(subject, record.incident.labels)
    if about is None or (observation := observe_removal(about, record, now)) is None:
        return None
    labels: Mapping[str, str] = {}
    if isinstance(about, Target):
        labels = about.labels
        log.info("target.removed", target=subject, problems=record.incident.problems)
    else:
        log.info("endpoint.removed", endpoint=subject, problems=record.incident.problems)
    return entry_of(subject, record, observation, now, labels=labels, config=config, hand=hand)


def removal_entries(
    config: Config,
    records: Mapping[str, Record],
    gone: Iterable[str],
    now: datetime,
    before: Mapping[str, Target],
    hand: ByHand,
) -> list[Entry]:
    """Return the entries that end the open incidents of subjects that left the configuration.

    Args:
        config: the configuration that they left: its sinks and mutes apply.
        records: what is known of subjects.
        gone: the subjects that left.
        now: when they are reported.
        before: the targets of the configuration before. Of others only the id and the labels are known.
        hand: what people have set by hand: their mutes apply as well.
    """
    entries = (removal_entry(config, records.get(subject), subject, now, before, hand) for subject in gone)
    return [entry for entry in entries if entry is not None]


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

    def entry(subject: str, now: datetime) -> Entry | None:
        return removal_entry(config, recorder.records.get(subject), subject, now, before or {}, recorder.by_hand)

    remaining = await record_all(recorder, gone, entry)
    await recorder.forget([subject for subject in gone if subject not in remaining])
