"""Claims about the contract's messages: what they say of a deliberation is what its records say."""

import pytest
from recording import COUNCIL, stamped
from scripted_desk import BEGAN, DEV, a_task, broken_off, deliberated, ended, suspended

from actors import contract
from actors.codec import record, to_struct
from actors.pb import orchestrator_pb2 as pb
from actors.progress import STAGES, Progress
from engine.deliberation import deliberate
from engine.events import (
    Convened,
    Decided,
    Drafted,
    Dropped,
    Event,
    Failed,
    Hastened,
    Record,
    Resumed,
    Revised,
    StoryContext,
)
from engine.options import Options
from engine.packet import CheckResult, StopReason, Verdict
from engine.testing import FlakyModel, ScriptedModel, words
from engine.transcript import fold
from engine.types import Phase, Task

ONE, TWO, THREE = (agent.id for agent in DEV.agents)


def status_of(records: list[Record]) -> str:
    """The status in which a deliberation with these records is."""
    answer = contract.result_response(fold(records), durable=True)
    return pb.DeliberationStatus.Name(answer.status).removeprefix("DELIBERATION_STATUS_")


async def test_a_decision_is_told_with_all_that_qualifies_it() -> None:
    """Ranked results, the winner, each author's texts, the packet, the critiques and the cost."""
    records = await deliberated(a_task())
    state, last = fold(records), records[-1].event
    assert isinstance(last, Decided)
    answer = contract.response(state, durable=False)
    assert [result.rank for result in answer.results] == [1, 2, 3]
    assert [r.proposal.author_id for r in answer.results] == [r.author for r in last.decision.order]
    assert answer.winner_id == last.decision.choice == answer.decision.choice
    assert answer.results[0].score == last.decision.order[0].score
    assert answer.task_id == "t-1"
    assert answer.duration_ms == (len(records) - 1) * 1000
    assert {critique.target for critique in answer.critiques} == {ONE, TWO, THREE}
    assert {ballot.voter for ballot in answer.ballots} == {ONE, TWO, THREE}
    assert answer.tokens["vote"].generated == state.tokens[Phase.VOTE].generated
    assert (answer.stop_reason, answer.degraded, answer.durable) == ("decided", False, False)


async def test_a_proposal_keeps_the_texts_before_it() -> None:
    """The last text is the content, with the time it was written; earlier ones, oldest first."""
    records = await deliberated(a_task(rounds=2))
    writing = [
        r for r in records if isinstance(r.event, Drafted | Revised) and r.event.agent == TWO
    ]
    answer = contract.response(fold(records), durable=True)
    (found,) = (r.proposal for r in answer.results if r.proposal.author_id == TWO)
    texts = [r.event.text for r in writing if isinstance(r.event, Drafted | Revised)]
    assert [*found.revisions, found.content] == texts
    assert len(texts) == 3
    assert found.created_at_ms == writing[-1].at * 1000
    assert found.author_role == "DEV"


async def test_no_check_ran_so_none_has_passed() -> None:
    """Known mistake 2: the suite is there, its parts are not set, and it is no pass."""
    answer = contract.response(fold(await deliberated(a_task())), durable=True)
    for result in answer.results:
        assert result.HasField("checks")
        assert not result.checks.all_passed
        assert not any(result.checks.HasField(part) for part in ("policy", "lint", "dryrun"))


