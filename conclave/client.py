"""A running engine as a Python program uses it, one call after the other.

with Client("http://127.0.0.1:8000") as client:
    found = client.deliberate(DeliberationRequest(role="DEV", text="Name two ways to test"))
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from actors.listing import ALL, Page, Wanted
from conclave import calls
from conclave.calls import Call, Fields, Stream
from conclave.failures import unreached
from conclave.following import PAUSES_S, RETRIES_S, TIMEOUT, Attempts, Following, Say, silent
from conclave.server import Server, waiting
from conclave.sse import Messages
from edges.asked import DeliberationRequest
from edges.forking import ForkRequest
from edges.orders import Accepted, Orchestration, OrchestrationRequest
from edges.tasks import ContextRequest, Derivation, DerivationRequest, TaskContext
from edges.views import Changed, CouncilInfo, Created, Deleted, Metrics, Status, StoryView
from engine.errors import ConclaveError, Unavailable
from engine.events import Record
from engine.founding import NewCouncil
from engine.joining import NewAgent
from engine.posted import PlanningEvent
from engine.results import Result, result
from engine.transcript import Transcript

Answer = TypeVar("Answer")


class Client:
    """One server at `url`; every error is a ConclaveError, a refusal the one that it was there.

    An answer may take `timeout_s`; a deliberation takes the time that its request allows. What is
    not answered is asked again after each of `retries_s`, where asking twice is as asking once.
    A stream that breaks off is opened again behind its last record, after each of `pauses_s`;
    `say` hears of that.

    A request without a `task_id` and without a `key` (an idempotency key) is given an id here, so
    that it can be sent again. It may be a mapping: then the server alone checks it.
    """

    def __init__(
        self,
        url: str,
        say: Say = silent,
        timeout_s: float = 30.0,
        retries_s: tuple[float, ...] = RETRIES_S,
        pauses_s: tuple[float, ...] = PAUSES_S,
    ) -> None:
        self._server, self._say, self._timeout = Server(url), say, waiting(timeout_s)
        self._retries_s, self._pauses_s = retries_s, pauses_s
        self._http = self._server.opened(httpx.Client)

    @property
    def url(self) -> str:
        """Where the server is."""
        return self._server.url

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def deliberate(self, request: DeliberationRequest | Fields, key: str = "") -> Result:
        """Wait for a deliberation to end; without a decision its result says why."""
        return self._concluded(self.stream(request, key))

    def accept(self, request: DeliberationRequest | Fields, key: str = "") -> Result:
        """Have it deliberated whether we stay or not; its first standing."""
        return self._ask(calls.accept(request, key))

    def stream(self, request: DeliberationRequest | Fields, key: str = "") -> Iterator[Record]:
        """Wait for a deliberation and tell its records; leaving early suspends it."""
        return self._followed(calls.stream(request, key))

    def fork(self, id: str, request: ForkRequest | Fields, key: str = "") -> Result:
        """Wait for a fork of a deliberation, as `deliberate` does."""
        return self._concluded(self.stream_fork(id, request, key))

    def stream_fork(
        self, id: str, request: ForkRequest | Fields, key: str = ""
    ) -> Iterator[Record]:
        """Wait for a fork of a deliberation and tell its records, as `stream` does."""
        return self._followed(calls.fork(id, request, key))

    def orchestrate(self, request: OrchestrationRequest | Fields, key: str = "") -> Orchestration:
        """Wait for an orchestration to end; without a decision there is no winner."""
        return self._ask(calls.orchestrate(request, key))

    def stream_orchestration(
        self, request: OrchestrationRequest | Fields, key: str = ""
    ) -> Iterator[Record]:
        """Wait for an orchestration and tell its records, as `stream` does."""
        return self._followed(calls.stream_orchestration(request, key))

    def plan(self, event: PlanningEvent | Fields, key: str = "") -> Accepted:
        """Hand in a planning event; the ids of what follows from it."""
        return self._ask(calls.plan(event, key))

    def watch(self, id: str, after: int = 0) -> Iterator[Record]:
        """The records behind `after`, those to come as they come, up to the end."""
        return self._followed(calls.watch(id, after))

    def read(self, id: str) -> Result:
        """How a deliberation stands."""
        return self._ask(calls.read(id))

    def outcome(self, state: Transcript) -> Result:
        """What the server has kept of what was heard; that itself if it cannot be asked now."""
        assert state.task is not None
        try:
            return self.read(state.task.id)
        except Unavailable:
            return result(state, durable=False)

    def cancel(self, id: str) -> Result:
        """End a deliberation without a decision; how it stands then."""
        return self._ask(calls.cancel(id))

    def list(self, wanted: Wanted = ALL, limit: int = 20, cursor: str = "") -> Page:
        """So many of what is wanted, the one begun last first; `cursor` has the next page."""
        return self._ask(calls.page(wanted, limit, cursor))

    def councils(self) -> tuple[CouncilInfo, ...]:
        """Every council and how it stands."""
        return self._ask(calls.councils())

    def create_council(self, request: NewCouncil | Fields) -> Created:
        """Create a council; returns when it can deliberate, or says why it cannot."""
        return self._ask(calls.create_council(request))

    def delete_council(self, role: str) -> Deleted:
        """Have a council take no new work; what it is at ends within a minute."""
        return self._ask(calls.delete_council(role))

    def register(self, role: str, request: NewAgent | Fields) -> Changed:
        """Seat an agent on a council, from the next deliberation on."""
        return self._ask(calls.register(role, request))

    def unregister(self, role: str, agent_id: str) -> Changed:
        """Leave an agent's seat empty, from the next deliberation on."""
        return self._ask(calls.unregister(role, agent_id))

    def status(self) -> Status:
        """How the whole stands."""
        return self._ask(calls.status())

    def metrics(self, metric_type: str = "all", time_range_ms: int = 0) -> Metrics:
        """The whole in figures; of what ended in the last so many milliseconds, 0 for all."""
        return self._ask(calls.metrics(metric_type, time_range_ms))

    def story(self, id: str) -> StoryView:
        """What is known of a story, as its agents will be shown it."""
        return self._ask(calls.story(id))

    def derive(self, request: DerivationRequest | Fields, key: str = "") -> Derivation:
        """Wait for the architects to split an approved plan into tasks."""
        return self._ask(calls.derive(request, key))

    def context(self, request: ContextRequest | Fields) -> TaskContext:
        """What an agent sees of a task, or would see."""
        return self._ask(calls.context(request))

    def document(self, path: str) -> Any:
        """What a path answers, as JSON that nobody has checked: for servers of other versions."""
        return self._ask(calls.document(path))

    def _ask(self, call: Call[Answer]) -> Answer:
        attempts = Attempts(self._retries_s if call.repeatable else (), self._say)
        while True:
            try:
                return self._answered(call)
            except ConclaveError as failed:
                pause = attempts.pause(failed)
                if pause is None:
                    raise
            time.sleep(pause)

    def _answered(self, call: Call[Answer]) -> Answer:
        try:
            answer = self._http.request(
                call.method,
                call.path,
                headers=call.headers,
                content=call.body,
                timeout=waiting(call.timeout_s) if call.timeout_s else self._timeout,
            )
        except httpx.RequestError as error:
            raise unreached(self.url, error) from error
        self._server.check(answer)
        return self._server.read(call.reads, answer.content)

    def _concluded(self, records: Iterator[Record]) -> Result:
        state = Transcript()
        for record in records:
            state.add(record.event, record.at)
        return self.outcome(state)

    def _followed(self, stream: Stream) -> Iterator[Record]:
        following = Following(
            self._server,
            stream,
            Attempts(self._retries_s, self._say),
            lambda: Attempts(self._pauses_s, self._say),
        )
        while True:
            try:
                yield from self._records(following)
                return
            except ConclaveError as broken:
                pause = following.pause(broken)
            time.sleep(pause)

    def _records(self, following: Following) -> Iterator[Record]:
        """The records of one connection; Unreachable where it ends before the last one."""
        stream, messages = following.stream, Messages()
        try:
            with self._http.stream(
                stream.method,
                stream.path,
                headers=following.headers(),
                content=stream.body,
                timeout=TIMEOUT,
            ) as answer:
                if not answer.is_success:
                    answer.read()
                self._server.check(answer)
                following.stands(answer)
                for chunk in answer.iter_bytes():
                    for message in messages.of(chunk):
                        if (record := following.heard(message)) is not None:
                            yield record
                        if following.over:
                            return
        except httpx.RequestError as error:
            raise unreached(self.url, error) from error
        following.ended()
