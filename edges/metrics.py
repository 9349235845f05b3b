"""Latencies, agents and councils in figures, for every door; knows nothing of HTTP or gRPC."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import NamedTuple

from actors.figures import Figures
from edges.desk import Desk
from edges.views import (
    AgentFigures,
    CouncilFigures,
    CouncilInfo,
    CouncilStanding,
    Metrics,
    Performance,
)
from engine.errors import InvalidRequest

TYPES = ("performance", "agents", "councils", "all")


class _Known(NamedTuple):
    """What the figures are made of: what ended in the range, and the councils as they are now."""

    figures: Figures
    councils: Sequence[CouncilInfo]


async def metrics(desk: Desk, metric_type: str = "", time_range_ms: int = 0) -> Metrics:
    """The figures of that type, all where none is said, of what ended in the last so many ms.

    0 is for all that the journal holds. InvalidRequest; Unavailable where it cannot be read.
    """
    if metric_type not in ("", *TYPES):
        known = ", ".join(TYPES)
        raise InvalidRequest("metric_type", f"{metric_type[:40]!r} is none; known: {known}")
    if time_range_ms < 0:
        raise InvalidRequest("time_range_ms", f"{time_range_ms} is negative; 0 is for all")
    since = time.time() - time_range_ms / 1000 if time_range_ms else 0.0
    found = _Known(*await asyncio.gather(desk.figures(since), desk.councils()))
    told = {metric_type} if metric_type in TYPES[:-1] else set(TYPES)
    return Metrics(
        performance=_performance(found.figures) if "performance" in told else None,
        agents=_agents(found) if "agents" in told else None,
        councils=_councils(found) if "councils" in told else None,
        behind=found.figures.behind,
    )


def _performance(found: Figures) -> Performance:
    return Performance(
        avg_deliberation_ms=found.mean_ms,
        avg_orchestration_ms=found.mean_orchestration_ms,
        p50_latency_ms=found.percentiles[50],
        p95_latency_ms=found.percentiles[95],
        p99_latency_ms=found.percentiles[99],
    )


def _agents(known: _Known) -> AgentFigures:
    return AgentFigures(
        total_agents=sum(council.num_agents for council in known.councils),
        active_agents=sum(council.available_agents for council in known.councils),
        agents_per_role={council.role: council.num_agents for council in known.councils},
        avg_agent_response_time_ms=known.figures.mean_reply_ms,
    )


def _councils(known: _Known) -> CouncilFigures:
    standings = {
        council.council_id: CouncilStanding(
            status=council.status,
            available_agents=council.available_agents,
            busy_agents=council.busy_agents,
            success_rate=known.figures.success_rate(council.role),
        )
        for council in known.councils
    }
    return CouncilFigures(
        total_councils=len(standings),
        active_councils=sum(each.status != "away" for each in standings.values()),
        health_per_council=standings,
    )