async def test_a_check_that_ran_is_told_with_its_verdict() -> None:
    """Beside the text that it looked at; those that did not run are no pass for all that."""
    verdicts = {ONE: Verdict.FAILED, TWO: Verdict.PASSED, THREE: Verdict.NOT_APPLICABLE}

    async def check(_task: Task, text: str) -> list[CheckResult]:
        verdict = verdicts[text.split(maxsplit=1)[0]]
        return [CheckResult(check="graph", verdict=verdict, message=f"it {verdict}")]

    events = [e async for e in deliberate(a_task(), DEV, ScriptedModel(), words, check=check)]
    state = fold(stamped("t-1", events))
    found = {
        each.proposal.author_id: each
        for each in contract.result_response(state, durable=True).results
    }
    assert set(found) == {TWO, THREE}
    for author, passed in ((TWO, True), (THREE, False)):
        (told,) = found[author].checks.additional_checks
        assert (told.check_type, told.passed) == ("graph", passed)
        assert told.message == f"it {verdicts[author]}"
        assert dict(told.details) == {"verdict": verdicts[author], "blocking": "true"}
        assert not found[author].checks.all_passed
    failed = fold(stamped("t-1", events[:-1]))
    texts = contract.response(failed, durable=True).results
    (told,) = next(r for r in texts if r.proposal.author_id == ONE).checks.additional_checks
    assert (told.passed, told.details["verdict"]) == (False, "failed")


async def test_the_metadata_names_the_run() -> None:
    """The version, the end's time and the id."""
    records = await deliberated(a_task())
    metadata = contract.response(fold(records), durable=True).metadata
    assert metadata.orchestrator_version
    assert metadata.timestamp_ms == records[-1].at * 1000
    assert metadata.execution_id == "t-1"
    begun = contract.result_response(fold(records[:3]), durable=True).metadata
    assert begun.timestamp_ms == (BEGAN + 1) * 1000


async def test_each_state_of_a_deliberation_has_its_status() -> None:
    """Suspended is pending; out of time is a timeout, with a decision or without."""
    task = a_task()
    whole = await deliberated(task)
    assert status_of(whole[:1]) == status_of(whole[:9]) == "IN_PROGRESS"
    assert status_of(whole) == "COMPLETED"
    assert status_of(await suspended(task, 9)) == "PENDING"
    assert status_of(await broken_off(task, 9, Resumed())) == "IN_PROGRESS"
    assert status_of(await ended(task, 9, "Cancelled")) == "FAILED"
    assert status_of(await ended(task, 9, "QuorumLost")) == "FAILED"
    assert status_of(await ended(task, 9, "DeadlineExceeded")) == "TIMEOUT"
    decided = whole[-1].event
    assert isinstance(decided, Decided)
    late = decided.decision.model_copy(update={"stop_reason": StopReason.DEADLINE})
    events: list[Event] = [Hastened(reason="time"), Decided(decision=late)]
    assert status_of(await broken_off(task, len(whole) - 1, *events)) == "TIMEOUT"


async def test_a_failure_is_told_with_what_was_written() -> None:
    """Its kind and message, the texts without a rank, the agents lost, the cost; no decision."""
    records = await deliberated(a_task(), FlakyModel({(ONE, Phase.DRAFT), (TWO, Phase.DRAFT)}))
    assert isinstance(records[-1].event, Failed)
    answer = contract.result_response(fold(records), durable=True)
    assert (answer.error_type, answer.stop_reason) == ("QuorumLost", "degraded")
    assert answer.error_message == records[-1].event.message
    assert [(r.rank, r.score, r.proposal.author_id) for r in answer.results] == [(0, 0.0, THREE)]
    assert set(answer.lost) == {ONE, TWO}
    assert answer.degraded
    assert answer.tokens["draft"].generated > 0
    assert not answer.HasField("decision")
    assert answer.winner_id == ""


async def test_a_suspended_deliberation_is_said_to_be_so() -> None:
    """With the texts it has by now."""
    answer = contract.result_response(fold(await suspended(a_task(), 9)), durable=True)
    assert answer.suspended
    assert answer.results
    assert answer.error_type == answer.stop_reason == ""


async def test_the_state_of_the_story_is_in_the_tags() -> None:
    """A client sees which one the agents were shown, or why none."""
    task, answers = a_task(story_id="s-1"), (contract.response, contract.result_response)
    for story, tags in (
        (StoryContext(version=3, notes=2, hash="h", text="t"), {"version": "3", "notes": "2"}),
        (StoryContext(missing="away"), {"missing": "away"}),
        (None, {}),
    ):
        known = {"story_hash": "h"} if story and story.hash else {}
        events = [Convened(task=task, council=COUNCIL, story=story)]
        for answer in answers:
            found = answer(fold(stamped(task.id, events)), durable=True).metadata.tags
            assert dict(found) == known | {f"story_{n}": said for n, said in tags.items()}


