"""Twins of engine, pool, agent outside and actor's handle, for tests without vLLM or Ray."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from nats.js import JetStreamContext

from actors.bus import Connection, connect
from actors.calls import ActorAway
from actors.patience import BROKEN, patiently
from actors.speech import Generation, Request
from actors.streams import REQUESTS
from engine.config import BusConfig, PoolConfig
from engine.errors import ConclaveError, EngineLost, SpeechFailed
from engine.fanout import ended
from engine.outside import ANSWERED, ASKED
from engine.testing import words
from engine.types import Count, Message, Reply, Speak, Stopped, Turn, Usage


class ScriptedEngine:
    """An engine whose tokens are characters and whose text is `say` of a request.

    `gate` holds every request back until it is set. `started` and `aborted` keep the ids of the
    requests that ran and that were cancelled, `running` is how many are in it now, `written` how
    many tokens each of them has when it is cancelled.
    """

    def __init__(
        self,
        say: Callable[[Request], str] = lambda request: "yes",
        window: int = 4096,
        kv_tokens: int = 65536,
        block_size: int = 16,
    ) -> None:
        self.window, self.kv_tokens, self.block_size = window, kv_tokens, block_size
        self._say = say
        self.gate = asyncio.Event()
        self.gate.set()
        self.dead = self.killed = self.closed = False
        self.started: list[str] = []
        self.aborted: list[str] = []
        self.running = self.written = 0

    def start(self, config: PoolConfig, replica: int) -> ScriptedEngine:
        """What AgentActor calls to start its engine."""
        return self

    def render(self, messages: Sequence[Message], thinks: bool = True) -> list[int]:
        """The characters of all messages, one token each."""
        return [ord(char) for message in messages for char in f"{message.content}\n"]

    def label_id(self, label: str) -> int:
        """A label of one character is its token."""
        if len(label) != 1:
            raise SpeechFailed(f"label {label!r} is not exactly one token for this model")
        return ord(label)

    async def generate(self, request: Request) -> Generation:
        """What `say` says, once the gate is open; EngineLost when the engine is dead."""
        self.started.append(request.id)
        self.running += 1
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.aborted.append(request.id)
            raise Stopped(Usage(aborted=self.written)) from None
        finally:
            self.running -= 1
        if self.dead:
            raise EngineLost("the engine's processes have died")
        text = self._say(request)
        odds = {label: 0.5 / 2**place for place, label in enumerate(request.labels, 1)}
        return Generation(
            text=text[: request.max_tokens],
            truncated=len(text) > request.max_tokens,
            tokens=min(len(text), request.max_tokens),
            odds=odds,
        )

    def tokenizer_json(self) -> str:
        """A tokenizer that counts words."""
        from tokenizers import Tokenizer, models, pre_tokenizers

        tokenizer = Tokenizer(models.WordLevel({"[?]": 0}, unk_token="[?]"))
        tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        text: str = tokenizer.to_str()
        return text

    def kill(self) -> None:
        """Only noted."""
        self.killed = True

    async def shutdown(self) -> None:
        """Only noted."""
        self.closed = True


class ScriptedPool:
    """A pool behind which a model of `engine.testing` speaks; `trouble` is what `ready` raises."""

    def __init__(self, model: Speak, trouble: ConclaveError | None = None) -> None:
        self._model, self._trouble = model, trouble

    async def ready(self) -> None:
        """At once, or what the trouble is."""
        if self._trouble is not None:
            raise self._trouble

    async def count(self) -> Count:
        """One token a word."""
        return words

    async def tokens(self, messages: Sequence[Message], *, thinks: bool = True) -> int:
        """One a word, and one for each message's mark."""
        return sum(words(message.content) + 1 for message in messages)

    async def speak(self, turn: Turn) -> Reply:
        """What the model says."""
        return await self._model(turn)


Asked = dict[str, Any]
"""What an agent outside is told of a turn: the fields of `engine.outside.request`."""


def obliging(asked: Asked) -> Asked:
    """An answer of the form that a request asks for."""
    form = asked["form"]
    if form["kind"] == "text":
        return {"proposal": f"{asked['agent_id']} {asked['phase']} {asked['round']}"}
    if form["kind"] == "choice":
        return {"output": [form["labels"][0]] * len(form["questions"])}
    return {"output": _instance(form["json_schema"])}


