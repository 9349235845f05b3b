"""Claims about what each policy and each option makes of a run."""

import asyncio
import json
from collections import Counter

import pytest
from rehearsal import (
    CLEAN,
    COUNCIL,
    ONE,
    THREE,
    TWO,
    Speaker,
    council_of,
    critique,
    decided,
    in_phase,
    of,
    ranked,
    run,
    state_of,
)

from engine.events import (
    Aborted,
    Asked,
    Critiqued,
    Decided,
    Drafted,
    Dropped,
    Event,
    Failed,
    Judged,
    Merged,
    Rejected,
    Revised,
    Settled,
    Voted,
)
from engine.options import Rule
from engine.packet import StopReason
from engine.testing import FlakyModel, ScriptedModel
from engine.types import ChoiceForm, CondorcetStatus, JsonForm, Phase, Reply, Turn


def shape(events: list[Event]) -> Counter[str]:
    """How many turns of each phase there were."""
    return Counter(event.phase.value for event in of(events, Asked))


@pytest.mark.parametrize(
    ("options", "turns"),
    [
        ({}, {"draft": 3, "critique": 3, "revise": 3, "vote": 3}),
        ({"policy": "vote"}, {"draft": 3, "vote": 3}),
        ({"policy": "single"}, {"draft": 1}),
        ({"policy": "self_refine", "rounds": 2}, {"draft": 1, "critique": 2, "revise": 2}),
        ({"policy": "self_consistency", "samples": 4}, {"draft": 4}),
        ({"policy": "best_of_n", "samples": 4}, {"draft": 4, "vote": 1}),
        ({"policy": "debate"}, {"draft": 3, "revise": 6, "vote": 3}),
        ({"policy": "cascade"}, {"draft": 3, "vote": 3}),
        ({"policy": "moa", "layers": 3}, {"draft": 3, "revise": 6, "merge": 1}),
        ({"topology": "none"}, {"draft": 3, "vote": 3}),
        (
            {"topology": "none", "revise": "always"},
            {"draft": 3, "revise": 3, "vote": 3},
        ),
        ({"topology": "full"}, {"draft": 3, "critique": 6, "revise": 3, "vote": 3}),
        (
            {"topology": "star", "hub": 2},
            {"draft": 3, "critique": 4, "revise": 3, "vote": 3},
        ),
        (
            {"topology": "k_regular", "k": 2},
            {"draft": 3, "critique": 6, "revise": 3, "vote": 3},
        ),
        (
            {"topology": "groups", "groups": 2},
            {"draft": 3, "critique": 2, "revise": 2, "vote": 3},
        ),
        (
            {"decide": "architect"},
            {"draft": 3, "critique": 3, "revise": 3, "vote": 3, "judge": 1},
        ),
    ],
)
async def test_a_run_has_the_turns_that_were_asked_for(
    options: dict[str, object], turns: dict[str, int]
) -> None:
    """Policies, topologies and who decides, counted by the turns asked."""
    events = await run(ScriptedModel(), **options)
    assert shape(events) == turns
    assert decided(events).policy == options.get("policy", "council")


async def test_one_that_refines_reviews_its_own_text() -> None:
    """Reviewer and author are one, and the prompt says so."""
    model = ScriptedModel()
    events = await run(model, policy="self_refine")
    assert [(c.agent, c.target) for c in of(events, Critiqued)] == [(ONE, ONE)]
    (review,) = (t for t in model.turns if t.phase is Phase.CRITIQUE)
    assert "You wrote this proposal" in review.messages[-1].content
    assert decided(events).order[0].author == ONE
    assert state_of(events).latest(ONE).round == 1


async def test_one_that_is_lost_in_its_own_review_keeps_its_draft() -> None:
    """There is nobody to take its place."""
    decision = decided(await run(FlakyModel({(ONE, Phase.CRITIQUE)}), policy="self_refine"))
    assert (decision.choice, decision.degraded) == (ONE, True)


