"""What the real engine does, once in this process and then in a real Ray that loses it."""

from __future__ import annotations

import asyncio
import json
import math
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from agents import a_pool, a_turn
from deadline import until_async as until

from actors import embedded
from actors.agent import AgentActor
from actors.engine_args import engine_env
from actors.pool import AgentPool
from engine.errors import PromptTooLong, SetupError, SpeechFailed
from engine.types import ChoiceForm, JsonForm, Stopped, Usage

pytestmark = [
    pytest.mark.model,
    pytest.mark.timeout(400),  # an engine's start included
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]

START_S = 240.0
STORY = "The login page must keep its visitors safe and the auditors content. " * 20
CRITIQUE = {
    "type": "object",
    "properties": {
        "findings": {
            "type": "array",
            "maxItems": 2,
            "items": {
                "type": "object",
                "properties": {
                    "severity": {"enum": ["major", "minor"]},
                    "issue": {"type": "string", "maxLength": 80},
                },
                "required": ["severity", "issue"],
                "additionalProperties": False,
            },
        },
        "verdict": {"enum": ["accept", "revise"]},
    },
    "required": ["findings", "verdict"],
    "additionalProperties": False,
}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def agent(small_model: Path) -> AsyncIterator[AgentActor]:
    """One real engine for the whole file."""
    config = a_pool(str(small_model), kv_cache_gb=0.5)
    with pytest.MonkeyPatch.context() as environment:
        for name, value in engine_env(config, 0).items():
            environment.setenv(name, value)
        actor = AgentActor("small", 0, config)
        await actor.ready()
        yield actor
        await actor.stop()


async def test_free_text_has_usage_and_its_end(agent: AgentActor) -> None:
    """A text that is cut says so; its tokens are counted."""
    reply = (await agent.speak(a_turn("Write about bridges.", max_tokens=24))).reply
    assert reply.text
    assert reply.truncated
    assert reply.usage.generated == 24
    assert (await agent.health()).generated >= 24


async def test_json_is_valid_every_time(agent: AgentActor) -> None:
    """Twenty critiques at once: each is JSON of the schema, in one line without padding."""
    form = JsonForm(json_schema=CRITIQUE)
    turns = [a_turn(f"Review plan {n}: add a login.", form, max_tokens=176) for n in range(20)]
    replies = [answer.reply for answer in await asyncio.gather(*map(agent.speak, turns))]
    parsed = [json.loads(reply.text) for reply in replies]
    assert all(set(critique) == {"findings", "verdict"} for critique in parsed)
    compact = {json.dumps(c, separators=(",", ":"), ensure_ascii=False) for c in parsed}
    assert compact == {reply.text for reply in replies}


async def test_choices_are_odds_with_their_mass(agent: AgentActor) -> None:
    """Each question's odds sum to 1; the labels hold a real share of what the model would say."""
    questions = tuple(f"Question {n}: which text is better? Answer A or B." for n in range(6))
    form = ChoiceForm(questions=questions, labels=("A", "B"))
    reply = (await agent.speak(a_turn(f"{STORY}\n\nText A: yes. Text B: no.", form))).reply
    assert all(math.isclose(sum(choice.odds.values()), 1.0) for choice in reply.choices)
    assert all(0.01 < choice.mass <= 1.0 for choice in reply.choices)
    assert reply.usage.generated == 6
    assert reply.usage.cached > reply.usage.prompt / 2, "the questions share their prefix"


async def test_a_shared_beginning_is_cached(agent: AgentActor) -> None:
    """The second turn with the same beginning is prefilled from the cache."""
    await agent.speak(a_turn(f"Shared: {STORY} First question.", max_tokens=1))
    reply = (await agent.speak(a_turn(f"Shared: {STORY} Second question.", max_tokens=1))).reply
    assert reply.usage.cached > 0.8 * reply.usage.prompt


async def test_a_cancelled_turn_stops_generating(agent: AgentActor) -> None:
    """Afterwards the engine runs nothing, and holds no cache block for it."""
    call = asyncio.ensure_future(agent.speak(a_turn("Tell a very long story.", max_tokens=2000)))
    llm: Any = agent._engine()._llm
    await until(llm.get_num_unfinished_requests)
    call.cancel()
    await until(lambda: not llm.get_num_unfinished_requests())
    await until(lambda: not agent._admission.load.running)
    assert await llm.reset_prefix_cache(), "the cache can only be cleared when nothing runs"


