"""A bridge on a real bus whose councils only a test lets decide, and what is sent to it."""

import json
from collections.abc import Callable
from typing import Any

from bus_fakes import last_record, outbound
from deadline import reaches
from nats.js.api import Header

from actors.bridge import Bridge, Health
from actors.bus import Connection
from actors.messages import ROLE, TASK, digest_of, last_message, opened, root_of
from actors.streams import DURABLES
from engine.config import BusConfig, Config, PoolConfig, fleet_councils
from engine.events import Record
from engine.fanout import ended
from engine.types import Task

ROLES = ("DEV", "QA", "ARCHITECT")


def fleet(bus: BusConfig) -> Config:
    """Three councils that listen on a bus."""
    councils = [council for council in fleet_councils() if council.role in ROLES]
    return Config(
        pools={"small": PoolConfig(model="/models/small")}, councils=tuple(councils), bus=bus
    )


def plan(**changes: object) -> bytes:
    """An approved plan as a producer sends it."""
    event = {"story_id": "s", "plan_id": "p", "approved_by": "po", "timestamp": "2026-11-22"}
    return json.dumps({**event, **changes}).encode()


def enveloped(payload: dict[str, Any], kind: str, key: str = "k") -> bytes:
    """The envelope of the contract around a payload."""
    head = {"event_type": kind, "idempotency_key": key, "producer": "po", "correlation_id": "c"}
    return json.dumps({**head, "timestamp": "2026-11-22", "payload": payload}).encode()


def cloud(payload: dict[str, Any], kind: str, key: str = "k") -> bytes:
    """CloudEvents 1.0, structured."""
    head = {"specversion": "1.0", "type": kind, "source": "/po", "id": key}
    return json.dumps({**head, "time": "2026-11-22T00:00:00Z", "data": payload}).encode()


class Deciding:
    """A convene that writes a real end at once, and keeps the tasks it was asked for."""

    def __init__(self, client: Connection) -> None:
        self._js = client.streams()
        self.asked: list[Task] = []

    async def __call__(self, task: Task) -> Record:
        """The end that is there, or a new one."""
        self.asked.append(task)
        found = await last_message(self._js, root_of(task.id))
        if found is not None:
            return opened(found).records[-1]
        end = last_record(task.id, 1)
        headers = {
            ROLE: task.role,
            TASK: digest_of(task),
            Header.EXPECTED_LAST_SUBJECT_SEQUENCE.value: "0",
        }
        await self._js.publish(f"{root_of(task.id)}.failed", outbound(end), headers=headers)
        return end

    @property
    def roles(self) -> list[str]:
        """Whom it was asked for, in order of names."""
        return sorted(task.role for task in self.asked)


async def healthy(bridge: Bridge, wanted: Callable[[Health], bool], what: str) -> Health:
    """The health once it is as wanted."""

    async def look() -> bool:
        return wanted(await bridge.health())

    await reaches(look, what)
    return await bridge.health()


async def settled(client: Connection) -> bool:
    """Nothing waits and nothing is unacknowledged, on any durable."""
    js = client.streams()
    infos = [await js.consumer_info(each.stream, each.name) for each in DURABLES]
    return all(info.num_pending == 0 and info.num_ack_pending == 0 for info in infos)


async def killed(bridge: Bridge) -> None:
    """End a bridge as a SIGKILL would: nothing is given back, nothing more is said."""
    assert bridge._client is not None
    await bridge._client.leave()
    await ended(*bridge._slots, *bridge._finishing)
