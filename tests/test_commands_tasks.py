"""Claims about `conclave derive` and `conclave context`: what they send and what they show."""

import asyncio
import json

import pytest
from http_twin import Refusal, Twin

from cli import main
from conclave import AsyncClient, Client, ContextRequest, DerivationRequest
from engine.errors import NotDerived

Capture = pytest.CaptureFixture[str]


def test_the_tasks_of_a_plan_are_a_table(twin: Twin, capsys: Capture) -> None:
    """In their order, each with what it comes after; nothing in them steers the terminal."""
    assert main(["derive", "p-1", "--url", twin.url]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    rows = [line.split() for line in captured.out.splitlines()]
    assert ["1", "DEV", "1", "Build", "it"] in rows
    assert ["2", "QA", "1", "2", "Test", "it"] in rows
    assert "derivation-1: 2 tasks of agent-architect-002, 2 asked of their councils" in captured.out
    assert "\x1b" not in captured.out


def test_how_a_plan_is_to_be_split_is_sent(twin: Twin, capsys: Capture) -> None:
    """Each option has its field; the key goes with the request and not in it."""
    said = "--case c --role DEV --role QA --order DEV,QA --parallel --most 2 --publish --key k"
    assert main(["derive", "p-1", "--url", twin.url, "--json", *said.split()]) == 0
    assert json.loads(capsys.readouterr().out)["total_tasks"] == 2
    assert main(["derive", "p-1", "--url", twin.url]) == 0
    first, second = twin.asked
    assert first.headers["idempotency-key"] == "k"
    assert first.body == {
        "plan_id": "p-1",
        "case_id": "c",
        "roles": ["DEV", "QA"],
        "strategy": {
            "parallel_execution": True,
            "dependency_order": ["DEV", "QA"],
            "max_tasks_per_role": 2,
            "auto_publish_to_nats": True,
        },
    }
    assert "idempotency-key" not in second.headers
    assert DerivationRequest.model_validate(second.body) == DerivationRequest(plan_id="p-1")


def test_what_is_wrong_with_a_plan_is_one_line(twin: Twin, capsys: Capture) -> None:
    """The server's own."""
    twin.refusal = Refusal(422, "NotDerived", "d has no graph of tasks")
    assert main(["derive", "p-1", "--url", twin.url]) == 1
    assert capsys.readouterr().err == "conclave: d has no graph of tasks\n"


def test_what_an_agent_sees_is_shown_as_it_is(twin: Twin, capsys: Capture) -> None:
    """The whole text behind a line of figures; marks of a terminal are taken out of it."""
    assert main(["context", "t-1", "--url", twin.url]) == 0
    first, *text = capsys.readouterr().out.splitlines()
    assert first.startswith("agent-dev-001: 7 tokens, hash ")
    assert text[0] == "You sit"
    assert "\x1b" not in "".join(text)
    assert any(line.startswith("[bold]<task>") for line in text)


def test_whose_eyes_it_is_to_be_seen_with_is_sent(twin: Twin, capsys: Capture) -> None:
    """Each option has its field."""
    said = (
        "--role QA --agent a --phase vote --story s --timeline --decisions --summaries "
        "--max-events 3 --scope rubric --scope story"
    )
    assert main(["context", "t-1", "--url", twin.url, "--json", *said.split()]) == 0
    assert json.loads(capsys.readouterr().out)["token_count"] == 7
    assert main(["context", "--text", "x", "--role", "DEV", "--url", twin.url]) == 0
    first, second = (asked.body for asked in twin.asked)
    assert first == {
        "task_id": "t-1",
        "text": "",
        "role": "QA",
        "agent_id": "a",
        "phase": "vote",
        "story_id": "s",
        "options": {
            "include_timeline": True,
            "include_decisions": True,
            "include_summaries": True,
            "max_events": 3,
            "scopes": ["rubric", "story"],
        },
    }
    assert ContextRequest.model_validate(second) == ContextRequest(text="x", role="DEV")


def test_a_program_asks_the_same(twin: Twin) -> None:
    """With what is typed, or with a mapping; a refusal is the error that it was."""
    with Client(twin.url) as client:
        assert client.derive(DerivationRequest(plan_id="p-1"), "k").total_tasks == 2
        assert client.context({"task_id": "t-1"}).token_count == 7
    assert twin.asked[0].body == {"plan_id": "p-1"}
    assert twin.asked[0].headers["idempotency-key"] == "k"

    async def asked() -> tuple[int, int]:
        async with AsyncClient(twin.url) as client:
            derived = await client.derive({"plan_id": "p-1"})
            seen = await client.context(ContextRequest(task_id="t-1"))
            return derived.total_tasks, seen.token_count

    assert asyncio.run(asked()) == (2, 7)
    twin.refusal = Refusal(422, "NotDerived", "no graph")
    with Client(twin.url) as client, pytest.raises(NotDerived, match="no graph"):
        client.derive({"plan_id": "p-1"})


def test_a_derivation_is_waited_for_longer_than_other_answers(twin: Twin) -> None:
    """It is a deliberation: the time for a plain answer is no time for one."""
    twin.pace_s = 0.0
    with Client(twin.url, timeout_s=0.000_001) as client:
        assert client.derive({"plan_id": "p-1"}).total_tasks == 2
