"""A running engine in figures, as tables; knows nothing of how they come about."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from commands.look import coloured
from commands.view import clean
from commands.watch import Form, Screen, json_out
from conclave import Client
from edges.views import AgentFigures, CouncilFigures, Metrics, Performance


def metrics(
    client: Client, metric_type: str, time_range_ms: int, form: Form, screen: Screen
) -> None:
    """Latencies, agents and councils; what is not counted yet is said."""
    found = client.metrics(metric_type, time_range_ms)
    if form is Form.JSON:
        json_out(screen, found.model_dump_json())
        return
    if found.councils is not None:
        screen.out.print(_councils(found.councils))
    screen.out.print(_facts(found), highlight=False)
    if found.behind:
        screen.err.print(Text(clean(found.behind), style="yellow"), soft_wrap=True)


def _facts(found: Metrics) -> Table:
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    if found.performance is not None:
        facts.add_row("deliberations", _latencies(found.performance))
    if found.agents is not None:
        facts.add_row("agents", Text(clean(_agents(found.agents))))
    return facts


def _latencies(found: Performance) -> str:
    return (
        f"{_s(found.avg_deliberation_ms)} on average, half within {_s(found.p50_latency_ms)}, "
        f"95 % within {_s(found.p95_latency_ms)}, 99 % within {_s(found.p99_latency_ms)}"
    )


def _agents(found: AgentFigures) -> str:
    shares = ", ".join(f"{role} {count}" for role, count in found.agents_per_role.items())
    reply = _s(found.avg_agent_response_time_ms)
    return (
        f"{found.active_agents} of {found.total_agents} available ({shares}); a reply takes {reply}"
    )


def _councils(found: CouncilFigures) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False)
    table.add_column("council", style="bold", no_wrap=True)
    table.add_column("status", no_wrap=True)
    for name in ("available", "busy", "decided"):
        table.add_column(name, justify="right", no_wrap=True)
    for id, one in found.health_per_council.items():
        decided = "-" if one.success_rate is None else f"{one.success_rate:.0%}"
        figures = (str(one.available_agents), str(one.busy_agents), decided)
        table.add_row(Text(clean(id)), coloured(one.status), *figures)
    return table


def _s(milliseconds: float) -> str:
    return f"{milliseconds / 1000:.1f} s"
