"""Claims about the algorithm, proved with the shipped twins of a model."""

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import aclosing

import pytest
from deadline import until_async
from rehearsal import COUNCIL, ONE, THREE, TWO, Speaker, of, recorded, run, task

from engine.deliberation import Bell, deliberate
from engine.events import (
    END,
    Asked,
    Briefed,
    Critiqued,
    Decided,
    Drafted,
    Dropped,
    Event,
    Failed,
    Hastened,
    Record,
    Rejected,
    Resumed,
    Revised,
    Suspended,
    Voted,
)
from engine.testing import FlakyModel, GatedModel, ScriptedModel, words
from engine.transcript import Transcript, fold
from engine.types import ChoiceForm, JsonForm, LabelOdds, Phase, Reply, Turn


async def test_every_agent_drafts_is_reviewed_revises_and_votes() -> None:
    """Three agents and one round are twelve turns, each outcome one event, one decision last."""
    events = await run(ScriptedModel())
    counts = [len(of(events, kind)) for kind in (Drafted, Critiqued, Revised, Voted, Decided)]
    assert counts == [3, 3, 3, 3, 1]
    assert isinstance(events[-1], END)


@pytest.mark.parametrize(("rounds", "critiques"), [(0, 0), (1, 3), (3, 9)])
async def test_rounds_set_how_often_texts_are_reviewed(rounds: int, critiques: int) -> None:
    """`rounds` of the request overrides the council's own figure."""
    events = await run(ScriptedModel(), rounds=rounds)
    assert len(of(events, Critiqued)) == len(of(events, Revised)) == critiques


@pytest.mark.parametrize("agents", [1, 2, 3])
async def test_num_agents_sets_who_takes_part(agents: int) -> None:
    """`num_agents` seats the first agents of the council; the decision ranks that many."""
    events = await run(ScriptedModel(), num_agents=agents)
    assert len(of(events, Drafted)) == agents
    assert len(of(events, Decided)[0].decision.order) == agents


async def test_the_author_revises_and_never_the_reviewer() -> None:
    """The reviewer's findings reach the author, who writes; the reviewer's text is no proposal."""
    model = ScriptedModel()
    events = await run(model)
    for turn in (t for t in model.turns if t.phase is Phase.REVISE):
        critic = next(c for c in of(events, Critiqued) if c.target == turn.agent)
        assert critic.agent != turn.agent
        assert critic.findings[0].issue in turn.messages[-1].content
        assert turn.messages[-2].content == f"{turn.agent} says draft 0"


async def test_a_text_without_findings_stands() -> None:
    """Where the reviewer finds nothing, the author is not asked to change anything."""
    clean = json.dumps({"findings": [], "verdict": "accept"})
    events = await run(ScriptedModel({(TWO, Phase.CRITIQUE): clean}))
    assert {revised.agent for revised in of(events, Revised)} == {TWO, THREE}


@pytest.mark.parametrize(
    ("severity", "verdict", "revises"),
    [("major", "accept", True), ("minor", "revise", True), ("minor", "accept", False)],
)
async def test_a_revision_needs_something_to_mend(
    severity: str, verdict: str, revises: bool
) -> None:
    """A major finding, or a reviewer that wants a change; an accepted text is left alone."""
    finding = {"severity": severity, "issue": "it is late"}
    critique = json.dumps({"findings": [finding], "verdict": verdict})
    events = await run(ScriptedModel({(TWO, Phase.CRITIQUE): critique}))
    assert (ONE in {revised.agent for revised in of(events, Revised)}) == revises


async def test_two_authors_who_judge_only_each_other() -> None:
    """No ranking is left without the own texts: a tie, broken by what each thought of the other."""
    surer = {ONE: 0.9, TWO: 0.6}
    model = Speaker(prefers=lambda voter, a, _b: surer[voter] if a == voter else 1 - surer[voter])
    decision = of(await run(model, num_agents=2), Decided)[0].decision
    assert (decision.choice, set(decision.tied)) == (ONE, {ONE, TWO})
    assert decision.tie_break == "odds"
    assert decision.margin == 0.0


async def test_reviewers_rotate() -> None:
    """In two rounds no author meets the same reviewer twice."""
    critiques = of(await run(ScriptedModel(), rounds=2), Critiqued)
    assert len({(c.target, c.agent) for c in critiques}) == 6


