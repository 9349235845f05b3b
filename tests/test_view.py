"""Claims about what is seen of deliberations, drawn 100 columns wide."""

import asyncio
from collections.abc import Callable
from io import StringIO

import pytest
from http_twin import a_record, recorded, suspended
from rich.console import Console, RenderableType

from commands.stage import Stage, by_a_moving_line, on_a_board
from commands.summary import summary
from commands.telling import block, told
from commands.view import Board, clean
from engine.events import (
    Aborted,
    Asked,
    Brief,
    Briefed,
    Checked,
    Clipped,
    Hastened,
    Record,
    Rejected,
    Resumed,
    Settled,
)
from engine.packet import CheckResult, StopReason, Verdict
from engine.results import Result, result
from engine.testing import FlakyModel, ScriptedModel
from engine.transcript import fold
from engine.types import Condorcet, CondorcetStatus, Phase, Speak, Task, Usage

ONE, TWO, THREE = (f"agent-dev-{number:03}" for number in (1, 2, 3))


def records_of(speak: Speak | None = None, **fields: object) -> list[Record]:
    """A whole deliberation of DEV."""
    task = Task.model_validate({"id": "x", "role": "DEV", "text": "Clock", **fields})
    return asyncio.run(recorded(task, speak or ScriptedModel()))


def found(speak: Speak | None = None, **fields: object) -> Result:
    """Its result."""
    return result(fold(records_of(speak, **fields)))


def drawn(what: RenderableType) -> str:
    """As it is seen, without colours."""
    console = Console(file=StringIO(), width=100)
    console.print(what)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    assert all(len(line) <= 100 for line in text.splitlines())
    return text


def stage_after(records: list[Record], clock: Callable[[], float] = lambda: 0.0) -> Stage:
    stage = Stage(clock)
    for record in records:
        stage.add(record)
    return stage


def lane(stage: Stage, agent: str) -> list[str]:
    """The cells of an agent's lane."""
    line = next(line for line in drawn(stage).splitlines() if line.startswith(agent))
    return [cell for cell in line.removeprefix(agent).split("  ") if cell.strip()]


def test_a_decision_has_its_text_in_full_and_all_that_qualifies_it() -> None:
    """No line of the winner's text is missing, and none has a mark beside it to copy along."""
    text = "\n".join(f"line {number}" for number in range(30))
    whole = {(agent, phase): text for agent in (ONE, TWO, THREE) for phase in Phase if phase in
             (Phase.DRAFT, Phase.REVISE)}  # fmt: skip
    decided = found(ScriptedModel(whole))
    shown = drawn(summary(decided))
    assert [line.strip() for line in shown.splitlines()[1:31]] == text.splitlines()
    for part in (
        f"DEV decided: {decided.winner_id}",
        f"1.  {decided.winner_id}",
        "revised 1 x",
        "(borda, policy council)",
        "tau ",
        "came out the same in both orders",
        f"{decided.usage.prompt:,} prompt",
        "(decided)",
    ):
        assert part in shown
    assert "[24 more lines]" in drawn(summary(decided, lines=6))


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (CondorcetStatus.WINNER, "agent-x beats every other one"),
        (CondorcetStatus.CYCLE, "a cycle"),
        (CondorcetStatus.TIE, "a tie"),
        (CondorcetStatus.UNOPPOSED, "agent-x has no rival"),
        (CondorcetStatus.UNASKED, "no ballots"),
    ],
)
def test_the_condorcet_status_is_said_in_words(status: CondorcetStatus, says: str) -> None:
    """A cycle and a tie are said, never hidden behind the winner."""
    decided = found()
    assert decided.decision is not None
    condorcet = Condorcet(status=status, winner="agent-x")
    decision = decided.decision.model_copy(update={"condorcet": condorcet})
    assert says in drawn(summary(decided.model_copy(update={"decision": decision})))


