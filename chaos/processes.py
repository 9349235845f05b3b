"""Processes that are begun anew whenever they end, in milliseconds; knows nothing of their work.

They are forked from a server process that has everything imported and runs no thread and no loop.
"""

from __future__ import annotations

import asyncio
import ctypes
import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from typing import Any

CONTEXT = multiprocessing.get_context("forkserver")
AGAIN_S = 0.2
LOOK_EVERY_S = 0.02
DIE_WITH_PARENT = 1


def preload(*modules: str) -> None:
    """Have these imported once for all processes to come."""
    CONTEXT.set_forkserver_preload(list(modules))


def _child(run: Callable[..., None], *arguments: Any) -> None:
    ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)
    run(*arguments)


class Process:
    """One place that a process fills: `run(*arguments, who)`, where `who` is the incarnation.

    Whatever ends it, the next one begins AGAIN_S later, unless `hold` says to wait.
    """

    def __init__(self, name: str, run: Callable[..., None], *arguments: Any) -> None:
        self.name, self._run, self._arguments = name, run, arguments
        self.begun = 0
        self.held_until = 0.0
        self._process: ForkServerProcess | None = None

    @property
    def who(self) -> str:
        """The name of the incarnation that runs, or ran last."""
        return f"{self.name}.{self.begun}"

    @property
    def alive(self) -> bool:
        """Whether it runs, or is stopped."""
        return self._process is not None and self._process.is_alive()

    def begin(self) -> None:
        """Fork one."""
        self.begun += 1
        arguments = (self._run, *self._arguments, self.who)
        self._process = CONTEXT.Process(target=_child, args=arguments, name=self.who, daemon=True)
        self._process.start()

    def signal(self, number: signal.Signals) -> bool:
        """Send it a signal; whether it lived to get it."""
        if self._process is None or self._process.pid is None or not self.alive:
            return False
        try:
            os.kill(self._process.pid, number)
        except ProcessLookupError:
            return False
        return True

    def hold(self, seconds: float) -> None:
        """Begin no other one for so long."""
        self.held_until = asyncio.get_running_loop().time() + seconds

    async def keep(self) -> None:
        """See to it that one runs, until cancelled; the last one is killed then."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                if not self.alive and loop.time() >= self.held_until:
                    await asyncio.sleep(AGAIN_S if self.begun else 0.0)
                    self.begin()
                await asyncio.sleep(LOOK_EVERY_S)
        finally:
            self.signal(signal.SIGKILL)
            if self._process is not None:
                self._process.join()
