"""Claims about the Python client, sync and async: streams, what a broken one costs, refusals."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import aclosing
from itertools import pairwise
from typing import Any

import pytest
from deadline import until_async
from fastapi import Response
from http_twin import Refusal, Twin, suspended
from hypothesis import given
from hypothesis import strategies as st

from conclave import (
    AsyncClient,
    BrokenOff,
    Client,
    DeliberationRequest,
    OrchestrationRequest,
    Refused,
    Unreachable,
    Wanted,
)
from conclave.failures import TREE
from conclave.sse import Message, Messages
from edges.refusals import problem
from engine.errors import (
    Broken,
    ConclaveError,
    Conflict,
    InvalidRequest,
    Overloaded,
    SetupError,
    Unavailable,
)
from engine.events import Decided, Record, Suspended
from engine.transcript import fold

ASK = {"task_id": "t/1 ä", "role": "DEV", "text": "Clock"}


class Blocking:
    """An AsyncClient that is waited for: so both clients are asked the same."""

    def __init__(self, runner: asyncio.Runner, *arguments: Any, **options: Any) -> None:
        self._run, self._client = runner.run, AsyncClient(*arguments, **options)

    def __getattr__(self, name: str) -> Any:
        def called(*arguments: Any, **options: Any) -> Any:
            found = getattr(self._client, name)(*arguments, **options)
            return self._run(found if asyncio.iscoroutine(found) else _all(found))

        return called


async def _all(stream: Any) -> list[Record]:
    async with aclosing(stream) as records:
        return [record async for record in records]


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture(params=["sync", "async"])
def client(request: pytest.FixtureRequest, twin: Twin, said: list[str]) -> Iterator[Any]:
    how: Any = {"say": said.append, "retries_s": (), "pauses_s": (0.0, 0.0)}
    if request.param == "sync":
        with Client(twin.url, **how) as client:
            yield client
    else:
        with asyncio.Runner() as runner:
            client = Blocking(runner, twin.url, **how)
            yield client
            client.close()


STREAM = (
    ": hello\n\n"
    "id: 1\nevent: drafted\ndata: {\n\n"
    "event: error\r\ndata:one\r\ndata: two\u2028\x0b\x85 three\r\nretry: 5\r\nid\r\n\r\n"
    "data: last\n\n"
    "data: never ended\n"
).encode()


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_events_are_read_however_the_bytes_come(cuts: list[int]) -> None:
    """Comments and unknown fields are nothing, only LF ends a line, what has no end is no event."""
    places = [0, *sorted(cuts), len(STREAM)]
    messages = Messages()
    found = [each for a, b in pairwise(places) for each in messages.of(STREAM[a:b])]
    assert found == [
        Message("drafted", b"{"),
        Message("error", "one\ntwo\u2028\x0b\x85 three".encode()),
        Message("message", b"last"),
    ]


def test_a_deliberation_is_waited_for(twin: Twin, client: Any) -> None:
    """The result is the server's; what was not set is not sent; an id is given by the client."""
    found = client.deliberate(DeliberationRequest(role="dev", text="Clock", rounds=0))
    (asked, _) = twin.asked
    assert asked.body == {
        "role": "dev",
        "text": "Clock",
        "rounds": 0,
        "task_id": found.task_id,
    }
    assert (found.status, found) == ("completed", client.read(found.task_id))


def test_a_result_that_cannot_be_fetched_is_made_of_what_was_heard(twin: Twin, client: Any) -> None:
    """It says that nobody knows whether it is durable."""
    records = list(client.stream(ASK))
    twin.refusal = Refusal(503, "Unavailable", "away")
    found = client.outcome(fold(records))
    assert (found.status, found.durable) == ("completed", False)


def test_a_key_stands_for_an_id(twin: Twin, client: Any) -> None:
    """It goes along as the header, and no id beside it; what is accepted is not waited for."""
    client.accept({"role": "DEV", "text": "Clock"}, key="k-1")
    (asked,) = twin.asked
    assert "task_id" not in asked.body
    assert (asked.headers["idempotency-key"], asked.headers["prefer"]) == ("k-1", "respond-async")


