"""Claims about resuming: from any prefix of a run, with the same replies, it ends the same."""

import asyncio
from functools import partial
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rehearsal import CLEAN, COUNCIL, council_of, recorded, run, state_of, task

from chaos.legality import check_legal
from engine.deliberation import Bell, deliberate
from engine.errors import EngineLost
from engine.events import Critiqued, Event, Resumed, Settled
from engine.replay import replay
from engine.testing import ScriptedModel, words
from engine.transcript import Transcript
from engine.types import Phase, Reply, Turn

OPTIONS: list[dict[str, object]] = [
    {"rounds": 2, "topology": "full"},
    {"rounds": 2, "topology": "groups", "revise": "always"},
    {"policy": "vote", "ballot": "ranking", "decide": "architect"},
    {"policy": "self_refine", "rounds": 2},
    {"policy": "best_of_n", "samples": 3},
    {"policy": "debate", "rounds": 2, "quorum": 0.6},
    {"policy": "cascade", "rounds": 1},
    {"policy": "moa", "layers": 2},
    {"rounds": 2, "until_clean": True, "gain": 0.2},
    {"policy": "vote", "early": True, "tally": "copeland"},
]


class Uneven(ScriptedModel):
    """The same reply to the same turn, each after a number of ticks that a seed draws."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed

    async def __call__(self, turn: Turn) -> Reply:
        drawn = crc32(f"{self.seed} {turn.agent} {turn.phase} {turn.target}".encode())
        for _ in range(drawn % 40):
            await asyncio.sleep(0)
        return await super().__call__(turn)


def what_counts(state: Transcript) -> tuple[object, ...]:
    """All that a transcript holds but its times, and the order in which things came."""
    return (
        {author: [(p.round, p.text) for p in ps] for author, ps in state.proposals.items()},
        state.critiques,
        state.ballots,
        state.outcomes,
        state.tokens,
        state.settled,
        state.merged,
        state.judged,
        state.end,
    )


@pytest.mark.parametrize("options", OPTIONS, ids=str)
async def test_from_every_prefix_it_ends_the_same(options: dict[str, object]) -> None:
    """No finished turn is asked again, every other one is, and the fold of all is equal."""
    council, whole = council_of(3), ScriptedModel()
    events = await run(whole, council=council, **options)
    for cut in range(1, len(events)):
        model = ScriptedModel()
        rest = await run(model, recorded(events[:cut]), council=council, **options)
        joined: list[Event] = [*events[:cut], *rest]
        check_legal(joined)
        assert isinstance(rest[0], Resumed)
        asked = {turn.id for turn in model.turns}
        assert not asked & set(state_of(events[:cut]).outcomes)
        if not options.get("early"):  # then it is a matter of timing who is spared
            assert what_counts(state_of(joined)) == what_counts(state_of(events))
            assert asked <= {turn.id for turn in whole.turns}


@given(st.sampled_from(OPTIONS[:-1]), st.integers(0, 9), st.integers(0, 9), st.floats(0, 1))
def test_from_any_prefix_in_any_order_it_ends_the_same(
    options: dict[str, object], before: int, after: int, share: float
) -> None:
    """Replies that come in another order after the interruption, as they do, change nothing."""

    async def both() -> tuple[Transcript, Transcript]:
        council = council_of(3)
        events = await run(Uneven(before), council=council, **options)
        cut = 1 + round(share * (len(events) - 2))
        rest = await run(Uneven(after), recorded(events[:cut]), council=council, **options)
        return state_of(events), state_of([*events[:cut], *rest])

    straight, resumed = asyncio.run(both())
    assert what_counts(straight) == what_counts(resumed)


async def test_the_rules_of_the_record_are_in_force() -> None:
    """Whatever the request, the council and the defaults say by then."""
    events = await run(ScriptedModel(), policy="debate", rounds=1)
    model = ScriptedModel()
    rest = await run(model, recorded(events[:4]), council=council_of(5), policy="single")
    assert rest[-1] == events[-1]


class Losing(ScriptedModel):
    """Unreadable in one phase, and gone for good in a later one."""

    def __init__(self, agent: str, unreadable: Phase, gone: Phase) -> None:
        super().__init__()
        self.agent, self.unreadable, self.gone = agent, unreadable, gone

    async def __call__(self, turn: Turn) -> Reply:
        if turn.agent == self.agent and turn.phase is self.gone:
            raise EngineLost("gone")
        reply = await super().__call__(turn)
        mute = turn.agent == self.agent and turn.phase is self.unreadable
        return reply.model_copy(update={"text": "{"}) if mute else reply


@pytest.mark.parametrize("gone", [Phase.VOTE, Phase.REVISE])
async def test_who_could_not_be_read_and_was_lost_later_is_not_replaced(gone: Phase) -> None:
    """From every prefix the reviews are those of the whole run, and none comes after a ballot."""
    council = council_of(3)
    model = partial(Losing, "agent-dev-002", Phase.CRITIQUE, gone)
    events = await run(model(), council=council)
    assert (await replay(recorded(events))).reproduced
    for cut in range(1, len(events)):
        joined = [*events[:cut], *await run(model(), recorded(events[:cut]), council=council)]
        check_legal(joined)
        reviews = {(c.agent, c.target) for c in joined if isinstance(c, Critiqued)}
        assert reviews == {("agent-dev-003", "agent-dev-002"), ("agent-dev-001", "agent-dev-003")}


@pytest.mark.parametrize("options", [{"policy": "cascade"}, {"policy": "debate", "quorum": 0.6}])
async def test_a_critic_that_is_lost_gives_the_probe_to_another(
    options: dict[str, object],
) -> None:
    """Also when resumed: the agreement is put to somebody who answers, once."""

    class Agreed(Losing):
        async def __call__(self, turn: Turn) -> Reply:
            reply = await super().__call__(turn)
            if turn.phase is Phase.CRITIQUE:
                return reply.model_copy(update={"text": CLEAN})
            return reply if reply.choices else reply.model_copy(update={"text": "Answer: 7"})

    council = council_of(3)
    lost = next(
        e.agent
        for e in await run(Agreed("", Phase.VOTE, Phase.VOTE), council=council, **options)
        if isinstance(e, Critiqued)
    )
    model = partial(Agreed, lost, Phase.VOTE, Phase.CRITIQUE)
    events = await run(model(), council=council, **options)
    assert any(isinstance(e, Settled) for e in events)
    for cut in range(1, len(events)):
        rest = await run(model(), recorded(events[:cut]), council=council, **options)
        check_legal([*events[:cut], *rest])
        assert rest[-1] == events[-1]


async def test_resumed_with_nothing_left_to_ask_it_was_not_hastened() -> None:
    """Time is up already, but every turn is recorded: the decision is the same."""
    events = await run(ScriptedModel())
    bell = Bell()
    bell.hurry.set()
    bell.close.set()
    stream = deliberate(task(), COUNCIL, ScriptedModel(), words, recorded(events[:-1]), bell)
    assert [event async for event in stream] == [Resumed(), events[-1]]
