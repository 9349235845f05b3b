"""Claims about what a client may ask for, whatever the door."""

import pytest

from edges.asked import DeliberationRequest, seconds
from engine.config import Config, PoolConfig
from engine.errors import InvalidRequest

CONFIG = Config(pools={"small": PoolConfig(model="/models/small")})


def asked(**fields: object) -> DeliberationRequest:
    """A request to the DEV council."""
    return DeliberationRequest.model_validate({"role": "dev", "text": "Clock"} | fields)


@pytest.mark.parametrize(
    ("fields", "rounds"),
    [
        ({}, None),
        ({"max_iterations": 3}, 1),
        ({"max_iterations": 0}, 0),
        ({"rounds": 4, "max_iterations": 2}, 2),
        ({"policy": "vote", "max_iterations": 3}, 0),
        ({"policy": "single", "max_iterations": 3}, 0),
    ],
)
def test_iterations_cap_the_rounds(fields: dict[str, object], rounds: int | None) -> None:
    """Those asked for, the council's own and the policy's."""
    assert asked(**fields).task(CONFIG).rounds == rounds


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
