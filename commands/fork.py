"""Asking what a deliberation would have become otherwise; knows nothing of how that is done."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from commands.deliberate import FLAGS
from commands.hints import command
from commands.view import clean
from commands.watch import Form, NoDecision, Screen, follow, json_out, show_result
from conclave import BrokenOff, Client
from engine.data import Data
from engine.flips import Flip, compare
from engine.results import Result
from engine.transcript import fold


class Change(NamedTuple):
    """What is to be otherwise, as the command line has it; empty is as it was."""

    origin: str
    id: str
    without: tuple[str, ...] = ()
    policy: str = ""
    tally: str = ""
    model: str = ""

    def request(self) -> dict[str, Any]:
        """The body of the request."""
        said = {"without": self.without, "policy": self.policy, "tally": self.tally}
        fields = {**said, "model": self.model}
        return {"task_id": self.id, **{name: value for name, value in fields.items() if value}}

    def words(self) -> list[str]:
        """What follows `conclave fork` to ask the same again."""
        agents = [f"--without={agent}" for agent in self.without]
        named = {"policy": self.policy, "tally": self.tally, "model": self.model, "id": self.id}
        return [self.origin, *agents, *(f"--{name}={said}" for name, said in named.items() if said)]


class Forked(Data):
    """What became of a fork, and what of its origin's choice."""

    fork: Result
    flip: Flip


def fork(client: Client, change: Change, form: Form, screen: Screen) -> None:
    """Fork, stay until the decision, and show it and what flipped; NoDecision if it fails."""
    again = command("fork", *change.words(), *FLAGS.get(form, ()), url=client.url)
    try:
        state = follow(client.stream_fork(change.origin, change.request()), form, screen)
    except KeyboardInterrupt:
        left = "suspended, unless somebody else waits for it. To go on:"
        raise KeyboardInterrupt(f"{left}  {again}") from None
    except BrokenOff as broken:
        raise BrokenOff(f"{broken}. To go on:  {again}") from broken
    found = client.outcome(state)
    flip = compare(fold(client.watch(change.origin)), state)
    if form in (Form.JSON, Form.JSON_LINES):
        json_out(screen, Forked(fork=found, flip=flip).model_dump_json())
    else:
        show_result(found, form, screen)
        for line in _lines(change.origin, flip):
            screen.out.print(clean(line), highlight=False, soft_wrap=True, markup=False)
    if found.decision is None:
        raise NoDecision(f"{found.role}: no decision: {found.error_type}: {clean(found.error)}")


def _lines(origin: str, flip: Flip) -> Iterable[str]:
    turned = f"flipped: was {flip.was}, is {flip.now}" if flip.flipped else f"stands: {flip.now}"
    yield turned
    yield from (f"  {line}" for line in flip.why)
    yield f"  {flip.reused} turns taken over from {origin}, {flip.asked} asked"