async def hurried(
    model: GatedModel, steps: list[Callable[[Bell], object]], transcript: Sequence[Record] = ()
) -> list[Event]:
    """The events when each step is taken as soon as the model holds all that is asked of it."""
    bell, events = Bell(), []

    async def follow() -> None:
        async for event in deliberate(task(), COUNCIL, model, words, transcript, bell):
            events.append(event)  # noqa: PERF401 - read while the stream goes on

    following = asyncio.create_task(follow())
    for step in steps:
        await until_async(lambda: model.held or following.done(), "turns are asked")
        await settled()
        step(bell)
    await following
    return events


async def test_hurried_it_votes_on_the_texts_there_are() -> None:
    """The turns under way are cancelled, what was written is decided on, and the packet says so."""
    model = GatedModel()
    events = await hurried(
        model,
        [
            lambda _: model.release(lambda turn: turn.agent != THREE),
            lambda bell: bell.hurry.set(),
            lambda _: model.release(),
        ],
    )
    assert {turn.phase for turn in model.cancelled} == {Phase.DRAFT, Phase.CRITIQUE}
    assert len(of(events, Hastened)) == 1
    (decided,) = of(events, Decided)
    assert {ranked.author for ranked in decided.decision.order} == {ONE, TWO}
    assert decided.decision.stop_reason == "deadline"
    assert fold(recorded(events)).latest(ONE).round == 0


async def test_hurried_before_the_first_text_there_is_no_decision() -> None:
    """It says that time was up: nobody wrote anything."""
    (failed,) = of(await hurried(GatedModel(), [lambda bell: bell.hurry.set()]), Failed)
    assert failed.error_type == "DeadlineExceeded"


async def test_a_vote_that_is_closed_counts_the_ballots_there_are() -> None:
    """A ballot under way is cancelled; with none there is no decision."""
    model = GatedModel()
    drafts_to_votes = [lambda _: model.release()] * 3
    closed = lambda bell: bell.close.set()  # noqa: E731 - a step among others
    some = lambda _: model.release(lambda turn: turn.agent != ONE)  # noqa: E731
    (decided,) = of(await hurried(model, [*drafts_to_votes, some, closed]), Decided)
    assert (decided.decision.stop_reason, decided.decision.degraded) == ("deadline", True)
    model = GatedModel()
    (failed,) = of(await hurried(model, [*[lambda _: model.release()] * 3, closed]), Failed)
    assert failed.error_type == "DeadlineExceeded"


async def test_a_bell_after_the_work_changes_nothing() -> None:
    """With every lane at its end, there is nothing to hurry."""
    model = GatedModel()
    steps = [lambda _: model.release()] * 3
    events = await hurried(model, [*steps, lambda bell: bell.hurry.set() or model.release()])
    assert of(events, Hastened) == []
    assert of(events, Decided)[0].decision.stop_reason == "decided"


async def test_what_was_hastened_stays_so_when_resumed() -> None:
    """No draft or review is asked again, the vote is."""
    model = GatedModel()
    first = await hurried(
        model,
        [
            lambda _: model.release(),
            lambda bell: bell.hurry.set(),
            lambda bell: bell.close.set(),
        ],
    )
    cut = first[: first.index(of(first, Hastened)[0]) + 1]
    rest = ScriptedModel()
    events = await run(rest, recorded(cut))
    assert {turn.phase for turn in rest.turns} == {Phase.VOTE}
    assert of(events, Decided)[0].decision.stop_reason == "deadline"


def test_only_time_of_work_counts() -> None:
    """What lies between a record and its resumption is no work."""
    at = {0: 10.0, 1: 12.0, 2: 13.0, 3: 99.0, 4: 100.0}
    beginning = Briefed.model_construct(kind="briefed", brief=None)
    events = [beginning, beginning, Suspended(reason="nobody waits"), Resumed(), beginning]
    state, told = Transcript(), []
    for n, event in enumerate(events):
        state.add(event, at[n])
        told.append((state.worked_s, state.suspended))
    assert told == [(0, ""), (2, ""), (3, "nobody waits"), (3, ""), (4, "")]


async def test_calls_run_side_by_side() -> None:
    """All drafts are under way at once, and all ballots at once."""
    model = GatedModel()
    events: list[Event] = []

    async def collect() -> None:
        events.extend([event async for event in deliberate(task(), COUNCIL, model, words)])

    running = asyncio.create_task(collect())
    widths: dict[Phase, int] = {}
    while not running.done():
        await settled()
        for turn, _ in model.held.values():
            phase = turn.phase
            width = sum(t.phase is phase for t, _ in model.held.values())
            widths[phase] = max(width, widths.get(phase, 0))
        model.release()
    assert widths == {Phase.DRAFT: 3, Phase.CRITIQUE: 3, Phase.REVISE: 3, Phase.VOTE: 3}


