"""Reloads the configuration on request and when its text has changed, and compares it with the one in force.

The text itself is compared, since bind mounts and network disks do not report changes. It is read and checked as a
whole, off the loop, before anything changes: a configuration with faults has no effect. A changed file is loaded once
it was the same twice, so that one that is still being written is not. What cannot be read is reported the second time.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from watcher.config.document import Document
from watcher.config.source import Source
from watcher.core.ports import Clock
from watcher.core.settings import Config, RateLimit
from watcher.core.sink_settings import SinkSettings
from watcher.errors import ConfigError, ServiceUnreachable
from watcher.util.threads import off_loop

log = structlog.get_logger()

MAX_PARSE_SECONDS = 30.0
"""The time limit of checking a text."""

MAX_FAULTS = 20
"""The number of faults that are kept; `watcher validate` shows all."""

AT_START = ("state", "tracing")
"""Keys that are only read at the start."""


@dataclass(frozen=True, slots=True)
class ReloadStatus:
    """The configuration in force, and the result of the last try to load another."""

    at: datetime
    """When the configuration in force was loaded."""
    tried: datetime
    """When a different configuration was last read."""
    faults: tuple[str, ...] = ()
    """The faults of that configuration; empty: it is in force."""
    restart_for: tuple[str, ...] = ()
    """Keys whose new values apply only after a restart."""
    kept_at: datetime | None = None
    """When the configuration in force was kept, if it is a copy that was used because its source did not answer."""
    successes: int = 0
    failures: int = 0
    """How many reloads succeeded and failed in this run."""


@dataclass(eq=False)
class Reloader:
    """Watches the text of the configuration; nothing is read before `run`."""

    source: Source
    """Where the text is read from."""
    parse: Callable[[Document], Config]
    """Returns the settings of a text; raises ConfigError with every fault."""
    apply: Callable[[Config], Awaitable[tuple[str, ...]]]
    """Puts settings into force and returns the keys that need a restart.

    Raises ServiceUnreachable, before anything has changed, if it cannot listen at an address.
    """
    report: Callable[[ReloadStatus], None]
    """Receives the result of each reload."""
    clock: Clock
    loaded: Callable[[Document], None] = lambda _: None
    """Receives each text that was put into force."""

    def __post_init__(self) -> None:
        self._loaded = ReloadStatus(self.clock.now(), self.clock.now())
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Reload now, even if the text has not changed."""
        self.source.forget()
        self._asked.set()

    async def run(self, current: Document | None, fault: str = "", kept_at: datetime | None = None) -> None:
        """Watch until cancelled; `current` is the text in force.

        `fault`: why it is not what the source has, but a copy that was `kept_at` an earlier time.
        """
        handled: Document | str | None = fault or current
        before: Document | str | None = handled
        if kept_at is not None:
            self._loaded = replace(self._loaded, faults=(fault,), kept_at=kept_at)
            self.report(self._loaded)
        try:
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self.source.pause):
                        await self._asked.wait()
                asked = self._asked.is_set()
                self._asked.clear()
                seen = await self._read()
                settled = seen == before or (self.source.whole and isinstance(seen, Document))
                if asked or (seen != handled and settled):
                    handled = seen
                    await self._load(seen)
                before = seen
        finally:
            await self.source.close()

    async def _read(self) -> Document | str:
        """Return the text as it is now, or why it is unreadable."""
        try:
            return await self.source.read()
        except (ConfigError, ServiceUnreachable) as error:
            return str(error)
        except Exception as error:  # noqa: BLE001  no error of the system may end the watch
            return f"the configuration could not be read: {error}"

    async def _load(self, seen: Document | str) -> None:
        try:
            if isinstance(seen, str):
                self._reject(seen.splitlines())
                return
            async with asyncio.timeout(MAX_PARSE_SECONDS):
                config = await off_loop(lambda: self.parse(seen), "configuration")
            restart_for = await self.apply(config)
        except ConfigError as error:
            self._reject([str(fault) for fault in error.faults])
        except ServiceUnreachable as error:
            self._reject([str(error)])
        except TimeoutError:
            self._reject([f"the configuration could not be checked within {MAX_PARSE_SECONDS:g} s; is it very large?"])
        except Exception as error:  # a bug in reading must not end the watch
            log.exception("config.crashed")
            self._reject([f"a bug: {type(error).__name__}"])
        else:
            now = self.clock.now()
            successes, failures = self._loaded.successes + 1, self._loaded.failures
            self._loaded = ReloadStatus(now, now, (), restart_for, None, successes, failures)
            self.report(self._loaded)
            self.loaded(seen)

    def _reject(self, faults: list[str]) -> None:
        """Log and keep the faults; nothing else changes."""
        shown = tuple(faults[:MAX_FAULTS])
        if more := faults[MAX_FAULTS:]:
            shown += (f"and {len(more)} more; `watcher validate` shows all",)
        log.error("config.rejected", faults=shown, consequence="the previous configuration stays in force")
        failures = self._loaded.failures + 1
        self._loaded = replace(self._loaded, tried=self.clock.now(), faults=shown, failures=failures)
        self.report(self._loaded)


@dataclass(frozen=True, slots=True)
class Difference:
    """What a new configuration changes; everything else goes on."""

    forgotten: tuple[str, ...]
    """The subjects of targets and endpoints that are no longer watched."""
    new_targets: int
    changed_targets: int
    leaving_sinks: frozenset[str]
    """Sinks that are removed or replaced."""
    coming_sinks: tuple[SinkSettings, ...]
    """Sinks that are added or replaced."""
    restart_for: tuple[str, ...]
    """Keys whose new values apply only after a restart."""


def difference(old: Config, new: Config) -> Difference:
    """Return what changes when `new` replaces `old`.

    A sink is replaced only if what it is built from changes; its routing and `give_up_after` are not part of that.
    """
    had, has = old.targets_by_id, new.targets_by_id
    before, after = ({sink.name: _built_from(sink) for sink in config.sinks} for config in (old, new))
    return Difference(
        forgotten=tuple(sorted(old.subjects - new.subjects)),
        new_targets=len(has.keys() - had.keys()),
        changed_targets=sum(has[each] != had[each] for each in has.keys() & had.keys()),
        leaving_sinks=frozenset(name for name, built in before.items() if after.get(name) != built),
        coming_sinks=tuple(sink for sink in new.sinks if before.get(sink.name) != after[sink.name]),
        restart_for=tuple(key for key in AT_START if getattr(old, key) != getattr(new, key)),
    )


def _built_from(sink: SinkSettings) -> tuple[object, ...]:
    """What a sink is built from, in a form that can be compared."""
    # An account's rate and regions concern targets alone.
    account = sink.account and replace(sink.account, regions=(), rate_limit=RateLimit())
    return sink.type, sink.region, account, sink.options.built_from()
