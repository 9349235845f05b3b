"""What speaks against a decision, out of actual critiques and ballots; invents nothing."""

from __future__ import annotations

from collections.abc import Sequence

from engine.ballots import Profile
from engine.options import Decide, Rule
from engine.packet import Minority, Objection
from engine.standing import Texts, unwritten
from engine.tallies import tally
from engine.transcript import Transcript
from engine.types import Ballot, Severity


def objections(state: Transcript, choice: str) -> tuple[Objection, ...]:
    """The major findings against the winner's text: all since it was written, and the last ones."""
    critiques = state.critiques.get(choice, [])
    last = max((c.round for c in critiques), default=0)
    revised = state.latest(choice).round
    return tuple(
        Objection(reviewer=c.agent, issue=f.issue, answered=revised >= c.round)
        for c in critiques
        for f in c.findings
        if (c.round == last or c.round > revised) and f.severity is Severity.MAJOR
    )


def minority(state: Transcript, cast: Sequence[Ballot], choice: str) -> tuple[Minority, ...]:
    """Voters, the winner aside, who put another one's text above the winner's."""
    found = []
    for ballot in cast:
        others = (c for c in ballot.ranking if c != ballot.voter and c in state.proposals)
        first = next(others, choice)
        if choice not in (first, ballot.voter):
            found.append(
                Minority(
                    voter=ballot.voter,
                    prefers=first,
                    by=ballot.scores[first] - ballot.scores[choice],
                    objections=_said(state, ballot.voter, choice),
                )
            )
    return tuple(found)


def reopening(texts: Texts, choice: str, dissenting: Sequence[Rule]) -> tuple[str, ...]:
    """What would change the choice, or may: who was not heard, what hangs on one ballot."""
    state, standing = texts.state, texts.standing
    lines = [f"{agent} was lost: {why}" for agent, why in state.lost.items()]
    lines += [f"{agent} had no text in time" for agent in unwritten(state)]
    lines += [f"no check came to look at the text of {agent}" for agent in state.unchecked]
    if texts.rules.decide is Decide.ARCHITECT and texts.is_open and state.judged is None:
        lines.append("the architect was not heard")
    if standing.tied:
        others = ", ".join(author for author in standing.tied if author != choice)
        lines.append(f"equal by {standing.rule}: {others}; {standing.tie_break} decided")
    lines += [f"by {t.rule} it is {_or(t.winners)}" for t in texts.tallies if t.rule in dissenting]
    if choice == standing.order[0]:
        lines += _hanging_on_one_ballot(texts, choice)
    if state.judged is not None and state.judged.choice != standing.order[0]:
        lines.append(f"the ballots chose {standing.order[0]}; {state.judged.agent} overrode them")
    open_ones = (o for o in objections(state, choice) if not o.answered)
    return (*lines, *(f"not answered, by {o.reviewer}: {o.issue}" for o in open_ones))


def _hanging_on_one_ballot(texts: Texts, choice: str) -> list[str]:
    """The voters without whose ballot the rule would name another winner."""
    if len(texts.cast) < 2 or not texts.tallies:
        return []
    lines = []
    ballots = texts.profile.ballots
    for left_out in ballots:
        rest = Profile(texts.candidates, tuple(b for b in ballots if b is not left_out))
        winners = tally(texts.rules.tally, rest).winners
        if winners and choice not in winners:
            lines.append(f"without the ballot of {left_out.voter} it is {_or(winners)}")
    return lines


def _said(state: Transcript, reviewer: str, author: str) -> tuple[str, ...]:
    """What a reviewer found wrong with an author's text, the last time it was asked."""
    reviews = [c for c in state.critiques.get(author, ()) if c.agent == reviewer]
    return tuple(finding.issue for finding in reviews[-1].findings) if reviews else ()


def _or(names: Sequence[str]) -> str:
    return " or ".join(names)