def _instance(schema: Asked) -> Any:
    """The least that a schema allows."""
    if "enum" in schema:
        return schema["enum"][0]
    match schema["type"]:
        case "object":
            return {name: _instance(part) for name, part in schema["properties"].items()}
        case "array":
            least = schema.get("minItems", 0)
            if "prefixItems" in schema:
                return [_instance(item) for item in schema["prefixItems"][:least]]
            return schema.get("items", {}).get("enum", [])[:least]
        case "integer":
            return schema.get("minimum", 0)
        case _:
            return "x" * schema.get("minLength", 1)


class OutsideAgentTwin:
    """An agent outside the engine, on a real bus: `say` makes the answer to each request.

    `say` gives the fields of the response, its `kind` where it is not completed, or None where
    nothing is said; then `respond` can. By itself it writes texts and finds nothing wrong.
    `requests` keeps what it was asked.
    """

    def __init__(self, id: str, say: Callable[[Asked], Asked | None] = obliging) -> None:
        self.id, self.say = id, say
        self.requests: list[Asked] = []
        self._client: Connection | None = None

    @asynccontextmanager
    async def on(self, url: str) -> AsyncGenerator[OutsideAgentTwin]:
        """Listen to the bus at `url`, whose streams must exist, until the block is left."""
        self._client = await connect(BusConfig(url=url), self.id, on_closed=lambda: None)
        subject = f"{ASKED}.{self.id}"
        js = self._client.streams()
        requests = await js.pull_subscribe(subject, durable=self.id, stream=REQUESTS)
        listening = asyncio.create_task(self._listen(requests))
        try:
            yield self
        finally:
            await ended(listening)
            await self._client.leave()

    async def respond(self, asked: Asked, kind: str = "completed", **said: Any) -> None:
        """Say something about a request; the fields of `said` win over those of the request."""
        about = {"task_id": asked["task_id"], "agent_id": self.id, "role": asked["role"]}
        await self.publish(json.dumps(about | said).encode(), kind)

    async def publish(self, data: bytes, kind: str = "completed") -> None:
        """Say whatever it is; returns when that is stored."""
        assert self._client is not None, "it says nothing but within `on`"
        js = self._client.streams()
        await patiently(lambda: js.publish(f"{ANSWERED}.{kind}", data), self.id, patience_s=20.0)

    async def _listen(self, requests: JetStreamContext.PullSubscription) -> None:
        """One request after the other; the stream has each once, however often it was sent."""
        while True:
            try:
                (message,) = await requests.fetch(1, timeout=1.0)
            except BROKEN:  # none came, or NATS is away
                await asyncio.sleep(0.05)
                continue
            asked = json.loads(message.data)["payload"]
            self.requests.append(asked)
            said = self.say(asked)
            if said is not None:
                await self.respond(asked, **said)
            await message.ack()


class LocalHandle:
    """A Ray actor's handle for a plain object in this process: `handle.method.remote(...)`.

    After `kill()` every call, also those under way, fails as one of a dead actor does.
    """

    def __init__(self, actor: Any) -> None:
        self._actor = actor
        self._died = asyncio.Event()

    def __getattr__(self, name: str) -> _LocalMethod:
        return _LocalMethod(self, getattr(self._actor, name))

    def kill(self) -> None:
        """Die as by SIGKILL."""
        self._died.set()

    async def run(self, work: Awaitable[Any]) -> Any:
        """Await a method of the actor, or its death."""
        task, death = asyncio.ensure_future(work), asyncio.ensure_future(self._died.wait())
        try:
            await asyncio.wait({task, death}, return_when=asyncio.FIRST_COMPLETED)
            if self._died.is_set():
                raise ActorAway("killed")
            return task.result()
        finally:
            task.cancel()
            death.cancel()


class _LocalMethod:
    def __init__(self, handle: LocalHandle, method: Callable[..., Awaitable[Any]]) -> None:
        self._handle, self._method = handle, method

    def remote(self, *args: Any) -> asyncio.Task[Any]:
        """Begin the call, as Ray does, whether it is awaited or not."""
        return asyncio.ensure_future(self._handle.run(self._method(*args)))


async def local_call(ref: asyncio.Task[Any]) -> Any:
    """The Call for local handles: cancelling it cancels the task."""
    return await ref
