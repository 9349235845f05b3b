"""Who exchanges with whom in a round, as seats of a table; knows nothing of what they exchange."""

from __future__ import annotations

from engine.options import Topology
from engine.policies import Rules


def peers(rules: Rules, seat: int, seats: int, round: int) -> tuple[int, ...]:
    """The seats that the one in `seat` (0 is the first) hears in a round, the first being 1.

    Where fewer than all of them are heard, they are in the order in which another takes the place
    of one that is lost: `wanted` says how many of them it takes.
    """
    others = tuple(other for other in range(seats) if other != seat)
    match rules.topology:
        case Topology.NONE:
            return ()
        case Topology.RING | Topology.K_REGULAR:
            turned = (round - 1) % max(1, len(others))
            ring = tuple((seat + 1 + step) % seats for step in range(seats - 1))
            return ring[turned:] + ring[:turned]
        case Topology.STAR:
            hub = rules.hub - 1
            return others if seat == hub else (hub,)
        case Topology.GROUPS:
            return _in_groups(rules, seat, seats, round)
        case Topology.FULL:
            return others


def wanted(rules: Rules, seats: int) -> int:
    """How many of its peers a seat hears at most."""
    return {Topology.RING: 1, Topology.K_REGULAR: rules.k}.get(rules.topology, seats)


def _in_groups(rules: Rules, seat: int, seats: int, round: int) -> tuple[int, ...]:
    """Seats are dealt out to groups in turn; in every so many rounds all are one group."""
    all_meet = round % rules.exchange_every == 0
    same = (other for other in range(seats) if all_meet or (other - seat) % rules.groups == 0)
    return tuple(other for other in same if other != seat)
