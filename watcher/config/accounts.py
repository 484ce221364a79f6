"""The accounts of targets, sinks, rules and queues, and the regions of each account."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from watcher.aws.service_models import is_region
from watcher.config.discover_model import DiscoverModel
from watcher.config.faults import Faults, choice
from watcher.config.readers import quoted
from watcher.config.schema import AccountModel, File, HintModel
from watcher.config.sink_model import AccountSinkModel
from watcher.config.target_model import TargetModel
from watcher.config.tree import Items, Keys, Place, Text, is_null
from watcher.core import settings

Owner = TargetModel | AccountSinkModel | DiscoverModel | HintModel
"""What belongs to an account: each can name one by its key `account`."""

DEFAULT = "default"
REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")


@dataclass(frozen=True, slots=True)
class Environment:
    """What the meaning of a configuration depends on in addition to its text."""

    environ: Mapping[str, str]
    """The values of variables, and the ambient region."""
    profile_region: Callable[[str | None], str | None]
    """Returns the region of an AWS profile (None: the ambient one), or raises LookupError if there is no such profile.

    It is called only if nothing else names a region.
    """
    now: datetime
    """The time that ages are subtracted from."""


def ambient_region(environment: Environment, profile: str | None) -> str | None:
    """Return the region of the environment, else of `profile` (None: the ambient one); None: neither has one.

    Raises:
        ValueError: the variable is not a region.
        LookupError: the profile is unreadable, or its region is not valid.
    """
    for variable in REGION_VARIABLES:
        if region := environment.environ.get(variable):
            if not is_region(region):
                raise ValueError(f"{variable} must be set to a valid region name (example: us-east-1)")
            return region
    region = environment.profile_region(profile)
    if region and not is_region(region):
        raise LookupError(f"has the region {region!r}, which is not a valid name")
    return region or None


class Accounts:
    """The accounts of one file; a region is looked for only when a target or a sink needs it."""

    def __init__(self, file: File, written: Keys, environment: Environment, faults: Faults) -> None:
        """Report the faults among the accounts themselves."""
        self._rate_limit = file.rate_limit
        self._environment = environment
        self._faults = faults
        self._sound: dict[str, AccountModel] = {}
        self._regions: dict[str, tuple[str, ...]] = {}
        for account in file.accounts:
            self._sound.setdefault(account.name, account)
            for index, region in enumerate(account.regions):
                if region in account.regions[:index]:
                    faults.report(account.place("regions", index), "this region is already listed")
        self._names = _names_written(written)
        if not written.holds("accounts"):  # nothing in the file to validate: one account, with the ambient credentials
            self._sound[DEFAULT] = AccountModel.model_construct(name=DEFAULT)

    def every(self) -> list[AccountModel]:
        """Return the accounts in which there is no fault."""
        return [*self._sound.values()]

    def of(self, owner: Owner) -> AccountModel | None:
        """Return the account of `owner`; None if a fault is reported, here or at the account."""
        names = self._names
        if owner.account is not None:
            if names is not None and owner.account not in names:
                name = owner.written("account")
                instead = choice(name, [known.written for known in names])
                message = f"there is no account {quoted(name, ends_clause=True)}; {instead}"
                self._faults.report(owner.place("account"), message)
            return self._sound.get(owner.account)
        if names is None:
            return None
        if len(set(names)) == 1:
            return self._sound.get(names[0])
        if DEFAULT not in names:
            several = ", ".join(dict.fromkeys(name.written for name in names))
            self._faults.report(owner.place(), f"`account` is missing, and there are several; choose from {several}")
        return self._sound.get(DEFAULT)

    def regions(self, account: AccountModel, owner: Owner) -> tuple[str, ...]:
        """Return the regions of `account` for `owner`; empty if a fault is reported."""
        if account.name not in self._regions:
            listed = tuple(dict.fromkeys(account.regions))
            self._regions[account.name] = listed or self._ambient_region(account, owner)
        return self._regions[account.name]

    def completed(self) -> dict[str, settings.Account]:
        """Return the settings of every account without faults."""
        completed = {}
        for name, account in self._sound.items():
            limits = self._rate_limit.model_dump() | account.rate_limit.model_dump(exclude_none=True)
            own = account.model_dump(exclude={"regions", "rate_limit"})
            regions = self._regions.get(name, tuple(account.regions))
            completed[name] = settings.Account(**own, regions=regions, rate_limit=settings.RateLimit(**limits))
        return completed

    def _ambient_region(self, account: AccountModel, owner: Owner) -> tuple[str, ...]:
        """The ambient region; faults are reported at the account, or at `owner` if the account is not in the file."""
        place = account.place() if account.is_written else owner.place()
        try:
            region = ambient_region(self._environment, account.profile)
        except ValueError as error:
            self._faults.report(place, str(error))
            return ()
        except LookupError as error:
            whose = f"the AWS profile {quoted(account.written('profile'))}" if account.profile else "the AWS profile"
            self._faults.report(account.place("profile") if account.profile else place, f"{whose} {error}")
            return ()
        if region:
            return (region,)
        where = "`regions` to the account" if account.is_written else owner.region_key
        self._faults.report(place, f"no region is known; add {where}, or set AWS_REGION")
        return ()


def _names_written(written: Keys) -> list[Text] | None:
    """The names of all accounts, wrong ones included; None if some are unknown."""
    if not written.holds("accounts"):
        return [Text(DEFAULT, Place(1, 1, ""))]
    accounts = written["accounts"]
    if not isinstance(accounts, Items):
        return None
    names = [account.get("name") if isinstance(account, Keys) else None for account in accounts]
    sound = [name for name in names if isinstance(name, Text) and name and not name.broken and not is_null(name)]
    return sound if len(sound) == len(names) else None
