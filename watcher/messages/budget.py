"""The budget of a rendering: how many steps and how much time a template may take."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from jinja2 import TemplateError

MAX_STEPS, MAX_SECONDS = 50_000, 0.5
"""The budget of one rendering: steps, and seconds of processor time."""

_STEPS_PER_CHECK = 100
"""Steps between two checks of the time."""


class Budget:
    """The steps and the time that remain for one rendering or several."""

    def __init__(self) -> None:
        self._steps = MAX_STEPS
        self._checked = MAX_STEPS
        self._until = time.thread_time() + MAX_SECONDS

    def spend(self, steps: int) -> None:
        """Subtract `steps`.

        Raises:
            TemplateError: no steps or no time remain.
        """
        self._steps -= steps
        late = False
        if self._checked - self._steps >= _STEPS_PER_CHECK:  # reading the clock costs more than most steps
            self._checked, late = self._steps, time.thread_time() > self._until
        if self._steps < 0 or late:
            raise TemplateError(f"it takes more than {MAX_STEPS} steps, or {MAX_SECONDS:g} s")


BUDGET: ContextVar[Budget] = ContextVar("budget")


@contextmanager
def within(budget: Budget) -> Iterator[None]:
    """Charge what is rendered within the `with` block to `budget`."""
    before = BUDGET.set(budget)
    try:
        yield
    finally:
        BUDGET.reset(before)
