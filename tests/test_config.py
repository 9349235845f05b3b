"""Claims about the configuration: what is refused, and what the defaults seat."""

import pytest
from pydantic import ValidationError

from engine.config import Config, CouncilConfig, PoolConfig, fleet_councils

SMALL = {"small": PoolConfig(model="m")}


def test_the_fleet_is_five_councils_of_three() -> None:
    """Ids follow the wire contract."""
    councils = [council.seated() for council in fleet_councils()]
    assert [c.id for c in councils] == [
        "council-dev",
        "council-qa",
        "council-architect",
        "council-devops",
        "council-data",
    ]
    assert [a.id for a in councils[0].agents] == [
        "agent-dev-001",
        "agent-dev-002",
        "agent-dev-003",
    ]
    personas = [agent.persona for council in councils for agent in council.agents]
    assert len(set(personas)) == 15


def test_without_councils_the_fleet_is_seated_on_the_pools() -> None:
    """One pool and nothing else is a whole configuration."""
    config = Config.model_validate({"pools": {"one": {"model": "m"}}})
    assert config.councils == fleet_councils(("one",))


def test_agents_are_seated_on_the_pools_in_turn() -> None:
    """Two pools make a mixed council."""
    seated = fleet_councils(("one", "two"))[0].seated()
    assert [agent.pool for agent in seated.agents] == ["one", "two", "one"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"councils": fleet_councils(("nowhere",))}, "known pools: small"),
        ({"councils": fleet_councils()[:1] * 2}, "named twice"),
        ({"pools": {"small": PoolConfig(model="m", window=1024)}}, "needs a window of 2496"),
        ({"extra": 1}, "extra"),
        ({"limits": {"agents": 2}}, "the limits are 2 and 4"),
        ({"pools": {"small": {"model": "m", "cpus": 0}}}, "cpus or gpus above 0"),
    ],
)
def test_what_cannot_work_is_refused_with_its_reason(change: dict[str, object], says: str) -> None:
    """The message names the thing."""
    with pytest.raises(ValidationError, match=says):
        Config.model_validate({"pools": SMALL, "councils": fleet_councils()} | change)


def test_every_replica_has_its_cores() -> None:
    """Ranges are dealt in order; the last one serves the rest."""
    pool = PoolConfig(model="m", replicas=3, cores="0-1|2-3")
    assert pool.cores_by_replica == ("0-1", "2-3", "2-3")


def test_a_role_is_upper_case() -> None:
    """Roles are names on the wire, not free text."""
    with pytest.raises(ValidationError):
        CouncilConfig(role="dev ops", personas=("p",), rubric="r")
