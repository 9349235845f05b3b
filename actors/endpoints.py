"""Asking models behind OpenAI-compatible APIs; knows nothing of councils or of the bus.

A key is read from the environment when it is sent, and kept nowhere.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from functools import partial
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import httpx
from pydantic import ValidationError

from actors.patience import pauses, said
from actors.thinking import split_thinking
from engine.completions import Heard, answer, body, heard, reason, shaped
from engine.config import OutsideAgent
from engine.errors import GaveUp, InvalidRequest, NoAnswer, Unavailable
from engine.joining import UNNAMED
from engine.types import Reply, Stopped, Turn, Usage

CONNECT_S = 5.0
FOUND_WITHIN_S = 10.0
ATTEMPTS = 4
"""So often a turn is sent at most, where the trouble is one that passes."""
FIRST_PAUSE_S, LAST_PAUSE_S = 0.5, 8.0
MOST_BYTES = 4 * 1024 * 1024
"""Of an answer; no honest one is longer."""
PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
"""The statuses after which the same request may go well."""
UNSHAPED = frozenset({400, 404, 415, 422, 501})
"""What a server says to a response_format that it does not know, among other things."""
REFUSED = frozenset({401, 403})
LISTED = 10
SHORTEST_SECRET = 12
"""Servers on the own machine take any word for a key, and a word may stand in any answer."""


class _Passing(Exception):
    """What may go well when it is sent again; with what was spent on it."""

    def __init__(self, why: str, spent: Usage | None = None, after_s: float = 0.0) -> None:
        super().__init__(why)
        self.why, self.spent, self.after_s = why, spent or Usage(), after_s


class _Unshaped(Exception):
    """The server may not know how to hold an answer to a schema."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Endpoints:
    """The agents whose turns go to an API, each asked for at most `at_once` turns at a time."""

    def __init__(self) -> None:
        self._agents: dict[str, OutsideAgent] = {}
        self._places: dict[str, asyncio.Semaphore] = {}
        self._unshaped: set[str] = set()
        self._clients: dict[bool, httpx.AsyncClient] = {}

    def know(self, agent: OutsideAgent) -> None:
        """One more that may be asked."""
        if self._agents.get(agent.id) != agent:
            self._agents[agent.id] = agent
            self._places[agent.id] = asyncio.Semaphore(agent.at_once)
            self._unshaped.discard(agent.id)

    def forget(self, agent_id: str) -> None:
        """It is not asked at an endpoint any more."""
        self._agents.pop(agent_id, None)

    def knows(self, agent_id: str) -> bool:
        """Whether it is asked at an endpoint."""
        return agent_id in self._agents

    async def ask(self, turn: Turn) -> Reply:
        """The model's reply. NoAnswer when there is none in its time, GaveUp when it refuses.

        Cancelled, it hangs up and ends as Stopped, with what the turn had cost so far.
        """
        agent = self._agents[turn.agent]
        call = _Call(agent, turn, self._client(agent))
        try:
            async with asyncio.timeout(agent.answer_within_s), self._places[agent.id]:
                return await self._answered(call)
        except TimeoutError:
            within = f"in {agent.answer_within_s:g} s"
            why = f": {call.trouble}" if call.trouble else ""
            raise NoAnswer(f"{agent.id} gave no answer {within}{why}") from None
        except asyncio.CancelledError:
            raise Stopped(call.spent) from None

    async def found(self, agent: OutsideAgent) -> OutsideAgent:
        """The agent with the model that its endpoint has. Unavailable, InvalidRequest."""
        try:
            headers = _headers(agent)
            client = self._client(agent)
            answered = await client.get(
                f"{agent.endpoint}/models", headers=headers, timeout=FOUND_WITHIN_S
            )
        except GaveUp as error:
            raise InvalidRequest("metadata.api_key_env", str(error)) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unavailable(f"nothing answers at {agent.endpoint} ({said(error)})") from None
        if answered.status_code in REFUSED:
            raise InvalidRequest("metadata.api_key_env", _refused(agent, answered.status_code))
        if answered.status_code in PASSING:
            raise Unavailable(f"{agent.endpoint} answers with status {answered.status_code}")
        return _with_model(agent, [_discreet(agent, each) for each in _models(answered)])

    async def close(self) -> None:
        """Hang up."""
        for client in self._clients.values():
            await client.aclose()

    async def _answered(self, call: _Call) -> Reply:
        """Send it until it is answered, as often as that is allowed."""
        waits = pauses(FIRST_PAUSE_S, LAST_PAUSE_S)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._once(call)
            except _Passing as passing:
                call.trouble = passing.why
                call.wasted += passing.spent
                if attempt == ATTEMPTS:
                    raise NoAnswer(f"{call.agent.id}: {passing.why}, {attempt} times") from None
                await asyncio.sleep(max(next(waits), passing.after_s))
        raise AssertionError("the last attempt raises")

    async def _once(self, call: _Call) -> Reply:
        """Send it; without the schema, and from then on, where the server does not take that."""
        name = call.agent.id
        if not shaped(call.turn) or name in self._unshaped:
            return await call.unshaped()
        try:
            return await call.sent(schema=True)
        except _Unshaped:
            found = await call.unshaped()
            self._unshaped.add(name)
            return found

    def _client(self, agent: OutsideAgent) -> httpx.AsyncClient:
        """A proxy that the environment names is not asked for what is on this machine."""
        here = _is_here(urlsplit(agent.endpoint).hostname or "")
        if here not in self._clients:
            limits = httpx.Limits(max_connections=1024, max_keepalive_connections=32)
            self._clients[here] = httpx.AsyncClient(trust_env=not here, limits=limits)
        return self._clients[here]


