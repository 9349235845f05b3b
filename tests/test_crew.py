"""Claims about what stands between the bridge and the councils, without Ray."""

from collections.abc import AsyncGenerator

import pytest

from actors import councils, crew
from actors.calls import ActorAway
from actors.councils import Councils
from actors.crew import BridgeActor
from actors.roster import Roster, living, roster
from actors.run import Conclusion, Terms
from actors.testing import LocalHandle
from engine.charters import Joined, in_force
from engine.config import Config, NamedAgent, PoolConfig
from engine.errors import Broken, InvalidRequest, Unavailable
from engine.events import Record, Resumed
from engine.founding import NewCouncil, founded
from engine.joining import dissolved, joined
from engine.types import Task

TASK = Task(id="t-1", role="DEV", text="Build a clock")
RECORD = Record(deliberation="t-1", seq=1, at=1.0, event=Resumed())


@pytest.fixture
def config() -> Config:
    return Config(pools={"p": PoolConfig(model="/m", resources={"rack": 1.0})})


async def test_an_end_that_is_not_durable_is_no_end_for_the_bridge(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event must come again rather than be acknowledged for an end the journal lacks."""

    async def concluded(self: Councils, task: Task, terms: Terms) -> Conclusion:
        assert terms == Terms(detached=True, clips=True)
        return Conclusion([RECORD], durable=durable)

    monkeypatch.setattr(Councils, "conclude", concluded)
    bridge = BridgeActor(config, roster(config))
    durable = True
    assert await bridge._end_of(TASK) == RECORD
    durable = False
    with pytest.raises(Unavailable, match="t-1 is not in the journal yet"):
        await bridge._end_of(TASK)


async def test_a_task_that_kills_its_council_each_time_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A council that is away is waited for; one that dies over a task again and again is not."""
    deaths = 0

    class Council:
        async def deliberate(self) -> None: ...

        async def leave(self, task_id: str, caller: str) -> None: ...

    async def dying(*_call: object) -> AsyncGenerator[Record, None]:
        nonlocal deaths
        deaths += 1
        yield RECORD
        raise ActorAway("died")

    monkeypatch.setattr(councils, "pauses", lambda *_: iter([0.0] * 100))
    names = Roster(agents={}, councils={"DEV": "council"}, bridge="bridge")
    with pytest.raises(Broken, match="died 9 times over t-1"):
        await Councils(names, lambda _: LocalHandle(Council()), streamed=dying).conclude(TASK)
    assert deaths == councils.DEATHS + 1


@pytest.mark.timeout(20)
async def test_who_waits_for_a_council_goes_to_the_next_one_or_hears_that_there_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Deleted, or created anew, while somebody waits for the actor of the one before."""
    asked: list[str] = []
    names = Roster(agents={}, councils={"DEV": "old"}, bridge="bridge")

    def find(name: str) -> None:
        asked.append(name)
        ways.rename(Roster(agents={}, councils=later.pop(), bridge="bridge"))

    monkeypatch.setattr(councils, "pauses", lambda *_: iter([0.0] * 100))
    later: list[dict[str, str]] = [{}, {"DEV": "new"}]
    ways = Councils(names, find)
    with pytest.raises(InvalidRequest, match="no council 'DEV'"):
        await ways.conclude(TASK)
    assert asked == ["old", "new"]


def test_an_agent_is_placed_by_what_its_pool_takes(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cores, GPUs and further resources of the pool are the actor's."""
    asked: list[dict[str, object]] = []
    monkeypatch.setattr(crew, "_create", lambda _cls, _name, options, *_: asked.append(options))
    crew.crew(config, roster(config))[0].fill()
    assert asked[0]["resources"] == {"rack": 1.0}
    assert (asked[0]["num_cpus"], asked[0]["num_gpus"]) == (1.0, 0.0)


def test_a_council_keeps_its_actor_while_agents_come_and_go(config: Config) -> None:
    """Created anew it has another one; the bridge and the engines stay through all of it."""
    before, fleet = roster(config), in_force(config)
    assert living(fleet) == before
    who = Joined(agent=NamedAgent(id="fourth", pool="p"))
    grown = living(in_force(config, [joined(fleet, "DEV", who)]))
    assert grown == before
    gone = in_force(config, [dissolved(fleet, "DEV")])
    assert "DEV" not in living(gone).councils
    again = living(in_force(config, [founded(gone, NewCouncil(role="DEV"))]))
    assert again.councils["DEV"] not in ("", before.councils["DEV"])
    assert (again.bridge, again.agents) == (before.bridge, before.agents)
    assert {**again.councils, "DEV": ""} == {**before.councils, "DEV": ""}
