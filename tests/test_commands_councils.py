"""Claims about the commands `councils` and `agents`: what they send and what they say."""

import json
from typing import Any

import pytest
from http_twin import Twin

from cli import main

Capture = pytest.CaptureFixture[str]


def said(capsys: Capture) -> str:
    """What is on standard output, with nothing said beside it."""
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def sent(twin: Twin) -> tuple[str, dict[str, Any]]:
    """The last request."""
    return twin.asked[-1].call, twin.asked[-1].body


def test_a_council_is_created_and_deleted(twin: Twin, capsys: Capture) -> None:
    """Every option arrives; who sits on it is said, and how it comes back."""
    words = ["councils", "create", "security", "--agents", "2", "--rounds", "2", "--review"]
    assert main([*words, "--model", "small", "--set", "temperature=0.3"]) == 0
    assert said(capsys).splitlines() == [
        "council-security is ready, with 2 agents",
        "  agent-security-001",
        "  agent-security-002",
    ]
    assert sent(twin) == (
        "POST /v1/councils",
        {
            "role": "security",
            "num_agents": 2,
            "deliberation_rounds": 2,
            "enable_peer_review": True,
            "model_profile": "small",
            "custom_params": {"temperature": "0.3"},
        },
    )
    assert main(["councils", "delete", "SECURITY"]) == 0
    assert said(capsys).startswith("council-security takes no new work")
    assert main(["councils", "delete", "SECURITY"]) == 1
    assert capsys.readouterr().err.startswith("conclave: no council 'SECURITY'; known roles: DEV")


def test_an_agent_is_seated_and_removed(twin: Twin, capsys: Capture) -> None:
    """Ours by its pool and persona; one outside by its endpoint, the name of its key and more."""
    words = ["agents", "add", "DEV", "fourth", "--persona", "You count.", "--model", "small"]
    assert main([*words, "--label", "team=blue"]) == 0
    assert "sits on council-dev" in said(capsys)
    call, body = sent(twin)
    assert call == "POST /v1/councils/DEV/agents"
    assert body["capabilities"]["model_profile"] == "small"
    assert body["metadata"] == {"team": "blue", "persona": "You count."}
    outside = ["--endpoint", "https://api.example.com/v1", "--model", "m", "--within", "30"]
    more = ["--key-env", "CONCLAVE_KEY_A", "--at-once", "2"]
    assert main(["agents", "add", "dev", "guest", *outside, *more]) == 0
    assert sent(twin)[1] == {
        "agent_id": "guest",
        "endpoint": "https://api.example.com/v1",
        "capabilities": {"model_profile": "", "max_concurrent_tasks": 2},
        "metadata": {"model": "m", "api_key_env": "CONCLAVE_KEY_A", "answer_within_s": "30"},
    }
    capsys.readouterr()
    assert main(["agents", "remove", "dev", "guest", "--json"]) == 0
    assert json.loads(said(capsys))["agent_id"] == "guest"
    assert sent(twin)[0] == "DELETE /v1/councils/dev/agents/guest"


def test_the_seats_are_listed(twin: Twin, capsys: Capture) -> None:
    """Of all councils or of one, for people and for programs; `councils list` is `councils`."""
    assert main(["agents", "list", "--role", "dev"]) == 0
    lines = [line.split() for line in said(capsys).splitlines()]
    assert ["DEV", "agent-dev-001", "offline", "pool", "small"] in lines
    assert not [line for line in lines if line[:1] == ["QA"]]
    assert main(["agents", "list", "--json"]) == 0
    assert len(json.loads(said(capsys))) == 5
    assert main(["councils"]) == 0
    first = said(capsys)
    assert main(["councils", "list"]) == 0
    assert said(capsys) == first
    assert main(["councils", "--json", "list"]) == 0
    assert len(json.loads(said(capsys))) == 5


def test_what_is_no_pair_is_refused_here(twin: Twin, capsys: Capture) -> None:
    """Before anything is sent."""
    with pytest.raises(SystemExit):
        main(["councils", "create", "X", "--set", "temperature"])
    assert "is not NAME=VALUE" in capsys.readouterr().err
    assert twin.asked == []
