"""Claims about what a client may ask for, whatever the door."""

import json
from typing import Any, get_args

import pytest
from test_requests import ASKED, cloud, enveloped
from test_requests import CONFIG as REQUESTS
from test_requests import read as requested

from edges.asked import DeliberationRequest, read_as, request_schema, seconds
from engine.config import Config, PoolConfig, fleet_councils
from engine.errors import InvalidRequest
from engine.options import Options, Rule, Topology
from engine.policies import settle
from engine.types import Budgets

CONFIG = Config(pools={"small": PoolConfig(model="/models/small")})
DEV = fleet_councils()[0].seated()


def asked(**fields: object) -> DeliberationRequest:
    """A request to the DEV council."""
    return DeliberationRequest.model_validate({"role": "dev", "text": "Clock"} | fields)


@pytest.mark.parametrize(
    ("fields", "rounds"),
    [
        ({}, 1),
        ({"max_iterations": 3}, 1),
        ({"max_iterations": 0}, 0),
        ({"rounds": 4, "max_iterations": 2}, 2),
        ({"policy": "vote", "max_iterations": 3}, 0),
        ({"policy": "single", "max_iterations": 3}, 0),
        ({"policy": "debate", "max_iterations": 1}, 1),
        ({"policy": "moa", "max_iterations": 3}, 1),
        ({"policy": "moa", "layers": 4, "max_iterations": 2}, 2),
        ({"policy": "moa", "layers": 4, "max_iterations": 0}, 0),
    ],
)
def test_iterations_cap_the_rounds(fields: dict[str, object], rounds: int) -> None:
    """Those asked for, the council's own and the policy's; those of a mixture are its layers."""
    assert settle(asked(**fields).task(CONFIG), DEV).rounds == rounds


def test_a_request_may_belong_to_a_story() -> None:
    """Its name is that of the events, without the space around it; a longer one is none."""
    assert asked(story_id=" s-1\n").task(CONFIG).story_id == "s-1"
    assert asked().task(CONFIG).story_id == ""
    with pytest.raises(InvalidRequest, match="story_id"):
        read_as(
            DeliberationRequest,
            json.dumps({"role": "dev", "text": "x", "story_id": "s" * 513}).encode(),
        )


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"rounds": 5}, "rounds: 5 is over this server's cap of 4"),
        ({"policy": "moa", "layers": 6}, "layers: 6 is over this server's cap of 5"),
        ({"num_agents": 4}, "num_agents: 4 is over this server's cap of 3"),
        ({"policy": "self_consistency", "samples": 10}, "samples: 10 is over .* cap of 9"),
        ({"token_budget": 100_001}, "token_budget: 100001 is over .* cap of 100000"),
        ({"topology": "k_regular", "k": 3}, "k: 3 is too many for 3 agents"),
        ({"topology": "k_regular", "k": 2, "num_agents": 2}, "k: 2 is too many for 2 agents"),
        ({"topology": "star", "hub": 4}, "hub: 4 is too many for 3 agents"),
        ({"topology": "groups", "groups": 4}, "groups: 4 is too many for 3 agents"),
    ],
)
def test_a_request_stays_below_the_caps(fields: dict[str, object], says: str) -> None:
    """Those of the server, and the seats of the council; the field is named, and the cap."""
    with pytest.raises(InvalidRequest, match=says):
        asked(**fields).task(CONFIG)


def test_a_cap_itself_is_allowed() -> None:
    """Rounds, agents, samples and tokens up to the limits, seats up to the last one."""
    asked(rounds=4, num_agents=3, token_budget=100_000).task(CONFIG)
    asked(policy="moa", layers=5).task(CONFIG)
    asked(topology="star", hub=3).task(CONFIG)
    asked(topology="k_regular", k=2).task(CONFIG)
    asked(topology="groups", groups=3).task(CONFIG)


