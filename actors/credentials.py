"""What a connection to the bus shows of itself, out of files: TLS and who we are; connects nobody.

Secrets are read when they are needed, so that a file that was replaced holds from then on.
"""

from __future__ import annotations

import logging
import re
import ssl
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.config import BusConfig
from engine.errors import SetupError

log = logging.getLogger(__name__)

HOLDS = {
    "creds_file": rb"BEGIN NATS USER JWT(.|\s)*BEGIN USER NKEY SEED",
    "nkey_file": rb"^SU[A-Z2-7]{56}\s*$",
}
"""What else nats-py would stumble over, again and again."""

SECRETS = ("password_file", "token_file", "creds_file", "nkey_file", "tls_key")
FILES = (*SECRETS, "tls_ca", "tls_cert")


def credentials(bus: BusConfig) -> dict[str, Any]:
    """The arguments of nats-py's `connect` beside the address. SetupError names a file's trouble.

    Whoever has a user name listens for its answers under a prefix of its own, so that nobody else
    need be permitted to hear them.
    """
    for name in FILES:
        if file := getattr(bus, name):
            _look_at(name, Path(file))
    options: dict[str, Any] = {}
    if bus.tls:
        options["tls"] = _tls(bus)
    if bus.tls_hostname:
        options["tls_hostname"] = bus.tls_hostname
    if bus.user:
        options |= {"user": bus.user, "password": _read(bus.password_file)}
        options["inbox_prefix"] = f"_INBOX_{bus.user}"
    if bus.token_file:
        options["token"] = _read(bus.token_file)
    if bus.creds_file:
        options["user_credentials"] = bus.creds_file
    if bus.nkey_file:
        options["nkeys_seed"] = bus.nkey_file
    return options


def _look_at(name: str, path: Path) -> None:
    """A file is there, can be read, and is nobody else's where it holds a secret."""
    try:
        content = path.read_bytes()
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        raise SetupError(
            f"bus.{name}: {path} cannot be read ({error.strerror})",
            "Name a file that this process may read",
        ) from error
    if not content.strip() or not re.search(HOLDS.get(name, b""), content):
        kind = "JWT with its seed" if name == "creds_file" else name.removesuffix("_file")
        raise SetupError(f"bus.{name}: {path} holds no {kind}", "Write it there, and nothing else")
    if name in SECRETS and mode & stat.S_IRWXO:
        log.warning("bus.%s: %s is open to all users (%03o): chmod o= %s", name, path, mode, path)


def _read(path: str) -> Callable[[], str]:
    """Reads a secret anew each time; a line's end is not part of it."""
    return lambda: Path(path).read_text().rstrip("\r\n")


def _tls(bus: BusConfig) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=bus.tls_ca or None)
        if bus.tls_cert:
            context.load_cert_chain(bus.tls_cert, bus.tls_key, password="")
    except OSError as error:
        raise SetupError(
            f"bus.tls_ca, tls_cert or tls_key holds no certificate or key that fits ({error})",
            "Each is a file in PEM; the key is that of the certificate and not encrypted",
        ) from error
    return context
