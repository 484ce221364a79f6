"""Polls the targets of one endpoint.

One loop selects the next target that is due; each poll is a task of its own. `PollResults` records what it returned.
Calls of listings go behind the polls (`BackgroundCalls`).
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from math import inf
from typing import Any, cast

import structlog

from watcher.core.model import Target
from watcher.core.settings import Config
from watcher.errors import PollFailed, Superseded
from watcher.observability.daemon_view import EndpointStatus, TargetStatus
from watcher.observability.observer import Poll, PollOutcome, outcome_of
from watcher.observability.tracing import span
from watcher.polling.background_calls import BackgroundCalls
from watcher.polling.blockers import BlockerPolls
from watcher.polling.endpoint import Endpoint
from watcher.polling.pending_hints import Answer
from watcher.polling.planner import Planner
from watcher.polling.recorder import Recorder
from watcher.polling.results import PollResults
from watcher.polling.wake_up import WakeUp
from watcher.polling.watchdog import Watchdog

log = structlog.get_logger()


class Poller:
    """Polls the targets that share an endpoint."""

    def __init__(
        self,
        endpoint: Endpoint,
        targets: Sequence[Target],
        config: Config,
        recorder: Recorder,
        *,
        taken_over: bool = False,
    ) -> None:
        """`run` starts the polling. `taken_over`: another daemon polled these targets until now."""
        self._recorder = recorder
        self._clock = recorder.clock
        self._observer = recorder.observer
        self._planner = Planner(endpoint.key, targets, recorder, taken_over=taken_over)
        self.results = PollResults(endpoint.key, recorder)
        self.blockers = BlockerPolls(endpoint.key, recorder, self.results)
        self._wake_up = WakeUp(self._clock)
        self._polls: set[asyncio.Task[None]] = set()
        """The polls and the background calls under way."""
        self._background = BackgroundCalls()
        self._admission = asyncio.Event()
        """The poll that is to begin next was admitted, or no longer needs to be."""
        self._watchdog = Watchdog(self._clock)
        self._log = log.bind(endpoint=str(endpoint.key))
        self._configure(endpoint, targets, config)

    def _configure(self, endpoint: Endpoint, targets: Sequence[Target], config: Config) -> None:
        self.endpoint = endpoint
        self._targets = {target.id: target for target in targets}
        self.results.configure(self._targets, config)
        listings = [plan for key, plan in config.listings.items() if plan.endpoint(key) == endpoint.key]
        self._is_listed = bool(listings)
        self._watchdog.configure(targets, listings, config.retry, endpoint.rate_limiter.allowed)

    def reconfigure(self, endpoint: Endpoint, targets: Sequence[Target], config: Config) -> None:
        """Poll other targets, with other settings or another client; targets that stay keep their due times.

        With no targets and no listings `run` ends as soon as the polls under way are over.
        """
        previous, before = self.endpoint, self._targets
        self._configure(endpoint, targets, config)
        if endpoint is previous and self._targets == before:
            self._wake_up.now()
            return  # what discovery finds changes one of many endpoints
        gone = self._planner.reconfigure(targets, endpoint.rate_limiter.allowed)
        self.results.forget(gone)
        self.blockers.forget(gone)
        endpoint.forget(gone)
        if endpoint is not previous:
            self._planner.probe_at_once()
            self._admission.set()  # a poll may be waiting for the previous endpoint's
        self._wake_up.now()

    def hint(self, target_id: str) -> Answer | None:
        """Poll a target at once, or soon as a probe; None: it is not polled."""
        self._wake_up.now()
        return self._planner.hint(target_id)

    def set_heard(self, *, heard: bool) -> None:
        """Set whether hints report the changes of the targets."""
        self._planner.set_heard(heard=heard)
        self._wake_up.now()

    def target_status(self, target_id: str) -> TargetStatus:
        """Return how the polling of one target goes."""
        due = self._planner.due(target_id, probe=self.results.endpoint_unreadable)
        next_poll = None if due is None else self._clock.now() + timedelta(seconds=due - self._clock.monotonic())
        polls = self.results.polls_of(target_id)
        return TargetStatus(polls.answered, polls.tried, next_poll, polls.failures)

    def endpoint_status(self) -> EndpointStatus:
        """Return how the polling of the endpoint goes."""
        return EndpointStatus(
            targets=len(self._targets),
            tried=self.results.tried or self._background.tried,
            answered=self.results.last_answer,
            rate=self.endpoint.rate_limiter.rate,
            allowed=self.endpoint.rate_limiter.allowed,
            failures=self.results.endpoint_failures,
        )

    def stuck(self) -> str | None:
        """Return why the loop makes no progress, or None. What AWS answers is never a reason."""
        if self._recorder.writes.trouble is not None:
            self._watchdog.excuse()
        late = self._watchdog.late()
        return None if late is None else f"{self.endpoint.key}: polling has made no progress for {late:.0f} s"

    async def call(self, operation: str, parameters: Mapping[str, Any], timeout: float) -> dict[str, Any]:  # noqa: ASYNC109  as `Endpoint.call`
        """Make one call behind the polls; returns and raises what `Endpoint.call` does."""
        call = self._background.add(operation, parameters, timeout)
        self._wake_up.now()
        return await call.answer

    async def run(self) -> None:
        """Poll until no targets and no listings are left; when cancelled, cancel the polls under way."""
        # `reconfigure` may have been called before the first round, and have scheduled its targets.
        self._planner.plan_first_polls(self.endpoint.rate_limiter.allowed)
        try:
            while self._targets or self._polls or self._is_listed:
                await self._dispatch()
        finally:
            self._watchdog.rest()
            self._background.refuse(f"{self.endpoint.key}: it is not polled here any more")
            for poll in self._polls:
                poll.cancel()
            await asyncio.gather(*self._polls, return_exceptions=True)

    async def _dispatch(self) -> None:
        """Begin one poll or background call, or wait until one may be due."""
        self._watchdog.rest()  # the recorder reports a store that takes nothing
        await self._recorder.writes.writable.wait()
        if not self.endpoint.may_poll():
            await asyncio.sleep(0.1)
            return
        self._wake_up.reset()
        due, now = self._due_at(), self._clock.monotonic()
        poll_is_due = due is not None and due <= now
        behind = self._background.is_next(poll_is_due=poll_is_due)
        if not poll_is_due and not behind:
            self._watchdog.expect(due - now if due is not None else self._watchdog.longest_poll if self._polls else inf)
            await self._wake_up.sleep(due)
            return
        # Until then a connection is free, and the rate allows a call.
        self._watchdog.expect(self._watchdog.longest_poll)
        self._admission = admission = asyncio.Event()
        self._polls.add(asyncio.create_task(self._call_next(admission, behind=behind)))
        await admission.wait()

    async def _call_next(self, admission: asyncio.Event, *, behind: bool) -> None:
        """Wait for an admission, and poll or make a background call in one task: an admitted call begins at once."""
        endpoint = self.endpoint
        try:
            try:
                await endpoint.admit()
            finally:
                admission.set()
            # What is next is selected only now: the wait may have been long, and the configuration may have changed.
            current = endpoint is self.endpoint and endpoint.may_poll()
            if current and behind and (call := self._background.take()) is not None:
                await self._background.make(call, endpoint)
            elif current and not behind and (taken := self._planner.take(probe=self.results.endpoint_unreadable)):
                due, target = taken
                await self._poll(endpoint, target, due)
            else:
                endpoint.dismiss()
        except Exception:  # noqa: BLE001  a bug with one call must not stop the others
            self._log.exception("poll.crashed")
        finally:
            self._polls.discard(cast("asyncio.Task[None]", asyncio.current_task()))
            self._wake_up.before(self._due_at())

    def _due_at(self) -> float | None:
        """Return when a poll may begin (monotonic seconds); None: not before something changes."""
        probe = self.results.endpoint_unreadable
        if probe and self._polls:  # an unreadable endpoint is probed by one target at a time
            return None
        return self._planner.next_at(probe=probe)

    async def _poll(self, endpoint: Endpoint, target: Target, due: float) -> None:
        begun = self._clock.monotonic()
        self._observer.begun(target, due, begun)
        outcome = PollOutcome.BUG
        try:
            with span(f"poll {target.kind}", target=target.id, account=target.account, region=target.region) as traced:
                outcome, error = await self._fetch(endpoint, target)
                traced.outcome(outcome, error)
        except Superseded:
            outcome = PollOutcome.SUPERSEDED
            self._log.info("poll.superseded", target=target.id, reason="another change of its state was recorded first")
        except Exception:  # noqa: BLE001  a bug with one target must not stop the polling of the others
            self._log.exception("poll.crashed", target=target.id)
        finally:
            self._observer.polled(Poll(target, due, begun, self._clock.monotonic(), outcome))
            unreadable = self.results.endpoint_unreadable
            superseded = outcome is PollOutcome.SUPERSEDED and not unreadable
            recorded = outcome.recorded and endpoint.asks_as(self.endpoint.account)
            if not self._planner.ended(target.id, due, begun, recorded=recorded, superseded=superseded):
                self.results.forget([target.id])
                self.endpoint.forget([target.id])
            elif unreadable:
                self._planner.probed()

    async def _fetch(self, endpoint: Endpoint, target: Target) -> tuple[PollOutcome, str]:
        """Poll a target once and record the result; return the outcome, and the error if it failed."""
        results = self.results

        def again() -> bool:
            # While the endpoint is unreadable a poll is one call: the next probe is its second try. A target that left
            # the configuration, or is polled by another daemon by now, is not tried again.
            return not results.endpoint_unreadable and target.id in self._planner

        try:
            snapshot = await endpoint.fetch(target, again=again)
        except PollFailed as error:
            if endpoint.asks_as(self.endpoint.account):  # a client that is no longer configured need not work
                self._planner.note(target, error)
                await results.failed(target, error)
            return outcome_of(error), str(error)
        if not endpoint.asks_as(self.endpoint.account):  # and its answers may not be true of the configured one
            return PollOutcome.ANSWERED, ""
        self._planner.note(target, snapshot)
        ignored = await results.answered(target, snapshot)
        await self.blockers.follow(endpoint, target, again=lambda: endpoint is self.endpoint and again())
        return PollOutcome.OLDER if ignored else PollOutcome.ANSWERED, ""
