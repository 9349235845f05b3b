"""Two councils on two pools, a real engine each, side by side on this machine."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx
import psutil
import pytest
import ray
from cluster import until_ready

from actors.embedded import local_ray, nats_server
from actors.roster import NAMESPACE, roster
from engine.config import (
    BusConfig,
    Config,
    CouncilConfig,
    GrpcConfig,
    HttpConfig,
    PoolConfig,
    fleet_councils,
)
from engine.results import Result
from engine.types import Budgets

pytestmark = [pytest.mark.ray, pytest.mark.model, pytest.mark.cluster, pytest.mark.timeout(400)]

SHORT = Budgets(task=400, draft=48, critique=96)


def pool(model: Path, core: int) -> PoolConfig:
    return PoolConfig(model=str(model), window=2048, kv_cache_gb=0.5, cores=str(core))


def council(config: CouncilConfig, name: str) -> CouncilConfig:
    return CouncilConfig.model_validate(config.model_dump() | {"pools": [name], "budgets": SHORT})


def decided(http: httpx.Client, role: str) -> str:
    """How a deliberation of that council ended."""
    answer = http.post("/v1/deliberations", json={"role": role, "text": "Say hello"})
    return Result.model_validate_json(answer.content).status


def test_two_engines_serve_two_councils_each_on_its_own_core(
    small_model: Path, tmp_path: Path
) -> None:
    """Both decide at once, each through its own engine, whose threads keep to its own core."""
    from serve_app import serving

    dev, qa = fleet_councils()[:2]
    with nats_server(tmp_path / "nats") as nats, local_ray(num_cpus=2):
        config = Config(
            pools={"left": pool(small_model, 0), "right": pool(small_model, 1)},
            councils=(council(dev, "left"), council(qa, "right")),
            bus=BusConfig(url=nats.url),
            http=HttpConfig(port=0),
            grpc=GrpcConfig(port=0),
        )
        with (
            serving(config) as found,
            httpx.Client(base_url=f"http://127.0.0.1:{found.http.port}", timeout=120.0) as http,
        ):
            until_ready(http)
            with ThreadPoolExecutor() as both:
                assert list(both.map(partial(decided, http), ("DEV", "QA"))) == ["completed"] * 2
            assert_each_engine_worked_alone(config)


def assert_each_engine_worked_alone(config: Config) -> None:
    cores = {}
    for name, (actor,) in roster(config).agents.items():
        health = ray.get(ray.get_actor(actor, namespace=NAMESPACE).health.remote())
        assert health.turns >= 9, f"{name}: {health}"
        family = psutil.Process(health.pid).children(recursive=True)
        (worker,) = (process for process in family if "Worker" in process.cmdline()[0])
        threads = [psutil.Process(thread.id) for thread in worker.threads()]
        busiest = max(threads, key=lambda thread: sum(thread.cpu_times()[:2]))
        cores[name] = busiest.cpu_affinity()
    assert cores == {"left": [0], "right": [1]}
