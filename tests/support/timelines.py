"""A timeline from one moment to another, without the states between."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watcher.simulator.timeline import State, Timeline, steps

if TYPE_CHECKING:
    from watcher.simulator.subject import Subject


def advance(subject: Subject, timeline: Timeline, epoch: float, state: State, moment: float) -> State:
    """The state at `moment`; `state` itself if nothing changed since."""
    return [state, *steps(subject, timeline, epoch, state, moment)][-1]
