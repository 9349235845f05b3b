"""What an agent actor promises, shown with a scripted engine."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from agents import a_pool, a_turn
from deadline import reaches
from deadline import until_async as until

from actors.admission import Admission, Footprint
from actors.agent import AgentActor
from actors.engine_args import (
    check_memory,
    check_model,
    core_ranges,
    engine_args,
    engine_env,
)
from actors.testing import ScriptedEngine
from actors.thinking import opens_thinking, split_thinking
from engine.config import PoolConfig
from engine.errors import EngineLost, Overloaded, PromptTooLong, SetupError, SpeechFailed
from engine.types import ChoiceForm, Usage


def test_a_cpu_engine_is_eager_and_bounded() -> None:
    """On the CPU the cache has a size, nothing is compiled and a prompt is one piece."""
    args = engine_args(a_pool(window=8192, kv_cache_gb=0.5, block_size=32, max_running=7), 0)
    assert args["enforce_eager"] is True
    assert args["kv_cache_memory_bytes"] == 512 * 1024**2
    assert args["max_num_batched_tokens"] >= args["max_model_len"] == 8192
    assert (args["dtype"], args["block_size"]) == ("bfloat16", 32)
    assert args["max_num_seqs"] == 8, "a seat more than turns, for the canary"


def test_a_gpu_engine_takes_its_share_and_compiles() -> None:
    """On a GPU the share of its memory rules, and nothing of the CPU's settings is left."""
    config = a_pool("Qwen/Qwen3-0.6B", gpus=1.0, gpu_memory_share=0.4, reasoning_parser="qwen3")
    args, env = engine_args(config, 0), engine_env(config, 0)
    assert args["gpu_memory_utilization"] == 0.4
    assert args["reasoning_parser"] == "qwen3"
    assert not {"enforce_eager", "kv_cache_memory_bytes", "dtype"} & set(args)
    assert not {"VLLM_CPU_OMP_THREADS_BIND", "HF_HUB_OFFLINE"} & set(env)


def test_two_replicas_take_their_own_cores_and_seed() -> None:
    """Engines side by side do not compete for a core and do not draw alike."""
    config = a_pool(replicas=2, cores="0-1|2,3")
    binds = [engine_env(config, replica)["VLLM_CPU_OMP_THREADS_BIND"] for replica in (0, 1)]
    assert binds == ["0-1", "2,3"]
    assert engine_args(config, 0)["seed"] != engine_args(config, 1)["seed"]


def test_only_folders_are_taken_offline() -> None:
    """A folder needs no hub; an id must reach it; cores left open are chosen on the node."""
    assert engine_env(a_pool("./m"), 0)["HF_HUB_OFFLINE"] == "1"
    assert "HF_HUB_OFFLINE" not in engine_env(a_pool("org/name"), 0)
    assert "VLLM_CPU_OMP_THREADS_BIND" not in engine_env(a_pool(), 0)


@pytest.mark.parametrize(
    ("cores", "text"), [({0, 1}, "0-1"), ({3}, "3"), ({0, 1, 2, 5, 7, 8}, "0-2,5,7-8")]
)
def test_cores_are_written_as_ranges(cores: set[int], text: str) -> None:
    """What the machine allows is written the way `cores` is."""
    assert core_ranges(cores) == text


def test_a_model_folder_that_is_none_is_named(tmp_path: Path) -> None:
    """A wrong path is a set-up error in one line, before anything is started."""
    with pytest.raises(SetupError, match=f"{tmp_path}/no does not exist"):
        check_model(f"{tmp_path}/no")
    with pytest.raises(SetupError, match=r"has no config.json"):
        check_model(str(tmp_path))


def test_too_little_memory_is_said_before_the_start(tmp_path: Path) -> None:
    """The message says what is needed, what is free, and what to change."""
    (tmp_path / "model.safetensors").write_bytes(b"x" * 1000)
    config = a_pool(str(tmp_path), kv_cache_gb=2.0)
    with pytest.raises(SetupError, match=r"needs 4\.5 GB.*1\.0 GB are free.*kv_cache_gb"):
        check_memory(config, available=1024**3)
    check_memory(config, available=5 * 1024**3)


