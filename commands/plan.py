"""Approving a plan from the command line: on the bus it goes, and its decisions are awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from commands.hints import command
from commands.plans import follow, publish, read_plan, understood
from commands.summary import EXCERPT_LINES, summary
from commands.view import Row, clean
from commands.watch import Form, NoDecision, Screen, json_out
from conclave import Client, Unreachable
from engine.planning import SUBJECT, PlanApproved, tasks
from engine.results import Result, result
from engine.types import Task


def plan(client: Client, file: Path, bus: str, form: Form, screen: Screen) -> None:
    """Publish the event in `file` and follow its deliberations; NoDecision if one fails.

    `bus` is asked of the engine where it is empty.
    """
    data = read_plan(file)
    url = bus or client.status().bus.url
    roles = _roles(client, understood(data, 1), bus)
    tasks(understood(data, 1), roles)  # an unknown role is said before anything is published
    event = asyncio.run(publish(url, data, "conclave-cli"))
    asked = tasks(event, roles)
    found = _followed(url, asked, _announced(event, asked, client, form, screen), screen, form)
    for one in found:
        if form is Form.JSON:
            json_out(screen, one.model_dump_json())
        else:
            screen.out.print(summary(one, EXCERPT_LINES), highlight=False)
    if failed := [one for one in found if one.decision is None]:
        why = ", ".join(f"{one.role} ({one.error_type}: {clean(one.error)})" for one in failed)
        raise NoDecision(f"no decision of {why}")


def _announced(
    event: PlanApproved, asked: Sequence[Task], client: Client, form: Form, screen: Screen
) -> str:
    """Say what was published and where each decision can be found; the commands in one line."""
    ways = [command("watch", task.id, url=client.url) for task in asked]
    if form is not Form.JSON:
        title = clean(event.plan.title or event.plan.plan_id)
        screen.out.print(Text.assemble(f"Published on {SUBJECT}: ", (title, "bold"), "\n"))
        for task, way in zip(asked, ways, strict=True):
            screen.out.print(Text(f"  {task.role:10} {way}", "dim"), soft_wrap=True)
    return ways[0]


def _followed(
    url: str, asked: Sequence[Task], way: str, screen: Screen, form: Form
) -> list[Result]:
    """How each deliberation ended, shown while they go on."""
    console = screen.err if form is Form.JSON else screen.out
    try:
        rows: list[Row] = asyncio.run(follow(url, asked, console))
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"the plan is worked on without us; see:  {way}") from None
    return [result(row.state) for row in rows]


def _roles(client: Client, event: PlanApproved, bus: str) -> tuple[str, ...]:
    """The councils there are; who names the bus may do without an engine that can be asked."""
    try:
        return tuple(council.role for council in client.councils())
    except Unreachable:
        if not bus or not event.plan.roles:
            raise
        return event.plan.roles