class _Call:
    """One turn at one endpoint: what was heard of it, and what attempts in vain had cost."""

    def __init__(self, agent: OutsideAgent, turn: Turn, client: httpx.AsyncClient) -> None:
        self.agent, self.turn, self._client = agent, turn, client
        self.trouble = ""
        self.wasted = Usage()
        self._heard = Heard()

    @property
    def spent(self) -> Usage:
        """The cost of all of it, where nothing comes of it."""
        return self.wasted + self._heard.spent

    async def unshaped(self) -> Reply:
        """One attempt without a schema. _Passing, GaveUp."""
        try:
            return await self.sent(schema=False)
        except _Unshaped as refused:
            raise GaveUp(f"{self.agent.id}: {refused.why}") from None

    async def sent(self, *, schema: bool) -> Reply:
        """One attempt. _Passing, _Unshaped, GaveUp."""
        self._heard = Heard()
        try:
            await self._hear(body(self.turn, self.agent.model, schema=schema))
        except httpx.ReadTimeout:
            quiet = f"{self.agent.silent_after_s:g} s"
            raise NoAnswer(f"{self.agent.id} gave no sign of life in {quiet}") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            spent, self._heard = self._heard.spent, Heard()
            raise _Passing(f"{self.agent.endpoint} broke off ({said(error)})", spent) from None
        except GaveUp as error:
            raise GaveUp(f"{self.agent.id}: {error}") from None
        if not self._heard.done:
            spent, self._heard = self._heard.spent, Heard()
            raise _Passing(f"{self.agent.endpoint} ended its answer before its end", spent)
        text, thought = split_thinking(self._hide(self._heard.text))
        thoughts = self._hide("\n\n".join(filter(None, (self._heard.reasoning, thought))))
        found = answer(self.turn, self._heard, text, thoughts)
        return found.model_copy(update={"usage": found.usage + self.wasted})

    async def _hear(self, request: Mapping[str, Any]) -> None:
        timeout = httpx.Timeout(self.agent.silent_after_s, connect=CONNECT_S)
        url, headers = f"{self.agent.endpoint}/chat/completions", _headers(self.agent)
        async with self._client.stream(
            "POST", url, json=request, headers=headers, timeout=timeout
        ) as answered:
            if not answered.is_success:
                raise await _refusal(self.agent, answered)
            kind = answered.headers.get("content-type", "")
            chunks = _whole(answered) if "json" in kind else _events(answered)
            async with aclosing(chunks):
                async for chunk in chunks:
                    self._heard = heard(self._heard, chunk, self._hide)

    def _hide(self, text: str) -> str:
        return _discreet(self.agent, text, SHORTEST_SECRET)


