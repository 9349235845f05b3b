"""The actor that owns one engine and answers turns with it; knows nothing of councils or Ray."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from actors.admission import Admission, Footprint
from actors.answer import AgentHealth, Answer, Load
from actors.engine_host import EngineHost
from actors.flights import Flights
from actors.speech import Engine, Request, compose, perform
from engine.config import PoolConfig
from engine.errors import EngineLost, Overloaded, SpeechFailed, Unavailable
from engine.types import Message, Reply, Stopped, Turn, Usage

log = logging.getLogger("conclave.agent")

Start = Callable[[PoolConfig, int], Engine]

MOST_ABORTED = 256
"""Of so many aborted turns it is known what they had cost: callers that died never ask."""


class AgentActor:
    """One in-process engine of a pool.

    The engine starts in a thread of its own, so that the actor answers from its first moment; a
    start that fails leaves an actor whose every answer is the SetupError. An engine that dies or
    hangs ends the whole process (`die`), so that the supervisor sees it and makes a new actor.
    """

    def __init__(
        self,
        pool: str,
        replica: int,
        config: PoolConfig,
        start: Start = EngineHost.start,
        die: Callable[[int], object] = os._exit,
    ) -> None:
        self._pool, self._replica, self._config = pool, replica, config
        self._die = die
        self._flights: Flights[Reply] = Flights()
        self._admission = Admission(config.max_running, config.max_queued, 0, config.block_size)
        self._canary: asyncio.Task[None] | None = None
        self._up_since = 0.0
        self._generated = self._turns = 0
        self._probed_at: float | None = None
        self._aborted: dict[str, Usage] = {}
        self._draining = False
        starter = ThreadPoolExecutor(1, thread_name_prefix="engine-start")
        self._starting = starter.submit(start, config, replica)
        starter.shutdown(wait=False)

    async def ready(self) -> AgentHealth:
        """Wait until the engine answers. SetupError where it cannot start."""
        engine = await asyncio.shield(asyncio.wrap_future(self._starting))
        self._open(engine)
        return self._health(engine)

    async def health(self) -> AgentHealth:
        """The actor as it stands, at once. SetupError where its engine could not start."""
        engine = self._starting.result() if self._starting.done() else None
        if engine is not None:
            self._open(engine)
        return self._health(engine)

    async def speak(self, turn: Turn) -> Answer:
        """The reply to a turn; a second call for the same turn joins the first one.

        Unavailable while the engine starts, Overloaded, PromptTooLong, SpeechFailed, SetupError.
        """
        engine = self._engine()
        if self._draining:
            raise Overloaded(f"{self._name} is draining: {self._admission.load}")
        reply = await self._flights.join(turn.id, lambda: self._answer(engine, turn))
        return Answer(reply=reply, load=self._admission.load)

    async def aborted(self, turn_id: str) -> Usage:
        """What a turn had cost that was stopped; waits until it has ended, whoever stopped it.

        Nothing where it had not begun to generate, or was asked about before.
        """
        await self._flights.over(turn_id)
        return self._aborted.pop(turn_id, Usage())

    async def abort(self, turn_id: str) -> bool:
        """End a turn for all who wait for it; False if it is not under way."""
        return self._flights.abort(turn_id)

    async def tokenizer_json(self) -> str:
        """The model's tokenizer, for `tokenizers.Tokenizer.from_str`."""
        return self._engine().tokenizer_json()

    async def prompt_tokens(self, messages: Sequence[Message], thinks: bool = True) -> int:
        """What a prompt takes of the model's window; `thinks` where it is one that may reason."""
        return len(self._engine().render(messages, thinks=thinks))

    async def drain(self) -> None:
        """Refuse new turns and wait for those under way."""
        self._draining = True
        await self._flights.landed()

    async def stop(self) -> None:
        """End everything under way and then the engine; the actor is of no further use."""
        self._draining = True
        self._flights.abort_all()
        if self._canary is not None:
            self._canary.cancel()
        await asyncio.wait({starting := asyncio.wrap_future(self._starting)})
        if starting.exception() is None:
            await starting.result().shutdown()

    @property
    def _name(self) -> str:
        return f"agent {self._pool}-{self._replica}"

    def _engine(self) -> Engine:
        if not self._starting.done():
            raise Unavailable(f"{self._name} is starting")
        engine = self._starting.result()
        self._open(engine)
        return engine

    def _open(self, engine: Engine) -> None:
        if self._canary is None and not self._draining:
            config = self._config
            self._admission = Admission(
                config.max_running, config.max_queued, engine.kv_tokens, engine.block_size
            )
            self._up_since = time.time()
            self._canary = asyncio.ensure_future(self._watch(engine))

    async def _answer(self, engine: Engine, turn: Turn) -> Reply:
        self._aborted.pop(turn.id, None)
        requests = compose(engine, turn)
        prompts = ((request.prompt, request.max_tokens) for request in requests)
        async with self._admission.place(Footprint.of(prompts, engine.block_size)):
            try:
                reply = await perform(engine, turn, requests)
            except EngineLost as lost:
                self._end(engine, str(lost))
                raise
            except Stopped as stopped:
                self._remember(turn.id, stopped.usage)
                raise
        self._generated += reply.usage.generated
        self._turns += 1
        return reply

    def _remember(self, turn_id: str, usage: Usage) -> None:
        """Keep what an aborted turn had cost until it is asked for, of the last ones only."""
        self._aborted[turn_id] = usage
        while len(self._aborted) > MOST_ABORTED:
            del self._aborted[next(iter(self._aborted))]

    async def _watch(self, engine: Engine) -> None:
        """Ask for one token now and then: a hung engine reports no error of its own."""
        prompt = engine.render((Message(role="user", content="Are you there?"),))
        request = Request("canary", prompt, max_tokens=1, urgent=True)
        deadline = self._config.canary_timeout_s
        while True:
            await asyncio.sleep(self._config.canary_every_s)
            self._probed_at = time.monotonic()
            try:
                async with asyncio.timeout(deadline):  # wait_for can lose a cancellation
                    await _heard(engine, request)
            except TimeoutError:
                return self._end(engine, f"the engine gave no token within {deadline:g} s")
            except SpeechFailed as failure:
                return self._end(engine, str(failure))
            self._probed_at = None

    def _end(self, engine: Engine, reason: str) -> None:
        log.error("%s ends its process, to be replaced: %s", self._name, reason)
        engine.kill()
        self._die(1)

    def _health(self, engine: Engine | None) -> AgentHealth:
        return AgentHealth(
            pool=self._pool,
            replica=self._replica,
            pid=os.getpid(),
            model=self._config.model,
            state="draining" if self._draining else "ready" if engine else "starting",
            up_since=self._up_since,
            window=self._config.window,
            load=self._admission.load if engine else Load(),
            generated=self._generated,
            turns=self._turns,
            silent_s=0.0 if self._probed_at is None else time.monotonic() - self._probed_at,
        )


async def _heard(engine: Engine, request: Request) -> None:
    """Wait for an answer; `asyncio.timeout` knows a cancellation of its own by the very class."""
    try:
        await engine.generate(request)
    except Stopped:
        raise asyncio.CancelledError from None
