"""Asking a council and waiting for its decision, or not; knows nothing of how it is shown."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from commands.asking import words
from commands.hints import command
from commands.watch import Form, Screen, conclude, follow, json_out
from conclave import BrokenOff, Client
from engine.errors import SetupError


class Ask(NamedTuple):
    """What is asked, as the command line has it; None and empty are left to the server.

    `how` are the set ones of Options by name, unchecked: the server says what is wrong with them.
    """

    text: str
    role: str
    id: str
    title: str = ""
    rubric: str = ""
    require: tuple[str, ...] = ()
    story: str = ""
    timeout: float | None = None
    how: Mapping[str, Any] = MappingProxyType({})

    def request(self) -> dict[str, Any]:
        """The body of the request, the text read from where it stands."""
        fields = {
            "title": self.title,
            "rubric": self.rubric,
            "requirements": list(self.require),
            "story_id": self.story,
            "timeout_seconds": self.timeout,
            **self.how,
        }
        named = {name: value for name, value in fields.items() if value not in (None, "", [])}
        return {"task_id": self.id, "role": self.role, "text": text_of(self.text), **named}

    def words(self, *flags: str) -> list[str]:
        """What follows `conclave deliberate` to ask the same again."""
        options: list[tuple[str, object]] = [
            ("--role", self.role),
            ("--id", self.id),
            ("--title", self.title),
            ("--rubric", self.rubric),
            *(("--require", line) for line in self.require),
            ("--story", self.story),
            ("--timeout", self.timeout),
        ]
        said = [option for option in options if option[1] not in (None, "")] + words(self.how)
        given = [word for name, value in said for word in _option(name, value)]
        if self.text.startswith("-") and self.text != "-":
            return [*given, *flags, "--", self.text]
        return [self.text, *given, *flags]


def deliberate(client: Client, ask: Ask, form: Form, screen: Screen) -> None:
    """Ask, stay until the decision and show it; whoever leaves before is told how to go on."""
    request = ask.request()
    words = ask.words(*FLAGS.get(form, ()))
    again = going_on("deliberate", words, ask.text, client.url)
    try:
        state = follow(client.stream(request), form, screen)
    except KeyboardInterrupt:
        left = "suspended, unless somebody else waits for it. To go on:"
        raise KeyboardInterrupt(f"{left}  {again}") from None
    except BrokenOff as broken:
        raise BrokenOff(f"{broken}. To go on:  {again}") from broken
    conclude(client, state, form, screen)


def detach(client: Client, ask: Ask, form: Form, screen: Screen) -> None:
    """Ask and leave: it runs to its end by itself."""
    found = client.accept(ask.request())
    if form is Form.JSON:
        json_out(screen, found.model_dump_json())
        return
    screen.out.print(found.task_id, highlight=False, soft_wrap=True, markup=False)
    for what in ("watch", "show", "cancel"):
        line = command(what, found.task_id, url=client.url)
        screen.err.print(f"  {line}", highlight=False, soft_wrap=True, markup=False)


def new_id() -> str:
    """An id of our own choice: so it is known whatever becomes of the connection."""
    return str(uuid.uuid4())


def text_of(said: str) -> str:
    """TEXT itself, what stands in the file of @FILE, or standard input for `-`."""
    if said == "-":
        return _decoded(sys.stdin.buffer.read(), "standard input")
    if not said.startswith("@"):
        return said
    try:
        return _decoded(Path(said[1:]).read_bytes(), said[1:])
    except OSError as error:
        what = f"{said[1:]!r} cannot be read ({error.strerror})"
        raise SetupError(what, "Name a text file after the @, or give the text itself") from error


def _decoded(data: bytes, where: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise SetupError(f"{where} is no UTF-8 text", "Give it as UTF-8") from error


def _option(name: str, value: object) -> list[str]:
    """An option as it is typed; a value with a dash in front would be taken for an option."""
    said = str(value)
    if not said:
        return [name]
    return [f"{name}={said}"] if said.startswith("-") else [name, said]


FLAGS = {Form.LIVE: ("--watch",), Form.JSON: ("--json",), Form.JSON_LINES: ("--watch", "--json")}
"""What shows it in the same form."""


def going_on(name: str, words: Sequence[str], text: str, url: str) -> str:
    """The command that goes on; what came by standard input has to come once more."""
    line = command(name, *words, url=url)
    return f"{line}  (with the same text on its standard input)" if text == "-" else line
