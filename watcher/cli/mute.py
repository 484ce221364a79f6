"""`mute`: holds events back for a time."""

from collections.abc import Sequence

import click

from watcher.cli.options import by_option, config_option, examples, given, load_config, print_note
from watcher.cli.running import liveness_of, opened, run_to_end
from watcher.core.by_hand import MAX_MUTES, HandMute
from watcher.core.digest import DIGEST_SUBJECT
from watcher.core.hand_requests import new_mute, read_events, read_length, read_targets, read_text
from watcher.core.model import for_people
from watcher.core.settings import Config
from watcher.errors import UsageError
from watcher.messages.phrases import counted
from watcher.stores import outbox_for
from watcher.util.clock import SystemClock
from watcher.util.globs import matches


@click.command(
    epilog=examples(
        "watcher mute 'prod/*' --for 2h --reason 'planned maintenance'",
        "watcher mute 'prod/*/stack/shop-*' --for 1d --events 'sync.stalled' --reason 'slow on purpose' --by ada",
    )
)
@config_option
@click.argument("globs", metavar="GLOB...", nargs=-1, required=True)
@click.option("--for", "length", metavar="DURATION", required=True, help="How long, such as 30m, 2h or 7d.")
@click.option("--reason", metavar="TEXT", required=True, help="Why; it is in each event that is held back.")
@click.option("--events", "events", metavar="GLOB", multiple=True,
              help="Only events of this type, such as sync.failed; can be repeated. Default: all.")  # fmt: skip
@by_option
def mute(config: str | None, globs: Sequence[str], length: str, reason: str, events: Sequence[str], by: str) -> int:
    """Hold back the events of targets and endpoints whose ids match a GLOB, and print the id of the mute.

    An id is a path such as default/us-east-1/stack/shop, and GLOB must match all of it: '*/stack/shop', 'default/*'.
    The events are recorded, but not sent. Every daemon that uses the state follows within five seconds. A problem that
    outlasts the mute is sent when it ends; the end of a problem that was sent before is sent at once.
    """
    made = new_mute(
        given("GLOB", read_targets, globs),
        given("--events", read_events, events),
        given("--for", read_length, length),
        given("--reason", read_text, reason),
        by,
        SystemClock().now(),
    )
    settings = load_config(config)
    matching = run_to_end(_add(settings, made))
    click.echo(made.id)
    print_note(f"it mutes {counted(matching, 'known id')} (targets and endpoints) until {for_people(made.until)}; "
               f"`watcher unmute {made.id}` ends it early")  # fmt: skip
    if not matching:
        print_note("a GLOB must match the whole of an id, such as default/us-east-1/stack/shop: write '*/stack/shop'")
    return 0


async def _add(settings: Config, made: HandMute) -> int:
    """Add the mute, and return how many known targets and endpoints it matches."""
    async with opened(outbox_for(settings.state)) as outbox:
        await liveness_of(outbox, settings.state)
        known = (settings.subjects | (await outbox.records()).keys()) - {DIGEST_SUBJECT}
        if not await outbox.add_mute(made):
            raise UsageError(f"there are {MAX_MUTES} active mutes already; end one with `watcher unmute ID`")
    return sum(any(matches(subject, glob) for glob in made.targets) for subject in known)
