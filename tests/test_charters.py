"""Claims about councils that are created, changed and deleted: what is in force then."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from engine.charters import (
    Charter,
    Fleet,
    Founding,
    Joined,
    in_force,
)
from engine.config import (
    Config,
    CouncilConfig,
    Limits,
    NamedAgent,
    OutsideAgent,
    PoolConfig,
    fleet_councils,
)
from engine.errors import Conflict, InvalidRequest, NotFound, Unmet
from engine.founding import NewCouncil, founded
from engine.joining import NewAgent, dissolved, joined, joining, left
from engine.transitions import StoryPhase
from engine.types import Budgets

SMALL, LARGE = PoolConfig(model="/models/small"), PoolConfig(model="/models/large")
BASE = Config(
    pools={"small": SMALL, "large": LARGE},
    councils=(*fleet_councils(("small",))[:2], *fleet_councils(("large",))[2:3]),
    profiles={"roomy": SMALL.model_copy(update={"window": 8192})},
)
URL = "http://127.0.0.1:9/v1"


def after(*charters: Charter, base: Config = BASE) -> Fleet:
    return in_force(base, charters)


def ids(fleet: Fleet, role: str) -> list[str]:
    council = fleet.config.council(role)
    assert council is not None
    return [agent.id for agent in council.agents]


def roles(config: Config) -> list[str]:
    return [council.role for council in config.councils]


def test_without_charters_the_configuration_holds() -> None:
    fleet = after()
    assert (fleet.config, fleet.founded, fleet.troubles) == (BASE, BASE, ())


def test_a_deleted_council_takes_its_pool_and_its_place_in_phases_along() -> None:
    """The pool that only it sat on is not run; other councils and phases stay."""
    fleet = after(dissolved(after(), "architect"))
    assert roles(fleet.config) == ["DEV", "QA"]
    assert list(fleet.config.pools) == ["small"]
    assert BASE.phases[StoryPhase.DESIGN] == ("ARCHITECT",)
    assert fleet.config.phases[StoryPhase.DESIGN] == ()
    assert fleet.config.phases[StoryPhase.BUILD] == ("DEV",)
    assert fleet.number("ARCHITECT") is None


def test_a_deleted_council_comes_back_as_it_was_configured() -> None:
    """Created with nothing said, with its pool; and it is another one than before."""
    gone = after(dissolved(after(), "ARCHITECT"))
    fleet = after(founded(gone, NewCouncil(role="architect")))
    assert fleet.config.council("ARCHITECT") == BASE.council("ARCHITECT")
    assert (fleet.config.pools, fleet.number("ARCHITECT")) == (BASE.pools, 1)
    assert fleet.config.phases == BASE.phases


def test_a_created_council_has_what_was_asked_for() -> None:
    """Seats, rounds, policy, sampling and a pool of its own by the options that it sets."""
    asked = NewCouncil(
        role="security",
        num_agents=5,
        deliberation_rounds=2,
        enable_peer_review=True,
        model_profile="large",
        custom_params={
            "temperature": "0.2",
            "replicas": "2",
            "tally": "schulze",
            "rubric": "Safe?",
        },
    )
    fleet = after(founded(after(), asked))
    council = fleet.config.council("SECURITY")
    assert council is not None
    assert [a.id for a in council.agents] == [f"agent-security-00{n}" for n in (1, 2, 3, 4, 5)]
    assert {a.pool for a in council.agents} == {"council-security"} == {fleet.own_pool("SECURITY")}
    assert {a.sampling.temperature for a in council.agents} == {0.2}
    assert (council.policy, council.rounds, council.tally) == ("council", 2, "schulze")
    assert (council.rubric, council.id) == ("Safe?", "council-security")
    own = fleet.config.pools["council-security"]
    assert own == LARGE.model_copy(update={"replicas": 2})


def test_a_profile_is_a_pool_of_its_own_and_a_pool_is_shared() -> None:
    """Without a word it is the first pool, with three agents."""
    own = after(founded(after(), NewCouncil(role="A", model_profile="roomy"))).config
    assert own.pools["council-a"] == BASE.profiles["roomy"]
    for name, pool in (("", "small"), ("large", "large")):
        fleet = after(founded(after(), NewCouncil(role="A", model_profile=name)))
        seated = fleet.config.council("A")
        assert seated is not None
        assert [agent.pool for agent in seated.agents] == [pool] * 3
        assert (fleet.config.pools, fleet.own_pool("A")) == (BASE.pools, "")


@pytest.mark.parametrize(
    ("asked", "where", "says"),
    [
        ({"role": "a b"}, "role", "is no role"),
        ({"num_agents": 10}, "num_agents", "cap of 9"),
        ({"deliberation_rounds": 5}, "council", "5 rounds; the limits are 9 and 4"),
        ({"model_profile": "huge"}, "model_profile", "known: small, large, roomy"),
        ({"agent_type": "mock"}, "agent_type", "known: vllm"),
        ({"custom_params": {"colour": "red"}}, "custom_params.colour", "known: architect, ballot"),
        ({"custom_params": {"model": "/etc"}}, "custom_params.model", "no such option"),
        ({"custom_params": {"replicas": "many"}}, "custom_params.replicas", "valid integer"),
        ({"custom_params": {"temperature": "9"}}, "custom_params.temperature", "less than"),
        ({"custom_params": {"window": "512"}}, "council", "needs a window of"),
        ({"custom_params": {"policy": "coin"}}, "council", "coin"),
        (
            {"enable_peer_review": True, "custom_params": {"policy": "vote"}},
            "enable_peer_review",
            "nobody reviews",
        ),
    ],
)
def test_a_council_that_cannot_be_is_refused(
    asked: dict[str, object], where: str, says: str
) -> None:
    """Each field has its place and its remedy."""
    with pytest.raises(InvalidRequest) as refused:
        founded(after(), NewCouncil.model_validate({"role": "SECURITY"} | asked))
    assert refused.value.where == where
    assert says in refused.value.what
    assert "Value error" not in refused.value.what


def test_a_created_council_has_the_budgets_of_those_configured() -> None:
    """They are what the models' windows were chosen for."""
    short = Budgets(task=400, draft=48, critique=96)
    base = Config(
        pools={"small": PoolConfig(model="m", window=2048)},
        councils=fleet_councils(("small",), budgets=short)[:1],
    )
    fleet = after(founded(after(base=base), NewCouncil(role="OPS")), base=base)
    council = fleet.config.council("OPS")
    assert council is not None
    assert council.budgets == short


