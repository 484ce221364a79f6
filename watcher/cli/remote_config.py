"""Reads a configuration that is in AWS: for a command once, for the daemon again and again."""

import os
from pathlib import Path

from watcher.app.config_copies import ConfigKeeper, FirstText, first_text, kept_copy
from watcher.cli.options import find_config, remote_name
from watcher.cli.running import run_to_end
from watcher.config.document import Document
from watcher.config.remote.source import RemoteSource, remote_source
from watcher.config.resolve import ambient_state
from watcher.config.source import LocalSource, Source
from watcher.core.ports import Clock
from watcher.errors import ConfigError, Fault, ServiceUnreachable, StoreError


def fetch(name: str) -> Document:
    """Return the configuration at `name`.

    Raises:
        ConfigError: it does not exist.
        ServiceUnreachable: it cannot be asked for.
    """

    async def read(source: RemoteSource) -> Document:
        try:
            return await source.read()
        finally:
            await source.close()

    return run_to_end(read(remote_source(name)))


def fetch_copy(name: str) -> Document | None:
    """Return the last good copy of the configuration at `name`; None: there is none, or it cannot be read."""
    try:
        copy = run_to_end(kept_copy(remote_source(name).key, _store(name)))
    except (ConfigError, ServiceUnreachable, StoreError):
        return None
    return None if copy is None else Document(name, copy.text.encode("utf-8", "surrogatepass"))


class DaemonConfig:
    """The configuration of a daemon: its first text, and where later ones come from."""

    def __init__(self, option: str | None, cwd: Path) -> None:
        """Read it.

        Raises:
            ConfigError: there is none.
            ServiceUnreachable: it is in AWS and cannot be asked for, and no copy of it is kept.
        """
        self._option, self._cwd = option, cwd
        self._remote = remote_name(option)
        if self._remote is None:
            self.first = FirstText(find_config(option, cwd))
        else:
            self._store = _store(self._remote)
            self.first = run_to_end(first_text(remote_source(self._remote), self._store))

    def source(self) -> Source:
        """Return the source of later texts; call it in the event loop that reads them."""
        if self._remote is None:
            return LocalSource(lambda: find_config(self._option, self._cwd))
        return remote_source(self._remote)

    def keeper(self, clock: Clock) -> ConfigKeeper | None:
        """Return what keeps good texts, beginning with the first; None: the configuration is at hand at every start."""
        if self._remote is None:
            return None
        keeper = ConfigKeeper(remote_source(self._remote).key, self._store, clock)
        if not self.first.fault:
            keeper.keep(self.first.document)
        return keeper


def _store(name: str) -> str:
    """The store that has the copy: that of the environment, since the configuration may not be readable."""
    try:
        return ambient_state(os.environ)
    except ValueError as error:
        raise ConfigError([Fault(name, 1, 1, "WATCHER_STATE", str(error))]) from None
