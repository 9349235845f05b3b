"""Claims about the door of OpenAI's clients, knocked at with their own package."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import openai
import pytest
from deadline import until, until_async
from door import serving_http
from openai import OpenAI
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from scripted_desk import DEV, ScriptedDesk

from edges.chat_answer import pieces
from engine.errors import (
    Broken,
    Conflict,
    DeadlineExceeded,
    EngineLost,
    InvalidRequest,
    Overloaded,
    Unavailable,
)
from engine.policies import POLICIES
from engine.seats import agents
from engine.testing import FlakyModel, ScriptedModel
from engine.types import OUTSIDE, Phase, Reply, Task, Turn, Usage

CLOCK: list[Any] = [{"role": "user", "content": "Build a clock"}]
ONE, TWO, THREE = (agent.id for agent in DEV.agents)


class House:
    """The door, its desk, and a client that asks once."""

    def __init__(self, url: str, desk: ScriptedDesk) -> None:
        self.url, self.desk = url, desk
        self.client = OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)

    def ask(self, **fields: Any) -> ChatCompletion:
        """A completion of the usual request, with some parameters set."""
        asked = {"model": "dev", "messages": CLOCK, **fields}
        answer: ChatCompletion = self.client.chat.completions.create(**asked)
        return answer

    def stream(self, **fields: Any) -> list[ChatCompletionChunk]:
        """All chunks of it."""
        asked = {"model": "dev", "messages": CLOCK, "stream": True, **fields}
        return list(self.client.chat.completions.create(**asked))

    def post(self, **fields: Any) -> httpx.Response:
        """The same without the package."""
        body = {"model": "dev", "messages": CLOCK, **fields}
        return httpx.post(f"{self.url}/v1/chat/completions", json=body)


@pytest.fixture(scope="module")
def opened() -> Iterator[House]:
    """One server for all tests here."""
    desk = ScriptedDesk()
    with serving_http(desk) as url:
        house = House(url, desk)
        with house.client:
            yield house


@pytest.fixture
def house(opened: House) -> House:
    """The server, with a desk that knows of nothing."""
    opened.desk.clear()
    return opened


class CachedModel(ScriptedModel):
    """Finds a word of each prompt in its cache, and cuts every text off."""

    async def __call__(self, turn: Turn) -> Reply:
        reply = await super().__call__(turn)
        return reply.model_copy(
            update={"usage": reply.usage + Usage(cached=1, aborted=2), "truncated": True}
        )


def words_of(chunks: list[ChatCompletionChunk]) -> str:
    """The text that chunks add up to."""
    return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)


def test_the_answer_is_the_winners_text_and_the_packet_is_beside_it(house: House) -> None:
    """Text, id, model, and in `conclave` all that qualifies the decision."""
    answer = house.ask()
    ((task, within_s),) = house.desk.asked
    assert (task.role, task.text, within_s) == ("DEV", "Build a clock", 900)
    assert answer.id == f"chatcmpl-{task.id}"
    assert (answer.object, answer.model, answer.created) == ("chat.completion", "DEV", 1001)
    (choice,) = answer.choices
    packet: Any = answer.model_extra["conclave"] if answer.model_extra else None
    assert choice.message.content == f"{packet['winner_id']} says revise 1"
    assert (choice.message.role, choice.finish_reason) == ("assistant", "stop")
    assert packet["id"] == task.id
    assert packet["reason"].startswith("first of 3 texts by borda, ahead by ")
    assert packet["packet"]["choice"] == packet["winner_id"]
    assert packet["dissent"]["objections"][0]["issue"].endswith("misses a proof")
    assert {"draft", "critique", "revise", "vote"} == packet["tokens"].keys()
    assert (packet["degraded"], packet["durable"]) == (False, True)
    assert packet["margin"] == packet["packet"]["margin"]


def test_what_is_lost_is_told_beside_the_answer(house: House) -> None:
    """A degraded decision, and one that the journal does not hold yet, say so."""
    house.desk.model = FlakyModel({(ONE, Phase.VOTE)})
    house.desk.durable = False
    packet: Any = (house.ask().model_extra or {})["conclave"]
    assert packet["degraded"]
    assert list(packet["lost"]) == [ONE]
    assert not packet["durable"]


def test_usage_and_the_reason_to_stop_are_true(house: House) -> None:
    """All tokens of all turns, those thrown away among them; a text cut off says so."""
    house.desk.model = CachedModel()
    answer = house.ask(model="dev:single")
    assert answer.choices[0].finish_reason == "length"
    packet: Any = (answer.model_extra or {})["conclave"]
    (spent,) = packet["tokens"].values()
    usage = answer.usage
    assert usage is not None
    assert usage.prompt_tokens == spent["prompt"] > 10
    assert usage.completion_tokens == spent["generated"] + 2 == 6
    assert usage.total_tokens == usage.prompt_tokens + 6
    assert usage.prompt_tokens_details is not None
    assert usage.prompt_tokens_details.cached_tokens == 1


def test_a_stream_names_the_speaker_first_then_tells_the_text(house: House) -> None:
    """Many chunks of one id, whose text is the winner's; the last choice has reason and packet."""
    said = "A clock ticks once a second, and it keeps on ticking for as long as it is wound. " * 3
    house.desk.model = ScriptedModel({(ONE, Phase.DRAFT): said})
    first, *others = chunks = house.stream(model="dev:single")
    assert first.choices[0].delta.role == "assistant"
    assert first.choices[0].delta.content == ""
    assert words_of(chunks) == said.strip()
    assert len(others) > 5
    assert {c.id for c in chunks} == {f"chatcmpl-{house.desk.asked[0][0].id}"}
    assert [c.choices[0].finish_reason for c in others] == [None] * (len(others) - 1) + ["stop"]
    packet: Any = (others[-1].model_extra or {})["conclave"]
    assert packet["winner_id"] == ONE
    assert all("conclave" not in (c.model_extra or {}) for c in chunks[:-1])
    assert all(c.usage is None for c in chunks)


