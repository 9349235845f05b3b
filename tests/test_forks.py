"""Claims about forks: what is unchanged is not asked again, and what flipped is told by facts."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recording import COUNCIL, ONE, THREE, TWO, MixedModel, a_task, recorded

from engine.ballots import ballot_from_ranking
from engine.deliberation import Bell
from engine.errors import InvalidRequest
from engine.events import Decided, Drafted, Record, StoryContext
from engine.flips import compare
from engine.forks import Fork, fork
from engine.options import Rule
from engine.replay import replay
from engine.testing import ScriptedModel
from engine.transcript import fold
from engine.types import Phase, Usage

ORIGINS = ({}, {"policy": "vote"}, {"policy": "debate", "rounds": 1}, {"rounds": 2})


def sane(seed: int) -> MixedModel:
    """A model with opinions of its own that loses nobody and is always readable."""
    model = MixedModel(seed, Bell(), 0)
    model._lost = model._bad = model._same = 0
    return model


async def forked(made: Fork, model: ScriptedModel) -> list[Record]:
    """All records of a fork."""
    return await recorded(made.task, model, made.council, known=made.known, story=made.story)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), way=st.sampled_from(ORIGINS), tally=st.sampled_from(Rule))
async def test_another_tally_asks_nobody(seed: int, way: dict[str, object], tally: Rule) -> None:
    """All turns are taken over for nothing, and the choice is that of the rule on the same."""
    records = await recorded(a_task(**way), sane(seed))
    if tally is Rule.BORDA:
        with pytest.raises(InvalidRequest, match="changes nothing"):
            fork(records, "f", tally=tally)
        return
    model = ScriptedModel()
    found = fold(await forked(fork(records, "f", tally=tally), model))
    origin = fold(records)
    assert model.turns == []
    assert found.usage == Usage()
    assert found.outcomes.keys() == origin.outcomes.keys()
    assert found.ballots == origin.ballots
    assert isinstance(origin.end, Decided)
    told = next(t for t in origin.end.decision.tallies if t.rule is tally)
    flip = compare(origin, found)
    assert (flip.now in told.winners) or not told.winners
    assert (flip.reused, flip.asked) == (len(origin.outcomes), 0)
    assert f"tally: was borda, is {tally}" in flip.why


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6), way=st.sampled_from(ORIGINS), gone=st.sampled_from(COUNCIL.agents)
)
async def test_without_one_only_what_that_one_touched_is_asked(
    seed: int, way: dict[str, object], gone: object
) -> None:
    """The drafts of all others are taken over; what is asked is no turn that had an answer."""
    agent = getattr(gone, "id", "")
    records = await recorded(a_task(**way), sane(seed))
    made, model = fork(records, "f", without=(agent,)), ScriptedModel()
    whole = await forked(made, model)
    found, origin = fold(whole), fold(records)
    drafts = {o.turn: o.agent for o in origin.outcomes.values() if isinstance(o, Drafted)}
    assert {t for t, a in drafts.items() if a != agent} <= found.outcomes.keys()
    assert agent not in found.proposals
    asked = {turn.id for turn in model.turns}
    assert not asked & made.known.keys()
    assert asked == found.outcomes.keys() - made.known.keys()
    for outcome in found.outcomes.values():
        assert (outcome.usage == Usage()) == (outcome.turn in made.known)
    flip = compare(origin, found)
    assert (flip.reused, flip.asked) == (len(found.outcomes) - len(asked), len(asked))
    assert f"takes no part: {agent}" in flip.why
    assert (await replay(whole)).reproduced


async def test_a_fork_is_of_its_origin_and_of_no_story() -> None:
    """It has the origin's seed and task, its own id, and is not taken for a planned result."""
    records = await recorded(a_task(story_id="s-1", plan_id="p-1", title="T"))
    task = fork(records, "f", without=(TWO,)).task
    assert (task.id, task.origin, task.salt) == ("f", "t-1", "t-1")
    assert (task.title, task.story_id, task.plan_id) == ("T", "", "")
    again = await forked(fork(records, "f", without=(TWO,)), ScriptedModel())
    twice = fork(again, "g", tally=Rule.COPELAND).task
    assert (twice.origin, twice.salt, twice.without) == ("f", "t-1", (TWO,))


async def test_a_fork_shows_what_its_origin_showed_of_the_story() -> None:
    """So nothing is asked anew for that; its own records say what was shown."""
    shown = StoryContext(version=3, notes=1, hash="h", text="Newest first:")
    records = await recorded(a_task(story_id="s-1"), story=shown)
    model = ScriptedModel()
    again = await forked(fork(records, "f", tally=Rule.COPELAND), model)
    assert model.turns == []
    assert fold(again).story == shown
    assert (await replay(again)).reproduced


async def test_a_fork_of_a_fork_takes_over_what_both_have_asked() -> None:
    """What the first fork asked and what it took over are both known to the second."""
    first = await forked(fork(await recorded(a_task()), "f", without=(TWO,)), ScriptedModel())
    model = ScriptedModel()
    second = fork(first, "g", tally=Rule.COPELAND)
    await forked(second, model)
    assert model.turns == []


async def test_another_model_is_asked_everything() -> None:
    """No turn of another pool is the same; every agent is on it."""
    records = await recorded(a_task())
    made, model = fork(records, "f", model="large"), ScriptedModel()
    found = fold(await forked(made, model))
    assert {turn.pool for turn in model.turns} == {"large"}
    flip = compare(fold(records), found)
    assert flip.reused == 0
    assert f"on the pool large: {ONE}, {TWO}, {THREE}" in flip.why


