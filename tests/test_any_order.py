"""Claims that hold in whatever order replies come, fail, cannot be read, or are not waited for."""

import asyncio
from collections.abc import Callable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from rehearsal import council_of, recorded, task

from chaos.legality import check_legal
from engine.deliberation import Bell, deliberate
from engine.errors import EngineLost
from engine.events import END, Drafted, Event, Revised
from engine.fanout import ended
from engine.policies import POLICIES
from engine.testing import ScriptedModel, words
from engine.transcript import fold
from engine.types import Reply, Stopped, Turn, Usage

OPTIONS = st.sampled_from(
    [
        *({"policy": policy} for policy in POLICIES),
        {"rounds": 2},
        {"rounds": 2, "topology": "full"},
        {"rounds": 2, "until_clean": True, "gain": 0.3},
        {"policy": "debate", "topology": "ring", "rounds": 3},
        {"policy": "debate", "quorum": 0.5, "rounds": 2},
        {"policy": "vote", "early": True, "tally": "plurality"},
        {"policy": "vote", "ballot": "ranking", "decide": "architect"},
        {"revise": "always", "token_budget": 1500},
        {"policy": "cascade", "rounds": 1},
    ]
)


class Fate(ScriptedModel):
    """Holds every turn until it is told what becomes of it."""

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[str, tuple[Turn, asyncio.Future[Callable[[Reply], Reply]]]] = {}
        self.begun = self.over = 0

    async def __call__(self, turn: Turn) -> Reply:
        fate = asyncio.get_running_loop().create_future()
        assert turn.id not in self.held, "one turn asked twice at once"
        self.held[turn.id] = (turn, fate)
        self.begun += 1
        try:
            becomes = await fate
        except asyncio.CancelledError:
            raise Stopped(Usage(aborted=1)) from None
        finally:
            del self.held[turn.id]
            self.over += 1
        return becomes(await super().__call__(turn))


class Deliberations(RuleBasedStateMachine):
    """One deliberation, its model's replies and its readers in any order."""

    @initialize(options=OPTIONS, agents=st.integers(1, 4))
    def begin(self, options: dict[str, object], agents: int) -> None:
        self.loop = asyncio.new_event_loop()
        self.council, self.options = council_of(agents), options
        self.events: list[Event] = []
        self._go_on()

    def _go_on(self) -> None:
        self.model, self.bell = Fate(), Bell()
        before = recorded(self.events)

        async def follow() -> None:
            stream = deliberate(
                task(**self.options), self.council, self.model, words, before, self.bell
            )
            async for event in stream:
                self.events.append(event)

        self.reader = self.loop.create_task(follow())
        self._settle()

    def _settle(self) -> None:
        """Let everything that can run do so."""

        async def ticks() -> None:
            for _ in range(30):
                await asyncio.sleep(0)

        self.loop.run_until_complete(ticks())

    def _decide(self, data: st.DataObject, becomes: Callable[[Reply], Reply]) -> None:
        held = sorted(self.model.held.values(), key=lambda h: (h[0].agent, h[0].phase, h[0].target))
        _, fate = held[data.draw(st.integers(0, len(held) - 1))]
        fate.set_result(becomes)
        self._settle()

    @precondition(lambda self: self.model.held)
    @rule(data=st.data())
    def a_reply_comes(self, data: st.DataObject) -> None:
        self._decide(data, lambda reply: reply)

    @precondition(lambda self: self.model.held)
    @rule(data=st.data())
    def a_reply_is_unreadable(self, data: st.DataObject) -> None:
        self._decide(data, lambda reply: reply.model_copy(update={"text": "", "choices": ()}))

    @precondition(lambda self: self.model.held)
    @rule(data=st.data())
    def a_turn_fails_for_good(self, data: st.DataObject) -> None:
        def fail(_reply: Reply) -> Reply:
            raise EngineLost("gone")

        self._decide(data, fail)

    @precondition(lambda self: self.reader.done())
    @rule()
    def it_has_ended(self) -> None:
        assert isinstance(self.events[-1], END)

    @precondition(lambda self: not self.reader.done())
    @rule()
    def time_runs_short(self) -> None:
        self.bell.hurry.set()
        self._settle()

    @precondition(lambda self: not self.reader.done())
    @rule()
    def the_vote_is_closed(self) -> None:
        self.bell.hurry.set()
        self.bell.close.set()
        self._settle()

    @precondition(lambda self: not self.reader.done())
    @rule()
    def the_reader_leaves_and_another_resumes(self) -> None:
        self.loop.run_until_complete(ended(self.reader))
        self._no_task_is_left()
        self._go_on()

    @invariant()
    def events_are_legal(self) -> None:
        if hasattr(self, "events"):
            check_legal(self.events)

    @invariant()
    def no_text_is_lost(self) -> None:
        if hasattr(self, "events"):
            written = [e for e in self.events if isinstance(e, Drafted | Revised)]
            kept = [p.text for ps in fold(recorded(self.events)).proposals.values() for p in ps]
            assert set(kept) >= {event.text for event in written}

    def teardown(self) -> None:
        if not hasattr(self, "events"):
            return
        for _ in range(200):
            if self.reader.done():
                break
            for _, fate in list(self.model.held.values()):
                fate.set_result(lambda reply: reply)
            self._settle()
        assert self.reader.done(), f"it never ends: {self.events[-3:]}"
        self.reader.result()
        assert isinstance(self.events[-1], END)
        self.events_are_legal()
        self._no_task_is_left()
        self.loop.close()

    def _no_task_is_left(self) -> None:
        """Every call that began has ended, and nothing runs on."""
        assert not self.model.held
        assert self.model.begun == self.model.over
        left = asyncio.all_tasks(self.loop)
        assert not left, f"left over: {left}"


TestAnyOrder = Deliberations.TestCase
TestAnyOrder.settings = settings(stateful_step_count=25)
