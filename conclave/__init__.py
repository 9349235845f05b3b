"""What a Python program needs to use a running engine; knows nothing of what runs behind it."""

from actors.listing import Wanted
from conclave.asynchronous import AsyncClient
from conclave.client import Client
from conclave.failures import BrokenOff, Refused, Unreachable
from edges.asked import DeliberationRequest
from edges.forking import ForkRequest
from edges.orders import OrchestrationRequest
from edges.tasks import ContextRequest, DerivationRequest
from engine.founding import NewCouncil
from engine.joining import NewAgent
from engine.posted import PlanningEvent

__all__ = [
    "AsyncClient",
    "BrokenOff",
    "Client",
    "ContextRequest",
    "DeliberationRequest",
    "DerivationRequest",
    "ForkRequest",
    "NewAgent",
    "NewCouncil",
    "OrchestrationRequest",
    "PlanningEvent",
    "Refused",
    "Unreachable",
    "Wanted",
]