async def test_samples_are_one_agents_and_have_names_of_their_own() -> None:
    """Every sample is asked of the same persona under the same prompt."""
    model = ScriptedModel()
    await run(model, policy="self_consistency", samples=3)
    assert [turn.agent for turn in model.turns] == [f"{ONE}.{n}" for n in (1, 2, 3)]
    assert len({turn.messages for turn in model.turns}) == 1


async def test_the_answer_that_most_samples_give_is_chosen() -> None:
    """Five samples, three of which say the same: no ballot is cast, the share is the score."""
    answers = ["12", "15", "15.0", "15", "9"]

    def says(turn: Turn) -> str:
        return f"step {turn.agent}\nAnswer: {answers[int(turn.agent[-1]) - 1]}"

    decision = decided(await run(Speaker(says), policy="self_consistency"))
    assert decision.choice in {f"{ONE}.{n}" for n in (2, 3, 4)}
    assert decision.rule == "classes"
    assert decision.order[0].score == pytest.approx(0.6)
    assert decision.margin == pytest.approx(0.4)
    assert decision.order[3].score == pytest.approx(0.2)
    assert len(set(decision.classes.values())) == 3
    assert decision.entropy == pytest.approx(1.371, abs=0.001)
    assert decision.condorcet.status is CondorcetStatus.UNASKED
    assert decision.tied == ()
    assert not decision.degraded


async def test_classes_of_equal_size_are_a_tie() -> None:
    """Two against two: both are named, the shorter text decides."""
    says = lambda turn: f"{'so ' * int(turn.agent[-1])}\nAnswer: {int(turn.agent[-1]) % 2}"  # noqa: E731
    decision = decided(await run(Speaker(says), policy="self_consistency", samples=4))
    assert decision.tied == (f"{ONE}.1", f"{ONE}.2")
    assert (decision.choice, decision.tie_break) == (f"{ONE}.1", "length")


async def test_the_best_of_n_is_another_agents_choice() -> None:
    """One judge that wrote none of the texts ranks all of them."""
    favourite = f"{ONE}.3"
    model = Speaker(
        prefers=lambda _voter, a, b: 0.9 if a == favourite else 0.2 if b == favourite else 0.5
    )
    events = await run(model, policy="best_of_n", samples=4)
    assert [voted.agent for voted in of(events, Voted)] == [TWO]
    decision = decided(events)
    assert (decision.choice, decision.order[0].score) == (favourite, 1.0)
    assert not decision.degraded


async def test_the_only_agent_of_a_council_judges_its_own_samples() -> None:
    """There is nobody else; its vote counts, for the samples have names of their own."""
    events = await run(ScriptedModel(), council=council_of(1), policy="best_of_n", samples=2)
    assert [voted.agent for voted in of(events, Voted)] == [ONE]
    assert decided(events).condorcet.status is CondorcetStatus.WINNER


async def test_debaters_read_each_others_last_texts() -> None:
    """In round r everybody sees what all wrote in round r - 1, its own marked as such."""
    model = ScriptedModel()
    await run(model, policy="debate", rounds=2)
    for turn in (t for t in model.turns if t.phase is Phase.REVISE):
        wrote = "draft 0" if turn.round == 1 else "revise 1"
        prompt = turn.messages[-1].content
        assert all(f"{agent} says {wrote}" in prompt for agent in (ONE, TWO, THREE))
        own = prompt.index(f"{turn.agent} says")
        letter = prompt[:own].rpartition("<proposal ")[2][0]
        assert f"Proposal {letter} is your own." in prompt


async def test_debaters_on_a_ring_read_one_other() -> None:
    """Their own text and that of the next one, in the sealed order."""
    model = ScriptedModel()
    await run(model, council=council_of(4), policy="debate", topology="ring", rounds=1)
    seen = {
        t.agent: {
            a
            for a in (f"agent-dev-00{n}" for n in range(1, 5))
            if f"{a} says" in t.messages[-1].content
        }
        for t in model.turns
        if t.phase is Phase.REVISE
    }
    names = [f"agent-dev-00{n}" for n in (1, 2, 3, 4)]
    assert seen == {a: {a, names[(n + 1) % 4]} for n, a in enumerate(names)}


