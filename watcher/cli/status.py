"""`status`: what was last known of every target."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

from watcher.cli.configuration import load_config
from watcher.cli.options import config_option, json_option
from watcher.cli.output import print_json, print_targets, record_to_json, status_rows
from watcher.cli.output.console import ago
from watcher.cli.state_reading import liveness_of, opened
from watcher.core.model import for_people, rfc3339
from watcher.stores import reader_for

if TYPE_CHECKING:
    from watcher.core.liveness import Liveness


@click.command(epilog="\b\nExamples:\n  watcher status\n  watcher status --json")
@config_option
@json_option
def status(config: str | None, *, as_json: bool) -> int:
    """Show the last known state of every target, from the state store, with no AWS call.

    The first line shows when a daemon last updated that state. A warning on stderr says that no daemon does any more.
    """
    settings = load_config(config)

    async def look() -> tuple[dict[str, Any], Liveness]:
        async with opened(reader_for(settings.state)) as reader:
            return await reader.records(), await liveness_of(reader, settings.state)

    known, liveness = asyncio.run(look())
    as_of, now = liveness.as_of, liveness.now
    if as_json:
        blind = {str(key): known[str(key)].outage for key in settings.endpoints() if str(key) in known}
        print_json(
            {
                "as_of": None if as_of is None else rfc3339(as_of),
                "daemon_silent": liveness.silent,
                "targets": [record_to_json(target, known.get(target.id)) for target in settings.targets],
                "unreadable_endpoints": [subject for subject, outage in blind.items() if outage is not None],
            }
        )
    else:
        age = "" if as_of is None else f"; as of {for_people(as_of)} ({ago(as_of, now)} ago)"
        print_targets(status_rows(settings, known, now), now, age)
    return 0
