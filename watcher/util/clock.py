"""The real clock."""

import time
from datetime import UTC, datetime


class SystemClock:
    """The machine's clocks: `now` in UTC, in whole milliseconds, and `monotonic` in seconds."""

    def now(self) -> datetime:
        moment = datetime.now(UTC)
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)

    def monotonic(self) -> float:
        return time.monotonic()
