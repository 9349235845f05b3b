"""The outside things that tests ask for: a nats-server each, the small model once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.embedded import nats_server
from actors.nats_server import NatsServer
from actors.small_model import cache_dir, materialise_small_model

pytest_plugins = ["seats"]


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[NatsServer]:
    """A fresh nats-server on a free port (50 ms); mark the test `nats`."""
    with nats_server(tmp_path / "nats") as server:
        yield server


@pytest.fixture
def nats_url(nats: NatsServer) -> str:
    """Where the fresh nats-server listens."""
    return nats.url


@pytest.fixture(scope="session")
def small_model() -> Path:
    """The small model's folder; mark the test `model`."""
    return materialise_small_model(cache_dir(), print)
