"""Claims about the chaos suite itself: it finds what is broken, and what it draws is repeatable."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from pathlib import Path

import pytest
from deadline import until_async

from actors.calls import ActorAway
from chaos import rpc
from chaos.checker import check
from chaos.evidence import Evidence, Note, notes
from chaos.faults import KINDS, LONGEST_S, schedule
from chaos.history import Deliberation, History, Letter, Told
from chaos.proxy import Proxy
from chaos.report import PROMISES, exit_code, report
from chaos.run import Outcome, Plan
from chaos.sites import covered
from chaos.workload import MOST_BYTES, ROLES, Label, title, workload
from engine.arrival import Arrival
from engine.deliberation import deliberate
from engine.errors import InvalidEvent, InvalidRequest
from engine.events import Record, Resumed
from engine.planning import plan_approved, tasks
from engine.testing import ScriptedModel, a_council, a_task, words
from engine.types import Task

TOLD = [
    Told("plan.approved", "p"),
    *(Told("deliberation.completed", f"{role}-1") for role in ROLES),
    *(Told(f"task.{what}", f"{r}-1", "a") for what in ("dispatched", "ended") for r in ROLES),
]


def a_deliberation(role: str, variant: int = 0, **changes: object) -> Deliberation:
    """One of plan p that ended well."""
    fields = {"ends": 1, "decided": True, "agents": {"a"}} | changes
    fields = {"outcomes": {f"turn-{role}": 10.0}} | fields
    about = {"id": f"{role}-1", "plan": "p", "role": role, "title": title("p", variant)}
    return Deliberation(**(about | fields))  # type: ignore[arg-type]


def a_history(**changes: object) -> History:
    """Two equal events of one plan, an invalid one, and one whose text came too late."""
    plan = Label(plan="p", identity="k", roles=ROLES)
    events = {1: plan, 2: plan, 3: Label(plan="q", wrong="missing")}
    events[4] = plan.model_copy(update={"variant": 1})
    whole = {
        "events": events,
        "letters": [Letter(3, "missing"), Letter(4, "conflict")],
        "journal": [a_deliberation(role) for role in ROLES],
        "outbound": Counter(TOLD),
    }
    return History(**(whole | changes))  # type: ignore[arg-type]


NOTES = [
    Note("dev.1", 1.0, "began", ("DEV-1",)),
    Note("dev.1", 2.0, "asked", ("DEV-1", "turn-DEV")),
]


def test_a_run_as_promised_breaks_nothing() -> None:
    """Repeated, invalid and conflicting events included."""
    assert check(a_history(), NOTES, [1, 2, 3, 4]).breaches == []


DEV, QA = (a_deliberation(role) for role in ROLES)
BROKEN = {
    "missing": {"journal": [DEV]},
    "duplicated": {"journal": [DEV, QA, DEV]},
    "undecided": {"journal": [DEV, a_deliberation("QA", decided=False)]},
    "illegal": {"journal": [DEV, a_deliberation("QA", illegal="a gap in its records")]},
    "unexpected": {"journal": [DEV, QA, a_deliberation("QA", plan="nobody's")]},
    "not dead-lettered": {"letters": [Letter(4, "conflict")]},
    "dead letter too many": {"letters": [Letter(n, "missing") for n in (3, 3)]},
    "wrong reason": {"letters": [Letter(3, "json_invalid"), Letter(4, "conflict")]},
    "told": {"outbound": Counter([*TOLD, TOLD[0]])},
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_the_streams_lack_or_have_twice_is_found(kind: str) -> None:
    """Each promise that is broken is a breach of its kind."""
    assert check(a_history(**BROKEN[kind]), NOTES, [1]).by_kind[kind] == 1


def test_a_second_end_of_one_deliberation_is_found() -> None:
    """Also what is written behind an end."""
    twice = a_history(journal=[DEV, a_deliberation("QA", ends=2)])
    assert check(twice, NOTES, []).by_kind["duplicated"] == 1
    behind = a_history(journal=[DEV, a_deliberation("QA", late=1)])
    assert check(behind, NOTES, []).by_kind["illegal"] == 1


@pytest.mark.parametrize("each", TOLD, ids=" ".join)
def test_what_the_world_is_not_told_or_twice_is_found(each: Told) -> None:
    """Plans, ends, and what became of each agent's task."""
    for outbound in ([*TOLD, each], [told for told in TOLD if told != each]):
        assert check(a_history(outbound=Counter(outbound)), NOTES, []).by_kind == {"told": 1}


