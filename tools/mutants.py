"""Change the engine's code in small ways and see whether its tests notice: `make mutants`.

    .venv/bin/python tools/mutants.py [FILE ...]    all of FILES, or only those named

Works on a copy in .cache/mutants with mutmut, whose words for what it changed are kept. Survivors
that change nothing a caller could see are listed in tests/mutants.txt, a line each:
FILE | the line before | the line after | why it may live. Those that only change the letters of a
sentence for people need no line.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from contextlib import chdir
from pathlib import Path
from typing import NamedTuple

from mutmut.mutation.diff_apply import get_diff_for_mutant
from pure import ROOT, test_files

FILES = [
    f"engine/{name}.py"
    for name in (
        *("agreement", "ballots", "classes", "condorcet", "counts", "early", "kemeny"),
        *("strengths", "tallies", "standing", "decision", "dissent"),
        *("deliberation", "turns", "exchange", "settling", "choosing", "stopping", "topologies"),
    )
]
SLOW = {
    f"test_{name}.py" for name in ("any_order", "bench", "hostile", "prefix", "resume", "scripted")
}
ACCEPTED = ROOT / "tests" / "mutants.txt"
WORK = ROOT / ".cache" / "mutants"
LOG = ROOT / ".cache" / "mutants.log"
MOST_SURVIVORS = 0.1
CONFTEST = """from hypothesis import settings

settings.register_profile("mutants", max_examples=25, derandomize=True, deadline=None)
"""
SETTINGS = """
[tool.mutmut]
source_paths = ["engine"]
only_mutate = {files}
do_not_mutate_patterns = ["^ *assert "]
timeout_multiplier = 10.0
pytest_add_cli_args = [
    "--hypothesis-profile=mutants", "-p", "no:cacheprovider", "-m", "not model",
]
pytest_add_cli_args_test_selection = {tests}
"""


class Survivor(NamedTuple):
    """A change that no test noticed."""

    file: str
    line: int
    before: str
    after: str

    @property
    def key(self) -> str:
        """What it is known by in tests/mutants.txt: line numbers move."""
        return f"{self.file} | {self.before} | {self.after}"

    @property
    def is_wording(self) -> bool:
        """Whether only a sentence for people was changed: other letters, the same words."""
        same = self.after.replace("XX", "").lower() == self.before.lower()
        return same and bool(re.search(r"[\"'][^\"']* [^\"']*[\"']", self.before))


def main(names: list[str]) -> int:
    """Run them all and print what became of them; 1 if too many survive unexplained."""
    files = [name for name in names or FILES if (ROOT / name).exists()]
    make_copy(files)
    with LOG.open("w") as log:
        command = [sys.executable, "-m", "mutmut", "run", "--max-children", "2"]
        subprocess.run(command, cwd=WORK, stdout=log, stderr=log, check=False)
    fates = fates_of(mutmut_says())
    if not fates or "not checked" in fates.values():
        print(f"The tests do not pass on the code as it is, or mutmut broke off; see {LOG}")
        return 1
    print("\n".join(summary(fates)))
    survivors = [survivor(name) for name, fate in fates.items() if fate in ("survived", "no tests")]
    unexplained = [s for s in survivors if s.key not in accepted() and not s.is_wording]
    for left in unexplained:
        print(f"{left.file}:{left.line}\n  - {left.before}\n  + {left.after}")
    share = len(unexplained) / len(fates)
    print(f"{len(survivors)} survived, {len(unexplained)} of them unexplained: {share:.1%}")
    return int(share > MOST_SURVIVORS)


def make_copy(files: list[str]) -> None:
    """The engine and the tests that need nothing else, with settings of their own."""
    shutil.rmtree(WORK, ignore_errors=True)
    for folder in ("engine", "chaos", "tests"):
        compiled = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, WORK / folder, ignore=compiled)
    (WORK / "tests" / "conftest.py").write_text(CONFTEST)
    tests = [
        name
        for name in test_files()[0]
        if Path(name).name not in SLOW and "from engine" in (ROOT / name).read_text()
    ]
    settings = SETTINGS.format(files=files, tests=tests)
    (WORK / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text() + settings)


def mutmut_says() -> str:
    """The name and the fate of every mutant."""
    command = [sys.executable, "-m", "mutmut", "results", "--all", "true"]
    return subprocess.run(command, cwd=WORK, capture_output=True, text=True, check=False).stdout


def fates_of(said: str) -> dict[str, str]:
    """What became of each mutant by its name."""
    return dict(re.findall(r"^ +([\w.\u01c1]+): (.+)$", said, re.MULTILINE))


def summary(fates: dict[str, str]) -> Iterable[str]:
    """A line for each file, and one for all; the score is the share that was noticed."""
    yield f"{'file':22}{'mutants':>9}{'killed':>9}{'timed out':>11}{'survived':>10}{'score':>8}"
    files = {name: name.rsplit(".", 1)[0] for name in fates}
    for file in (*sorted(set(files.values())), "all"):
        fate = Counter(fates[name] for name in fates if file in (files[name], "all"))
        lived = fate["survived"] + fate["no tests"]
        score = 1 - lived / fate.total()
        row = f"{fate.total():9}{fate['killed']:9}{fate['timeout']:11}{lived:10}{score:8.1%}"
        yield f"{file:22}{row}"


def survivor(name: str) -> Survivor:
    """Where a mutant is and what it changed."""
    file = name.rsplit(".", 1)[0].replace(".", "/") + ".py"
    with chdir(WORK):
        lines = get_diff_for_mutant(name).splitlines()[3:]
    before = [line[1:] for line in lines if line.startswith("-")]
    after = " ".join(line[1:].strip() for line in lines if line.startswith("+"))
    function = re.sub(r"^(x_|x\u01c1.*\u01c1)|__mutmut_\d+$", "", name.rsplit(".", 1)[1])
    line = line_of(ROOT / file, function, before[0] if before else "")
    return Survivor(file, line, " ".join(text.strip() for text in before), after)


def line_of(path: Path, function: str, text: str) -> int:
    """The number of the first such line in the function; of its beginning if there is none."""
    lines = path.read_text().splitlines()
    start = next((n for n, line in enumerate(lines, 1) if f"def {function}(" in line), 1)
    found = (n for n in range(start, len(lines) + 1) if lines[n - 1].strip() == text.strip())
    return next(found, start)


def accepted() -> set[str]:
    """The keys of the survivors that tests/mutants.txt explains."""
    lines = ACCEPTED.read_text().splitlines() if ACCEPTED.exists() else []
    return {line.rsplit(" | ", 1)[0] for line in lines if line and not line.startswith("#")}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
