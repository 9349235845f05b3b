"""A plan as a question to the architects, and their answer as tasks; knows nothing of any door."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated

from pydantic import Field, JsonValue, StringConstraints

from engine.caps import council_of
from engine.config import Config
from engine.data import Data
from engine.errors import InvalidRequest, NotDerived
from engine.events import Decided, Failed, Rejected
from engine.options import MOST
from engine.planning import PlanApproved, context_of
from engine.taskgraph import fitting, ordered, read, taking
from engine.transcript import Transcript
from engine.types import OUTSIDE, Council, GraphRules, Task

ARCHITECT = "ARCHITECT"
"""The role that is asked."""

Name = Annotated[str, StringConstraints(strip_whitespace=True, max_length=512)]
Role = Annotated[str, StringConstraints(strip_whitespace=True, to_upper=True, max_length=32)]


class Strategy(Data):
    """How a plan is to be split.

    Without `parallel_execution` the tasks are one chain. A task may come after another only where
    its role does not stand before the other's in `dependency_order`. Of each role there are
    `max_tasks_per_role` tasks at most, 0 for the server's cap. With `auto_publish_to_nats` each
    task is asked of its role's council over the bus.
    """

    parallel_execution: bool = False
    dependency_order: tuple[Role, ...] = ()
    max_tasks_per_role: int = Field(default=0, ge=0, le=MOST)
    auto_publish_to_nats: bool = False


class TaskConstraints(Data):
    """What holds for a task: the rubric and the requirements of its whole plan."""

    rubric: str
    requirements: tuple[str, ...]
    metadata: dict[str, str]


class AtomicTask(Data):
    """One task of a plan. `priority` 1 is the most urgent, 5 the least.

    A task is as urgent as the most urgent of those that depend on it. `dependencies` are the ids
    of the tasks that come before it.
    """

    task_id: str
    role: str
    description: str
    dependencies: tuple[str, ...]
    constraints: TaskConstraints
    case_id: str
    plan_id: str
    priority: int


def question(
    plan: PlanApproved,
    config: Config,
    case_id: str = "",
    roles: Sequence[str] = (),
    strategy: Strategy | None = None,
    key: str = "",
) -> Task:
    """What the architects are asked: the same of the same plan and request, whenever that comes.

    `key` makes another question of them. InvalidRequest where a role is not known or a number is
    over a cap; NotDerived where this server has nobody who could answer.
    """
    strategy = strategy or Strategy()
    known = tuple(council.role for council in config.councils)
    if ARCHITECT not in known:
        raise NotDerived(f"no council {ARCHITECT}, which splits plans; configure one")
    wanted = _known("roles", roles or known, known)
    order = _known("strategy.dependency_order", strategy.dependency_order, wanted)
    most = _most_per_role(strategy.max_tasks_per_role, config.limits.tasks_per_role)
    room = _room(council_of(ARCHITECT, config), config)
    tasks = min(len(wanted) * most, fitting(room))
    graph = GraphRules(
        roles=wanted,
        most_per_role=most,
        most=tasks,
        order=order,
        parallel=strategy.parallel_execution,
        tokens=taking(tasks),
    )
    return _identified(_task(plan, case_id, graph), key)


def _known(where: str, said: Iterable[str], known: tuple[str, ...]) -> tuple[str, ...]:
    """The roles in upper case, each once; InvalidRequest for one that is not known."""
    roles = tuple(dict.fromkeys(role.strip().upper() for role in said))
    for role in roles:
        if role not in known:
            raise InvalidRequest(where, f"no role {role[:80]!r}; known roles: {', '.join(known)}")
    return roles


def _most_per_role(asked: int, cap: int) -> int:
    if asked > cap:
        what = f"{asked} is over this server's cap of {cap}"
        raise InvalidRequest("strategy.max_tasks_per_role", what)
    return asked or cap


def _room(council: Council, config: Config) -> int:
    """Tokens of the longest graph that the windows of the council's models hold beside the rest."""
    engines = {agent.pool for agent in council.agents} - {OUTSIDE}
    window = min(config.pools[pool].window for pool in engines)
    room = council.budgets.largest_draft(len(council.agents), window)
    if room < taking(1):
        raise NotDerived(
            f"a window of {window} tokens leaves {max(0, room)} for a graph of tasks, and one "
            f"takes {taking(1)}; seat {council.role} on a pool with a larger one"
        )
    return room