def test_a_role_is_founded_once() -> None:
    """In whatever case, whether configured or created."""
    fleet = after(founded(after(), NewCouncil(role="SEC")))
    for role in ("dev", "Sec"):
        with pytest.raises(Conflict, match="exists"):
            founded(fleet, NewCouncil(role=role))


def test_an_agent_joins_and_leaves() -> None:
    """Ours behind the numbered ones, those outside last; who left can come back to the seat."""
    ours = joining(after(), "dev", NewAgent(agent_id="fred"))
    fleet = after(joined(after(), "dev", ours))
    assert ids(fleet, "DEV")[2:] == ["agent-dev-003", "fred"]
    afar = joining(fleet, "DEV", NewAgent(agent_id="afar", endpoint="nats"))
    fleet = after(joined(fleet, "DEV", afar))
    assert ids(fleet, "DEV")[3:] == ["fred", "afar"]
    fleet = after(left(fleet, "DEV", "agent-dev-002"))
    assert ids(fleet, "DEV") == ["agent-dev-001", "agent-dev-003", "fred", "afar"]
    back = joining(fleet, "DEV", NewAgent(agent_id="agent-dev-002"))
    assert back.agent.persona == BASE.councils[0].personas[1]
    fleet = after(joined(fleet, "DEV", back))
    assert ids(fleet, "DEV")[-2:] == ["agent-dev-002", "afar"]
    for gone in ("agent-dev-002", "fred", "afar"):
        fleet = after(left(fleet, "DEV", gone))
    assert ids(fleet, "DEV") == ["agent-dev-001", "agent-dev-003"]
    assert fleet.founded == BASE


def test_what_an_agent_says_of_itself_is_its_own() -> None:
    """An endpoint with its model, its key's name and how much it takes; labels are kept."""
    asked = NewAgent.model_validate(
        {
            "agent_id": "api",
            "endpoint": URL + "/",
            "capabilities": {"model_profile": "gpt", "max_concurrent_tasks": 2},
            "metadata": {"api_key_env": "CONCLAVE_KEY_A", "answer_within_s": "7", "team": "blue"},
        }
    )
    found = joining(after(), "DEV", asked)
    assert found.agent == OutsideAgent(
        id="api", endpoint=URL, model="gpt", key_env="CONCLAVE_KEY_A", answer_within_s=7, at_once=2
    )
    assert (found.labels, found.capabilities) == ({"team": "blue"}, asked.capabilities)