def test_a_fork_is_waited_for(twin: Twin, client: Any) -> None:
    """Its origin is in the path; what is otherwise is sent."""
    client.deliberate(ASK)
    found = client.fork("t/1 ä", {"tally": "irv", "task_id": "f"})
    assert (found.task_id, found.decision.rule) == ("f", "irv")


def test_what_was_told_to_the_end_is_not_told_again(twin: Twin, client: Any) -> None:
    """The server says that there is no more; that is no connection that broke off."""
    records = list(client.stream(ASK))
    assert list(client.watch("t/1 ä", after=len(records))) == []


def test_answers_are_typed(twin: Twin, client: Any) -> None:
    """By the engine's own models; what a newer server adds does no harm."""
    client.accept(ASK)
    assert [one.id for one in client.list(limit=1).deliberations] == ["t/1 ä"]
    assert client.list(Wanted(role="qa")).deliberations == ()
    assert client.metrics("all", 5).councils.health_per_council["council-dev"].busy_agents == 1
    assert twin.asked[-1].said == {"metric_type": "all", "time_range_ms": "5"}
    assert [one.role for one in client.councils()][:2] == ["DEV", "QA"]
    assert client.status().stats.total_deliberations == 12
    assert client.story("s-1").notes[0].kind == "milestone"
    newer = {**client.document("/v1/status"), "new": {"x": 1}}
    newer["bus"]["bridge"]["new"] = 7
    twin.answer = Response(json.dumps(newer))
    assert client.status().bus.bridge.handled == 7


def test_what_is_not_answered_is_asked_again_where_that_is_safe(twin: Twin) -> None:
    """A bounded number of times, each of them said; a cancellation is sent once."""
    said: list[str] = []
    with Client(twin.url, said.append, retries_s=(0.0, 0.0)) as client:
        twin.refusal = Refusal(503, "Overloaded", "its engines refused the turn")
        for call in (client.status, lambda: client.deliberate(ASK), lambda: client.accept(ASK)):
            twin.asked.clear()
            with pytest.raises(Overloaded):
                call()
            assert len(twin.asked) == 3
        assert said[:2] == [
            f"its engines refused the turn; trying again ({n} of 2)" for n in (1, 2)
        ]
        twin.asked.clear()
        with pytest.raises(Overloaded):
            client.cancel("x")
        twin.refusal = Refusal(409, "Conflict", "belongs to another request")
        with pytest.raises(Conflict):
            client.accept(ASK)
        assert len(twin.asked) == 2


@pytest.mark.parametrize("kind", [k for k in TREE.values() if k is not ConclaveError])
def test_a_refusal_is_the_error_that_it_was_on_the_server(
    kind: type[ConclaveError], twin: Twin, client: Any
) -> None:
    """Its class, its line and its parts."""
    parts = {"SetupError": 2, "InvalidRequest": 2, "TooLarge": 2, "InvalidEvent": 3, "Unmet": 2}
    error = kind(*("what", "there", "so: it. at last")[: parts.get(kind.__name__, 1)])
    said = problem(error)
    twin.refusal = Refusal(said.status, said.title, said.detail)
    with pytest.raises(kind) as raised:
        client.read("x")
    assert (type(raised.value), raised.value.args) == (kind, error.args)


@pytest.mark.parametrize(
    ("title", "detail"), [("Teapot", "short and stout"), ("InvalidRequest", "no field is named")]
)
def test_a_refusal_by_another_word_is_told_as_it_is(
    title: str, detail: str, twin: Twin, client: Any
) -> None:
    """Its status, title and line."""
    twin.refusal = Refusal(418, title, detail)
    with pytest.raises(Refused, match=detail) as refused:
        client.read("x")
    assert (refused.value.status, refused.value.title) == (418, title)


