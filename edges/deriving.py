"""Plans split into tasks by the architects, for every door; knows nothing of HTTP or gRPC."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints, ValidationError

from actors.requesting import Request
from edges.asked import invalid, seconds
from edges.desk import Desk
from engine.data import Data
from engine.deriving import (
    AtomicTask,
    Name,
    Role,
    Strategy,
    author_of,
    question,
    requests_of,
    tasks_of,
)
from engine.errors import DeadlineExceeded, NotDerived, NotFound
from engine.events import Failed
from engine.planning import SUBJECT
from engine.transcript import Transcript

PlanId = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=512)]


class DerivationRequest(Data):
    """Which plan is to be split, for which roles and how.

    The plan is the one that was approved last under `plan_id`. `case_id` is what the asker calls
    the undertaking it belongs to, by default its story. No roles stand for all there are.
    """

    plan_id: PlanId
    case_id: Name = ""
    roles: tuple[Role, ...] = Field(default=(), max_length=64)
    strategy: Strategy = Strategy()


class Derivation(Data):
    """The tasks of a plan in an order in which they can be done one by one.

    `derivation_id` is the id of the deliberation that made them, `author_id` the agent whose graph
    was chosen. So many of them are `published`: on the bus, asked of their councils. `durable` says
    that the journal holds the decision.
    """

    derivation_id: str
    case_id: str
    plan_id: str
    story_id: str
    tasks: tuple[AtomicTask, ...]
    total_tasks: int
    author_id: str
    published: int
    durable: bool


async def derive(
    desk: Desk, request: DerivationRequest, key: str = "", timeout_ms: str = ""
) -> Derivation:
    """Have the architects split a plan; the same request and `key` give the same tasks.

    NotFound where the bus holds no such plan; NotDerived with what was wrong where no graph could
    be decided on; DeadlineExceeded.
    """
    seconds(timeout_ms)
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


def read_derivation(body: bytes) -> DerivationRequest:
    """A request out of JSON; InvalidRequest names the first field that is wrong."""
    try:
        return DerivationRequest.model_validate_json(body)
    except ValidationError as error:
        raise invalid(error) from error
