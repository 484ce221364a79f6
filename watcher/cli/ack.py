"""`ack`: somebody attends to an incident."""

from collections.abc import Sequence

import click

from watcher.cli.options import by_option, config_option, examples, given, load_config
from watcher.cli.running import liveness_of, opened, run_to_end
from watcher.core.by_hand import Acknowledgement
from watcher.core.hand_requests import incident_ids, new_acknowledgements, read_targets, read_text
from watcher.core.settings import Config
from watcher.errors import UsageError
from watcher.stores import outbox_for
from watcher.util.clock import SystemClock
from watcher.util.redaction import printable

NAMED = 5
"""The most subjects of open incidents that a message names."""


@click.command(
    epilog=examples(
        "watcher ack 1f3b0c3e9d1c4a6f8f5b7a9c0d2e4f61",
        "watcher ack 'prod/*/stack/shop-*' --by ada --note 'I look into it'",
    )
)
@config_option
@click.argument("what", metavar="ID-OR-GLOB")
@by_option
@click.option("--note", metavar="TEXT", help="A note for others.")
def ack(config: str | None, what: str, by: str, note: str | None) -> int:
    """Acknowledge open incidents: no reminders of them are sent until they end.

    ID is that of an incident, or of one of its events; a GLOB is one of the ids of targets and endpoints. New problems
    and the end of the incident are sent as before. Prints the targets and endpoints whose incident is acknowledged.
    """
    note_read = None if note is None else given("--note", read_text, note)
    (wanted,) = given("ID-OR-GLOB", read_targets, [what])
    for each in run_to_end(_acknowledge(load_config(config), wanted, by, note_read)):
        click.echo(printable(each.subject))
    return 0


async def _acknowledge(settings: Config, what: str, by: str, note: str | None) -> Sequence[Acknowledgement]:
    async with opened(outbox_for(settings.state)) as outbox:
        await liveness_of(outbox, settings.state)
        events = [event for _, event in await outbox.find(what)]
        ids = {what, *incident_ids(events)}
        records = await outbox.records()
        found = new_acknowledgements(records, ids, what, by, note, SystemClock().now())
        if not found:
            still_open = sorted(subject for subject, record in records.items() if record.incident)
            raise UsageError(_why_none(what, still_open, of_event=bool(events)))
        await outbox.acknowledge(found)
    return found


def _why_none(what: str, still_open: Sequence[str], *, of_event: bool) -> str:
    if of_event:
        return f"the event {printable(what)} belongs to no open incident; `watcher status` shows those that are open"
    if not still_open:
        return "there is no open incident"
    shown = ", ".join([*map(printable, still_open[:NAMED]), *(["…"] if len(still_open) > NAMED else [])])
    return f"no open incident has the ID {printable(what)} or a subject that matches it; those that are open: {shown}"
