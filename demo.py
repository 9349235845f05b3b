"""The main job shown on one machine: a plan on the bus becomes five decisions; knows no internals.

Everything is real (nats-server, Ray, Serve, vLLM with a small model) and everything is stopped at
the end, however that comes.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console

from actors.bus import connect
from actors.embedded import local_ray, nats_server
from actors.journal import Journal
from actors.small_model import cache_dir, materialise_small_model
from demo_view import Board, summary
from engine.arrival import Arrival
from engine.config import BusConfig, Config, HttpConfig, PoolConfig, fleet_councils
from engine.errors import SetupError, Unavailable
from engine.planning import SUBJECT, plan_approved, tasks
from engine.types import Task
