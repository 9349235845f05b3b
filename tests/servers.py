"""Nats-servers that are set up otherwise than ours: with TLS, users, or as a cluster of three."""

import json
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from actors.nats_server import HOST, NatsServer, free_port


class Furnished(NatsServer):
    """A nats-server with more in its configuration; what is in `text` stands there as it is."""

    def __init__(
        self, store: Path, further: Mapping[str, Any] | None = None, text: str = ""
    ) -> None:
        super().__init__(store)
        self.further, self.text = further or {}, text

    def reload(self) -> None:
        """Let a running server read the configuration as it is now."""
        self._write_config()
        os.kill(self.pid, signal.SIGHUP)

    def _write_config(self) -> Path:
        path = super()._write_config()
        config = {**json.loads(path.read_text()), **self.further}
        lines = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in config.items()]
        path.write_text("\n".join([*lines, self.text]))
        return path


@contextmanager
def furnished(
    store: Path, further: Mapping[str, Any] | None = None, text: str = ""
) -> Iterator[Furnished]:
    """Such a server while it runs."""
    server = Furnished(store, further, text)
    try:
        server.start()
        yield server
    finally:
        server.kill()


@contextmanager
def cluster(store: Path, size: int = 3) -> Iterator[list[Furnished]]:
    """Servers that know one another and keep streams together."""
    ports = [free_port() for _ in range(size)]
    routes = [f"nats://{HOST}:{port}" for port in ports]
    with ExitStack() as running:
        yield [
            running.enter_context(
                furnished(
                    store / name,
                    {
                        "server_name": name,
                        "cluster": {"name": "c", "listen": f"{HOST}:{port}", "routes": routes},
                    },
                )
            )
            for name, port in zip("abcde", ports, strict=False)
        ]
