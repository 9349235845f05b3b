"""Councils and agents created, changed and removed from the command line, and who sits where."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from commands.client import Client
from commands.view import clean
from commands.watch import Form, Screen, json_out

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
        for agent in found.get("agents", ()):
            screen.out.print(f"  {clean(str(agent))}", highlight=False, markup=False)


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
    _tell(client.register_agent(options.role, asked), form, screen)


def remove(client: Client, options: argparse.Namespace, form: Form, screen: Screen) -> None:
    """Leave a seat empty."""
    _tell(client.unregister_agent(options.role, options.id), form, screen)


def seats(client: Client, options: argparse.Namespace, form: Form, screen: Screen) -> None:
    """Who sits on which council, where each is asked, and how it is."""
    wanted = options.role.strip().upper()
    found = [each for each in client.councils() if wanted in ("", each.get("role"))]
    if form is Form.JSON:
        json_out(screen, json.dumps({each["role"]: each.get("seats", []) for each in found}))
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False)
    for name in ("council", "agent", "status", "asked at"):
        table.add_column(name, overflow="fold")
    for council in found:
        for seat in council.get("seats", ()):
            table.add_row(*_row(council, seat))
    screen.out.print(table)


def _row(council: Mapping[str, Any], seat: Mapping[str, Any]) -> tuple[Text, ...]:
    status = str(seat.get("status", "-"))
    place = seat.get("endpoint") or f"pool {seat.get('pool', '-')}"
    words = (council.get("role"), seat.get("agent_id"), status, place)
    first, second, third, last = (clean(str(word)) for word in words)
    return Text(first, style="bold"), Text(second), Text(third, STYLES.get(third, "")), Text(last)


def _tell(found: Mapping[str, Any], form: Form, screen: Screen) -> None:
    if form is Form.JSON:
        json_out(screen, json.dumps(found))
    else:
        line = clean(str(found.get("message", "done")))
        screen.out.print(line, highlight=False, markup=False, soft_wrap=True)
