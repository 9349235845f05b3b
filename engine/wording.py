"""The name of the wording of all prompts, so that an upgrade is noticed; asks nobody."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache

from engine import prompts, taskgraph, votes
from engine.events import Brief
from engine.options import BallotForm
from engine.transcript import Proposal
from engine.types import Agent, Council, GraphRules, Message


@cache
def wording() -> str:
    """A hash of every prompt and form on a sample."""
    said = [message.content for message in _messages()]
    forms = [
        prompts.CRITIQUE_FORM,
        taskgraph.form(_GRAPH),
        _DOCKET.form,
        *(_sheet(form).form for form in BallotForm),
    ]
    said += [form.model_dump_json() for form in forms]
    return hashlib.sha256("\0".join(said).encode()).hexdigest()[:12]


_AGENT = Agent(id="a", role="R", persona="P", pool="p")
_BRIEF = Brief(text="T", title="T", fence="F", prompts="", clipped=())
_COUNCIL = Council(role="R", agents=(_AGENT,), rubric="R")
_GRAPH = GraphRules(roles=("R",), most_per_role=1, most=2, tokens=1)
_TEXTS = {
    name: Proposal(author=name, round=0, text="T", truncated=False, at=0.0) for name in ("a", "b")
}
_DOCKET = votes.Docket(
    authors=("a", "b"), shortlist=("a", "b"), rule="R", scores=(1.0, 0.0), objections=("I",)
)


def _sheet(ballot: BallotForm) -> votes.Sheet:
    return votes.sheet(("a", "b"), 0, ballot)


def _messages() -> Iterator[Message]:
    first = prompts.draft(_BRIEF, _AGENT, _COUNCIL)
    yield from first
    yield from prompts.draft(_BRIEF, _AGENT, _COUNCIL, graph=True)
    for text in _TEXTS.values():
        yield from prompts.critique(_BRIEF, _AGENT, text)
    yield from prompts.critique(_BRIEF, _AGENT, _TEXTS["a"], probe=True)
    for issues in ((), ("I",)):
        yield from prompts.revise(first, _BRIEF, _TEXTS["a"], issues)
        yield from prompts.rewrite(_BRIEF, _AGENT, _TEXTS, issues)
    yield from prompts.merge(_BRIEF, _AGENT, _TEXTS)
    for ballot in BallotForm:
        yield from votes.vote(_BRIEF, _AGENT, _sheet(ballot), _TEXTS)
    yield from votes.judge(_BRIEF, _AGENT, _DOCKET, _TEXTS)
    yield from prompts.again(first, "R")