async def test_another_policy_keeps_the_options_it_takes() -> None:
    """Drafts are the same under any policy; what means nothing under the new one is left out."""
    records = await recorded(a_task(rounds=2, num_agents=2, revise="always", tally="copeland"))
    made, model = fork(records, "f", policy="vote"), ScriptedModel()
    task = made.task
    assert (task.policy, task.num_agents, task.tally) == ("vote", 2, Rule.COPELAND)
    assert (task.rounds, task.revise) == (None, None)
    found = fold(await forked(made, model))
    flip = compare(fold(records), found)
    assert flip.reused == 2
    assert "policy: was council, is vote" in flip.why
    assert f"another text: {ONE}, {TWO}" in flip.why


async def test_nobody_moves_up_where_the_number_was_asked_for() -> None:
    """Without one of two it is one, not another two."""
    records = await recorded(a_task(num_agents=2))
    found = fold(await forked(fork(records, "f", without=(ONE,)), ScriptedModel()))
    assert [agent.id for agent in found.seated] == [TWO]


async def test_a_majority_that_turns_round_is_told_with_its_counts() -> None:
    """The pair, the ballots for each side before and after, and the ballot that did it."""
    origin, found = [fold(await recorded(a_task(policy="vote"))) for _ in range(2)]
    for state, last in ((origin, (TWO, ONE, THREE)), (found, (ONE, TWO, THREE))):
        rankings = {ONE: (ONE, TWO, THREE), TWO: (ONE, TWO, THREE), THREE: last}
        state.ballots = {v: ballot_from_ranking(v, r, 1) for v, r in rankings.items()}
    why = compare(origin, found).why
    assert f"{ONE} : {TWO} was 0:1, is 1:0" in why
    assert f"{THREE} ranks {ONE} > {TWO} > {THREE}, not {TWO} > {ONE} > {THREE}" in why
    assert not [line for line in why if line.startswith(f"{ONE} : {THREE}")]


async def test_texts_and_ballots_that_are_gone_are_told() -> None:
    """Who is left out leaves neither."""
    origin = await recorded(a_task(policy="vote"), sane(3))
    found = await forked(fork(origin, "f", without=(THREE,)), ScriptedModel())
    why = compare(fold(origin), fold(found)).why
    assert {f"no text: {THREE}", f"no ballot: {THREE}"} <= set(why)


async def test_what_stands_tells_how_near_it_was() -> None:
    """Where nothing flipped, the margins of both are told."""
    records = await recorded(a_task(policy="vote"), sane(1))
    origin = fold(records)
    tallies = (t for t in Rule if t not in (Rule.BORDA, Rule.MAJORITY))
    for tally in tallies:
        found = fold(await forked(fork(records, "f", tally=tally), ScriptedModel()))
        flip = compare(origin, found)
        assert flip.flipped == (flip.was != flip.now)
        told = [line for line in flip.why if line.startswith("the margin was")]
        assert len(told) == (not flip.flipped)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({}, "fork: changes nothing"),
        ({"tally": Rule.BORDA}, "fork: changes nothing"),
        ({"policy": "council"}, "fork: changes nothing"),
        ({"model": "small"}, "fork: changes nothing"),
        ({"without": ("agent-dev-009",)}, "without: 'agent-dev-009' takes no part"),
        ({"without": (ONE, TWO, THREE)}, "without: leaves nobody"),
        ({"policy": "coin"}, "policy: no policy 'coin'"),
        ({"policy": "single", "tally": Rule.IRV}, "tally: means nothing under policy 'single'"),
    ],
)
async def test_a_fork_that_cannot_be_is_refused(change: dict[str, object], where: str) -> None:
    """It is named what is wrong with it."""
    records = await recorded(a_task())
    with pytest.raises(InvalidRequest) as raised:
        fork(records, "f", **change)  # type: ignore[arg-type]
    assert str(raised.value).startswith(where)


async def test_only_what_has_ended_is_forked() -> None:
    """Before its end there is nothing to compare with."""
    records = await recorded(a_task())
    for part in ([], records[:-1]):
        with pytest.raises(InvalidRequest, match="has not ended"):
            fork(part, "f", tally=Rule.IRV)


async def test_a_ballot_about_other_authors_is_not_taken_over() -> None:
    """The same texts under the same letters, by samples with other names: the judge is asked."""
    alike = ScriptedModel({(f"{ONE}.{n}", Phase.DRAFT): "42" for n in range(1, 6)})
    records = await recorded(a_task(policy="best_of_n"), alike)
    other = ScriptedModel({(f"{TWO}.{n}", Phase.DRAFT): "42" for n in range(1, 6)})
    found = fold(await forked(fork(records, "f", without=(ONE,)), other))
    assert isinstance(found.end, Decided)
    assert found.end.decision.choice.startswith(f"{TWO}.")


async def test_what_the_old_policy_settled_is_no_wish_of_the_new_one() -> None:
    """One agent asked for with `single` is not a council of one."""
    records = await recorded(a_task(policy="single", num_agents=1), ScriptedModel())
    made = fork(records, "f", policy="vote")
    assert made.task.num_agents is None
    assert len(fold(await forked(made, ScriptedModel())).authors) == len(COUNCIL.agents)