async def test_a_debater_that_fell_silent_is_still_read() -> None:
    """Its last text stays on the table, and nobody waits for more."""
    events = await run(FlakyModel({(TWO, Phase.REVISE)}), policy="debate", rounds=2)
    assert {r.agent for r in of(events, Revised)} == {ONE, THREE}
    assert decided(events).degraded
    assert len(decided(events).order) == 3


async def test_a_mixture_ends_in_one_text_of_all() -> None:
    """It is the choice; there are no ballots, and no rank is made up for the others."""
    model = ScriptedModel()
    events = await run(model, policy="moa")
    (merged,) = of(events, Merged)
    decision = decided(events)
    assert (decision.choice, decision.rule) == (merged.agent, "merge")
    assert state_of(events).latest(merged.agent).text == merged.text
    assert {ranked.score for ranked in decision.order} == {0.0}
    prompt = model.turns[-1].messages[-1].content
    assert all(f"{agent} says revise 1" in prompt for agent in (ONE, TWO, THREE))


async def test_another_agent_merges_where_the_first_cannot() -> None:
    """The next seat takes it over; where nobody can there is no decision."""
    events = await run(FlakyModel({(ONE, Phase.MERGE)}), policy="moa")
    assert decided(events).choice == TWO
    everyone = {(agent, Phase.MERGE) for agent in (ONE, TWO, THREE)}
    (failed,) = of(await run(FlakyModel(everyone), policy="moa"), Failed)
    assert failed.error_type == "NoMerge"


async def test_a_cascade_stops_where_two_drafts_say_the_same_and_no_critic_objects() -> None:
    """Two drafts and one probe by the third agent, which has written nothing."""
    model = Speaker(lambda turn: CLEAN if turn.phase is Phase.CRITIQUE else "Answer: 7")
    events = await run(model, policy="cascade")
    assert shape(events) == {"draft": 2, "critique": 1}
    (probe,) = of(events, Critiqued)
    assert (probe.agent, probe.probe) == (THREE, True)
    assert "strongest case against it" in model.turns[-1].messages[-1].content
    decision = decided(events)
    assert decision.stop_reason is StopReason.UNANIMOUS
    assert {ranked.author for ranked in decision.order} == {ONE, TWO}
    assert not decision.degraded


async def test_a_cascade_goes_on_where_the_critic_objects() -> None:
    """Agreement alone is no reason: a case against it brings in all the others."""
    case = critique("the clock has no hands")
    model = Speaker(lambda turn: case if turn.phase is Phase.CRITIQUE else "Answer: 7")
    events = await run(model, policy="cascade")
    assert shape(events) == {"draft": 3, "critique": 1, "vote": 3}
    assert decided(events).stop_reason is StopReason.DECIDED


async def test_a_cascade_with_rounds_is_a_council_once_it_widens() -> None:
    """The drafts are not written twice."""
    events = await run(ScriptedModel(), policy="cascade", rounds=1)
    assert shape(events) == {"draft": 3, "critique": 3, "revise": 3, "vote": 3}


async def test_a_scout_that_is_lost_leaves_nothing_to_agree_on() -> None:
    """One draft is no agreement; the others are asked."""
    events = await run(FlakyModel({(ONE, Phase.DRAFT)}), policy="cascade")
    assert {drafted.agent for drafted in of(events, Drafted)} == {TWO, THREE}
    assert not of(events, Settled)
    assert decided(events).degraded


async def test_always_revising_needs_no_findings() -> None:
    """Where all reviews are clean the author writes anew all the same."""
    model = Speaker(in_phase(Phase.CRITIQUE, CLEAN))
    assert not of(await run(model), Revised)
    events = await run(model, revise="always")
    assert len(of(events, Revised)) == 3
    assert "No reviewer found anything wrong" in model.turns[-4].messages[-1].content