def test_a_request_is_read_by_its_meaning() -> None:
    """All that the contract and we can say, each where it belongs; our context wins."""
    request = pb.DeliberateRequest(
        task_id="t",
        task_description="Clock",
        role="dev",
        rounds=2,
        num_agents=3,
        policy="vote",
        title="Hands",
        story_id="s-1",
        constraints=pb.TaskConstraints(
            rubric="Ticks",
            requirements=["two hands"],
            metadata={"a": "from metadata", "b": "2"},
            max_iterations=1,
            timeout_seconds=30,
        ),
    )
    to_struct(request.context, {"a": {"deep": [1]}})
    assert contract.asked(request) == {
        "task_id": "t",
        "role": "dev",
        "text": "Clock",
        "title": "Hands",
        "story_id": "s-1",
        "policy": "vote",
        "rubric": "Ticks",
        "requirements": ("two hands",),
        "context": {"a": {"deep": [1]}, "b": "2"},
        "rounds": 2,
        "max_iterations": 1,
        "num_agents": 3,
        "timeout_seconds": 30,
    }


def test_every_option_of_a_request_is_read() -> None:
    """Of whatever kind; false and zero are said where unset is another thing."""
    options = {
        "policy": "debate",
        "rounds": 3,
        "num_agents": 2,
        "samples": 4,
        "layers": 5,
        "topology": "star",
        "k": 6,
        "hub": 7,
        "groups": 8,
        "exchange_every": 9,
        "revise": "always",
        "ballot": "ranking",
        "tally": "schulze",
        "early": False,
        "decide": "architect",
        "shortlist": 10,
        "quorum": 0.0,
        "stability": 11,
        "gain": 0.25,
        "until_clean": True,
        "token_budget": 2**40,
    }
    asked = contract.asked(pb.DeliberateRequest(role="DEV", task_description="x", **options))
    assert {name: asked[name] for name in Options.model_fields} == options


def test_zero_in_a_request_is_not_set() -> None:
    """proto3 cannot tell them apart; below zero is left for the refusal."""
    asked = contract.asked(pb.DeliberateRequest(role="DEV", task_description="x", rounds=-1))
    assert asked["max_iterations"] is asked["timeout_seconds"] is None
    assert {name: asked[name] for name in Options.model_fields if name in asked} == {"rounds": -1}
    assert asked["context"] == {}


def told(records: list[Record]) -> list[pb.DeliberationUpdate]:
    """The updates that these records make."""
    progress = Progress()
    return [progress.update(each) for each in records]


@pytest.mark.parametrize(
    ("fields", "model"),
    [
        ({}, ScriptedModel()),
        ({"rounds": 0}, ScriptedModel()),
        ({"rounds": 4}, ScriptedModel()),
        ({"num_agents": 1}, ScriptedModel()),
        ({"num_agents": 2, "rounds": 2}, ScriptedModel()),
        ({"policy": "self_refine", "rounds": 2}, ScriptedModel()),
        ({"policy": "self_consistency"}, ScriptedModel()),
        ({"policy": "best_of_n"}, ScriptedModel()),
        ({"policy": "debate"}, ScriptedModel()),
        ({"policy": "cascade"}, ScriptedModel()),
        ({"policy": "moa", "layers": 3}, ScriptedModel()),
        ({"decide": "architect", "ballot": "ranking"}, ScriptedModel()),
        ({"topology": "full", "token_budget": 100}, ScriptedModel()),
        ({"until_clean": True, "rounds": 3}, ScriptedModel()),
        ({}, ScriptedModel({(ONE, Phase.DRAFT): " ", (TWO, Phase.CRITIQUE): "{"})),
        ({}, FlakyModel({(agent, Phase.DRAFT) for agent in (ONE, TWO, THREE)})),
    ],
)
async def test_progress_never_goes_back_and_is_whole_only_at_the_end(
    fields: dict[str, object], model: ScriptedModel
) -> None:
    """Whatever the rounds, the agents and the mishaps; one update for each record."""
    records = await deliberated(a_task(**fields), model)
    updates = told(records)
    percents = [update.progress_percent for update in updates]
    assert percents == sorted(percents)
    assert percents[0] == 0
    assert percents[-1] == 100
    assert max(percents[:-1]) < 100
    stages = [STAGES.index(update.status) for update in updates]
    assert stages == sorted(stages)
    assert (updates[0].status, updates[-1].status) == ("generating", "complete")
    assert "complete" not in {update.status for update in updates[:-1]}
    assert [record(update.record) for update in updates] == records


