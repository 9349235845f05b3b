"""Councils and agents created, changed and removed from the command line, and who sits where."""

from __future__ import annotations

import argparse
import json

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from commands.view import clean
from commands.watch import Form, Screen, json_out
from conclave import Client
from edges.views import Changed, Created, Deleted, SeatInfo

STYLES = {"ready": "green", "busy": "cyan", "offline": "red"}


def create(client: Client, options: argparse.Namespace, form: Form, screen: Screen) -> None:
    """Create a council and say who sits on it."""
    asked = {
        "role": options.role,
        "num_agents": options.agents,
        "deliberation_rounds": options.rounds,
        "enable_peer_review": options.review,
        "model_profile": options.model,
        "custom_params": dict(options.set),
    }
    found = client.create_council(asked)
    _tell(found, form, screen)
    if form is not Form.JSON:
        for agent in found.agents:
            screen.out.print(f"  {clean(agent)}", highlight=False, markup=False)


def delete(client: Client, options: argparse.Namespace, form: Form, screen: Screen) -> None:
    """Have a council take no new work."""
    _tell(client.delete_council(options.role), form, screen)


def add(client: Client, options: argparse.Namespace, form: Form, screen: Screen) -> None:
    """Seat an agent."""
    said = {
        "persona": options.persona,
        "model": options.model if options.endpoint else "",
        "api_key_env": options.key_env,
        "answer_within_s": options.within,
    }
    told = {
        "model_profile": "" if options.endpoint else options.model,
        "max_concurrent_tasks": options.at_once,
    }
    asked = {
        "agent_id": options.id,
        "endpoint": options.endpoint,
        "capabilities": told,
        "metadata": {**dict(options.label), **{k: v for k, v in said.items() if v}},
    }
    _tell(client.register(options.role, asked), form, screen)


def remove(client: Client, options: argparse.Namespace, form: Form, screen: Screen) -> None:
    """Leave a seat empty."""
    _tell(client.unregister(options.role, options.id), form, screen)


def seats(client: Client, options: argparse.Namespace, form: Form, screen: Screen) -> None:
    """Who sits on which council, where each is asked, and how it is."""
    wanted = options.role.strip().upper()
    found = [each for each in client.councils() if wanted in ("", each.role)]
    if form is Form.JSON:
        told = {each.role: [seat.model_dump(mode="json") for seat in each.seats] for each in found}
        json_out(screen, json.dumps(told))
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False)
    for name in ("council", "agent", "status", "asked at"):
        table.add_column(name, overflow="fold")
    for council in found:
        for seat in council.seats:
            table.add_row(*_row(council.role, seat))
    screen.out.print(table)


def _row(role: str, seat: SeatInfo) -> tuple[Text, ...]:
    place = clean(seat.endpoint or f"pool {seat.pool}")
    status = Text(seat.status, STYLES[seat.status])
    return Text(clean(role), style="bold"), Text(clean(seat.agent_id)), status, Text(place)


def _tell(found: Created | Deleted | Changed, form: Form, screen: Screen) -> None:
    if form is Form.JSON:
        json_out(screen, found.model_dump_json())
    else:
        screen.out.print(clean(found.message), highlight=False, markup=False, soft_wrap=True)