async def test_all_reviews_of_a_round_reach_the_author_at_once() -> None:
    """On a full table two reviewers find fault with each text, and one revision answers both."""
    model = ScriptedModel()
    events = await run(model, topology="full")
    (revision,) = (t for t in model.turns if t.phase is Phase.REVISE and t.agent == ONE)
    assert f"{TWO} misses a proof" in revision.messages[-1].content
    assert f"{THREE} misses a proof" in revision.messages[-1].content
    assert len(of(events, Revised)) == 3


async def test_a_lost_reviewer_is_replaced() -> None:
    """The one after it on the ring reviews both texts; nobody's text goes unread."""
    events = await run(FlakyModel({(TWO, Phase.CRITIQUE)}))
    reviews = {c.target: c.agent for c in of(events, Critiqued)}
    assert reviews == {ONE: THREE, TWO: THREE, THREE: ONE}
    assert [d.agent for d in of(events, Dropped)] == [TWO]


async def test_an_unreadable_reviewer_is_missing_and_not_replaced() -> None:
    """It was heard; asking another one instead would be choosing reviews."""
    model = Speaker(lambda t: "{" if t.phase is Phase.CRITIQUE and t.agent == TWO else None)
    events = await run(model)
    assert ONE not in {c.target for c in of(events, Critiqued)}
    assert len(of(events, Rejected)) == 2


@pytest.mark.parametrize("rule", Rule)
async def test_every_rule_can_decide(rule: Rule) -> None:
    """All voters in one order: under each rule its first text is the choice."""
    council, order = council_of(4), [f"agent-dev-00{n}" for n in (3, 1, 4, 2)]
    model = Speaker(prefers=ranked({f"agent-dev-00{n}": order for n in (1, 2, 3, 4)}))
    decision = decided(await run(model, council=council, policy="vote", tally=rule))
    assert (decision.choice, decision.rule) == (order[0], rule)


async def test_the_rule_makes_the_choice() -> None:
    """One set of ballots, two rules, two winners; each packet names the other rule."""
    names = [f"agent-dev-00{n}" for n in range(1, 6)]
    named = dict(zip("abcde", names, strict=True))
    orders = {"a": "beadc", "b": "baedc", "c": "cabed", "d": "bdcea", "e": "abedc"}
    prefers = ranked({named[v]: [named[c] for c in order] for v, order in orders.items()})
    a, b = named["a"], named["b"]
    model = lambda: Speaker(prefers=prefers)  # noqa: E731
    council = council_of(len(names))
    by = {
        rule: decided(await run(model(), council=council, policy="vote", tally=rule))
        for rule in (Rule.PLURALITY, Rule.BORDA)
    }
    assert (by[Rule.PLURALITY].choice, by[Rule.BORDA].choice) == (a, b)
    assert Rule.BORDA in by[Rule.PLURALITY].dissenting_rules
    assert Rule.PLURALITY in by[Rule.BORDA].dissenting_rules
    assert f"by plurality it is {a}" in by[Rule.BORDA].reopen
    assert len(by[Rule.BORDA].tallies) == len(Rule)