def test_a_stream_ends_with_its_usage_where_that_is_asked_for(house: House) -> None:
    """In a chunk of its own without a choice, equal to that of the whole answer."""
    *others, last = house.stream(stream_options={"include_usage": True})
    assert last.choices == []
    assert last.usage == house.ask().usage
    assert all(c.usage is None for c in others)


class HeldModel(ScriptedModel):
    """Answers nothing before its gate is open, which any thread may open."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()

    async def __call__(self, turn: Turn) -> Reply:
        await until_async(self.gate.is_set, "the gate is open")
        return await super().__call__(turn)


def test_while_the_council_works_the_stream_has_comments(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line for each record, keep-alives in a silence, and [DONE] at last."""
    config = house.desk.config
    paced = config.http.model_copy(update={"keep_alive_s": 0.05})
    monkeypatch.setattr(house.desk, "config", config.model_copy(update={"http": paced}))
    house.desk.model = model = HeldModel()
    body = {"model": "dev", "messages": CLOCK, "stream": True}
    with httpx.stream("POST", f"{house.url}/v1/chat/completions", json=body) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        seen = [line for line in iter(lambda: next(lines), ": keep-alive") if line]
        assert json.loads(seen[0].removeprefix("data: "))["choices"][0]["delta"]["role"]
        assert seen[1] == ": the DEV council has convened"
        model.gate.set()
        rest = [line for line in lines if line]
    assert f": {ONE} has drafted" in rest
    assert any(line.startswith(": decided") for line in rest)
    assert rest[-1] == "data: [DONE]"


class ForgingModel(ScriptedModel):
    """Loses an agent for a reason that would pass for chunks, were it more than one line."""

    async def __call__(self, turn: Turn) -> Reply:
        if turn.agent == ONE:
            raise EngineLost('x\n\ndata: {"choices": []}\r\rdata: [DONE]\n\n')
        return await super().__call__(turn)


def test_nothing_that_happens_ends_a_comment(house: House) -> None:
    """What is told in a comment is one line: it cannot pass for a chunk."""
    house.desk.model = ForgingModel()
    stream = house.post(stream=True).text
    assert f": {ONE} takes no further part: EngineLost: x data: " in stream
    data = [line for line in stream.split("\n") if line.startswith("data: ")]
    assert data[-1] == "data: [DONE]"
    assert [json.loads(line[6:])["object"] for line in data[:-1]] == ["chat.completion.chunk"] * (
        len(data) - 1
    )
    assert "\r" not in stream


def test_a_caller_that_goes_leaves_its_deliberation(house: House) -> None:
    """As at any door: its desk sees it go, with the id that the same key would go on with."""
    house.desk.hold()
    body = {"model": "dev", "messages": CLOCK, "stream": True}
    headers = {"Idempotency-Key": "k"}

    async def leave() -> None:
        async with httpx.AsyncClient() as http:
            asked = http.post(f"{house.url}/v1/chat/completions", json=body, headers=headers)
            waiting = asyncio.create_task(asked)
            await until_async(lambda: bool(house.desk.asked), "it is asked")
            waiting.cancel()

    asyncio.run(leave())
    until(lambda: bool(house.desk.left), "the desk sees it go")
    assert house.desk.left == [house.desk.asked[0][0].id]


