"""Asks for the sync blockers of an endpoint's targets, each after its poll.

A call that fails changes no state and begins no outage. What it concerns, a target or the whole endpoint, is asked for
again after an hour, or when the configuration is reloaded.
"""

from collections.abc import Callable, Iterable
from hashlib import blake2b

import structlog

from watcher.core.blockers import POLLS, is_due
from watcher.core.model import Blocker, EndpointKey, Target
from watcher.core.ports import Clock
from watcher.errors import PollFailed, TargetUnreadable
from watcher.polling.endpoint import Endpoint
from watcher.polling.recorder import Recorder
from watcher.polling.results import PollResults
from watcher.polling.retry import always

log = structlog.get_logger()

PAUSE_SECONDS = 3600.0
"""How long no blockers are asked for after a call that failed."""


class BlockerReader:
    """Reads the blockers of targets of one endpoint, unless that failed within the last hour."""

    def __init__(self, endpoint: EndpointKey, clock: Clock) -> None:
        self._clock = clock
        self._failures: dict[str, tuple[str, float]] = {}
        """By target or endpoint: the code of the last failure, and until when to pause (monotonic seconds)."""
        self._subject = str(endpoint)
        self._log = log.bind(endpoint=self._subject)

    def resume(self) -> None:
        """Ask again for what could not be read."""
        self._failures.clear()

    def forget(self, target_id: str) -> None:
        """Forget that the blockers of a target could not be read."""
        self._failures.pop(target_id, None)

    async def read(
        self, endpoint: Endpoint, target: Target, *, again: Callable[[], bool] = always
    ) -> tuple[Blocker, ...] | None:
        """Return the blockers of a target, with a call that waits for its admission; None: they are not known.

        The call is not begun, and is not retried, unless `again()` is true.

        Raises:
            Superseded: no call was made, since another daemon polls this endpoint by now.
        """
        call = target.kind.blockers
        if call is None or self._is_paused(target):
            return None
        await endpoint.admit()
        if not again() or self._is_paused(target):  # another target's call may have failed meanwhile
            endpoint.dismiss()
            return None
        try:
            found = await endpoint.fetch_blockers(target, call, again=again)
        except PollFailed as error:
            self._pause(target, call.operation, error)
            return None
        if self._failures.pop(self._subject, None) is not None:
            self._log.info("blockers.recovered", operation=call.operation)
        self._failures.pop(target.id, None)
        return found

    def _is_paused(self, target: Target) -> bool:
        now = self._clock.monotonic()
        return any(now < self._failures[each][1] for each in (self._subject, target.id) if each in self._failures)

    def _pause(self, target: Target, operation: str, error: PollFailed) -> None:
        """Pause; each error is logged once, however many targets have it."""
        if all(error.code != code for code, _ in self._failures.values()):
            self._log.warning(
                "blockers.failed",
                target=target.id,
                operation=operation,
                code=error.code,
                error=error.message,
                consequence="blockers that begin or end are not reported; they are asked for again in an hour",
                remedy=f"check that {target.api}:{operation} is allowed; a reload asks again at once",
            )
        subject = target.id if isinstance(error, TargetUnreadable) else self._subject
        self._failures[subject] = (error.code, self._clock.monotonic() + PAUSE_SECONDS)


class BlockerPolls:
    """Decides after each poll whether to ask for the blockers of its target, and records the answer."""

    def __init__(self, endpoint: EndpointKey, recorder: Recorder, results: PollResults) -> None:
        self._recorder = recorder
        self._results = results
        self._reader = BlockerReader(endpoint, recorder.clock)
        self._polls: dict[str, int] = {}

    def forget(self, gone: Iterable[str]) -> None:
        """Forget the targets that are no longer polled."""
        for target_id in gone:
            self._polls.pop(target_id, None)
            self._reader.forget(target_id)

    def resume(self) -> None:
        """Ask again for what could not be read."""
        self._reader.resume()

    async def follow(self, endpoint: Endpoint, target: Target, *, again: Callable[[], bool]) -> None:
        """Ask after a poll that was answered and recorded, if blockers are due; the call is as for `BlockerReader`.

        Raises:
            Superseded: another daemon polls this endpoint by now, or recorded a newer state.
        """
        if target.kind.blockers is None or not again():
            return
        self._polls[target.id] = polls = self._polls.get(target.id, _first_count(target.id)) + 1
        if is_due(self._recorder.record_of(target.id), polls):
            found = await self._reader.read(endpoint, target, again=again)
            if found is not None:
                await self._results.blockers_answered(target, found)


def _first_count(target_id: str) -> int:
    """Return where the count of a target's polls begins, so that not all ask at the same poll after a start."""
    return blake2b(target_id.encode(), digest_size=1).digest()[0] % POLLS