def test_a_server_that_takes_its_time_is_given_up(twin: Twin) -> None:
    """An answer may take as long as was said."""
    twin.slow_s = 5.0
    with (
        Client(twin.url, timeout_s=0.05, retries_s=()) as client,
        pytest.raises(Unreachable, match="broke off"),
    ):
        client.status()


async def test_a_stream_that_is_left_suspends_what_it_tells(twin: Twin) -> None:
    """Also where the program waits for the decision and is cancelled."""
    twin.hold = 3
    async with AsyncClient(twin.url) as client:
        async with aclosing(client.stream(ASK)) as records:
            await anext(records)
        waiting = asyncio.create_task(client.deliberate(ASK | {"task_id": "second"}))
        await until_async(lambda: "second" in twin.records, "it is under way")
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    await until_async(lambda: twin.left == ["t/1 ä", "second"], "the twin sees both leave")


def test_an_attached_stream_tells_all_records_to_the_decision(twin: Twin, client: Any) -> None:
    """The records are those of the deliberation; the id is safe in the path."""
    records = list(client.stream(ASK))
    assert records == twin.records["t/1 ä"]
    assert isinstance(records[-1].event, Decided)
    assert list(client.watch("t/1 ä", after=3)) == records[3:]
    assert client.read("t/1 ä").winner_id == records[-1].event.decision.choice


@pytest.mark.parametrize("problem", [None, Refusal(503, "Unavailable", "the council is away")])
def test_a_stream_that_breaks_off_goes_on_behind_its_last_record(
    problem: Refusal | None, twin: Twin, client: Any, said: list[str]
) -> None:
    """Nothing is lost or told twice; the same request is sent again; each break is said."""
    twin.cuts = [(4, problem), (4, problem), (9, problem), None]
    records = list(client.stream(ASK))
    assert records == twin.records["t/1 ä"]
    assert [asked.body for asked in twin.asked] == [ASK] * 4
    assert [asked.headers.get("last-event-id") for asked in twin.asked] == [None, "4", "4", "9"]
    assert [line.rpartition("; ")[2] for line in said] == [
        "trying again (1 of 2)",
        "trying again (2 of 2)",
        "trying again (1 of 2)",
    ]


def test_a_stream_that_cannot_be_mended_is_given_up(twin: Twin, client: Any) -> None:
    """After as many attempts as there are pauses, each without a record."""
    twin.cuts = [(2, None)] * 9
    with pytest.raises(BrokenOff, match="ended before the deliberation did; 2 further attempts"):
        list(client.stream(ASK))
    assert len(twin.asked) == 3


def test_a_refusal_in_the_middle_is_final(twin: Twin, client: Any) -> None:
    """Only what may pass is asked again."""
    twin.cuts = [(2, Refusal(500, "Broken", "a bug of ours"))]
    with pytest.raises(Broken, match="a bug of ours"):
        list(client.stream(ASK))
    assert len(twin.asked) == 1


def test_what_breaks_off_before_it_began_is_not_asked_again(twin: Twin, client: Any) -> None:
    """A server that is not ready says so at once."""
    twin.refusal = Refusal(503, "Unavailable", "no engine answers")
    with pytest.raises(Unavailable, match="no engine answers"):
        list(client.stream(ASK))
    assert len(twin.asked) == 1