def _task(plan: PlanApproved, case_id: str, graph: GraphRules) -> Task:
    said = plan.plan
    place = f"Plan {said.plan_id} of story {said.story_id}"
    context: dict[str, JsonValue] = {
        **context_of(plan),
        "case_id": case_id or said.story_id,
        "plan_rubric": said.constraints.rubric,
        "plan_requirements": [*said.acceptance_criteria, *said.constraints.requirements],
    }
    return Task(
        id="-",
        role=ARCHITECT,
        title=said.title or place,
        text=said.description or said.title or f"{place} was approved. It has no description.",
        requirements=tuple(_requirements(graph)),
        context=context,
        story_id=said.story_id,
        plan_id=said.plan_id,
        policy="council",
        graph=graph,
    )


def _requirements(graph: GraphRules) -> Iterable[str]:
    """The rules of the graph as the architects read them."""
    yield f"Each task is of one of these roles: {', '.join(graph.roles)}"
    yield f"At most {graph.most_per_role} tasks of each role and {graph.most} in all"
    if graph.order:
        yield f"A task depends on none whose role comes later in: {', '.join(graph.order)}"
    if not graph.parallel:
        yield "The tasks are done one after another, never two at once"


def _identified(task: Task, key: str) -> Task:
    """The task with an id that follows from what it says, and not from fields it leaves alone."""
    said = task.model_dump_json(exclude_defaults=True)
    digest = hashlib.sha256(f"{said}\0{key}".encode()).hexdigest()
    return task.model_copy(update={"id": f"derivation-{digest[:32]}"})


def tasks_of(state: Transcript) -> tuple[AtomicTask, ...]:
    """The tasks of a derivation, each after those it depends on; NotDerived says why not."""
    task = state.task
    assert task is not None
    if task.graph is None:
        raise NotDerived(f"{task.id!r} is no derivation; DeriveSubtasks makes one")
    if state.end is None:
        raise NotDerived(f"{task.id!r} is not decided yet")
    if isinstance(state.end, Failed):
        raise NotDerived(_why_not(state, state.end))
    return _tasks(task, task.graph, state.latest(state.end.decision.choice).text)


def _why_not(state: Transcript, end: Failed) -> str:
    """Why there is no decision, with what is wrong with each author's last text."""
    assert state.task is not None
    excluded = [author for author in state.authors if author in state.excluded]
    checks = [f"{author}: {r.message}" for author in excluded for r in state.checked(author)]
    rejected = [r for r in state.outcomes.values() if isinstance(r, Rejected)]
    unread = {r.agent: r.reason for r in rejected if r.agent not in state.proposals}
    found = [*checks, *(f"{agent}: {reason}" for agent, reason in unread.items())]
    why = "; ".join((f"{end.error_type}: {end.message}", *found))
    return f"{state.task.id} has no graph of tasks; another idempotency key asks anew. {why}"


def _tasks(task: Task, rules: GraphRules, text: str) -> tuple[AtomicTask, ...]:
    nodes = ordered(read(text), rules)
    ids = {node.id: f"{task.id}.{place}" for place, node in enumerate(nodes, 1)}
    said = task.context
    requirements = said["plan_requirements"]
    assert isinstance(requirements, list)
    constraints = TaskConstraints(
        rubric=str(said["plan_rubric"]),
        requirements=tuple(map(str, requirements)),
        metadata={"derivation_id": task.id},
    )
    return tuple(
        AtomicTask(
            task_id=ids[node.id],
            role=node.role,
            description=node.description,
            dependencies=tuple(ids[other] for other in node.depends_on),
            constraints=constraints,
            case_id=str(said["case_id"]),
            plan_id=task.plan_id,
            priority=node.priority,
        )
        for node in nodes
    )


def author_of(state: Transcript) -> str:
    """Whose graph was chosen."""
    assert isinstance(state.end, Decided)
    return state.end.decision.choice


def requests_of(state: Transcript) -> dict[str, dict[str, JsonValue]]:
    """Each task of a derivation as its council is asked it over the bus, those before it first.

    All of it follows from the records, its time as well: another time were another request. What
    comes before a task is told in words too.
    """
    assert state.task is not None
    tasks = {task.task_id: task for task in tasks_of(state)}
    decided = datetime.fromtimestamp(state.ended, UTC).isoformat()
    return {
        id: {
            "task_id": id,
            "task_description": task.description,
            "constraints": task.constraints.model_dump(mode="json"),
            "story_id": state.task.story_id,
            "plan_id": task.plan_id,
            "case_id": task.case_id,
            "priority": task.priority,
            "dependencies": [_told(tasks[other]) for other in task.dependencies],
            "timestamp": decided,
        }
        for id, task in tasks.items()
    }


def _told(task: AtomicTask) -> JsonValue:
    return {"task_id": task.task_id, "role": task.role, "description": task.description}
