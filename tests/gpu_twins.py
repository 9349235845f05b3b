"""What stands in Ray actors for engines on GPUs, and a cluster that says it has some."""

import asyncio
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import ray
from ray.cluster_utils import Cluster
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from actors.embedded import MARK, RAY_ENVIRONMENT, end_marked
from actors.engine_args import engine_args
from actors.roster import NAMESPACE
from engine.config import PoolConfig
from engine.data import Data

HERE = Path(__file__).parent
SIZES = {"object_store_memory": 80 * 1024**2, "include_dashboard": False}


@contextmanager
def gpu_cluster(*nodes: dict[str, float]) -> Iterator[Cluster]:
    """A head without cores and these nodes; what Ray calls GPUs there is hardware of no kind."""
    mark = uuid.uuid4().hex
    with pytest.MonkeyPatch.context() as patch:
        before = os.environ.get("PYTHONPATH", "")
        path = os.pathsep.join((str(HERE.parent), str(HERE), before))
        for name, value in {**RAY_ENVIRONMENT, MARK: mark, "PYTHONPATH": path}.items():
            patch.setenv(name, value)
        try:
            cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **SIZES})
            for node in nodes:
                add_node(cluster, node)
            ray.init(cluster.address, namespace=NAMESPACE, log_to_driver=False)
            yield cluster
        finally:
            ray.shutdown()
            end_marked(mark)


def add_node(cluster: Cluster, resources: dict[str, float]) -> None:
    """One more node with these resources."""
    own = {name: amount for name, amount in resources.items() if name not in ("CPU", "GPU")}
    cpus, gpus = resources.get("CPU", 0), resources.get("GPU", 0)
    cluster.add_node(
        num_cpus=cpus,
        num_gpus=gpus,
        resources=own,
        object_store_memory=SIZES["object_store_memory"],
    )


class Place(Data):
    """The node and the GPUs that an actor has, and what its process sees of them."""

    node: str
    gpus: tuple[str, ...]
    visible: str | None


class Accepted(Data):
    """What vLLM understood of a pool: its executor, whether it found our group, its workers."""

    executor: str
    parts: int
    memory_share: float
    in_our_group: bool
    bundles: tuple[tuple[int, str], ...]
    worker: dict[str, float]


def place() -> Place:
    """Of the actor that runs this."""
    context = ray.get_runtime_context()
    return Place(
        node=context.get_node_id(),
        gpus=tuple(context.get_accelerator_ids()["GPU"]),
        visible=os.environ.get("CUDA_VISIBLE_DEVICES"),
    )


def accepted(config: PoolConfig) -> Accepted:
    """By vLLM's own code, told that what Ray counts as GPUs are its devices."""
    from vllm import AsyncEngineArgs
    from vllm.platforms import current_platform
    from vllm.v1.executor import Executor, ray_utils
    from vllm.v1.executor.ray_executor_v2 import RayExecutorV2

    whole = AsyncEngineArgs(**engine_args(config, 0)).create_engine_config()
    type(current_platform).ray_device_key = "GPU"
    group = whole.parallel_config.placement_group
    ray_utils.initialize_ray_cluster(whole.parallel_config, require_gpu_on_driver=False)
    return Accepted(
        executor=Executor.get_class(whole).__name__,
        parts=whole.parallel_config.world_size,
        memory_share=whole.cache_config.gpu_memory_utilization,
        in_our_group=group is not None and whole.parallel_config.placement_group == group,
        bundles=tuple((i, n) for i, n, _ in ray_utils.get_bundles_sorted_by_node(group)),
        worker=RayExecutorV2._get_actor_resource_kwargs(),
    )


class PlacedAgent:
    """In an agent actor's place: what Ray gave it, and workers of its own as vLLM makes them."""

    def __init__(self, pool: str, replica: int, config: PoolConfig) -> None:
        self._config = config

    async def health(self) -> str:
        """It is well."""
        return "well"

    async def drain(self) -> None:
        """Nothing is under way."""

    async def place(self) -> Place:
        """Where it is."""
        return place()

    async def workers(self) -> list[Place]:
        """Where an actor in each bundle is that takes the GPUs vLLM's environment names."""
        group = ray.util.get_current_placement_group()
        each = float(os.environ["VLLM_RAY_PER_WORKER_GPUS"])
        made = [
            ray.remote(Worker)
            .options(
                num_cpus=0,
                num_gpus=each,
                scheduling_strategy=PlacementGroupSchedulingStrategy(group, index),
            )
            .remote()
            for index in range(group.bundle_count)
        ]
        return list(await asyncio.gather(*(worker.place.remote() for worker in made)))

    async def through_vllm(self) -> Accepted:
        """What vLLM makes of it, in a thread like the one that an engine starts in."""
        return await asyncio.to_thread(accepted, self._config)


class Worker:
    """In the place of one of vLLM's workers."""

    async def place(self) -> Place:
        """Where it is."""
        return place()