def test_a_degraded_decision_says_so_above_its_order() -> None:
    """Who was lost and why comes before who won by how much."""
    shown = drawn(summary(found(FlakyModel({(THREE, Phase.VOTE)}))))
    assert shown.index("degraded: decided without agent-dev-003 (EngineLost") < shown.index("1.  ")


def test_one_text_alone_has_no_vote_to_tell_of() -> None:
    """Margin, agreement and minority are left out; what it cost is not."""
    shown = drawn(summary(found(num_agents=1, rounds=0)))
    assert "margin" not in shown
    assert "agreement" not in shown
    assert "tokens" in shown


def test_what_is_not_durable_yet_is_said() -> None:
    """The reader may lose it."""
    assert "not stored for good yet" in drawn(
        summary(found().model_copy(update={"durable": False}))
    )


def test_no_decision_shows_why_and_what_was_written() -> None:
    """The reason in the frame's first line, then the texts."""
    shown = drawn(summary(found(FlakyModel({(ONE, Phase.DRAFT), (TWO, Phase.DRAFT)}))))
    assert "DEV failed: no decision" in shown
    assert "QuorumLost: 1 of 3 have a text" in shown
    assert f"{THREE} says draft 0" in shown


def test_texts_cannot_steer_the_terminal() -> None:
    """Escape sequences of a model's text lose their escape; markup is shown as it is."""
    evil = "\x1b[2J\x1b]0;owned\x07[red]red[/red]\ttab\r\x9b31m"
    assert clean(evil) == "[2J]0;owned[red]red[/red]    tab31m"
    speak = ScriptedModel({(agent, Phase.DRAFT): evil for agent in (ONE, TWO, THREE)})
    records = records_of(speak, rounds=0)
    screens = drawn(summary(result(fold(records)))) + live(records)
    assert "\x1b[2J" not in screens
    assert "\x1b]0" not in screens
    assert "[red]red[/red]" in screens


def live(records: list[Record]) -> str:
    """What a terminal gets while the records come."""
    console = Console(file=StringIO(), width=100, force_terminal=True, color_system=None)
    on_a_board(records, console)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


def test_the_live_board_tells_every_text_as_it_comes() -> None:
    """Drafts, findings, revisions and votes scroll by above the lanes."""
    shown = live(records_of())
    for agent in (ONE, TWO, THREE):
        for part in ("drafted", "reviewed", "revised", "voted:"):
            assert f"{agent} {part}" in shown
        assert f"{agent} says revise 1" in shown
    assert "major: agent-dev-002 misses a proof" in shown


def test_a_lane_shows_what_its_agent_does_now_and_has_done() -> None:
    """Words, seconds of the turn, and what came of it."""
    records = records_of()
    drafting = next(i for i, record in enumerate(records) if isinstance(record.event, Asked)) + 3
    now = [100.0]
    stage = stage_after(records[:drafting], lambda: now[0])
    now[0] += 7.0
    assert lane(stage, THREE)[0].strip() == "drafting, 7 s"
    assert lane(stage, ONE)[0].strip() == "drafting, 10 s"
    end = stage_after(records)
    cells = [cell.strip() for cell in lane(end, ONE)]
    assert cells[:4] == ["1", "1", "1", "1"]
    tokens = fold(records).usage.generated
    assert f"{tokens:,} tokens generated" in drawn(end)


def test_time_stands_while_it_is_suspended() -> None:
    """Neither the lanes nor the clock go on."""
    now = [0.0]
    stage = stage_after(suspended(records_of()), lambda: now[0])
    before = drawn(stage)
    now[0] += 3600.0
    assert drawn(stage) == before
    assert "suspended: no caller waited for it any more" in before
    assert "drafting" not in before


