"""Who takes part: those who write and those who rank; knows nothing of what they say."""

from __future__ import annotations

from engine.errors import InvalidRequest
from engine.options import Decide
from engine.policies import Choice, Rules, check_seats, settle
from engine.types import OUTSIDE, Agent, Council, Task


def settled(task: Task, council: Council) -> Rules:
    """The rules of a deliberation; InvalidRequest where the council has no seats for them."""
    rules = settle(task, council)
    number = len(agents(task, council)[: rules.agents])
    check_seats(rules, number)
    if rules.decide is Decide.ARCHITECT and council.architect is None:
        raise InvalidRequest("decide", f"the {council.role} council has no architect")
    return rules


def seats(task: Task, council: Council, rules: Rules) -> tuple[Agent, ...]:
    """Those who write: agents of the council, or so many copies of its first one."""
    seated = agents(task, council)[: rules.agents]
    if not rules.copies or not seated:
        return seated
    numbers = range(1, rules.copies + 1)
    return tuple(seated[0].model_copy(update={"id": f"{seated[0].id}.{n}"}) for n in numbers)


def voters(task: Task, council: Council, rules: Rules) -> tuple[Agent, ...]:
    """Those who rank: all who write; where one judges, the agent beside the one that writes."""
    if rules.choice is Choice.JUDGE:
        there = agents(task, council)
        return there[1:2] or there[:1]
    return seats(task, council, rules) if rules.choice is Choice.BALLOTS else ()


def architect(task: Task, council: Council) -> Agent | None:
    """Who has the last word where the rules ask for it; None where the council has nobody."""
    return _moved(council.architect, task) if council.architect else None


def agents(task: Task, council: Council) -> tuple[Agent, ...]:
    """The council's agents as the task wants them: some left out, or on another pool."""
    return tuple(_moved(a, task) for a in council.agents if a.id not in task.without)


def furnished(council: Council, task: Task) -> Council:
    """The council with as many tokens for one text as the task's graph, or its answer, may take."""
    draft = task.graph.tokens if task.graph else council.budgets.draft
    draft = min(draft, task.answer_tokens or draft)
    budgets = council.budgets.model_copy(update={"draft": draft})
    return council.model_copy(update={"budgets": budgets})


def _moved(agent: Agent, task: Task) -> Agent:
    """No pool can stand for an agent from outside, nor how it draws its tokens be said."""
    if agent.pool == OUTSIDE:
        return agent
    asked = {"temperature": task.temperature, "top_p": task.top_p}
    said = {name: value for name, value in asked.items() if value is not None}
    changes = {"pool": task.model} if task.model else {}
    sampling = {"sampling": agent.sampling.model_copy(update=said)} if said else {}
    return agent.model_copy(update={**changes, **sampling})
