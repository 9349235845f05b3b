"""A council's way to one pool of agent actors; knows nothing of prompts or of how actors start."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from actors.answer import AgentHealth, Answer, Load
from actors.calls import ActorAway, Call, call
from actors.patience import pauses
from engine.config import PoolConfig
from engine.errors import EngineLost, Overloaded, SetupError, SpeechFailed, Unavailable
from engine.types import Count, Message, Reply, Stopped, Turn, Usage

Find = Callable[[int], Any]
"""The handle of a replica's actor by its name, None while there is none."""

SPILL_GAP = 6
"""So many more turns than elsewhere outweigh a warm prefix cache."""
LOAD_FRESH_S = 5.0
"""A load older than this says nothing any more."""
FIRST_PAUSE_S, LAST_PAUSE_S = 0.1, 2.0
LAST_WORD_S = 0.5
"""So long an actor is waited for to say what a cancelled turn had cost."""

AWAY = (ActorAway, Unavailable, Overloaded, SetupError)
"""What another replica, or this one later, may still do."""


class AgentPool:
    """Speaks through the replicas of one pool, which others create, watch and replace.

    A deliberation keeps to one replica, whose prefix cache knows it, until that one is clearly
    busier than another. A replica that dies is looked up again by its name; a turn may then be
    asked a second time, which its id makes harmless.
    """

    def __init__(self, name: str, config: PoolConfig, find: Find, call: Call = call) -> None:
        self.name, self._config = name, config
        self._find, self._call = find, call
        self._handles: dict[int, Any] = {}
        self._asked: Counter[int] = Counter()
        self._speaking: dict[str, int] = {}
        self._loads: dict[int, tuple[float, Load]] = {}
        self._count: Count | None = None

    async def speak(self, turn: Turn) -> Reply:
        """The reply to a turn, within `turn_timeout_s` and through deaths of engines.

        EngineLost or Overloaded when the time is up, other SpeechFailed at once. Cancelled, it
        ends as Stopped where the actor says in time what the turn had cost.
        """
        troubles: list[Exception] = []
        try:
            async with asyncio.timeout(self._config.turn_timeout_s):
                return await self._until_replied(turn, troubles)
        except TimeoutError:
            raise self._out_of_time(troubles) from None
        except asyncio.CancelledError as cancelled:
            # Not within the timeout, which knows its own cancellation by the very class.
            usage = await self._aborted(turn)
            raise cancelled if usage is None else Stopped(usage) from None
        finally:
            self._speaking.pop(turn.id, None)

    async def ready(self) -> AgentHealth:
        """Wait until a replica is ready. SetupError when none can be, Unavailable in time."""
        replicas = range(self._config.replicas)
        tasks = [asyncio.ensure_future(self._until_ready(replica)) for replica in replicas]
        try:
            async with asyncio.timeout(self._config.turn_timeout_s):
                return await _first(tasks)
        except TimeoutError:
            raise Unavailable(f"no replica of pool {self.name} became ready in time") from None
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def count(self) -> Count:
        """A function that counts tokens exactly as the pool's model does. As `ready` fails."""
        if self._count is None:
            text = await self._of_any(lambda handle: handle.tokenizer_json.remote())
            self._count = _counter(text)
        return self._count

    async def tokens(self, messages: Sequence[Message], *, thinks: bool = True) -> int:
        """What a prompt takes, the marks of the model's chat included. As `ready` fails."""
        asked = tuple(messages)
        found: int = await self._of_any(lambda handle: handle.prompt_tokens.remote(asked, thinks))
        return found

    async def _of_any(self, ask: Callable[[Any], Any]) -> Any:
        """What a replica that is ready answers."""
        while True:
            replica = (await self.ready()).replica
            try:
                return await self._call(ask(self._handle(replica)))
            except (ActorAway, Unavailable):  # It died since; `ready` waits for the next one.
                self._lose(replica)

    async def _until_replied(self, turn: Turn, troubles: list[Exception]) -> Reply:
        for pause in pauses(FIRST_PAUSE_S, LAST_PAUSE_S):
            failed: list[Exception] = []
            for replica in self._order(turn.deliberation):
                try:
                    return await self._ask(replica, turn)
                except AWAY as trouble:
                    failed.append(trouble)
            if all(isinstance(trouble, SetupError) for trouble in failed):
                raise EngineLost(f"pool {self.name}: {failed[0]}")
            troubles[:] = failed
            await asyncio.sleep(pause)
        raise AssertionError("pauses never end")

    async def _ask(self, replica: int, turn: Turn) -> Reply:
        handle = self._handle(replica)
        self._speaking[turn.id] = replica
        self._asked[replica] += 1
        try:
            answer: Answer = await self._call(handle.speak.remote(turn))
        except ActorAway:
            self._lose(replica)
            raise
        finally:
            self._asked[replica] -= 1
        self._loads[replica] = (time.monotonic(), answer.load)
        return answer.reply

    async def _aborted(self, turn: Turn) -> Usage | None:
        """What a cancelled turn had cost; None where its actor does not say so in time."""
        handle = self._handles.get(self._speaking.get(turn.id, -1))
        if handle is None:
            return None
        asking = asyncio.ensure_future(self._call(handle.aborted.remote(turn.id)))
        await _waited(asking, LAST_WORD_S)
        if not asking.done():
            asking.cancel()
            return None
        unanswered = asking.cancelled() or asking.exception() is not None
        return None if unanswered else asking.result()

    def _order(self, deliberation: str) -> list[int]:
        """Replicas as they are to be tried: by affinity, a clearly busier favourite put back."""
        replicas = sorted(
            range(self._config.replicas), key=lambda replica: _weight(deliberation, replica)
        )
        idlest = min(replicas, key=self._busy)
        if self._busy(replicas[0]) - self._busy(idlest) > SPILL_GAP:
            replicas.remove(idlest)
            replicas.insert(0, idlest)
        return replicas

    def _busy(self, replica: int) -> int:
        """Turns there: what it last said while that is fresh, at least what we asked ourselves."""
        at, load = self._loads.get(replica, (0.0, Load()))
        known = load.running + load.waiting if time.monotonic() - at < LOAD_FRESH_S else 0
        return max(known, self._asked[replica])

    def _handle(self, replica: int) -> Any:
        if replica not in self._handles:
            handle = self._find(replica)
            if handle is None:
                raise ActorAway(f"agent {self.name}-{replica} is not there")
            self._handles[replica] = handle
        return self._handles[replica]

    def _lose(self, replica: int) -> None:
        # The handle of a dead actor is dead for good; its replacement has the same name.
        self._handles.pop(replica, None)
        self._loads.pop(replica, None)

    async def _until_ready(self, replica: int) -> AgentHealth:
        for pause in pauses(FIRST_PAUSE_S, LAST_PAUSE_S):
            try:
                health: AgentHealth = await self._call(self._handle(replica).ready.remote())
                return health
            except ActorAway:
                self._lose(replica)
                await asyncio.sleep(pause)
        raise AssertionError("pauses never end")

    def _out_of_time(self, troubles: list[Exception]) -> SpeechFailed:
        within = f"within {self._config.turn_timeout_s:g} s"
        for trouble in troubles:
            if isinstance(trouble, Overloaded):
                return Overloaded(f"pool {self.name} took no turn {within}: {trouble}")
        cause = f": {troubles[-1]}" if troubles else ""
        return EngineLost(f"pool {self.name} gave no reply {within}{cause}")


async def _waited(task: asyncio.Future[Usage], most_s: float) -> None:
    """Wait for a task through cancellations of the waiter, who is on its way out already."""
    clock = asyncio.get_running_loop().time
    until = clock() + most_s
    while not task.done() and clock() < until:
        with suppress(asyncio.CancelledError):
            await asyncio.wait({task}, timeout=until - clock())


def _weight(deliberation: str, replica: int) -> bytes:
    """Rendezvous hashing: with replicas come and gone, only their own deliberations move."""
    return hashlib.sha256(f"{deliberation}/{replica}".encode()).digest()


async def _first(tasks: list[asyncio.Task[AgentHealth]]) -> AgentHealth:
    """The first result; the first error only when all have failed."""
    failed: list[BaseException] = []
    for done in asyncio.as_completed(tasks):
        try:
            return await done
        except SetupError as error:
            failed.append(error)
    raise failed[0]


def _counter(tokenizer_json: str) -> Count:
    """Counts what a text takes in a prompt, where no special token is read out of it."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(tokenizer_json)
    tokenizer.encode_special_tokens = True
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)
