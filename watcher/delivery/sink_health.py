"""Whether a sink is down or failing. Pure: times are passed in."""

from collections.abc import Collection, Sequence
from math import inf

from watcher.core.deliveries import Delivery, DeliveryRecord, DeliveryState, SendOutcome, Verdict
from watcher.observability.daemon_view import SinkState

SUSPICIOUS_FAILURES = 3
"""A sink is down after this many subjects began to fail without a success between them, and failing after this many
failed tries of one subject."""


class SinkHealth:
    """The health of a sink, from its responses to the latest sends. Times are seconds since 1970."""

    def __init__(self) -> None:
        self.down = False
        self.failing = False
        """Whether deliveries keep failing, or the latest send that ended any of them made only dead letters."""
        self.responded_at = -inf
        """When the sink last took or refused a delivery: at that moment it was not down."""
        self.error = ""
        """The sink's latest response to a delivery that it did not take; empty when the latest send had none."""
        self._failing: set[str] = set()

    @property
    def state(self) -> SinkState:
        return SinkState.DOWN if self.down else SinkState.FAILING if self.failing else SinkState.UP

    def is_own_failure(self, delivery: Delivery) -> bool:
        """Whether a failure is the delivery's own: the sink took others while the delivery's subject failed."""
        return delivery.failing_since is not None and delivery.failing_since < self.responded_at

    def restore(self, record: DeliveryRecord) -> None:
        """Update the health with a delivery of an earlier run; the latest that ended comes first."""
        if record.state is DeliveryState.WAITING:
            failing = record.tries >= SUSPICIOUS_FAILURES and record.recorded > self.responded_at
            self.failing = self.failing or failing
        else:
            if record.state is DeliveryState.SENT:
                self.responded_at = record.ended or -inf
            self.update_ended([record.state])
            failing = self.failing
        if failing:
            self.error = record.answer or ""

    def update_ended(self, states: Collection[DeliveryState]) -> None:
        """Update the health with the new states of the deliveries of one send."""
        if DeliveryState.SENT in states:
            self.failing = False
        elif DeliveryState.DEAD in states:
            self.failing = True

    def update(self, outcomes: Sequence[SendOutcome], *, now: float, sink_error: bool = False) -> bool:
        """Update the health with the outcomes of one send; returns whether `down` changed.

        `sink_error`: the sink itself reported that it cannot take anything.
        """
        before = self.down
        self.error = next((each.text for each in outcomes if each.verdict is not Verdict.TAKEN), "")
        if any(outcome.verdict is not Verdict.LATER for outcome in outcomes):
            self.responded_at = now
            self.down = False
            self._failing.clear()
        elif signs := [outcome for outcome in outcomes if not self.is_own_failure(outcome.delivery)]:
            # Several that went in one send are one sign.
            self._failing.add(signs[0].delivery.event.subject)
            self.failing = self.failing or any(each.delivery.failures + 1 >= SUSPICIOUS_FAILURES for each in signs)
            self.down = before or sink_error or len(self._failing) >= SUSPICIOUS_FAILURES
            if self.down:
                self._failing.clear()
        return self.down is not before
