"""What a running engine says of itself, as tables and text; knows nothing of single deliberations.

Status and councils are read leniently: what a server of another version leaves out is not shown.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from actors.listing import Wanted
from commands.view import clean
from commands.watch import Form, Screen, json_out
from conclave import Client

STYLES = {
    "healthy": "green",
    "completed": "green",
    "in_progress": "cyan",
    "suspended": "yellow",
    "failed": "red",
    "idle": "green",
    "active": "cyan",
    "busy": "yellow",
    "degraded": "yellow",
    "away": "red",
    "unhealthy": "red",
}


def councils(client: Client, form: Form, screen: Screen) -> None:
    """Every council: who sits on it, what it does, which models it speaks through."""
    found = [_object(one) for one in _list(client.document("/v1/councils"))]
    if form is Form.JSON:
        json_out(screen, json.dumps(found))
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False)
    table.add_column("council", style="bold", no_wrap=True)
    table.add_column("agents", justify="right")
    table.add_column("status", no_wrap=True)
    table.add_column("models", overflow="fold")
    table.add_column("up", justify="right", no_wrap=True)
    table.add_column("running", overflow="fold")
    for one in found:
        models = ", ".join(PurePath(str(model)).name for model in _several(one, "models"))
        running = "\n".join(str(id) for id in _several(one, "running"))
        table.add_row(
            Text(_word(one, "role")),
            _word(one, "num_agents"),
            coloured(_word(one, "status")),
            Text(models),
            _since(one.get("since")),
            Text(running),
        )
    screen.out.print(table)


def deliberations(
    client: Client, wanted: Wanted, limit: int, cursor: str, form: Form, screen: Screen
) -> None:
    """What is wanted, the one begun last first; what comes behind it, and what it lacks."""
    found = client.list(wanted, limit, cursor)
    if form is Form.JSON:
        json_out(screen, found.model_dump_json())
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False)
    table.add_column("deliberation", style="bold", overflow="fold")
    table.add_column("council", no_wrap=True)
    table.add_column("status", no_wrap=True)
    table.add_column("began", no_wrap=True)
    table.add_column("story", overflow="fold")
    for one in found.deliberations:
        table.add_row(
            Text(clean(one.id)),
            Text(clean(one.role)),
            coloured(one.status),
            _at(one.began),
            Text(clean(one.story_id)),
        )
    screen.out.print(table)
    if found.behind:
        screen.err.print(Text(clean(found.behind), style="yellow"), soft_wrap=True)
    if found.cursor:
        screen.out.print(f"more: --cursor {found.cursor}", highlight=False, soft_wrap=True)


def status(client: Client, form: Form, screen: Screen) -> None:
    """How the whole stands: its health, what is wrong, where it listens, what it has done."""
    found = _object(client.document("/v1/status"))
    if form is Form.JSON:
        json_out(screen, json.dumps(found))
        return
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    state = f"{_word(found, 'status')}"
    table.add_row("status", coloured(state))
    for trouble in _several(found, "troubles"):
        table.add_row("", Text(clean(str(trouble)), style="yellow"))
    table.add_row("version", Text(_word(found, "version")))
    table.add_row("up", _lasting(found.get("uptime_seconds")))
    for pool in _several(found, "pools"):
        table.add_row("pool", Text(_pool(pool)))
    if isinstance(found.get("bus"), Mapping):
        table.add_row("bus", Text(_bus(found["bus"])))
    if isinstance(found.get("stats"), Mapping):
        for name, value in _stats(found["stats"]):
            table.add_row(name, Text(value))
    screen.out.print(table, highlight=False)


def story(client: Client, id: str, form: Form, screen: Screen) -> None:
    """What the agents of the next deliberation of a story will be shown, and its hash."""
    found = client.story(id)
    if form is Form.JSON:
        json_out(screen, found.model_dump_json())
        return
    facts = f"{clean(found.story_id)}: {len(found.notes)} notes, hash {found.hash}"
    screen.out.print(facts, style="dim", highlight=False, soft_wrap=True, markup=False)
    screen.out.print(clean(found.text), highlight=False, soft_wrap=True, markup=False)


def _stats(stats: Mapping[str, Any]) -> list[tuple[str, str]]:
    roles = stats.get("role_counts")
    counts = roles if isinstance(roles, Mapping) else {}
    shares = ", ".join(f"{role} {count}" for role, count in counts.items())
    rows = [
        ("councils", f"{_word(stats, 'active_councils')} active"),
        ("deliberations", f"{_word(stats, 'total_deliberations')}" + (shares and f": {shares}")),
    ]
    mean = stats.get("avg_deliberation_time_ms")
    if isinstance(mean, int | float) and mean:
        rows.append(("on average", f"{mean / 1000:.1f} s"))
    if stats.get("total_orchestrations"):
        rows.append(("orchestrations", _word(stats, "total_orchestrations")))
    return rows


def _bus(bus: Mapping[str, Any]) -> str:
    bridge = bus.get("bridge")
    if not isinstance(bridge, Mapping):
        return f"{_word(bus, 'url')}, its bridge does not answer"
    events = ("pending", "in_flight", "handled", "buried")
    counts = [f"{bridge[n]} {n.replace('_', ' ')}" for n in events if bridge.get(n) is not None]
    connected = "connected" if bridge.get("connected") else "not connected"
    return f"{_word(bus, 'url')}, {connected}; events: {', '.join(counts) or 'unknown'}"


def _pool(pool: object) -> str:
    if not isinstance(pool, Mapping):
        return "-"
    agents = [each if isinstance(each, Mapping) else {} for each in _several(pool, "agents")]
    states = Counter(str(agent.get("state", "away")) for agent in agents)
    shares = ", ".join(f"{count} {state}" for state, count in states.items())
    return f"{_word(pool, 'name')}: {PurePath(_word(pool, 'model')).name}; engines: {shares or 0}"


def coloured(word: str) -> Text:
    """A state in its colour."""
    return Text(word, style=STYLES.get(word, ""))


def _word(found: Mapping[str, Any], name: str) -> str:
    return clean(str(found.get(name, "-")))


def _several(found: Mapping[str, Any], name: str) -> list[Any]:
    return _list(found.get(name))


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _since(at: object) -> str:
    return _lasting(time.time() - at) if isinstance(at, int | float) else "-"


def _at(moment: float) -> str:
    """A moment in the reader's own time."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))


def _lasting(seconds: object) -> str:
    """A duration in its two largest units."""
    if not isinstance(seconds, int | float):
        return "-"
    minutes, s = divmod(max(0, int(seconds)), 60)
    hours, m = divmod(minutes, 60)
    days, h = divmod(hours, 24)
    if days:
        return f"{days} d {h} h"
    if hours:
        return f"{h} h {m} min"
    return f"{m} min {s} s" if m else f"{s} s"
