"""Claims about what a client may change in a fork, whatever the door."""

import pytest
from recording import ONE, a_task, recorded

from edges.asked import read_as
from edges.forking import ForkRequest
from engine.config import Config, PoolConfig, fleet_councils
from engine.errors import InvalidRequest
from engine.events import Record
from engine.options import Rule

CONFIG = Config(
    pools={
        "small": PoolConfig(model="/models/small"),
        "large": PoolConfig(model="/models/large"),
        "narrow": PoolConfig(model="/models/narrow", window=1024),
    },
    councils=fleet_councils(),
)


@pytest.fixture
async def records() -> list[Record]:
    """An origin."""
    return await recorded(a_task())


async def test_each_change_has_its_field(records: list[Record]) -> None:
    """What is sent is what the task has; the rest is the origin's."""
    body = b'{"without": ["agent-dev-001"], "policy": "vote", "tally": "irv", "model": "large"}'
    task = read_as(ForkRequest, body).task(records, CONFIG)
    assert (task.without, task.policy, task.tally, task.model) == (
        (ONE,),
        "vote",
        Rule.IRV,
        "large",
    )
    assert (task.origin, task.text, len(task.id)) == ("t-1", "Build a clock", 36)


async def test_an_id_is_as_for_any_other(records: list[Record]) -> None:
    """The same key is the same fork, and a path of ours is no id."""
    tally = read_as(ForkRequest, b'{"tally": "irv"}')
    assert tally.task(records, CONFIG, "k").id == tally.task(records, CONFIG, "k").id
    for id in ("a/forks", "a/events"):
        with pytest.raises(InvalidRequest, match="task_id: ends in"):
            read_as(ForkRequest, b'{"tally": "irv", "task_id": "%s"}' % id.encode()).task(
                records, CONFIG
            )


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{}", "fork: changes nothing"),
        (b"[]", "body: "),
        (b'{"tally": "coin"}', "tally: "),
        (b'{"policy": "coin"}', "policy: no policy 'coin'"),
        (b'{"without": "agent-dev-001"}', "without: "),
        (b'{"without": ["x"]}', "without: 'x' takes no part"),
        (b'{"role": "QA", "tally": "irv"}', "role: "),
        (b'{"model": "huge"}', "model: no pool 'huge'; known pools: small, large, narrow"),
        (b'{"model": "narrow"}', "num_agents: 3 texts need a window of"),
    ],
)
async def test_what_cannot_be_done_here_is_refused(
    records: list[Record], body: bytes, words: str
) -> None:
    """The field is named, and what would be right."""
    with pytest.raises(InvalidRequest) as raised:
        read_as(ForkRequest, body).task(records, CONFIG)
    assert str(raised.value).startswith(words)


async def test_a_pool_of_the_origin_that_is_gone_is_named(records: list[Record]) -> None:
    """Another one has to be said then."""
    later = Config(pools={"large": CONFIG.pools["large"]}, councils=fleet_councils(("large",)))
    with pytest.raises(InvalidRequest, match="model: no pool 'small'; known pools: large"):
        read_as(ForkRequest, b'{"tally": "irv"}').task(records, later)
    assert read_as(ForkRequest, b'{"model": "large"}').task(records, later).model == "large"
