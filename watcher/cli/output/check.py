"""What `check` tells. Apart from the rest, since those who only look need nothing of what makes a poll."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from watcher.cli.output.targets import Row
from watcher.core.events import target_to_json
from watcher.core.state import attempt_to_json
from watcher.core.status import Status, last_failure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watcher.polling.check import Finding


def check_rows(findings: Sequence[Finding]) -> list[Row]:
    """What `check` shows."""
    return [_row(finding) for finding in findings]


def _row(finding: Finding) -> Row:
    error, attempt = finding.error, None if finding.snapshot is None else finding.snapshot.latest
    note = last_failure(attempt) if error is None else f"{error.code}: {error.message}"
    return Row(finding.target, finding.standing, attempt, note)


def finding_to_json(finding: Finding) -> dict[str, Any]:
    """What `check --json` shows of a target."""
    latest = None if finding.snapshot is None else finding.snapshot.latest
    error = finding.error
    return {
        "target": target_to_json(finding.target),
        "result": finding.result.name.lower(),
        "status": latest.status if latest else None,
        "stalled": finding.standing is Status.STALLED,
        "attempt": None if latest is None else attempt_to_json(latest),
        "error": None if error is None else {"code": error.code, "message": error.message},
    }
