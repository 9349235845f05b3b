"""Claims about docs/gpu.md and its configurations: they load, they fit, and the sums are right."""

import re
from pathlib import Path

import pytest

from actors.placement import Node, bundles, too_large
from commands.config_file import read_config
from engine.config import Config
from engine.shares import memory_share

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "gpu.md").read_text()
OVERHEAD_GB = 3.0
FILES = ("gpu.yaml", "gpu-four.yaml", "gpu-eight.yaml")


def table(first: str) -> list[list[str]]:
    """The cells of the page's table whose first column is headed so, a list each row."""
    rows = PAGE.partition(f"\n\n| {first} |")[2].partition("\n\n")[0].splitlines()
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]


def config(name: str) -> Config:
    return read_config(ROOT / "examples" / name)


def gpus(name: str) -> list[float]:
    """Of each bundle of each engine, what it takes of the GPUs."""
    pools = config(name).pools.values()
    return [b["GPU"] for pool in pools for _ in range(pool.replicas) for b in bundles(pool)]


@pytest.mark.parametrize(("name", "whole"), list(zip(FILES, (1, 4, 8), strict=True)))
def test_each_configuration_takes_the_gpus_it_says(name: str, whole: int) -> None:
    """Whole ones, one a bundle; the largest engine fits a node that has what the page says."""
    assert gpus(name) == [1] * whole
    node = {"CPU": 8.0, "GPU": 2.0}
    assert all(not too_large(pool, [Node(node, node)]) for pool in config(name).pools.values())
    assert f"(../examples/{name})" in PAGE


def test_with_one_gpu_all_councils_share_an_engine() -> None:
    """So it is written in the file for one GPU."""
    assert [council.seated_on for council in config("gpu.yaml").councils] == [("qwen",)] * 5


def test_with_four_gpus_each_council_has_an_engine_for_itself() -> None:
    """No two of them sit on one pool, and no pool has two engines."""
    four = config("gpu-four.yaml")
    seated = [council.seated_on for council in four.councils]
    assert sorted(seated) == sorted((name,) for name in four.pools)
    assert {pool.replicas for pool in four.pools.values()} == {1}


def test_with_eight_gpus_each_council_has_agents_of_both_models() -> None:
    """On engines of two parts each."""
    eight = config("gpu-eight.yaml")
    assert {pool.tensor_parallel for pool in eight.pools.values()} == {2}
    assert len({pool.model for pool in eight.pools.values()}) == 2
    assert all(set(council.seated_on) == set(eight.pools) for council in eight.councils)


def test_the_models_of_the_page_take_what_it_says() -> None:
    """Weights by two bytes a parameter, a token by a key and a value in each layer."""
    for _, parameters, layers, heads, size, weights, token in table("model"):
        assert float(weights) == round(float(parameters) * 2, 1)
        assert int(token.replace(",", "")) == 2 * int(layers) * int(heads) * int(size) * 2


def test_the_cache_of_each_configuration_is_what_is_left() -> None:
    """By the page's own formula, from the page's own table of models."""
    models = {row[0]: (float(row[5]), int(row[6].replace(",", ""))) for row in table("model")}
    rows = table("configuration")
    assert len(rows) == 4
    for _, engines, memory, share, on_each, cache, thousands in rows:
        found = re.fullmatch(r"\d x (\S+)(?: on (\d))?", engines)
        assert found is not None
        (weights, token), parts = models[found[1]], int(found[2] or 1)
        assert float(on_each) == weights / parts
        left = float(share) * float(memory) - weights / parts - OVERHEAD_GB
        assert float(cache) == round(left, 1)
        assert int(thousands) == int(round(left, 1) * 1e9 * parts / token / 1000)


def test_the_shares_of_the_page_are_those_that_result() -> None:
    """For whole GPUs as configured, for quarters by default."""
    shares = [float(row[3]) for row in table("configuration")]
    pools = [pool for name in FILES for pool in config(name).pools.values()]
    assert {memory_share(pool.gpus, pool.gpu_memory_share) for pool in pools} == {0.9}
    assert shares == [0.9, memory_share(0.25, None), 0.9, 0.9]


def test_the_page_shows_what_is_told_of_what_has_no_place() -> None:
    """Word for word."""
    pair = next(iter(config("gpu-eight.yaml").pools.values()))
    node = {"CPU": 8.0, "GPU": 1.0}
    assert too_large(pair, [Node(node, node)]) in PAGE
