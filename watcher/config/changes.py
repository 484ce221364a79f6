"""Compares the configuration in force with a new one. Pure.

A sink is replaced only if what it is built from changes; its routing and `give_up_after` are not part of that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from watcher.core.settings import Config, RateLimit, SinkSettings

AT_START = ("state", "tracing")
"""Keys that are only read at the start."""


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
    """Return what changes when `new` replaces `old`."""
    had, has = old.targets_by_id, new.targets_by_id
    forgotten = {*had, *map(str, old.endpoints)} - {*has, *map(str, new.endpoints)}
    before, after = ({sink.name: _built_from(sink) for sink in config.sinks} for config in (old, new))
    return Difference(
        forgotten=tuple(sorted(forgotten)),
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
