"""The main job shown on one machine: a plan on the bus becomes five decisions.

Everything is real (nats-server, Ray, Serve, vLLM with a small model) and everything is stopped at
the end, however that comes. Knows the system only as its users do: the bus, HTTP and the journal.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from rich.console import Console
from rich.live import Live

from actors.bus import connect
from actors.journal import Journal
from actors.streams import PLANS
from commands.laptop import POLL_S, READY_WITHIN_S, Site, on_this_machine, working
from commands.view import Board, Row, summary, tokens
from engine.arrival import Arrival
from engine.config import BusConfig
from engine.errors import SetupError
from engine.planning import SUBJECT, PlanApproved, plan_approved, tasks
from engine.results import Result
from engine.types import Task, Usage

DECIDED_WITHIN_S = 900.0


def demo(plan: Path, out: Path, console: Console) -> None:
    """Run the whole demonstration; SetupError where it cannot be done on this machine."""
    started = time.monotonic()
    console.print("[bold]Conclave[/]: one plan, five councils of three agents, one small model\n")
    data = _read(plan)
    _understood(data, 1)
    with (
        TemporaryDirectory(prefix="conclave-") as store,
        on_this_machine(Path(store), out.with_suffix(".log"), console) as site,
    ):
        asyncio.run(_Show(site, data, out, console).run())
    console.print(f"Everything is stopped. {time.monotonic() - started:.0f} s in all.")


def _read(plan: Path) -> bytes:
    try:
        return plan.read_bytes()
    except OSError as error:
        raise SetupError(
            f"{plan} cannot be read ({error.strerror})", "Name a plan as JSON"
        ) from error


def _understood(data: bytes, seq: int) -> PlanApproved:
    """The plan as the bridge will read it under that sequence; InvalidEvent where it cannot."""
    arrival = Arrival(stream=PLANS, seq=seq, subject=SUBJECT, data=data)
    return plan_approved(arrival, BusConfig().max_event_bytes)


class _Show:
    """The demonstration once everything is started."""

    def __init__(self, site: Site, plan: bytes, out: Path, console: Console) -> None:
        self._config, self._plan, self._out, self._console = site.config, plan, out, console
        self._http = httpx.AsyncClient(base_url=site.address, timeout=30.0)

    async def run(self) -> None:
        """Publish the plan, show the work, keep the decisions, prove that they are kept."""
        async with self._http:
            asked = await self._publish()
            await self._watch(asked)
            found = [await self._read(task) for task in asked]
            self._console.print()
            for one in found:
                self._console.print(summary(one))
            self._keep(found)
            await self._kill_councils()
            if [await self._read(task) for task in asked] != found:
                raise SetupError("A decision read back differs from the first", "Please report it")
        total = sum((one.usage for one in found), Usage())
        self._console.print(
            f"{len(found)} decisions read back over HTTP from the new councils: equal.\n"
            f"Tokens: {tokens(total)}.\nDecisions: {self._out}"
        )

    async def _publish(self) -> list[Task]:
        """Send the plan as its producer would; the tasks that must come of it."""
        client = await connect(self._config.bus.url, "demo-producer", lambda: None)
        ack = await client.streams().publish(SUBJECT, self._plan)
        await client.leave()
        event = _understood(self._plan, ack.seq)
        self._console.print(f"\nPublished on {SUBJECT}: [bold]{event.plan.title}[/]\n")
        return list(tasks(event, tuple(council.role for council in self._config.councils)))

    async def _watch(self, asked: list[Task]) -> None:
        """Show every deliberation as its journal grows, until all have ended."""
        board = Board([task.role for task in asked])
        journal = await Journal.connect(self._config.bus.url, "demo")
        try:
            with Live(board, console=self._console, redirect_stdout=False, redirect_stderr=False):
                async with asyncio.timeout(DECIDED_WITHIN_S), asyncio.TaskGroup() as group:
                    for task in asked:
                        group.create_task(self._follow(journal, task, board.rows[task.role]))
        except TimeoutError:
            late = f"Not all have decided after {DECIDED_WITHIN_S:.0f} s"
            raise SetupError(late, f"Look into {self._out.with_suffix('.log')}") from None
        finally:
            await journal.close()

    async def _follow(self, journal: Journal, task: Task, row: Row) -> None:
        async with aclosing(journal.follow(task.id)) as records:
            async for record in records:
                row.add(record)
                if not self._console.is_terminal:
                    self._say(row)

    def _say(self, row: Row) -> None:
        """Where no live board can be drawn, a line whenever a role does something else."""
        if row.news():
            self._console.print(f"{row.elapsed_s:5.0f} s  {row.role:10} {row.doing}")

    async def _read(self, task: Task) -> Result:
        answer = await self._http.get(f"/v1/deliberations/{task.id}")
        answer.raise_for_status()
        return Result.model_validate_json(answer.content)

    def _keep(self, found: list[Result]) -> None:
        self._out.write_text("".join(f"{one.model_dump_json()}\n" for one in found))

    async def _kill_councils(self) -> None:
        """Kill every council's process and wait until another one serves in its place."""
        old = await self._council_pids()
        for pid in old.values():
            os.kill(pid, signal.SIGKILL)
        started = time.monotonic()
        with working(self._console, "the five councils were killed; waiting for new ones"):
            while any(
                pid in (None, old[role]) for role, pid in (await self._council_pids()).items()
            ):
                if time.monotonic() - started > READY_WITHIN_S:
                    raise SetupError("Killed councils did not come back", "Please report it")
                await asyncio.sleep(POLL_S)
        self._console.print(
            f"\nAll five council processes were killed; new ones serve after "
            f"{time.monotonic() - started:.0f} s."
        )

    async def _council_pids(self) -> dict[str, int]:
        councils = (await self._http.get("/v1/councils")).json()
        return {council["role"]: council["pid"] for council in councils}


def default_out() -> Path:
    """A new file for the decisions of this run."""
    return Path(".conclave") / f"decisions-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.jsonl"
