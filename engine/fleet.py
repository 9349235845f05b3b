"""The five councils of a software-delivery fleet, in words; knows nothing of what they sit on."""

from __future__ import annotations

from engine.council_config import CouncilConfig
from engine.types import Budgets, Sampling

FLEET = {
    "DEV": (
        (
            "Judge whether the text says exactly what to build, in which order, and how each step "
            "is shown to work. Prefer the smallest change that meets every requirement."
        ),
        (
            "You implement it: name the modules, the interfaces and the order of the work.",
            "You maintain it for years: prefer what is easy to read, test and change.",
            "You distrust it: look for errors, races, misuse and missing cases.",
        ),
    ),
    "QA": (
        (
            "Judge whether every acceptance criterion has a test that could fail, and whether the "
            "likely failures are covered before the unlikely ones."
        ),
        (
            "You design the tests: one for each criterion, with its data and expected result.",
            "You attack it: boundary values, bad input, concurrency, interruption.",
            "You release it: what must be green, what is watched, when it is rolled back.",
        ),
    ),
    "ARCHITECT": (
        (
            "Judge whether the parts have clear duties, the data flows one way, and the hard "
            "decisions are named with what was given up."
        ),
        (
            "You draw the boundaries: components, contracts, and who owns which data.",
            "You guard quality: latency, availability, cost and how they are measured.",
            "You simplify: what can be left out, bought, or decided later.",
        ),
    ),
    "DEVOPS": (
        (
            "Judge whether it can be rolled out, watched and taken back safely, by people who did "
            "not write it."
        ),
        (
            "You roll it out: environments, configuration, steps, and the way back.",
            "You watch it: signals, thresholds, and what the one on call does.",
            "You secure it: secrets, permissions, supply chain, limits.",
        ),
    ),
    "DATA": (
        (
            "Judge whether the data is modelled, moved and kept correctly, and whether old data "
            "survives the change."
        ),
        (
            "You model it: entities, keys, constraints, and indexes for the real queries.",
            "You move it: migrations that can be interrupted, backfills, and checks of both.",
            "You protect it: retention, privacy, backups, and proof that a restore works.",
        ),
    ),
}
"""The five councils of a software-delivery fleet: the rubric, then a persona per agent."""


def fleet_councils(
    pools: tuple[str, ...] = ("small",),
    sampling: Sampling | None = None,
    budgets: Budgets | None = None,
) -> tuple[CouncilConfig, ...]:
    """The five councils of three agents each, all seated on the given pools."""
    return tuple(
        CouncilConfig(
            role=role,
            rubric=rubric,
            personas=personas,
            pools=pools,
            sampling=sampling or Sampling(),
            budgets=budgets or Budgets(),
        )
        for role, (rubric, personas) in FLEET.items()
    )
