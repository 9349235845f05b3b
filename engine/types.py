"""The nouns of a deliberation as frozen data; knows nothing of how they are made or carried."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, JsonValue

from engine.data import Data
from engine.options import Options


class Phase(StrEnum):
    """What a turn is for. A deliberation goes through them in this order, leaving some out."""

    DRAFT = "draft"
    CRITIQUE = "critique"
    REVISE = "revise"
    VOTE = "vote"
    MERGE = "merge"
    JUDGE = "judge"


def _whole(text: str) -> str:
    """The text with each half of a character, which no record can hold, as a question mark."""
    return text.encode(errors="replace").decode()


Written = Annotated[str, AfterValidator(_whole)]


class Sampling(Data):
    """How an agent's tokens are drawn. A per-request seed is left out: it kills the CPU engine."""

    temperature: float = Field(default=0.7, ge=0.0, le=2.0)
    top_p: float = Field(default=0.95, gt=0.0, le=1.0)
    repetition_penalty: float = Field(default=1.0, gt=0.0, le=2.0)


OUTSIDE = "outside"
"""In the place of a pool: the agent has no engine of ours, it is asked over the bus."""


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

    `task` bounds rubric, requirements, task, context and story together; `draft` one proposal, also
    after its revision; `critique` one critique as JSON.
    """

    task: int = Field(default=1200, ge=64)
    draft: int = Field(default=224, ge=1)
    critique: int = Field(default=176, ge=16)

    def largest_prompt(self, texts: int) -> int:
        """Tokens of the longest prompt and its reply, where so many texts are exchanged."""
        peers = self.task + (texts + 1) * self.draft
        revision = self.task + 2 * self.draft + max(1, texts - 1) * self.critique
        last_word = self.task + texts * self.draft + 2 * self.critique
        return max(peers, revision, last_word) + PROMPT_MARGIN

    def largest_draft(self, texts: int, window: int) -> int:
        """Tokens of the longest proposal with which such a window holds every prompt."""
        left = window - PROMPT_MARGIN - self.task
        peers = left // (texts + 1)
        revision = (left - max(1, texts - 1) * self.critique) // 2
        last_word = (left - 2 * self.critique) // texts
        return min(peers, revision, last_word)


class Council(Options):
    """A role, the agents seated for it, and the options that hold where a task sets none.

    The `architect` decides where it is asked to; it sits on no other seat.
    """

    role: str
    agents: tuple[Agent, ...]
    rubric: str
    budgets: Budgets = Budgets()
    architect: Agent | None = None

    @property
    def id(self) -> str:
        """The council's name on the wire, `council-<role lower>`."""
        return f"council-{self.role.lower()}"


class GraphRules(Data):
    """What a graph of tasks must keep to, where a council is asked for one in place of a text.

    Its tasks are of these `roles`, at most `most_per_role` of each and `most` in all. One may come
    after another, directly or through others, only where its role does not stand before the
    other's in `order`; roles that are not in it are free. Tasks that are not to be done in
    `parallel` become one chain. A text may take so many `tokens`.
    """

    roles: tuple[str, ...]
    most_per_role: int = Field(ge=1)
    most: int = Field(ge=1)
    order: tuple[str, ...] = ()
    parallel: bool = True
    tokens: int = Field(ge=1)


NoteKind = Literal["update", "milestone", "decision"]
"""What a note of a story tells of."""


class Shown(Data):
    """Which notes of a story the agents are shown: of these kinds, and `most` of them.

    No kind stands for all of them, and no number for as many as there are.
    """

    kinds: tuple[NoteKind, ...] = ()
    most: int | None = Field(default=None, ge=1)


