"""What of a running daemon another configuration changes: (the one in force, the new one) -> difference. Pure.

A sink is replaced only for what it is made from: what is routed to it, and for how long its deliveries are tried, are
not its own.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from watcher.config.sink_model import ROUTING

if TYPE_CHECKING:
    from watcher.core.settings import Account, Config, SinkSettings

AT_START = ("state", "tracing")
"""Keys that are read at the start only."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What goes, and what comes; all else goes on."""

    forgotten: tuple[str, ...]
    """Subjects, of targets and endpoints, that are not watched any more."""
    new_targets: int
    changed_targets: int
    leaving_sinks: frozenset[str]
    """Sinks that go, or are to be made anew."""
    coming_sinks: tuple[SinkSettings, ...]
    """Sinks that are new, or made anew."""
    restart_for: tuple[str, ...]
    """Keys whose new values hold only from the next start on."""


def difference(old: Config, new: Config) -> Difference:
    """What changes when `new` comes into force after `old`."""
    had = {target.id: target for target in old.targets}
    has = {target.id: target for target in new.targets}
    subjects = [{*config_targets, *map(str, config.endpoints())} for config_targets, config in ((had, old), (has, new))]
    before = {sink.name: _made_from(sink) for sink in old.sinks}
    after = {sink.name: _made_from(sink) for sink in new.sinks}
    return Difference(
        forgotten=tuple(sorted(subjects[0] - subjects[1])),
        new_targets=len(has.keys() - had.keys()),
        changed_targets=sum(has[each] != had[each] for each in has.keys() & had.keys()),
        leaving_sinks=frozenset(name for name, made in before.items() if after.get(name) != made),
        coming_sinks=tuple(sink for sink in new.sinks if before.get(sink.name) != after[sink.name]),
        restart_for=tuple(key for key in AT_START if getattr(old, key, None) != getattr(new, key, None)),
    )


def _made_from(sink: SinkSettings) -> dict[str, Any]:
    """What a sink is made from, in a form that can be compared; of its model, not where it was written."""
    made: dict[str, Any] = {
        field.name: getattr(sink, field.name)
        for field in fields(sink)
        if field.name not in ROUTING and field.name not in ("options", "account")
    }
    made["account"] = None if sink.account is None else _reached_by(sink.account)
    made["options"] = sink.options.built_from()
    return made


def _reached_by(account: Account) -> tuple[Any, ...]:
    """Of an account what a sink's client is made from: its rate and its regions are its targets'."""
    return account.name, account.role_arn, account.external_id, account.profile, account.endpoint_url
