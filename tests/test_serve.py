"""The HTTP door in a real Serve, with scripted councils: every answer is a result or one line."""

import asyncio
import hashlib
import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import grpc
import httpx
import pytest
from callers import asked_over_grpc
from deadline import reaches, until
from house import ALL, House
from openai import NotFoundError, OpenAI
from ray.serve import Application

from actors.bus import connect
from actors.councils import find_actor
from actors.pb import orchestrator_pb2 as pb
from actors.stories import Stories
from cli import main
from commands.fork import Forked
from engine.arrival import Arrival
from engine.config import BusConfig, Config, PoolConfig, fleet_councils
from engine.errors import SetupError
from engine.events import Record
from engine.options import Options, Rule
from serve_app import build

pytestmark = [pytest.mark.ray, pytest.mark.nats, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def house(opened: House) -> House:
    """The doors, all turns let go."""
    opened.stage.open(*ALL)
    return opened


def refused(response: httpx.Response, status: int) -> str:
    """The one line of a refusal, which must be a problem document."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == status
    assert "\n" not in body["detail"]
    detail: str = body["detail"]
    return detail


def test_a_deliberation_is_decided_durably_and_read_back(house: House) -> None:
    """The answer is the whole result; asking for its id, by whatever way, gives the same."""
    answer = house.post()
    assert answer.status_code == 200
    decided = answer.json()
    assert (decided["status"], decided["durable"], decided["role"]) == ("completed", True, "DEV")
    assert [ranked["rank"] for ranked in decided["results"]] == [1, 2, 3]
    assert decided["winner_id"] == decided["decision"]["choice"]
    assert house.get(decided["task_id"]).json() == decided
    assert house.post(task_id=decided["task_id"]).json() == decided


@pytest.mark.parametrize("id", ["a/b c", "?x=1#y", "ä" * 200, "deliberation.>"])
def test_an_id_may_be_any_text(house: House, id: str) -> None:
    """What a client chose as its id can be read back by it."""
    assert house.post(task_id=id, rounds=0, num_agents=1).status_code == 200
    assert house.get(quote(id, safe="")).json()["task_id"] == id


def test_a_story_is_read_as_agents_are_shown_it(house: House) -> None:
    """By its name, whatever that is; a deliberation says which state of it was shown."""
    name = "s/1 ?"
    assert "s/1 ?" in refused(house.http.get(f"/v1/stories/{quote(name, safe='')}"), 404)
    payload = {"story_id": name, "decision_id": "d-1", "why": "it ticks"}
    asyncio.run(tell(house.config.bus, json.dumps(payload).encode()))
    story = house.http.get(f"/v1/stories/{quote(name, safe='')}").json()
    assert "it ticks" in story["text"]
    shown = house.post(story_id=name).json()
    assert (shown["story_id"], shown["story"]["hash"]) == (name, story["hash"])
    same = {"task_id": shown["task_id"], "role": "dev", "text": "Clock", "story_id": name}
    assert house.rpc.Deliberate(asked_over_grpc(same)).metadata.tags["story_hash"] == story["hash"]


async def tell(bus: BusConfig, data: bytes) -> None:
    """As the bridge does with an event."""
    client = await connect(bus, "test", lambda: None)
    arrival = Arrival("CONTEXT", 1, "context.decision.added", data, at=1.0)
    await Stories(client.streams(), bus).note(arrival, len(data))
    await client.leave()


def test_rounds_and_agents_are_honoured(house: House) -> None:
    """What a request may lower, it lowers."""
    decided = house.post(rounds=0, num_agents=2).json()
    assert [r["proposal"]["revisions"] for r in decided["results"]] == [[], []]


def test_an_id_of_another_request_is_a_conflict(house: House) -> None:
    """The id is named; the first request's result stays."""
    first = house.post(task_id="mine").json()
    assert "mine" in refused(house.post(task_id="mine", text="Bomb"), 409)
    assert "mine" in refused(house.post(task_id="mine", rounds=0), 409)
    assert house.get("mine").json() == first


def test_an_unknown_id_is_not_found(house: House) -> None:
    """It is named."""
    assert "never" in refused(house.get("never"), 404)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"role": "chef"}, "role: no council 'CHEF'; known roles: DEV, QA"),
        ({"role": 7}, "role: "),
        ({"text": ""}, "text: "),
        ({"text": " \n"}, "text: is empty"),
        ({"text": None}, "text: "),
        ({"rounds": 5}, "rounds: 5 is over this server's cap of 4"),
        ({"rounds": -1}, "rounds: "),
        ({"rounds": "many"}, "rounds: "),
        ({"num_agents": 4}, "num_agents: 4 is over this server's cap of 3"),
        ({"num_agents": 0}, "num_agents: "),
        ({"requirements": "one"}, "requirements: "),
        ({"context": [1]}, "context: "),
        ({"task_id": "x" * 201}, "task_id: "),
        ({"timeout_seconds": 0}, "timeout_seconds: "),
        ({"timeout": 5}, "timeout: "),
        ({"task_id": "a/events"}, "task_id: ends in '/events'"),
        ({"task_id": "a/forks"}, "task_id: ends in '/forks'"),
    ],
)
def test_a_wrong_field_is_named(house: House, fields: dict[str, object], words: str) -> None:
    """One line with the field, what is wrong with it and what would be right."""
    assert words in refused(house.post(**fields), 400)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "body: "),
        (b"[]", "body: "),
        (b"{", "body: is no JSON: EOF"),
        (b'{"role": "dev", "text": "\\ud800"}', "body: is no JSON"),
        (b'{"role": "dev", "text": "x", "context": {"a": "\\ud800"}}', "body: is no JSON"),
        (b'{"role": "dev", "text": "x", "context": {"\\ud800": 1}}', "body: is no JSON"),
        (b'{"role": "dev", "text": "x", "context": {"a": NaN}}', "context"),
        (b'{"role": "dev", "text": "x", "context": ' + b'{"a":' * 5000 + b"1" + b"}" * 5001, ""),
        (b"\xff\xfe", "body: "),
    ],
)
def test_a_wrong_body_is_refused(house: House, body: bytes, words: str) -> None:
    """No JSON, not an object, or text that cannot be written down: refused, never our own error."""
    headers = {"content-type": "application/json"}
    response = house.http.post("/v1/deliberations", content=body, headers=headers)
    assert words in refused(response, 400)


