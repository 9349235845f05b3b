"""Claims about docs/api.md: every route, rpc and refusal is there, and its programs are ours."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edges.calls import UNDECIDED
from edges.chat_errors import STATUSES, not_served
from edges.refusals import REFUSALS, Problem
from edges.rpcs import RPCS
from serve_app import api

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "api.md").read_text()
METHODS = ("get", "post", "delete")


def table(first: str) -> list[list[str]]:
    """The cells of the table whose first column is headed so, a list each row."""
    rows = PAGE.partition(f"\n\n| {first} |")[2].partition("\n\n")[0].splitlines()
    return [[cell.strip().strip("`") for cell in row.strip("|").split("|")] for row in rows[2:]]


def routes() -> Iterator[list[str]]:
    """What the running engine documents of each route: its name, its first line, its refusals."""
    for path, operations in api.openapi()["paths"].items():
        for method in METHODS & operations.keys():
            said = operations[method]
            refused = sorted(status for status in said["responses"] if status[0] in "45")
            yield [f"{method.upper()} {path}", said["description"].split("\n\n")[0], refused]


def test_every_route_is_there_with_its_refusals() -> None:
    """As the engine itself documents them, and no other ones."""
    shown = {row[0]: row[2] for row in table("request")}
    assert shown == {name: ", ".join(refused) for name, _, refused in routes()}


def test_no_reference_of_the_document_dangles() -> None:
    """Each names a part of the same document, or a program made of it would not build."""
    document = api.openapi()
    found = re.findall(r'"\$ref": "([^"]+)"', json.dumps(document))
    assert found
    for reference in found:
        part: Any = document
        for name in reference.removeprefix("#/").split("/"):
            part = part[name]


def test_every_rpc_is_there() -> None:
    assert [row[0] for row in table("rpc")] == list(RPCS)


def test_every_refusal_is_there_with_its_statuses() -> None:
    """At each of the three doors."""
    found = {row[0]: row[1:4] for row in table("class")}
    wanted = {}
    for kind, refusal in REFUSALS.items():
        problem = Problem(status=refusal.http, title=kind.__name__, detail="")
        of_chat = json.loads(not_served(problem).body)["error"]["type"]
        wanted[kind.__name__] = [str(refusal.http.value), refusal.grpc.name, of_chat]
    assert found == wanted


def test_every_end_without_a_decision_is_there() -> None:
    found = {row[0]: row[1:] for row in table("ended by")}
    others = "FAILED_PRECONDITION"
    assert found == {
        kind: [str(status), UNDECIDED[kind].name if kind in UNDECIDED else others]
        for kind, status in STATUSES.items()
    }


@pytest.mark.parametrize(
    "name",
    ["http.sh", "stream.py", "openai_chat.py", "client.py", "async_client.py", "bus.py"],
)
def test_a_door_is_shown_by_the_example_as_it_is(name: str) -> None:
    """Its text stands there whole, and what it printed below it."""
    shown = f"\n{(ROOT / 'examples' / name).read_text()}```\n"
    assert shown in PAGE
    assert re.match(r"\n```\n *\S", PAGE.partition(shown)[2])
