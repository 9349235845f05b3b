"""Claims about agents behind an OpenAI-compatible API, asked of a real HTTP server."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from api_twin import END, STREAM, ApiTwin, chunk, filled, obliging, plain, refused, spoken, usage
from deadline import until_async

from actors import endpoints
from actors.endpoints import ATTEMPTS, Endpoints
from engine.config import OutsideAgent
from engine.errors import GaveUp, InvalidRequest, NoAnswer, Unavailable
from engine.joining import UNNAMED
from engine.types import (
    OUTSIDE,
    ChoiceForm,
    Form,
    JsonForm,
    LabelOdds,
    Message,
    Phase,
    Reply,
    Stopped,
    TextForm,
    Turn,
    Usage,
)

KEY = "CONCLAVE_KEY_TEST"
SECRET = "sk-very-secret"
CHOICE = ChoiceForm(questions=(" A or B?", " B or A?"), labels=("A", "B"))
FINDINGS = JsonForm(
    json_schema={"type": "object", "properties": {"verdict": {"enum": ["keep", "revise"]}}}
)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(endpoints, "LAST_PAUSE_S", 0.002)


def a_turn(form: Form | None = None) -> Turn:
    return Turn(
        deliberation="t-1",
        agent="api",
        pool=OUTSIDE,
        phase=Phase.DRAFT,
        round=0,
        target="api",
        messages=(Message(role="system", content="Be brief."), Message(role="user", content="Go")),
        form=form or TextForm(),
        max_tokens=7,
    )


@asynccontextmanager
async def at(api: ApiTwin, **fields: object) -> AsyncIterator[Endpoints]:
    """The agent `api` at this server."""
    async with api.on():
        known = Endpoints()
        known.know(agent(api.url, **fields))
        yield known
        await known.close()


def agent(url: str, **fields: object) -> OutsideAgent:
    return OutsideAgent.model_validate({"id": "api", "endpoint": url, "model": "m-1"} | fields)


async def said(api: ApiTwin, form: Form | None = None, **fields: object) -> Reply:
    async with at(api, **fields) as known:
        return await known.ask(a_turn(form))


async def test_a_turn_is_one_streamed_request() -> None:
    """The prompt, the sampling and the bound as they are; the text and what the server counted."""
    api = ApiTwin()
    found = await said(api)
    assert (found.text, found.truncated) == ("m-1 says something", False)
    assert found.usage == Usage(prompt=10, cached=3, generated=5)
    [asked] = api.asked
    assert asked == {
        "model": "m-1",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Go"},
        ],
        "max_tokens": 7,
        "temperature": 0.7,
        "top_p": 0.95,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert "authorization" not in api.headers[0]


async def test_a_form_is_held_by_the_server_where_it_can() -> None:
    """The schema goes along, and all questions of a vote are one request."""
    api = ApiTwin()
    assert json.loads((await said(api, FINDINGS)).text) == {"verdict": "keep"}
    assert api.asked[0]["response_format"]["json_schema"]["schema"] == FINDINGS.json_schema
    found = await said(api, CHOICE)
    assert found.choices == (LabelOdds(odds={"A": 1.0, "B": 0.0}, mass=1.0),) * 2
    last = api.asked[1]["messages"][-1]["content"]
    assert last.endswith("in this order:\n1. A or B?\n2. B or A?")


async def test_a_server_without_schemas_is_told_the_schema_in_words() -> None:
    """It is found out once; a fence around the answer is no part of it."""

    def say(asked: dict[str, object]) -> list[bytes]:
        if "response_format" in asked:
            return refused(400, "response_format is not supported")
        return spoken('```json\n{"answers": ["B", "A"]}\n```')

    api = ApiTwin(say)  # type: ignore[arg-type]
    async with at(api) as known:
        for _ in range(2):
            found = await known.ask(a_turn(CHOICE))
    assert [max(each.odds, key=lambda label: each.odds[label]) for each in found.choices] == [
        "B",
        "A",
    ]
    assert ["response_format" in asked for asked in api.asked] == [True, False, False]
    assert "nothing but JSON of this schema" in api.asked[1]["messages"][-1]["content"]


async def test_what_is_no_ballot_is_shown_to_its_reader() -> None:
    """No odds are made up: the engine asks once more and does without."""
    found = await said(ApiTwin(lambda _: spoken("I like A best")), CHOICE)  # type: ignore[arg-type, return-value]
    assert (found.choices, found.text) == ((), "I like A best")


async def test_reasoning_never_becomes_the_text() -> None:
    """Neither where the server parts it nor where the model does."""
    first = json.dumps({"choices": [{"delta": {"reasoning_content": "hm"}}]}).encode()
    parted = [STREAM, b"data: " + first + b"\n\n", chunk("<think>so"), chunk("</think>Yes", "stop")]
    found = await said(ApiTwin(lambda _: [*parted, END]))  # type: ignore[arg-type, return-value]
    assert (found.text, found.reasoning) == ("Yes", "hm\n\nso")
    cut = [STREAM, chunk("<think>on and"), chunk("", "length"), END]
    found = await said(ApiTwin(lambda _: [*cut]))  # type: ignore[arg-type, return-value]
    assert (found.text, found.truncated) == ("", True)


async def test_a_server_that_does_not_stream_is_understood() -> None:
    """One document is a whole completion; what it does not count is not known."""
    whole = {"choices": [{"message": {"content": "Yes"}, "finish_reason": "stop"}]}
    found = await said(ApiTwin(lambda _: plain(whole)))  # type: ignore[arg-type, return-value]
    assert (found.text, found.usage) == ("Yes", Usage())


async def test_the_key_goes_to_its_server_and_nowhere_else(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Read when it is sent; no error, log or field has it."""
    monkeypatch.setenv(KEY, SECRET)
    caplog.set_level("DEBUG")
    api = ApiTwin()
    await said(api, key_env=KEY)
    assert api.headers[0]["authorization"] == f"Bearer {SECRET}"
    api.say = lambda _: refused(401, f"bad key {SECRET}")  # type: ignore[assignment, return-value]
    with pytest.raises(GaveUp, match=f"refuses the key in {KEY}") as refusal:
        await said(api, key_env=KEY)
    assert SECRET not in str(refusal.value)
    api.say = lambda _: refused(400, f"bad key {SECRET}")  # type: ignore[assignment, return-value]
    with pytest.raises(GaveUp, match=rf"bad key \({KEY}\)"):
        await said(api, key_env=KEY)
    assert SECRET not in caplog.text
    assert SECRET not in repr(agent(api.url, key_env=KEY))


