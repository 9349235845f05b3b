"""The HTTP edge in a real Serve, with scripted councils: every answer is a result or one line."""

import asyncio
import os
import pickle
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from deadline import until
from ray import serve
from ray_twins import Stage, SupervisorTwin, ray_for_tests, staged_pools

from actors import crew
from actors.bus import connect, provision
from actors.council import CouncilActor
from actors.councils import find_actor
from actors.embedded import nats_server
from actors.nats_server import NatsServer, free_port
from actors.roster import Roster, roster
from engine import errors
from engine.config import BusConfig, Config, HttpConfig, PoolConfig, fleet_councils
from engine.errors import Broken, ConclaveError, SetupError
from serve_app import INGRESS, REPLICA, STATUS, build, status_of

pytestmark = [pytest.mark.ray, pytest.mark.nats, pytest.mark.timeout(180)]

ALL = ("draft", "critique", "revise", "vote")


class House:
    """The edge and what stands behind it."""

    def __init__(self, config: Config, nats: NatsServer, stage: Stage, url: str) -> None:
        self.config, self.nats, self.stage = config, nats, stage
        self.names: Roster = roster(config)
        self.http = httpx.Client(base_url=url, timeout=40.0)

    def convene(self, role: str) -> None:
        """Create a council as the supervisor does."""
        pools = partial(staged_pools, self.stage)
        name = self.names.councils[role]
        crew._create(CouncilActor, name, {"num_cpus": 0}, self.config, role, pools)

    def post(self, **fields: object) -> httpx.Response:
        """Ask for a deliberation."""
        return self.http.post("/v1/deliberations", json={"role": "dev", "text": "Clock", **fields})

    def get(self, id: str) -> httpx.Response:
        """Ask what became of one."""
        return self.http.get(f"/v1/deliberations/{id}")

    def council(self, role: str) -> dict[str, Any]:
        """One council as the edge tells of it."""
        councils = self.http.get("/v1/councils").json()
        found: dict[str, Any] = next(c for c in councils if c["role"] == role)
        return found


async def make_streams(bus: BusConfig) -> None:
    """What the supervisor does on the bus."""
    client = await connect(bus.url, "test", lambda: None)
    await provision(client.streams(), bus)
    await client.leave()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One edge for all tests here, with DEV and QA behind it; all turns of DEV and QA go."""
    folder = tmp_path_factory.mktemp("house")
    stage = Stage(folder=folder)
    stage.open(*ALL)
    with nats_server(folder / "nats") as nats, ray_for_tests():
        port = free_port()
        config = Config(
            pools={"small": PoolConfig(model="/models/small")},
            councils=fleet_councils()[:2],
            bus=BusConfig(url=nats.url),
            http=HttpConfig(port=port),
        )
        asyncio.run(make_streams(config.bus))
        serve.start(http_options={"host": "127.0.0.1", "port": port})
        twin = serve.deployment(name="Supervisor", **REPLICA)(SupervisorTwin)
        edge = serve.deployment(name="Edge", **{**REPLICA, "max_ongoing_requests": 100})(INGRESS)
        house = House(config, nats, stage, f"http://127.0.0.1:{port}")
        for role in house.names.councils:
            house.convene(role)
        serve.run(edge.bind(config, house.names, twin.bind(stage)), route_prefix="/")
        with house.http:
            yield house
        serve.shutdown()


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
        ({"role": "chef"}, "role: no council 'chef'; known roles: DEV, QA"),
        ({"role": 7}, "role: "),
        ({"text": ""}, "text: "),
        ({"text": " \n"}, "text: is empty"),
        ({"text": None}, "text: "),
        ({"text": "x" * 300_000}, "over this server's cap of 262144"),
        ({"rounds": 5}, "rounds: 5 is over this server's cap of 4"),
        ({"rounds": -1}, "rounds: "),
        ({"rounds": "many"}, "rounds: "),
        ({"num_agents": 4}, "num_agents: 4 is over this server's cap of 3"),
        ({"num_agents": 0}, "num_agents: "),
        ({"requirements": "one"}, "requirements: "),
        ({"context": [1]}, "context: "),
        ({"task_id": "x" * 201}, "task_id: "),
        ({"timeout_seconds": 5}, "timeout_seconds: "),
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
        (b"{", "body: is no JSON: Expecting"),
        (b'{"role": "dev", "text": "\\ud800"}', "text: "),
        (b'{"role": "dev", "text": "x", "context": {"a": "\\ud800"}}', "context"),
        (b'{"role": "dev", "text": "x", "context": {"\\ud800": 1}}', "context"),
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
    assert found == {
        "council_id": "council-dev",
        "role": "DEV",
        "num_agents": 3,
        "agents": ["agent-dev-001", "agent-dev-002", "agent-dev-003"],
        "status": "idle",
        "models": ["/models/small"],
        "running": [],
    }


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
    """The decision is told as not durable yet; what is in the journal cannot be read meanwhile."""
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
    assert "journal" in refused(house.get("outage"), 503)
    house.nats.start()
    until(lambda: house.get("outage").status_code == 200, "the journal is back")
    until(lambda: house.get("outage").json()["durable"], "the decision is durable")
    assert house.get("outage").json() == {**decided, "durable": True}


def subclasses(of: type) -> list[type]:
    """All classes of a tree, the root left out."""
    return [each for child in of.__subclasses__() for each in (child, *subclasses(child))]


@pytest.mark.parametrize("kind", subclasses(ConclaveError), ids=lambda kind: kind.__name__)
def test_every_error_of_the_tree_says_whose_turn_it_is(kind: type[ConclaveError]) -> None:
    """The asker's or a later try's; only what is broken by ourselves is an internal error."""
    arguments = {"SetupError": ("a", "b"), "InvalidRequest": ("a", "b")}
    error = kind(
        *arguments.get(kind.__name__, ("a", "b", "c") if "Event" in kind.__name__ else ("a",))
    )
    assert 400 <= status_of(error) < 600
    assert (status_of(error) == 500) == (kind is Broken)
    assert status_of(pickle.loads(pickle.dumps(error))) == status_of(error)


def test_the_table_names_only_errors_of_the_tree() -> None:
    """And what is in no table is our own bug."""
    assert set(STATUS) <= {cls for cls in vars(errors).values() if isinstance(cls, type)}
    assert status_of(ConclaveError("new")) == 500


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
    assert isinstance(build(config), serve.Application)
