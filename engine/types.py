"""The nouns of a deliberation as frozen data; knows nothing of how they are made or carried."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue


class Data(BaseModel):
    """Base of everything here: frozen, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Phase(StrEnum):
    """What a turn is for. A deliberation goes through them in this order."""

    DRAFT = "draft"
    CRITIQUE = "critique"
    REVISE = "revise"
    VOTE = "vote"


class Sampling(Data):
    """How an agent's tokens are drawn. A per-request seed is left out: it kills the CPU engine."""

    temperature: float = Field(default=0.7, ge=0.0, le=2.0)
    top_p: float = Field(default=0.95, gt=0.0, le=1.0)
    repetition_penalty: float = Field(default=1.0, gt=0.0, le=2.0)


class Agent(Data):
    """One seat of a council: who speaks (persona), and through which pool of engines."""

    id: str
    role: str
    persona: str
    pool: str
    sampling: Sampling = Sampling()


PROMPT_MARGIN = 400
"""Tokens of system text, title, persona, question, fences and the chat's own marks."""


class Budgets(Data):
    """Tokens of the pool's tokenizer that each part of a deliberation may take.

    `task` bounds rubric, requirements, task and context together; `draft` one proposal, also after
    its revision; `critique` one critique as JSON.
    """

    task: int = Field(default=1200, ge=64)
    draft: int = Field(default=224, ge=1)
    critique: int = Field(default=176, ge=16)

    def largest_prompt(self, agents: int) -> int:
        """Tokens of the longest prompt and its reply, in a council of so many agents."""
        vote = self.task + agents * self.draft
        revision = self.task + 2 * self.draft + self.critique
        return max(vote, revision) + PROMPT_MARGIN


class Council(Data):
    """A role, the agents seated for it and the rules they follow."""

    role: str
    agents: tuple[Agent, ...]
    rubric: str
    rounds: int = Field(default=1, ge=0)
    budgets: Budgets = Budgets()

    @property
    def id(self) -> str:
        """The council's name on the wire, `council-<role lower>`."""
        return f"council-{self.role.lower()}"


class Task(Data):
    """What a council is asked, after an edge has validated it once.

    `id` names the deliberation: the same id is the same deliberation. `context` holds every
    further field the asker sent; the agents see it as data. `rounds` and `num_agents` are None
    where the council's own figures apply, `policy` is empty where its own does. `timeout_s` are
    seconds of work, None for the server's cap.
    """

    id: str = Field(min_length=1, max_length=200)
    role: str
    text: str = Field(min_length=1)
    title: str = ""
    rubric: str = ""
    requirements: tuple[str, ...] = ()
    context: dict[str, JsonValue] = Field(default_factory=dict)
    rounds: int | None = Field(default=None, ge=0)
    num_agents: int | None = Field(default=None, ge=1)
    policy: str = ""
    timeout_s: float | None = Field(default=None, gt=0)
    story_id: str = ""
    plan_id: str = ""


class Message(Data):
    """One chat message of a prompt."""

    role: Literal["system", "user", "assistant"]
    content: str


class TextForm(Data):
    """The reply is free text."""

    kind: Literal["text"] = "text"


class JsonForm(Data):
    """The reply is JSON under a schema that the engine enforces while it decodes."""

    kind: Literal["json"] = "json"
    json_schema: dict[str, JsonValue]


class ChoiceForm(Data):
    """The reply is, for each question, the probability of each label: one token a question.

    Each question is appended to the last message in turn, so that all of them share one prefix.
    Labels must begin with distinct tokens.
    """

    kind: Literal["choice"] = "choice"
    questions: tuple[str, ...]
    labels: tuple[str, ...]


Form = Annotated[TextForm | JsonForm | ChoiceForm, Field(discriminator="kind")]