def test_a_body_over_the_limit_is_not_read(house: House) -> None:
    """By what it declares, and by what it sends where it declares nothing."""
    for body in (b"x" * 300_000, iter([b"x" * 100_000] * 3)):
        response = house.http.post("/v1/deliberations", content=body)
        assert "over this server's cap of 262144" in refused(response, 413)


@pytest.mark.parametrize(
    ("headers", "where"),
    [
        ({"x-timeout-ms": "-5"}, "x-timeout-ms"),
        ({"x-timeout-ms": "soon"}, "x-timeout-ms"),
        ({"Idempotency-Key": "k"}, "task_id"),
        ({"Idempotency-Key": "k" * 513}, "idempotency-key"),
    ],
)
def test_a_wrong_header_is_named(house: House, headers: dict[str, str], where: str) -> None:
    """As a wrong field is; a key beside an id is one too many."""
    assert refused(house.post(headers, task_id="x"), 400).startswith(f"{where}: ")
    assert refused(house.get("x"), 404)


def test_an_idempotency_key_is_a_deliberation(house: House) -> None:
    """The same key gives the same one, with another request it is a conflict."""
    first = house.post({"Idempotency-Key": "one"}, rounds=0)
    assert house.post({"Idempotency-Key": "one"}, rounds=0).json() == first.json()
    assert house.post({"Idempotency-Key": "two"}, rounds=0).json() != first.json()
    assert refused(house.post({"Idempotency-Key": "one"}, rounds=1), 409)


