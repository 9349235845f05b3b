"""How the end of a run gets into the journal and onto the bus; knows nothing of what led to it."""

from __future__ import annotations

from actors.journal import Writer, envelope
from actors.messages import PRODUCER, ROLE, TASK, TOOK_MS, digest_of
from actors.notices import concluded
from actors.run import Run
from engine.results import payload, result
from engine.transcript import fold


async def end_durably(run: Run, writer: Writer) -> None:
    """Write the run's last record as its end; returns when the journal holds it.

    What became of each agent's task is told before: a crash in between is made good by resuming.
    """
    state, last = fold(run.records), run.records[-1]
    assert state.task is not None
    view = result(state)
    message = envelope(
        event_type=f"orchestration.deliberation.{view.status}",
        payload=payload(state),
        key=state.task.id,
        correlation_id=state.task.story_id or state.task.id,
        producer=PRODUCER,
        at=last.at,
        metadata={"record": last.model_dump(mode="json")},
    )
    writer.tell(*concluded(run.records))
    headers = {
        ROLE: view.role,
        TOOK_MS: str(round(state.worked_s * 1000)),
        TASK: digest_of(state.task),
    }
    await writer.end(last, message, headers)
