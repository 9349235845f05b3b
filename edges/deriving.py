"""Plans split into tasks by the architects, for every door; knows nothing of HTTP or gRPC."""

from __future__ import annotations

from actors.requesting import Request
from edges.desk import Desk
from edges.tasks import Derivation, DerivationRequest
from engine.deriving import (
    AtomicTask,
    author_of,
    question,
    requests_of,
    tasks_of,
)
from engine.errors import DeadlineExceeded, NotDerived, NotFound
from engine.events import Failed
from engine.planning import SUBJECT
from engine.transcript import Transcript


async def derive(
    desk: Desk, request: DerivationRequest, key: str = "", timeout_ms: str = ""
) -> Derivation:
    """Have the architects split a plan; the same request and `key` give the same tasks.

    NotFound where the bus holds no such plan; NotDerived with what was wrong where no graph could
    be decided on; DeadlineExceeded.
    """
    plan = await desk.journal.plan(request.plan_id, desk.config.bus)
    if plan is None:
        raise NotFound(
            f"no approved plan {request.plan_id!r} is on the bus; publish it on {SUBJECT}, as "
            "`conclave plan FILE` does, and ask again"
        )
    how = request.strategy
    task = question(plan, desk.config, request.case_id, request.roles, how, key)
    conclusion = await desk.conclude(task, desk.allowance(task, timeout_ms), clips=True)
    state = conclusion.state
    tasks = _decided(state)
    if how.auto_publish_to_nats:
        await desk.journal.request(requests(state))
    return Derivation(
        derivation_id=task.id,
        case_id=tasks[0].case_id,
        plan_id=task.plan_id,
        story_id=task.story_id,
        tasks=tasks,
        total_tasks=len(tasks),
        author_id=author_of(state),
        published=len(tasks) if how.auto_publish_to_nats else 0,
        durable=conclusion.durable,
    )


def _decided(state: Transcript) -> tuple[AtomicTask, ...]:
    try:
        return tasks_of(state)
    except NotDerived as why:
        if isinstance(state.end, Failed) and state.end.error_type == "DeadlineExceeded":
            raise DeadlineExceeded(str(why)) from why
        raise


def requests(state: Transcript) -> list[Request]:
    """Each task of a derivation for its council, those before it first; the same each time."""
    assert state.task is not None
    asked, story_id = requests_of(state), state.task.story_id
    return [
        Request(task.role, task.task_id, asked[task.task_id], story_id, state.ended)
        for task in tasks_of(state)
    ]