def test_the_policy_and_the_cap_on_rounds_are_honoured(house: House) -> None:
    """One agent's draft, or drafts and a vote; max_iterations cuts the council's own rounds."""
    single = house.post(policy="single").json()
    assert len(single["results"]) == 1
    for fields in ({"policy": "vote"}, {"max_iterations": 0}, {"rounds": 3, "max_iterations": 0}):
        found = house.post(**fields).json()
        assert [r["proposal"]["revisions"] for r in found["results"]] == [[], [], []]


def test_work_that_is_not_waited_for_is_accepted(house: House) -> None:
    """202 with the place to look; it runs to its end with nobody there."""
    house.close("critique")
    accepted = house.post({"Prefer": "respond-async"}, task_id="later/1")
    assert accepted.status_code == 202
    assert accepted.headers["preference-applied"] == "respond-async"
    assert accepted.json()["status"] == "in_progress"
    place = accepted.headers["location"]
    assert house.http.get(place).json()["status"] == "in_progress"
    house.stage.open(*ALL)
    until(lambda: house.http.get(place).json()["status"] == "completed", "it is decided")


def events(text: str) -> list[tuple[str, str, Record]]:
    """Id, kind and record of each event of a stream that has ended."""
    found = []
    for block in text.split("\n\n"):
        if block and not block.startswith(":"):
            fields = dict(line.split(": ", 1) for line in block.splitlines())
            record = Record.model_validate_json(fields["data"])
            found.append((fields["id"], fields["event"], record))
    return found


