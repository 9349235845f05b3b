"""Claims about the replay of records: an end follows from what is recorded, and from no more."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recording import ONE, THREE, TWO, MixedModel, a_task, altered, no_sundial, recorded, stamped

from engine.decision import failed
from engine.deliberation import Bell
from engine.errors import InvalidRequest
from engine.events import Briefed, Decided, Hastened, Record, Resumed, Suspended, Voted
from engine.options import Rule
from engine.replay import replay
from engine.testing import ScriptedModel
from engine.transcript import fold
from engine.types import Phase, Reply, Task, Turn

WAYS = (
    {},
    {"rounds": 3, "topology": "full", "revise": "always", "num_agents": 2},
    {"policy": "vote", "ballot": "ranking", "decide": "architect"},
    {"policy": "vote", "ballot": "ranking", "tally": "majority"},
    {"policy": "self_refine", "rounds": 2, "until_clean": True},
    {"policy": "self_consistency"},
    {"policy": "best_of_n", "samples": 3},
    {"policy": "debate", "rounds": 3, "quorum": 0.6, "stability": 2},
    {"policy": "cascade", "rounds": 1},
    {"rounds": 2, "quorum": 0.5},
    {"policy": "moa", "layers": 3},
    {"rounds": 2, "gain": 0.3, "token_budget": 120},
    {"policy": "debate", "token_budget": 60, "early": True},
)


def of_the_vote(records: Sequence[Record]) -> int:
    """The place of the first ballot."""
    return next(n for n, record in enumerate(records) if isinstance(record.event, Voted))


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    way=st.sampled_from(WAYS),
    ring=st.integers(0, 20),
    checked=st.booleans(),
)
async def test_every_end_follows_from_its_records(
    seed: int, way: dict[str, object], ring: int, checked: bool
) -> None:
    """Whoever was lost, refused, rejected, cut short or too dear: nobody has to be asked again."""
    bell = Bell()
    model = MixedModel(seed, bell, ring)
    check = no_sundial if checked else None
    records = await recorded(a_task(**way), model, bell=bell, check=check)
    found = await replay(records)
    assert (found.differences, found.asked, found.note) == ((), (), "")
    assert found.reproduced
    assert found.again == found.recorded == records[-1].event


async def test_a_decision_that_does_not_follow_is_told() -> None:
    """Each field that is not what the records say is named with both values."""
    records = await recorded(a_task(policy="vote"))
    end = records[-1].event
    assert isinstance(end, Decided)
    decision = end.decision
    second = decision.order[1].author
    forged = decision.model_copy(update={"choice": second, "margin": 0.75})
    found = await replay(altered(records, -1, Decided(decision=forged)))
    assert not found.reproduced
    assert found.differences == (
        f"choice: was {second}, is {decision.choice}",
        f"margin: was 0.75, is {decision.margin}",
    )


async def test_another_end_altogether_is_told() -> None:
    """A failure where there is a decision, and the other way round."""
    records = await recorded(a_task(policy="vote"))
    end = failed(fold(records[:-1]), "Impasse", "nobody won")
    found = await replay(altered(records, -1, end))
    assert found.differences[0].startswith("end: was Impasse: nobody won, is the choice of agent-")


async def test_a_missing_reply_would_have_to_be_asked() -> None:
    """A ballot that is not in the records is named; nobody is asked for it."""
    records = await recorded(a_task(policy="vote"))
    place = of_the_vote(records)
    voter = records[place].event
    assert isinstance(voter, Voted)
    found = await replay(altered(records, place))
    assert not found.reproduced
    assert found.asked == (f"{voter.agent} vote 0 of all",)


async def test_a_changed_ballot_changes_the_end() -> None:
    """What voters said is all that the choice hangs on."""
    records = await recorded(a_task(policy="vote"))
    place = of_the_vote(records)
    voted = records[place].event
    assert isinstance(voted, Voted)
    ballot = voted.ballot.model_copy(update={"ranking": voted.ballot.ranking[::-1]})
    found = await replay(altered(records, place, voted.model_copy(update={"ballot": ballot})))
    assert not found.reproduced
    assert found.asked == ()


async def test_an_end_from_outside_is_taken_as_it_is() -> None:
    """That it was cancelled follows from nothing; what it says of cost and losses does."""
    records = await recorded(a_task())
    cut = records[: len(records) // 2]
    end = failed(fold(cut), "Cancelled", "it was cancelled on request")
    cancelled = stamped("t-1", [*(record.event for record in cut), end])
    found = await replay(cancelled)
    assert found.reproduced
    assert found.note.startswith("it was ended from outside")
    forged = end.model_copy(update={"lost": {"agent-dev-009": "gone"}})
    found = await replay(altered(cancelled, -1, forged))
    assert found.differences == ("lost: was {'agent-dev-009': 'gone'}, is {}",)


async def test_records_under_another_wording_are_tallied_again() -> None:
    """The turns cannot be known again after an upgrade, but the choice can be made again."""
    records = await recorded(a_task(policy="vote"))
    briefed = records[1].event
    assert isinstance(briefed, Briefed)
    brief = briefed.brief.model_copy(update={"prompts": "of yesterday"})
    found = await replay(altered(records, 1, Briefed(brief=brief)))
    assert found.reproduced
    assert found.note.startswith("its prompts had another wording")
    place = of_the_vote(records)
    other = altered(altered(records, 1, Briefed(brief=brief)), place)
    assert not (await replay(other)).reproduced


async def test_an_interruption_changes_nothing() -> None:
    """That it was suspended and resumed is no part of the end."""
    records = await recorded(a_task())
    events = [record.event for record in records]
    middle = len(events) // 2
    pause = [Suspended(reason="nobody waits"), Resumed()]
    found = await replay(stamped("t-1", [*events[:middle], *pause, *events[middle:]]))
    assert found.reproduced


async def test_a_vote_cut_short_is_not_gone_on_with() -> None:
    """A ballot that time did not hold is not asked for, and why it is missing is recorded."""
    bell, model = Bell(), ScriptedModel()

    async def speak(turn: Turn) -> Reply:
        if (turn.phase, turn.agent) == (Phase.VOTE, THREE):
            bell.close.set()
            await asyncio.Event().wait()
        return await model(turn)

    records = await recorded(a_task(policy="vote"), speak, bell=bell)
    assert sum(isinstance(record.event, Voted) for record in records) == 2
    found = await replay(records)
    assert (found.reproduced, found.asked) == (True, ())
    marked = next(n for n, r in enumerate(records) if isinstance(r.event, Hastened))
    found = await replay(altered(records, marked))
    assert [line for line in found.differences if line.startswith("stop_reason: was deadline")]


async def test_a_prober_whose_review_cannot_be_read_is_silent() -> None:
    """It is asked twice for its review and then no more, though its probe was read."""
    model = ScriptedModel({(agent, Phase.DRAFT): "a sundial" for agent in (ONE, TWO, THREE)})
    critiques: list[Turn] = []

    async def speak(turn: Turn) -> Reply:
        critiques.extend([turn] if turn.phase is Phase.CRITIQUE else [])
        return Reply() if len(critiques) > 1 and turn is critiques[-1] else await model(turn)

    way = {"quorum": 1.0, "topology": "full", "rounds": 1}
    async with asyncio.timeout(10):
        records = await recorded(a_task(**way), speak)
    assert len(critiques) == 1 + 2 * 6
    assert (await replay(records)).reproduced


@pytest.mark.parametrize("tally", [Rule.IRV, Rule.KEMENY, Rule.BRADLEY_TERRY])
async def test_a_rule_of_many_steps_is_as_certain(tally: Rule) -> None:
    """Rules that search or iterate come to the same figures again."""
    task: Task = a_task(policy="vote", tally=tally)
    records = await recorded(task, MixedModel(7, Bell(), 0))
    assert (await replay(records)).reproduced


async def test_only_whole_deliberations_are_replayed() -> None:
    """Nothing, a rest, a gap, a mixture and one without an end are refused."""
    records = await recorded(a_task(policy="single"))
    other = await recorded(a_task("t-2", policy="single"))
    for part, words in (
        ([], "beginning"),
        (records[1:], "beginning"),
        ([*records[:2], *records[3:]], "record 3 is 4 of 't-1'"),
        ([*records[:2], *other[2:]], "record 3 is 3 of 't-2'"),
        (records[:-1], "has not ended"),
    ):
        with pytest.raises(InvalidRequest, match=words):
            await replay(part)