async def test_a_key_that_is_not_there_is_told_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent without it."""
    monkeypatch.delenv(KEY, raising=False)
    api = ApiTwin()
    with pytest.raises(GaveUp, match=f"{KEY} is not set"):
        await said(api, key_env=KEY)
    assert api.asked == []


async def test_passing_trouble_is_borne_a_bounded_number_of_times() -> None:
    """Refusals that pass and lines that break are tried again; what they had cost is told."""
    troubles = iter(
        [refused(503), [STREAM, chunk("a"), chunk("b")], refused(429, "slow", "retry-after: 0")]
    )
    api = ApiTwin(lambda asked: next(troubles, None) or obliging(asked))  # type: ignore[arg-type, return-value]
    found = await said(api)
    assert (found.text, len(api.asked)) == ("m-1 says something", ATTEMPTS)
    assert found.usage == Usage(prompt=10, cached=3, generated=5, aborted=2)
    api = ApiTwin(lambda _: refused(500, "out of memory"))  # type: ignore[arg-type, return-value]
    with pytest.raises(NoAnswer, match="status 500: out of memory, 4 times"):
        await said(api)
    assert len(api.asked) == ATTEMPTS


@pytest.mark.parametrize(
    ("pieces", "says"),
    [
        (refused(404, "no such model"), "status 404: no such model"),
        (refused(402, "pay\nfirst"), "status 402: pay first"),
        ([STREAM, b"data: {not json\n\n"], "no JSON"),
        ([STREAM, b"data: 17\n\n"], "no completion"),
        ([STREAM, b'data: {"choices": 3}\n\n'], "no completion"),
        ([STREAM, b'data: {"error": {"message": "it broke"}}\n\n'], "it says: it broke"),
        ([STREAM, b"data: " + b"x" * (5 * 1024 * 1024)], "longer than"),
        (plain({"data": "none"}), "no completion"),
    ],
)
async def test_what_does_not_pass_is_told_at_once(pieces: list[bytes], says: str) -> None:
    """One request, one line."""
    api = ApiTwin(lambda _: [*pieces])
    with pytest.raises(GaveUp, match=says) as failed:
        await said(api)
    assert len(api.asked) == 1
    assert "\n" not in str(failed.value)


@pytest.mark.parametrize("pieces", [[b"\x00\xff garbage\r\n\r\n"], [], [STREAM], [STREAM, END]])
async def test_what_is_no_answer_is_tried_again_and_told(pieces: list[bytes]) -> None:
    """A server that hangs up or talks another language is no reason to wait for ever."""
    api = ApiTwin(lambda _: [*pieces])
    with pytest.raises(NoAnswer, match="4 times"):
        await said(api)


async def test_nobody_at_the_endpoint_is_told() -> None:
    """With where it was looked for."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        known = Endpoints()
        known.know(agent(url))
        with pytest.raises(NoAnswer, match="broke off"):
            await known.ask(a_turn())
        with pytest.raises(Unavailable, match=f"nothing answers at {url}"):
            await known.found(agent(url))
        await known.close()