def test_a_suspended_deliberation_is_followed_on(twin: Twin, client: Any) -> None:
    """Its replay ends with the suspension; then the stream waits, and is asked again if cut."""
    whole = list(client.stream(ASK))
    twin.records["t/1 ä"] = suspended(whole)
    with pytest.raises(BrokenOff):
        list(client.watch("t/1 ä"))
    assert isinstance(twin.records["t/1 ä"][-1].event, Suspended)


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (200, b"<html>", "answers, but not as this version of Conclave does (answer: Invalid JSON"),
        (200, b"[1]", "(answer: Input should be an object)"),
        (404, b"Path '/v1/status' not found", "(HTTP status 404). Check the address"),
        (307, b"", "(HTTP status 307)"),
        (502, b"<html>Bad Gateway", "cannot answer now (HTTP status 502)"),
        (400, json.dumps({"title": "T", "detail": "two\nlines"}).encode(), "two lines"),
        (400, b"[]", "(HTTP status 400)"),
        (400, b'{"title": "T"}', "(HTTP status 400)"),
    ],
)
def test_an_answer_of_somebody_else(
    status: int, body: bytes, says: str, twin: Twin, client: Any
) -> None:
    """It is said in one line who answered how; nothing crashes."""
    twin.answer = Response(body, status)
    with pytest.raises((SetupError, Refused, Unreachable)) as error:
        client.status()
    assert says in str(error.value)
    assert "\n" not in str(error.value)


STRANGE: list[tuple[int, bytes, str, str]] = [
    (307, b"", "text/plain", "(HTTP status 307)"),
    (200, b"<html>Log in", "text/html", "(text/html in place of a stream)"),
    (200, b"{}", "application/json", "(application/json in place of a stream)"),
    (204, b"", "", "in place of a stream"),
]


@pytest.mark.parametrize(("status", "body", "kind", "says"), STRANGE)
def test_a_stream_of_somebody_else(
    status: int, body: bytes, kind: str, says: str, twin: Twin, client: Any
) -> None:
    """It is said at once in one line, and not taken for a connection that broke off."""
    twin.begun = Response(body, status, headers={"content-type": kind} if kind else {})
    for call in (client.deliberate, lambda asked: list(client.stream(asked))):
        with pytest.raises(SetupError) as error:
            call(ASK)
        assert says in str(error.value)
    assert len(twin.asked) == 2


@pytest.mark.parametrize("key", ["schlüssel", "a\nb", " a", "a "])
def test_a_key_that_no_header_can_hold_is_refused(key: str, twin: Twin, client: Any) -> None:
    """Before anything is sent: over another door it would be another key."""
    for call in (client.accept, client.orchestrate, client.deliberate):
        with pytest.raises(InvalidRequest, match="key: can have"):
            call({"role": "DEV", "text": "Clock"}, key=key)
    assert twin.asked == []


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_name_that_leads_elsewhere_is_refused(name: str, twin: Twin, client: Any) -> None:
    """What such a path deletes or tells would be something else."""
    calls = (client.read, client.cancel, client.story, client.delete_council)
    for call in (*calls, lambda name: client.unregister("DEV", name)):
        with pytest.raises(InvalidRequest, match="is no name in a path"):
            call(name)
    assert twin.asked == []


def test_what_is_no_json_is_refused_as_such(twin: Twin, client: Any) -> None:
    """In a mapping as in a request of ours."""
    asked = OrchestrationRequest(role="DEV", text="x", context={"a": object()})
    for call in (lambda: client.orchestrate(asked), lambda: client.accept({"text": object()})):
        with pytest.raises(InvalidRequest, match="request: cannot be sent as JSON"):
            call()
    assert twin.asked == []


def test_nobody_there() -> None:
    """The remedy is named."""
    with (
        Client("http://127.0.0.1:1", retries_s=()) as client,
        pytest.raises(Unreachable, match="conclave serve"),
    ):
        client.councils()


@pytest.mark.parametrize("url", ["", "localhost:8000", "ftp://x", "http://", "http://a:b"])
def test_an_address_that_is_none(url: str) -> None:
    """It is named, with an example of a right one."""
    with pytest.raises(SetupError, match="is no address of a server"):
        Client(url)


def test_a_proxy_is_not_asked_for_this_machine(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback is direct whatever the environment says; a broken proxy is said for the rest."""
    monkeypatch.setenv("HTTP_PROXY", "gopher://nowhere:1")
    with Client(twin.url) as client:
        assert client.status().version == "0.1.0"
    with pytest.raises(SetupError, match="proxy"):
        Client("http://conclave.example")