async def test_a_critique_does_not_wait_for_the_slowest_draft() -> None:
    """Dataflow: with one draft still held, the others are reviewed and revised already."""
    model = GatedModel()
    async with aclosing(deliberate(task(), COUNCIL, model, words)) as events:
        pending = asyncio.ensure_future(collect_until(events, Revised))
        while not pending.done():
            await settled()
            model.release(lambda turn: turn.agent != THREE or turn.phase is not Phase.DRAFT)
        assert not [e for e in pending.result() if isinstance(e, Drafted) and e.agent == THREE]


async def collect_until(events: object, kind: type[Event]) -> list[Event]:
    seen: list[Event] = []
    async for event in events:  # type: ignore[attr-defined]
        seen.append(event)
        if isinstance(event, kind):
            break
    return seen


async def settled() -> None:
    """Let everything that can run do so."""
    for _ in range(50):
        await asyncio.sleep(0)


async def test_closing_the_stream_cancels_the_turns_under_way() -> None:
    """A reader that leaves stops the model, not only the reading."""
    model = GatedModel()
    async with aclosing(deliberate(task(), COUNCIL, model, words)) as events:
        await collect_until(events, Asked)
        await settled()
        assert len(model.held) == 3
    assert len(model.cancelled) == 3
    assert not model.held


async def test_an_agent_that_fails_is_dropped_with_its_reason() -> None:
    """One lost agent leaves a degraded decision of the two others."""
    events = await run(FlakyModel({(TWO, Phase.DRAFT)}))
    (dropped,) = of(events, Dropped)
    assert (dropped.agent, dropped.phase) == (TWO, Phase.DRAFT)
    assert dropped.reason == f"EngineLost: no engine for {TWO}"
    assert dropped.turn in {asked.turn for asked in of(events, Asked)}
    decision = of(events, Decided)[0].decision
    assert decision.degraded
    assert decision.stop_reason == "degraded"
    assert {ranked.author for ranked in decision.order} == {ONE, THREE}


async def test_an_agent_lost_after_its_draft_keeps_its_text() -> None:
    """What was written before stays a candidate; the lost agent casts no ballot."""
    events = await run(FlakyModel({(TWO, Phase.REVISE)}))
    decision = of(events, Decided)[0].decision
    assert TWO in {ranked.author for ranked in decision.order}
    assert TWO not in {voted.agent for voted in of(events, Voted)}


async def test_a_lost_quorum_is_an_outcome() -> None:
    """With two of three drafts gone there is no decision, and no exception either."""
    events = await run(FlakyModel({(ONE, Phase.DRAFT), (TWO, Phase.DRAFT)}))
    assert isinstance(events[-1], Failed)
    assert events[-1].error_type == "QuorumLost"
    assert set(events[-1].lost) == {ONE, TWO}


async def test_no_text_stands_in_for_a_model_that_is_gone() -> None:
    """A dead model yields no proposal at all."""
    events = await run(FlakyModel({(agent, Phase.DRAFT) for agent in (ONE, TWO, THREE)}))
    assert not of(events, Drafted)
    assert not of(events, Decided)


async def test_no_ballots_is_no_decision() -> None:
    """When nobody can vote, no order is made up."""
    events = await run(FlakyModel({(agent, Phase.VOTE) for agent in (ONE, TWO, THREE)}))
    assert isinstance(events[-1], Failed)
    assert events[-1].error_type == "NoBallots"


async def test_an_unreadable_critique_is_asked_again_once_then_missing() -> None:
    """Two broken replies are kept and paid for; the author keeps its draft; nobody is dropped."""
    model = ScriptedModel({(TWO, Phase.CRITIQUE): '{"findings": ['})
    events = await run(model)
    assert model.asked()[TWO, Phase.CRITIQUE] == 2
    assert len(of(events, Rejected)) == 2
    assert ONE not in {revised.agent for revised in of(events, Revised)}
    assert not of(events, Dropped)
    again = [t for t in model.turns if t.agent == TWO and t.phase is Phase.CRITIQUE][1]
    assert "could not be used" in again.messages[-1].content


