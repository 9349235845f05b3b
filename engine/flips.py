"""What a fork made of its origin, from the facts of both transcripts alone; asks nobody."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from engine.condorcet import Margins, margins
from engine.data import Data
from engine.events import Decided, Failed
from engine.packet import Decision
from engine.policies import Rules
from engine.standing import Texts
from engine.transcript import Transcript


class Flip(Data):
    """Whether a fork chose otherwise than its origin, `was` and `now`, and on what facts.

    Of the turns with an outcome, `reused` were taken over and `asked` were not. `why` is not a
    proof of what caused what: it names all that differs, the choice by the ballots last, or, where
    the choice stood, how near it came to another one.
    """

    flipped: bool
    was: str
    now: str
    reused: int
    asked: int
    why: tuple[str, ...]


def compare(origin: Transcript, fork: Transcript) -> Flip:
    """What became of a deliberation and what of its fork; both must have ended."""
    was, now = _choice(origin), _choice(fork)
    reused = len(fork.outcomes.keys() & origin.outcomes.keys())
    why = [*_rules(origin, fork), *_seats(origin, fork), *_texts(origin, fork)]
    why += [*_ballots(origin, fork), *_pairs(origin, fork), *_last_word(origin, fork)]
    if was == now:
        why += _margins(origin, fork)
    return Flip(
        flipped=was != now,
        was=was,
        now=now,
        reused=reused,
        asked=len(fork.outcomes) - reused,
        why=tuple(why),
    )


def _choice(state: Transcript) -> str:
    match state.end:
        case Decided(decision=decision):
            return decision.choice
        case Failed(error_type=kind, message=message):
            return f"no decision: {kind}: {message}"
        case _:
            return "no decision: it has not ended"


def _decision(state: Transcript) -> Decision | None:
    return state.end.decision if isinstance(state.end, Decided) else None


def _rules(origin: Transcript, fork: Transcript) -> Iterator[str]:
    """The options that have other values."""
    if origin.rules is None or fork.rules is None:
        return
    for name in Rules.model_fields:
        was, now = getattr(origin.rules, name), getattr(fork.rules, name)
        if was != now and name not in ("agents", "exchange", "choice"):
            yield f"{name}: was {was}, is {now}"


def _seats(origin: Transcript, fork: Transcript) -> Iterator[str]:
    """Who takes no part any more, who does now, and who is on another pool."""
    before = {agent.id: agent.pool for agent in (*origin.seated, *origin.voters)}
    after = {agent.id: agent.pool for agent in (*fork.seated, *fork.voters)}
    yield from _lists("takes no part", before.keys() - after.keys())
    yield from _lists("takes part now", after.keys() - before.keys())
    moved = [
        agent for agent in sorted(before.keys() & after.keys()) if before[agent] != after[agent]
    ]
    pools = ", ".join(dict.fromkeys(after[agent] for agent in moved))
    yield from _lists(f"on the pool {pools}", moved)


def _texts(origin: Transcript, fork: Transcript) -> Iterator[str]:
    """The last texts that are gone, new, or not the same."""
    before, after = set(origin.proposals), set(fork.proposals)
    yield from _lists("no text", before - after)
    yield from _lists("a new text", after - before)
    same = before & after
    other = (a for a in same if origin.latest(a).text != fork.latest(a).text)
    yield from _lists("another text", other)


def _ballots(origin: Transcript, fork: Transcript) -> Iterator[str]:
    """The ballots that are gone or new, and those that rank the same texts otherwise."""
    before, after = origin.ballots, fork.ballots
    yield from _lists("no ballot", before.keys() - after.keys())
    yield from _lists("a new ballot", after.keys() - before.keys())
    for voter in sorted(before.keys() & after.keys()):
        both = set(before[voter].ranking) & set(after[voter].ranking)
        was, now = (
            tuple(c for c in ballot.ranking if c in both)
            for ballot in (before[voter], after[voter])
        )
        if was != now:
            yield f"{voter} ranks {_order(now)}, not {_order(was)}"


def _pairs(origin: Transcript, fork: Transcript) -> Iterator[str]:
    """The pairs of texts whose majority is another one, with the ballots for each side."""
    if not (origin.ballots and fork.ballots):
        return
    before, after = _margins_of(origin), _margins_of(fork)
    authors = sorted({a for a, _ in before} & {a for a, _ in after})
    for one, other in combinations(authors, 2):
        pair = (one, other)
        if _sign(before[pair]) != _sign(after[pair]):
            yield f"{one} : {other} was {_counts(origin, pair)}, is {_counts(fork, pair)}"


def _last_word(origin: Transcript, fork: Transcript) -> Iterator[str]:
    """What the architect said where it is not the same."""
    was, now = (s.judged.choice if s.judged else "" for s in (origin, fork))
    if was != now:
        yield f"the architect chose {now or 'nothing'}, not {was or 'nothing'}"


def _margins(origin: Transcript, fork: Transcript) -> Iterator[str]:
    """By how much the same choice leads, and before whom."""
    was, now = _decision(origin), _decision(fork)
    if was is None or now is None:
        return
    yield f"the margin was {_lead(was)}, is {_lead(now)}"


def _lead(decision: Decision) -> str:
    second = f" before {decision.order[1].author}" if len(decision.order) > 1 else ""
    return f"{decision.margin:.2f} ({decision.rule}){second}"


def _lists(what: str, names: Sequence[str] | Iterator[str] | set[str]) -> Iterator[str]:
    found = sorted(names)
    if found:
        yield f"{what}: {', '.join(found)}"


def _margins_of(state: Transcript) -> Margins:
    return margins(Texts(state).profile)


def _counts(state: Transcript, pair: tuple[str, str]) -> str:
    """The ballots for each of two texts, votes on the own one left out."""
    sides = [0, 0]
    for ranking in Texts(state).profile.rankings:
        if set(pair) <= set(ranking):
            sides[ranking.index(pair[0]) > ranking.index(pair[1])] += 1
    return f"{sides[0]}:{sides[1]}"


def _order(ranking: Sequence[str]) -> str:
    return " > ".join(ranking)


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)
