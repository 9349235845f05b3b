"""Asking agents outside the engine over the bus; knows nothing of what is asked or of councils."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime

from nats.js.api import Header

from actors.answers import Answers, Wait
from actors.bus import Connection, connect
from actors.ear import TROUBLE, Ear
from actors.flights import Flights
from actors.messages import envelope
from actors.patience import pauses, said
from actors.streams import REQUESTS
from actors.writer import HEADER_BYTES
from engine.config import BusConfig, OutsideAgent
from engine.errors import GaveUp, NoAnswer, PromptTooLong, SpeechFailed, Unavailable
from engine.outside import ASKED, Completed, Failed, Response, reply, request
from engine.types import Reply, Task, Turn

AFTER = "Conclave-After"
"""The header of a request with the last response before it: behind that its answer is found."""


class Outside:
    """The agents of a council that are no engines of ours.

    A turn is one request, however often it is asked: who resumes it finds the first one, its time,
    and the answer that was given meanwhile. The connection is made when it is first needed.
    """

    def __init__(self, bus: BusConfig, name: str, agents: Iterable[OutsideAgent]) -> None:
        self._bus, self._name = bus, name
        self._agents = {agent.id: agent for agent in agents}
        self._answers = Answers(self._agents)
        self._ear = Ear(self._opened, self._answers.take, bus.max_event_bytes)
        self._client: Connection | None = None
        self._connecting: Flights[Connection] = Flights()

    def know(self, agent: OutsideAgent) -> None:
        """One more that may be asked, and may answer."""
        self._agents[agent.id] = agent

    def forget(self, agent_id: str) -> None:
        """It is not asked over the bus any more."""
        self._agents.pop(agent_id, None)

    @property
    def ignored(self) -> Counter[str]:
        """How many responses were ignored, by the reason."""
        return self._answers.ignored

    async def ask(self, turn: Turn, task: Task) -> Reply:
        """The agent's answer. NoAnswer when there is none in its time, GaveUp when it says so."""
        agent = self._agents.get(turn.agent)
        if agent is None:
            raise NoAnswer(f"{turn.agent} is not in the configuration any more")
        with self._answers.waiting(turn.id, agent.id) as wait:
            ahead_s = await self._asked(wait, turn, task, agent)
            answer = await _answer(wait, agent, ahead_s)
        if isinstance(answer, Failed):
            raise GaveUp(f"{agent.id}: {answer.reason}")
        assert isinstance(answer, Completed)
        return reply(turn.form, answer)

    async def close(self) -> None:
        """Listen no more and leave."""
        await self._ear.close()
        await self._connecting.over("bus")
        if self._client is not None:
            await self._client.leave()

    async def _asked(self, wait: Wait, turn: Turn, task: Task, agent: OutsideAgent) -> float:
        """Ask, through whatever the bus is going through; our clock's lead over the server's."""
        trouble = "NATS does not answer"
        try:
            async with asyncio.timeout(agent.answer_within_s):
                for pause in pauses():
                    try:
                        return await self._ask_once(wait, turn, task, agent)
                    except SpeechFailed:
                        raise
                    except TROUBLE as error:
                        trouble = said(error)
                    await asyncio.sleep(pause)
        except TimeoutError:
            within = f"in {agent.answer_within_s:g} s"
            raise NoAnswer(f"{agent.id} could not be asked {within}: {trouble}") from None
        raise AssertionError("pauses() never ends")

    async def _ask_once(self, wait: Wait, turn: Turn, task: Task, agent: OutsideAgent) -> float:
        client = await self._opened()
        if not client.is_connected:
            raise Unavailable("NATS is away")
        after, data = await self._ear.place(), _written(turn, task, agent)
        room = client.max_payload - HEADER_BYTES
        if len(data) > room:
            raise PromptTooLong(f"the request has {len(data)} bytes; NATS takes {room}")
        headers = {
            Header.MSG_ID.value: turn.id,
            Header.EXPECTED_STREAM.value: REQUESTS,
            AFTER: str(after),
        }
        js = client.streams()
        subject = f"{ASKED}.{agent.id}"
        receipt = await js.publish(subject, data, headers=headers)
        first = await js.get_msg(REQUESTS, receipt.seq)
        assert first.time is not None
        wait.alive_at = first.time.timestamp()
        wait.until = wait.alive_at + agent.answer_within_s
        await self._catch_up(wait, int((first.headers or {}).get(AFTER, after)))
        return 0.0 if receipt.duplicate else time.time() - wait.alive_at

    async def _catch_up(self, wait: Wait, after: int) -> None:
        """Read what was answered since the turn was first asked, then listen."""
        while after < (last := self._ear.last):
            async for heard in self._ear.between(after, last):
                if heard.said.task_id == wait.turn:
                    wait.hear(*heard)
            after = last
        wait.listening = True

    async def _opened(self) -> Connection:
        return self._client or await self._connecting.join("bus", self._connect)

    async def _connect(self) -> Connection:
        """Kept here also where everybody who asked for it is gone by now."""
        self._client = await connect(self._bus, f"{self._name}-outside", self._closed)
        return self._client

    def _closed(self) -> None:
        """NATS closed the connection for good: whoever needs it next opens another one."""
        self._client = None


async def _answer(wait: Wait, agent: OutsideAgent, ahead_s: float) -> Response:
    """The answer, once it is there; NoAnswer when it is too late for one."""
    while wait.answer is None:
        quiet, ends = agent.silent_after_s, wait.until
        if quiet is not None:
            ends = min(ends, wait.alive_at + quiet)
        left = ends + ahead_s - time.time()
        if left <= 0 and quiet is not None and ends < wait.until:
            raise NoAnswer(f"{agent.id} gave no sign of life in {quiet:g} s")
        if left <= 0:
            raise NoAnswer(f"{agent.id} gave no answer in {agent.answer_within_s:g} s")
        wait.news.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(left):
                await wait.news.wait()
    return wait.answer


def _written(turn: Turn, task: Task, agent: OutsideAgent) -> bytes:
    now = time.time()
    deadline = datetime.fromtimestamp(now + agent.answer_within_s, UTC).isoformat()
    return envelope(
        "agent.request",
        {**request(turn, task, agent), "deadline": deadline},
        key=turn.id,
        correlation_id=task.story_id or task.id,
        producer="conclave",
        at=now,
        metadata={},
    )