def test_the_same_key_is_the_same_deliberation(house: House) -> None:
    """By the header that every door takes; another key is another one."""
    ids = [house.ask(extra_headers={"Idempotency-Key": key}).id for key in ("k", "k", "other")]
    assert ids[0] == ids[1] != ids[2]


def test_the_time_of_the_header_counts(house: House) -> None:
    """In milliseconds, as at every door."""
    house.ask(extra_headers={"X-Timeout-Ms": "1500"})
    assert house.desk.asked[0][1] == 1.5


def test_a_conversation_becomes_a_task(house: House) -> None:
    """The last message is the task, the system's are requirements, earlier ones are context."""
    parts = [{"type": "text", "text": "And"}, {"type": "text", "text": "now?"}]
    said: list[Any] = [
        {"role": "system", "content": "Answer in French."},
        {"role": "developer", "content": [{"type": "text", "text": "Be brief."}]},
        {"role": "user", "content": "Hello", "name": "Ada"},
        {"role": "assistant", "content": "Bonjour"},
        {"role": "user", "content": parts},
    ]
    house.ask(messages=said, metadata={"team": "a"}, user="u-1")
    task = house.desk.asked[0][0]
    assert task.text == "And\nnow?"
    assert task.requirements == ("Answer in French.", "Be brief.")
    assert task.context == {
        "conversation": [
            {"role": "user", "name": "Ada", "content": "Hello"},
            {"role": "assistant", "content": "Bonjour"},
        ],
        "metadata": {"team": "a"},
        "user": "u-1",
    }


def test_an_answer_is_sent_back_as_the_clients_do_it(house: House) -> None:
    """With all its fields, those that say nothing among them, also by another server's answer."""
    answer = house.ask().choices[0].message
    theirs = {"role": "assistant", "content": "No", "refusal": None, "annotations": []}
    more = {"role": "user", "content": "And now?", "name": None}
    house.ask(messages=[*CLOCK, answer, *CLOCK, theirs, more])
    assert house.desk.asked[1][0].context["conversation"] == [
        {"role": "user", "content": "Build a clock"},
        {"role": "assistant", "content": answer.content},
        {"role": "user", "content": "Build a clock"},
        {"role": "assistant", "content": "No"},
    ]


def test_a_stream_that_is_not_to_be_obfuscated_is_not(house: House) -> None:
    """OpenAI's reference lets clients say so; null leaves the usage out."""
    options = {"include_usage": None, "include_obfuscation": False}
    assert house.stream(stream_options=options)[-1].choices[0].finish_reason == "stop"
    refused = house.post(stream=True, stream_options={"include_obfuscation": True})
    assert refused.json()["error"]["param"] == "stream_options.include_obfuscation"


@pytest.mark.parametrize("path", ["", "/completions/chatcmpl-1", "/completions/x/messages"])
def test_a_path_of_these_clients_that_leads_nowhere_says_so_in_their_shape(
    house: House, path: str
) -> None:
    """What they may ask of OpenAI's door and not of this one."""
    answer = httpx.get(f"{house.url}/v1/chat{path}")
    assert answer.status_code == 404
    assert answer.json()["error"].keys() == {"message", "type", "param", "code"}


def test_what_can_be_honoured_is(house: House) -> None:
    """How tokens are drawn, how many for a text, and how many in all."""
    house.ask(temperature=0.1, top_p=0.5, max_tokens=7, max_completion_tokens=5000)
    task = house.desk.asked[0][0]
    turns = house.desk.model.turns
    assert (task.token_budget, task.answer_tokens) == (5000, 7)
    assert {(t.sampling.temperature, t.sampling.top_p) for t in turns} == {(0.1, 0.5)}
    texts = [t for t in turns if t.phase in (Phase.DRAFT, Phase.REVISE)]
    assert {t.max_tokens for t in texts} == {7}
    house.desk.clear()
    house.ask()
    assert {t.sampling for t in house.desk.model.turns} == {DEV.agents[0].sampling}
    assert max(t.max_tokens for t in house.desk.model.turns) == DEV.budgets.draft


