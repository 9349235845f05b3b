"""Orchestrations and planning events from the command line; knows nothing of how they are done."""

from __future__ import annotations

from typing import Any, NamedTuple

from commands.deliberate import FLAGS, going_on, text_of
from commands.view import clean
from commands.watch import Form, Screen, conclude, follow, json_out
from conclave import BrokenOff, Client


class Order(NamedTuple):
    """An orchestration as the command line has it; None and empty are left to the server."""

    text: str
    role: str
    id: str
    title: str = ""
    rubric: str = ""
    require: tuple[str, ...] = ()
    story: str = ""
    case: str = ""
    plan: str = ""
    rounds: int | None = None
    review: bool = True
    architect: bool = True
    params: tuple[tuple[str, str], ...] = ()
    timeout: float | None = None

    def request(self) -> dict[str, Any]:
        """The body of the request, the text read from where it stands."""
        named = {
            "title": self.title,
            "rubric": self.rubric,
            "requirements": list(self.require),
            "story_id": self.story,
            "case_id": self.case,
            "plan_id": self.plan,
            "timeout_seconds": self.timeout,
        }
        options = {
            "enable_peer_review": self.review,
            "enable_architect_selection": self.architect,
            "custom_params": dict(self.params),
            **({} if self.rounds is None else {"deliberation_rounds": self.rounds}),
        }
        said = {name: value for name, value in named.items() if value not in (None, "", [])}
        asked = {"task_id": self.id, "role": self.role, "text": text_of(self.text)}
        return {**asked, **said, "options": options}

    def words(self, *flags: str) -> list[str]:
        """What follows `conclave orchestrate` to ask the same again."""
        named = {
            "role": self.role,
            "id": self.id,
            "title": self.title,
            "rubric": self.rubric,
            "story": self.story,
            "case": self.case,
            "plan": self.plan,
            "rounds": self.rounds,
            "timeout": self.timeout,
        }
        said = [f"--{name}={value}" for name, value in named.items() if value not in (None, "")]
        said += [f"--require={line}" for line in self.require]
        said += [f"--param={name}={value}" for name, value in self.params]
        said += ["--no-review"] * (not self.review) + ["--no-architect"] * (not self.architect)
        return [*said, *flags, "--", self.text]


def orchestrate(client: Client, order: Order, form: Form, screen: Screen) -> None:
    """Ask, stay until the decision and show it; whoever leaves before is told how to go on."""
    words = order.words(*FLAGS.get(form, ()))
    again = going_on("orchestrate", words, order.text, client.url)
    try:
        state = follow(client.stream_orchestration(order.request()), form, screen)
    except KeyboardInterrupt:
        left = "suspended, unless somebody else waits for it. To go on:"
        raise KeyboardInterrupt(f"{left}  {again}") from None
    except BrokenOff as broken:
        raise BrokenOff(f"{broken}. To go on:  {again}") from broken
    conclude(client, state, form, screen)


def hand_in(client: Client, event: dict[str, Any], key: str, form: Form, screen: Screen) -> None:
    """Hand in a planning event; one line for each deliberation that follows."""
    found = client.plan(event, key)
    if form is Form.JSON:
        json_out(screen, found.model_dump_json())
        return
    screen.err.print(clean(found.message), highlight=False, soft_wrap=True, markup=False)
    for id in found.derived_task_ids:
        screen.out.print(id, highlight=False, soft_wrap=True, markup=False)
