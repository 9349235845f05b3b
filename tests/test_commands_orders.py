"""Claims about the commands `orchestrate` and `event`."""

import json
from io import BytesIO, StringIO, TextIOWrapper
from typing import Any

import pytest
from http_twin import Twin
from rich.console import Console

from cli import main
from commands.orders import Order, orchestrate
from commands.watch import Form, Screen
from conclave import BrokenOff, Client
from engine.options import Decide
from engine.planning import task_id
from engine.posted import PRODUCER

Capture = pytest.CaptureFixture[str]
ARCHITECT = "agent-dev-architect"


def test_an_orchestration_is_asked_for_and_shown(twin: Twin, capsys: Capture) -> None:
    """Everything that is said reaches the task, and the decision comes back."""
    said = ["orchestrate", "Clock", "--role", "dev", "--id", "x", "--case", "c", "--plan", "p"]
    assert main([*said, "--story", "s", "--rounds", "2", "--param", "k=2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["task_id"], found["status"]) == ("x", "completed")
    task = twin.tasks["x"]
    assert (task.case_id, task.plan_id, task.story_id) == ("c", "p", "s")
    assert (task.purpose, task.rounds, task.shortlist) == ("orchestration", 2, 2)
    assert task.decide is Decide.ARCHITECT
    assert next(each.call for each in twin.asked) == "POST /v1/orchestrations"


def test_review_and_architect_can_be_left_out(twin: Twin, capsys: Capture) -> None:
    """Each by its switch; else both take part."""
    assert main(["orchestrate", "Clock", "--role", "dev", "--id", "x"]) == 0
    assert main(["orchestrate", "Clock", "--role", "dev", "--id", "y", "--no-review"]) == 0
    assert main(["orchestrate", "Clock", "--role", "dev", "--id", "z", "--no-architect"]) == 0
    rounds = [twin.tasks[id].rounds for id in "xyz"]
    assert rounds == [None, 0, None]
    assert [twin.tasks[id].decide for id in "xz"] == [Decide.ARCHITECT, Decide.BALLOTS]
    assert "DEV" in capsys.readouterr().out


def test_what_it_is_judged_by_is_said_as_for_a_deliberation(twin: Twin) -> None:
    """Rubric and requirements reach the task."""
    said = ["orchestrate", "Clock", "--role", "dev", "--id", "x", "--rubric", "Brief"]
    assert main([*said, "--require", "No services", "--require", "-1 is right"]) == 0
    task = twin.tasks["x"]
    assert (task.rubric, task.requirements) == ("Brief", ("No services", "-1 is right"))


def test_an_orchestration_can_be_watched(twin: Twin, capsys: Capture) -> None:
    """As any deliberation: the architect's choice is among what is told."""
    said = ["orchestrate", "Clock", "--role", "dev", "--watch", "--json"]
    assert main(said) == 0
    kinds = [json.loads(line)["event"]["kind"] for line in capsys.readouterr().out.splitlines()]
    assert "judged" in kinds


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--role", "chef"], "no council 'CHEF'"),
        (["--role", "dev", "--param", "x=1"], "options.custom_params.x: is no parameter"),
        (
            ["--role", "dev", "--rounds", "1", "--no-review"],
            "options.deliberation_rounds: 1 rounds",
        ),
    ],
)
def test_what_cannot_be_done_is_one_line(
    twin: Twin, capsys: Capture, words: list[str], says: str
) -> None:
    """The server's own."""
    assert main(["orchestrate", "Clock", *words]) == 1
    err = capsys.readouterr().err
    assert err.startswith("conclave: ")
    assert says in err


def test_a_break_is_told_with_the_way_to_go_on(twin: Twin, capsys: Capture) -> None:
    """The whole command, which asks the same again."""
    twin.cuts = [(3, None)] * 2
    out, err = Console(file=StringIO()), Console(file=StringIO(), width=500)
    order = Order("Clock", "dev", "x", review=False, params=(("k", "2"),))
    said = "orchestrate --role=dev --id=x --param=k=2 --no-review -- Clock"
    with (
        Client(twin.url, err.print, pauses_s=(0.0,)) as client,
        pytest.raises(BrokenOff, match=f"To go on:  conclave {said}$"),
    ):
        orchestrate(client, order, Form.DECISION, Screen(out, err))
    assert main(said.split()) == 0


def test_a_break_of_what_was_read_and_watched_is_gone_on_with_alike(
    twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the same form; the text has to come once more, and all that was said with it."""
    twin.cuts = [(3, None)] * 2
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(b"Clock")))
    out, err = Console(file=StringIO()), Console(file=StringIO(), width=500)
    order = Order("-", "dev", "x", rubric="Brief", require=("No services",))
    said = "--role=dev --id=x --rubric=Brief '--require=No services' --watch --json -- -"
    with (
        Client(twin.url, err.print, pauses_s=(0.0,)) as client,
        pytest.raises(BrokenOff, match=f"{said}  .with the same text on its standard input.$"),
    ):
        orchestrate(client, order, Form.JSON_LINES, Screen(out, err))


def test_an_event_is_handed_in(twin: Twin, capsys: Capture) -> None:
    """One id a line; as JSON the whole answer; the key is the event's."""
    said = ["event", "plan.approved", "--story", "s", "--plan", "p", "--with", "roles=DEV,QA"]
    assert main([*said, "--key", "k"]) == 0
    ids = [task_id(PRODUCER, "k", role) for role in ("DEV", "QA")]
    assert capsys.readouterr().out.split() == ids
    assert main([*said, "--key", "k", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["derived_task_ids"] == ids
    body: dict[str, Any] = twin.asked[0].body
    assert (body["case_id"], body["metadata"]) == ("s", {"roles": "DEV,QA"})
    moved = ["event", "story.transitioned", "--story", "s", "--from", "DESIGN", "--to", "BUILD"]
    assert main(moved) == 0
    assert capsys.readouterr().out.startswith("dev-")


def test_an_event_that_means_nothing_is_one_line(twin: Twin, capsys: Capture) -> None:
    """Refused before anything is on the bus."""
    assert main(["event", "plan.approved", "--story", "s"]) == 1
    assert "plan_id: " in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["event", "plan.approved", "--story", "s", "--with", "roles"])
    assert "is no NAME=VALUE" in capsys.readouterr().err