def test_a_turn_that_is_stopped_is_open_no_more() -> None:
    """Its agent has nothing to do then, until it is asked again."""
    records = records_of()
    asked = next(i for i, record in enumerate(records) if isinstance(record.event, Asked))
    turn = records[asked].event
    assert isinstance(turn, Asked)
    stage = stage_after(records[: asked + 1])
    assert lane(stage, turn.agent)[0].strip() == "drafting, 0 s"
    stopped = Aborted(turn=turn.turn, agent=turn.agent, phase=turn.phase, usage=Usage(aborted=7))
    stage.add(a_record("x", asked + 2, stopped))
    assert "drafting" not in drawn(stage)
    stage.add(records[asked])
    assert lane(stage, turn.agent)[0].strip() == "drafting, 0 s"


def test_who_has_the_last_word_has_a_lane() -> None:
    """The architect is seen at work, though it has no seat; so is whoever merges."""
    records = records_of(decide="architect")
    judging = next(
        i
        for i, record in enumerate(records)
        if isinstance(record.event, Asked) and record.event.phase is Phase.JUDGE
    )
    stage = stage_after(records[: judging + 1])
    assert lane(stage, "the architect")[0].strip() == "judging, 0 s"
    assert "judging 1" in stage.line
    assert "agent-dev-architect chose agent-dev-" in live(records)
    assert f"{ONE} merged" in live(records_of(policy="moa"))


def test_a_dropped_agent_is_seen_in_its_lane() -> None:
    """With its reason."""
    stage = stage_after(records_of(FlakyModel({(THREE, Phase.DRAFT)})))
    assert "dropped: EngineLost" in lane(stage, THREE)[0]


@pytest.mark.parametrize(
    ("event", "says"),
    [
        (Resumed(), "the council goes on where it was interrupted"),
        (Hastened(reason="no time"), "the council hastens to a decision: no time"),
        (
            Settled(reason=StopReason.UNANIMOUS, round=1),
            "the council ends the exchange after round 1: unanimous",
        ),
        (
            Aborted(turn="t", agent=ONE, phase=Phase.DRAFT, usage=Usage(aborted=1200)),
            "agent-dev-001 is stopped at draft 1,200 tokens",
        ),
        (
            Checked(
                agent=ONE, round=0, results=(CheckResult(check="lint", verdict=Verdict.FAILED),)
            ),
            "agent-dev-001 is checked: lint failed",
        ),
        (
            Rejected(
                turn="t",
                agent=ONE,
                phase=Phase.VOTE,
                reason="no JSON",
                text="?",
                usage=Usage(),
            ),
            "agent-dev-001 gave a reply to vote that cannot be used: no JSON",
        ),
        (
            Briefed(
                brief=Brief(
                    text="",
                    title="",
                    fence="",
                    prompts="",
                    clipped=(Clipped(part="context", kept=5, tokens=9),),
                )
            ),
            "the council sees only 5 of the 9 tokens of context",
        ),
    ],
)
def test_what_is_out_of_the_ordinary_is_told(event: object, says: str) -> None:
    """In words, in one line."""
    record = a_record("x", 1, event)  # type: ignore[arg-type]
    said = told(record.event)
    assert said is not None
    assert " ".join(drawn(block(said)).split()) == says


def test_only_waiting_shows_a_line_that_goes_away() -> None:
    """Nothing is left on a terminal but the decision; elsewhere nothing is written at all."""
    console = Console(file=StringIO(), width=100, force_terminal=True, color_system=None)
    by_a_moving_line(records_of(), console)
    shown: str = console.file.getvalue()  # type: ignore[attr-defined]
    assert shown.rstrip().endswith("\x1b[2K")
    paper = Console(file=StringIO(), width=100)
    by_a_moving_line(records_of(), paper)
    assert paper.file.getvalue() == ""  # type: ignore[attr-defined]


def test_several_deliberations_stand_side_by_side() -> None:
    """A row each, with what it does and what it has done."""
    board = Board(["DEV", "QA"])
    for record in records_of():
        board.rows["DEV"].add(record)
    lines = drawn(board).splitlines()
    assert any(line.split()[:3] == ["DEV", "decided:", "agent"] for line in lines)
    assert any(line.split() == ["QA", "waiting", "0", "0", "0", "0", "0", "0"] for line in lines)
