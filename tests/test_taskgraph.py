"""Claims about graphs of tasks: their faults, their order, and what their form holds."""

import json
from itertools import pairwise, permutations
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from engine.packet import Verdict
from engine.taskgraph import (
    FAULTS_TOLD,
    LEAST_URGENT,
    Graph,
    Node,
    check,
    faults,
    fitting,
    form,
    ordered,
    read,
    taking,
)
from engine.testing import a_chain, a_task
from engine.types import Budgets, GraphRules, JsonForm, TextForm

ROLES = ("DEV", "QA", "DATA")
RULES = GraphRules(roles=ROLES, most_per_role=2, most=4, tokens=400)


def node(id: str, *before: str, role: str = "DEV", priority: int = 1) -> Node:
    """A task that comes after those named."""
    return Node(id=id, role=role, description="Do it", depends_on=before, priority=priority)


def graph(*nodes: Node) -> Graph:
    """These tasks."""
    return Graph(tasks=nodes)


@st.composite
def graphs(draw: st.DrawFn, most: int = 5) -> Graph:
    """Any graph at all of a few tasks, with cycles, strangers and names that are there twice."""
    ids = draw(st.lists(st.sampled_from("abcde"), min_size=1, max_size=most))
    names = st.sampled_from("abcdef")
    return graph(
        *(
            node(
                id,
                *draw(st.lists(names, max_size=2, unique=True)),
                role=draw(st.sampled_from(ROLES)),
                priority=draw(st.integers(1, LEAST_URGENT)),
            )
            for id in ids
        )
    )


@st.composite
def acyclic(draw: st.DrawFn) -> Graph:
    """A graph of few roles without a cycle or a stranger, written in any order."""
    ids = "abcd"[: draw(st.integers(1, 4))]
    nodes = [
        node(
            id,
            *draw(st.lists(st.sampled_from(ids[:place]), unique=True) if place else st.just([])),
            role=draw(st.sampled_from(ROLES)),
            priority=draw(st.integers(1, LEAST_URGENT)),
        )
        for place, id in enumerate(ids)
    ]
    return graph(*draw(st.permutations(nodes)))


orders = st.lists(st.sampled_from(ROLES), unique=True).map(tuple)
every_rules = st.builds(
    GraphRules,
    roles=st.just(ROLES),
    most_per_role=st.integers(1, 3),
    most=st.integers(1, 5),
    order=orders,
    parallel=st.booleans(),
    tokens=st.just(400),
)


def reached(found: Graph, id: str) -> set[str]:
    """All that a task comes after, by walking back from it."""
    before = {n.id: n.depends_on for n in found.tasks}
    seen: set[str] = set()
    left = list(before[id])
    while left:
        if (name := left.pop()) not in seen:
            seen.add(name)
            left += before.get(name, ())
    return seen


def keeps(found: Graph, rules: GraphRules) -> bool:
    """Whether a graph is right, said in another way than the engine does."""
    ids = [n.id for n in found.tasks]
    roles = {n.id: n.role for n in found.tasks}
    place = {role: number for number, role in enumerate(rules.order)}
    if len(set(ids)) < len(ids) or any(b not in ids for n in found.tasks for b in n.depends_on):
        return False
    if len(ids) > rules.most or any(
        [n.role for n in found.tasks].count(r) > rules.most_per_role for r in ROLES
    ):
        return False
    pairs = [(id, other) for id in ids for other in reached(found, id)]
    if any(id == other for id, other in pairs):
        return False
    named = [(place.get(roles[i]), place.get(roles[o])) for i, o in pairs]
    return all(own is None or other is None or other <= own for own, other in named)


@given(graphs() | acyclic(), every_rules)
def test_a_graph_has_faults_exactly_where_it_is_not_right(found: Graph, rules: GraphRules) -> None:
    """By an oracle that walks from each task; each fault is one line."""
    told = faults(found, rules)
    assert bool(told) != keeps(found, rules)
    assert not any("\n" in line for line in told)


