"""The outside things that tests ask for: a nats-server each, the small model once."""

import gc
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from http_twin import Twin, serving
from hypothesis import settings

from actors.collector import calm
from actors.embedded import nats_server
from actors.nats_server import NatsServer
from actors.small_model import cache_dir, materialise_small_model

if TYPE_CHECKING:
    from house import House

pytest_plugins = ["seats"]

# What is tried is the same in each run; `make fuzz` tries others, and more of them.
settings.register_profile("quick", max_examples=25, derandomize=True, deadline=None)
settings.register_profile("fuzz", max_examples=3000, deadline=None)
settings.load_profile("quick")

if sys.version_info < (3, 12):
    # Python 3.11 raises SystemError where a syntax tree is built (pytest rewrites asserts) and the
    # garbage collector meanwhile ends a task whose error is logged: formatting it builds another.
    traceback._extract_caret_anchors_from_line_segment = lambda _segment: None


@pytest.fixture(autouse=True)
def _soon_back(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that comes back is found at once: how long it is left alone is no claim."""
    if request.node.get_closest_marker("nats"):
        monkeypatch.setattr("actors.bus.RECONNECT_S", 0.1)


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


@pytest.fixture(scope="session")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator["House"]:
    """Both doors in one real Serve for all tests that ask for it, which therefore come last."""
    from house import ALL, open_house  # it imports Ray

    with open_house(tmp_path_factory.mktemp("house")) as house:
        yield house
        house.stage.open(*ALL)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Another Ray cannot be started in this process while that one runs."""
    items.sort(key=lambda item: "opened" in getattr(item, "fixturenames", ()))


def pytest_collection_finish() -> None:
    """What was imported stays: the collector need not look at it after each test."""
    calm()


def pytest_sessionfinish() -> None:
    """Engines that tests have left behind end now, and not while the interpreter does."""
    gc.collect()


@pytest.fixture(scope="session")
def house() -> Iterator[Twin]:
    """One twin of the HTTP edge for all tests; take `twin`, which is as new."""
    with serving(Twin()) as twin:
        yield twin


@pytest.fixture
def twin(house: Twin, monkeypatch: pytest.MonkeyPatch) -> Twin:
    """A twin of the HTTP edge, which the commands ask unless they name another server."""
    house.reset()
    monkeypatch.setenv("CONCLAVE_URL", house.url)
    monkeypatch.setenv("COLUMNS", "100")
    return house
