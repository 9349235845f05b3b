"""The streams, buckets and durables of a bus, compared with what they should be, or made so."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence

from nats.js import JetStreamContext
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from actors.bus import place
from actors.drift import Standing
from actors.provision import applied, examined
from commands.reach import reached
from commands.view import clean
from commands.watch import Form, Screen, json_out
from engine.config import BusConfig
from engine.errors import ConclaveError

Ask = Callable[[JetStreamContext, BusConfig], Awaitable[list[Standing]]]


class Unsound(ConclaveError):
    """Something on the bus is missing or differs."""


def check(bus: BusConfig, form: Form, screen: Screen) -> None:
    """Tell how each thing stands; Unsound if one is not as it should be."""
    found = asyncio.run(_asked(bus, examined))
    _show(found, form, screen, done=False)
    if unsound := [one for one in found if not one.sound]:
        raise Unsound(
            f"{len(unsound)} of {len(found)} at {place(bus.url)} are not as they should be; "
            "`conclave streams apply` makes them so"
        )


def apply(bus: BusConfig, form: Form, screen: Screen) -> None:
    """Make everything as it should be, and tell what was not; SetupError where that is refused."""
    changed = asyncio.run(_asked(bus, applied))
    if changed or form is Form.JSON:
        _show(changed, form, screen, done=True)
        return
    line = f"Nothing to do: all at {place(bus.url)} is as it should be"
    screen.out.print(line, highlight=False, soft_wrap=True)


async def _asked(bus: BusConfig, ask: Ask) -> list[Standing]:
    async with reached(bus) as client:
        return await ask(client.streams(), bus)


def _show(found: Sequence[Standing], form: Form, screen: Screen, *, done: bool) -> None:
    """A row each: how it stands, or what was done about it."""
    if form is Form.JSON:
        json_out(screen, json.dumps([one.model_dump() for one in found]))
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False)
    table.add_column("what", style="dim", no_wrap=True)
    table.add_column("name", overflow="fold")
    table.add_column("changed" if done else "state", overflow="fold")
    for one in found:
        table.add_row(one.what, Text(clean(one.name)), _made(one) if done else _state(one))
    screen.out.print(table, highlight=False)


def _state(one: Standing) -> Text:
    if one.sound:
        return Text("ok", "green")
    if one.missing:
        return Text("missing", "red")
    return Text(clean("\n".join(map(str, one.drifts))), "yellow")


def _made(one: Standing) -> Text:
    return Text("created") if one.missing else Text(clean("\n".join(map(str, one.drifts))))