@pytest.mark.parametrize(
    ("text", "opened", "answer", "reasoning"),
    [
        ("plain answer", False, "plain answer", ""),
        ("<think>why</think>\n\nanswer", False, "answer", "why"),
        ("why</think>answer", False, "answer", "why"),
        ("why</think>answer", True, "answer", "why"),
        ("<think>a</think>x<think>b</think>y", False, "xy", "a\n\nb"),
        ("<think>never ends", False, "", "never ends"),
        ("never ends", True, "", "never ends"),
        ("<think>a</think>x<think>never ends", False, "", "axnever ends"),
        ("<think></think>answer", False, "answer", ""),
    ],
)
def test_thinking_is_never_part_of_the_answer(
    text: str, opened: bool, answer: str, reasoning: str
) -> None:
    """Closed thoughts are cut out; thoughts that never end leave no answer."""
    assert split_thinking(text, opened) == (answer, reasoning)


def test_a_prompt_may_open_the_thinking() -> None:
    """Templates that write <think> themselves are recognised."""
    assert opens_thinking("<|assistant|>\n<think>\n")
    assert not opens_thinking("<|assistant|>\n<think>\n\n</think>\n\n")


def test_shared_beginnings_count_once() -> None:
    """Prompts with the same beginning hold its full blocks once, and each its own rest."""
    prefix = list(range(64))
    one = Footprint.of([([*prefix, 1, 2], 30)], size=32)
    both = Footprint.of([([*prefix, 1, 2], 30), ([*prefix, 3], 1)], size=32)
    assert (len(one.shared), one.own) == (2, 1)
    assert (len(both.shared), both.own) == (2, 2)
    other = Footprint.of([([9, *prefix[1:]], 0)], size=32)
    assert not one.shared & other.shared, "a block is named by all that comes before it"


class Agents:
    """Makes agent actors over scripted engines; `deaths` are their exit codes."""

    def __init__(self) -> None:
        self.deaths: list[int] = []
        self.made: list[AgentActor] = []

    async def __call__(self, engine: ScriptedEngine, **fields: object) -> AgentActor:
        actor = AgentActor("small", 0, a_pool(**fields), start=engine.start, die=self.deaths.append)
        self.made.append(actor)
        await actor.ready()
        return actor


@pytest.fixture
async def agents() -> AsyncIterator[Agents]:
    """Agent actors that are stopped afterwards."""
    made = Agents()
    yield made
    for actor in made.made:
        await actor.stop()


async def test_a_reply_carries_text_usage_and_load(agents: Agents) -> None:
    """A cut text says so, and the answer says how busy its engine is."""
    actor = await agents(ScriptedEngine(lambda request: "a long answer"))
    answer = await actor.speak(a_turn(max_tokens=6))
    assert (answer.reply.text, answer.reply.truncated) == ("a long", True)
    assert answer.reply.usage.generated == 6
    assert (answer.load.running, answer.load.kv_tokens) == (0, 65536)


async def test_a_choice_is_one_token_a_question(agents: Agents) -> None:
    """Odds are of the labels alone and sum to 1; mass is what they held of everything."""
    engine = ScriptedEngine()
    actor = await agents(engine)
    form = ChoiceForm(questions=("one?", "two?"), labels=("A", "B"))
    reply = (await actor.speak(a_turn(form=form))).reply
    assert [set(choice.odds) for choice in reply.choices] == [{"A", "B"}, {"A", "B"}]
    assert reply.choices[0].odds["A"] == pytest.approx(2 / 3)
    assert reply.choices[0].mass == pytest.approx(0.375)
    assert (len(engine.started), reply.truncated) == (2, False)


@pytest.mark.parametrize(
    ("labels", "why"), [(("A", "BB"), "not exactly one token"), (("A", "A"), "not distinct")]
)
async def test_labels_must_be_distinct_tokens(
    agents: Agents, labels: tuple[str, ...], why: str
) -> None:
    """A label that cannot be read from one token is refused, never guessed."""
    actor = await agents(ScriptedEngine())
    with pytest.raises(SpeechFailed, match=why):
        await actor.speak(a_turn(form=ChoiceForm(questions=("?",), labels=labels)))


