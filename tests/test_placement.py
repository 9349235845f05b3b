"""What of the GPUs an engine takes, by the arguments that result for Ray and for vLLM."""

import fcntl
import threading
from pathlib import Path
from typing import Any

import pytest
from agents import a_pool
from deadline import until

from actors.engine_args import engine_args, engine_env
from actors.placement import STRATEGY, Node, actor_options, bundles, needs, taken, too_large
from actors.starting import taking_turns
from engine.config import PoolConfig
from engine.shares import memory_share

WHOLE = a_pool(cpus=2, gpus=1, resources={"rack": 0.5})
QUARTER = a_pool(cpus=1, gpus=0.25)
PAIR = a_pool(cpus=2, gpus=2, tensor_parallel=2, resources={"rack": 0.5})


def test_one_engine_on_a_gpu_is_one_actor_that_takes_it() -> None:
    """Cores, GPU and further resources are the actor's own, and vLLM is told of no parts."""
    options = actor_options(WHOLE, 0)
    assert (options["num_cpus"], options["num_gpus"]) == (2, 1)
    assert options["resources"] == {"rack": 0.5}
    assert bundles(WHOLE) == [{"CPU": 2, "GPU": 1, "rack": 0.5}]
    assert "VLLM_RAY_PER_WORKER_GPUS" not in options["runtime_env"]["env_vars"]
    assert not {"tensor_parallel_size", "distributed_executor_backend"} & set(engine_args(WHOLE, 0))


def test_an_engine_on_a_share_takes_that_share_of_gpu_and_memory() -> None:
    """Four of them take one GPU in Ray's books, and nine tenths of its memory."""
    assert actor_options(QUARTER, 0)["num_gpus"] == 0.25
    assert engine_args(QUARTER, 0)["gpu_memory_utilization"] == 0.225


def test_a_model_in_two_parts_has_a_bundle_for_each_on_one_node() -> None:
    """Our actor takes cores and no GPU: those of the bundles are for vLLM's workers."""
    assert bundles(PAIR) == [{"CPU": 2, "rack": 0.5, "GPU": 1}, {"GPU": 1}]
    assert STRATEGY == "STRICT_PACK"
    options = actor_options(PAIR, 0)
    assert (options["num_cpus"], options["num_gpus"]) == (2, 0)
    assert options["runtime_env"]["env_vars"]["VLLM_RAY_PER_WORKER_GPUS"] == "1"
    args = engine_args(PAIR, 0)
    assert (args["tensor_parallel_size"], args["distributed_executor_backend"]) == (2, "ray")
    assert args["gpu_memory_utilization"] == 0.9, "of each of its GPUs"


def test_without_a_core_of_its_own_the_bundle_names_none() -> None:
    """Ray refuses a bundle with nothing of a kind."""
    assert bundles(a_pool(cpus=0, gpus=2, tensor_parallel=2)) == [{"GPU": 1}, {"GPU": 1}]
    assert bundles(a_pool(cpus=1)) == [{"CPU": 1}]


def test_what_is_said_of_the_memory_holds() -> None:
    """Left out it follows the GPUs: 0.9 of what the engine has of each."""
    assert engine_args(a_pool(gpus=1, gpu_memory_share=0.5), 0)["gpu_memory_utilization"] == 0.5
    assert [memory_share(gpus, None) for gpus in (0.1, 0.5, 1, 4)] == [0.09, 0.45, 0.9, 0.9]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"gpus": 0.25, "gpu_memory_share": 0.9}, "0.9 of a GPU of which the engine has 0.25"),
        ({"gpus": 1, "tensor_parallel": 2}, "set gpus: 2 .it is 1."),
        ({"tensor_parallel": 2}, "set gpus: 2 .it is 0."),
        ({"gpus": 0.5, "tensor_parallel": 2}, "2 whole GPUs, one for each part"),
        ({"gpus": 4, "tensor_parallel": 2}, "set gpus: 2 .it is 4."),
        ({"gpus": 2}, "uses a single GPU; set tensor_parallel"),
        ({"gpus": 1.5}, "uses a single GPU; set tensor_parallel"),
    ],
)
def test_gpus_and_shares_that_do_not_agree_are_refused(fields: dict[str, Any], says: str) -> None:
    """In one line that says what to write instead."""
    with pytest.raises(ValueError, match=says) as error:
        a_pool(**fields)
    assert "\n" not in str(error.value).partition("Value error, ")[2].partition(" [type")[0]