@given(acyclic(), every_rules)
def test_the_tasks_of_a_right_graph_can_be_done_in_their_order(
    found: Graph, rules: GraphRules
) -> None:
    """Each after those it depends on, none less urgent than one that waits for it, none lost."""
    assume(keeps(found, rules))
    nodes = ordered(found, rules)
    places = {n.id: place for place, n in enumerate(nodes)}
    assert sorted(places) == sorted(n.id for n in found.tasks)
    urgent = {n.id: n.priority for n in nodes}
    for old in found.tasks:
        assert all(places[before] < places[old.id] for before in old.depends_on)
        assert all(urgent[before] <= urgent[old.id] for before in old.depends_on)
        waiting = [n.priority for n in found.tasks if old.id in reached(found, n.id)]
        assert urgent[old.id] == min([old.priority, *waiting])
    if rules.parallel:
        assert {n.id: n.depends_on for n in nodes} == {n.id: n.depends_on for n in found.tasks}
        return
    assert [n.depends_on for n in nodes] == [(), *((before.id,) for before, _ in pairwise(nodes))]
    assert keeps(Graph(tasks=nodes), rules)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (graph(node("a"), node("a")), "a names 2 tasks"),
        (graph(node("a", "z")), "a depends on z, which is no task"),
        (graph(node("a", "a")), "these wait for one another for ever: a"),
        (graph(node("a", "b"), node("b", "a")), "these wait for one another for ever: a, b"),
        (graph(node("a", role="CHEF")), "no role CHEF; known roles: DEV, QA, DATA"),
        (graph(*map(node, "abc")), "DEV has 3 tasks, at most 2 are allowed"),
        (
            graph(*(node(c, role=ROLES[place % 3]) for place, c in enumerate("abcde"))),
            "5 tasks are too many, at most 4 are allowed",
        ),
    ],
)
async def test_each_fault_is_named_and_excludes_the_text(wrong: Graph, told: str) -> None:
    """With the task and the role, so that an author can mend it; nothing else is told."""
    assert faults(wrong, RULES) == [told]
    task = a_task().model_copy(update={"graph": RULES})
    (result,) = await check(task, wrong.model_dump_json())
    assert (result.verdict, result.blocking, result.message) == (Verdict.FAILED, True, told)


def test_the_order_of_roles_holds_through_other_tasks_too() -> None:
    """DEV comes before QA; that it waits for QA by way of DATA is as wrong as waiting directly."""
    rules = RULES.model_copy(update={"order": ("DEV", "QA")})
    found = graph(node("q", role="QA"), node("d", "q", role="DATA"), node("v", "d"))
    assert faults(found, rules) == ["v of DEV comes after q of QA"]
    assert faults(found, RULES) == []


def test_tasks_of_one_role_may_come_after_one_another() -> None:
    """The order of roles says nothing about tasks of the same one."""
    rules = RULES.model_copy(update={"order": ROLES})
    assert faults(graph(node("b", "a"), node("a")), rules) == []


def test_a_chain_keeps_the_order_of_roles_before_what_is_urgent() -> None:
    """Even where the later role's task is the more urgent one and nothing ties the two."""
    found = graph(node("q", role="QA", priority=1), node("d", role="DEV", priority=5))
    chained = RULES.model_copy(update={"order": ("DEV", "QA"), "parallel": False})
    assert [(n.id, n.depends_on) for n in ordered(found, chained)] == [("d", ()), ("q", ("d",))]
    free = chained.model_copy(update={"order": ()})
    assert [n.id for n in ordered(found, free)] == ["q", "d"]


async def test_an_author_is_told_a_few_faults_at_a_time() -> None:
    """As many as a budget of tokens holds, the first ones, in one line."""
    wrong = graph(*(node(f"a{number}", "z") for number in range(9)))
    task = a_task().model_copy(update={"graph": RULES})
    (result,) = await check(task, wrong.model_dump_json())
    told = [f"a{number} depends on z, which is no task" for number in range(FAULTS_TOLD)]
    assert result.message == "; ".join(told)


def test_of_those_that_can_be_done_next_the_most_urgent_comes_first() -> None:
    """A task that something urgent waits for is urgent itself; else the order of writing holds."""
    found = graph(
        node("a", priority=3),
        node("b", priority=5),
        node("c", "b", priority=1, role="QA"),
        node("d", priority=3, role="QA"),
    )
    nodes = ordered(found, RULES)
    assert [(n.id, n.priority) for n in nodes] == [("b", 1), ("c", 1), ("a", 3), ("d", 3)]


