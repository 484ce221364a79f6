"""Finds the account and the region of each queue of hints."""

from collections.abc import Iterator

from watcher.config.accounts import Accounts
from watcher.config.faults import Faults
from watcher.config.schema import File, HintModel
from watcher.config.tree import Place
from watcher.config.url_readers import queue_region


def hint_queues(file: File, accounts: Accounts, faults: Faults) -> Iterator[tuple[str, str, str]]:
    """Yield the URL of each queue, the name of its account, and its region; those with a fault are left out."""
    first: dict[str, Place] = {}
    for written in file.hints:
        account = accounts.of(written)
        if written.queue in first:
            here = written.place("queue")
            faults.report(here, f"this queue is already listed on {first[written.queue].line_beside(here)}")
            continue
        first[written.queue] = written.place("queue")
        if account is None:
            continue
        if region := queue_region(written.queue) or _only_region(written, accounts.regions(account, written), faults):
            yield written.queue, account.name, region


def _only_region(written: HintModel, regions: tuple[str, ...], faults: Faults) -> str | None:
    if len(regions) > 1:
        message = "the URL does not name a region, and the account has several; use an account with one region"
        faults.report(written.place("queue"), message)
    return regions[0] if len(regions) == 1 else None
