"""Claims about the configuration: what is refused, and what the defaults seat."""

import re

import pytest
from pydantic import ValidationError

from engine.config import BusConfig, Config, CouncilConfig, PoolConfig, fleet_councils
from engine.options import Options, Rule, Topology
from engine.policies import settle
from engine.types import Budgets

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
        ({"pools": {"small": PoolConfig(model="m", window=1024)}}, "needs a window of 2624"),
        ({"extra": 1}, "extra"),
        ({"limits": {"agents": 2}}, "the limits are 2 and 4"),
        ({"pools": {"small": {"model": "m", "cpus": 0}}}, "cpus or gpus above 0"),
    ],
)
def test_what_cannot_work_is_refused_with_its_reason(change: dict[str, object], says: str) -> None:
    """The message names the thing."""
    with pytest.raises(ValidationError, match=says):
        Config.model_validate({"pools": SMALL, "councils": fleet_councils()} | change)


def council(**options: object) -> dict[str, object]:
    """A council with three personas as a file has it, some of its options set."""
    return {"role": "DEV", "personas": ["a", "b", "c"], "rubric": "r", **options}


def with_council(**options: object) -> Config:
    """A configuration of one council."""
    return Config.model_validate({"pools": SMALL, "councils": [council(**options)]})


def test_a_council_may_have_options_of_its_own() -> None:
    """They hold where a request says nothing, and give way where it does."""
    config = with_council(
        policy="debate", topology="star", hub=2, tally="schulze", quorum=0.75, token_budget=5000
    )
    seated = config.council("DEV")
    assert seated is not None
    rules = settle(Options(), seated)
    assert (rules.policy, rules.topology, rules.hub) == ("debate", Topology.STAR, 2)
    assert (rules.tally, rules.quorum, rules.token_budget) == (Rule.SCHULZE, 0.75, 5000)
    assert settle(Options(tally=Rule.IRV, quorum=0), seated).tally is Rule.IRV
    assert settle(Options(policy="single"), seated).policy == "single"


def test_a_council_spends_no_more_than_the_limit() -> None:
    """A larger budget, or none, is the server's."""
    limits = {"tokens": 3000}
    for options, budget in (({}, 3000), ({"token_budget": 9000}, 3000), ({"token_budget": 9}, 9)):
        config = {"pools": SMALL, "councils": [council(**options)], "limits": limits}
        seated = Config.model_validate(config).council("DEV")
        assert seated is not None
        assert settle(Options(), seated).token_budget == budget


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"tally": "dice"}, r"tally\n  Input should be 'plurality', "),
        ({"policy": "duel"}, "council DEV: policy: no policy 'duel'; known policies: council, "),
        ({"k": 2}, "council DEV: k: has a meaning only with topology 'k_regular'"),
        ({"topology": "k_regular", "k": 3}, "council DEV: k: 3 is too many for 3 agents"),
        ({"topology": "star", "hub": 4}, "council DEV: hub: 4 is too many for 3 agents"),
        ({"samples": 3}, "council DEV: samples: means nothing under policy 'council'"),
        ({"policy": "best_of_n", "samples": 10}, "10 agents or samples and 0 rounds; the limits"),
        ({"policy": "moa", "layers": 6}, "and 5 rounds; the limits are 9 and 4"),
        ({"quorum": 2}, r"quorum\n  Input should be less than or equal to 1"),
        ({"stability": 2}, "council DEV: stability: has a meaning only with a quorum"),
        ({"talley": "borda"}, r"talley\n  Extra inputs are not permitted"),
    ],
)
def test_options_that_cannot_work_are_refused(options: dict[str, object], says: str) -> None:
    """At the start, by the council's role and the option's name."""
    with pytest.raises(ValidationError, match=says):
        with_council(**options)


def test_samples_of_a_council_must_fit_the_window() -> None:
    """As its agents must; fewer of them do."""
    pools = {"small": PoolConfig(model="m", window=Budgets().largest_prompt(5))}
    for samples in (5, 6):
        options = council(policy="self_consistency", samples=samples)
        config = {"pools": pools, "councils": [options]}
        if samples == 5:
            Config.model_validate(config)
        else:
            with pytest.raises(ValidationError, match="council DEV needs a window of"):
                Config.model_validate(config)


def test_every_replica_has_its_cores() -> None:
    """Ranges are dealt in order; the last one serves the rest."""
    pool = PoolConfig(model="m", replicas=3, cores="0-1|2-3")
    assert pool.cores_by_replica == ("0-1", "2-3", "2-3")


def test_a_role_is_upper_case() -> None:
    """Roles are names on the wire, not free text."""
    with pytest.raises(ValidationError):
        CouncilConfig(role="dev ops", personas=("p",), rubric="r")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"url": "nats://me:s3cret@here"}, "bus.password_file"),
        ({"user": "me"}, "user and password_file go together"),
        ({"password_file": "p"}, "user and password_file go together"),
        ({"tls_ca": "a", "tls_cert": "c"}, "tls_cert and tls_key go together"),
        ({"tls_hostname": "h"}, "need TLS"),
        ({"tls_cert": "c", "tls_key": "k"}, "need TLS"),
        ({"token_file": "t", "nkey_file": "n"}, "token_file and nkey_file"),
        ({"user": "a.b", "password_file": "p"}, "user"),
        ({"replicas": 2}, "replicas"),
        ({"start": "yesterday"}, "2026-01-31T08:00:00Z"),
        ({"start": "2026-01-31T08:00:00"}, "with its zone"),
    ],
)
def test_a_bus_that_cannot_be_meant_is_refused(options: dict[str, object], says: str) -> None:
    """What is wrong is said, and never what was given: it may hold a secret."""
    with pytest.raises(ValidationError, match=re.escape(says)) as caught:
        BusConfig.model_validate(options)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({}, False),
        ({"tls_ca": "ca.pem"}, True),
        ({"url": "tls://here"}, True),
        ({"url": "nats://one,tls://two"}, True),
    ],
)
def test_tls_is_wanted_where_it_is_named(options: dict[str, object], wanted: bool) -> None:
    """By an authority or by a url."""
    assert BusConfig.model_validate(options).tls is wanted
