"""Claims about a planning event that is handed in at a door, on a real bus with a real bridge."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from bridging import Deciding, fleet, settled
from bus_fakes import connected, letters, stored
from deadline import reaches, until_async

from actors.bridge import Bridge
from actors.bus import Connection
from actors.journal import Journal
from actors.nats_server import NatsServer
from actors.roster import roster
from actors.streams import PLANS
from edges.desk import Desk
from engine.config import BusConfig
from engine.errors import Conflict, InvalidRequest, Unavailable
from engine.posted import PlanningEvent

pytestmark = pytest.mark.nats

PLAN = PlanningEvent(event_type="plan.approved", case_id="s-1", plan_id="p-1")


@pytest.fixture(autouse=True)
def _short_fetches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopping waits for a fetch to expire."""
    monkeypatch.setattr("actors.bridge.FETCH_S", 0.2)