@pytest.mark.parametrize(
    ("asked", "where", "says"),
    [
        ({"agent_id": "a.b"}, "agent_id", "match pattern"),
        ({"endpoint": "localhost:8000"}, "endpoint", "is no URL"),
        ({"endpoint": "http://u:p@host/v1"}, "endpoint", "more than an address"),
        ({"metadata": {"api_key": "sk-1"}}, "metadata.api_key", "never sent"),
        ({"metadata": {"api_key_env": "X"}}, "metadata.api_key_env", "with an endpoint"),
        (
            {"endpoint": URL, "metadata": {"api_key_env": "HOME"}},
            "metadata.api_key_env",
            "CONCLAVE_KEY_",
        ),
        (
            {"endpoint": URL, "metadata": {"answer_within_s": "soon"}},
            "metadata.answer_within_s",
            "number",
        ),
        ({"endpoint": "nats", "metadata": {"model": "m"}}, "metadata.model", "URL of an API"),
        (
            {"capabilities": {"model_profile": "huge"}},
            "capabilities.model_profile",
            "known: small, large",
        ),
        ({"metadata": {"x": "y" * 300}}, "metadata.x", "longer than 256"),
        ({"metadata": {str(n): "" for n in range(17)}}, "metadata", "more than 16"),
    ],
)
def test_an_agent_that_cannot_be_is_refused(
    asked: dict[str, object], where: str, says: str
) -> None:
    """The field is named as the request names it; no secret is repeated."""
    with pytest.raises(InvalidRequest) as refused:
        joining(after(), "DEV", NewAgent.model_validate({"agent_id": "x"} | asked))
    assert refused.value.where == where
    assert says in refused.value.what
    assert "sk-1" not in str(refused.value)


def test_who_is_there_or_is_not_is_told_apart() -> None:
    """A seat that is taken, a role and an agent that are not."""
    with pytest.raises(Conflict, match="seats 'agent-dev-001' already"):
        joining(after(), "DEV", NewAgent(agent_id="agent-dev-001"))
    with pytest.raises(NotFound, match="known roles: DEV, QA, ARCHITECT"):
        joining(after(), "CHEF", NewAgent(agent_id="x"))
    with pytest.raises(NotFound, match="there are: agent-dev-001, agent-dev-002"):
        left(after(), "DEV", "nobody")
    with pytest.raises(NotFound, match="no council 'CHEF'"):
        dissolved(after(), "chef")


def test_a_council_has_no_more_agents_than_the_server_allows() -> None:
    """The cap is told; nothing is changed."""
    base = BASE.model_copy(update={"limits": Limits(agents=3)})
    with pytest.raises(InvalidRequest, match="has 4 agents or samples"):
        joined(after(base=base), "DEV", Joined(agent=NamedAgent(id="x", pool="small")))


def test_the_last_agent_on_a_pool_of_ours_stays() -> None:
    """Only engines of ours can count tokens and write the brief: one has to be there."""
    fleet = after(joined(after(), "DEV", Joined(agent=OutsideAgent(id="afar"))))
    for number in (1, 2):
        fleet = after(left(fleet, "DEV", f"agent-dev-00{number}"))
    with pytest.raises(Unmet, match=r"agent-dev-003 cannot leave: .*register another one first"):
        left(fleet, "DEV", "agent-dev-003")


def test_a_charter_that_no_longer_fits_is_told_and_left_out() -> None:
    """A changed configuration must start all the same, with its own council if it has one."""
    created = founded(after(), NewCouncil(role="SEC", model_profile="large"))
    grown = joined(after(), "DEV", Joined(agent=NamedAgent(id="x", pool="large")))
    fewer = Config(pools={"small": SMALL}, councils=BASE.councils[:2])
    fleet = in_force(fewer, [created, grown])
    assert (fleet.config.councils, len(fleet.troubles)) == (fewer.councils, 2)
    assert all("names pool 'large'; known pools: small" in each for each in fleet.troubles)


AGENTS = st.sampled_from(["agent-dev-001", "agent-dev-002", "agent-qa-001", "x", "y"])
CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("found"), st.sampled_from(["DEV", "QA", "SEC"])),
        st.tuples(st.just("delete"), st.sampled_from(["DEV", "QA", "SEC"])),
        st.tuples(st.just("join"), st.sampled_from(["DEV", "SEC"]), AGENTS),
        st.tuples(st.just("leave"), st.sampled_from(["DEV", "SEC"]), AGENTS),
    ),
    max_size=12,
)


