"""A deliberation replayed from its records, without any model; knows nothing of how it was run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from commands.view import clean
from commands.watch import Form, Screen, json_out
from conclave import Client
from engine.errors import ConclaveError, InvalidRequest, SetupError
from engine.events import Decided, Failed, Record
from engine.replay import Replay
from engine.replay import replay as replayed


class NotReproduced(ConclaveError):
    """The end of a deliberation does not follow from its records."""


def replay(client: Client, id: str, form: Form, screen: Screen) -> None:
    """Replay what the server has of a deliberation; NotReproduced if it ends otherwise."""
    if client.read(id).status not in ("completed", "failed"):
        raise InvalidRequest("id", f"{id!r} has not ended; there is nothing to reproduce yet")
    _show(id, client.watch(id), form, screen)


def replay_file(file: Path, form: Form, screen: Screen) -> None:
    """Replay the records of a file, a line each, as `watch --json` prints them."""
    try:
        lines = file.read_bytes().splitlines()
        records = [Record.model_validate_json(line) for line in lines if line.strip()]
    except OSError as error:
        what = f"{str(file)!r} cannot be read ({error.strerror})"
        raise SetupError(what, "Name a file of records") from error
    except ValidationError as error:
        raise SetupError(
            f"{str(file)!r} is no file of records, a JSON object a line",
            "Write one with `conclave watch ID --json`",
        ) from error
    _show(str(file), records, form, screen)


def _show(name: str, records: Iterable[Record], form: Form, screen: Screen) -> None:
    found = asyncio.run(replayed(list(records)))
    if form is Form.JSON:
        json_out(screen, found.model_dump_json())
    else:
        for line in _lines(found):
            screen.out.print(clean(line), highlight=False, soft_wrap=True, markup=False)
    if not found.reproduced:
        what = [*found.differences, *(f"would be asked: {turn}" for turn in found.asked)]
        raise NotReproduced(f"{clean(name)} is not reproduced: {clean('; '.join(what))}")


def _lines(found: Replay) -> Iterable[str]:
    if found.reproduced:
        yield f"reproduced: {_said(found.recorded)}"
    else:
        yield f"not reproduced: was {_said(found.recorded)}, is {_said(found.again)}"
    yield from (f"  {line}" for line in found.differences)
    yield from (f"  would be asked: {turn}" for turn in found.asked)
    if found.note:
        yield f"  {found.note}"


def _said(end: Decided | Failed) -> str:
    if isinstance(end, Decided):
        decision = end.decision
        return f"{decision.choice} by {decision.rule}, margin {decision.margin:.2f}"
    return f"no decision: {end.error_type}: {end.message}"
