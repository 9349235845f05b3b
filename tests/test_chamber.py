"""Claims about councils changed at a door: nothing half-made stays, whatever goes wrong."""

import asyncio

import pytest
from chamber_twin import ChamberTwin, all_ready
from deadline import until_async

from actors.council import CouncilHealth
from actors.roster import roster
from actors.supervisor import Post, State
from edges import chamber as module
from edges import standing
from edges.chamber import seats_of
from edges.desk import Desk
from edges.standing import _doing
from engine.charters import Fleet
from engine.config import Config, PoolConfig, fleet_councils
from engine.errors import Away, Conflict, InvalidRequest, NotFound, SetupError, Unavailable, Unmet
from engine.fanout import ended
from engine.founding import NewCouncil
from engine.joining import NewAgent

CONFIG = Config(
    pools={"small": PoolConfig(model="/models/small")},
    councils=fleet_councils()[:2],
    profiles={"roomy": PoolConfig(model="/models/gone", window=8192)},
)
SECURITY = NewCouncil(role="security", model_profile="roomy")
ROLES = ["DEV", "QA"]


@pytest.fixture
def chamber() -> ChamberTwin:
    return ChamberTwin(CONFIG)


def roles(chamber: ChamberTwin) -> list[str]:
    return [council.role for council in chamber.charters.fleet.config.councils]


def without_engine(state: str, reason: str = "") -> object:
    """All is ready but the pool that a council has for itself."""

    def posts(fleet: Fleet) -> list[Post]:
        own = "conclave:agent:council-security"
        return [
            post.model_copy(update={"state": state, "reason": reason})
            if post.name.startswith(own)
            else post
            for post in all_ready(fleet)
        ]

    return posts


async def test_a_created_council_is_answered_when_it_is_ready(chamber: ChamberTwin) -> None:
    """Not while its engine starts; whoever routes by roles hears of it."""
    chamber.posts = without_engine("starting")  # type: ignore[assignment]
    creating = asyncio.create_task(chamber.create(SECURITY))
    await until_async(lambda: "SECURITY" in roles(chamber), "it is written")
    await asyncio.sleep(0)
    assert not creating.done()
    chamber.posts = all_ready
    found = await creating
    assert (found.council_id, found.role) == ("council-security", "SECURITY")
    assert found.agents == tuple(f"agent-security-00{n}" for n in (1, 2, 3))
    assert chamber.seated[-1].config.council("SECURITY") is not None


async def test_a_council_whose_engine_cannot_be_is_taken_back(chamber: ChamberTwin) -> None:
    """The reason is the engine's own; the role is as free as before."""
    chamber.posts = without_engine("failed", "model folder /models/gone does not exist")  # type: ignore[assignment]
    with pytest.raises(Unavailable, match="pool council-security: model folder /models/gone"):
        await chamber.create(SECURITY)
    assert roles(chamber) == ROLES
    assert chamber.seated[-1].config.pools == CONFIG.pools
    chamber.posts = all_ready
    assert (await chamber.create(SECURITY)).role == "SECURITY"