def test_events_are_replayed_and_then_live(house: House) -> None:
    """All of them in order, with a sign of life while nothing happens, up to the end."""
    house.close("critique")
    place = house.post({"Prefer": "respond-async"}, task_id="live").headers["location"]
    with house.http.stream("GET", f"{place}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.iter_lines()
        first = next(lines)
        until(lambda: next(lines).startswith(": keep-alive"), "it says that it lives")
        house.stage.open(*ALL)
        rest = list(lines)
    assert first == "id: 1"
    assert rest.count("event: decided") == 1
    told = events(house.http.get(f"{place}/events").text)
    assert [id for id, _, _ in told] == [str(seq) for seq in range(1, len(told) + 1)]
    assert [kind for _, kind, _ in told] == [record.event.kind for *_, record in told]
    assert told[-1][1] == "decided"
    for answer in (
        house.http.get(f"{place}/events", headers={"Last-Event-ID": "5"}),
        house.http.get(f"{place}/events?after=5"),
    ):
        assert events(answer.text) == told[5:]
    assert refused(house.http.get("/v1/deliberations/never/events"), 404)
    assert refused(house.http.get(f"{place}/events?after=-1"), 400)


def test_a_request_can_be_answered_with_its_events(house: House) -> None:
    """The same events as the journal has, and what is refused is refused as ever."""
    streamed = {"Accept": "text/event-stream"}
    answer = house.post(streamed, task_id="streamed")
    place = answer.headers["location"]
    assert events(answer.text) == events(house.http.get(f"{place}/events").text)
    assert events(answer.text)[-1][1] == "decided"
    assert refused(house.post(streamed, task_id="streamed", text="Bomb"), 409)
    assert refused(house.post(streamed, role="chef"), 400)


def test_a_cancelled_deliberation_stays_so(house: House) -> None:
    """Whoever waits gets the end without a decision; it cannot be cancelled twice."""
    house.close("draft")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(house.post, task_id="wrong")
        until(lambda: house.get("wrong").status_code == 200, "it runs")
        ended = house.http.delete("/v1/deliberations/wrong")
        house.stage.open(*ALL)
        assert waiting.result(20).json() == ended.json()
    assert (ended.json()["status"], ended.json()["error_type"]) == ("failed", "Cancelled")
    assert "wrong" in refused(house.http.delete("/v1/deliberations/wrong"), 409)
    assert refused(house.http.delete("/v1/deliberations/never"), 404)


def test_the_decision_comes_before_the_time_is_up(house: House) -> None:
    """With reviews that never end, the drafts are voted on; the header may only shorten it."""
    house.close("critique")
    for headers, fields in (
        ({}, {"timeout_seconds": 4}),
        ({"x-timeout-ms": "4000"}, {"timeout_seconds": 600}),
    ):
        decided = house.post(headers, **fields).json()
        assert decided["decision"]["stop_reason"] == "deadline"
        assert len(decided["results"]) == 3
    house.stage.open(*ALL)


def test_the_status_is_what_the_journal_and_the_actors_say(house: House) -> None:
    """Ended deliberations are counted by role, also those that ended long ago."""
    before = house.http.get("/v1/status").json()["stats"]
    house.post(role="qa")
    status = house.http.get("/v1/status").json()
    assert status["stats"]["total_deliberations"] == before["total_deliberations"] + 1
    assert status["stats"]["role_counts"]["QA"] == before["role_counts"].get("QA", 0) + 1
    assert status["stats"]["avg_deliberation_time_ms"] > 0
    assert status["stats"]["active_councils"] == 2
    assert status["uptime_seconds"] >= 5
    assert status["bus"] == {"url": house.config.bus.url, "bridge": None}
    assert status["pools"] == [{"name": "small", "model": "/models/small", "agents": [None]}]
    trouble = house.stage.folder / "trouble"
    trouble.write_text("No memory. Add some")
    worse = house.http.get("/v1/status").json()
    assert (worse["status"], worse["troubles"]) == (
        "unhealthy",
        ["a: failed No memory. Add some"],
    )
    trouble.unlink()


def test_the_documentation_needs_no_other_host(house: House) -> None:
    """The page, its script and the document it shows come from here; every route is in it."""
    page = house.http.get("/docs")
    scripts = [part.split('"')[0] for part in page.text.split('src="')[1:]]
    assert scripts
    for script in scripts:
        assert script.startswith("/")
        assert house.http.get(script).status_code == 200
    document = house.http.get("/openapi.json").json()
    post = document["paths"]["/v1/deliberations"]["post"]
    body = post["requestBody"]["content"]["application/json"]["schema"]["properties"]
    assert {"role", "text", "rounds", "policy", "timeout_seconds"} <= body.keys()
    assert body.keys() >= Options.model_fields.keys()
    assert body["tally"]["anyOf"][0]["enum"] == list(Rule)
    assert {"200", "202", "400", "409", "413", "503", "504"} <= post["responses"].keys()


def test_an_unknown_path_is_a_problem_too(house: House) -> None:
    """As is a method that is not served."""
    assert refused(house.http.get("/v2"), 404)
    assert refused(house.http.delete("/v1/deliberations"), 405)


def test_the_councils_are_listed(house: House) -> None:
    """Each with its agents, its models and the incarnation that serves it."""
    until(lambda: house.council("QA")["pid"], "both councils answer")
    found = house.council("DEV")
    pid, since = found.pop("pid"), found.pop("since")
    assert pid > 0
    assert since > 0
    seats = found.pop("seats")
    assert [(seat["agent_id"], seat["status"], seat["pool"]) for seat in seats] == [
        (id, "offline", "small") for id in found["agents"]
    ]
    assert found == {
        "council_id": "council-dev",
        "role": "DEV",
        "num_agents": 3,
        "agents": ["agent-dev-001", "agent-dev-002", "agent-dev-003"],
        "status": "degraded",  # there are no engines behind it
        "models": ["/models/small"],
        "running": [],
    }


def test_agents_come_and_go_between_deliberations(house: House) -> None:
    """Over HTTP and gRPC alike; a later deliberation has the seats of then, and all is told."""
    agents = "/v1/councils/qa/agents"
    assert house.http.delete(f"{agents}/agent-qa-002").json()["council_id"] == "council-qa"
    assert "no agent 'agent-qa-002'" in refused(house.http.delete(f"{agents}/agent-qa-002"), 404)
    told = {"agent_id": "guest", "capabilities": {"languages": ["en"]}, "metadata": {"a": "b"}}
    answer = house.http.post(agents, json=told)
    assert (answer.status_code, answer.json()["agent_id"]) == (201, "guest")
    assert "already" in refused(house.http.post(agents, json=told), 409)
    assert "metadata.api_key" in refused(
        house.http.post(agents, json={"agent_id": "x", "metadata": {"api_key": "s"}}), 400
    )
    assert refused(house.http.post(agents, content=b"{"), 400).startswith("body: is no JSON")
    seated = house.post(role="qa", text="Who is there?").json()
    assert {each["author"] for each in seated["decision"]["order"]} == {
        "agent-qa-001",
        "agent-qa-003",
        "guest",
    }
    last = house.council("QA")["seats"][-1]
    assert (last["capabilities"]["languages"], last["labels"]) == (["en"], {"a": "b"})
    house.rpc.UnregisterAgent(pb.UnregisterAgentRequest(role="qa", agent_id="guest"))
    back = pb.RegisterAgentRequest(role="QA", agent_id="agent-qa-002")
    assert house.rpc.RegisterAgent(back).success
    assert sorted(house.council("QA")["agents"]) == [f"agent-qa-00{n}" for n in (1, 2, 3)]
    assert "no council 'CHEF'" in refused(house.http.delete("/v1/councils/chef"), 404)
    assert "exists" in refused(house.http.post("/v1/councils", json={"role": "dev"}), 409)


def test_ready_only_when_all_is(house: House) -> None:
    """503 with the trouble in a line, 200 without one; alive in both cases."""
    trouble = house.stage.folder / "trouble"
    trouble.write_text("No memory. Add some")
    unready = house.http.get("/readyz")
    assert (unready.status_code, unready.json()["ready"]) == (503, False)
    assert unready.json()["troubles"] == ["a: failed No memory. Add some"]
    assert house.http.get("/healthz").status_code == 200
    trouble.write_text("hung")
    assert "supervisor" in refused(house.http.get("/readyz"), 503)
    trouble.unlink()
    ready = house.http.get("/readyz")
    assert (ready.status_code, ready.json()["ready"]) == (200, True)


def test_a_killed_council_delays_and_loses_nothing(house: House) -> None:
    """Its results are read from the journal meanwhile; a request waits for the next actor."""
    before = house.post(task_id="kept", role="qa").json()
    old = house.council("QA")["pid"]
    os.kill(old, signal.SIGKILL)
    until(lambda: find_actor(house.names.councils["QA"]) is None, "the council is dead")
    assert house.council("QA")["status"] == "away"
    assert house.get("kept").json() == before
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(house.post, role="qa", task_id="waiting")
        assert refused(house.get("waiting"), 404)
        house.convene("QA")
        assert waiting.result(40).json()["status"] == "completed"
    assert house.council("QA")["pid"] != old


def test_a_bus_outage_delays_no_decision(house: House) -> None:
    """It is told as not durable yet, also to who reads it meanwhile; the journal has it then."""
    for phase in ALL[1:]:
        (house.stage.folder / phase).unlink()
    asked = house.stage.asked("critique")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(house.post, task_id="outage")
        until(lambda: house.stage.asked("critique") == asked + 3, "it is under way")
        house.nats.kill()
        house.stage.open(*ALL)
        decided = waiting.result(40).json()
    assert (decided["status"], decided["durable"]) == ("completed", False)
    assert house.get("outage").json() == decided
    assert "no NATS server answers" in refused(house.get("never"), 503)
    house.nats.start()
    until(lambda: house.get("outage").json()["durable"], "the decision is durable")
    assert house.get("outage").json() == {**decided, "durable": True}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "pools: Field required"),
        ({"pools": {"p": {"model": "m", "gpu": 1}}, "councils": []}, "pools.p.gpu: "),
        (
            {
                "pools": {"p": {"model": "m"}},
                "councils": [
                    {"role": "DEV", "personas": ["x"], "rubric": "", "pools": ["nowhere"]}
                ],
            },
            "known pools: p",
        ),
        ({"pools": {}}, "pools: Dictionary should have at least 1 item"),
        ("no mapping", "configuration: "),
    ],
)
def test_a_wrong_configuration_is_one_line(arguments: Any, words: str) -> None:
    """It names the place and where to mend it."""
    with pytest.raises(SetupError) as raised:
        build(arguments)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "Serve config" in str(raised.value)


