"""Claims about who may import whom: cli -> commands -> conclave -> edges -> actors -> engine."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools.pure import imported

ROOT = Path(__file__).resolve().parent.parent
LAYERS = {"engine": 0, "actors": 1, "edges": 2, "conclave": 3, "serve_app": 3}
LAYERS |= {"commands": 4, "cli": 5}
PACKAGES = ("engine", "actors", "edges", "conclave", "commands")
FILES = [p for top in PACKAGES for p in sorted((ROOT / top).rglob("*.py"))]
FILES += [ROOT / f"{name}.py" for name in ("serve_app", "cli")]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    """No file imports from a layer above its own."""
    own = LAYERS[path.relative_to(ROOT).parts[0].removesuffix(".py")]
    assert not {name for name in imported(path) if LAYERS.get(name, 0) > own}


@pytest.mark.parametrize(
    "path", [p for p in FILES if p.parent.name == "engine"], ids=lambda p: p.name
)
def test_the_engine_needs_only_pydantic(path: Path) -> None:
    """Every submodule of `engine` imports the standard library, pydantic and itself, no more."""
    allowed = set(sys.stdlib_module_names) | {"pydantic", "pydantic_core", "engine"}
    assert imported(path) <= allowed


@pytest.mark.parametrize(
    "path", [p for p in FILES if p.parent.name == "engine"], ids=lambda p: p.name
)
def test_the_engine_has_no_clock_and_no_chance(path: Path) -> None:
    """Time, randomness, environment and processes stay outside."""
    assert not imported(path) & {"time", "random", "uuid", "secrets", "os", "socket"}
    assert not re.search(r"\b(now|utcnow|today)\(", path.read_text())


def test_the_python_client_needs_neither_ray_nor_the_doors() -> None:
    """Whoever imports it waits for none of the large libraries."""
    large = ("ray", "fastapi", "grpc", "vllm", "torch")
    code = f"import sys, conclave; print([name for name in {large} if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], cwd=ROOT) == b"[]\n"
