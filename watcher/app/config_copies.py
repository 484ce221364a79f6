"""Starts with the last good configuration while the place in AWS that it is read from does not answer, and keeps it."""

import asyncio
from dataclasses import dataclass
from datetime import datetime

import structlog

from watcher.config.document import Document
from watcher.config.remote.source import RemoteSource
from watcher.core.config_copies import ConfigCopies, ConfigCopy
from watcher.core.model import for_people
from watcher.core.ports import Clock
from watcher.errors import ServiceUnreachable, StoreError
from watcher.stores import config_copies_for

log = structlog.get_logger()

STORE_SECONDS = 30.0
"""The time limit of reading or keeping a copy."""

RETRY_SECONDS = 60.0
"""The time between two tries to keep a copy."""


@dataclass(frozen=True, slots=True)
class FirstText:
    """The text that a daemon starts with."""

    document: Document
    fault: str = ""
    """Why it is a copy; empty: it is what the source has."""
    kept_at: datetime | None = None
    """When the copy was kept."""


async def first_text(source: RemoteSource, address: str) -> FirstText:
    """Return what the source has, else the copy in the store at `address`, with a warning.

    Raises:
        ConfigError: the source answers that there is no such text.
        ServiceUnreachable: it does not answer, and there is no copy.
    """
    try:
        return FirstText(await source.read())
    except ServiceUnreachable as error:
        fault = str(error)
    finally:
        await source.close()
    try:
        copy = await kept_copy(source.key, address)
    except StoreError as error:
        raise ServiceUnreachable(f"{fault}; nor can the last good copy be read: {error}") from None
    if copy is None:
        raise ServiceUnreachable(f"{fault}; no copy of an earlier start is kept in {address}") from None
    log.warning(
        "config.copy_loaded",
        place=source.name,
        kept_at=for_people(copy.kept_at),
        reason=fault,
        consequence="changes since then are not in force; they will be as soon as the place can be read",
    )
    return FirstText(Document(source.name, copy.text.encode("utf-8", "surrogatepass")), fault, copy.kept_at)


async def kept_copy(place: str, address: str) -> ConfigCopy | None:
    """Return the copy of a place that the store at `address` has.

    Raises:
        StoreError: the store cannot be read.
    """
    copies = config_copies_for(address)
    if copies is None:
        return None
    try:
        async with asyncio.timeout(STORE_SECONDS):
            return await copies.read(place)
    except TimeoutError:
        raise StoreError(f"{address}: no answer within {STORE_SECONDS:g} s") from None


class ConfigKeeper:
    """Keeps each text that was found good, beside the daemon: a store that fails delays nothing."""

    def __init__(self, place: str, address: str, clock: Clock) -> None:
        """`address` is that of the store."""
        self._place, self._address = place, address
        self._copies: ConfigCopies | None = config_copies_for(address)
        self._clock = clock
        self._good: Document | None = None
        self._asked = asyncio.Event()

    def keep(self, document: Document) -> None:
        """Keep a text that is in force, as soon as the store takes it."""
        self._good = document
        self._asked.set()

    async def run(self) -> None:
        failing = False
        while True:
            await self._asked.wait()
            self._asked.clear()
            try:
                async with asyncio.timeout(STORE_SECONDS):
                    await self._keep()
                failing = False
            except (StoreError, TimeoutError) as error:
                if not failing:
                    log.warning(
                        "config.copy_failed",
                        error=str(error) or f"no answer within {STORE_SECONDS:g} s",
                        consequence="a start while the configuration cannot be read would use an older copy, or fail",
                        remedy="name a store that works in WATCHER_STATE",
                    )
                failing = True
                await asyncio.sleep(RETRY_SECONDS)
                self._asked.set()

    async def _keep(self) -> None:
        if self._good is not None and self._copies is not None:
            text = self._good.text.decode()
            await self._copies.keep(ConfigCopy(self._place, text, self._clock.now()))
            log.debug("config.copy_kept", place=self._place)