async def test_ballots_can_be_one_ranking_as_json() -> None:
    """One decoded text a voter; the same preferences give the same choice as odds do."""
    orders = {agent: [THREE, ONE, TWO] for agent in (ONE, TWO, THREE)}
    prefers = ranked(orders)
    asked = Speaker(prefers=prefers)
    by_ranking = await run(asked, policy="vote", ballot="ranking")
    by_odds = await run(Speaker(prefers=prefers), policy="vote")
    assert decided(by_ranking).choice == decided(by_odds).choice == THREE
    forms = {type(t.form) for t in asked.turns if t.phase is Phase.VOTE}
    assert forms == {JsonForm}
    ballots = [voted.ballot for voted in of(by_ranking, Voted)]
    assert {ballot.ranking for ballot in ballots} == {(THREE, ONE, TWO)}
    assert {ballot.approved for ballot in ballots} == {1}
    assert decided(by_ranking).consistency is None
    assert decided(by_odds).consistency == 1.0


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"ranking": ["A", "A", "B"], "approved": 1}', "must name each of A, B, C once"),
        ('{"ranking": ["A", "B"], "approved": 1}', "must name each of A, B, C once"),
        ('{"ranking": ["A", "B", "D"], "approved": 1}', "must name each of A, B, C once"),
        ('{"ranking": ["A", "B", "C"], "approved": 4}', "approved must be 0 to 3"),
        ('{"ranking": ["A", "B", "C"], "approved": -1}', "approved must be 0 to 3"),
        ('{"ranking": ["A", "B", "C"]}', "approved: Field required"),
        ("B is best", "Invalid JSON"),
    ],
)
async def test_a_ranking_that_is_none_is_asked_again_and_then_missing(text: str, why: str) -> None:
    """Nothing is guessed from half a ranking; the other two ballots decide."""
    model = Speaker(lambda t: text if t.phase is Phase.VOTE and t.agent == ONE else None)
    events = await run(model, policy="vote", ballot="ranking")
    rejected = of(events, Rejected)
    assert len(rejected) == 2
    assert all(why in each.reason for each in rejected)
    assert {voted.agent for voted in of(events, Voted)} == {TWO, THREE}
    assert decided(events).degraded


class InTurn(Speaker):
    """Replies by the seats, one well after the other."""

    async def __call__(self, turn: Turn) -> Reply:
        for _ in range(20 * int(turn.agent[-1])):
            await asyncio.sleep(0)
        return await super().__call__(turn)


async def test_an_early_end_of_the_vote_spares_ballots() -> None:
    """Seven voters of one mind: the vote ends when no ballot still out can change it."""
    names = [f"agent-dev-00{n}" for n in range(1, 8)]
    prefers = ranked(dict.fromkeys(names, names))
    whole = await run(Speaker(prefers=prefers), council=council_of(7), policy="vote")
    model = InTurn(prefers=prefers)
    options = {"policy": "vote", "tally": "copeland", "early": True}
    early = await run(model, council=council_of(7), **options)
    assert decided(early).choice == decided(whole).choice == names[0]
    assert len(of(whole, Voted)) == 7
    assert 1 < len(of(early, Voted)) < 7
    decision = decided(early)
    assert len(decision.spared) + len(of(early, Voted)) == 7
    assert decision.aborted == len(of(early, Aborted)) == len(decision.spared)
    assert decision.stop_reason is StopReason.DECIDED
    assert not decision.degraded
    assert decided(whole).spared == ()


async def test_a_voter_that_is_asked_again_can_still_change_the_choice() -> None:
    """Early or not, the choice is the same: a first reply that cannot be read is no last word."""
    ticks = {"3": (10, 200), "4": (20, 200), "1": (40, 0), "2": (60, 0), "5": (400, 0)}

    class Stumbling(Speaker):
        async def __call__(self, turn: Turn) -> Reply:
            if turn.phase is not Phase.VOTE:
                return await super().__call__(turn)
            tries = sum(t.agent == turn.agent and t.phase is turn.phase for t in self.turns)
            self.turns.append(turn)
            first, second = ticks[turn.agent[-1]]
            for _ in range(second if tries else first):
                await asyncio.sleep(0)
            reply = await super().__call__(turn)
            stumbles = second and not tries
            return reply.model_copy(update={"choices": ()}) if stumbles else reply

    names = [f"agent-dev-00{n}" for n in range(1, 6)]
    one, three = [names[0], *names[1:]], [names[2], *names[:2], *names[3:]]
    prefers = ranked({names[0]: three, names[1]: three, **dict.fromkeys(names[2:], one)})
    options = {"policy": "vote", "tally": "plurality"}
    whole = await run(Stumbling(prefers=prefers), council=council_of(5), **options)
    early = await run(Stumbling(prefers=prefers), council=council_of(5), early=True, **options)
    assert decided(early).choice == decided(whole).choice == names[0]