@pytest.mark.parametrize("share", [0.25, 0.2, 0.01])
def test_engines_with_at_most_their_share_fit_together(share: float) -> None:
    """However many of whatever pools Ray puts on one GPU, their shares are at most all of it."""
    assert a_pool(gpus=0.25, gpu_memory_share=share).gpu_memory_share == share


def node(free: dict[str, float] | None = None, **total: float) -> Node:
    return Node(total, total if free is None else free)


@pytest.mark.parametrize(
    ("pool", "nodes", "says"),
    [
        (
            PAIR,
            [node(CPU=8, GPU=1, rack=1), node(CPU=8, GPU=1, rack=1)],
            (
                "needs 2 GPUs together on one node; the cluster's largest node has 1. "
                "Add such a node, or lower the pool's `tensor_parallel` and `gpus`"
            ),
        ),
        (WHOLE, [], "needs 1 GPU; the cluster's largest node has 0. "),
        (WHOLE, [node(CPU=1, GPU=1)], "needs 2 CPUs together on one node; the cluster's"),
        (WHOLE, [node(CPU=2, rack=1)], "needs 1 GPU; the cluster's largest node has 0. Add"),
        (WHOLE, [node(CPU=2, GPU=1)], "needs 0.5 rack; the cluster's largest node has 0. "),
        (
            QUARTER,
            [node(CPU=1), node(GPU=1)],
            "needs 0.25 GPU and 1 CPU on one node; each is on another one. ",
        ),
    ],
)
def test_what_no_node_can_hold_is_told_with_the_remedy(
    pool: PoolConfig, nodes: list[Node], says: str
) -> None:
    """What is missing, how much the largest node has of it, and which keys to change."""
    assert too_large(pool, nodes).startswith(says)
    assert "`" in too_large(pool, nodes)


def test_what_has_no_room_now_is_told_otherwise() -> None:
    """A node that could hold it is full; once something is free there is nothing to tell."""
    full = node({"CPU": 8, "GPU": 0.25}, CPU=8, GPU=2, rack=1)
    assert too_large(PAIR, [full]) == ""
    assert taken(PAIR, [full]).startswith(
        "waits for 2 GPUs on one node; no node has more than 0.25"
    )
    full = node({"CPU": 8, "GPU": 0.25}, CPU=8, GPU=2)
    lean = a_pool(gpus=1)
    assert taken(lean, [full]) == (
        "waits for 1 GPU on one node; no node has more than 0.25 left. "
        "Add a node, or lower the `replicas` of a pool"
    )
    apart = [node({"CPU": 1}, CPU=1, GPU=1), node({"GPU": 1}, CPU=1, GPU=1)]
    assert "what is left is on several" in taken(lean, apart)
    assert taken(lean, [full, node(CPU=1, GPU=1)]) == ""
    assert needs(PAIR) == {"CPU": 2, "GPU": 2, "rack": 0.5}


def test_engines_of_one_gpu_start_one_after_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second waits until the first has started; those of another GPU wait for nobody."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    order: list[str] = []

    def second() -> None:
        with taking_turns(QUARTER, tmp_path):
            order.append("second")

    with taking_turns(QUARTER, tmp_path):
        (file,) = tmp_path.iterdir()
        assert file.name.endswith("-gpu-0.lock")
        with file.open("w") as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
        with taking_turns(QUARTER, tmp_path):
            order.append("other GPU")
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
        waiting = threading.Thread(target=second)
        waiting.start()
        order.append("first")
    until(lambda: len(order) == 3, "the second has started")
    waiting.join()
    assert order == ["other GPU", "first", "second"]


def test_an_engine_that_has_its_gpus_alone_waits_for_nobody(tmp_path: Path) -> None:
    """Nor does one on the CPU."""
    for pool in (WHOLE, PAIR, a_pool()):
        with taking_turns(pool, tmp_path):
            assert not list(tmp_path.iterdir())


def test_a_share_of_memory_is_of_no_concern_on_the_cpu() -> None:
    """There `kv_cache_gb` rules."""
    assert "gpu_memory_utilization" not in engine_args(a_pool(gpu_memory_share=0.9), 0)
    assert "VLLM_RAY_PER_WORKER_GPUS" not in engine_env(a_pool(), 0)