async def test_a_prompt_beyond_the_window_is_refused(agents: Agents) -> None:
    """Prompt and reply together must fit, and the message has both."""
    actor = await agents(ScriptedEngine(window=100))
    with pytest.raises(PromptTooLong, match="96 tokens of prompt and 5 of reply"):
        await actor.speak(a_turn("x" * 95, max_tokens=5))


async def test_the_same_turn_is_generated_once(agents: Agents) -> None:
    """A second call joins the first; it goes on until its last waiter is gone."""
    engine = ScriptedEngine()
    engine.gate.clear()
    actor = await agents(engine)
    first, second = (asyncio.ensure_future(actor.speak(a_turn())) for _ in range(2))
    await until(lambda: engine.running)
    first.cancel()
    await asyncio.wait({first})
    assert (engine.started, engine.aborted) == ([a_turn().id], [])
    engine.gate.set()
    assert (await second).reply.text == "yes"


async def test_the_last_waiter_gone_aborts_in_the_engine(agents: Agents) -> None:
    """Cancelling a turn frees its place, and the same turn can be asked again."""
    engine = ScriptedEngine()
    engine.gate.clear()
    actor = await agents(engine)
    call = asyncio.ensure_future(actor.speak(a_turn()))
    await until(lambda: engine.running)
    call.cancel()
    await until(lambda: engine.aborted)
    await until(lambda: actor._admission.load.running == 0)
    engine.gate.set()
    assert (await actor.speak(a_turn())).reply.text == "yes"


async def test_an_aborted_turn_leaves_what_it_had_cost(agents: Agents) -> None:
    """Of all its requests together, told once, as soon as it has ended."""
    engine = ScriptedEngine()
    engine.gate.clear()
    engine.written = 7
    actor = await agents(engine)
    form = ChoiceForm(questions=("1?", "2?", "3?"), labels=("A", "B"))
    for turn, cost in ((a_turn(), 7), (a_turn(form=form), 21)):
        call = asyncio.ensure_future(actor.speak(turn))
        await until(lambda: engine.running)
        call.cancel()
        assert await actor.aborted(turn.id) == Usage(aborted=cost)
        assert engine.running == 0
        assert await actor.aborted(turn.id) == Usage()


async def test_only_what_is_really_aborted_has_cost_anything(agents: Agents) -> None:
    """A turn that goes on for another waiter is waited for, and then there is nothing to tell."""
    engine = ScriptedEngine()
    engine.gate.clear()
    engine.written = 7
    actor = await agents(engine)
    first, second = (asyncio.ensure_future(actor.speak(a_turn())) for _ in range(2))
    await until(lambda: engine.running)
    first.cancel()
    asked = asyncio.ensure_future(actor.aborted(a_turn().id))
    await asyncio.wait({first})
    assert not asked.done()
    engine.gate.set()
    await second
    assert await asked == Usage()


async def test_a_turn_asked_again_forgets_what_it_had_cost_before(agents: Agents) -> None:
    """What nobody asked about is not told of another run of the same turn."""
    engine = ScriptedEngine()
    engine.gate.clear()
    engine.written = 7
    actor = await agents(engine)
    call = asyncio.ensure_future(actor.speak(a_turn()))
    await until(lambda: engine.running)
    call.cancel()
    await actor._flights.over(a_turn().id)
    engine.gate.set()
    await actor.speak(a_turn())
    assert await actor.aborted(a_turn().id) == Usage()


