"""The dead letters of a bus: a list, one whole, or the event of one once more."""

from __future__ import annotations

import asyncio
import base64
import codecs
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import NamedTuple

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from actors.deadletter import Letter, Letters
from commands.hints import command
from commands.reach import flags_of, reached
from commands.view import clean
from commands.watch import Form, Screen, json_out
from engine.config import BusConfig
from engine.errors import ConclaveError, InvalidRequest

ALL = 1_000_000
"""As many letters as a stream of events holds."""
SHOWN_BYTES = 4096
WIDE = 16
LISTED = 200
"""Characters of what was wrong in a list; `show` has all."""


class NotReplayed(ConclaveError):
    """Some of the letters that were to be replayed were not."""


class Chosen(NamedTuple):
    """Which letters are replayed: one by its place, or all of a kind; `again` the replayed too."""

    name: str = ""
    kind: str = ""
    again: bool = False


def list_letters(bus: BusConfig, limit: int, kind: str, form: Form, screen: Screen) -> None:
    """So many letters, newest first."""
    found = asyncio.run(_found(bus, limit, kind))
    if form is Form.JSON:
        json_out(screen, json.dumps([_document(letter) for letter in found]))
    elif found:
        screen.out.print(_table(found), highlight=False)
    else:
        screen.out.print("No dead letters" + (f" of kind {kind}" if kind else ""), highlight=False)


def show_letter(bus: BusConfig, name: str, form: Form, screen: Screen) -> None:
    """All there is of one letter, with the event's bytes as text, or as a dump where they are none.

    NotFound, InvalidRequest.
    """
    letter = asyncio.run(_one(bus, name))
    if form is Form.JSON:
        json_out(screen, json.dumps(_document(letter)))
        return
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for field, value in _fields(letter):
        table.add_row(field, Text(clean(value)))
    screen.out.print(table, highlight=False)
    screen.out.print()
    screen.out.print(Text(_bytes(letter)), soft_wrap=True, highlight=False)
    if not letter.replays:
        way = command("deadletter", "replay", _name(letter), *flags_of(bus))
        screen.out.print(Text(f"\nwhen its trouble is mended:  {way}", "dim"), soft_wrap=True)


def replay_letters(bus: BusConfig, chosen: Chosen, form: Form, screen: Screen) -> None:
    """Publish the events of letters once more; NotReplayed if one of several was not.

    NotFound, Conflict, InvalidRequest where the only one was not.
    """
    made, troubles = asyncio.run(_replayed(bus, chosen))
    if form is Form.JSON:
        json_out(screen, json.dumps([{"letter": name, "seq": seq} for name, seq in made]))
    else:
        for name, seq in made:
            stream = name.rpartition("/")[0]
            screen.out.print(f"{name} is on the bus again as {stream}/{seq}", highlight=False)
        if not made and not troubles:
            screen.out.print("Nothing to replay", highlight=False)
    if troubles:
        more = f", and {len(troubles) - 1} more" if len(troubles) > 1 else ""
        raise NotReplayed(f"not replayed: {troubles[0]}{more}")


@asynccontextmanager
async def _letters(bus: BusConfig) -> AsyncIterator[Letters]:
    async with reached(bus) as client:
        yield Letters(client)


async def _found(bus: BusConfig, limit: int, kind: str) -> list[Letter]:
    async with _letters(bus) as letters:
        found = await letters.all(ALL if kind else limit)
    return [letter for letter in found if kind in ("", letter.kind)][:limit]


async def _one(bus: BusConfig, name: str) -> Letter:
    place = _place(name)
    async with _letters(bus) as letters:
        return await letters.one(*place)


async def _replayed(bus: BusConfig, chosen: Chosen) -> tuple[list[tuple[str, int]], list[str]]:
    """What was replayed, with its new sequence, and why others were not."""
    if chosen.name:
        place = _place(chosen.name)
        async with _letters(bus) as letters:
            return [(chosen.name, await letters.replay(*place, again=chosen.again))], []
    made: list[tuple[str, int]] = []
    troubles: list[str] = []
    async with _letters(bus) as letters:
        found = [each for each in await letters.all(ALL) if each.kind == chosen.kind]
        for letter in reversed(found):  # in the order in which they came
            if letter.replays and not chosen.again:
                continue
            try:
                seq = await letters.replay(letter.stream, letter.seq, again=chosen.again)
            except ConclaveError as trouble:
                troubles.append(str(trouble))
            else:
                made.append((_name(letter), seq))
    return made, troubles


def _place(name: str) -> tuple[str, int]:
    """The stream and the sequence in the name of a letter."""
    stream, _, seq = name.rpartition("/")
    if not stream or not seq.isdecimal():
        raise InvalidRequest(name, "is no letter; `conclave deadletter list` names them STREAM/SEQ")
    return stream, int(seq)


def _name(letter: Letter) -> str:
    return f"{letter.stream}/{letter.seq}"


def _table(letters: Sequence[Letter]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False)
    table.add_column("when", no_wrap=True)
    table.add_column("letter, subject", overflow="fold")
    table.add_column("what was wrong", overflow="fold", ratio=1)
    for letter in letters:
        wrong = Text(_line(f"{letter.kind} at {letter.where}: {letter.what}"))
        wrong.stylize("yellow", 0, len(_line(letter.kind)))
        if letter.replays:
            wrong.append(f"\nreplayed as {letter.replays[-1].seq}", "dim")
        named = Text.assemble((_name(letter), "bold"), "\n", (_line(letter.subject), "dim"))
        table.add_row(_when(letter.at), named, wrong)
    return table


def _line(text: str) -> str:
    """A text that anybody may have written, on one line of bounded length."""
    line = " ".join(clean(text).split())
    return line if len(line) <= LISTED else f"{line[:LISTED]}..."


def _fields(letter: Letter) -> list[tuple[str, str]]:
    clipped = ", of which the letter holds the beginning" if letter.clipped else ""
    fields = [
        ("letter", _name(letter)),
        ("when", _when(letter.at)),
        ("subject", letter.subject),
        ("kind", letter.kind),
        ("where", letter.where),
        ("what", letter.what),
        ("deliveries", str(letter.deliveries)),
        ("sha256", letter.sha256),
        *((f"header {key}", value) for key, value in letter.headers.items()),
        *(("replayed", f"{_when(each.at)} as {each.seq}") for each in letter.replays),
        ("size", f"{letter.size:,} bytes{clipped}"),
    ]
    return [(clean(field), value) for field, value in fields]


def _bytes(letter: Letter) -> str:
    data = base64.b64decode(letter.data)[:SHOWN_BYTES]
    more = "" if len(data) == letter.size else f"\n... {letter.size - len(data):,} bytes more"
    decoder = codecs.getincrementaldecoder("utf-8")()  # the cut may divide a character
    try:
        text = decoder.decode(data, final=not more)
    except UnicodeDecodeError:
        return _dump(data) + more
    return (text if clean(text) == text.strip("\n") else _dump(data)) + more


def _dump(data: bytes) -> str:
    """Bytes that are no text, as a terminal can show them."""
    lines = []
    for start in range(0, len(data), WIDE):
        row = data[start : start + WIDE]
        shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        lines.append(f"{start:08x}  {row.hex(' '):<{WIDE * 3 - 1}}  {shown}")
    return "\n".join(lines)


def _document(letter: Letter) -> dict[str, object]:
    replays = [replay.model_dump() for replay in letter.replays]
    return {**letter.model_dump(), "replays": replays}


def _when(at: float) -> str:
    return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M:%S")
