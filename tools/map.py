"""Write docs/map.md, a line for each file out of its docstring; runs none of the code it reads."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "map.md"
FOLDERS = {
    "engine": "pure; imports the standard library and pydantic, no more",
    "actors": "plain classes, each owning one outside thing; `actors/pb/` is made by `make proto`",
    "edges": "the doors",
    "conclave": "the Python client",
    "commands": "what `conclave` does",
    "examples": "programs for a running engine, beside a plan and a configuration",
    "deploy": "what an operator starts from, beside its manifests: [kubernetes.md](kubernetes.md)",
    "chaos": "`make chaos`, in which nothing may be lost or done twice",
    "bench": "`make bench`, what the engine costs",
    "tools": "what `make` runs",
}
ABOVE = ("serve_app.py", "cli.py")
HEAD = """# Every file

Made by `make map` from the first sentence of each file's docstring; change it there. What imports
what goes one way: `serve_app`, `cli` -> `edges`, `commands` -> `actors` -> `engine`. Beside these,
[proto](../proto) has the contract and [tests](../tests) flat files whose markers `nats`, `ray` and
`model` say which real part they need.
"""


def page() -> str:
    """The whole page as it should be."""
    top = _table("At the top", [ROOT / name for name in ABOVE])
    return "\n".join([HEAD, top, *(_folder(name, about) for name, about in FOLDERS.items())])


def _folder(name: str, about: str) -> str:
    files = sorted((ROOT / name).glob("*.py"))
    told = [path for path in files if not path.name.startswith("_") or path.stem == "__main__"]
    return _table(f"`{name}/`: {about}", told)


def _table(title: str, files: list[Path]) -> str:
    rows = "".join(f"| {_link(path)} | {first_sentence(path)} |\n" for path in files)
    return f"## {title}\n\n| file | what it is |\n|---|---|\n{rows}"


def _link(path: Path) -> str:
    return f"[{path.stem.replace('_', chr(92) + '_')}](../{path.relative_to(ROOT)})"


def first_sentence(path: Path) -> str:
    """The first paragraph of a module's docstring, without its full stop."""
    doc = ast.get_docstring(ast.parse(path.read_text())) or ""
    return " ".join(doc.split("\n\n")[0].split()).removesuffix(".").replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page())