async def test_an_empty_draft_is_no_proposal() -> None:
    """An agent with nothing but white space, twice, is dropped."""
    events = await run(ScriptedModel({(ONE, Phase.DRAFT): "  \n"}))
    assert of(events, Dropped)[0].reason == "wrote no usable draft"
    assert ONE not in {ranked.author for ranked in of(events, Decided)[0].decision.order}


async def test_labels_that_hold_no_probability_are_no_ballot() -> None:
    """A voter whose model wanted to say something else is missing, not guessed."""

    class Mumbling(ScriptedModel):
        async def __call__(self, turn: Turn) -> Reply:
            reply = await super().__call__(turn)
            if turn.agent != ONE or not reply.choices:
                return reply
            faint = tuple(LabelOdds(odds=c.odds, mass=1e-5) for c in reply.choices)
            return reply.model_copy(update={"choices": faint})

    events = await run(Mumbling())
    assert {voted.agent for voted in of(events, Voted)} == {TWO, THREE}
    assert of(events, Decided)[0].decision.degraded


async def test_the_ballots_decide_and_not_the_seat() -> None:
    """Whichever text the voters prefer wins; being agent 001 gains nothing."""
    for favourite in (ONE, TWO, THREE):

        def odds(turn: Turn, first: str, second: str, wanted: str = favourite) -> float:
            shown = turn.messages[1].content
            place = {label: shown.index(f"<proposal {label} ") for label in (first, second)}
            text = {label: shown[at : at + 60] for label, at in place.items()}
            return 0.9 if f"{wanted} says" in text[first] else 0.2

        events = await run(ScriptedModel(odds=odds))
        assert of(events, Decided)[0].decision.choice == favourite


async def test_voters_see_anonymous_texts_in_two_orders() -> None:
    """No ballot prompt names an author by label, and half the voters see the reverse order."""
    model = ScriptedModel({(a, Phase.DRAFT): f"text-{n}" for n, a in enumerate((ONE, TWO, THREE))})
    await run(model, rounds=0)
    orders = [
        [line for line in turn.messages[1].content.splitlines() if line.startswith("text-")]
        for turn in model.turns
        if isinstance(turn.form, ChoiceForm)
    ]
    assert orders[0] == orders[2] == orders[1][::-1]


async def test_everything_that_was_sent_reaches_the_prompts_as_data() -> None:
    """Rubric, requirements, title, text and extra fields are in each agent's first prompt."""
    model = ScriptedModel()
    await run(
        model,
        title="Clock title",
        rubric="Judge the hands",
        requirements=("must tick",),
        context={"deadline": "Friday", "nested": {"depth": 2}},
    )
    for turn in (t for t in model.turns if t.phase is not Phase.REVISE):
        prompt = turn.messages[1].content
        for part in ("Clock title", "Judge the hands", "must tick", "Friday", '{"depth": 2}'):
            assert part in prompt
        assert prompt.index("Judge the hands") < prompt.index("You sit on the DEV council")


async def test_all_prompts_of_a_phase_share_their_beginning() -> None:
    """The role and persona come last, so that the prefix cache serves the rest."""
    model = ScriptedModel()
    await run(model)
    drafts = [t.messages[1].content for t in model.turns if t.phase is Phase.DRAFT]
    prefix = drafts[0][: drafts[0].index("You sit on")]
    assert all(turn.messages[1].content.startswith(prefix) for turn in model.turns)


async def test_critiques_are_decoded_under_a_schema() -> None:
    """The engine gets the schema of a critique with the turn."""
    model = ScriptedModel()
    await run(model)
    forms = [t.form for t in model.turns if t.phase is Phase.CRITIQUE]
    assert all(isinstance(form, JsonForm) and form.json_schema["required"] for form in forms)


async def test_an_oversized_context_is_clipped_and_recorded() -> None:
    """What does not fit the task's budget is cut where one sees it."""
    model = ScriptedModel()
    events = await run(model, context={"log": "word " * 3000})
    (clipped,) = of(events, Briefed)[0].brief.clipped
    assert clipped.part == "context"
    assert clipped.kept < clipped.tokens == 3001
    assert "[clipped]" in model.turns[0].messages[1].content


async def test_resume_at_any_point_asks_no_finished_turn_again() -> None:
    """Cut after every single event: the rest is asked, nothing twice, the decision the same."""
    whole = ScriptedModel()
    events = await run(whole, rounds=2)
    for cut in range(1, len(events)):
        before = recorded(events[:cut])
        finished = set(fold(before).outcomes)
        model = ScriptedModel()
        rest = await run(model, before, rounds=2)
        assert isinstance(rest[0], Resumed)
        assert not finished & {turn.id for turn in model.turns}
        assert len(finished) + len(model.turns) == len(whole.turns)
        assert rest[-1] == events[-1]


