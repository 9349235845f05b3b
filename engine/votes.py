"""What voters and the architect are shown, and how their replies are read; sends nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Annotated

from pydantic import BaseModel, JsonValue, StringConstraints, ValidationError

from engine.ballots import ballot_from_odds, ballot_from_ranking
from engine.brief import fenced
from engine.data import Data
from engine.events import Brief
from engine.options import BallotForm
from engine.prompts import Unreadable, ask, first_problem, lettered, shown, who
from engine.transcript import Proposal
from engine.types import Agent, Ballot, ChoiceForm, Form, JsonForm, Message, Reply

OPTIONS = ("1", "2")
MIN_MASS = 0.001
TOKENS_OF_A_RANKING, TOKENS_OF_A_PLACE = 32, 6
"""What a ranking takes as JSON at most, and for each text more."""


class Sheet(Data):
    """What one voter is shown and how it is asked: the authors in the order on the page."""

    authors: tuple[str, ...]
    ballot: BallotForm

    @property
    def letters(self) -> dict[str, str]:
        """The anonymous name of each author's text."""
        return lettered(self.authors)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Every pair of authors, once."""
        return list(combinations(self.authors, 2))

    @property
    def form(self) -> Form:
        """How the reply is decoded."""
        return self._odds() if self.ballot is BallotForm.ODDS else self._ranking()

    @property
    def max_tokens(self) -> int:
        """What one reply may take."""
        if self.ballot is BallotForm.ODDS:
            return 1
        return TOKENS_OF_A_RANKING + TOKENS_OF_A_PLACE * len(self.authors)

    @property
    def cost(self) -> int:
        """Tokens that the whole ballot may generate."""
        questions = 2 * len(self.pairs) if self.ballot is BallotForm.ODDS else 1
        return questions * self.max_tokens

    def _odds(self) -> ChoiceForm:
        """Two questions a pair, the second with the options the other way round.

        The labels are the options' numbers and not the texts' letters: whatever a model has for a
        label then speaks once for each text.
        """
        asked = [order for a, b in self.pairs for order in ((a, b), (b, a))]
        letters = self.letters
        questions = tuple(
            f"Option 1 is proposal {letters[a]}. Option 2 is proposal {letters[b]}. "
            "Which option is better? Answer 1 or 2."
            for a, b in asked
        )
        return ChoiceForm(questions=questions, labels=OPTIONS)

    def _ranking(self) -> JsonForm:
        letters: list[JsonValue] = list(self.letters.values())
        number = len(letters)
        place: JsonValue = {"type": "string", "enum": letters}
        properties: dict[str, JsonValue] = {
            "ranking": {"type": "array", "items": place, "minItems": number, "maxItems": number},
            "approved": {"type": "integer", "minimum": 0, "maximum": number},
        }
        return JsonForm(json_schema=_object(properties))


def sheet(order: Sequence[str], seat: int, ballot: BallotForm = BallotForm.ODDS) -> Sheet:
    """The sealed order for even seats, its reverse for odd ones: no text has a favoured place."""
    shown = order if seat % 2 == 0 else list(reversed(order))
    return Sheet(authors=tuple(shown), ballot=ballot)


def vote(
    brief: Brief, voter: Agent, sheet: Sheet, texts: Mapping[str, Proposal]
) -> tuple[Message, ...]:
    """Ask for an order of the texts, in the sheet's form. The reply: `read_ballot`."""
    seen = shown(brief, {author: texts[author] for author in sheet.authors})
    question = f"{who(voter)}\nCompare the proposals by the rubric and the requirements."
    if sheet.ballot is BallotForm.RANKING:
        question += (
            " Rank all of them, the best first, and say how many of the first ones are good "
            "enough. Answer in JSON."
        )
    return ask(f"{brief.text}\n{seen}", question)


