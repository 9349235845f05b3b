"""Following one deliberation to its end on the screen; knows nothing of who asked for it."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, auto
from typing import NamedTuple

from rich.console import Console

from commands.stage import by_a_moving_line, by_lines, on_a_board
from commands.summary import summary
from commands.view import clean
from conclave import Client
from engine.errors import ConclaveError
from engine.events import Record
from engine.results import Result
from engine.transcript import Transcript


class Form(Enum):
    """How a deliberation is shown while it goes on and when it has ended."""

    DECISION = auto()
    LIVE = auto()
    JSON = auto()
    JSON_LINES = auto()


class Screen(NamedTuple):
    """Where to write: `out` what was asked for, `err` what is said beside it."""

    out: Console
    err: Console

    def beside(self, form: Form) -> Console:
        """Where news of the connection go: never between lines of JSON."""
        return self.out if form is Form.LIVE else self.err


class NoDecision(ConclaveError):
    """A deliberation ended without a decision."""


def watch(client: Client, id: str, form: Form, screen: Screen) -> None:
    """Replay a deliberation and go on live until it ends; NoDecision if it fails."""
    try:
        state = follow(client.watch(id), form, screen)
    except KeyboardInterrupt:
        left = (
            "not watched any more; it goes on if it was detached or if somebody else waits for it"
        )
        raise KeyboardInterrupt(left) from None
    conclude(client, state, form, screen)


def follow(records: Iterable[Record], form: Form, screen: Screen) -> Transcript:
    """Show the records as they come; the state after the last one."""
    if form is Form.JSON_LINES:
        state = Transcript()
        for record in records:
            json_out(screen, record.model_dump_json())
            state.add(record.event, record.at)
        return state
    if form is Form.LIVE:
        show = on_a_board if screen.out.is_terminal else by_lines
        return show(records, screen.out)
    return by_a_moving_line(records, screen.err)


def conclude(client: Client, state: Transcript, form: Form, screen: Screen) -> None:
    """Show how it ended; NoDecision if it failed."""
    found = client.outcome(state)
    if form is not Form.JSON_LINES:
        show_result(found, form, screen)
    if found.decision is None:
        raise NoDecision(f"{found.role}: no decision: {found.error_type}: {clean(found.error)}")


def show_result(found: Result, form: Form, screen: Screen) -> None:
    """A result as JSON or for a reader."""
    if form is Form.JSON:
        json_out(screen, found.model_dump_json())
    else:
        if form is Form.LIVE:
            screen.out.print()
        screen.out.print(summary(found), highlight=False)


def json_out(screen: Screen, document: str) -> None:
    """One JSON document in one line, whatever the screen's width."""
    print(document, file=screen.out.file, flush=True)