async def test_resume_keeps_the_brief_whatever_counts_now() -> None:
    """Another tokenizer would clip elsewhere; the recorded beginning stays, nothing is repeated."""
    events = await run(ScriptedModel(), context={"log": "word " * 3000})
    cut = next(n for n, e in enumerate(events) if isinstance(e, Critiqued)) + 1
    before, model = recorded(events[:cut]), ScriptedModel()
    finished = set(fold(before).outcomes)
    rest = [e async for e in deliberate(task(), COUNCIL, model, len, before)]
    assert not of(rest, Briefed)
    assert not finished & {turn.id for turn in model.turns}


async def test_a_prompt_changed_by_an_upgrade_is_asked_anew_and_never_mixed() -> None:
    """What was said under the old wording is paid for, but no candidate any more."""
    old = await run(ScriptedModel())
    cut = next(n for n, e in enumerate(old) if isinstance(e, Revised)) + 1
    stale = [
        e.model_copy(update={"brief": e.brief.model_copy(update={"prompts": "old"})})
        if isinstance(e, Briefed)
        else e
        for e in old[:cut]
    ]
    before, model = recorded(stale), ScriptedModel()
    paid = fold(before).usage.generated
    rest = await run(model, before)
    assert len(of(rest, Briefed)) == 1
    assert len(model.turns) == 12
    tokens = of(rest, Decided)[0].decision.tokens
    assert sum(usage.generated for usage in tokens.values()) > paid


async def test_a_finished_deliberation_asks_nothing() -> None:
    """Run again from its own records, nothing happens."""
    events = await run(ScriptedModel())
    model = ScriptedModel()
    assert await run(model, recorded(events)) == []
    assert model.turns == []


async def test_resume_does_not_bring_a_dropped_agent_back() -> None:
    """A recorded drop stands, also where the model has recovered since."""
    events = await run(FlakyModel({(TWO, Phase.DRAFT)}))
    cut = next(n for n, e in enumerate(events) if isinstance(e, Dropped)) + 1
    model = ScriptedModel()
    rest = await run(model, recorded(events[:cut]))
    assert TWO not in {turn.agent for turn in model.turns}
    assert of(rest, Decided)[0].decision.degraded


async def test_the_same_replies_give_the_same_events() -> None:
    """No clock, no chance: two runs are equal to the last field."""
    assert await run(ScriptedModel()) == await run(ScriptedModel())


async def test_a_bug_is_an_exception_and_not_a_dropped_agent() -> None:
    """What is no SpeechFailed leaves the generator as it is."""

    class Broken(ScriptedModel):
        async def __call__(self, turn: Turn) -> Reply:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await run(Broken())


async def test_open_objections_are_the_winners_major_findings() -> None:
    """They name the reviewer and say whether the author revised after them."""
    critique = json.dumps(
        {"findings": [{"severity": "major", "issue": "no tests"}], "verdict": "revise"}
    )
    script = {(agent, Phase.CRITIQUE): critique for agent in (ONE, TWO, THREE)}
    decision = of(await run(ScriptedModel(script)), Decided)[0].decision
    assert [(o.issue, o.answered) for o in decision.objections] == [("no tests", True)]


async def test_tokens_are_accounted_by_phase() -> None:
    """The decision's account is the sum over the turns, ballots included."""
    model = ScriptedModel()
    events = await run(model)
    tokens = of(events, Decided)[0].decision.tokens
    assert set(tokens) == {Phase.DRAFT, Phase.CRITIQUE, Phase.REVISE, Phase.VOTE}
    assert tokens[Phase.VOTE].generated == 3 * 6
    assert tokens[Phase.DRAFT].generated == sum(words(d.text) for d in of(events, Drafted))


async def test_a_turn_is_named_by_what_it_asks() -> None:
    """Another prompt, agent or round is another id; the same is the same."""
    model, twin = ScriptedModel(), ScriptedModel()
    await run(model)
    await run(twin)
    ids = [turn.id for turn in model.turns]
    assert len(set(ids)) == len(ids) == 12
    assert ids == [turn.id for turn in twin.turns]
    other = ScriptedModel()
    await run(other, text="Build a sundial")
    assert not set(ids) & {turn.id for turn in other.turns}
