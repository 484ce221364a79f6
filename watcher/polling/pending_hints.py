"""The hints of one endpoint that wait for a poll: each is answered by one that began after it."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable

Answer = asyncio.Future[bool]
"""Whether a poll that began after the hint was recorded; False: it failed with its endpoint, or is not made here."""


class PendingHints:
    """The hints by target."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, list[Answer]] = defaultdict(list)
        """Those whose poll has not begun."""
        self._polling: dict[str, list[Answer]] = {}
        """Those whose poll is under way."""

    def __bool__(self) -> bool:
        """Return whether a poll of any target has to begin."""
        return bool(self._waiting)

    def __contains__(self, target_id: str) -> bool:
        """Return whether a poll of the target has to begin."""
        return target_id in self._waiting

    def add(self, target_id: str) -> Answer:
        """Add a hint of a target; returns its answer."""
        answer: Answer = asyncio.get_running_loop().create_future()
        self._waiting[target_id].append(answer)
        return answer

    def begun(self, target_id: str) -> None:
        """Note that a poll of the target has begun."""
        if target_id in self._waiting:
            self._polling[target_id] = self._waiting.pop(target_id)

    def ended(self, target_id: str, *, recorded: bool) -> None:
        """Note that the poll of the target has ended."""
        _answer(self._polling.pop(target_id, ()), recorded=recorded)

    def repeat(self, target_id: str) -> None:
        """Note that the poll of the target counts for nothing, and that another one must begin."""
        if target_id in self._polling:
            self._waiting[target_id] += self._polling.pop(target_id)

    def drop(self, target_ids: Iterable[str]) -> None:
        """Answer the hints of targets that are polled no more."""
        for target_id in target_ids:
            _answer(self._waiting.pop(target_id, ()), recorded=False)


def _answer(answers: Iterable[Answer], *, recorded: bool) -> None:
    for answer in answers:
        if not answer.done():
            answer.set_result(recorded)
