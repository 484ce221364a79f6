"""Compares the configuration in force with a new one. Pure.

A sink is replaced only if what it is built from changes; its routing and `give_up_after` are not part of that.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from watcher.config.sink_model import ROUTING
from watcher.core.settings import Account, Config, SinkSettings

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
    had = {target.id: target for target in old.targets}
    has = {target.id: target for target in new.targets}
    subjects = [{*config_targets, *map(str, config.endpoints())} for config_targets, config in ((had, old), (has, new))]
    before = {sink.name: _built_from(sink) for sink in old.sinks}
    after = {sink.name: _built_from(sink) for sink in new.sinks}
    return Difference(
        forgotten=tuple(sorted(subjects[0] - subjects[1])),
        new_targets=len(has.keys() - had.keys()),
        changed_targets=sum(has[each] != had[each] for each in has.keys() & had.keys()),
        leaving_sinks=frozenset(name for name, built in before.items() if after.get(name) != built),
        coming_sinks=tuple(sink for sink in new.sinks if before.get(sink.name) != after[sink.name]),
        restart_for=tuple(key for key in AT_START if getattr(old, key) != getattr(new, key)),
    )


def _built_from(sink: SinkSettings) -> dict[str, Any]:
    """What a sink is built from, in a form that can be compared."""
    made: dict[str, Any] = {
        field.name: getattr(sink, field.name)
        for field in fields(sink)
        if field.name not in ROUTING and field.name not in ("options", "account")
    }
    made["account"] = None if sink.account is None else _credentials(sink.account)
    made["options"] = sink.options.built_from()
    return made


def _credentials(account: Account) -> tuple[Any, ...]:
    """The parts of an account that a sink's client is built from: rate and regions only concern targets."""
    return account.name, account.role_arn, account.external_id, account.profile, account.endpoint_url
