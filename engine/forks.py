"""A recorded deliberation as the beginning of another one that differs in one thing; asks nobody.

What is asked in the same words of the same agent has been answered already: a fork has the seed of
its origin, so that such turns have the same id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.early import EARLY_RULES
from engine.errors import InvalidRequest
from engine.events import END, Record, StoryContext
from engine.options import Options, Rule
from engine.policies import check_seats, named, settle
from engine.seats import seats, voters
from engine.transcript import Outcome, Transcript, fold
from engine.types import OUTSIDE, Council, Task


@dataclass(frozen=True)
class Origin:
    """What a fork takes over: the council as it was, and the outcomes by the id of their turn.

    Its agents are shown of the `story` what the origin's were.
    """

    council: Council
    known: Mapping[str, Outcome]
    story: StoryContext | None


@dataclass(frozen=True)
class Fork(Origin):
    """The task of a fork, and what it takes over."""

    task: Task


def fork(
    records: Sequence[Record],
    id: str,
    *,
    without: Sequence[str] = (),
    policy: str | None = None,
    tally: Rule | None = None,
    model: str | None = None,
) -> Fork:
    """What to deliberate on to see what these changes make of a deliberation that has ended.

    Agents can be left out, the policy or the rule that counts be another one, and all agents that
    have an engine be on the pool `model`, which must exist. Of the origin's options, a policy keeps
    those it takes. A fork belongs to no story and no plan: its decision is not what was planned.

    InvalidRequest where the origin has not ended, nothing is changed, an agent does not take part,
    nobody is left who has an engine, or an option does not fit.
    """
    before, origin = _ended(records), origin_of(records)
    assert before.task is not None
    old = before.task
    left_out = tuple(dict.fromkeys(without))
    changes = {
        "id": id,
        "seed": old.salt,
        "origin": old.id,
        "story_id": "",
        "plan_id": "",
        "without": (*old.without, *left_out),
        "model": model or old.model,
    }
    assert before.rules is not None
    options = _with_options(old, before.rules.policy, policy or "", tally)
    task = options.model_copy(update=changes)
    task = _seated(before, task, left_out)
    _check_change(before, task)
    return Fork(origin.council, origin.known, origin.story, task)


def origin_of(records: Sequence[Record]) -> Origin:
    """What a fork of these records takes over; they begin with a Convened."""
    state = fold(records)
    assert state.council is not None
    return Origin(state.council, dict(state.outcomes), state.story)


def _ended(records: Sequence[Record]) -> Transcript:
    if not records or not isinstance(records[-1].event, END):
        raise InvalidRequest("origin", "has not ended; a fork needs its decision or its failure")
    return fold(records)


def _with_options(old: Task, before: str, policy: str, tally: Rule | None) -> Task:
    """The task with another policy or tally; options stay that both policies take."""
    asked = {name: getattr(old, name) for name in Options.model_fields}
    if policy:
        taken = named(policy).takes & named(before).takes
        asked = {n: value if n in taken else None for n, value in asked.items()}
        asked |= {"policy": policy}
    if tally is not None:
        early = asked["early"] if tally in EARLY_RULES else None
        asked |= {"tally": tally, "early": early}
    return old.model_copy(update=asked)


def _seated(before: Transcript, task: Task, left_out: Sequence[str]) -> Task:
    """The task for those who are left; where seats are numbered, none is filled anew."""
    rules, council, old = before.rules, before.council, before.task
    assert rules is not None
    assert council is not None
    assert old is not None
    there = [agent.id for agent in council.agents if agent.id not in old.without]
    part = [a for a in there if a in there[: rules.agents] or a in {v.id for v in before.voters}]
    for agent in left_out:
        if agent not in part:
            what = f"{agent!r} takes no part; those who do: {', '.join(part)}"
            raise InvalidRequest("without", what)
    settled = settle(task, council)
    seated = there[: settled.agents]
    remaining = [agent for agent in seated if agent not in left_out]
    numbered = settled.agents is not None and "num_agents" in named(settled.policy).takes
    if set(there) <= set(left_out) or (numbered and not remaining):
        raise InvalidRequest("without", "leaves nobody of those who take part")
    if all(agent.pool == OUTSIDE for agent in council.agents if agent.id in {*there} - {*left_out}):
        raise InvalidRequest("without", "leaves only agents from outside; one of ours must stay")
    number = len(remaining) if numbered and left_out else task.num_agents
    return task.model_copy(update={"num_agents": number})


def _check_change(before: Transcript, task: Task) -> None:
    """InvalidRequest where the fork would be its origin again, or has too few seats."""
    council = before.council
    assert council is not None
    rules = settle(task, council)
    seated = seats(task, council, rules)
    check_seats(rules, len(seated))
    same = (rules, seated, voters(task, council, rules))
    if same == (before.rules, before.seated, before.voters):
        raise InvalidRequest("fork", "changes nothing; name another tally, policy, model or agent")
