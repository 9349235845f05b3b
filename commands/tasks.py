"""The tasks of a plan, and what an agent sees of one, for a reader; decides nothing about them."""

from __future__ import annotations

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from commands.view import clean
from commands.watch import Form, Screen, json_out
from conclave import Client


def derive(client: Client, request: dict[str, Any], key: str, form: Form, screen: Screen) -> None:
    """Have a plan split, and show its tasks in an order in which they can be done."""
    found = client.derive(request, key)
    if form is Form.JSON:
        json_out(screen, found.model_dump_json())
        return
    places = {task.task_id: str(place) for place, task in enumerate(found.tasks, 1)}
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False)
    table.add_column("task", justify="right")
    table.add_column("role", style="bold", no_wrap=True)
    table.add_column("after", no_wrap=True)
    table.add_column("priority", justify="right")
    table.add_column("what", overflow="fold")
    for task in found.tasks:
        after = ", ".join(places[other] for other in task.dependencies)
        urgent = str(task.priority)
        what = Text(clean(task.description))
        table.add_row(places[task.task_id], task.role, after, urgent, what)
    screen.out.print(table)
    told = f", {found.published} asked of their councils" if found.published else ""
    line = f"{found.derivation_id}: {found.total_tasks} tasks of {clean(found.author_id)}{told}"
    screen.out.print(line, style="dim", highlight=False, soft_wrap=True, markup=False)


def context(client: Client, request: dict[str, Any], form: Form, screen: Screen) -> None:
    """Show what an agent sees, and what it takes."""
    found = client.context(request)
    if form is Form.JSON:
        json_out(screen, found.model_dump_json())
        return
    facts = f"{clean(found.agent_id)}: {found.token_count} tokens, hash {found.version_hash}"
    screen.out.print(facts, style="dim", highlight=False, soft_wrap=True, markup=False)
    screen.out.print(clean(found.context_text), highlight=False, soft_wrap=True, markup=False)