async def test_a_brief_that_changed_does_not_take_progress_back() -> None:
    """Resumed under another wording all texts are void, yet the share stands."""
    first = [each.event for each in await deliberated(a_task())]
    brief = next(event for event in first if event.kind == "briefed")
    records = await broken_off(a_task(), 12, Resumed(), brief, *first[2:])
    percents = [update.progress_percent for update in told(records)]
    assert percents == sorted(percents)
    assert percents[11] > 0


async def test_an_update_says_in_words_what_happened() -> None:
    """Who did what, to whom, in which round; the text where there is a new one."""
    updates = told(await deliberated(a_task()))
    steps = [update.current_step for update in updates]
    assert steps[0] == "the DEV council has convened"
    assert f"{ONE} is asked to draft" in steps
    assert f"{ONE} is asked to rank all texts" in steps
    assert any(step.startswith(f"{TWO} has reviewed {ONE}, round 1: ") for step in steps)
    assert steps[-1].startswith("decided: the text of agent-dev-00")
    drafted = next(u for u in updates if u.current_step == f"{TWO} has drafted")
    assert drafted.current_agent == TWO
    assert drafted.partial_result.proposal.content == f"{TWO} says draft 0"
    revised = next(u for u in updates if u.current_step == f"{TWO} has revised its text, round 1")
    assert list(revised.partial_result.proposal.revisions) == [f"{TWO} says draft 0"]
    assert not updates[0].HasField("partial_result")
    assert updates[0].current_agent == ""


async def test_the_last_word_is_told_as_such() -> None:
    """One text made of all is a text like others; a choice is told with its reason."""
    merged = told(await deliberated(a_task(policy="moa")))
    (last,) = [u for u in merged if u.current_step == f"{ONE} has made one text of all"]
    assert last.status == "scoring"
    assert last.partial_result.proposal.content == f"{ONE} says merge 2"
    judged = told(await deliberated(a_task(decide="architect")))
    steps = [update.current_step for update in judged if "architect" in update.current_agent]
    assert steps[0] == "agent-dev-architect is asked to choose among the first"
    assert steps[1].startswith("agent-dev-architect has chosen the text of agent-dev-00")


async def test_mishaps_are_said_too() -> None:
    """A drop, an answer that could not be used, an interruption, haste, and an end without one."""
    model = ScriptedModel({(ONE, Phase.DRAFT): " "})
    steps = [update.current_step for update in told(await deliberated(a_task(), model))]
    assert any(step.startswith(f"{ONE} gave an answer that cannot be used: ") for step in steps)
    assert f"{ONE} takes no further part: wrote no usable draft" in steps
    events: list[Event] = [
        Dropped(agent=TWO, phase=Phase.VOTE, reason="gone"),
        Resumed(),
        Hastened(reason="late"),
    ]
    task: Task = a_task()
    steps = [update.current_step for update in told(await broken_off(task, 4, *events))]
    assert steps[-2:] == ["the work goes on after an interruption", "hastened: late"]
    last = told(await ended(task, 4, "Cancelled"))[-1]
    assert last.current_step == "ended without a decision: Cancelled: so it was"
    assert (last.status, last.progress_percent) == ("complete", 100)
    assert told(await suspended(task, 4))[-1].current_step == "suspended: nobody waits for it"