def test_every_council_and_policy_is_a_model(house: House) -> None:
    """Listed, told of one by one, and asked: the policy is the one that is named."""
    listed = [model.id for model in house.client.models.list()]
    expected = [f"{r}{p}" for r in ("DEV", "QA") for p in ("", *(f":{name}" for name in POLICIES))]
    assert listed == expected
    for id in ("dev", "dev:debate"):
        assert house.client.models.retrieve(id).id == id.replace("dev", "DEV")
        assert house.ask(model=id).model == id.replace("dev", "DEV")
    assert [task.policy for task, _ in house.desk.asked] == ["", "debate"]


@pytest.mark.parametrize("name", ["gpt-5", "dev:chaos", "dev:", ""])
def test_an_unknown_model_is_not_found(house: House, name: str) -> None:
    """With the code that clients look for, and the names there are."""
    asks: list[Callable[[], object]] = [
        lambda: house.ask(model=name),
        lambda: house.ask(model=name, stream=True),
    ]
    if name:
        asks.append(lambda: house.client.models.retrieve(name))
    for ask in asks:
        with pytest.raises(openai.NotFoundError) as caught:
            ask()
        assert caught.value.code == "model_not_found"
        assert caught.value.param == "model"
        assert caught.value.type == "invalid_request_error"
        assert "DEV" in str(caught.value) or "debate" in str(caught.value)
    assert house.desk.asked == []


TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.org/x.png"}}
REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"n": 2}, "n", "only 1 is taken"),
    ({"n": True}, "n", "only 1 is taken"),
    ({"tools": [TOOL]}, "tools", "cannot be honoured by a council"),
    ({"tool_choice": "auto"}, "tool_choice", "only 'none' is taken"),
    ({"logprobs": True}, "logprobs", "only False is taken"),
    ({"audio": {"voice": "x"}}, "audio", "cannot be honoured"),
    ({"modalities": ["audio"]}, "modalities", "only ['text'] is taken"),
    ({"response_format": {"type": "json_object"}}, "response_format", "cannot be honoured"),
    ({"stop": "x"}, "stop", "cannot be honoured"),
    ({"seed": 7}, "seed", "cannot be honoured"),
    ({"presence_penalty": 1}, "presence_penalty", "cannot be honoured"),
    ({"store": False}, "store", "only True is taken"),
    ({"cheese": 1}, "cheese", "is no parameter of a chat completion"),
    ({"temperature": 3}, "temperature", "less than or equal to 2"),
    ({"max_tokens": 0}, "max_tokens", "greater than or equal to 1"),
    ({"max_completion_tokens": 100_001}, "max_completion_tokens", "is over this server's cap"),
    ({"stream_options": {"include_usage": True}}, "stream_options", "only with stream"),
    ({"stream_options": {"x": 1}, "stream": True}, "stream_options.x", "not permitted"),
    ({"messages": []}, "messages", "at least 1 item"),
    ({"messages": [{"role": "user", "content": " "}]}, "messages", "is empty"),
    ({"messages": [{"role": "assistant", "content": "x"}]}, "messages.0.role", "the user's"),
    ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role", "'user'"),
    ({"messages": [{"role": "user", "content": [IMAGE]}]}, "messages.0.content", "of type 'text'"),
    ({"messages": [{"role": "user", "content": None}]}, "messages.0.content", "must be text"),
    ({"messages": [{"role": "user"}]}, "messages.0.content", "must be text"),
    ({"messages": None}, "messages", "valid tuple"),
]


@pytest.mark.parametrize(("fields", "param", "says"), REFUSED, ids=lambda v: str(v)[:30])
def test_what_cannot_be_done_is_refused_by_its_name(
    house: House, fields: dict[str, Any], param: str, says: str
) -> None:
    """400 in OpenAI's shape, in whole and streaming, with the parameter; nobody is asked."""
    means_it = {"stream": True} if fields.keys() != {"stream_options"} else {}
    for streams in ({}, means_it):
        answer = house.post(**{**streams, **fields})
        error = answer.json()["error"]
        assert answer.status_code == 400, answer.text
        assert error.keys() == {"message", "type", "param", "code"}
        assert (error["param"], error["type"]) == (param, "invalid_request_error")
        assert says in error["message"]
        assert "\n" not in error["message"]
    assert house.desk.asked == []


def test_what_a_council_does_anyway_may_be_said(house: House) -> None:
    """The values that change nothing, and null for everything, are no reason to refuse."""
    house.ask(n=1, logprobs=False, store=True, frequency_penalty=0, modalities=["text"])
    answer = house.post(tools=None, seed=None, temperature=None, response_format={"type": "text"})
    assert answer.status_code == 200