def test_in_a_chain_no_role_comes_after_one_that_may_only_come_later() -> None:
    """Though nothing depends on anything and the later role's task is the more urgent one."""
    found = graph(node("q", role="QA"), node("a", role="DATA"), node("d", priority=5))
    chain = RULES.model_copy(update={"order": ("DEV", "QA"), "parallel": False})
    nodes = ordered(found, chain)
    assert [(n.id, n.depends_on) for n in nodes] == [("a", ()), ("d", ("a",)), ("q", ("d",))]
    free = RULES.model_copy(update={"order": ("DEV", "QA")})
    assert [n.id for n in ordered(found, free)] == ["q", "a", "d"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "Invalid JSON"),
        ("[]", "the answer: "),
        ('{"tasks": []}', "tasks: "),
        ('{"tasks": [{"id": "a"}]}', "tasks.0.role: "),
        (graph(node("a")).model_dump_json().replace('"priority":1', '"priority":9'), "priority: "),
        (graph(node("a")).model_dump_json().replace('"Do it"', '"   "'), "description: "),
    ],
)
async def test_what_is_no_graph_says_where(text: str, why: str) -> None:
    """A text of another shape is told in a line, and fails the check."""
    with pytest.raises(ValueError, match=why.replace(".", r"\.")) as raised:
        read(text)
    task = a_task().model_copy(update={"graph": RULES})
    (result,) = await check(task, text)
    assert (result.verdict, result.message) == (Verdict.FAILED, str(raised.value))


def test_what_is_understood_in_another_spelling() -> None:
    """A role in any case, blanks around names, the same dependency twice."""
    text = '{"tasks": [{"id": " b ", "role": "qa", "description": " x ", "depends_on": ["a", "a"], "priority": 2}]}'  # noqa: E501
    (found,) = read(text).tasks
    assert (found.id, found.role, found.description, found.depends_on) == ("b", "QA", "x", ("a",))


def asked(graph: GraphRules) -> Any:
    """The schema of such a graph."""
    found = form(graph)
    assert isinstance(found, JsonForm)
    return found.json_schema


def test_the_form_lets_a_task_depend_only_on_those_before_it() -> None:
    """The k-th is tk, so that whoever is held to the form writes no cycle and no name twice."""
    items = asked(RULES)["properties"]["tasks"]["prefixItems"]
    assert [item["properties"]["id"]["enum"] for item in items] == [["t1"], ["t2"], ["t3"], ["t4"]]
    first, *others = (item["properties"]["depends_on"] for item in items)
    assert first == {"type": "array", "maxItems": 0}
    assert [each["items"]["enum"][-1] for each in others] == ["t1", "t2", "t3"]
    assert items[0]["properties"]["role"]["enum"] == list(ROLES)
    assert form(None) == TextForm()


def test_what_the_engine_that_decodes_makes_of_the_form() -> None:
    """Its grammar takes one task to the most, and none that waits for itself or a later one."""
    xgrammar = pytest.importorskip("xgrammar")
    letters = xgrammar.TokenizerInfo(
        [chr(n) for n in range(32, 127)] + ["</s>"], stop_token_ids=[95]
    )
    grammar = xgrammar.Grammar.from_json_schema(json.dumps(asked(RULES)), any_whitespace=False)
    compiled = xgrammar.GrammarCompiler(letters).compile_grammar(grammar)

    def takes(tasks: object) -> bool:
        matcher = xgrammar.GrammarMatcher(compiled)
        return bool(
            matcher.accept_string(json.dumps({"tasks": tasks})) and matcher.accept_token(95)
        )

    chain: Any = a_chain(form(RULES), "It is done as it was said")
    assert takes(chain)
    assert takes(chain[:1])
    assert not takes([])
    assert not takes([*chain, *chain])
    for before in (["t1"], ["t2"], ["t9"]):
        assert not takes([{**chain[0], "depends_on": before}])
    assert not takes([{**chain[0], "role": "CHEF"}])
    assert not takes([{**chain[0], "priority": 6}])


@given(st.integers(1, 40))
def test_a_text_holds_as_many_tasks_as_it_is_given_tokens_for(tasks: int) -> None:
    """The two say the same, and a text of no room is one task's."""
    assert fitting(taking(tasks)) == tasks
    assert fitting(taking(tasks) - 1) == max(1, tasks - 1)


@given(st.integers(1, 9), st.integers(2000, 200_000), st.builds(Budgets))
def test_no_longer_draft_fits_the_window(texts: int, window: int, budgets: Budgets) -> None:
    """With the largest draft all prompts fit it, with one more token they do not."""
    room = budgets.largest_draft(texts, window)
    if room < 1:
        assert budgets.model_copy(update={"draft": 1}).largest_prompt(texts) > window
        return
    fits = [budgets.model_copy(update={"draft": room + more}) for more in (0, 1)]
    assert [each.largest_prompt(texts) <= window for each in fits] == [True, False]


def test_an_order_does_not_depend_on_chance() -> None:
    """Tasks that are alike in everything come in the order in which they were written."""
    for names in permutations("ab"):
        assert [n.id for n in ordered(graph(*map(node, names)), RULES)] == list(names)
