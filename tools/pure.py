"""Which test files need the engine alone; reads their imports and runs none of them."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUTSIDE = {"actors", "edges", "conclave", "commands", "serve_app", "cli"}


def test_files() -> tuple[list[str], list[str]]:
    """The files in tests/ that reach the engine at most, and those that reach further."""
    files = sorted((ROOT / "tests").glob("test_*.py"))
    far = [path for path in files if _reached(path, set()) & OUTSIDE]
    return _names([path for path in files if path not in far]), _names(far)


def _reached(path: Path, seen: set[Path]) -> set[str]:
    """What a test file imports, its neighbours' imports included."""
    names = imported(path)
    seen.add(path)
    for neighbour in (path.with_name(f"{name}.py") for name in sorted(names)):
        if neighbour not in seen and neighbour.exists():
            names |= _reached(neighbour, seen)
    return names


def imported(path: Path) -> set[str]:
    """The top-level packages that a file imports, also inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


def _names(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]