def choosing(letter_of: str, reason: str = "the ranking overlooks the hands") -> Speaker:
    """A model whose architect chooses the text of one author."""

    def says(turn: Turn) -> str | None:
        if turn.phase is not Phase.JUDGE:
            return None
        shown = turn.messages[-1].content
        letter = shown[: shown.index(f"{letter_of} says")].rpartition("<proposal ")[2][0]
        return json.dumps({"reason": reason, "choice": letter})

    return Speaker(says, prefers=ranked(dict.fromkeys((ONE, TWO, THREE), (ONE, TWO, THREE))))


async def test_an_architect_may_override_the_ballots_with_a_reason() -> None:
    """The packet says who overrode which rule's choice, and why; the choice comes first."""
    events = await run(choosing(TWO), decide="architect")
    decision = decided(events)
    assert decision.choice == decision.order[0].author == TWO
    override = decision.override
    assert override is not None
    assert (override.by, override.rule, override.instead_of) == (
        "agent-dev-architect",
        "borda",
        ONE,
    )
    assert override.reason == "the ranking overlooks the hands"
    assert decision.margin < 0
    assert any("overrode" in line for line in decision.reopen)
    assert of(events, Judged)[0].choice == TWO


async def test_an_architect_who_agrees_overrides_nothing() -> None:
    """The order stays as it was, and no override is claimed."""
    decision = decided(await run(choosing(ONE), decide="architect"))
    assert (decision.choice, decision.override) == (ONE, None)


async def test_an_architect_chooses_from_the_shortlist_only() -> None:
    """A text outside of it is no answer; the ballots then stand, and the packet is degraded."""
    events = await run(choosing(THREE), decide="architect", shortlist=2)
    assert of(events, Rejected)[0].reason.startswith("the choice must be one of")
    decision = decided(events)
    assert (decision.choice, decision.override, decision.degraded) == (ONE, None, True)


async def test_an_architect_that_is_lost_leaves_the_ballots() -> None:
    """The decision is theirs, and degraded."""
    decision = decided(
        await run(FlakyModel({("agent-dev-architect", Phase.JUDGE)}), decide="architect")
    )
    assert decision.degraded
    assert "agent-dev-architect" in decision.lost


async def test_the_architect_reads_the_order_and_what_was_said_against_its_first() -> None:
    """Places with their scores, and the major findings, as data behind a fence."""
    model = choosing(ONE)
    await run(model, decide="architect")
    prompt = model.turns[-1].messages[-1].content
    assert "ranked the proposals by borda" in prompt
    assert f"{TWO} misses a proof" in prompt[prompt.index("<findings ") :]


async def test_options_of_the_council_hold_where_the_request_says_nothing() -> None:
    """A council may prefer a debate; a request may still ask for a vote."""
    council = council_of(3, policy="debate", rounds=1)
    assert shape(await run(ScriptedModel(), council=council)) == {
        "draft": 3,
        "revise": 3,
        "vote": 3,
    }
    assert shape(await run(ScriptedModel(), council=council, policy="vote")) == {
        "draft": 3,
        "vote": 3,
    }


async def test_voters_are_asked_for_odds_unless_told_otherwise() -> None:
    """One generated token a question."""
    model = ScriptedModel()
    await run(model)
    votes = [t for t in model.turns if t.phase is Phase.VOTE]
    assert all(isinstance(t.form, ChoiceForm) and t.max_tokens == 1 for t in votes)


async def test_the_same_replies_in_any_policy_give_the_same_events() -> None:
    """Also where turns run side by side."""
    for policy in ("debate", "moa", "cascade", "best_of_n"):
        assert await run(ScriptedModel(), policy=policy) == await run(
            ScriptedModel(), policy=policy
        )
    assert COUNCIL.architect is not None
    assert of(await run(ScriptedModel(), policy="moa"), Decided)
