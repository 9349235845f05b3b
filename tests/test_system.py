"""The whole engine on a bare Ray head with the real model, and every part of it killed once."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import grpc
import httpx
import pytest
from callers import CLIENTS, Client
from cluster import Cluster, ray_head, until_ready
from contract import ContractClient
from deadline import reaches

from actors.bus import Connection, connect
from actors.embedded import nats_server
from actors.journal import Journal
from actors.nats_server import free_port
from deploy.acceptance import accepted
from engine.arrival import Arrival
from engine.config import BusConfig, Config, GrpcConfig, HttpConfig, PoolConfig, fleet_councils
from engine.events import END, Asked, Decided, Drafted, Event, Record
from engine.planning import SUBJECT, plan_approved, tasks
from engine.results import Result
from engine.transcript import fold
from engine.types import Budgets, Sampling, Task

pytestmark = [pytest.mark.ray, pytest.mark.model, pytest.mark.timeout(600)]

ROLES = tuple(council.role for council in fleet_councils())
POLL_S = 0.2
SHORT = Budgets(task=600, draft=64, critique=96)


class System:
    """A deployed application, its bus and its cluster."""

    def __init__(self, cluster: Cluster, config: Config, address: str) -> None:
        self.cluster, self.config, self.url = cluster, config, address
        self.target = f"127.0.0.1:{config.grpc.port}"

    @asynccontextmanager
    async def journal(self) -> AsyncIterator[Journal]:
        journal = await Journal.connect(self.config.bus, "test")
        try:
            yield journal
        finally:
            await journal.close()

    async def publish(self, *roles: str) -> list[Task]:
        """An approved plan for these roles; the tasks that must come of it."""
        plan = {
            "story_id": "s-1",
            "plan_id": "p-1",
            "approved_by": "tester",
            "timestamp": "2026-11-20T09:30:00Z",
            "title": "A clock that never stops",
            "description": "Build a clock that shows the time after a power cut.",
            "roles": list(roles),
        }
        data = json.dumps(plan).encode()
        client: Connection = await connect(self.config.bus, "producer", lambda: None)
        ack = await client.streams().publish(SUBJECT, data)
        await client.leave()
        arrival = Arrival(stream=ack.stream, seq=ack.seq, subject=SUBJECT, data=data)
        return list(tasks(plan_approved(arrival, len(data)), ROLES))


@pytest.fixture(scope="module")
def system(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A bare head with nothing but the application deployed on it."""
    sampling = Sampling(temperature=0.6, top_p=0.9, repetition_penalty=1.1)
    councils = fleet_councils(sampling=sampling, budgets=SHORT)
    with nats_server(tmp_path_factory.mktemp("nats")) as nats, ray_head() as cluster:
        config = Config(
            pools={"small": PoolConfig(model=str(small_model), window=2048, kv_cache_gb=0.5)},
            councils=councils,
            bus=BusConfig(url=nats.url, ack_wait_s=5.0),
            http=HttpConfig(port=free_port()),
            grpc=GrpcConfig(port=free_port()),
        )
        address = cluster.deploy(config)
        with httpx.Client(base_url=address, timeout=10.0) as http:
            until_ready(http)
        yield System(cluster, config, address)


async def seen(journal: Journal, task: Task, kind: type[Event]) -> None:
    """Wait until the journal holds such an event of the task's deliberation."""
    async with aclosing(journal.follow(task.id)) as records:
        async for record in records:
            assert not isinstance(record.event, END), f"{task.role} ended before it was disturbed"
            if isinstance(record.event, kind):
                return


async def ended(journal: Journal, task: Task) -> list[Record]:
    """All records of a deliberation, once it has ended."""
    async with aclosing(journal.follow(task.id)) as records:
        return [record async for record in records]


def assert_decided_once(records: list[Record]) -> None:
    """A decision of three texts, and no turn asked again after the journal held its outcome."""
    assert isinstance(records[-1].event, Decided), records[-1]
    assert [record.seq for record in records] == list(range(1, len(records) + 1))
    done: set[str] = set()
    for record in records:
        if isinstance(record.event, Asked):
            assert record.event.turn not in done, record
        done |= set(fold([record]).outcomes)
    state = fold(records)
    decision = records[-1].event.decision
    assert len(decision.order) == 3
    assert not decision.degraded
    assert state.usage.generated > 0
    assert state.usage.cached > 0


