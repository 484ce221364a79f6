"""The simulated AWS as a process.

`calls` returns when the calls since the last question arrived, `operations` also which they were; `epoch` the time at
which its world began.
"""

from __future__ import annotations

import asyncio
import time

from tests.benchmarks.parent import Parent
from tests.benchmarks.worlds import world
from tests.support.simulator import Simulator


async def main() -> None:
    """Answer until the parent closes the connection."""
    parent, over = Parent(), asyncio.Event()
    simulator = Simulator(world(parent.hear()))

    def hear() -> None:
        question = parent.hear()
        if question == "calls":
            parent.reply([call.at for call in simulator.calls])
            simulator.calls.clear()
        elif question == "operations":
            parent.reply([(call.at, call.operation) for call in simulator.calls])
            simulator.calls.clear()
        elif question == "epoch":
            parent.reply(time.time() - simulator.world.now())
        else:
            over.set()

    parent.reply(await simulator.start())
    asyncio.get_running_loop().add_reader(0, hear)
    await over.wait()
    await simulator.stop()


if __name__ == "__main__":
    asyncio.run(main())
