"""`discover`: what accounts have, as YAML for the configuration."""

import os
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from itertools import product

import click

from watcher.aws.profiles import botocore_profile_region
from watcher.aws.service_models import is_region
from watcher.cli.options import config_option, examples, load_config, print_note
from watcher.cli.output.console import print_json
from watcher.cli.output.discovered import Discovered, discovered_yaml
from watcher.cli.output.targets import failure_to_json, print_absent
from watcher.cli.running import run_to_end
from watcher.config.accounts import Environment, ambient_region
from watcher.core.listings import ListingKey
from watcher.core.settings import Account, Config, ListingPlan
from watcher.errors import ServiceUnreachable, UsageError
from watcher.messages.phrases import counted
from watcher.polling.one_shot import Listed, endpoints_of, list_once
from watcher.sources import KINDS
from watcher.util.redaction import printable

CALL_SECONDS = 10.0
"""The time limit of one call."""

_NAMES = tuple(dict.fromkeys(kind.name for kind in KINDS.values() if kind.listing))


@click.command(epilog=examples("watcher discover > watcher.yaml", "watcher discover --kind stack --region eu-west-1"))
@config_option
@click.option("--account", "accounts", metavar="NAME", multiple=True, help="Only this account. Default: all.")
@click.option("--region", "regions", metavar="REGION", multiple=True, help="Default: the regions of each account.")
@click.option("--kind", "kinds", type=click.Choice(_NAMES), multiple=True, help="Only this kind. Default: all.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of YAML.")
def discover(
    config: str | None, accounts: Collection[str], regions: Collection[str], kinds: Collection[str], *, as_json: bool
) -> int:
    """List what an account has, as YAML for the configuration.

    Targets that the configuration does not watch yet are marked by a comment. The configuration may be empty or
    missing; then the only account is that of the ambient credentials. --account, --region and --kind can be given
    several times. If a listing fails, the others are printed, and the exit code is 69; but an API that AWS does not
    offer in a region, or not any more, has nothing there, unless --kind asks for what only that API has.
    """
    settings = load_config(config, may_be_empty=True)
    plans = _plans(settings, accounts or settings.accounts, regions, kinds or _NAMES)
    listed = run_to_end(_list(settings, plans))
    absent = listed.absent(kinds)
    failed = {key: error for key, error in listed.failed.items() if key not in absent}
    watched = listed.watched_by(settings, datetime.now(UTC)).targets_by_id
    found = [
        Discovered(kind.target(key.account, key.region, dict(each.identity)), each.facts, watched)
        for key, targets in sorted(listed.found.items())
        for kind in [plans[key].kind]
        for each in sorted(targets, key=lambda each: each.identity)
    ]
    if as_json:
        failures = [failure_to_json(key, error) for key, error in failed.items()]
        targets = [each.to_json() for each in found]
        print_json({"targets": targets, "failed_listings": failures, "calls": listed.calls})
    else:
        click.echo(discovered_yaml(found, with_account=[*settings.accounts] != ["default"]), nl=False)
    print_absent(absent)
    for key, error in failed.items():
        print_note(printable(f"{key} could not be listed: {error}"))
    unwatched = sum(not each.is_watched for each in found)
    print_note(f"{len(found)} found, {unwatched} not watched, {counted(listed.calls, 'call')}")
    if not (found or failed):
        places = ", ".join(dict.fromkeys(f"{key.account}/{key.region}" for key in plans))
        print_note(printable(f"nothing was found in {places}; --region names other regions, and `accounts` in the "
                             "configuration other accounts"))  # fmt: skip
    return ServiceUnreachable.exit_code if failed else 0


async def _list(settings: Config, plans: Mapping[ListingKey, ListingPlan]) -> Listed:
    async with endpoints_of(settings) as endpoint_of:
        return await list_once(settings, plans, endpoint_of)


def _plans(
    settings: Config, accounts: Iterable[str], regions: Collection[str], kinds: Collection[str]
) -> dict[ListingKey, ListingPlan]:
    """Return the listings of these accounts (by name), regions (none: those of each account) and kinds.

    Raises:
        UsageError: there is no such account or region, or no region is known.
    """
    plans: dict[ListingKey, ListingPlan] = {}
    for region in regions:
        if not is_region(region):
            raise UsageError(f"{region!r} is not a valid region name (example: us-east-1)")
    for name in accounts:
        if name not in settings.accounts:
            raise UsageError(f"there is no account {name!r}; the accounts are: {', '.join(settings.accounts)}")
        for region, kind in product(regions or _regions(settings.accounts[name]), KINDS.values()):
            if kind.listing is not None and kind.name in kinds:
                plan = ListingPlan(kind, kind.listing, every=0.0, timeout=CALL_SECONDS)
                plans[ListingKey(name, region, str(kind))] = plan
    return plans


def _regions(account: Account) -> Collection[str]:
    if account.regions:
        return account.regions
    environment = Environment(os.environ, botocore_profile_region, datetime.now(UTC))
    try:
        region = ambient_region(environment, account.profile)
    except ValueError as error:
        raise UsageError(str(error)) from None
    except LookupError as error:
        raise UsageError(f"the AWS profile {error}") from None
    if region is None:
        raise UsageError("no region is known; name one with --region, or set AWS_REGION")
    return (region,)
