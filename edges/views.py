"""What the doors tell of the engine and its councils; knows nothing of how that is found out."""

from __future__ import annotations

from typing import Literal

from actors.answer import AgentHealth
from actors.bridge import Health
from engine.data import Data
from engine.story import Note

Standing = Literal["healthy", "degraded", "unhealthy"]


class CouncilInfo(Data):
    """One council as a client sees it. `pid` and `since` name the actor's incarnation.

    It is `degraded` while one of its pools has no engine that is ready.
    """

    council_id: str
    role: str
    num_agents: int
    agents: tuple[str, ...]
    status: Literal["idle", "busy", "degraded", "away"]
    models: tuple[str, ...]
    running: tuple[str, ...]
    pid: int | None
    since: float | None


class Stats(Data):
    """What the journal counts: the ended deliberations it has held since this replica counts.

    The time is that of work, without suspensions. `active_councils` are those that answer now.
    Orchestrations are not offered yet.
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
