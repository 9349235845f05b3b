"""The command of the chaos suite: `python -m chaos`."""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
from pathlib import Path

from chaos.controls import CONTROLS
from chaos.report import exit_code, report
from chaos.run import Plan, run

FAULT_EVERY_S = 2.6


def parsed(arguments: list[str]) -> Plan:
    """What is asked for."""
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="how long things go wrong")
    parser.add_argument("--events", type=int, help="how many; by default 17 a second")
    parser.add_argument("--faults", type=int, help=f"how many; by default one in {FAULT_EVERY_S} s")
    parser.add_argument("--seed", type=int, help="repeats the same workload and faults")
    parser.add_argument("--control", choices=CONTROLS, default="", help="leave something out")
    given = parser.parse_args(arguments)
    seed = random.randrange(10**6) if given.seed is None else given.seed
    return Plan(
        seed=seed,
        seconds=given.seconds,
        events=given.events or int(given.seconds * 17),
        faults=int(given.seconds / FAULT_EVERY_S) if given.faults is None else given.faults,
        control=given.control,
    )


def main(arguments: list[str]) -> int:
    """Run once and tell; the folder with all notes and logs stays where something was wrong."""
    plan = parsed(arguments)
    print(f"chaos: seed {plan.seed}, {plan.seconds:.0f} s, {plan.events} events", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="chaos-", dir="/tmp"))  # short: socket paths are limited
    outcome = asyncio.run(run(plan, folder))
    print(report(outcome))
    code = exit_code(outcome)
    if code == 0:
        shutil.rmtree(folder)
    else:
        print(f"notes and logs: {folder}; again: --seed {plan.seed}")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
