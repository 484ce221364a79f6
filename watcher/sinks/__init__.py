"""Where events go: one line registers a type of sink."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watcher.sinks.stdout import StdoutSink

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from watcher.config.settings import SinkSettings
    from watcher.protocols import Sink

SINKS: Mapping[str, Callable[[SinkSettings], Sink]] = {
    "stdout": lambda settings: StdoutSink(settings.name),
}
