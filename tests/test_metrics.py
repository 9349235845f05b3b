"""Figures over each door are those of the rows and of the councils, and of the range asked for."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
import httpx
import pytest
from deadline import until_async
from grpc import StatusCode
from local_desk import Doors, doors
from scripted_desk import ScriptedDesk
from seats import a_task, answering

from actors.codec import plain
from actors.pb import orchestrator_pb2 as pb
from edges.metrics import metrics
from edges.searching import moment, wanted
from engine.config import Config
from engine.errors import InvalidRequest
from engine.fanout import ended
from engine.testing import GatedModel

PARTS = ("performance", "agents", "councils")


async def test_the_figures_are_made_of_what_ended_and_of_who_is_there() -> None:
    """Means over all, percentiles as the rows have them, each council's share of decisions."""
    found = await metrics(ScriptedDesk())
    assert found.performance is not None
    assert found.agents is not None
    assert found.councils is not None
    assert found.performance.model_dump() == {
        "avg_deliberation_ms": 1000.0,
        "avg_orchestration_ms": 3000.0,
        "p50_latency_ms": 900.0,
        "p95_latency_ms": 1800.0,
        "p99_latency_ms": 2000.0,
    }
    assert found.agents.model_dump() == {
        "total_agents": 6,
        "active_agents": 3,
        "agents_per_role": {"DEV": 3, "QA": 3},
        "avg_agent_response_time_ms": 250.0,
    }
    assert (found.councils.total_councils, found.councils.active_councils) == (2, 1)
    dev, qa = found.councils.health_per_council.values()
    assert list(found.councils.health_per_council) == ["council-dev", "council-qa"]
    assert (dev.status, dev.available_agents, dev.success_rate) == ("idle", 3, 0.75)
    assert (qa.status, qa.available_agents, qa.success_rate) == ("away", 0, 0.0)


@pytest.mark.parametrize("wished", [*PARTS, "all", ""])
async def test_only_what_is_asked_for_is_told(wished: str) -> None:
    """All of it where nothing is said."""
    found = await metrics(ScriptedDesk(), wished)
    told = [part for part in PARTS if getattr(found, part) is not None]
    assert told == ([wished] if wished in PARTS else list(PARTS))


async def test_a_range_is_the_time_until_now() -> None:
    """0 is all there is."""
    desk = ScriptedDesk()
    await metrics(desk)
    assert desk.since == 0
    before = time.time() - 60
    await metrics(desk, time_range_ms=60_000)
    assert desk.since is not None
    assert before <= desk.since <= time.time() - 60
    await metrics(desk, time_range_ms=2**63 - 1)
    assert desk.since < 0


async def test_what_ended_nothing_has_no_share() -> None:
    """Neither success nor failure."""
    desk = ScriptedDesk()
    desk.counted = desk.counted.model_copy(update={"ended": {}, "decided": {}, "turns": 0})
    found = await metrics(desk)
    assert found.councils is not None
    assert {c.success_rate for c in found.councils.health_per_council.values()} == {None}
    assert found.performance is not None
    assert found.performance.avg_deliberation_ms == 0
    assert found.agents is not None
    assert found.agents.avg_agent_response_time_ms == 0


async def test_what_makes_no_sense_is_refused() -> None:
    """By its field."""
    with pytest.raises(InvalidRequest, match="metric_type: 'speed' is none; known: performance"):
        await metrics(ScriptedDesk(), "speed")
    with pytest.raises(InvalidRequest, match="time_range_ms: -1 is negative; 0 is for all"):
        await metrics(ScriptedDesk(), "all", -1)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("", None),
        ("0", 0.0),
        ("1795687200.5", 1795687200.5),
        ("2026-11-26T10:00:00Z", 1795687200.0),
        ("2026-11-26T10:00", 1795687200.0),
        (" 2026-11-26 11:00+01:00 ", 1795687200.0),
        ("2026-11-26", 1795651200.0),
    ],
)
def test_a_time_is_read_in_utc_unless_it_says_otherwise(said: str, seconds: float | None) -> None:
    """ISO 8601 or Unix seconds."""
    assert moment(said, "since") == seconds


@pytest.mark.parametrize("said", ["soon", "nan", "inf", "1e300", "2026-13-01"])
def test_what_is_no_time_is_refused(said: str) -> None:
    """With an example of one."""
    with pytest.raises(InvalidRequest, match=r"^since: .* is no time; write 2026-"):
        moment(said, "since")


def test_a_range_of_times_must_have_some_in_it() -> None:
    """Else nothing could ever be found."""
    with pytest.raises(InvalidRequest, match="until: '5' is not after since, '5'"):
        wanted(since="5", until="5")
    assert (wanted(since="5", until="6").since, wanted(role=" dev ").role) == (5.0, "dev")


@pytest.fixture
def model() -> GatedModel:
    """What the council says, once it is let."""
    return GatedModel()


@pytest.fixture
async def house(config: Config, model: GatedModel) -> AsyncIterator[Doors]:
    """Both doors over one council."""
    async with doors(config, model) as opened:
        yield opened


async def http(house: Doors, path: str) -> Any:
    """What a path answers."""
    answer: httpx.Response = await house.http.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.nats
