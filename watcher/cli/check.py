"""`check`: what AWS says now of every target."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import click

from watcher.cli.configuration import load_config
from watcher.cli.options import config_option, json_option, verbose_option
from watcher.cli.output import print_json, print_targets
from watcher.cli.output.check import check_rows, finding_to_json
from watcher.observability import logs
from watcher.polling.check import check as look_at_all
from watcher.polling.check import worst


@click.command(
    epilog="\b\nExamples:\n  watcher check\n  watcher check --json | jq '.targets[] | select(.result != \"ok\")'"
)
@config_option
@json_option
@verbose_option
def check(config: str | None, *, as_json: bool, verbose: bool) -> int:
    """Poll every target once and show its status.

    The exit code is the worst of them: 0 all well, 1 warning (stalled), 2 critical (a sync failed), 3 unknown (a target
    could not be read); 2 beats 3 beats 1. State and events are not touched.
    """
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
