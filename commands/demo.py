"""The main job shown on one machine: a plan on the bus becomes five decisions.

Everything is real (nats-server, Ray, Serve, vLLM with a small model) and everything is stopped at
the end, however that comes. Knows the system only as its users do: the bus, HTTP and the journal.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from rich.console import Console
from rich.markup import escape

from commands.plans import follow, publish, read_plan
from commands.site import POLL_S, READY_WITHIN_S, Site, Wanted, on_this_machine, working
from commands.summary import EXCERPT_LINES, summary
from commands.view import tokens
from engine.errors import SetupError
from engine.planning import SUBJECT, tasks
from engine.results import Result
from engine.types import Task, Usage


def demo(plan: Path, out: Path, console: Console) -> None:
    """Run the whole demonstration; SetupError where it cannot be done on this machine."""
    started = time.monotonic()
    console.print("[bold]Conclave[/]: one plan, five councils of three agents, one small model\n")
    data = read_plan(plan)
    with (
        TemporaryDirectory(prefix="conclave-") as store,
        on_this_machine(Wanted(Path(store)), out.with_suffix(".log"), console) as site,
    ):
        asyncio.run(_Show(site, data, out, console).run())
    console.print(f"Everything is stopped. {time.monotonic() - started:.0f} s in all.")


class _Show:
    """The demonstration once everything is started."""

    def __init__(self, site: Site, plan: bytes, out: Path, console: Console) -> None:
        self._config, self._plan, self._out, self._console = site.config, plan, out, console
        self._http = httpx.AsyncClient(base_url=site.address, timeout=30.0)

    async def run(self) -> None:
        """Publish the plan, show the work, keep the decisions, prove that they are kept."""
        async with self._http:
            asked = await self._publish()
            await follow(self._config.bus.url, asked, self._console)
            found = [await self._read(task) for task in asked]
            self._console.print()
            for one in found:
                self._console.print(summary(one, EXCERPT_LINES), highlight=False)
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
        event = await publish(self._config.bus.url, self._plan, "demo-producer")
        self._console.print(f"\nPublished on {SUBJECT}: [bold]{escape(event.plan.title)}[/]\n")
        return list(tasks(event, tuple(council.role for council in self._config.councils)))

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
