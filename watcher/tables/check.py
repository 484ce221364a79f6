"""What `check` tells. Apart from the rest, since those who only look need nothing of what makes a poll."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from watcher.check import Result
from watcher.events import target_to_json
from watcher.standing import last_failure
from watcher.state import attempt_to_json
from watcher.tables.screen import CRITICAL, GOOD, UNKNOWN, WARNING
from watcher.tables.targets import Row, targets_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from rich.table import Table

    from watcher.check import Finding

COLOURS = {Result.OK: GOOD, Result.WARNING: WARNING, Result.CRITICAL: CRITICAL, Result.UNKNOWN: UNKNOWN}


def check_table(findings: Sequence[Finding], now: datetime) -> Table:
    """What `check` shows."""
    rows = []
    for finding in findings:
        attempt = None if finding.snapshot is None else finding.snapshot.latest
        if finding.error is not None:
            status, note = "UNREADABLE", f"{finding.error.code}: {finding.error.message}"
        else:
            status, note = finding.status or "NEVER SYNCED", last_failure(attempt)
        since = None if attempt is None else attempt.started_at
        rows.append(Row(finding.target, status, COLOURS[finding.result], since, attempt, note))
    return targets_table(rows, "AGE", now)


def finding_to_json(finding: Finding) -> dict[str, Any]:
    """What `check --json` shows of a target."""
    latest = None if finding.snapshot is None else finding.snapshot.latest
    error = finding.error
    return {
        "target": target_to_json(finding.target),
        "result": finding.result.name.lower(),
        "status": latest.status if latest else None,
        "stalled": finding.result is Result.WARNING,
        "attempt": None if latest is None else attempt_to_json(latest),
        "error": None if error is None else {"code": error.code, "message": error.message},
    }
