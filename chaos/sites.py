"""What the bridge and council processes of a run do: the production parts, watched, without Ray."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import signal
import time
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from nats.aio.msg import Msg
from pydantic import Field

from actors.bridge import Bridge
from actors.collector import calm
from actors.council import CouncilActor
from actors.councils import Councils
from actors.journal import Journal
from actors.line import Line
from actors.roster import Roster
from actors.run import Run, Terms
from actors.testing import ScriptedPool
from chaos import rpc
from chaos.controls import JOURNALS, acknowledge_first
from chaos.evidence import Evidence
from engine.config import Config
from engine.data import Data
from engine.errors import ConclaveError, Unavailable
from engine.events import Record
from engine.testing import ScriptedModel
from engine.types import Reply, Task, Turn

ON_THE_BUS = Terms(detached=True, clips=True)
TOO_LONG = "x" * 5000
"""A subject for which the server closes the connection for good."""
LATE = "another writer"


class Site(Data):
    """One cluster: where its processes keep their sockets and notes, and what they run.

    A turn takes between `turn_s` seconds, drawn from `seed` and its id. `control` is what is left
    out on purpose, nothing if empty.
    """

    name: str
    folder: Path
    config: Config
    seed: int = 0
    turn_s: tuple[float, float] = (0.005, 0.05)
    control: str = Field(default="")

    def council(self, role: str) -> str:
        """The name of the process of a council."""
        return f"{self.name}-{role.lower()}"

    @property
    def bridge(self) -> str:
        """The name of the process of the bridge."""
        return f"{self.name}-bridge"

    def find(self, name: str) -> rpc.Handle | None:
        """The way to the process of that name."""
        path = self.folder / f"{name}.sock"
        return rpc.Handle(path) if path.exists() else None


class PacedModel(ScriptedModel):
    """A scripted model that takes its time and notes what it was asked."""

    def __init__(self, site: Site, evidence: Evidence) -> None:
        super().__init__()
        self._site, self._evidence = site, evidence

    async def __call__(self, turn: Turn) -> Reply:
        """The scripted reply, after a while that follows from the turn."""
        self._evidence.note("asked", turn.deliberation, turn.id)
        digest = hashlib.sha256(f"{self._site.seed}{turn.id}".encode()).digest()
        least, most = self._site.turn_s
        await asyncio.sleep(least + (most - least) * digest[0] / 255)
        reply = await super().__call__(turn)
        self.turns.clear()  # a long run asks for many
        return reply


class WatchedCouncil(CouncilActor):
    """A council actor that notes when a run begins and ends, and when it lost to another writer."""

    def __init__(self, site: Site, role: str, evidence: Evidence) -> None:
        pool = ScriptedPool(PacedModel(site, evidence))
        super().__init__(site.config, role, lambda _config, _council: {"small": pool})
        self._evidence, self._kind = evidence, JOURNALS.get(site.control, Journal)

    async def _drive(self, run: Run) -> None:
        self._evidence.note("began", run.task.id)
        try:
            await super()._drive(run)
        finally:
            if LATE in str(run.failure):
                self._evidence.note("superseded", run.task.id)
            self._evidence.note("over", run.task.id)

    def _opened(self) -> Journal:
        if self._journal is None:
            self._line = Line(self._bus, self._council.id, lambda: self._die(1))
            self._journal = self._kind(self._line)
        return self._journal

    async def lose_connection(self) -> None:
        """Do what makes the server close the connection for good."""
        self._opened()
        await (await self._line.up()).publish(TOO_LONG)


class WatchedBridge(Bridge):
    """A bridge that notes what it takes, and what each event has cost beside its councils' work."""

    def __init__(self, site: Site, councils: Councils, evidence: Evidence) -> None:
        super().__init__(site.config, self._end_of, lambda: os._exit(1))
        self._councils, self._evidence = councils, evidence
        self._spans: ContextVar[list[tuple[float, float]]] = ContextVar("spans")
        self._acknowledges_first = site.control == "ack-first"

    async def _end_of(self, task: Task) -> Record:
        began = time.monotonic()
        try:
            conclusion = await self._councils.conclude(task, ON_THE_BUS)
        finally:
            self._spans.get().append((began, time.monotonic()))
        if not conclusion.durable:
            raise Unavailable(f"the end of {task.id} is not in the journal yet")
        return conclusion.records[-1]

    async def _work(self, message: Msg) -> None:
        known = message.metadata
        self._evidence.note("taken", known.sequence.stream, known.num_delivered)
        if self._acknowledges_first:
            assert self._client is not None
            await acknowledge_first(self._client, message)
        self._spans.set([(time.monotonic(), 0.0)])
        await super()._work(message)

    async def _acknowledged(self, message: Msg) -> bool:
        there = await super()._acknowledged(message)
        (began, _), *elsewhere = self._spans.get()
        own = time.monotonic() - began - covered(elsewhere)
        self._evidence.note("left", message.metadata.sequence.stream, own)
        return there

    async def lose_connection(self) -> None:
        """Do what makes the server close the connection for good."""
        if self._client is not None and self._client.is_connected:
            await self._client.publish(TOO_LONG)


def covered(spans: list[tuple[float, float]]) -> float:
    """How long at least one of the spans lasted."""
    whole, until = 0.0, 0.0
    for begin, end in sorted(spans):
        whole += max(0.0, end - max(begin, until))
        until = max(until, end)
    return whole


def run_council(site: Site, role: str, who: str) -> None:
    """The whole life of a council process."""
    _live(site, who, lambda evidence: _council(WatchedCouncil(site, role, evidence), site, role))


def run_bridge(site: Site, who: str) -> None:
    """The whole life of a bridge process."""
    roles = [council.role for council in site.config.councils]
    names = Roster(agents={}, councils={r: site.council(r) for r in roles}, bridge=site.bridge)
    councils = Councils(names, site.find, call=rpc.called, streamed=rpc.streamed)
    _live(site, who, lambda evidence: _bridge(WatchedBridge(site, councils, evidence)))


def _live(site: Site, who: str, work: Callable[[Evidence], Coroutine[Any, Any, None]]) -> None:
    log = site.folder / f"{who}.log"
    logging.basicConfig(filename=log, format="%(asctime)s %(name)s %(message)s", force=True)
    calm()
    asyncio.run(work(Evidence(site.folder, who)))


async def _council(council: WatchedCouncil, site: Site, role: str) -> None:
    _on_signal(council.lose_connection)
    await council.health()  # what was accepted goes on
    server = await rpc.serve(council, site.folder / f"{site.council(role)}.sock")
    await server.serve_forever()


async def _bridge(bridge: WatchedBridge) -> None:
    _on_signal(bridge.lose_connection)
    while True:
        try:
            await bridge.start()
        except ConclaveError:
            await asyncio.sleep(0.2)
        else:
            break
    await asyncio.Event().wait()


def _on_signal(act: Callable[[], Coroutine[Any, Any, None]]) -> None:
    acts = set[asyncio.Task[None]]()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, lambda: acts.add(loop.create_task(act())))
