"""Where a real Ray puts engines: on GPUs that are whole, shared, or several together."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import ray
from agents import a_pool
from deadline import until, until_async
from gpu_twins import Place, PlacedAgent, Worker, add_node, gpu_cluster
from ray.cluster_utils import Cluster

from actors import crew as crews
from actors import groups, supervisor
from actors.councils import find_actor, named_actors
from actors.crew import Seat, crew
from actors.groups import named_groups, remove_group
from actors.nats_server import NatsServer
from actors.retiring import retire
from actors.roster import roster
from actors.supervisor import Post, Supervisor
from commands.cluster import end_actors
from engine.config import BusConfig, Config, PoolConfig

pytestmark = [pytest.mark.ray, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Three GPUs on one node, one on another, and a node without any."""
    left, right = {"CPU": 4, "GPU": 3, "left": 1}, {"CPU": 4, "GPU": 1, "right": 1}
    with gpu_cluster(left, right, {"CPU": 4, "cold": 1}) as made:
        yield made


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, cluster: Cluster) -> Iterator[None]:
    """Twins for engines; look often, and leave nothing to the next test."""
    monkeypatch.setattr(crews, "AgentActor", PlacedAgent)
    monkeypatch.setattr(supervisor, "LOOK_EVERY_S", 0.1)
    monkeypatch.setattr(supervisor, "SILENT_S", 0.2)
    yield
    end_actors()
    until(lambda: not named_actors() + named_groups(), "nothing is left")


def seats(**pools: PoolConfig) -> list[Seat]:
    """The agents of these pools."""
    config = Config(pools=pools)
    return [seat for seat in crew(config, roster(config)) if seat.kind == "agent"]


def fill(**pools: PoolConfig) -> list[Any]:
    """An actor for each engine, in their order."""
    return [seat.fill() for seat in seats(**pools)]


def places(actors: list[Any]) -> list[Place]:
    """Where each of them is; waits until it is somewhere."""
    found: list[Place] = ray.get([actor.place.remote() for actor in actors], timeout=60)
    return found


def node_with(resource: str) -> str:
    """The id of the node that has it."""
    return next(n["NodeID"] for n in ray.nodes() if n["Alive"] and resource in n["Resources"])


@asynccontextmanager
async def supervised(nats: NatsServer, wanted: list[Seat]) -> AsyncIterator[Callable[[], Post]]:
    """A supervisor that keeps these seats; how the first of them stands."""
    watching = Supervisor(BusConfig(url=nats.url), wanted)
    watching.start()
    try:
        yield lambda: watching.state().posts[0]
    finally:
        await watching.stop()


def test_one_engine_has_a_gpu_for_itself() -> None:
    """Each of three on a node of three has another one, and sees no other."""
    pool = a_pool(gpus=1, cpus=1, replicas=3, resources={"left": 0.1})
    found = places(fill(whole=pool))
    assert {place.node for place in found} == {node_with("left")}
    assert sorted(place.gpus for place in found) == [("0",), ("1",), ("2",)]
    assert all(place.visible == ",".join(place.gpus) for place in found)


def test_four_engines_share_one_gpu() -> None:
    """A fifth has to go to another one."""
    quarter = {"gpus": 0.25, "cpus": 0.5}
    shared = fill(shared=a_pool(**quarter, replicas=4, resources={"right": 0.1}))
    found = places(shared)
    assert {(place.node, place.gpus) for place in found} == {(node_with("right"), ("0",))}
    (fifth,) = places(fill(fifth=a_pool(**quarter)))
    assert fifth.node == node_with("left")


def test_a_model_in_two_parts_has_both_gpus_on_one_node() -> None:
    """Our actor sits there without a GPU of its own; what vLLM starts gets one each."""
    (actor,) = fill(pair=a_pool(gpus=2, tensor_parallel=2, cpus=1))
    (own,) = places([actor])
    parts: list[Place] = ray.get(actor.workers.remote(), timeout=60)
    assert own.gpus == ()
    assert own.visible is None
    assert {place.node for place in (own, *parts)} == {node_with("left")}
    assert sorted(place.gpus for place in parts) == [("0",), ("1",)]
    (rest,) = places(fill(rest=a_pool(gpus=1, resources={"left": 0.1})))
    assert rest.gpus == ("2",), "those two are taken"


def test_pools_go_to_the_nodes_that_have_their_resources() -> None:
    """Also where they take no GPU; and no engine goes to a head without cores."""
    cold = a_pool(cpus=1, replicas=2, resources={"cold": 0.5})
    right = a_pool(cpus=1, replicas=2, resources={"right": 0.5})
    found = places(fill(cold=cold, right=right, anywhere=a_pool(cpus=1)))
    wanted = ["cold", "cold", "right", "right"]
    assert [place.node for place in found[:4]] == [node_with(name) for name in wanted]
    assert found[4].node in {node_with(name) for name in ("left", "right", "cold")}