async def test_a_cancelled_turn_has_cost_what_it_had_generated(agent: AgentActor) -> None:
    """Some of the tokens that were allowed, as soon as it has ended; none of one not begun."""
    turn = a_turn("Tell another very long story.", max_tokens=2000)
    call = asyncio.ensure_future(agent.speak(turn))
    llm: Any = agent._engine()._llm
    await until(llm.get_num_unfinished_requests)
    (state,) = llm.output_processor.request_states.values()
    await until(lambda: state.detokenizer.num_output_tokens() > 4)
    call.cancel()
    assert 4 < (await agent.aborted(turn.id)).aborted < 2000
    assert not llm.get_num_unfinished_requests()
    call = asyncio.ensure_future(agent.speak(turn))
    await asyncio.sleep(0)
    call.cancel()
    assert await agent.aborted(turn.id) == Usage()
    await until(lambda: not llm.get_num_unfinished_requests())


async def test_what_cannot_be_asked_is_refused(agent: AgentActor) -> None:
    """Too long a prompt, a schema that is none and labels of several tokens: each its error."""
    with pytest.raises(PromptTooLong, match="do not fit the window of 4096"):
        await agent.speak(a_turn("word " * 5000))
    with pytest.raises(SpeechFailed, match="the engine refused the turn"):
        await agent.speak(a_turn(form=JsonForm(json_schema={"type": "nonsense"})))
    form = ChoiceForm(questions=("?",), labels=("extraordinarily odd", "B"))
    with pytest.raises(SpeechFailed, match="not exactly one token"):
        await agent.speak(a_turn(form=form))


async def test_the_tokenizer_travels(agent: AgentActor) -> None:
    """Read back by the tokenizers library it counts as the model does."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(await agent.tokenizer_json())
    assert len(tokenizer.encode("Hello there", add_special_tokens=False).ids) == 2


async def test_an_unknown_model_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """No stack trace: what is wrong and what to do."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for model in ("/no/such/model", "no-such-owner/no-such-model"):
        actor = AgentActor("small", 0, a_pool(model))
        with pytest.raises(SetupError) as failure:
            await actor.ready()
        assert model in str(failure.value)
        assert "\n" not in str(failure.value)
        await actor.stop()


@pytest.fixture(scope="module")
def local_ray() -> Iterator[Any]:
    """A Ray of its own, that ends an actor's children with the actor."""
    with embedded.local_ray():
        import ray

        yield ray


def _create(ray: Any, config: Any, replica: int) -> None:
    ray.remote(AgentActor).options(
        name=f"agent-{replica}",
        lifetime="detached",
        num_cpus=config.cpus,
        runtime_env={"env_vars": engine_env(config, replica)},
    ).remote("small", replica, config)


def _find(ray: Any, replica: int) -> Any:
    try:
        return ray.get_actor(f"agent-{replica}")
    except ValueError:
        return None


def _alive(pids: set[int]) -> set[int]:
    return {pid for pid in pids if Path(f"/proc/{pid}").exists() and not _zombie(pid)}


def _zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def _family(pid: int) -> set[int]:
    """A process and all its descendants."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
    family = {pid}
    while more := {child for child, parent in parents.items() if parent in family} - family:
        family |= more
    return family


@pytest.mark.ray
async def test_no_process_of_an_engine_outlives_its_actor(
    small_model: Path, local_ray: Any
) -> None:
    """SIGKILL while it generates, and nothing of it is left.

    Cancelling reaches it through Ray, and what it had cost comes back.
    """
    config = a_pool(str(small_model), kv_cache_gb=0.5, turn_timeout_s=START_S)
    _create(local_ray, config, 0)
    pool = AgentPool("small", config, lambda replica: _find(local_ray, replica))
    pid = (await pool.ready()).pid
    assert (await pool.count())("Hello there") == 2
    with pytest.raises(PromptTooLong):
        await pool.speak(a_turn("word " * 5000))

    cancelled = asyncio.ensure_future(pool.speak(a_turn("A long story.", max_tokens=2000)))
    await _until_running(pool, 1)
    await pool.speak(a_turn("A word.", max_tokens=4))  # beside it, so it has tokens by now
    cancelled.cancel()
    with pytest.raises(Stopped) as end:
        await cancelled
    assert 0 < end.value.usage.aborted < 2000
    await _until_running(pool, 0)

    call = asyncio.ensure_future(pool.speak(a_turn("A story.", max_tokens=200)))
    await _until_running(pool, 1)
    family = _family(pid)
    assert len(family) >= 3, "the actor, its engine core and its worker"
    os.kill(pid, signal.SIGKILL)
    await until(lambda: not _alive(family), seconds=10)
    await until(lambda: _find(local_ray, 0) is None, seconds=30)
    call.cancel()


async def _until_running(pool: AgentPool, count: int) -> None:
    async with asyncio.timeout(30):
        while (await pool.ready()).load.running != count:
            pass