TROUBLES: list[tuple[Exception, int, str | None, type[openai.APIStatusError]]] = [
    (Conflict("taken"), 409, "conflict", openai.ConflictError),
    (InvalidRequest("context", "has 9 tokens and 3 fit"), 400, None, openai.BadRequestError),
    (Unavailable("council DEV is away"), 503, "unavailable", openai.InternalServerError),
    (Overloaded("full"), 503, "overloaded", openai.InternalServerError),
    (DeadlineExceeded("late"), 504, "deadline_exceeded", openai.InternalServerError),
    (Broken("a bug"), 500, "broken", openai.InternalServerError),
]


@pytest.mark.parametrize(("trouble", "status", "code", "kind"), TROUBLES, ids=lambda v: str(v)[:20])
@pytest.mark.parametrize("stream", [False, True])
def test_every_trouble_has_its_status(
    house: House,
    trouble: Exception,
    status: int,
    code: str | None,
    kind: type[openai.APIStatusError],
    stream: bool,
) -> None:
    """As the package's own error, with one line; before a stream has begun also there."""
    house.desk.trouble = trouble
    with pytest.raises(kind) as caught:
        house.ask(stream=stream)
    assert (caught.value.status_code, caught.value.code) == (status, code)
    assert caught.value.param == ("messages" if status == 400 else None)


def test_a_deliberation_without_a_decision_is_no_answer(house: House) -> None:
    """Each end has its status; a client is told that asking again does not help."""
    for end, status in (("QuorumLost", 503), ("DeadlineExceeded", 504), ("Cancelled", 409)):
        house.desk.end = end  # type: ignore[assignment]
        answer = house.post()
        error = answer.json()["error"]
        assert (answer.status_code, error["message"][: len(end)]) == (status, end)
        assert f"/v1/deliberations/{house.desk.asked[-1][0].id}" in error["message"]
        assert answer.headers["x-should-retry"] == "false"


def test_a_stream_that_breaks_off_says_so_as_the_package_reads_it(house: House) -> None:
    """An error instead of a text: nobody takes the stream for an answer."""
    house.desk.end = "QuorumLost"
    with pytest.raises(openai.APIError, match="QuorumLost: so it was") as caught:
        house.stream()
    assert caught.value.code == "quorum_lost"
    assert '"finish_reason": "stop"' not in house.post(stream=True).text


def test_what_is_no_request_is_refused_in_the_same_shape(house: House) -> None:
    """No JSON, a wrong method, too long a body, a header that is none."""
    url = f"{house.url}/v1/chat/completions"
    body = {"model": "dev", "messages": CLOCK}
    large = {"model": "dev", "messages": [{"role": "user", "content": "x" * 300_000}]}
    answers = {
        400: httpx.post(url, content=b"{"),
        405: httpx.get(url),
        413: httpx.post(url, json=large),
    }
    for status, answer in answers.items():
        assert answer.status_code == status
        assert answer.json()["error"].keys() == {"message", "type", "param", "code"}
    timed = httpx.post(url, json=body, headers={"X-Timeout-Ms": "soon"})
    assert (timed.status_code, timed.json()["error"]["param"]) == (400, "x-timeout-ms")
    assert httpx.get(f"{house.url}/v1/nothing").headers["content-type"].endswith("problem+json")


async def test_the_asynchronous_client_works_as_well(house: House) -> None:
    """Whole and streaming."""
    async with openai.AsyncOpenAI(
        base_url=f"{house.url}/v1", api_key="none", max_retries=0
    ) as client:
        asked: dict[str, Any] = {"model": "DEV", "messages": CLOCK}
        asked["extra_headers"] = {"Idempotency-Key": "k"}
        whole = await client.chat.completions.create(**asked)
        stream = await client.chat.completions.create(**asked, stream=True)
        assert words_of([chunk async for chunk in stream]) == whole.choices[0].message.content


def test_pieces_add_up_to_their_text() -> None:
    """Whatever the text."""
    for text in ("", "a", " a\n\n b ", "x" * 100, "one two three " * 20, "\n"):
        assert "".join(pieces(text)) == text


def test_agents_from_outside_draw_their_tokens_themselves() -> None:
    """Only those that have an engine of ours can be told how."""
    outside = DEV.agents[0].model_copy(update={"pool": OUTSIDE})
    council = DEV.model_copy(update={"agents": (outside, DEV.agents[1])})
    task = Task(id="t", role="DEV", text="x", temperature=0.0)
    first, second = agents(task, council)
    assert first == outside
    assert second.sampling == DEV.agents[1].sampling.model_copy(update={"temperature": 0.0})