@pytest.mark.model
@pytest.mark.timeout(300)
def test_vllm_itself_takes_our_actors_group_for_its_workers(small_model: Path) -> None:
    """From the arguments, in the thread an engine starts in: executor, bundles, GPU of a worker."""
    pool = a_pool(str(small_model), gpus=3, tensor_parallel=3, cpus=1)
    (actor,) = fill(three=pool)
    (own,) = places([actor])
    told = ray.get(actor.through_vllm.remote(), timeout=240)
    assert (told.executor, told.parts, told.memory_share) == ("RayExecutorV2", 3, 0.9)
    assert told.in_our_group
    assert told.bundles == ((0, own.node), (1, own.node), (2, own.node))
    assert told.worker == {"num_gpus": 1.0}


@pytest.mark.nats
async def test_what_no_node_can_hold_is_a_trouble_until_there_is_such_a_node(
    cluster: Cluster, nats: NatsServer
) -> None:
    """Several GPUs together, or one resource more; made once, for another would fit no better."""
    four = seats(four=a_pool(gpus=4, tensor_parallel=4, cpus=1, resources={"big": 1}))
    says = (
        "needs 4 GPUs together on one node; the cluster's largest node has 3. "
        "Add such a node, or lower the pool's `tensor_parallel` and `gpus`"
    )
    async with supervised(nats, four) as post:
        await until_async(lambda: says in post().reason, "the reason is told", 60)
        assert post().state == "absent"
        add_node(cluster, {"CPU": 2, "GPU": 4, "big": 1})
        await until_async(lambda: post().state == "ready", "it is placed", 60)
        assert (post().reason, post().made) == ("", 1)
        assert await find_actor(post().name).workers.remote()


@pytest.mark.nats
@pytest.mark.parametrize("grouped", [False, True])
async def test_what_waits_for_a_gpu_is_a_trouble_until_one_is_free(
    nats: NatsServer, monkeypatch: pytest.MonkeyPatch, grouped: bool
) -> None:
    """It is said of what it waits and how much there is; it is not made anew meanwhile."""
    monkeypatch.setattr(groups, "PLACED_WITHIN_S", 0.0)
    monkeypatch.setattr(supervisor, "START_WITHIN_S", 5.0)
    holding = ray.remote(Worker).options(num_cpus=0, num_gpus=1, resources={"left": 0.1})
    others = [holding.remote() for _ in range(3)]
    places(others)
    size = {"gpus": 2, "tensor_parallel": 2} if grouped else {"gpus": 0.5}
    late = seats(late=a_pool(**size, cpus=0.1, resources={"left": 0.1}))
    async with supervised(nats, late) as post:
        gpu = "2 GPUs" if grouped else "0.5 GPU"
        says = f"waits for {gpu} on one node; no node has more than 0 left"
        await until_async(lambda: says in post().reason, "the reason is told", 60)
        await asyncio.sleep(6)  # longer than an actor that is placed may be silent
        assert post().state == "absent"
        for actor in others:
            ray.kill(actor)
        await until_async(lambda: post().state == "ready", "it is placed", 60)
        assert (post().reason, post().made) == ("", 1)


@pytest.mark.nats
async def test_a_group_outlives_its_actor_and_ends_with_its_seat(
    nats: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next actor gets the same GPUs; what no seat is for is given back, with no actor too."""
    pair = a_pool(gpus=2, tensor_parallel=2, cpus=1)
    (seat,) = seats(pair=pair)
    (old,) = seats(pair=pair.model_copy(update={"window": 8192}))
    old.fill()
    ray.kill(find_actor(old.name))
    async with supervised(nats, [seat]) as post:
        await until_async(lambda: post().state == "ready", "it is there", 60)
        assert named_groups() == [seat.name]
        group = groups._found(seat.name)
        ray.kill(find_actor(seat.name))
        await until_async(lambda: post().made == 2 and post().state == "ready", "anew", 60)
        assert groups._found(seat.name) == group
    await retire(seat.name)
    assert (named_groups(), named_actors()) == ([], [])


async def test_two_supervisors_keep_one_group(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes second in making it is refused, and finds it the next time."""
    (seat,) = seats(pair=a_pool(gpus=2, tensor_parallel=2, cpus=1))
    seat.fill()
    with pytest.raises(ValueError, match="already"):
        seat.fill()
    found = groups._found
    monkeypatch.setattr(groups, "_found", lambda _name: None)
    with pytest.raises(ValueError, match="already exists"):
        seat.fill()
    monkeypatch.setattr(groups, "_found", found)
    assert named_groups() == [seat.name]
    remove_group("conclave:agent:nobody:0:x")
    assert named_groups() == [seat.name]
