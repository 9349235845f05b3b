"""Whether another round is worth it: agreement, silence, standstill; asks nobody."""

from __future__ import annotations

from collections import Counter
from statistics import fmean

from engine.classes import answer_class
from engine.packet import StopReason
from engine.policies import Rules
from engine.transcript import Transcript


def watched(rules: Rules) -> bool:
    """Whether any rule may end the exchange before its last round."""
    return bool(rules.quorum or rules.gain or rules.until_clean)


def reason_to_stop(state: Transcript, round: int) -> StopReason | None:
    """Why no round should follow on this one, None where one should; 0 is the drafts."""
    rules = state.rules
    assert rules is not None
    if state.excluded:  # what a check holds against a text is still to be mended
        return None
    if rules.quorum and _is_stable(state, rules, round):
        everyone = len(set(classes(state, round).values())) == 1
        return StopReason.UNANIMOUS if everyone else StopReason.QUORUM_STABLE
    if rules.until_clean and _is_clean(state, round):
        return StopReason.NO_NEW_FINDINGS
    if rules.gain and round and change(state, round) < rules.gain:
        return StopReason.DIMINISHING
    return None


def classes(state: Transcript, round: int) -> dict[str, str]:
    """The answer class of each author's text as it stood after a round."""
    texts = ((author, state.text(author, round)) for author in state.authors)
    return {author: answer_class(text.text) for author, text in texts if text is not None}


def leader(state: Transcript, round: int) -> str:
    """The author, first by the sealed order, of a text that most others agree with."""
    found = classes(state, round)
    sizes = Counter(found.values())
    return max((a for a in state.sealed() if a in found), key=lambda author: sizes[found[author]])


def change(state: Transcript, round: int) -> float:
    """The mean share of its words that a text lost or gained in a round, 0 to 1."""
    changes = []
    for author in state.authors:
        before, after = state.text(author, round - 1), state.text(author, round)
        if before is not None and after is not None:
            changes.append(distance(before.text, after.text))
    return fmean(changes) if changes else 0.0


def _is_stable(state: Transcript, rules: Rules, round: int) -> bool:
    """Whether the same class held the quorum in each of the last rounds."""
    if round + 1 < rules.stability:
        return False
    led = {
        _led(classes(state, past), rules.quorum)
        for past in range(round + 1 - rules.stability, round + 1)
    }
    return len(led) == 1 and led != {""}


def _led(found: dict[str, str], quorum: float) -> str:
    """The class of at least that share of the texts; two texts are the fewest that can agree."""
    sizes = Counter(found.values())
    leading = max(sizes, key=lambda label: sizes[label], default="")
    return leading if sizes[leading] >= max(2, quorum * len(found)) else ""


def _is_clean(state: Transcript, round: int) -> bool:
    """Whether the round had reviews and none asks for a change."""
    reviews = [c for said in state.critiques.values() for c in said if c.round == round]
    return bool(reviews) and not any(review.asks_for_change for review in reviews)


def distance(before: str, after: str) -> float:
    """1 less the Dice coefficient of both texts' words, counted with their number."""
    old, new = Counter(before.split()), Counter(after.split())
    both, all_words = (old & new).total(), old.total() + new.total()
    return 1 - 2 * both / all_words if all_words else 0.0
