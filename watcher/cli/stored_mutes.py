"""Reads the mutes that people have made, for commands that also work without a state."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from watcher.cli.options import print_note
from watcher.cli.running import opened, run_to_end
from watcher.core.by_hand import NOTHING_BY_HAND, ByHand
from watcher.core.settings import Config
from watcher.core.state_url import SQLITE
from watcher.errors import StoreError
from watcher.stores import reader_for
from watcher.util.redaction import printable, redact

READ_SECONDS = 10.0
"""How long the store may take."""


def stored_mutes(settings: Config) -> ByHand:
    """Return what people have set by hand in the store; nothing, with a note, if it cannot be read."""
    if settings.state.startswith(SQLITE) and not Path(settings.state.removeprefix(SQLITE)).exists():
        return NOTHING_BY_HAND
    try:
        return run_to_end(_read(settings))
    except (StoreError, TimeoutError) as error:
        why = str(error) or f"the state did not respond within {READ_SECONDS:g} s"
        print_note(f"mutes made by `watcher mute` are not considered: {printable(redact(why))}")
        return NOTHING_BY_HAND


async def _read(settings: Config) -> ByHand:
    async with asyncio.timeout(READ_SECONDS), opened(reader_for(settings.state)) as reader:
        return await reader.by_hand(datetime.now(UTC))