def test_a_good_configuration_is_an_application(tmp_path: Path) -> None:
    """As Serve reads it from a file: plain data."""
    config = Config(
        pools={"small": PoolConfig(model=str(tmp_path))}, councils=fleet_councils()
    ).model_dump(mode="json")
    assert isinstance(build(config), Application)


def test_a_deliberation_is_replayed_and_forked(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its end follows from its records; another tally asks nobody, a smaller council hardly any."""
    assert house.post(task_id="origin").status_code == 200
    before = sum(map(house.stage.asked, ALL))
    assert main(["--url", house.url, "replay", "origin"]) == 0
    assert capsys.readouterr().out.startswith("reproduced: agent-dev-")
    words = ["--url", house.url, "fork", "origin", "--json"]
    assert main([*words, "--tally", "copeland"]) == 0
    tallied = Forked.model_validate_json(capsys.readouterr().out)
    assert (tallied.flip.reused, tallied.flip.asked) == (12, 0)
    assert sum(map(house.stage.asked, ALL)) == before
    drafts = house.stage.asked("draft")
    assert main([*words, "--without", "agent-dev-003", "--id", "smaller"]) == 0
    smaller = Forked.model_validate_json(capsys.readouterr().out)
    assert (house.stage.asked("draft"), len(smaller.fork.results)) == (drafts, 2)
    assert main(["--url", house.url, "replay", "smaller"]) == 0
    capsys.readouterr()
    path = "/v1/deliberations/origin/forks"
    later = house.http.post(path, json={"tally": "irv"}, headers={"Prefer": "respond-async"})
    assert (later.status_code, later.headers["preference-applied"]) == (202, "respond-async")
    assert "smaller" in refused(
        house.http.post(path, json={"tally": "irv", "task_id": "smaller"}), 409
    )
    assert "never" in refused(house.http.post("/v1/deliberations/never/forks", json={}), 404)
    assert "changes nothing" in refused(house.http.post(path, json={}), 400)


def test_tasks_are_looked_at_and_derived_through_the_real_doors(house: House) -> None:
    """What an agent sees comes from its council; without architects no plan can be split."""
    body = {"text": "Build a clock", "role": "dev"}
    seen = house.http.post("/v1/context", json=body)
    assert seen.status_code == 200, seen.text
    assert "Build a clock" in seen.json()["context_text"]
    assert seen.json()["token_count"] > 0
    request = pb.GetTaskContextRequest(task_description="Build a clock", role="dev")
    assert house.rpc.GetTaskContext(request).version_hash == seen.json()["version_hash"]
    assert "agent_id" in refused(
        house.http.post("/v1/context", json={**body, "agent_id": "x"}), 400
    )
    asyncio.run(approved(house))
    answer = house.http.post("/v1/derivations", json={"plan_id": "p-1"})
    assert refused(answer, 422).startswith("no council ARCHITECT")
    with pytest.raises(grpc.RpcError) as raised:
        house.rpc.DeriveSubtasks(pb.DeriveSubtasksRequest(plan_id="p-2"))
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND


async def approved(house: House) -> None:
    """A plan is on the bus."""
    client = await connect(BusConfig(url=house.nats.url), "test", lambda: None)
    event = {"story_id": "s", "plan_id": "p-1", "approved_by": "po", "timestamp": "2026-11-22"}
    await client.streams().publish("planning.plan.approved", json.dumps(event).encode())
    await client.leave()


KEY = {"Idempotency-Key": "chat"}
CHAT_ID = f"key-{hashlib.sha256(b'chat').hexdigest()[:32]}"
CLOCK: dict[str, Any] = {"model": "dev", "messages": [{"role": "user", "content": "Clock"}]}


def test_a_council_answers_openais_client_and_waits_for_its_return(house: House) -> None:
    """Whole and streaming; whoever leaves suspends it, and with the same key it goes on."""
    with OpenAI(base_url=f"{house.url}/v1", api_key="none", max_retries=0) as client:
        house.close("draft")

        async def leave() -> None:
            async with httpx.AsyncClient(base_url=house.url, timeout=60) as http:
                asked = http.post("/v1/chat/completions", json=CLOCK, headers=KEY)
                waiting = asyncio.create_task(asked)
                await reaches(begun, "it has begun")
                waiting.cancel()

        async def begun() -> bool:
            return house.get(CHAT_ID).status_code == 200

        asyncio.run(leave())
        until(lambda: house.get(CHAT_ID).json()["status"] == "suspended", "it is suspended")
        house.stage.open(*ALL)
        whole = client.chat.completions.create(**CLOCK, extra_headers=KEY)
        found = house.get(CHAT_ID).json()
        assert whole.choices[0].message.content == found["results"][0]["proposal"]["content"]
        assert whole.conclave["durable"]
        assert (
            whole.usage.completion_tokens == found["usage"]["generated"] + found["usage"]["aborted"]
        )
        stream = client.chat.completions.create(**CLOCK, extra_headers=KEY, stream=True)
        said = "".join(c.choices[0].delta.content or "" for c in stream if c.choices)
        assert said == whole.choices[0].message.content
        assert client.models.retrieve("dev:vote").id == "DEV:vote"
        with pytest.raises(NotFoundError):
            client.chat.completions.create(**{**CLOCK, "model": "gpt"})


def test_orders_are_taken_by_both_doors(house: House) -> None:
    """An orchestration, work in the background, and a planning event, whose ids are the same."""
    house.stage.open(*ALL, "judge")
    body = {"role": "dev", "text": "Clock", "task_id": "ordered"}
    over_http = house.http.post("/v1/orchestrations", json=body).json()
    asked = pb.OrchestrateRequest(role="DEV", task_description="Clock", task_id="ordered")
    over_grpc = house.rpc.Orchestrate(asked)
    assert over_http["selected_by"] == over_grpc.selected_by == "agent-dev-architect"
    assert over_grpc.winner.proposal.author_id == over_http["winner"]["proposal"]["author_id"]
    assert len(over_grpc.candidates) == 2
    later = asked_over_grpc({"role": "dev", "text": "Clock", "task_id": "later-on"})
    assert house.rpc.DeliberateForBacklogReview(later).task_id == "later-on"
    until(lambda: house.get("later-on").json()["status"] == "completed", "it is decided")
    event = pb.PlanningEventRequest(event_type="plan.approved", case_id="s", plan_id="p")
    ids = list(house.rpc.ProcessPlanningEvent(event).derived_task_ids)
    posted = {"event_type": "plan.approved", "case_id": "s", "plan_id": "p"}
    again = house.http.post("/v1/planning-events", json=posted)
    assert (again.status_code, again.json()["derived_task_ids"]) == (202, ids)
    assert [id.split("-")[0] for id in ids] == ["dev", "qa"]
