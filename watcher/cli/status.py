"""`status`: the last known state of every target."""

from collections.abc import Mapping
from typing import Any

import click

from watcher.cli.options import config_option, examples, json_option, load_config
from watcher.cli.output.console import print_json
from watcher.cli.output.targets import print_targets, record_to_json, status_rows
from watcher.cli.running import liveness_of, opened, run_to_end
from watcher.core.by_hand import ByHand
from watcher.core.discovery import discovered
from watcher.core.listings import Listing, ListingKey
from watcher.core.model import for_people, rfc3339
from watcher.core.status import Liveness
from watcher.stores import reader_for
from watcher.util.units import ago


@click.command(epilog=examples("watcher status", "watcher status --json"))
@config_option
@json_option
def status(config: str | None, *, as_json: bool) -> int:
    """Show the last known state of every target, without calling AWS.

    The state is read from the state store. The first line says when a daemon last updated it; if that is long ago,
    there is a warning on stderr.
    """
    settings = load_config(config)

    async def read() -> tuple[dict[str, Any], Mapping[ListingKey, Listing], ByHand, Liveness]:
        async with opened(reader_for(settings.state)) as reader:
            return (
                await reader.records(),
                await reader.listings(),
                await reader.by_hand(),
                await liveness_of(reader, settings.state),
            )

    records, listings, hand, liveness = run_to_end(read())
    settings = discovered(settings, listings)
    as_of, now = liveness.as_of, liveness.now
    if as_json:
        endpoints = [str(key) for key in settings.endpoints]
        print_json(
            {
                "as_of": None if as_of is None else rfc3339(as_of),
                "daemon_silent": liveness.silent,
                "targets": [record_to_json(target, records.get(target.id), hand) for target in settings.targets],
                "unreadable_endpoints": [key for key in endpoints if key in records and records[key].outage],
            }
        )
    else:
        age = "" if as_of is None else f"; as of {for_people(as_of)} ({ago(as_of, now)} ago)"
        print_targets(status_rows(settings, records, now, hand), now, age)
    return 0
