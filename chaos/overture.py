"""What happens in every run before chance takes over, so that no run proves little by luck.

A whole site stands still until the other has done its work, and goes on as if nothing had been;
then a whole site dies in the midst of work. A promise that is not kept is broken here for certain.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator

from chaos.arena import Arena, Cluster, settled
from chaos.controls import WINDOW_S
from chaos.evidence import Note
from chaos.faults import Saboteur
from chaos.producer import Producer
from chaos.workload import ROLES, Label, shaped

AT_ONCE = 40
TURNS = 5
"""So many have been asked when the first ones are known, and not all."""
WITHIN_S = 60.0
LOOK_EVERY_S = 0.005


async def overture(arena: Arena, producer: Producer, saboteur: Saboteur) -> None:
    """Have one site superseded by the other, and one site killed at work."""
    site = arena.clusters[0]
    await _caught_at_work(arena, producer, site, "still")
    await _still_until_superseded(arena, saboteur, site)
    await _caught_at_work(arena, producer, site, "dead")
    saboteur.done["kill site"] += 1
    await saboteur.kill(list(reversed(site.processes)), 0.0)


async def _still_until_superseded(arena: Arena, saboteur: Saboteur, site: Cluster) -> None:
    saboteur.done["pause site"] += 1
    with saboteur.paused(site.processes):
        await settled(arena.client, WITHIN_S)
        await asyncio.sleep(1.25 * WINDOW_S)
    await _until(lambda: not _running(arena.notes(), site), f"{site.site.name} has nothing to do")


async def _caught_at_work(arena: Arena, producer: Producer, site: Cluster, name: str) -> None:
    """Return in the moment in which a council of the site is in the middle of some new work."""
    names = (f"{name}-{number}" for number in range(AT_ONCE))
    labels = [Label(plan=each, identity=each, roles=ROLES) for each in names]
    began = time.time()
    await asyncio.gather(*(producer.send(shaped("cloud", label)) for label in labels))
    await _until(
        lambda: max(_turns(arena.notes(), site, began).values(), default=0) >= TURNS,
        f"a council of {site.site.name} is at work",
    )


def _turns(notes: list[Note], site: Cluster, since: float) -> Counter[str]:
    """How many turns of each deliberation the councils of a site have asked since then."""
    own = (note for note in _of(notes, site) if note.kind == "asked" and note.at > since)
    return Counter(str(note.facts[0]) for note in own)


def _running(notes: list[Note], site: Cluster) -> int:
    """How many runs of its councils have begun and are not over."""
    kinds = Counter(note.kind for note in _of(notes, site))
    return kinds["began"] - kinds["over"]


def _of(notes: list[Note], site: Cluster) -> Iterator[Note]:
    councils = {council.name for council in site.councils}
    return (note for note in notes if note.who.partition(".")[0] in councils)


async def _until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline, f"after {WITHIN_S:.0f} s still not: {what}"
        await asyncio.sleep(LOOK_EVERY_S)
