"""What an agent outside the engine is told and what it answers; knows nothing of the bus.

Its answer is read leniently and trusted in nothing: whatever it holds becomes a text, odds, or a
reply that cannot be used.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, JsonValue

from engine.arrival import Arrival
from engine.brief import clip
from engine.config import OutsideAgent
from engine.errors import InvalidEvent
from engine.inbound import inbound, understood
from engine.lenient import Id, Plain, Text
from engine.types import ChoiceForm, Count, Form, JsonForm, LabelOdds, Reply, Task, Turn

ASKED = "agent.request.agent"
ANSWERED = "agent.response"
LONGEST_ERROR = 500
"""Characters of what an agent says about why it cannot answer."""


class _Response(BaseModel):
    """What all responses say: which request this is about and who speaks."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    task_id: Id
    agent_id: Id


class Completed(_Response):
    """The answer, as a text in `proposal` or as anything in `output`."""

    proposal: JsonValue = None
    output: JsonValue = None


class Failed(_Response):
    """There will be no answer."""

    error: Text = ""
    error_type: Plain = ""

    @property
    def reason(self) -> str:
        """Why, in one line of bounded length."""
        said = ": ".join(filter(None, (self.error_type, self.error))) or "it does not say why"
        return "".join(c for c in " ".join(said.split()) if c.isprintable())[:LONGEST_ERROR]


def _percent(value: object) -> object:
    """Nothing is as good as a number: no use is made of it but as a sign of life."""
    return 0.0 if value is None else value


class Progress(_Response):
    """A sign of life."""

    progress_pct: Annotated[float, BeforeValidator(_percent)] = 0.0
    message: Text = ""


Response = Completed | Failed | Progress
KINDS: Mapping[str, type[Response]] = {
    f"{ANSWERED}.{kind.__name__.lower()}": kind for kind in (Completed, Failed, Progress)
}


def response(arrival: Arrival, max_bytes: int) -> Response:
    """Read a response of any of the three shapes, or raise InvalidEvent for good."""
    kind = KINDS.get(arrival.subject)
    if kind is None:
        known = ", ".join(KINDS)
        raise InvalidEvent("unknown_subject", "subject", f"{arrival.subject!r}; known: {known}")
    event = inbound(arrival, arrival.subject.rpartition(".")[2], max_bytes)
    return understood(kind, event.payload)


def request(turn: Turn, task: Task, agent: OutsideAgent) -> dict[str, JsonValue]:
    """A turn as an agent outside is told it; `task_description` alone says all that is needed."""
    said = [message.content for message in turn.messages]
    return {
        "task_id": turn.id,
        "agent_id": agent.id,
        "task_description": "\n\n".join((*said, _how_to_answer(turn))),
        "role": task.role,
        "story_id": task.story_id,
        "plan_id": task.plan_id,
        "deliberation": task.id,
        "phase": turn.phase.value,
        "round": turn.round,
        "messages": [message.model_dump(mode="json") for message in turn.messages],
        "form": turn.form.model_dump(mode="json"),
        "max_tokens": turn.max_tokens,
        "answer_within_s": agent.answer_within_s,
        "silent_after_s": agent.silent_after_s,
    }


def _how_to_answer(turn: Turn) -> str:
    where = f"Answer on {ANSWERED}.completed, with this task_id and agent_id and your answer as "
    match turn.form:
        case JsonForm():
            schema = json.dumps(turn.form.json_schema, ensure_ascii=False)
            return f'{where}"output": JSON of this schema: {schema}'
        case ChoiceForm():
            labels = " or ".join(turn.form.labels)
            questions = "\n".join(turn.form.questions)
            return f'{where}"output": a list with {labels} for each of these:\n{questions}'
        case _:
            return f'{where}"proposal": a text of at most {turn.max_tokens} tokens.'


def reply(form: Form, said: Completed) -> Reply:
    """The answer as a reply of the form; what cannot be one is shown to the reader of the reply.

    No tokens are counted: none of our engines generated any.
    """
    first, second = said.output, said.proposal
    if form.kind == "text":
        first, second = second, first
    answer = second if first is None else first
    if isinstance(form, ChoiceForm):
        return Reply(text=_shown(answer), choices=_choices(form, answer))
    if isinstance(form, JsonForm):
        return Reply(text=_shown(answer))
    return Reply(text=_shown(_content(answer)))


def clipped(reply: Reply, max_tokens: int, count: Count) -> Reply:
    """The reply with a text that is too long for its turn cut, which is marked in it and noted."""
    text, tokens = clip(reply.text, max_tokens, count)
    if tokens <= max_tokens or reply.choices:
        return reply
    return reply.model_copy(update={"text": text, "truncated": True})


def _content(answer: JsonValue) -> JsonValue:
    """A proposal may come as the outbound events show one, with its text as `content`."""
    return answer.get("content", answer) if isinstance(answer, dict) else answer


def _shown(answer: JsonValue) -> str:
    if answer is None or isinstance(answer, str):
        return answer or ""
    return json.dumps(answer, ensure_ascii=False)


def _choices(form: ChoiceForm, answer: JsonValue) -> tuple[LabelOdds, ...]:
    """Odds for each question, or none at all where one of them cannot be read."""
    if isinstance(answer, str):
        try:
            answer = json.loads(answer)
        except (ValueError, RecursionError):
            return ()
    if not isinstance(answer, list) or len(answer) != len(form.questions):
        return ()
    found = [_odds(form.labels, each) for each in answer]
    return tuple(odds for odds in found if odds is not None) if None not in found else ()


def _odds(labels: tuple[str, ...], answer: JsonValue) -> LabelOdds | None:
    """One label stands for certainty; else each label's probability, any missing one being 0."""
    if isinstance(answer, str | int) and not isinstance(answer, bool):
        answer = {str(answer).strip(): 1.0}
    if not isinstance(answer, dict) or not answer.keys() <= {*labels}:
        return None
    chances = {label: answer.get(label, 0.0) for label in labels}
    given = {k: v for k, v in chances.items() if isinstance(v, int | float) and 0 <= v <= 1}
    mass = math.fsum(given.values())
    if len(given) < len(labels) or mass <= 0:
        return None
    return LabelOdds(odds={k: v / mass for k, v in given.items()}, mass=min(mass, 1.0))
