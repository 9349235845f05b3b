"""A plan as a graph of tasks: its form, its faults and its order; knows nothing of who writes it.

The form lets a task depend only on those written before it, so that a model that is held to it
writes no cycle. Nobody else is held to it: every fault is looked for in every graph.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, JsonValue, StringConstraints, ValidationError

from engine.data import Data
from engine.packet import CheckResult, Verdict
from engine.types import Form, GraphRules, JsonForm, Task, TextForm

CHECK = "task graph"
LEAST_URGENT = 5
MOST_DEPENDENCIES = 3
"""That the form holds of one task."""
LONGEST_DESCRIPTION = 140
TOKENS_OF_A_TASK = 80
"""What one task takes as JSON within that form, with a description of ordinary words."""
LEAST_TOKENS = 16
"""What the JSON takes around its tasks."""
FAULTS_TOLD = 6
"""An author mends a few at a time; a budget of tokens holds no more."""

Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


class Node(Data):
    """One task of a graph. `priority` 1 is the most urgent, LEAST_URGENT the least."""

    id: Word
    role: Annotated[Word, BeforeValidator(_upper)]
    description: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000)
    ]
    depends_on: tuple[Word, ...]
    priority: Annotated[int, Field(ge=1, le=LEAST_URGENT)]


class Graph(Data):
    """Tasks that come after one another, in the order in which they were written."""

    tasks: Annotated[tuple[Node, ...], Field(min_length=1)]


def form(graph: GraphRules | None) -> Form:
    """How a text is decoded: as JSON under the schema of such a graph, or freely without one."""
    if graph is None:
        return TextForm()
    items: list[JsonValue] = [_item(graph, number) for number in range(1, graph.most + 1)]
    tasks: JsonValue = {
        "type": "array",
        "prefixItems": items,
        "items": False,
        "minItems": 1,
        "maxItems": graph.most,
    }
    return JsonForm(json_schema=_object({"tasks": tasks}))


def _item(graph: GraphRules, number: int) -> JsonValue:
    """The schema of the task in that place, which can depend on those before it."""
    before: list[JsonValue] = [f"t{other}" for other in range(1, number)]
    most = min(MOST_DEPENDENCIES, len(before))
    dependencies: dict[str, JsonValue] = {"type": "array", "maxItems": most}
    if before:
        dependencies["items"] = {"type": "string", "enum": before}
    return _object(
        {
            "id": {"type": "string", "enum": [f"t{number}"]},
            "role": {"type": "string", "enum": [*graph.roles]},
            "description": {"type": "string", "minLength": 20, "maxLength": LONGEST_DESCRIPTION},
            "depends_on": dependencies,
            "priority": {"type": "integer", "minimum": 1, "maximum": LEAST_URGENT},
        }
    )


def _object(properties: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The schema of an object with exactly these properties, in this order."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def fitting(tokens: int) -> int:
    """How many tasks such a text holds, at least one."""
    return max(1, (tokens - LEAST_TOKENS) // TOKENS_OF_A_TASK)


def taking(tasks: int) -> int:
    """How many tokens a text of so many tasks takes."""
    return LEAST_TOKENS + tasks * TOKENS_OF_A_TASK


def read(text: str) -> Graph:
    """The graph in a text, whatever its faults; ValueError says in a line why it is none.

    The same dependency twice is one.
    """
    try:
        found = Graph.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the answer"
        raise ValueError(f"{where}: {first['msg']}") from None
    once = (n.model_copy(update={"depends_on": _once(n.depends_on)}) for n in found.tasks)
    return Graph(tasks=tuple(once))


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def faults(graph: Graph, rules: GraphRules) -> list[str]:
    """What is wrong with a graph, a line each; what follows from another fault is not told."""
    found = [*_single_faults(graph), *_count_faults(graph, rules)]
    return found or [*_cycle_faults(graph)] or [*_order_faults(graph, rules)]


def _single_faults(graph: Graph) -> Iterator[str]:
    """Names that are there twice or not at all."""
    known = Counter(node.id for node in graph.tasks)
    for id, times in known.items():
        if times > 1:
            yield f"{id} names {times} tasks"
    for node in graph.tasks:
        for other in node.depends_on:
            if other not in known:
                yield f"{node.id} depends on {other}, which is no task"


def _count_faults(graph: Graph, rules: GraphRules) -> Iterator[str]:
    """Roles that are not known or have too many tasks."""
    roles = Counter(node.role for node in graph.tasks)
    for role, times in roles.items():
        if role not in rules.roles:
            yield f"no role {role}; known roles: {', '.join(rules.roles)}"
        elif times > rules.most_per_role:
            yield f"{role} has {times} tasks, at most {rules.most_per_role} are allowed"
    if len(graph.tasks) > rules.most:
        yield f"{len(graph.tasks)} tasks are too many, at most {rules.most} are allowed"


def _cycle_faults(graph: Graph) -> Iterator[str]:
    placed = _sorted({node.id: node.depends_on for node in graph.tasks}, {})
    left = [node.id for node in graph.tasks if node.id not in placed]
    if left:
        yield f"these wait for one another for ever: {', '.join(left)}"


def _order_faults(graph: Graph, rules: GraphRules) -> Iterator[str]:
    """Tasks that come after one whose role may only come later."""
    place = {role: number for number, role in enumerate(rules.order)}
    roles = {node.id: node.role for node in graph.tasks}
    for id, others in _ancestors(graph).items():
        for other in (each for each in roles if each in others):
            earlier, later = place.get(roles[id]), place.get(roles[other])
            if earlier is not None and later is not None and earlier < later:
                yield f"{id} of {roles[id]} comes after {other} of {roles[other]}"


def _ancestors(graph: Graph) -> dict[str, set[str]]:
    """All that each task depends on, directly or through others; the graph has no cycle."""
    direct = {node.id: node.depends_on for node in graph.tasks}
    found: dict[str, set[str]] = {}
    for id in _sorted(direct, {}):
        found[id] = set(direct[id]).union(*(found[other] for other in direct[id]))
    return {node.id: found[node.id] for node in graph.tasks}


def _sorted(before: Mapping[str, Iterable[str]], first: Mapping[str, Any]) -> list[str]:
    """The names so that each comes after those it waits for, else by `first`, else as given.

    Those that wait for one another are left out.
    """
    keys = {name: (first.get(name, ()), place) for place, name in enumerate(before)}
    waits = {name: set(others) for name, others in before.items()}
    ready = [(keys[name], name) for name, others in waits.items() if not others]
    heapq.heapify(ready)
    order: list[str] = []
    while ready:
        name = heapq.heappop(ready)[1]
        order.append(name)
        for other, left in waits.items():
            if name in left:
                left.discard(name)
                if not left:
                    heapq.heappush(ready, (keys[other], other))
    return order


def ordered(graph: Graph, rules: GraphRules) -> tuple[Node, ...]:
    """The tasks of a graph without faults in an order in which they can be done, one by one.

    A task is as urgent as the most urgent of those that wait for it. Of those that can be done
    next, the most urgent comes first, then the one that was written first. Where the rules allow
    nothing in parallel they become one chain: each depends on the one before it alone, and no role
    comes after one that may only come later.
    """
    urgent = _urgencies(graph)
    waits = {node.id: set(node.depends_on) for node in graph.tasks}
    if not rules.parallel:
        _let_roles_wait(graph, rules, waits)
    nodes = {node.id: node for node in graph.tasks}
    order = _sorted(waits, urgent)
    assert len(order) == len(nodes), "a graph without faults has an order"
    found: list[Node] = []
    for id in order:
        after = nodes[id].depends_on if rules.parallel else tuple(node.id for node in found[-1:])
        changes = {"priority": urgent[id], "depends_on": after}
        found.append(nodes[id].model_copy(update=changes))
    return tuple(found)


def _urgencies(graph: Graph) -> dict[str, int]:
    """Each task's priority, or that of the most urgent one which waits for it."""
    urgent = {node.id: node.priority for node in graph.tasks}
    for id, others in _ancestors(graph).items():
        priority = next(node.priority for node in graph.tasks if node.id == id)
        for other in others:
            urgent[other] = min(urgent[other], priority)
    return urgent


def _let_roles_wait(graph: Graph, rules: GraphRules, waits: Mapping[str, set[str]]) -> None:
    """Have each task wait for all tasks of roles that may only come earlier."""
    place = {role: number for number, role in enumerate(rules.order)}
    named = [(node.id, place[node.role]) for node in graph.tasks if node.role in place]
    for id, own in named:
        waits[id].update(other for other, earlier in named if earlier < own)


async def check(task: Task, text: str) -> Sequence[CheckResult]:
    """Whether a text is a graph that keeps to the task's rules; one that does not is excluded."""
    assert task.graph is not None
    try:
        found = faults(read(text), task.graph)
    except ValueError as none:
        found = [str(none)]
    verdict = Verdict.FAILED if found else Verdict.PASSED
    return (CheckResult(check=CHECK, verdict=verdict, message="; ".join(found[:FAULTS_TOLD])),)
