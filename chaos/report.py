"""The outcome of a run in words; knows nothing of how it came about."""

from __future__ import annotations

from bench.table import table
from chaos.run import Outcome

SHOWN = 20
PROMISES = (
    "missing",
    "duplicated",
    "not dead-lettered",
    "dead letter too many",
    "wrong reason",
    "unexpected",
    "undecided",
    "illegal",
    "told",
    "turn repeated",
    "lost event",
    "left over",
)
"""Every kind of breach a checker may find."""


def report(outcome: Outcome) -> str:
    """Everything, the verdict last."""
    plan, findings = outcome.plan, outcome.findings
    about = (
        f"seed {plan.seed}, {outcome.seconds:.0f} s, quiet {outcome.quiet_s:.1f} s after the last"
    )
    happened = sorted(findings.counts.items())
    parts = [
        table(f"What happened ({about})", ("what", "number"), happened),
        table(
            "What befell it", ("fault", "number"), [*sorted(outcome.faults.items()), _all(outcome)]
        ),
        table(
            "What was promised", ("breach", "number"), [(p, findings.by_kind[p]) for p in PROMISES]
        ),
        *(f"  {breach.kind}: {breach.what}" for breach in findings.breaches[:SHOWN]),
        verdict(outcome),
    ]
    return "\n\n".join(parts[:3]) + "\n\n" + "\n".join(parts[3:])


def _all(outcome: Outcome) -> tuple[str, int]:
    return "all", outcome.faults.total()


def verdict(outcome: Outcome) -> str:
    """One line: what the run shows."""
    control = outcome.plan.control
    if control:
        return f"{control}: {'caught' if outcome.caught else 'NOT CAUGHT by the checker'}"
    if outcome.findings.breaches:
        return f"FAILED: {len(outcome.findings.breaches)} breaches"
    if outcome.void:
        return f"VOID: never {', '.join(outcome.void)}"
    return "passed: nothing lost, nothing twice"


def exit_code(outcome: Outcome) -> int:
    """0 for what was to be shown, 1 where it was not, 2 where the run shows nothing."""
    if outcome.plan.control:
        return int(not outcome.caught)
    if outcome.findings.breaches:
        return 1
    return 2 if outcome.void else 0
