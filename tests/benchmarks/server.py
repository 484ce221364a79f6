"""The stand-in for AWS as a process.

Asked for `calls`, it tells when those since the last time arrived; asked for `epoch`, when its moment 0 was.
"""

from __future__ import annotations

import asyncio
import time

from tests.benchmarks.parent import Parent
from tests.benchmarks.worlds import world
from tests.support.simulator import Simulator


async def main() -> None:
    """Answer until the parent has nothing more to say."""
    parent, over = Parent(), asyncio.Event()
    simulator = Simulator(world(parent.hear()))

    def hear() -> None:
        question = parent.hear()
        if question == "calls":
            parent.reply([call.at for call in simulator.calls])
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