def test_an_event_that_was_acknowledged_and_is_gone_is_found() -> None:
    """What the server has said to keep must be there."""
    assert check(a_history(), NOTES, [1, 9]).by_kind == {"lost event": 1}


@pytest.mark.parametrize(
    ("began", "asked", "repeats"),
    [(11.0, ["turn-DEV"], 1), (9.0, ["turn-DEV"], 0), (9.0, ["turn-DEV"] * 2, 1), (11.0, ["x"], 0)],
)
def test_a_turn_is_repeated_if_its_outcome_was_there_before(
    began: float, asked: list[str], repeats: int
) -> None:
    """What a run could not know yet it may ask, but nothing twice."""
    later = [Note("dev.2", began, "began", ("DEV-1",))]
    later += [Note("dev.2", 12.0, "asked", ("DEV-1", turn)) for turn in asked]
    assert check(a_history(), [*NOTES, *later], []).by_kind["turn repeated"] == repeats


async def test_a_journal_that_is_not_legal_is_found() -> None:
    """A gap in the numbers, and an event that may not stand there; what follows an end is late."""
    events = [e async for e in deliberate(a_task(), a_council(), ScriptedModel(), words)]
    records = [
        Record(deliberation="t-1", seq=seq, at=1.0, event=event)
        for seq, event in enumerate(events, 1)
    ]
    for found, illegal in (
        (records, ""),
        (records[:5] + records[6:], "a gap in its records"),
        ([records[0], records[0].model_copy(update={"seq": 2})], "it is convened once, and first"),
    ):
        one = Deliberation()
        one.add(found, 1.0, end=True)
        one.add([Record(deliberation="t-1", seq=99, at=2.0, event=Resumed())], 2.0, end=False)
        assert (one.illegal, one.late, one.role) == (illegal, 1, "TEST")


def outcome(control: str = "", **changes: object) -> Outcome:
    """Of a run in which all happened that must."""
    findings = check(a_history(**changes), NOTES, [])
    findings.counts.update(redelivered=1, superseded=1, resumed=1)
    return Outcome(Plan(1, 1.0, 4, 0, control), findings, Counter({"kill bridge": 1}), 1.0, 0.1)


def test_a_run_passes_fails_or_shows_nothing() -> None:
    """0 where all is as promised, 1 where not, 2 where too little happened; it is said in words."""
    passed, failed, void = outcome(), outcome(journal=[DEV]), outcome()
    void.findings.counts["superseded"] = 0
    assert [exit_code(each) for each in (passed, failed, void)] == [0, 1, 2]
    assert report(passed).endswith("passed: nothing lost, nothing twice")
    assert "missing: p QA" in report(failed)
    assert report(void).endswith("VOID: never superseded")


def test_a_control_passes_if_it_is_caught() -> None:
    """The checker has to find what is missing or there twice."""
    caught, missed = outcome("ack-first", journal=[DEV]), outcome("ack-first")
    assert (exit_code(caught), exit_code(missed)) == (0, 1)
    assert "NOT CAUGHT" in report(missed)


def test_every_breach_has_its_line_in_the_report() -> None:
    """A kind that the report does not count would be overlooked."""
    assert set(BROKEN) | {"turn repeated", "lost event", "left over"} == set(PROMISES)


def test_the_workload_is_what_its_labels_say() -> None:
    """By the engine's own reader; equal seeds draw the same, with all kinds in their shares."""
    batches = list(workload(3, 3000))
    assert batches == list(workload(3, 3000)) != list(workload(4, 3000))
    messages = [message for batch in batches for message in batch]
    identities = Counter(m.label.identity for m in messages if m.label.identity)
    assert 0.08 < sum(bool(m.label.wrong) for m in messages) / len(messages) < 0.12
    assert 0.17 < sum(n - 1 for n in identities.values()) / len(messages) < 0.25
    for message in messages:
        label = message.label
        wrong, wanted = as_read(Arrival("S", 1, "x", message.data, message.headers))
        assert wrong == label.wrong
        assert tuple(sorted(task.role for task in wanted)) == label.roles
        assert {task.title for task in wanted} <= {title(label.plan, label.variant)}


