"""How the texts stand: their order by the rule in force, and what broke ties; asks nobody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from engine.ballots import Profile, profile
from engine.counts import raw_means
from engine.early import decided
from engine.events import Rejected
from engine.options import Rule
from engine.packet import StopReason, Tally
from engine.policies import Choice
from engine.stopping import classes
from engine.tallies import all_tallies, settled
from engine.transcript import TRIES, Transcript
from engine.types import Ballot, Phase

ONLY, CLASSES, MERGE = "only text", "classes", "merge"
"""What decides where no ballots do."""

TIE_BREAKS = ("checks", "copeland", "odds", "length", "label")
"""In this order: more checks passed, more pairwise wins, higher scores by others, the shorter text,
the label that the seal gave."""

Keys = Mapping[str, tuple[float, ...]]


@dataclass(frozen=True)
class Standing:
    """The candidates in strict order, best first; none where the rule names no winner.

    `scores` are what the rule counts. Where several were first they are `tied`, and `tie_break`
    says what decided between the first two of them.
    """

    rule: str
    order: tuple[str, ...]
    scores: Mapping[str, float]
    tied: tuple[str, ...] = ()
    tie_break: str = ""


class Texts:
    """The candidates of a transcript and all that was said of them."""

    def __init__(self, state: Transcript) -> None:
        assert state.rules is not None
        self.state, self.rules = state, state.rules
        self.candidates = tuple(a for a in state.sealed() if a not in state.excluded)
        self.cast: list[Ballot] = [
            state.ballots[voter.id] for voter in state.voters if voter.id in state.ballots
        ]

    @property
    def last_round(self) -> int:
        """After which all texts are there, also one that was made of the others."""
        return self.rules.rounds + 1

    @property
    def agreed(self) -> bool:
        """Whether all that was written says the same, so that nothing is left to choose."""
        settled = self.state.settled
        return settled is not None and settled.reason is StopReason.UNANIMOUS

    @property
    def is_open(self) -> bool:
        """Whether somebody must be asked which text it is to be."""
        by_asking = self.rules.choice in (Choice.BALLOTS, Choice.JUDGE, Choice.MERGE)
        return by_asking and len(self.candidates) > 1 and not self.agreed

    @property
    def spared(self) -> tuple[str, ...]:
        """The voters that need not be heard any more, where the rules ask to look."""
        return self._outstanding if self.sure else ()

    @cached_property
    def sure(self) -> str | None:
        """Who wins whatever the voters still out will say; None where that is open."""
        if not (self.rules.early and self.cast and self._outstanding):
            return None
        return decided(self.rules.tally, self.candidates, self.cast, self._outstanding)

    @cached_property
    def profile(self) -> Profile:
        """The ballots as the rules read them."""
        return profile(self.candidates, self.cast)

    @cached_property
    def tallies(self) -> tuple[Tally, ...]:
        """What every rule makes of the ballots."""
        return all_tallies(self.profile) if self.cast and len(self.candidates) > 1 else ()

    @cached_property
    def standing(self) -> Standing:
        """The order by what decides here."""
        if len(self.candidates) == 1:
            return Standing(ONLY, self.candidates, {self.candidates[0]: 0.0})
        if self.agreed or self.rules.choice is Choice.CLASSES:
            return self._by_classes()
        if self.rules.choice is Choice.MERGE:
            order = sorted(self.candidates, key=lambda author: author != self.state.merged)
            return Standing(MERGE, tuple(order), dict.fromkeys(order, 0.0))
        return self._by_ballots()

    def tally(self, rule: Rule) -> Tally:
        """What one rule makes of the ballots."""
        return next(tally for tally in self.tallies if tally.rule is rule)

    @cached_property
    def _outstanding(self) -> tuple[str, ...]:
        """The voters that can still vote: not lost, and nothing unreadable came of them."""
        unread = Counter(
            outcome.agent
            for outcome in self.state.outcomes.values()
            if isinstance(outcome, Rejected) and outcome.phase is Phase.VOTE
        )
        silent = (agent for agent, times in unread.items() if times >= TRIES)
        gone = {*self.state.ballots, *self.state.lost, *silent}
        return tuple(voter.id for voter in self.state.voters if voter.id not in gone)

    def _by_classes(self) -> Standing:
        found = classes(self.state, self.last_round)
        sizes = Counter(found[author] for author in self.candidates)
        scores = {a: sizes[found[a]] / len(self.candidates) for a in self.candidates}
        keys = self._keys()
        order = tuple(sorted(self.candidates, key=lambda a: (-scores[a], keys[a])))
        firsts = {found[a]: a for a in reversed(order) if scores[a] == scores[order[0]]}
        tied = tuple(a for a in order if a in firsts.values()) if len(firsts) > 1 else ()
        return Standing(CLASSES, order, scores, tied, _breaker(tied, keys))

    def _by_ballots(self) -> Standing:
        tally = self.tally(self.rules.tally)
        keys = self._keys()
        order = settled(tally, keys) if tally.winners or self.sure else ()
        if self.sure:
            order = (self.sure, *(author for author in order if author != self.sure))
        tied = tuple(a for a in order if a in tally.winners) if len(tally.winners) > 1 else ()
        return Standing(tally.rule, order, tally.scores, tied, _breaker(tied, keys))

    def _keys(self) -> Keys:
        """What breaks a tie between candidates, smaller is better, in the order of TIE_BREAKS."""
        copeland = self.tally(Rule.COPELAND).scores if self.tallies else {}
        odds = raw_means(self.profile)
        return {
            author: (
                -sum(result.verdict == "passed" for result in self.state.checked(author)),
                -copeland.get(author, 0.0),
                -odds[author],
                len(self.state.latest(author).text),
                place,
            )
            for place, author in enumerate(self.candidates)
        }


def unwritten(state: Transcript) -> list[str]:
    """The seated agents that have no text and were not lost: time or tokens did not reach them.

    Where the scouts agreed the others were never needed.
    """
    agreed = state.settled is not None and state.settled.reason is StopReason.UNANIMOUS
    if agreed and state.rules is not None and state.rules.scouts:
        return []
    return [a.id for a in state.seated if a.id not in state.proposals and a.id not in state.lost]


def _breaker(tied: Sequence[str], keys: Keys) -> str:
    """What made the first of those that are tied come before the second."""
    if not tied:
        return ""
    pairs = zip(TIE_BREAKS, keys[tied[0]], keys[tied[1]], strict=True)
    return next(name for name, one, other in pairs if one != other)
