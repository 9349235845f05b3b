"""The route over HTTP that tells figures; knows nothing of how they come about."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from edges.bodies import refusals
from edges.desk import Desk
from edges.http import api
from edges.metrics import metrics
from edges.views import Metrics


class MetricsDoor:
    """The route; whoever inherits it has a desk."""

    _desk: Desk

    @api.get("/v1/metrics", responses=refusals(400))
    async def metrics(
        self,
        metric_type: str = "all",
        time_range_ms: Annotated[int, Query(ge=0, lt=2**63)] = 0,
    ) -> Metrics:
        """Latencies, agents and councils in figures.

        `metric_type` is performance, agents, councils or all. Deliberations and turns are counted
        of what ended in the last `time_range_ms`, 0 for all that the journal holds.
        """
        return await metrics(self._desk, metric_type, time_range_ms)
