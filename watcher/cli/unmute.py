"""`unmute`: ends a mute early."""

import click

from watcher.cli.options import by_option, config_option, examples, load_config, print_note
from watcher.cli.running import liveness_of, opened, run_to_end
from watcher.core.by_hand import HandMute
from watcher.core.model import for_people
from watcher.core.settings import Config
from watcher.errors import UsageError
from watcher.stores import outbox_for
from watcher.util.clock import SystemClock
from watcher.util.redaction import printable


@click.command(epilog=examples("watcher unmute 3f9a1c2e"))
@config_option
@click.argument("mute_id", metavar="ID")
@by_option
def unmute(config: str | None, mute_id: str, by: str) -> int:
    """End a mute early; `watcher mutes` shows the ids.

    The latest event of each problem that it held back, and that still holds, is sent within seconds.
    """
    ended = run_to_end(_end(load_config(config), mute_id, by))
    print_note(f"ended the mute {ended.id}, which would have lasted until {for_people(ended.until)}")
    return 0


async def _end(settings: Config, mute_id: str, by: str) -> HandMute:
    async with opened(outbox_for(settings.state)) as outbox:
        await liveness_of(outbox, settings.state)
        ended = await outbox.end_mute(mute_id, SystemClock().now(), by)
        if ended is None:
            past = next((each for each in (await outbox.by_hand()).mutes if each.id == mute_id), None)
            over = f"the mute {printable(mute_id)} ended at {for_people(past.ends)}" if past else ""
            raise UsageError(over or f"there is no mute with the ID {printable(mute_id)}; see `watcher mutes`")
    return ended
