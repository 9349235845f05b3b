"""The command of the chaos suite: `python -m chaos`."""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
from pathlib import Path

from chaos import real
from chaos.controls import CONTROLS
from chaos.report import exit_code, report
from chaos.run import Plan, run

EVENTS_PER_S = 18
FAULT_EVERY_S = 2.6


def parsed(arguments: list[str]) -> tuple[Plan, bool]:
    """What is asked for, and whether of the real parts."""
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="how long things go wrong")
    parser.add_argument("--events", type=int, help=f"how many; by default {EVENTS_PER_S} a second")
    parser.add_argument("--faults", type=int, help=f"how many; by default one in {FAULT_EVERY_S} s")
    parser.add_argument("--seed", type=int, help="repeats the same workload and faults")
    parser.add_argument("--control", choices=CONTROLS, default="", help="leave something out")
    parser.add_argument("--real", action="store_true", help="a few events, real Ray, real model")
    given = parser.parse_args(arguments)
    seed = random.randrange(10**6) if given.seed is None else given.seed
    if given.real:
        return real.plan(seed), True
    faults = int(given.seconds / FAULT_EVERY_S) if given.faults is None else given.faults
    events = given.events or int(given.seconds * EVENTS_PER_S)
    return Plan(seed, given.seconds, events, faults, given.control), False


def main(arguments: list[str]) -> int:
    """Run once and tell; the folder with all notes and logs stays where something was wrong."""
    plan, really = parsed(arguments)
    print(f"chaos: seed {plan.seed}, {plan.seconds:.0f} s, {plan.events} events", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="chaos-", dir="/tmp"))  # short: socket paths are limited
    outcome = real.run(plan, folder) if really else asyncio.run(run(plan, folder))
    print(report(outcome))
    code = exit_code(outcome)
    if code == 0:
        shutil.rmtree(folder)
    else:
        print(f"notes and logs: {folder}; again: --seed {plan.seed}")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