async def test_a_council_that_is_never_ready_is_taken_back(
    chamber: ChamberTwin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In bounded time, with what it waited for."""
    monkeypatch.setattr(module, "READY_WITHIN_S", 0.3)
    chamber.posts = without_engine("starting")  # type: ignore[assignment]
    with pytest.raises(Unavailable, match=r"not ready in 0\.3 s: pool council-security has no"):
        await chamber.create(SECURITY)
    assert roles(chamber) == ROLES


async def test_a_caller_that_leaves_leaves_no_council_behind(chamber: ChamberTwin) -> None:
    """It would not know whether there is one."""
    chamber.posts = without_engine("starting")  # type: ignore[assignment]
    creating = asyncio.create_task(chamber.create(SECURITY))
    await until_async(lambda: "SECURITY" in roles(chamber), "it is written")
    creating.cancel()
    with pytest.raises(asyncio.CancelledError):
        await creating
    await until_async(lambda: roles(chamber) == ROLES, "it is taken back")


async def test_what_cannot_be_taken_back_is_told(chamber: ChamberTwin) -> None:
    """With what removes it."""
    chamber.posts = without_engine("starting")  # type: ignore[assignment]

    def posts(fleet: Fleet) -> list[Post]:
        chamber.charters.trouble = Away("no NATS server answers")
        return without_engine("failed", "no memory")(fleet)  # type: ignore[operator, no-any-return]

    chamber.posts = posts
    with pytest.raises(Unavailable, match=r"no memory; nor could it .*DeleteCouncil removes it"):
        await chamber.create(SECURITY)


async def test_another_council_of_the_role_is_not_taken_back(chamber: ChamberTwin) -> None:
    """Deleted and created by others meanwhile, it is theirs."""
    chamber.posts = without_engine("starting")  # type: ignore[assignment]
    creating = asyncio.create_task(chamber.create(SECURITY))
    await until_async(lambda: "SECURITY" in roles(chamber), "it is written")
    await chamber.delete("SECURITY")
    await chamber.charters.change("SECURITY", lambda fleet: module.founded(fleet, SECURITY))
    creating.cancel()
    with pytest.raises(asyncio.CancelledError):
        await creating
    await asyncio.sleep(0.05)
    assert "SECURITY" in roles(chamber)


async def test_a_deleted_council_is_told_with_its_agents(chamber: ChamberTwin) -> None:
    """How many left with it, and how it comes back."""
    found = await chamber.delete("qa")
    assert (found.council_id, found.agents_removed, found.running) == ("council-qa", 3, ())
    assert "CreateCouncil brings it back" in found.message
    assert roles(chamber) == ["DEV"]
    with pytest.raises(NotFound, match="known roles: DEV"):
        await chamber.delete("QA")
    assert (await chamber.create(NewCouncil(role="qa"))).role == "QA"


async def test_an_agent_is_seated_and_told_with_what_it_can(chamber: ChamberTwin) -> None:
    """Capabilities, endpoint and labels come back as they were sent."""
    asked = NewAgent.model_validate(
        {
            "agent_id": "guest",
            "endpoint": "http://127.0.0.1:9/v1",
            "capabilities": {"supported_tasks": ["review"], "languages": ["en", "de"]},
            "metadata": {"model": "m", "team": "blue"},
        }
    )
    found = await chamber.register("dev", asked)
    assert (found.council_id, found.agent_id) == ("council-dev", "guest")
    fleet = chamber.charters.fleet
    council = fleet.config.council("DEV")
    assert council is not None
    first, *_, last = seats_of(fleet, council, None, ("small",))
    assert (last.agent_id, last.endpoint, last.status) == ("guest", asked.endpoint, "offline")
    assert (last.capabilities, last.labels) == (asked.capabilities, {"team": "blue"})
    assert (first.pool, first.capabilities.model_profile) == ("small", "small")
    assert (await chamber.unregister("DEV", "guest")).agent_id == "guest"


@pytest.mark.parametrize("trouble", [Unavailable("nothing answers"), InvalidRequest("m", "no")])
async def test_a_registration_that_fails_changes_nothing(
    chamber: ChamberTwin, trouble: Unavailable | InvalidRequest
) -> None:
    """Known mistake 15: whoever cannot be asked is not seated."""
    chamber.councils.trouble = trouble
    asked = NewAgent(agent_id="x", endpoint="http://127.0.0.1:9/v1", metadata={"model": "m"})
    with pytest.raises(type(trouble)):
        await chamber.register("DEV", asked)
    chamber.posts = lambda _: []
    with pytest.raises(Unavailable, match="pool small has no engine that is ready"):
        await chamber.register("DEV", NewAgent(agent_id="x"))
    for odd in (NewAgent(agent_id="agent-dev-001"), NewAgent(agent_id="x", endpoint="ftp://x")):
        with pytest.raises((Conflict, InvalidRequest)):
            await chamber.register("DEV", odd)
    assert chamber.charters.changes == 0


async def test_the_last_agent_stays(chamber: ChamberTwin) -> None:
    """With the remedy; nothing is changed."""
    for number in (1, 2):
        await chamber.unregister("DEV", f"agent-dev-00{number}")
    with pytest.raises(Unmet, match="register another one first, or delete the council"):
        await chamber.unregister("DEV", "agent-dev-003")
    assert chamber.charters.changes == 2


async def test_without_the_bus_nothing_is_changed(chamber: ChamberTwin) -> None:
    """One line, for each of the four."""
    chamber.charters.trouble = Away("no NATS server answers")
    for work in (
        chamber.create(SECURITY),
        chamber.delete("DEV"),
        chamber.register("DEV", NewAgent(agent_id="x")),
        chamber.unregister("DEV", "agent-dev-001"),
    ):
        with pytest.raises(Unavailable, match="no NATS server answers"):
            await work
    assert chamber.charters.changes == 0


@pytest.mark.parametrize(
    ("running", "able", "full", "status"),
    [
        ((), True, False, "idle"),
        (("t-1",), True, False, "active"),
        (("t-1",), True, True, "busy"),
        ((), True, True, "idle"),
        (("t-1",), False, False, "degraded"),
    ],
)
def test_a_council_is_what_it_does(
    running: tuple[str, ...], *, able: bool, full: bool, status: str
) -> None:
    """By what it says and by what its engines say; without its own word it is away."""
    health = CouncilHealth(
        council_id="council-dev",
        role="DEV",
        agents=(),
        pools=(),
        status="busy" if running else "idle",
        running=running,
        pid=1,
        since=0.0,
    )
    assert _doing(health, able=able, full=full) == status
    assert _doing(None, able=able, full=full) == "away"


async def test_a_door_goes_on_looking_for_councils_whatever_it_meets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else it would know for ever only those that there were then."""
    met = [Unavailable("away"), SetupError("stream KV_x is missing", "Start anew")]
    looked = asyncio.Event()

    async def look() -> None:
        if met:
            raise met.pop()
        looked.set()

    async def state() -> State:
        raise Unavailable("nobody asks")

    monkeypatch.setattr(standing, "SEEN_EVERY_S", 0.001)
    desk = Desk(CONFIG, roster(CONFIG), state)
    monkeypatch.setattr(desk.chamber, "look", look)
    await desk.begin()
    await asyncio.wait_for(looked.wait(), 5)
    assert desk._following is not None
    await ended(desk._following)