async def test_the_cost_of_the_last_aborted_turns_is_kept(
    agents: Agents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many callers died without asking."""
    monkeypatch.setattr("actors.agent.MOST_ABORTED", 2)
    engine = ScriptedEngine()
    engine.gate.clear()
    engine.written = 7
    actor = await agents(engine)
    for n in range(3):
        call = asyncio.ensure_future(actor.speak(a_turn(f"{n}")))
        await until(lambda: engine.running)
        call.cancel()
        await until(lambda: not engine.running)
    told = [(await actor.aborted(a_turn(f"{n}").id)).aborted for n in range(3)]
    assert told == [0, 7, 7]


async def test_abort_ends_a_turn_for_all(agents: Agents) -> None:
    """Who waits for an aborted turn is told, and is not itself cancelled."""
    engine = ScriptedEngine()
    engine.gate.clear()
    actor = await agents(engine)
    call = asyncio.ensure_future(actor.speak(a_turn()))
    await until(lambda: engine.running)
    assert await actor.abort(a_turn().id)
    with pytest.raises(SpeechFailed, match="aborted"):
        await call
    assert engine.running == 0
    assert not await actor.abort("unknown")


async def test_turns_wait_in_order_and_then_are_refused(agents: Agents) -> None:
    """So many run, so many wait, the next one is refused with the load in its text."""
    engine = ScriptedEngine()
    engine.gate.clear()
    actor = await agents(engine, max_running=2, max_queued=1)
    calls = [asyncio.ensure_future(actor.speak(a_turn(f"{n}"))) for n in range(3)]
    await until(lambda: actor._admission.load.waiting)
    with pytest.raises(Overloaded, match="2 turns running, 1 waiting"):
        await actor.speak(a_turn("one too many"))
    engine.gate.set()
    await asyncio.gather(*calls)
    assert engine.started == [a_turn(f"{n}").id for n in range(3)]


async def test_a_cancelled_waiter_leaves_the_queue(agents: Agents) -> None:
    """Its seat in the queue is free at once, and it never runs."""
    engine = ScriptedEngine()
    engine.gate.clear()
    actor = await agents(engine, max_running=1, max_queued=1)
    running, waiting = (asyncio.ensure_future(actor.speak(a_turn(f"{n}"))) for n in range(2))
    await until(lambda: actor._admission.load.waiting)
    waiting.cancel()
    await until(lambda: not actor._admission.load.waiting)
    engine.gate.set()
    await running
    assert engine.started == [a_turn("0").id]


async def test_the_cache_bounds_what_runs_together() -> None:
    """Work that does not fit the cache beside the rest waits; work with the same prefix fits."""
    admission = Admission(max_running=9, max_queued=9, kv_tokens=128, block=32)
    prefix = list(range(64))
    same, other = (Footprint.of([(ids, 32)], 32) for ids in (prefix, prefix[::-1]))
    async with admission.place(same):
        assert admission.load.kv_tokens_in_use == 96
        blocked = asyncio.ensure_future(_hold(admission, other))
        await until(lambda: admission.load.waiting)
    await blocked
    async with admission.place(same), admission.place(same):
        assert admission.load.kv_tokens_in_use == 128
    assert admission.load.kv_tokens_in_use == 0


async def _hold(admission: Admission, footprint: Footprint) -> None:
    async with admission.place(footprint):
        pass


async def test_work_larger_than_the_cache_runs_alone() -> None:
    """It is not refused for ever: it runs when nothing else does."""
    admission = Admission(max_running=9, max_queued=9, kv_tokens=64, block=32)
    async with admission.place(Footprint.of([(list(range(640)), 1)], 32)):
        assert admission.load.kv_tokens_in_use > admission.load.kv_tokens


async def test_a_place_granted_to_one_who_gave_up_is_given_back() -> None:
    """No seat is lost when a waiter is cancelled in the moment its turn has come."""
    admission = Admission(max_running=1, max_queued=1, kv_tokens=64, block=32)
    small = Footprint.of([([1], 1)], 32)
    async with admission.place(small):
        waiter = asyncio.ensure_future(_hold(admission, small))
        await until(lambda: admission.load.waiting)
    waiter.cancel()
    await asyncio.wait({waiter})
    assert (admission.load.running, admission.load.waiting) == (0, 0)


async def test_a_dead_engine_ends_the_process(agents: Agents) -> None:
    """A turn that meets a dead engine takes the actor with it, so that it is replaced."""
    engine = ScriptedEngine()
    engine.dead = True
    actor = await agents(engine)
    with pytest.raises(EngineLost):
        await actor.speak(a_turn())
    assert (agents.deaths, engine.killed) == ([1], True)


async def test_the_canary_finds_a_hung_engine(
    agents: Agents, caplog: pytest.LogCaptureFixture
) -> None:
    """An engine that gives no token in time ends the process, with one line of why."""
    engine = ScriptedEngine()
    engine.gate.clear()
    await agents(engine, canary_every_s=0.01, canary_timeout_s=0.02)
    await until(lambda: agents.deaths)
    assert agents.deaths == [1]
    assert [r.getMessage() for r in caplog.records] == [
        "agent small-0 ends its process, to be replaced: the engine gave no token within 0.02 s"
    ]


async def test_the_canary_leaves_a_live_engine_alone(agents: Agents) -> None:
    """One token now and then is all it asks."""
    engine = ScriptedEngine()
    await agents(engine, canary_every_s=0.001, canary_timeout_s=5.0)
    await until(lambda: len(engine.started) > 3)
    assert (agents.deaths, set(engine.started)) == ([], {"canary"})


async def test_how_long_an_engine_owes_a_token_is_told_before_it_is_given_up(
    agents: Agents,
) -> None:
    """Nothing while it answers; then ever more, and nothing again once it has answered."""
    engine = ScriptedEngine()
    actor = await agents(engine, canary_every_s=0.001, canary_timeout_s=60.0)
    assert (await actor.health()).silent_s < 1.0
    engine.gate.clear()
    await until(lambda: engine.running == 1)
    first = (await actor.health()).silent_s
    second = (await actor.health()).silent_s
    assert 0 < first < second
    engine.gate.set()

    async def over() -> bool:
        return (await actor.health()).silent_s == 0.0

    await reaches(over, "it owes nothing any more")
    assert agents.deaths == []


def _fail(config: PoolConfig, replica: int) -> ScriptedEngine:
    raise SetupError("no such model", "Name another")


async def test_a_start_that_fails_is_told_to_everyone() -> None:
    """The actor lives on, and whatever is asked of it is answered with the cause."""
    actor = AgentActor("small", 0, a_pool(), start=_fail)
    for ask in (actor.ready, actor.health, actor.tokenizer_json, lambda: actor.speak(a_turn())):
        with pytest.raises(SetupError, match=r"no such model\. Name another"):
            await ask()
    await actor.stop()
    assert str(pickle.loads(pickle.dumps(SetupError("a", "b")))) == "a. b"


async def test_draining_refuses_new_turns_and_waits_for_the_rest(agents: Agents) -> None:
    """What was begun is finished, what comes is sent elsewhere, stop ends the engine."""
    engine = ScriptedEngine()
    engine.gate.clear()
    actor = await agents(engine)
    call = asyncio.ensure_future(actor.speak(a_turn()))
    await until(lambda: engine.running)
    drained = asyncio.ensure_future(actor.drain())
    await until(lambda: actor._draining)
    with pytest.raises(Overloaded, match="draining"):
        await actor.speak(a_turn("late"))
    assert (await actor.health()).state == "draining"
    engine.gate.set()
    await drained
    assert (await call).reply.text == "yes"
    await actor.stop()
    assert engine.closed


async def test_a_waiter_that_gives_up_costs_nobody_a_reply() -> None:
    """It is cancelled in the very moment in which the place it waits for comes free."""
    admission, gate = Admission(1, 10, 0, 16), asyncio.Event()
    footprint = Footprint(frozenset(), 1)

    async def work() -> str:
        async with admission.place(footprint):
            await gate.wait()
        return "reply"

    first = asyncio.create_task(work())
    await asyncio.sleep(0)
    second, third = asyncio.create_task(work()), asyncio.create_task(work())
    await asyncio.sleep(0)
    gate.set()
    second.cancel()
    assert await first == "reply"
    assert await third == "reply"
    assert admission.load.running == 0