async def _refusal(agent: OutsideAgent, answered: httpx.Response) -> Exception:
    """What a refused request ends with."""
    status = answered.status_code
    if status in REFUSED:
        return GaveUp(_refused(agent, status))
    raw = await _read(answered)
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        document = raw.decode(errors="replace")
    why = reason(document, partial(_discreet, agent))
    line = f"{agent.endpoint} answers with status {status}: {why}"
    if status in PASSING:
        return _Passing(line, after_s=_after(answered))
    return _Unshaped(line) if status in UNSHAPED else GaveUp(line)


def _refused(agent: OutsideAgent, status: int) -> str:
    key = f"the key in {agent.key_env}" if agent.key_env else "a request without a key"
    return f"{agent.endpoint} refuses {key} (status {status})"


def _discreet(agent: OutsideAgent, said: str, shortest: int = 1) -> str:
    """What a server says, without the key that it may repeat, if that is so long."""
    key = os.environ.get(agent.key_env, "").strip() if agent.key_env else ""
    return said.replace(key, f"({agent.key_env})") if len(key) >= shortest else said


def _headers(agent: OutsideAgent) -> dict[str, str]:
    """Who we are, where the agent names a key; GaveUp where that is not in the environment."""
    if not agent.key_env:
        return {}
    key = os.environ.get(agent.key_env, "").strip()
    if not key or not key.isascii() or not key.isprintable():
        raise GaveUp(f"{agent.key_env} is not set, or is no key, where the council runs")
    return {"Authorization": f"Bearer {key}"}


async def _events(answered: httpx.Response) -> AsyncGenerator[object, None]:
    """The chunks of a stream of server-sent events, up to its end."""
    rest, size = b"", 0
    async for piece in answered.aiter_bytes():
        size += len(piece)
        if size > MOST_BYTES:
            raise GaveUp(f"its answer is longer than {MOST_BYTES} bytes")
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            name, _, data = line.strip().partition(b":")
            if name == b"data" and data.strip() == b"[DONE]":
                return
            if name == b"data" and data.strip():
                yield _json(data)


async def _whole(answered: httpx.Response) -> AsyncGenerator[object, None]:
    """The one completion of a server that does not stream."""
    yield _json(await _read(answered))


async def _read(answered: httpx.Response) -> bytes:
    found = bytearray()
    async for piece in answered.aiter_bytes():
        found += piece
        if len(found) > MOST_BYTES:
            raise GaveUp(f"its answer is longer than {MOST_BYTES} bytes")
    return bytes(found)


def _json(data: bytes) -> object:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise GaveUp("it sends something that is no JSON") from None


def _after(answered: httpx.Response) -> float:
    """How long a server asks to be left alone, as far as that can be read."""
    wanted = answered.headers.get("retry-after", "")
    return float(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) < 6 else 0.0


def _models(answered: httpx.Response) -> list[str]:
    """What an endpoint says that it has; nothing where it does not say so."""
    try:
        found = answered.json()
        return [str(each["id"]) for each in found["data"]] if answered.is_success else []
    except (ValueError, RecursionError, KeyError, TypeError):
        return []


def _with_model(agent: OutsideAgent, known: list[str]) -> OutsideAgent:
    if agent.model != UNNAMED and (agent.model in known or not known):
        return agent
    if agent.model == UNNAMED and len(known) == 1:
        return _named(agent, known[0])
    said = ", ".join(each[:80] for each in known[:LISTED]) or "it does not say"
    what = "name one" if agent.model == UNNAMED else f"has no {agent.model!r}"
    raise InvalidRequest("metadata.model", f"{agent.endpoint}: {what}; known: {said}")


def _named(agent: OutsideAgent, model: str) -> OutsideAgent:
    """The agent with the model of that name, which has to be one that can be kept."""
    try:
        return OutsideAgent.model_validate(dict(agent) | {"model": model})
    except ValidationError:
        what = f"{agent.endpoint}: the only one has no name that can be kept: {model[:80]!r}"
        raise InvalidRequest("metadata.model", what) from None


def _is_here(host: str) -> bool:
    """Whether a host is this machine by its own name for itself."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
