"""Takes up another configuration while the daemon runs: when it is asked to, and when the text has changed.

The text itself is looked at, since bind mounts and network disks tell nothing of changes. It is read and checked whole,
off the loop, before anything is touched: a wrong one changes nothing. A changed one is taken up when it was the same
twice, so that one that is still being written is not.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from watcher.errors import ConfigError, ServiceUnreachable
from watcher.util.threads import off_loop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from watcher.config.document import Document
    from watcher.core.ports import Clock
    from watcher.core.settings import Config

log = structlog.get_logger()

LOOK_EVERY = 2.0
"""Seconds between looks at the text."""

READING = 30.0
"""Seconds that reading it may take: a network disk may hang."""

SHOWN = 20
"""Faults that are kept at most; `watcher validate` tells all."""


@dataclass(frozen=True, slots=True)
class ReloadStatus:
    """The configuration that is in force, and what became of the last try to load another."""

    at: datetime
    """When the one in force was taken up."""
    tried: datetime
    """When one was last read that differed."""
    faults: tuple[str, ...] = ()
    """What was wrong with that one, which was therefore left alone; empty: it is in force."""
    restart_for: tuple[str, ...] = ()
    """Keys whose new values hold only from the next start on."""
    successes: int = 0
    failures: int = 0
    """How often another one was taken up, or left alone, in this run."""


class Reload:
    """Watches where the configuration came from."""

    def __init__(
        self,
        locate: Callable[[], Document],
        parse: Callable[[Document], Config],
        apply: Callable[[Config], Awaitable[tuple[str, ...]]],
        tell: Callable[[ReloadStatus], None],
        clock: Clock,
    ) -> None:
        """Nothing is looked at before `run`.

        Args:
            locate: finds the text; raises ConfigError when there is none.
            parse: what the text means; raises ConfigError with every fault.
            apply: takes a configuration up; returns the keys that need a restart; raises ServiceUnreachable, before
                anything has changed, when an address cannot be had.
            tell: is told what became of it.
            clock: what time it is.
        """
        self._locate = locate
        self._parse = parse
        self._apply = apply
        self._tell = tell
        self._clock = clock
        self._loaded = ReloadStatus(clock.now(), clock.now())
        self._asked = asyncio.Event()
        self._looking: asyncio.Future[Document] | None = None

    def ask(self) -> None:
        """Read it now, also if it has not changed."""
        self._asked.set()

    async def run(self, current: Document | None) -> None:
        """Look for ever; `current` is the text in force."""
        handled: Document | str | None = current
        before: Document | str | None = current
        while True:
            asked = await self._wait()
            seen = await self._look()
            if asked or (seen != handled and seen == before):
                handled = seen
                await self._take_up(seen)
            before = seen

    async def _wait(self) -> bool:
        """Until it is time to look; whether that was asked for."""
        try:
            async with asyncio.timeout(LOOK_EVERY):
                await self._asked.wait()
        except TimeoutError:
            return False
        self._asked.clear()
        return True

    async def _look(self) -> Document | str:
        """The text as it is now, or why it cannot be had."""
        # A look that hangs is waited for again: beginning another each time would end with no thread left.
        if self._looking is None:
            self._looking = off_loop(self._locate, "configuration")
        try:
            async with asyncio.timeout(READING):
                found: Document | str = await asyncio.shield(self._looking)
        except TimeoutError:
            return f"the configuration could not be read within {READING:g} s; does its disk answer?"
        except ConfigError as error:
            found = str(error)
        except Exception as error:  # noqa: BLE001  whatever the system says, the watch goes on
            found = f"the configuration could not be read: {error}"
        self._looking = None
        return found

    async def _take_up(self, seen: Document | str) -> None:
        try:
            if isinstance(seen, str):
                self._reject(seen.splitlines())
                return
            async with asyncio.timeout(READING):
                config = await off_loop(lambda: self._parse(seen), "configuration")
            restart_for = await self._apply(config)
        except ConfigError as error:
            self._reject([str(fault) for fault in error.faults])
        except ServiceUnreachable as error:
            self._reject([str(error)])
        except TimeoutError:
            self._reject([f"the configuration could not be checked within {READING:g} s; is it very large?"])
        except Exception as error:  # a bug in reading must not end the watch
            log.exception("config.crashed")
            self._reject([f"a bug: {type(error).__name__}"])
        else:
            now = self._clock.now()
            self._loaded = ReloadStatus(now, now, (), restart_for, self._loaded.successes + 1, self._loaded.failures)
            self._tell(self._loaded)

    def _reject(self, faults: list[str]) -> None:
        """Say what is wrong, and leave everything as it is."""
        more = [f"and {len(faults) - SHOWN} more; `watcher validate` tells all"] if len(faults) > SHOWN else []
        shown = (*faults[:SHOWN], *more)
        log.error("config.rejected", faults=shown, consequence="the previous configuration stays in force")
        failures = self._loaded.failures + 1
        self._loaded = replace(self._loaded, tried=self._clock.now(), faults=shown, failures=failures)
        self._tell(self._loaded)
