"""Claims about agents outside that reach beyond the engine: who waits, and what a door forks."""

import json

import pytest
from recording import recorded
from test_outside import SAID, council, read, with_outside

from actors.answers import Answers
from edges.asked import read_as
from edges.forking import ForkRequest
from engine.errors import InvalidRequest
from engine.events import Record
from engine.forks import fork
from engine.outside import Completed
from engine.testing import ScriptedModel
from engine.types import OUTSIDE, Task


@pytest.fixture
async def records() -> list[Record]:
    """A deliberation in which an agent outside took part."""
    return await recorded(Task(id="t-1", role="DEV", text="x"), council=council())


def test_of_two_answers_at_once_the_first_counts() -> None:
    """Also before whoever waits has looked; both deliberations that wait for it have it."""
    answers = Answers({"expert"})
    first, second = read(SAID | {"output": "first"}), read(SAID | {"output": "second"})
    assert isinstance(first, Completed)
    assert isinstance(second, Completed)
    with answers.waiting("turn-1", "expert") as one, answers.waiting("turn-1", "expert") as two:
        for wait in (one, two):
            wait.until, wait.listening = 10.0, True
        answers.take(first, 10.0)
        answers.take(second, 10.0)
        assert (one.answer, two.answer) == (first, first)
    answers.take(second, 10.0)
    assert answers.ignored == {"again": 2}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"model": OUTSIDE}, "model: no pool 'outside'; known pools: small, large"),
        ({"without": ["agent-dev-001", "agent-dev-002"]}, "without: leaves only agents from"),
    ],
)
async def test_a_fork_needs_an_engine(
    records: list[Record], body: dict[str, object], says: str
) -> None:
    """What has no engine is no pool to move to, and cannot be all that is left."""
    with pytest.raises(InvalidRequest, match=says):
        read_as(ForkRequest, json.dumps(body).encode()).task(
            records, with_outside({"id": "expert"})
        )


async def test_a_fork_can_do_without_an_agent_outside(records: list[Record]) -> None:
    """As without any other; and nothing is asked of it."""
    body = b'{"without": ["expert"]}'
    task = read_as(ForkRequest, body).task(records, with_outside({"id": "expert"}))
    made = fork(records, "f-1", without=("expert",))
    model = ScriptedModel()
    await recorded(made.task, model, made.council, known=made.known)
    assert task.without == ("expert",)
    assert "expert" not in {turn.agent for turn in model.turns}