def as_read(arrival: Arrival) -> tuple[str, tuple[Task, ...]]:
    """What is wrong with an event, or its tasks."""
    try:
        return "", tasks(plan_approved(arrival, MOST_BYTES), ROLES)
    except InvalidEvent as error:
        return error.kind, ()


def test_faults_follow_from_the_seed_and_end_in_time() -> None:
    """Every kind comes, none after the last moment in which it could end."""
    faults = schedule(5, 600.0, 400)
    assert faults == schedule(5, 600.0, 400) != schedule(6, 600.0, 400)
    assert {fault.kind for fault in faults} == set(KINDS)
    assert all(0 <= f.at <= 600 - LONGEST_S and f.for_s <= LONGEST_S for f in faults)


def test_spans_that_overlap_count_once() -> None:
    """Two councils that work at the same time take that time once."""
    assert covered([(1.0, 3.0), (2.0, 4.0), (6.0, 7.0), (6.0, 6.5)]) == 4.0


def test_what_a_process_notes_outlives_it_and_a_torn_line_does_no_harm(tmp_path: Path) -> None:
    """Each note is read back with the incarnation that made it."""
    Evidence(tmp_path, "dev.1").note("asked", "t-1", 2.5)
    with (tmp_path / "dev.1.jsonl").open("a") as file:
        file.write('[1.0, "asked", "t-')
    (found,) = notes(tmp_path)
    assert (found.who, found.kind, found.facts) == ("dev.1", "asked", ("t-1", 2.5))


class Actor:
    """What is called from elsewhere."""

    def __init__(self) -> None:
        self.left = asyncio.Event()

    async def double(self, number: int) -> int:
        """Return, or raise."""
        if number < 0:
            raise InvalidRequest("number", "is negative")
        return 2 * number

    async def count(self) -> AsyncGenerator[int, None]:
        """Yield one and wait to be left."""
        yield 1
        try:
            await asyncio.Event().wait()
        finally:
            self.left.set()

    async def few(self) -> AsyncGenerator[int, None]:
        """Yield two and break."""
        yield 1
        yield 2
        raise InvalidRequest("number", "is too large")


async def test_a_call_of_another_process_is_as_one_of_ray(tmp_path: Path) -> None:
    """It returns, raises our errors as they are, streams, and ends when its caller leaves."""
    actor, path = Actor(), tmp_path / "actor.sock"
    handle = rpc.Handle(path)
    with pytest.raises(ActorAway):
        await rpc.called(handle.double.remote(1))
    async with await rpc.serve(actor, path):
        assert await rpc.called(handle.double.remote(2)) == 4
        with pytest.raises(InvalidRequest, match="is negative"):
            await rpc.called(handle.double.remote(-1))
        async with aclosing(rpc.streamed(handle.few)) as stream:
            assert [await anext(stream), await anext(stream)] == [1, 2]
            with pytest.raises(InvalidRequest, match="is too large"):
                await anext(stream)
        async with aclosing(rpc.streamed(handle.count)) as stream:
            assert await anext(stream) == 1
            assert not actor.left.is_set()
        await asyncio.wait_for(actor.left.wait(), 5)


async def test_a_line_swallows_breaks_refuses_and_heals() -> None:
    """Swallowed bytes come through later; broken connections do not come back, new ones do."""
    served: list[asyncio.StreamWriter] = []

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(writer)
        with suppress(ConnectionResetError):
            while data := await reader.read(100):
                writer.write(data)
            writer.close()
            await writer.wait_closed()
        served.remove(writer)

    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        line = Proxy(server.sockets[0].getsockname()[1])
        await line.open()
        reader, writer = await asyncio.open_connection("127.0.0.1", line.port)
        line.swallow()
        writer.write(b"a")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.05)
        await line.heal()
        assert await reader.read(1) == b"a"
        line.refuse()
        with pytest.raises(ConnectionResetError):
            await reader.read(1)
        writer.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", line.port)
        await line.heal()
        reader, writer = await asyncio.open_connection("127.0.0.1", line.port)
        writer.write(b"b")
        assert await reader.read(1) == b"b"
        writer.close()
        await writer.wait_closed()
        await until_async(lambda: not line._writers and not served, "the line is empty")
        line.refuse()
