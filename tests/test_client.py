"""Claims about the HTTP client: what a stream of events is, and what a broken one costs."""

import json
from collections.abc import Iterator
from itertools import pairwise

import pytest
from fastapi import Response
from http_twin import Refusal, Twin, suspended
from hypothesis import given
from hypothesis import strategies as st

from commands.client import Away, BrokenOff, Client, Message, Refused, messages
from engine.errors import SetupError
from engine.events import Decided, Suspended

ASK = {"task_id": "t/1 ä", "role": "DEV", "text": "Clock"}


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def client(twin: Twin, said: list[str]) -> Iterator[Client]:
    with Client(twin.url, said.append, pauses_s=(0.0, 0.0)) as client:
        yield client


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
    chunks = [STREAM[a:b] for a, b in pairwise(places)]
    assert list(messages(chunks)) == [
        Message("drafted", b"{"),
        Message("error", "one\ntwo\u2028\x0b\x85 three".encode()),
        Message("message", b"last"),
    ]


def test_an_attached_stream_tells_all_records_to_the_decision(twin: Twin, client: Client) -> None:
    """The records are those of the deliberation; the id is safe in the path."""
    records = list(client.deliberate(ASK))
    assert records == twin.records["t/1 ä"]
    assert isinstance(records[-1].event, Decided)
    assert list(client.events("t/1 ä", after=3)) == records[3:]
    assert client.read("t/1 ä").winner_id == records[-1].event.decision.choice


@pytest.mark.parametrize("problem", [None, Refusal(503, "Unavailable", "the council is away")])
def test_a_stream_that_breaks_off_goes_on_behind_its_last_record(
    problem: Refusal | None, twin: Twin, client: Client, said: list[str]
) -> None:
    """Nothing is lost or told twice; the same request is sent again; each break is said."""
    twin.cuts = [(4, problem), (4, problem), (9, problem), None]
    records = list(client.deliberate(ASK))
    assert records == twin.records["t/1 ä"]
    assert [asked.body for asked in twin.asked] == [ASK] * 4
    assert [asked.headers.get("last-event-id") for asked in twin.asked] == [None, "4", "4", "9"]
    assert [line.rpartition("; ")[2] for line in said] == [
        "trying again (1 of 2)",
        "trying again (2 of 2)",
        "trying again (1 of 2)",
    ]


def test_a_stream_that_cannot_be_mended_is_given_up(twin: Twin, client: Client) -> None:
    """After as many attempts as there are pauses, each without a record."""
    twin.cuts = [(2, None)] * 9
    with pytest.raises(BrokenOff, match="ended before the deliberation did; 2 further attempts"):
        list(client.deliberate(ASK))
    assert len(twin.asked) == 3


def test_a_refusal_in_the_middle_is_final(twin: Twin, client: Client) -> None:
    """Only what may pass is asked again."""
    twin.cuts = [(2, Refusal(500, "Broken", "a bug of ours"))]
    with pytest.raises(Refused, match="a bug of ours"):
        list(client.deliberate(ASK))
    assert len(twin.asked) == 1


def test_what_breaks_off_before_it_began_is_not_asked_again(twin: Twin, client: Client) -> None:
    """A server that is not ready says so at once."""
    twin.refusal = Refusal(503, "Unavailable", "no engine answers")
    with pytest.raises(Refused, match="no engine answers") as refused:
        list(client.deliberate(ASK))
    assert (refused.value.status, refused.value.title) == (503, "Unavailable")
    assert len(twin.asked) == 1


def test_a_suspended_deliberation_is_followed_on(twin: Twin, client: Client) -> None:
    """Its replay ends with the suspension; then the stream waits, and is asked again if cut."""
    whole = list(client.deliberate(ASK))
    twin.records["t/1 ä"] = suspended(whole)
    with pytest.raises(BrokenOff):
        list(client.events("t/1 ä"))
    assert isinstance(twin.records["t/1 ä"][-1].event, Suspended)


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (200, b"<html>", "answers, but not as this version of Conclave does (no JSON"),
        (200, b"[1]", "the status is no object"),
        (404, b"Path '/v1/status' not found", "(HTTP status 404). Check --url"),
        (307, b"", "(HTTP status 307)"),
        (502, b"<html>Bad Gateway", "cannot answer now (HTTP status 502)"),
        (400, json.dumps({"title": "T", "detail": "two\nlines"}).encode(), "two lines"),
        (400, b"[]", "(HTTP status 400)"),
        (400, b'{"title": "T"}', "(HTTP status 400)"),
    ],
)
def test_an_answer_of_somebody_else(
    status: int, body: bytes, says: str, twin: Twin, client: Client
) -> None:
    """It is said in one line who answered how; nothing crashes."""
    twin.answer = Response(body, status)
    with pytest.raises((SetupError, Refused, Away)) as error:
        client.status()
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_nobody_there() -> None:
    """The remedy is named."""
    with Client("http://127.0.0.1:1") as client, pytest.raises(Away, match="conclave serve"):
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
        assert client.status()["version"] == "0.1.0"
    with pytest.raises(SetupError, match="proxy"):
        Client("http://conclave.example")
