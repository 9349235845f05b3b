"""Claims about what an agent sees of a task: it is the very prompt, in its parts, with a hash."""

import hashlib

import pytest

from engine.deliberation import deliberate
from engine.errors import InvalidRequest
from engine.events import Record
from engine.options import Decide
from engine.prompts import SYSTEM
from engine.seen import Seen, asked, briefed, drafting, seat, seen
from engine.testing import ScriptedModel, a_council, a_task, words
from engine.transcript import fold
from engine.types import OUTSIDE, Agent, Council, Phase, Turn

ARCHITECT = Agent(id="arch", role="ARCHITECT", persona="You weigh the whole.", pool="none")
COUNCIL = a_council().model_copy(update={"architect": ARCHITECT})
TASK = a_task().model_copy(
    update={
        "rubric": "Short",
        "requirements": ("It ticks",),
        "context": {"budget": 7},
        "decide": Decide.ARCHITECT,
    }
)
ONE, TWO, THREE = (agent.id for agent in COUNCIL.agents)


async def recorded() -> tuple[list[Record], ScriptedModel]:
    """A whole deliberation and the model that was asked."""
    model = ScriptedModel()
    events = [event async for event in deliberate(TASK, COUNCIL, model, words)]
    return [
        Record(deliberation=TASK.id, seq=seq, at=float(seq), event=event)
        for seq, event in enumerate(events, 1)
    ], model


def said(turn: Turn) -> str:
    """All that the messages of a turn say."""
    return "\n".join(message.content for message in turn.messages)


async def test_a_draft_is_seen_as_the_agent_was_asked_for_it() -> None:
    """To the letter, for each agent; what all see alike is apart from who it is."""
    _, model = await recorded()
    brief = briefed(TASK, COUNCIL, words)
    for agent in COUNCIL.agents:
        found = seen(drafting(TASK, COUNCIL, brief, agent), brief, agent)
        turn = next(t for t in model.turns if (t.agent, t.phase) == (agent.id, Phase.DRAFT))
        assert found.text == said(turn)
        assert found.system == SYSTEM.content
        assert found.context == brief.text
        assert found.question.startswith(f"You sit on the TEST council. {agent.persona}")
        assert found.history == found.tools == ""


@pytest.mark.parametrize(
    ("agent", "phase"),
    [(ONE, p) for p in (Phase.CRITIQUE, Phase.REVISE, Phase.VOTE)] + [("arch", Phase.JUDGE)],
)
async def test_a_later_turn_is_seen_as_it_was(agent: str, phase: Phase) -> None:
    """Found again from the records alone; what was said before is apart from the question."""
    records, model = await recorded()
    turn = await asked(records, agent, phase)
    assert turn in model.turns
    brief = fold(records).brief
    assert brief is not None
    found = seen(turn.messages, brief, seat(TASK, COUNCIL, agent, phase))
    assert found.text == said(turn)
    assert found.context == brief.text
    assert found.history
    assert found.question
    if phase is Phase.REVISE:
        assert f"{agent} says draft 0" in found.history
    else:
        assert "says revise 1" in found.history or "says draft 0" in found.history


async def test_the_last_of_several_turns_is_meant() -> None:
    """With two rounds an agent revises twice."""
    model = ScriptedModel()
    task = TASK.model_copy(update={"rounds": 2})
    events = [event async for event in deliberate(task, COUNCIL, model, words)]
    records = [Record(deliberation="t-1", seq=n, at=n, event=e) for n, e in enumerate(events, 1)]
    assert (await asked(records, TWO, Phase.REVISE)).round == 2


async def test_a_turn_that_was_not_asked_cannot_be_seen() -> None:
    """Nor can one under prompts of another wording, which nobody keeps."""
    records, _ = await recorded()
    with pytest.raises(InvalidRequest, match="agent-1 has not been asked for a merge here"):
        await asked(records, ONE, Phase.MERGE)
    old = [
        r.model_copy(
            update={
                "event": r.event.model_copy(
                    update={"brief": r.event.brief.model_copy(update={"prompts": "old"})}
                )
            }
        )
        if r.event.kind == "briefed"
        else r
        for r in records
    ]
    with pytest.raises(InvalidRequest, match="another wording"):
        await asked(old, ONE, Phase.VOTE)


def test_the_hash_is_of_the_text() -> None:
    """Its SHA-256; another word makes another one."""
    found = Seen(system="s", context="c", question="q")
    assert found.text == "s\nc\nq"
    assert found.hash == hashlib.sha256(b"s\nc\nq").hexdigest()
    assert found.model_copy(update={"history": "h"}).hash != found.hash


PARTS = {"rubric": "Prefer the smallest", "requirements": "It ticks", "context": "budget: 7"}


@pytest.mark.parametrize("scope", [*PARTS, "story"])
def test_only_the_parts_that_are_named_are_shown(scope: str) -> None:
    """Beside the task, which always is; with none named all are."""
    parts = PARTS | {"story": "It struck"}
    whole = briefed(TASK, COUNCIL, words, "It struck").text
    assert all(text in whole for text in parts.values())
    part = briefed(TASK, COUNCIL, words, "It struck", (scope,)).text
    assert [name for name, text in parts.items() if text in part] == [scope]
    assert "Build a clock" in part
    assert ("Short" in part) == (scope == "rubric")


def test_whose_eyes_they_are() -> None:
    """The first agent that has an engine, unless one is named that takes part in the phase."""
    outside = Agent(id="far", role="TEST", persona="", pool=OUTSIDE)
    council = Council(
        role="TEST", agents=(outside, *COUNCIL.agents), rubric="", architect=ARCHITECT
    )
    assert seat(TASK, council).id == ONE
    assert seat(TASK, council, "far").id == "far"
    assert seat(TASK, council, "arch", Phase.JUDGE).id == "arch"
    with pytest.raises(InvalidRequest, match="'arch' takes no part; those who do: far, agent-1"):
        seat(TASK, council, "arch")
    alone = council.model_copy(update={"agents": (outside,)})
    assert seat(TASK, alone).id == "far"
    two = TASK.model_copy(update={"num_agents": 2})
    with pytest.raises(InvalidRequest, match=f"{THREE!r} takes no part"):
        seat(two, COUNCIL, THREE)
