"""`check`: one poll of every target, with an exit code for monitoring systems."""

import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import click

from watcher.cli.options import config_option, examples, json_option, load_config, print_note, verbose_option
from watcher.cli.output.console import print_json
from watcher.cli.output.targets import Row, about_connection, failure_to_json, print_absent, print_targets
from watcher.cli.running import run_to_end
from watcher.core.events import target_to_json
from watcher.core.state_json import attempt_to_json, blocker_to_json
from watcher.core.status import Status, reason_of
from watcher.messages.phrases import counted
from watcher.observability import logs
from watcher.polling.check import Finding, check_all
from watcher.util.redaction import printable

CLEARED = "\r\x1b[K"
"""Clears the line of the progress."""


@click.command(epilog=examples("watcher check", "watcher check --json | jq '.targets[] | select(.result != \"ok\")'"))
@config_option
@json_option
@verbose_option
def check(config: str | None, *, as_json: bool, verbose: bool) -> int:
    """Poll every target once and show its status.

    Finds the targets of the `discover` rules first. The exit code is that of the worst target, in this order:
    2 critical (its sync failed), 3 unknown (its status could not be read, or a listing failed), 1 warning (its sync is
    stalled or blocked, or a connection is not available), 0 ok. The state store is not used, and no event is recorded
    or sent.
    """
    logs.set_up(verbose=verbose)
    settings = load_config(config)
    now = datetime.now(UTC)
    # On a terminal somebody waits: at five calls a second, a thousand targets take more than three minutes.
    shows_progress = sys.stderr.isatty() and not verbose and not as_json
    try:
        checked = run_to_end(check_all(settings, now, _show_progress if shows_progress else None))
    finally:
        if shows_progress:
            click.echo(CLEARED, nl=False, err=True)
    if as_json:
        print_json(
            {
                "result": checked.result.name.lower(),
                "targets": [finding_to_json(finding) for finding in checked.findings],
                "failed_listings": [failure_to_json(key, error) for key, error in checked.failed.items()],
            }
        )
    else:
        print_targets(check_rows(checked.findings), now)
    print_absent(checked.absent)
    for key, error in checked.failed.items():
        print_note(printable(f"{key} could not be listed, so its targets are not known: {error}"))
    return int(checked.result)


def _show_progress(done: int, of: int) -> None:
    click.echo(f"\r{done} of {counted(of, 'target')} polled", nl=False, err=True)


def check_rows(findings: Iterable[Finding]) -> list[Row]:
    """Return a row for each finding."""
    rows = []
    for finding in findings:
        error, attempt = finding.error, finding.snapshot.latest if finding.snapshot else None
        status = finding.status_of_connection
        wrong = about_connection(finding.target, status) if status else reason_of(attempt, finding.blockers)
        note = f"{error.code}: {error.message}" if error else wrong
        rows.append(Row(finding.target, finding.status, attempt, note, status))
    return rows


def finding_to_json(finding: Finding) -> dict[str, Any]:
    """Return a finding as `check --json` prints it."""
    error, latest = finding.error, finding.snapshot.latest if finding.snapshot else None
    return {
        "target": target_to_json(finding.target),
        "result": finding.result.name.lower(),
        "status": latest.status if latest else finding.status_of_connection or None,
        "stalled": finding.status is Status.STALLED,
        "blockers": [blocker_to_json(blocker) for blocker in finding.blockers],
        "attempt": latest and attempt_to_json(latest),
        "error": error and {"code": error.code, "message": error.message},
    }