def test_so_many_samples_must_fit_the_window() -> None:
    """Whoever judges them reads them all at once; fewer do fit."""
    wide = asked(policy="best_of_n", samples=9)
    needed = Budgets().largest_prompt(9)
    wide.task(windowed(needed))
    with pytest.raises(InvalidRequest, match=f"samples: 9 texts need .* {needed} tokens"):
        wide.task(windowed(needed - 1))
    asked(policy="best_of_n", samples=5).task(windowed(needed - 1))


def windowed(tokens: int) -> Config:
    """A server whose models read so many tokens."""
    return Config(pools={"small": PoolConfig(model="/models/small", window=tokens)})


@pytest.mark.parametrize("option", ["topology", "revise", "ballot", "tally", "decide"])
def test_a_wrong_choice_is_told_the_right_ones(option: str) -> None:
    """By the field's name, with every value that it may have."""
    (choices, _) = get_args(Options.model_fields[option].annotation)
    with pytest.raises(InvalidRequest, match=f"^{option}: ") as caught:
        read_as(
            DeliberationRequest, json.dumps({"role": "dev", "text": "x", option: "dice"}).encode()
        )
    assert all(f"'{choice}'" in str(caught.value) for choice in choices)


def test_the_schema_of_a_request_tells_every_option() -> None:
    """With its choices, what it means, and no reference that leads out of it."""
    schema = request_schema()
    assert schema["properties"].keys() >= Options.model_fields.keys()
    assert schema["properties"]["tally"]["anyOf"][0]["enum"] == list(Rule)
    assert schema["properties"]["topology"]["anyOf"][0]["enum"] == list(Topology)
    said = schema["description"]
    assert not [name for name in Options.model_fields if f"`{name}`" not in said]
    assert "$" not in json.dumps(schema)
    assert schema["additionalProperties"] is False


def test_an_unknown_option_is_named() -> None:
    """A misspelt one is not passed over in silence."""
    with pytest.raises(InvalidRequest, match=r"^talley: "):
        read_as(DeliberationRequest, b'{"role": "dev", "text": "x", "talley": "borda"}')


@pytest.mark.parametrize("said", ["0", "-1", "1.5", "1_0", " 5", "٣", "soon", "9" * 400])
def test_a_time_is_a_whole_number_of_milliseconds(said: str) -> None:
    """In plain digits, above none and within reason."""
    with pytest.raises(InvalidRequest, match="x-timeout-ms"):
        seconds(said)
    assert (seconds(""), seconds("1500")) == (None, 1.5)


@pytest.mark.parametrize("field", ["text", "title", "rubric"])
def test_a_text_has_no_nul(field: str) -> None:
    """As on the bus: nobody means it, and not every reader survives it."""
    with pytest.raises(InvalidRequest, match=f"{field}: .*NUL"):
        asked(**{field: "a\0b"}).task(CONFIG)


@pytest.mark.parametrize("id", [".", "..", "a/events"])
def test_an_id_can_be_part_of_a_path(id: str) -> None:
    """What a client or a proxy would read as something else is refused."""
    with pytest.raises(InvalidRequest, match="task_id: "):
        asked(task_id=id).task(CONFIG)


@pytest.mark.parametrize("shape", [dict, enveloped, cloud])
def test_a_request_makes_the_task_that_a_door_makes_of_it(shape: Any) -> None:
    """So the same task_id is the same deliberation, however it was asked for."""
    constraints = {
        "rubric": "Short",
        "requirements": ["steps"],
        "metadata": {"team": "a"},
        "max_iterations": 1,
        "timeout_seconds": 30,
    }
    more = {"constraints": constraints, "rounds": 2, "num_agents": 2, "story_id": "s"}
    door = DeliberationRequest(
        role="dev",
        text="Build a clock",
        task_id="t-1",
        rubric="Short",
        requirements=("steps",),
        context={"team": "a"},
        max_iterations=1,
        timeout_seconds=30,
        rounds=2,
        num_agents=2,
        story_id="s",
    )
    assert requested(shape(ASKED | more)).task == door.task(REQUESTS)
    assert requested(shape(ASKED | more)).task.rounds == 1