class Task(Options):
    """What a council is asked, after an edge has validated it once.

    `id` names the deliberation: the same id is the same deliberation. `context` holds every
    further field the asker sent; the agents see it as data. `timeout_s` are seconds of work, None
    for the server's cap.

    `seed` is what labels, orders and turns are drawn from, the id where it is empty. A fork has
    the seed of its `origin`, the deliberation it repeats in part: `without` some of its agents, or
    with all of them that have an engine on the pool `model`.

    With a `graph`, each text is to be a graph of tasks in JSON that keeps to it.
    `purpose` says what it is besides a deliberation. Of what is known of the story the agents are
    `shown` a part, or all where it is None. `temperature` and `top_p` hold for all agents that have
    an engine, and no text may take more than `answer_tokens`, where they are set.
    """

    id: str = Field(min_length=1, max_length=200)
    role: str
    text: str = Field(min_length=1)
    title: Written = ""
    rubric: Written = ""
    requirements: tuple[str, ...] = ()
    context: dict[str, JsonValue] = Field(default_factory=dict)
    timeout_s: float | None = Field(default=None, gt=0)
    story_id: str = ""
    plan_id: str = ""
    seed: str = ""
    origin: str = ""
    without: tuple[str, ...] = ()
    model: str = ""
    graph: GraphRules | None = None
    purpose: Literal["", "orchestration"] = ""
    case_id: str = ""
    shown: Shown | None = None
    temperature: float | None = Field(default=None, ge=0.0, le=2.0)
    top_p: float | None = Field(default=None, gt=0.0, le=1.0)
    answer_tokens: int | None = Field(default=None, ge=1)

    @property
    def salt(self) -> str:
        """What everything is drawn from that must not follow from who wrote what."""
        return self.seed or self.id


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

    @cached_property
    def id(self) -> str:
        """A hash of who is asked what: a resumed run matches by it, never by position."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:24]

    def reworded(self, messages: Sequence[Message]) -> Turn:
        """The same turn with another prompt, and so with another id, which a copy would keep."""
        fields = {name: getattr(self, name) for name in Turn.model_fields}
        return Turn(**(fields | {"messages": tuple(messages)}))


class Usage(Data):
    """Tokens of one or more turns.

    `cached` is the part of `prompt` the prefix cache served; `aborted` is what was generated by
    turns that were stopped, and is no part of `generated`.
    """

    prompt: int = 0
    cached: int = 0
    generated: int = 0
    aborted: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            prompt=self.prompt + other.prompt,
            cached=self.cached + other.cached,
            generated=self.generated + other.generated,
            aborted=self.aborted + other.aborted,
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

    text: Written = ""
    reasoning: Written = ""
    choices: tuple[LabelOdds, ...] = ()
    truncated: bool = False
    usage: Usage = Usage()


Speak = Callable[[Turn], Awaitable[Reply]]
"""How the algorithm reaches a model: a turn in, its reply out, SpeechFailed when it is hopeless."""


class Stopped(asyncio.CancelledError):
    """A cancelled turn, raised by a Speak that knows what it had cost until then."""

    def __init__(self, usage: Usage) -> None:
        super().__init__(usage)
        self.usage = usage


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

    `scores` are the voter's mean probabilities that a candidate beats another one, 0..1; out of
    a ranking they follow from the places. `approved` is how many of the first places the voter
    approves of, None in records from before it was kept. `consistency` is the share of pairs
    judged the same way in both orders of asking, `mass` the smallest share of probability that
    the labels held in any answer: both None where a ranking was asked for.
    """

    voter: str
    ranking: tuple[str, ...]
    scores: dict[str, float]
    consistency: float | None = None
    mass: float | None = None
    approved: int | None = None


class CondorcetStatus(StrEnum):
    """Whether one candidate beats every other one pairwise; a cycle is said, never broken."""

    WINNER = "winner"
    CYCLE = "cycle"
    TIE = "tie"
    UNOPPOSED = "unopposed"
    UNASKED = "unasked"  # there are no ballots


class Condorcet(Data):
    """The Condorcet winner, if there is one, and why not where there is none."""

    status: CondorcetStatus
    winner: str = ""