async def test_both_doors_tell_the_same_true_figures(house: Doors, model: GatedModel) -> None:
    """Busy while replies are awaited, then what was decided; a range that is over has nothing."""
    await house.desk.accept(
        a_task(text="Build a sundial", story_id="s-1", purpose="orchestration"), 60
    )
    await until_async(lambda: len(model.held) == 3, "all are asked")
    dev = (await http(house, "/v1/metrics?metric_type=councils"))["councils"]["health_per_council"]
    assert dev["council-dev"]["busy_agents"] == 3
    assert dev["council-dev"]["success_rate"] is None
    running = await http(house, "/v1/deliberations?status=in_progress&text=sundial")
    assert [one["id"] for one in running["deliberations"]] == ["t-1"]
    answers = asyncio.create_task(answering(model))
    await house.councils["DEV"].drain()
    await ended(answers)
    told = await http(house, "/v1/metrics")
    assert told["behind"] == ""
    found = await house.rpc.GetMetrics(pb.GetMetricsRequest())
    for name, value in told["performance"].items():
        assert getattr(found.performance, name) == value
    assert told["performance"]["p50_latency_ms"] == told["performance"]["avg_deliberation_ms"] > 0
    performance = told["performance"]
    assert performance["avg_orchestration_ms"] == performance["avg_deliberation_ms"]
    assert (await house.desk._stats()).total_orchestrations == 1
    assert told["agents"]["avg_agent_response_time_ms"] > 0
    assert found.agents.total_agents == told["agents"]["total_agents"] == 3
    council = found.councils.health_per_council["council-dev"]
    assert (council.busy_agents, council.success_rate) == (0, 1.0)
    over = await house.rpc.GetMetrics(pb.GetMetricsRequest(time_range_ms=1))
    assert over.performance.avg_deliberation_ms == 0
    only = await house.rpc.GetMetrics(pb.GetMetricsRequest(metric_type="agents"))
    assert [part for part in PARTS if only.HasField(part)] == ["agents"]
    done = await http(house, "/v1/deliberations?role=dev&story=s-1&status=completed&since=1")
    assert [one["id"] for one in done["deliberations"]] == ["t-1"]
    assert (await http(house, "/v1/deliberations?until=2026-01-01"))["deliberations"] == []
    asked = pb.ListDeliberationsRequest(role="dev", story="s-1", status="completed", since="1")
    assert plain(await house.rpc.ListDeliberations(asked)) == done
    for nothing in ({"role": "QA"}, {"story": "s-2"}, {"status": "failed"}, {"text": "moon"}):
        page = await house.rpc.ListDeliberations(pb.ListDeliberationsRequest(**nothing))
        assert (page.deliberations, page.cursor) == ([], "")
    for since, until, count in (("9999999999", "", 0), ("", "2026-01-01", 0), ("1", "", 1)):
        asked = pb.ListDeliberationsRequest(since=since, until=until)
        assert len((await house.rpc.ListDeliberations(asked)).deliberations) == count


@pytest.mark.nats
async def test_pages_over_grpc_follow_one_another(house: Doors, model: GatedModel) -> None:
    """As many on each as were asked for, the last one begun first."""
    for id in ("a", "b", "c"):
        await house.desk.accept(a_task(id=id), 60)
    answers = asyncio.create_task(answering(model))
    await house.councils["DEV"].drain()
    await ended(answers)
    ids, request = list[list[str]](), pb.ListDeliberationsRequest(limit=2)
    for _ in range(2):
        found = await house.rpc.ListDeliberations(request)
        ids.append([each.id for each in found.deliberations])
        request.cursor = found.cursor
    assert (ids, request.cursor) == ([["c", "b"], ["a"]], "")


SENSELESS = {
    "metrics?metric_type=speed": "metric_type: ",
    "metrics?time_range_ms=-1": "time_range_ms: ",
    "metrics?time_range_ms=9223372036854775808": "time_range_ms: ",
    "deliberations?status=done": "status: ",
    "deliberations?since=soon": "since: ",
    "deliberations?cursor=x": "cursor: ",
    "deliberations?limit=101": "limit: ",
    f"deliberations?text={'x' * 501}": "text: ",
}


@pytest.mark.nats
async def test_each_door_refuses_what_makes_no_sense(house: Doors) -> None:
    """400 or INVALID_ARGUMENT, with one line that names the parameter."""
    for query, words in SENSELESS.items():
        answer = await house.http.get(f"/v1/{query}")
        assert (answer.status_code, answer.json()["title"]) == (400, "InvalidRequest")
        assert answer.json()["detail"].startswith(words)
    for field, value in (("status", "done"), ("since", "soon"), ("cursor", "x"), ("limit", 101)):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await house.rpc.ListDeliberations(pb.ListDeliberationsRequest(**{field: value}))
        assert raised.value.code() is StatusCode.INVALID_ARGUMENT
        assert (raised.value.details() or "").startswith(f"{field}: ")
    for sent in ({"metric_type": "speed"}, {"time_range_ms": -1}):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await house.rpc.GetMetrics(pb.GetMetricsRequest(**sent))
        assert raised.value.code() is StatusCode.INVALID_ARGUMENT
        assert (raised.value.details() or "").startswith(next(iter(sent)))
