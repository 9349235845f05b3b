"""One deliberation with scripted replies, told on the terminal; knows nothing of real models.

    python -m engine "Which database?" --agents 4 --rounds 2

It needs the standard library and pydantic, and shows what the engine does with what agents say.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from functools import partial

from engine.deliberation import deliberate
from engine.errors import InvalidRequest
from engine.events import (
    Aborted,
    Asked,
    Briefed,
    Checked,
    Convened,
    Critiqued,
    Decided,
    Dropped,
    Event,
    Failed,
    Hastened,
    Judged,
    Rejected,
    Resumed,
    Settled,
    Suspended,
    Voted,
)
from engine.packet import Decision
from engine.policies import POLICIES, settle
from engine.testing import ScriptedModel, a_council, a_task, words
from engine.transcript import Outcome
from engine.types import Council, Task

SCRIPTED = "The replies are scripted: no model is asked, and the choice means nothing."
WIDTH, MOST_ROUNDS, MOST_AGENTS = 96, 9, 32


def main(arguments: Sequence[str]) -> int:
    """Tell one deliberation; the exit code is 0 for a decision, 1 where there is none."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    options = {"rounds": asked.rounds, "policy": asked.policy}
    task, council = a_task(asked.question).model_copy(update=options), a_council(asked.agents)
    try:
        settle(task, council)
    except InvalidRequest as wrong:
        parser.error(str(wrong))
    print(f"{SCRIPTED}\n")
    return asyncio.run(_tell(task, council))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m engine", description=SCRIPTED)
    parser.add_argument("question", type=_question, help="what the council is asked")
    rounds, agents = partial(_number, 0, MOST_ROUNDS), partial(_number, 1, MOST_AGENTS)
    parser.add_argument("--rounds", type=rounds, help="of critique and revision; 1 by default")
    about = f"1 to {MOST_AGENTS}; 3 by default"
    parser.add_argument("--agents", type=agents, default=3, help=about)
    parser.add_argument("--policy", choices=POLICIES, default="", help="how they deliberate")
    return parser


def _question(text: str) -> str:
    asked = text.encode(errors="replace").decode()
    if not asked.strip():
        raise argparse.ArgumentTypeError("it is empty; say what the council is asked")
    return asked


def _number(least: int, most: int, text: str) -> int:
    if not text.isdecimal() or not least <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not between {least} and {most}")
    return int(text)


async def _tell(task: Task, council: Council) -> int:
    last: Event | None = None
    async for last in deliberate(task, council, ScriptedModel(), words):
        print(line(last))
    if isinstance(last, Decided):
        print("\n".join(["", *account(last.decision)]))
    return 0 if isinstance(last, Decided) else 1


def line(event: Event) -> str:
    """One event on one line, cut to the terminal; what cannot be printed is shown as a dot."""
    said = " ".join(_said(event).split())
    shown = "".join(sign if sign.isprintable() else "." for sign in said)
    return f"{event.kind:10} {shown}"[:WIDTH].rstrip()


def _said(event: Event) -> str:
    said = ""
    match event:
        case Convened():
            said = ", ".join(agent.id for agent in event.council.agents)
        case Briefed():
            said = f"{words(event.brief.text)} words that every prompt begins with"
        case Decided():
            said = event.decision.choice
        case Failed():
            said = f"{event.error_type}: {event.message}"
        case Settled() | Hastened():
            said = event.reason
        case Resumed() | Suspended():
            said = ""
        case _:
            said = f"{event.agent}: {_done(event)}"
    return said


def _done(event: Outcome | Asked | Dropped | Aborted | Checked) -> str:
    match event:
        case Asked():
            done = f"{event.phase} {event.target}, round {event.round}"
        case Critiqued():
            found = "; ".join(f"{f.severity}: {f.issue}" for f in event.findings)
            done = f"of {event.target}: {event.verdict}; {found}"
        case Voted():
            done = " > ".join(event.ballot.ranking)
        case Judged():
            done = f"{event.choice}: {event.reason}"
        case Rejected() | Dropped():
            done = event.reason
        case Aborted():
            done = event.phase
        case Checked():
            done = ", ".join(f"{result.check} {result.verdict}" for result in event.results)
        case _:
            done = event.text
    return done


def account(decision: Decision) -> list[str]:
    """The decision with its order, its dissent and its cost, a line each."""
    order = [f"{r.rank:3}. {r.author}  {r.score:.2f}" for r in decision.order]
    dissent = ", ".join(f"{m.voter} prefers {m.prefers}" for m in decision.minority)
    tokens = [
        f"  {phase:9} {usage.prompt} prompt, {usage.generated} generated"
        for phase, usage in decision.tokens.items()
    ]
    return [
        f"order (by {decision.rule}, margin {decision.margin:.2f})",
        *order,
        f"condorcet   {decision.condorcet.status}",
        f"minority    {dissent or 'none'}",
        "tokens (a word counts as one)",
        *tokens,
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
