"""`report`: how syncs went, in figures."""

from datetime import UTC, datetime, timedelta

import click

from watcher.cli.options import config_option, duration_option, examples, given, json_option, load_config, print_note
from watcher.cli.output.console import print_json
from watcher.cli.output.report import print_csv, print_report
from watcher.cli.running import liveness_of, opened, run_to_end
from watcher.core.history import RETENTION_SECONDS
from watcher.core.report import Grouping, GroupReport, Report, group_to_json, grouping
from watcher.stores import reader_for
from watcher.util.units import format_duration


@click.command(epilog=examples("watcher report --since 90d --by label:team", "watcher report --csv > syncs.csv"))
@config_option
@duration_option(
    "--since", "since", "Only what happened within this time, such as 7d. Default: 30d; at most 400d are kept."
)
@click.option("--by", "group_of", metavar="target|label:KEY", default="target", show_default=True,
              callback=lambda _, __, value: given("--by", grouping, value),
              help="A line for each target, or for each value of a label.")  # fmt: skip
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV instead of a table.")
def report(config: str | None, since: float | None, group_of: Grouping, *, as_json: bool, as_csv: bool) -> int:
    """Show how syncs went: how many failed, how long they took, and how long incidents lasted.

    Syncs count that started within the time and have ended, and incidents that ended within it; the last column also
    counts incidents that are still open, up to now. Labels are those that a target had at the time.
    """
    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other; give one of them")
    seconds = 30 * 86400.0 if since is None else since
    if seconds > RETENTION_SECONDS:
        print_note(f"the history is kept for {format_duration(RETENTION_SECONDS)}; what is older is not counted")
    groups = run_to_end(_report(load_config(config).state, seconds, group_of))
    if as_json:
        print_json([*map(group_to_json, groups)])
    elif as_csv:
        print_csv(groups)
    elif groups:
        print_report(groups)
    else:
        print_note("no sync and no incident has ended within this time")
    return 0


async def _report(state: str, seconds: float, group_of: Grouping) -> list[GroupReport]:
    found = Report(group_of)
    async with opened(reader_for(state)) as reader:
        await liveness_of(reader, state)
        now = datetime.now(UTC)
        async for row in reader.history(now - timedelta(seconds=seconds)):
            found.add(row)
        for subject, record in (await reader.records()).items():
            if record.incident is not None:
                found.add_open(subject, record.incident, now)
    return found.groups()
