"""A process that keeps a bridge alive as the supervisor does: a new one for each that dies.

Its councils decide at once, but for one event that ends the process, and one that takes a while.
"""

import asyncio
import os
import sys

from bridging import Deciding, fleet

from actors import attempts
from actors.bridge import Bridge
from actors.bus import connect
from engine.config import BusConfig
from engine.events import Record
from engine.types import Task

KILLS, TAKES_A_WHILE = "kills", "takes a while"


class Deadly(Deciding):
    """Dies at one task."""

    async def __call__(self, task: Task) -> Record:
        """Decide, if we live to."""
        if task.title == KILLS:
            os._exit(1)
        if task.title == TAKES_A_WHILE:
            await asyncio.sleep(0.3)
        return await super().__call__(task)


async def live(url: str) -> None:
    """One life."""
    bus = BusConfig(url=url, ack_wait_s=1.0, slots=3)
    client = await connect(bus, "councils", lambda: None)
    await Bridge(fleet(bus), Deadly(client)).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    attempts.CRASHES, attempts.SUSPECT = 2, 1
    while True:
        child = os.fork()
        if not child:
            asyncio.run(live(sys.argv[1]))
        os.waitpid(child, 0)