def read_ballot(voter: Agent, sheet: Sheet, reply: Reply) -> Ballot:
    """The voter's ranking; Unreadable where the reply does not hold a whole one."""
    if sheet.ballot is BallotForm.RANKING:
        return _read_ranking(voter, sheet, reply)
    if len(reply.choices) != 2 * len(sheet.pairs):
        raise Unreadable(f"{len(reply.choices)} answers to {2 * len(sheet.pairs)} questions")
    both_orders = list(zip(reply.choices[::2], reply.choices[1::2], strict=True))
    mass = min(answer.mass for answer in reply.choices)
    if mass < MIN_MASS:
        raise Unreadable(f"the answers 1 and 2 held only {mass:.5f} of the probability")
    return ballot_from_odds(voter.id, sheet.authors, sheet.pairs, both_orders, OPTIONS)


class _RankingReply(BaseModel):
    ranking: list[str]
    approved: int


def _read_ranking(voter: Agent, sheet: Sheet, reply: Reply) -> Ballot:
    try:
        read = _RankingReply.model_validate_json(reply.text)
    except ValidationError as broken:
        raise Unreadable(first_problem(broken, reply)) from broken
    authors = {letter: author for author, letter in sheet.letters.items()}
    if sorted(read.ranking) != sorted(authors):
        raise Unreadable(f"the ranking must name each of {', '.join(authors)} once")
    if not 0 <= read.approved <= len(authors):
        raise Unreadable(f"approved must be 0 to {len(authors)}")
    ranking = tuple(authors[letter] for letter in read.ranking)
    return ballot_from_ranking(voter.id, ranking, read.approved)


class Docket(Data):
    """What the architect chooses from: all texts as shown, and those first in the ballots' order.

    `objections` are the major findings against the first of them.
    """

    authors: tuple[str, ...]
    shortlist: tuple[str, ...]
    rule: str
    scores: tuple[float, ...]
    objections: tuple[str, ...]

    @property
    def letters(self) -> dict[str, str]:
        """The anonymous names of the texts that may be chosen."""
        letters = lettered(self.authors)
        return {author: letters[author] for author in self.shortlist}

    @property
    def form(self) -> JsonForm:
        """A letter, and a reason of one or two sentences."""
        properties: dict[str, JsonValue] = {
            "reason": {"type": "string", "minLength": 20, "maxLength": 300},
            "choice": {"type": "string", "enum": [*self.letters.values()]},
        }
        return JsonForm(json_schema=_object(properties))


def judge(
    brief: Brief, architect: Agent, docket: Docket, texts: Mapping[str, Proposal]
) -> tuple[Message, ...]:
    """Ask for the last word over the ballots' order. The reply is JSON: `read_judgement`."""
    letters = docket.letters
    places = ", ".join(
        f"{letters[author]} ({score:.2f})"
        for author, score in zip(docket.shortlist, docket.scores, strict=True)
    )
    lines = [f"{who(architect)} The council has ranked the proposals by {docket.rule}: {places}."]
    first = letters[docket.shortlist[0]]
    if docket.objections:
        listed = "\n".join(f"- {issue}" for issue in docket.objections)
        said = fenced("findings", listed, brief.fence)
        lines.append(f"This was said against proposal {first}:\n{said}")
    lines.append(
        f"Choose one of {', '.join(letters.values())}. If it is not {first}, the reason must say "
        "what the ranking overlooks. Answer in JSON."
    )
    return ask(f"{brief.text}\n{shown(brief, texts)}", "\n".join(lines))


class _JudgementReply(BaseModel):
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
    choice: str


def read_judgement(docket: Docket, reply: Reply) -> tuple[str, str]:
    """The author chosen and the reason; Unreadable where it is none of the shortlist."""
    try:
        read = _JudgementReply.model_validate_json(reply.text)
    except ValidationError as broken:
        raise Unreadable(first_problem(broken, reply)) from broken
    authors = {letter: author for author, letter in docket.letters.items()}
    if read.choice not in authors:
        raise Unreadable(f"the choice must be one of {', '.join(authors)}")
    return authors[read.choice], read.reason


def _object(properties: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """The schema of an object with exactly these properties, in this order."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
