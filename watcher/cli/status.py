"""`check` and `status`: what AWS says now, and what was last known."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from watcher.cli.options import config_option, json_option, liveness_of, load_config, opened, verbose_option

if TYPE_CHECKING:
    from watcher.core.liveness import Liveness


@click.command(
    epilog="\b\nExamples:\n  watcher check\n  watcher check --json | jq '.targets[] | select(.result != \"ok\")'"
)
@config_option
@json_option
@verbose_option
def check(config: str | None, *, as_json: bool, verbose: bool) -> int:
    """Poll every target once and say how it is.

    The exit code is the worst of them: 0 all well, 1 warning (stalled), 2 critical (a sync failed), 3 unknown (a target
    could not be read); 2 beats 3 beats 1. State and events are not touched.
    """
    from watcher.cli.output import print_json, print_targets  # noqa: PLC0415  the same
    from watcher.cli.output.check import check_rows, finding_to_json  # noqa: PLC0415  the same
    from watcher.observability import logs  # noqa: PLC0415  --help needs none of these
    from watcher.polling.check import check as look_at_all  # noqa: PLC0415  the same
    from watcher.polling.check import worst  # noqa: PLC0415  the same

    logs.set_up(verbose=verbose)
    settings = load_config(config)
    now = datetime.now(UTC)
    findings = asyncio.run(look_at_all(settings, now))
    result = worst(finding.result for finding in findings)
    if as_json:
        print_json({"result": result.name.lower(), "targets": [finding_to_json(finding) for finding in findings]})
    else:
        print_targets(check_rows(findings), now)
    return int(result)


@click.command(epilog="\b\nExamples:\n  watcher status\n  watcher status --json")
@config_option
@json_option
def status(config: str | None, *, as_json: bool) -> int:
    """Show the last known state of every target, from the state store, with no AWS call.

    The first line shows when a daemon last updated that state. A warning on stderr says that no daemon does any more.
    """
    from watcher.cli.output import print_json, print_targets, record_to_json, status_rows  # noqa: PLC0415  the same
    from watcher.cli.output.console import ago  # noqa: PLC0415  the same
    from watcher.core.model import for_people, rfc3339  # noqa: PLC0415  --help needs none of these
    from watcher.stores import reader_for  # noqa: PLC0415  the same

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