def changed(fleet: Fleet, change: tuple[str, ...]) -> Charter:
    kind, role, *agent = change
    match kind:
        case "found":
            return founded(fleet, NewCouncil(role=role, num_agents=2))
        case "delete":
            return dissolved(fleet, role)
        case "join":
            return joined(fleet, role, joining(fleet, role, NewAgent(agent_id=agent[0])))
        case _:
            return left(fleet, role, agent[0])


@given(CHANGES)
def test_whatever_is_changed_what_is_in_force_is_a_configuration(
    changes: list[tuple[str, ...]],
) -> None:
    """Each change that is not refused is in force, kept as text and read again, with no trouble."""
    charters: dict[str, Charter] = {}
    for change in changes:
        before = after(*charters.values())
        try:
            charter = changed(before, change)
        except (Conflict, NotFound, Unmet, InvalidRequest):
            continue
        charters[charter.role] = Charter.model_validate_json(charter.model_dump_json())
        fleet = after(*charters.values())
        assert fleet.troubles == ()
        assert Config.model_validate(dict(fleet.config)) == fleet.config
        assert fleet == after(*reversed(charters.values()))
        there = charter.role in roles(fleet.config)
        assert there is (change[0] != "delete")
        if change[0] in ("join", "leave"):
            assert (change[2] in ids(fleet, charter.role)) is (change[0] == "join")
        if change[0] == "found":
            assert fleet.number(charter.role) == before.charter(charter.role).number + 1


@given(st.lists(st.builds(Charter, role=st.sampled_from(["DEV", "SEC"]), deleted=st.booleans())))
def test_any_charters_at_all_leave_a_fleet(charters: list[Charter]) -> None:
    """What nobody could have asked for is no reason not to start."""
    odd = Founding(council=CouncilConfig(role="SEC", personas=("p",), rubric="r", pools=("gone",)))
    fleet = in_force(BASE, [*charters, Charter(role="QA", founded=odd)])
    assert set(roles(fleet.config)) <= {"DEV", "QA", "ARCHITECT"}


@pytest.mark.parametrize(
    ("council", "says"),
    [
        ({"absent": ["agent-dev-001"]}, "needs an agent on a pool of ours"),
        ({"named": [{"id": "x", "pool": "gone"}]}, "names pool 'gone'; known pools: small"),
        ({"named": [{"id": "agent-dev-001", "pool": "small"}]}, "seats 'agent-dev-001' twice"),
        ({"outside": [{"id": "x", "endpoint": URL}]}, "endpoint and model go together"),
        ({"outside": [{"id": "x", "key_env": "CONCLAVE_KEY_A"}]}, "key_env is for an endpoint"),
        (
            {"outside": [{"id": "x", "endpoint": URL, "model": "m", "key_env": "PATH"}]},
            "String should match pattern",
        ),
    ],
)
def test_what_an_operator_names_is_checked_alike(council: dict[str, object], says: str) -> None:
    """The same seats can stand in the configuration."""
    fields = {"role": "DEV", "personas": ["p"], "rubric": "r"} | council
    with pytest.raises(ValidationError, match=says):
        Config.model_validate({"pools": {"small": SMALL}, "councils": [fields]})


def test_a_profile_is_no_pool() -> None:
    """It is not started, and has a name of its own."""
    with pytest.raises(ValidationError, match="profiles: 'small' is a pool already"):
        Config(pools={"small": SMALL}, profiles={"small": SMALL})
    assert "roomy" not in after().config.pools


def test_a_named_seat_is_one_of_the_council() -> None:
    """On its own pool, between the numbered ones and those outside."""
    fields = {
        "role": "DEV",
        "personas": ["a", "b"],
        "rubric": "r",
        "named": [{"id": "x", "pool": "large", "persona": "q"}],
        "outside": [{"id": "y"}],
        "absent": ["agent-dev-001"],
    }
    config = Config.model_validate(
        {"pools": {"small": SMALL, "large": LARGE}, "councils": [fields]}
    )
    council = config.council("DEV")
    assert council is not None
    assert [(agent.id, agent.pool) for agent in council.agents] == [
        ("agent-dev-002", "small"),
        ("x", "large"),
        ("y", "outside"),
    ]
    assert config.councils[0].seated_on == ("small", "large")
