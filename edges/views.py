"""What the doors tell of the engine and its councils; knows nothing of how that is found out."""

from __future__ import annotations

from typing import Literal

from actors.answer import AgentHealth
from actors.bridge import Health
from engine.charters import Capabilities
from engine.data import Data
from engine.story import Note

Standing = Literal["healthy", "degraded", "unhealthy"]


class SeatInfo(Data):
    """One agent of a council: where it is asked, what it was registered with, how it is.

    It is `ready`, `busy` while a reply of it is awaited, or `offline` where nobody would answer. Of
    an agent outside it is not known whether it would.
    """

    agent_id: str
    status: Literal["ready", "busy", "offline"]
    pool: str
    endpoint: str
    capabilities: Capabilities
    labels: dict[str, str]


class CouncilInfo(Data):
    """One council as a client sees it. `pid` and `since` name the actor's incarnation.

    It is `active` while it deliberates, `busy` where an engine of it has turns that wait, and
    `degraded` while one of its pools has no engine that is ready. Of its agents so many are
    `available`: an engine is there to speak for them, or they are outside; of so many a reply is
    awaited now. There are none of both while the council is away.
    """

    council_id: str
    role: str
    num_agents: int
    agents: tuple[str, ...]
    status: Literal["idle", "active", "busy", "degraded", "away"]
    models: tuple[str, ...]
    running: tuple[str, ...]
    pid: int | None
    since: float | None
    seats: tuple[SeatInfo, ...] = ()

    @property
    def available_agents(self) -> int:
        """Agents that would answer, as far as is known."""
        return sum(seat.status != "offline" for seat in self.seats)

    @property
    def busy_agents(self) -> int:
        """Agents of which a reply is awaited now."""
        return sum(seat.status == "busy" for seat in self.seats)


class Created(Data):
    """A council that is ready."""

    council_id: str
    role: str
    agents: tuple[str, ...]
    message: str


class Deleted(Data):
    """A council that takes no new work. What it is at is decided soon."""

    council_id: str
    role: str
    agents_removed: int
    running: tuple[str, ...]
    message: str


class Changed(Data):
    """An agent that has a seat now, or has none any more."""

    council_id: str
    role: str
    agent_id: str
    message: str


class Stats(Data):
    """What the journal counts: the ended deliberations that it holds.

    The time is that of work, without suspensions. `active_councils` are those that answer now.
    Orchestrations are deliberations too.
    """

    total_deliberations: int
    total_orchestrations: int
    avg_deliberation_time_ms: float
    active_councils: int
    role_counts: dict[str, int]


class BusStatus(Data):
    """The bus, its credentials left out, and the bridge; None where that does not answer."""

    url: str
    bridge: Health | None


class PoolStatus(Data):
    """The agent actors of one pool; None for each that does not answer."""

    name: str
    model: str
    agents: tuple[AgentHealth | None, ...]


class Status(Data):
    """The whole engine as it stands: `unhealthy` can decide nothing, `degraded` not everything.

    `uptime_seconds` is the supervisor's. `stats` is None where the journal cannot be read.
    """

    status: Standing
    version: str
    uptime_seconds: int
    troubles: tuple[str, ...]
    stats: Stats | None
    pools: tuple[PoolStatus, ...]
    bus: BusStatus


class StoryView(Data):
    """What is known of a story: `text` is what agents are shown, `hash` its SHA-256.

    `notes` are what it is made of; `left_out` are older ones that did not fit.
    """

    story_id: str
    version: int
    hash: str
    text: str
    notes: tuple[Note, ...]
    left_out: int


class Performance(Data):
    """How long the deliberations took that ended in the range, with a decision or without.

    Milliseconds of work, without suspensions; percentiles are by nearest rank. All are 0 where
    nothing ended. Orchestrations are deliberations too.
    """

    avg_deliberation_ms: float
    avg_orchestration_ms: float
    p50_latency_ms: float
    p95_latency_ms: float
    p99_latency_ms: float


class AgentFigures(Data):
    """The seats of all councils, and those whose agents are available now.

    The response time is from being asked by the council to the reply, of the turns of what ended
    in the range; 0 where there were none.
    """

    total_agents: int
    active_agents: int
    agents_per_role: dict[str, int]
    avg_agent_response_time_ms: float


class CouncilStanding(Data):
    """How one council stands now, and the share of decisions in what it ended in the range.

    The share is None where it ended nothing.
    """

    status: Literal["idle", "active", "busy", "degraded", "away"]
    available_agents: int
    busy_agents: int
    success_rate: float | None


class CouncilFigures(Data):
    """All councils by their ids; `active_councils` are those that answer now."""

    total_councils: int
    active_councils: int
    health_per_council: dict[str, CouncilStanding]


class Metrics(Data):
    """The figures that were asked for; None for each other part.

    `behind` says what of the journal is not counted yet, "" where all is.
    """

    performance: Performance | None
    agents: AgentFigures | None
    councils: CouncilFigures | None
    behind: str = ""
