"""All HTTP routes at a free port of this machine, with a scripted desk behind them, without Ray."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from unittest.mock import patch

import uvicorn
from deadline import until
from scripted_desk import ScriptedDesk

from edges.http import api
from serve_app import Edge


@contextmanager
def serving_http(desk: ScriptedDesk) -> Iterator[str]:
    """Serve the routes as Serve does, which finds the door in its context; yields the address."""
    door = Edge.__new__(Edge)
    door._desk = desk
    settings = uvicorn.Config(api, port=0, log_level="error", lifespan="off", ws="none")
    server = uvicorn.Server(settings)
    thread = threading.Thread(target=server.run)
    context = SimpleNamespace(servable_object=door)
    with patch("ray.serve.get_replica_context", lambda: context):
        thread.start()
        try:
            until(lambda: server.started, "the door serves")
            port = server.servers[0].sockets[0].getsockname()[1]
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join()
