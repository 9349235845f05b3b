"""The bus that a command is to reach, out of its options; knows nothing of what it does there."""

from __future__ import annotations

import argparse
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from actors import bus as lines
from actors.bus import Connection, connect
from commands.config_file import read_config
from engine.config import BusConfig
from engine.errors import SetupError

REACH_WITHIN_S = 3.0

OPTIONS = ("url", "user", "password_file", "token_file", "creds_file", "nkey_file", "tls_ca")
"""What of the bus can be named on the command line: places and files, no secrets."""


def add_bus(parser: argparse.ArgumentParser) -> None:
    """Let the bus be named, and who we are on it."""
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="a Serve config; its bus is taken"
    )
    about = f"NATS, several servers with commas between; default: {BusConfig().url}"
    parser.add_argument("--bus", dest="url", metavar="URL", help=about)
    parser.add_argument("--user", metavar="NAME", help="with --password-file")
    for name, what in (
        ("password", "the password"),
        ("token", "a token, in place of a user"),
        ("creds", "a JWT with its seed (.creds)"),
        ("nkey", "the seed of an nkey"),
    ):
        parser.add_argument(f"--{name}-file", metavar="FILE", help=f"holds {what}")
    parser.add_argument("--tls-ca", metavar="FILE", help="who vouches for the server; turns TLS on")


def bus_of(options: argparse.Namespace, **further: Any) -> BusConfig:
    """The bus that the options name, on top of the configuration's; SetupError."""
    base = read_config(options.config).bus if options.config else BusConfig()
    named = {name: getattr(options, name) for name in OPTIONS if getattr(options, name)}
    return _with(base, named | {k: v for k, v in further.items() if v is not None})


@asynccontextmanager
async def reached(bus: BusConfig) -> AsyncIterator[Connection]:
    """A connection for one command. Unavailable, SetupError.

    The log's word on each attempt is left out: whoever waits is told once, by the error.
    """
    with _quiet(logging.getLogger(lines.__name__)):
        client = await connect(bus, "conclave-cli", lambda: None, REACH_WITHIN_S)
        try:
            yield client
        finally:
            await client.leave()


@contextmanager
def _quiet(log: logging.Logger) -> Iterator[None]:
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


def flags_of(bus: BusConfig) -> list[str]:
    """The options that name that bus again, none for the default one."""
    plain = BusConfig()
    named = {
        "bus" if n == "url" else n: getattr(bus, n)
        for n in OPTIONS
        if getattr(bus, n) != getattr(plain, n)
    }
    return [
        word for name, value in named.items() for word in (f"--{name.replace('_', '-')}", value)
    ]


def bus_at(url: str, base: BusConfig | None = None) -> BusConfig:
    """The same bus at another place; SetupError where a secret stands in it."""
    return _with(base or BusConfig(), {"url": url})


def _with(base: BusConfig, changes: dict[str, Any]) -> BusConfig:
    try:
        return BusConfig.model_validate({**base.model_dump(), **changes})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, ("bus", *first["loc"])))
        what = first["msg"].removeprefix("Value error, ")
        raise SetupError(f"{where}: {what}", "The options that name a bus are in --help") from error