async def test_a_client_of_the_contract_alone_accepts_the_system(system: System) -> None:
    """One that has never seen our proto takes the five steps."""
    async with grpc.aio.insecure_channel(system.target) as channel:
        await accepted(ContractClient(channel), "system", within_s=120)


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.__name__)
async def test_the_engine_works_for_nobody_who_has_left(system: System, client: Client) -> None:
    """Its running requests go back to none within two seconds (threefold slack)."""
    async with httpx.AsyncClient(base_url=system.url, timeout=30.0) as http:

        async def running() -> int:
            status = (await http.get("/v1/status")).json()
            (agent,) = status["pools"][0]["agents"]
            return int(agent["load"]["running"]) + int(agent["load"]["waiting"])

        async def at_work() -> bool:
            return await running() == 3

        async def at_rest() -> bool:
            return await running() == 0

        caller = asyncio.create_task(client(system, client.__name__))
        await reaches(at_work, "three drafts are written", 60)
        caller.cancel()
        await asyncio.gather(caller, return_exceptions=True)
        await reaches(at_rest, "nothing runs in the engine", 6)
        found = await http.get(f"/v1/deliberations/{client.__name__}")
        assert found.json()["status"] == "suspended"


async def test_each_council_killed_during_its_deliberation(system: System) -> None:
    """Five councils deliberate; each is killed in turn; five decisions, no turn asked again."""
    asked = await system.publish(*ROLES)
    async with httpx.AsyncClient(base_url=system.url, timeout=30.0) as http:
        councils = {c["role"]: c for c in (await http.get("/v1/councils")).json()}
        async with system.journal() as journal:

            async def disturb(task: Task) -> list[Record]:
                await seen(journal, task, Drafted)
                system.cluster.kill_pid(councils[task.role]["pid"])
                return await ended(journal, task)

            for records in await asyncio.gather(*map(disturb, asked)):
                assert_decided_once(records)
                assert any(record.event.kind == "resumed" for record in records)


@pytest.mark.parametrize("victim", ["BridgeActor", "AgentActor"])
async def test_an_actor_killed_during_a_deliberation(system: System, victim: str) -> None:
    """The bridge or the engine is killed; the decision comes all the same."""
    (task,) = await system.publish("QA")
    async with system.journal() as journal:
        await seen(journal, task, Drafted)
        system.cluster.kill(f"ray::{victim}")
        assert_decided_once(await ended(journal, task))


@pytest.mark.parametrize("replica", ["Edge", "Supervisor"])
async def test_a_serve_replica_killed_during_a_deliberation(system: System, replica: str) -> None:
    """The client asks again with the same id and gets the decision of the same deliberation."""
    body = {"role": "DATA", "text": "Choose a store for clock faces", "task_id": f"http-{replica}"}
    task = Task(id=body["task_id"], role="DATA", text=body["text"])
    async with (
        httpx.AsyncClient(base_url=system.url, timeout=120.0) as http,
        system.journal() as journal,
    ):
        first = asyncio.create_task(http.post("/v1/deliberations", json=body))
        await seen(journal, task, Drafted)
        system.cluster.kill(f"ray::ServeReplica:conclave:{replica}")
        await asyncio.wait({first})
        answer = await posted(http, body)
        assert_decided_once(await ended(journal, task))
    assert Result.model_validate_json(answer.content).winner_id
    with httpx.Client(base_url=system.url, timeout=10.0) as again:
        until_ready(again)


async def posted(http: httpx.AsyncClient, body: dict[str, str]) -> httpx.Response:
    """Ask until Serve has a replica again, as a client with a retry does."""
    async with asyncio.timeout(60):
        while True:
            try:
                answer = await http.post("/v1/deliberations", json=body)
                if answer.status_code == 200:
                    return answer
            except httpx.TransportError:
                pass
            await asyncio.sleep(POLL_S)
