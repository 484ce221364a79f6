"""The accounts that targets and sinks belong to, and the regions of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from watcher.aws.service_models import is_region
from watcher.config.faults import suggestion
from watcher.config.readers import quoted
from watcher.config.schema import Account, TargetModel
from watcher.config.tree import Items, Keys, Place, Reads, Text, scalar
from watcher.core import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from watcher.config.faults import Faults
    from watcher.config.schema import File
    from watcher.config.sink_model import AccountSinkModel

DEFAULT = "default"
REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a configuration's meaning hangs on beside its text."""

    environ: Mapping[str, str]
    profile_region: Callable[[str | None], str | None]
    """With `environ`, where a region is looked for when an account names none."""
    now: datetime
    """What durations back from now are counted from."""


def ambient_region(surroundings: Surroundings, profile: str | None) -> str | None:
    """The region set in the environment, else in `profile` (None: the ambient one); None: neither has one.

    Raises:
        ValueError: a variable is set, but not to a region.
        LookupError: the profile cannot be read, or its region is not one.
    """
    for variable in REGION_VARIABLES:
        if region := surroundings.environ.get(variable):
            if not is_region(region):
                raise ValueError(f"{variable} must be set to a valid region name (example: us-east-1)")
            return region
    region = surroundings.profile_region(profile)
    if region and not is_region(region):
        raise LookupError(f"has the region {region!r}, which is not a valid name")
    return region or None


class Accounts:
    """The accounts of one file by their names; looks for a region only when a target or a sink needs one."""

    def __init__(self, file: File, written: Keys, surroundings: Surroundings, faults: Faults) -> None:
        """Report what is wrong among the accounts themselves."""
        self._rate_limit = file.rate_limit
        self._surroundings = surroundings
        self._faults = faults
        self._sound: dict[str, Account] = {}
        self._regions: dict[str, tuple[str, ...]] = {}
        for account in file.accounts:
            self._sound.setdefault(account.name, account)
            self._report_repeated_regions(account)
        self._names = _names_written(written)
        if not written.holds("accounts"):  # nothing in the file to validate: one account, with the ambient credentials
            self._sound[DEFAULT] = Account.model_construct(name=DEFAULT)

    def of(self, asker: TargetModel | AccountSinkModel) -> Account | None:
        """The account that `asker` belongs to; None when a fault has been reported, here or at the account."""
        names = self._names
        if asker.account is not None:
            if names is not None and asker.account not in names:
                self._report_no_account(asker)
            return self._sound.get(asker.account)
        if names is None:
            return None
        if len(names) == 1:
            return self._sound.get(names[0])
        if DEFAULT not in names:
            choice = ", ".join(dict.fromkeys(name.written for name in names))
            self._faults.report(asker.place(), f"`account` is missing, and there are several; choose from {choice}")
        return self._sound.get(DEFAULT)

    def regions(self, account: Account, asker: TargetModel | AccountSinkModel) -> tuple[str, ...]:
        """The regions of `account`, which `asker` is the first to need; none when a fault has been reported."""
        if account.name not in self._regions:
            listed = tuple(dict.fromkeys(account.regions))
            self._regions[account.name] = listed or self._ambient_region(account, asker)
        return self._regions[account.name]

    def completed(self) -> dict[str, settings.Account]:
        """Every sound account, completed."""
        return {name: self._completed(account) for name, account in self._sound.items()}

    def _completed(self, account: Account) -> settings.Account:
        own, common = account.rate_limit, self._rate_limit
        return settings.Account(
            name=account.name,
            regions=self._regions.get(account.name, tuple(account.regions)),
            role_arn=account.role_arn,
            external_id=account.external_id,
            profile=account.profile,
            endpoint_url=account.endpoint_url,
            rate_limit=settings.RateLimit(
                common.requests_per_second if own.requests_per_second is None else own.requests_per_second,
                common.concurrency if own.concurrency is None else own.concurrency,
            ),
        )

    def _ambient_region(self, account: Account, asker: TargetModel | AccountSinkModel) -> tuple[str, ...]:
        """The region of the surroundings; what is wrong is reported at the account, or at `asker` if it has none."""
        place = account.place() if account.is_written else asker.place()
        try:
            region = ambient_region(self._surroundings, account.profile)
        except ValueError as error:
            self._faults.report(place, str(error))
            return ()
        except LookupError as error:
            whose = f"the AWS profile {quoted(account.as_written('profile'))}" if account.profile else "the AWS profile"
            self._faults.report(account.place("profile") if account.profile else place, f"{whose} {error}")
            return ()
        if region:
            return (region,)
        here = "each target" if isinstance(asker, TargetModel) else "the sink"
        where = "`regions` to the account" if account.is_written else f"`region` to {here}"
        self._faults.report(place, f"no region is known; add {where}, or set AWS_REGION")
        return ()

    def _report_no_account(self, asker: TargetModel | AccountSinkModel) -> None:
        written = asker.as_written("account")
        known = [name.written for name in self._names or ()]
        close = [] if written.filled else suggestion(written, known)
        hint = f"did you mean {close[0]}?" if close else f"choose from {', '.join(known)}"
        self._faults.report(asker.place("account"), f"there is no account {quoted(written)}; {hint}")

    def _report_repeated_regions(self, account: Account) -> None:
        for index, region in enumerate(account.regions):
            if region in account.regions[:index]:
                self._faults.report(account.item_place("regions", index), "this region is in the list already")


def _names_written(written: Keys) -> list[Text] | None:
    """The names of all accounts, wrong ones included; None if they cannot all be told."""
    if not written.holds("accounts"):
        return [scalar(DEFAULT, Place(1, 1, ""), reads=Reads.TEXT)]
    accounts = written["accounts"]
    if not isinstance(accounts, Items):
        return None
    names = [account.get("name") if isinstance(account, Keys) else None for account in accounts]
    sound = [name for name in names if isinstance(name, Text) and not name.broken]
    return sound if len(sound) == len(names) else None
