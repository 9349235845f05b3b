"""What the tests put into Ray actors instead of engines; importable in Ray's workers."""

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from deadline import until_async

from actors.embedded import local_ray
from actors.supervisor import Post, State
from actors.testing import ScriptedPool
from engine.config import Config
from engine.data import Data
from engine.errors import SetupError
from engine.testing import ScriptedModel
from engine.types import Council, Reply, Turn

HERE = Path(__file__).parent


@contextmanager
def ray_for_tests() -> Iterator[None]:
    """A local Ray whose workers can import what the tests can."""
    with pytest.MonkeyPatch.context() as patch:
        before = os.environ.get("PYTHONPATH", "")
        patch.setenv("PYTHONPATH", os.pathsep.join((str(HERE.parent), str(HERE), before)))
        with local_ray():
            yield


class Stage(Data):
    """A folder through which a test and the models in actors know of each other."""

    folder: Path

    def open(self, *phases: str) -> None:
        """Let the turns of these phases go, now and from now on."""
        for phase in phases:
            (self.folder / phase).touch()

    def is_open(self, phase: str) -> bool:
        """Whether turns of the phase go."""
        return (self.folder / phase).exists()

    def note(self, turn: Turn) -> None:
        """Keep what was asked."""
        with (self.folder / "asked").open("a") as asked:
            asked.write(f"{turn.phase}\n")

    def asked(self, phase: str) -> int:
        """How many turns of the phase were asked so far, by whichever actor."""
        asked = self.folder / "asked"
        return asked.read_text().split().count(phase) if asked.exists() else 0


class StagedModel(ScriptedModel):
    """A ScriptedModel whose turns wait until the stage lets their phase go."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self._stage = stage

    async def __call__(self, turn: Turn) -> Reply:
        """The scripted reply."""
        self._stage.note(turn)
        await until_async(lambda: self._stage.is_open(turn.phase), f"{turn.phase} is let go", 60)
        return await super().__call__(turn)


def staged_pools(stage: Stage, config: Config, council: Council) -> dict[str, ScriptedPool]:
    """The pools of a council, all on one stage."""
    return {agent.pool: ScriptedPool(StagedModel(stage)) for agent in council.agents}


class Moody:
    """An actor whose n-th incarnation has the n-th mood; those after the last have the last."""

    def __init__(self, folder: Path, *moods: str) -> None:
        made = len(list(folder.glob("made-*")))
        (folder / f"made-{made}").touch()
        self._folder, self._mood = folder, moods[min(made, len(moods) - 1)]
        self._asked = 0

    async def health(self) -> str:
        """As its mood is; one that will hang is well at first."""
        self._asked += 1
        if self._mood == "hung" and self._asked > 1:
            await asyncio.Event().wait()
        if self._mood == "unfit":
            raise SetupError("No memory", "Add some")
        if self._mood == "broken":
            raise ZeroDivisionError("a bug")
        return "well"

    async def drain(self) -> None:
        """Leave a sign that it was asked."""
        (self._folder / "drained").touch()
        if self._mood == "broken":
            raise ZeroDivisionError("a bug")


class SupervisorTwin:
    """In the supervisor's place: its state is what the test wrote down, if anything.

    The actors called `names` are said to be ready, whether they are or not.
    """

    def __init__(self, stage: Stage, names: tuple[str, ...] = ()) -> None:
        self._stage, self._names = stage, names

    async def state(self) -> State:
        """One seat, in trouble while there is a note of it."""
        note = self._stage.folder / "trouble"
        reason = note.read_text() if note.exists() else ""
        if reason == "hung":
            await asyncio.Event().wait()
        state = "failed" if reason else "ready"
        return State(
            since=time.time() - 5,
            bus="",
            posts=(
                Post(name="a", kind="agent", state=state, reason=reason),
                *(Post(name=name, kind="council", state="ready") for name in self._names),
            ),
        )