async def test_a_slow_answer_is_not_waited_for_longer_than_was_said() -> None:
    """Neither for all of it nor for the next sign of life."""
    slow = ApiTwin(lambda _: [STREAM, chunk("a"), None])
    with pytest.raises(NoAnswer, match=r"gave no answer in 0\.2 s"):
        await said(slow, answer_within_s=0.2)
    slow = ApiTwin(lambda _: [STREAM, chunk("a"), None])
    with pytest.raises(NoAnswer, match=r"no sign of life in 0\.2 s"):
        await said(slow, silent_after_s=0.2)
    assert len(slow.asked) == 1


async def test_a_cancelled_turn_hangs_up_and_tells_its_cost() -> None:
    """The server sees at once that nobody waits any more."""
    api = ApiTwin(lambda _: [STREAM, chunk("a"), chunk("b"), chunk("c"), None])
    async with at(api) as known:
        asking = asyncio.create_task(known.ask(a_turn()))
        await until_async(lambda: api.asked, "it is asked")
        await until_async(lambda: api.at_once, "it answers")
        await asyncio.sleep(0.1)  # the chunks have no sign of their arrival
        asking.cancel()
        with pytest.raises(Stopped) as stopped:
            await asking
        assert stopped.value.usage == Usage(aborted=3)
        await asyncio.wait_for(api.hung_up.wait(), 5)


async def test_no_more_turns_are_asked_at_once_than_it_takes() -> None:
    """The others wait for their place."""
    api = ApiTwin(lambda asked: [None, *obliging(asked)])
    async with at(api, at_once=2) as known:
        asking = [asyncio.create_task(known.ask(a_turn())) for _ in range(5)]
        await until_async(lambda: api.at_once == 2, "two are asked")
        api.gate.set()
        assert len(await asyncio.gather(*asking)) == 5
    assert (api.most_at_once, len(api.asked)) == (2, 5)


async def test_the_model_is_found_where_there_is_one() -> None:
    """Named, it has to be there; the only one need not be named; a server may not say."""
    api = ApiTwin()
    async with api.on():
        known, nameless = Endpoints(), agent(api.url, model=UNNAMED)
        assert (await known.found(nameless)).model == "m-1"
        assert await known.found(agent(api.url)) == agent(api.url)
        with pytest.raises(InvalidRequest, match="has no 'm-2'; known: m-1"):
            await known.found(agent(api.url, model="m-2"))
        api.models = plain({"data": [{"id": "a"}, {"id": "b"}]})
        with pytest.raises(InvalidRequest, match="name one; known: a, b"):
            await known.found(nameless)
        api.models = refused(404)
        assert await known.found(agent(api.url, model="m-2")) == agent(api.url, model="m-2")
        with pytest.raises(InvalidRequest, match="it does not say"):
            await known.found(nameless)
        api.models = refused(401)
        with pytest.raises(InvalidRequest, match="refuses a request without a key"):
            await known.found(nameless)
        api.models = refused(503)
        with pytest.raises(Unavailable, match="status 503"):
            await known.found(nameless)
        await known.close()


def test_the_twin_fills_what_it_is_asked() -> None:
    schema = {"properties": {"answers": {"items": {"enum": ["A"]}, "minItems": 2}}}
    assert filled(schema) == {"answers": ["A", "A"]}
    assert usage(1, 0, 1).startswith(b"data: ")
