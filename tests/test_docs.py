"""Claims about the documentation: it names all there is, and what it shows is what happens."""

import argparse
import asyncio
import re
import shlex
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from commands.asking import add_deliberate, options_of
from engine.config import BusConfig
from engine.deliberation import deliberate
from engine.early import EARLY_RULES
from engine.options import Options, Rule, Topology
from engine.packet import Decision, StopReason
from engine.policies import COMMON, DEFAULTS, POLICIES, Policy, settle
from engine.standing import TIE_BREAKS
from engine.testing import ScriptedModel, a_council, a_task, words
from engine.told import KINDS
from engine.topologies import peers, wanted
from tools import map as map_of_files

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "deliberation.md").read_text()
README = (ROOT / "README.md").read_text()


def table(first: str) -> list[list[str]]:
    """The cells of the page's table whose first column is headed so, a list each row."""
    rows = PAGE.partition(f"\n\n| {first} |")[2].partition("\n\n")[0].splitlines()
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]


def names(cell: str) -> list[str]:
    """What a cell shows as code."""
    return re.findall(r"`(\w+)`", cell)


@pytest.mark.parametrize(
    ("first", "all_names"),
    [
        ("`policy`", POLICIES),
        ("`topology`", [t for t in Topology if t is not Topology.NONE]),
        ("option", Options.model_fields),
        ("`tally`", Rule),
        ("stop reason", StopReason),
        ("field", Decision.model_fields),
    ],
)
def test_each_table_names_all_there_is_and_nothing_else(first: str, all_names: list[str]) -> None:
    """What the engine has is in the first column of its table, each once."""
    said = [name for row in table(first) for name in names(row[0])]
    beside = {"k", "hub", "exchange_every"} if first == "`topology`" else set()
    assert sorted(name for name in said if name not in beside) == sorted(map(str, all_names))


def test_the_page_names_the_events_that_tell_of_a_story_and_its_bounds() -> None:
    """Each subject once, and the defaults of the two options."""
    assert [subject.strip("`") for subject, _ in table("subject")] == list(KINDS)
    for name in ("story_notes", "story_bytes"):
        assert f"`bus.{name}` ({getattr(BusConfig(), name)})" in PAGE.replace("\n", " ")


def test_each_policy_takes_the_groups_that_the_page_says() -> None:
    """The groups of its row, with their options in the next table, are those it takes."""
    groups: dict[str, set[str]] = {}
    for option, _values, _default, group, _about in table("option"):
        groups.setdefault(group, set()).update(names(option))
    assert groups.pop("all") == COMMON
    for policy, _what, _when, taken, _turns in table("`policy`"):
        said = set(names(taken)).union(*(groups[g] for g in taken.split(", ") if g in groups))
        assert said | COMMON == POLICIES[names(policy)[0]].takes


def test_the_defaults_are_those_of_the_page() -> None:
    """A bare name, number or no is what holds where nobody sets the option."""
    shown = {names(option)[0]: default.strip("`") for option, _, default, *_ in table("option")}
    in_words = {None: None, False: "no"}
    for name in Options.model_fields.keys() - {"policy", "num_agents", "token_budget"}:
        value = getattr(DEFAULTS, name)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        assert shown[name] == (f"{value:g}" if number else in_words.get(value, value))
    assert settle(Options(), Options()).policy == shown["policy"]


async def turns(policy: Policy) -> int:
    """How many turns three agents take with one round, where every review asks for a change."""
    rounds = 1 if "rounds" in policy.takes else None
    task = a_task().model_copy(update={"policy": policy.name, "rounds": rounds})
    model = ScriptedModel()
    async for _ in deliberate(task, a_council(3), model, words):
        pass
    return len(model.turns)


def test_each_policy_takes_as_many_turns_as_the_page_says() -> None:
    """Counted on a run of each."""
    said = {names(row[0])[0]: int(row[-1]) for row in table("`policy`")}
    assert said == {name: asyncio.run(turns(policy)) for name, policy in POLICIES.items()}


def test_the_topologies_are_as_drawn() -> None:
    """Four seats, three rounds: each row says whom A, B, C and D hear; the one without is told."""
    assert f"With `{Topology.NONE}` nobody hears anybody" in PAGE
    for kind, *rounds in table("`topology`"):
        rules = settle(Options(topology=Topology(names(kind)[0])), Options())
        most = wanted(rules, 4)
        for number, shown in enumerate(rounds, 1):
            heard = [peers(rules, seat, 4, number)[:most] for seat in range(4)]
            assert shown == ", ".join("".join("ABCD"[s] for s in seats) for seats in heard)


def test_the_rules_that_can_decide_early_are_marked() -> None:
    """Those of EARLY_RULES say yes, the others no."""
    said = {names(rule)[0]: early for rule, _counts, _none, early, _source in table("`tally`")}
    assert said == {rule: "yes" if rule in EARLY_RULES else "no" for rule in Rule}


def test_ties_are_broken_in_the_order_of_the_page() -> None:
    """The names come in the order in which they are tried."""
    paragraph = PAGE[PAGE.index("**Ties**") : PAGE.index("**Decided early**")]
    assert tuple(n for n in names(paragraph) if n != "tie_break") == TIE_BREAKS


def test_the_example_prints_what_the_page_says() -> None:
    """The code is run as it stands."""
    found = re.search(r"```python\n(.*?)```\n\n```\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    with redirect_stdout(StringIO()) as printed:
        exec(found[1], {})
    assert printed.getvalue() == found[2]


def test_the_map_is_what_the_files_say_of_themselves() -> None:
    """`make map` would change nothing, and each file has a first sentence to be shown."""
    assert map_of_files.PAGE.read_text() == map_of_files.page()
    assert "|  |" not in map_of_files.page()


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))])
def test_no_page_links_to_a_file_that_is_gone(page: Path) -> None:
    """Links to other places are not looked at."""
    linked = re.findall(r"\]\((?!\w+:)([^)#\s]+)", page.read_text())
    assert [path for path in linked if not (page.parent / path).exists()] == []


def test_the_readmes_examples_can_be_asked() -> None:
    """The options of both commands go together."""
    section = README.partition("## How to deliberate")[2].partition("\n## ")[0]
    commands = re.findall(r"^conclave (deliberate .*)$", section, re.MULTILINE)
    assert len(commands) == 2
    parser = argparse.ArgumentParser()
    add_deliberate(parser.add_subparsers())
    for command in commands:
        asked = options_of(parser.parse_args(shlex.split(command)))
        settle(Options.model_validate(asked), Options())
