"""A deliberation as it stands, and the end of one by hand; knows nothing of how it goes on."""

from __future__ import annotations

from commands.hints import command
from commands.watch import Form, Screen, show_result
from conclave import Client


def show(client: Client, id: str, form: Form, screen: Screen) -> None:
    """What is stored of a deliberation: its decision, or what there is of it so far."""
    show_result(client.read(id), form, screen)


def cancel(client: Client, id: str, form: Form, screen: Screen) -> None:
    """End a deliberation that goes on; what was written before stays readable."""
    found = client.cancel(id)
    if form is Form.JSON:
        show_result(found, form, screen)
        return
    line = f"{found.role}: cancelled. What was written stays: {command('show', id, url=client.url)}"
    screen.out.print(line, highlight=False, soft_wrap=True, markup=False)
