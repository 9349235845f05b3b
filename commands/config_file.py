"""A configuration out of a Serve config file; knows nothing of what is done with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from engine.config import Config
from engine.errors import SetupError

IMPORT_PATH = "serve_app:build"
DOORS = {"http": ("host", "port"), "grpc": ("port",)}
"""What of Serve's options for each door is ours to know."""
EXAMPLE = "see examples/gpu.yaml"


def read_config(path: Path) -> Config:
    """The arguments of our application, with the ports of Serve's own options.

    SetupError names what cannot be read, and where.
    """
    try:
        document = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise _wrong(path, f"cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise _wrong(path, f"is no YAML ({' '.join(str(error).split())})") from error
    arguments = _arguments(path, document)
    for door, names in DOORS.items():
        options = document.get(f"{door}_options") or {}
        if not isinstance(options, dict):
            raise _wrong(path, f"has `{door}_options` that are no mapping")
        given = {name: options[name] for name in names if name in options}
        if given:
            own = arguments.get(door)
            arguments[door] = {**own, **given} if isinstance(own, dict) else given
    try:
        return Config.model_validate(arguments)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(("args", *map(str, first["loc"])))
        raise _wrong(path, f"{where}: {first['msg']}") from error


def _arguments(path: Path, document: Any) -> dict[str, Any]:
    applications = document.get("applications") if isinstance(document, dict) else None
    if not isinstance(applications, list):
        raise _wrong(path, "has no list of `applications`")
    ours = [
        application
        for application in applications
        if isinstance(application, dict) and application.get("import_path") == IMPORT_PATH
    ]
    if len(ours) != 1:
        raise _wrong(path, f"has {len(ours)} applications with `import_path: {IMPORT_PATH}`, not 1")
    arguments = ours[0].get("args") or {}
    if not isinstance(arguments, dict):
        raise _wrong(path, "has `args` that are no mapping")
    return dict(arguments)


def _wrong(path: Path, what: str) -> SetupError:
    return SetupError(f"{path} {what}", f"Name a Serve config of Conclave: {EXAMPLE}")