class Turn(Data):
    """One request to one agent: the prompt, the form of its reply and what it may cost."""

    deliberation: str
    agent: str
    pool: str
    phase: Phase
    round: int
    target: str
    messages: tuple[Message, ...]
    form: Form = TextForm()
    max_tokens: int
    sampling: Sampling = Sampling()

    @property
    def id(self) -> str:
        """A hash of who is asked what: a resumed run matches by it, never by position."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:24]


class Usage(Data):
    """Tokens of one or more turns. `cached` is the part of `prompt` the prefix cache served."""

    prompt: int = 0
    cached: int = 0
    generated: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            prompt=self.prompt + other.prompt,
            cached=self.cached + other.cached,
            generated=self.generated + other.generated,
        )


class LabelOdds(Data):
    """The answer to one question of a ChoiceForm.

    `odds` are the labels' probabilities, renormalised to sum to 1; `mass` is what they held of
    the whole vocabulary before that (a small mass means the model wanted to say something else).
    """

    odds: dict[str, float]
    mass: float


class Reply(Data):
    """What a model answered to a turn. `reasoning` is recorded and never shown to peers."""

    text: str = ""
    reasoning: str = ""
    choices: tuple[LabelOdds, ...] = ()
    truncated: bool = False
    usage: Usage = Usage()


Speak = Callable[[Turn], Awaitable[Reply]]
"""How the algorithm reaches a model: a turn in, its reply out, SpeechFailed when it is hopeless."""

Count = Callable[[str], int]
"""How many tokens a text takes for the models that will read it."""


class Severity(StrEnum):
    """How much a finding weighs: a major one left open stands as an objection."""

    MAJOR = "major"
    MINOR = "minor"


class Finding(Data):
    """One concrete thing a reviewer holds against a proposal."""

    severity: Severity
    issue: str


class Ballot(Data):
    """One voter's complete ranking of the candidates, best first, its own text included.

    `scores` are the voter's mean probabilities that a candidate beats another one, or the places
    of its ranking spread evenly, 0..1. `approved` is how many of the first places of the ranking
    the voter approves of, None in records from before it was asked. `consistency` is the share of
    pairs judged the same way in both orders of asking; `mass` the smallest share of probability
    that the labels held in any answer; both are None where the voter wrote its ranking down.
    """

    voter: str
    ranking: tuple[str, ...]
    scores: dict[str, float]
    approved: int | None = None
    consistency: float | None = None
    mass: float | None = None


class CondorcetStatus(StrEnum):
    """Whether one candidate beats every other one pairwise; a cycle is said, never broken."""

    WINNER = "winner"
    CYCLE = "cycle"
    TIE = "tie"
    UNOPPOSED = "unopposed"


class Condorcet(Data):
    """The Condorcet winner, if there is one, and why not where there is none."""

    status: CondorcetStatus
    winner: str = ""


class Ranked(Data):
    """One candidate in the decided order. `rank` 1 is best, `score` its mean Borda score, 0..1."""

    author: str
    rank: int
    score: float


class Objection(Data):
    """A major finding against the winner's text as its last reviewer saw it.

    `answered` says that the author revised afterwards, not that the reviewer agrees.
    """

    reviewer: str
    issue: str
    answered: bool


class Minority(Data):
    """A voter whose first choice among others' texts is not the winner."""

    voter: str
    prefers: str


class Decision(Data):
    """What the council decided and all that qualifies it; degraded comes first on purpose.

    `agreement_tau` (-1 to 1) and `agreement_w` (0 to 1) are over the complete rankings, None where
    there are fewer than two. `consistency` is the mean share of comparisons that came out the same
    in both orders of asking: near 0 the voters followed the order and not the texts.
    """

    degraded: bool
    lost: dict[str, str]
    choice: str
    rule: str
    order: tuple[Ranked, ...]
    margin: float
    condorcet: Condorcet
    agreement_tau: float | None
    agreement_w: float | None
    consistency: float | None
    objections: tuple[Objection, ...]
    minority: tuple[Minority, ...]
    tokens: dict[Phase, Usage]
    stop_reason: Literal["decided", "degraded", "deadline"]
