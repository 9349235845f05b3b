"""Claims about how a task furnishes its council: with the tokens that its texts may take."""

import pytest

from engine.seats import furnished
from engine.testing import a_council, a_task
from engine.types import GraphRules

GRAPH = GraphRules(roles=("DEV",), most_per_role=1, most=1, tokens=900)


@pytest.mark.parametrize(
    ("graph", "answer", "draft"),
    [(None, None, 160), (None, 7, 7), (None, 1000, 160), (GRAPH, None, 900), (GRAPH, 500, 500)],
)
def test_a_text_may_take_what_its_task_allows(
    graph: GraphRules | None, answer: int | None, draft: int
) -> None:
    """A graph has a budget of its own, an answer may be shorter; nothing else changes."""
    council = a_council()
    council = council.model_copy(
        update={"budgets": council.budgets.model_copy(update={"draft": 160})}
    )
    task = a_task().model_copy(update={"graph": graph, "answer_tokens": answer})
    found = furnished(council, task)
    assert found.budgets.draft == draft
    assert found.model_copy(update={"budgets": council.budgets}) == council
    assert furnished(found, task) == found
