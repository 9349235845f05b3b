"""What each durable's events mean: how they are read and when they are settled; takes none."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from pydantic import JsonValue

from actors.bus import Connection
from actors.convening import Convening
from actors.lately import Lately
from actors.messages import digest_of_all
from actors.notices import phase_changed, plan_approved, plan_subject, plan_taken
from actors.stories import Stories
from actors.streams import (
    AGENT_RESPONSES,
    CONTEXT_DECISION,
    CONTEXT_MILESTONE,
    CONTEXT_UPDATED,
    COUNCIL_REQUESTS,
    DURABLES,
    PLAN_APPROVED,
    STORY_TRANSITIONS,
    Durable,
)
from actors.telling import Notice, digest_told, tell, told_first
from engine import planning
from engine.arrival import Arrival
from engine.config import Config
from engine.errors import InvalidEvent
from engine.lenient import Warned
from engine.outside import response
from engine.requests import requested
from engine.transitions import phase_tasks, transitioned

Settle = Callable[[Arrival], Awaitable[tuple[Warned, ...]]]
"""Does all that an event asks for; what had to be understood. InvalidEvent, Unavailable, Broken."""


InForce = Callable[[], Awaitable[Config]]
"""The configuration with the councils there are now; Unavailable where the bus does not say."""


class Route(NamedTuple):
    """A durable, how many of its events are worked on at once, and what settles one."""

    durable: Durable
    slots: int
    settle: Settle


class Routes:
    """The meaning of every inbound subject; `in_force` says what holds when an event comes."""

    def __init__(
        self, config: Config, client: Connection, convening: Convening, in_force: InForce
    ) -> None:
        self._config, self._client, self._convening = config, client, convening
        self._in_force = in_force
        self._stories = Stories(client.streams(), config.bus)
        self._settled = Lately()

    def all(self) -> dict[str, Route]:
        """The routes by the names of their durables."""
        convening = {
            PLAN_APPROVED: self.plan,
            STORY_TRANSITIONS: self.transition,
            COUNCIL_REQUESTS: self.request,
        }
        beside: dict[str, Settle] = {AGENT_RESPONSES: self.answer}
        telling = dict.fromkeys((CONTEXT_UPDATED, CONTEXT_MILESTONE, CONTEXT_DECISION), self.note)
        slots = dict.fromkeys(convening, self._config.bus.slots)
        settles: dict[str, Settle] = {**convening, **telling, **beside}
        return {
            each.name: Route(each, slots.get(each.name, 1), settles[each.name]) for each in DURABLES
        }

    async def plan(self, arrival: Arrival) -> tuple[Warned, ...]:
        """An approved plan: every role decides, then the world is told that all have."""
        event = planning.plan_approved(arrival, self._config.bus.max_event_bytes)
        taken = plan_taken(event)
        known = f"{taken.subject} {taken.digest}"
        if known not in self._settled:
            if await digest_told(self._client, plan_subject(event)) is None:
                await self._convene(event, taken)
            else:  # it is done, whatever councils have come or gone since
                await self._claim(taken, "plan")
            self._settled.add(known)
        return event.warnings

    async def _convene(self, event: planning.PlanApproved, taken: Notice) -> None:
        councils = (await self._in_force()).councils
        tasks = planning.tasks(event, tuple(council.role for council in councils))
        await self._claim(taken, "plan")
        ends = await self._convening.ends(tasks)
        outcomes: dict[str, JsonValue] = {
            task.role: {"task_id": task.id, "status": ends[task.role]} for task in tasks
        }
        await tell(self._client, plan_approved(event, outcomes, digest_of_all(tasks)))

    async def transition(self, arrival: Arrival) -> tuple[Warned, ...]:
        """A story has entered a phase: the world is told, then the phase's roles decide."""
        event = transitioned(arrival, self._config.bus.max_event_bytes)
        tasks = phase_tasks(event, (await self._in_force()).phases)
        await self._claim(phase_changed(event), "transition")
        await self._convening.ends(tasks)
        return event.warnings

    async def _claim(self, notice: Notice, what: str) -> None:
        """Before anybody is convened: of two that share an identity one alone gets all its roles.

        InvalidEvent for the other one.
        """
        if not await told_first(self._client, notice):
            raise InvalidEvent("conflict", "event", f"its identity belongs to another {what}")

    async def request(self, arrival: Arrival) -> tuple[Warned, ...]:
        """A council is asked."""
        event = requested(arrival, await self._in_force())
        digest = digest_of_all((event.task,))
        if digest not in self._settled:
            await self._convening.ends((event.task,))
            self._settled.add(digest)
        return event.warnings

    async def answer(self, arrival: Arrival) -> tuple[Warned, ...]:
        """An agent outside has answered. Who asked it listens; here it only must be readable."""
        response(arrival, self._config.bus.max_event_bytes)
        return ()

    async def note(self, arrival: Arrival) -> tuple[Warned, ...]:
        """Something is told of a story."""
        return await self._stories.note(arrival, self._config.bus.max_event_bytes)
