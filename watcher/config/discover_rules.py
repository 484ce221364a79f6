"""Turns the rules of discovery of a file into settings: each with the accounts and regions that are listed."""

from collections.abc import Iterator

from watcher.config.accounts import Accounts
from watcher.config.discover_model import DiscoverModel
from watcher.config.faults import Faults
from watcher.config.schema import File
from watcher.config.target_model import report_long_labels
from watcher.core.settings import DiscoverRule

GLOBS = {"match", "exclude", "repositories", "branches"}


def discover_rules(file: File, accounts: Accounts, faults: Faults) -> Iterator[DiscoverRule]:
    """Yield the rules; those with a fault, which is reported, may be left out."""
    for written in file.discover:
        _report_no_repository(written, faults)
        labels = {**file.defaults.labels, **written.labels}
        report_long_labels(labels, written, faults)
        place = written.place()
        yield DiscoverRule(
            kinds=written.kinds_found,
            places=tuple(_places(written, accounts, faults)),
            place=f"{place.path} of {place.file}" if place.file else place.path,
            **written.model_dump(include={"every", "limit", *GLOBS}),
            watching={**file.defaults.model_dump(), "labels": labels},
        )


def _report_no_repository(written: DiscoverModel, faults: Faults) -> None:
    """Report keys that select by repository, of a kind whose targets are not synced from one."""
    if any(kind.polled for kind in written.kinds_found):
        return
    for key in ("repositories", "branches"):
        if getattr(written, key):
            faults.report(written.place(key), f"a {written.kind} is not synced from a repository; remove `{key}`")


def _places(written: DiscoverModel, accounts: Accounts, faults: Faults) -> Iterator[tuple[str, str]]:
    """Yield the accounts and regions that a rule lists."""
    for index, region in enumerate(written.regions):
        if region in written.regions[:index]:
            faults.report(written.place("regions", index), "this region is already listed")
    chosen = accounts.every() if written.account is None else [accounts.of(written)]
    for account in chosen:
        if account is not None:
            for region in written.regions or accounts.regions(account, written):
                yield account.name, region
