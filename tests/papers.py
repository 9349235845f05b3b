"""Certificates, keys and signed papers by which clients and servers know each other."""

import base64
import hashlib
import ipaddress
import json
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import nkeys
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)
PREFIXES = {"operator": nkeys.PREFIX_BYTE_OPERATOR, "account": nkeys.PREFIX_BYTE_ACCOUNT}


class Pair(NamedTuple):
    """The files of a certificate and of its key."""

    certificate: str
    key: str


class Authority:
    """Signs certificates; its own is in the file `certificate`."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder, self._name = folder, name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = _named(name)
        constraint = x509.BasicConstraints(ca=True, path_length=None)
        certificate = self._signed(self._subject, self._key, constraint)
        self.certificate = str(_written(folder / f"{name}.pem", certificate))

    def issue(self, name: str) -> Pair:
        """A certificate for a host's name or address."""
        key = ec.generate_private_key(ec.SECP256R1())
        try:
            host: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
        except ValueError:
            host = x509.DNSName(name)
        names = x509.SubjectAlternativeName([host])
        certificate = self._signed(_named(name), key, names)
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        stem = f"{self._name}-{name}"
        return Pair(
            str(_written(self._folder / f"{stem}.pem", certificate)),
            str(_written(self._folder / f"{stem}.key", secret)),
        )

    def _signed(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType
    ) -> bytes:
        now = datetime.now(UTC)
        signed = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - DAY)
            .not_valid_after(now + DAY)
            .add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
            .sign(self._key, hashes.SHA256())
        )
        return signed.public_bytes(Encoding.PEM)


def secret(path: Path, text: str) -> str:
    """A file that only its owner may read."""
    path.touch(mode=0o600)
    path.write_text(text)
    return str(path)


def seed(prefix: int = nkeys.PREFIX_BYTE_USER) -> tuple[str, str]:
    """A new key of NATS: its seed and its public name."""
    text = nkeys.encode_seed(secrets.token_bytes(32), prefix)
    return text.decode(), nkeys.from_seed(text).public_key.decode()


class Papers(NamedTuple):
    """A credentials file, and the configuration of the server that believes it."""

    creds: str
    server: dict[str, Any]


def papers() -> Papers:
    """An operator who vouches for an account, which vouches for a user."""
    operator, by_operator = seed(nkeys.PREFIX_BYTE_OPERATOR)
    account, by_account = seed(nkeys.PREFIX_BYTE_ACCOUNT)
    user, by_user = seed()
    believed = _claim(operator, by_operator, by_operator, {"type": "operator", "version": 2})
    limits = {"conn": -1, "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1}
    held = _claim(operator, by_operator, by_account, {"type": "account", "limits": limits})
    shown = _claim(account, by_account, by_user, {"type": "user", "subs": -1, "payload": -1})
    creds = (
        f"-----BEGIN NATS USER JWT-----\n{shown}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{user}\n------END USER NKEY SEED------\n"
    )
    server = {"operator": believed, "resolver": "MEMORY", "resolver_preload": {by_account: held}}
    return Papers(creds, server)


def _claim(seed: str, issuer: str, subject: str, nats: dict[str, Any]) -> str:
    """A signed statement about a key, as NATS reads it."""
    claim = {"iss": issuer, "sub": subject, "name": "test", "iat": 1, "nats": {"version": 2} | nats}
    digest = hashlib.sha256(json.dumps(claim, sort_keys=True).encode()).digest()
    claim["jti"] = base64.b32encode(digest).decode().rstrip("=")
    said = ".".join(_base64(json.dumps(p).encode()) for p in (_KIND, claim))
    signature = nkeys.from_seed(seed.encode()).sign(said.encode())
    return f"{said}.{_base64(bytes(signature))}"


_KIND = {"typ": "JWT", "alg": "ed25519-nkey"}


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _written(path: Path, data: bytes) -> Path:
    path.touch(mode=0o600)
    path.write_bytes(data)
    return path
