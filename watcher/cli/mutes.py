"""`mutes`: what `mute` has made."""

from datetime import UTC, datetime

import click
from rich.text import Text

from watcher.cli.options import config_option, examples, json_option, load_config, print_note
from watcher.cli.output.console import WARNING, Table, print_json, print_table
from watcher.cli.running import opened, run_to_end
from watcher.core.by_hand import HandMute, mute_to_json
from watcher.core.model import for_people
from watcher.core.settings import Config
from watcher.stores import reader_for
from watcher.util.redaction import printable, redact


@click.command(epilog=examples("watcher mutes", "watcher mutes --all --json"))
@config_option
@click.option("--all", "past", is_flag=True, help="Also show mutes that have ended; kept for `state_retention`.")
@json_option
def mutes(config: str | None, *, past: bool, as_json: bool) -> int:
    """Show the active mutes that `watcher mute`, the page or the API made, the newest first.

    Those of the configuration are in its section `mute`.
    """
    now = datetime.now(UTC)
    found = run_to_end(_read(load_config(config), None if past else now))
    if as_json:
        print_json([{**mute_to_json(mute), "active": mute.active(now)} for mute in found])
    elif found:
        print_table(_table(found, now))
    else:
        print_note("there are no mutes" if past else "there are no active mutes")
    return 0


async def _read(settings: Config, now: datetime | None) -> list[HandMute]:
    async with opened(reader_for(settings.state)) as reader:
        return [*reversed((await reader.by_hand(now)).mutes)]


def _table(found: list[HandMute], now: datetime) -> Table:
    table = Table("ID", "TARGETS", "EVENTS", "UNTIL", "BY", "REASON", fold=("TARGETS", "EVENTS", "BY", "REASON"))
    for mute in found:
        until = Text(for_people(mute.ends), WARNING if mute.active(now) else "dim")
        by = mute.by if mute.ended_by is None else f"{mute.by}; ended by {mute.ended_by}"
        texts = (", ".join(mute.targets), ", ".join(mute.events) or "all", by, mute.reason)
        targets, events, by, reason = (printable(redact(text)) for text in texts)
        table.add_row(mute.id, targets, events, until, by, reason)
    return table
