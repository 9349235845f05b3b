"""What a council does, as data: how many agents speak and how often they exchange; asks nobody."""

from __future__ import annotations

from engine.errors import InvalidRequest
from engine.types import Data


class Policy(Data):
    """A way to deliberate. `agents` and `rounds` are None where the request or council decides."""

    name: str
    about: str
    agents: int | None = None
    rounds: int | None = None


POLICIES = {
    policy.name: policy
    for policy in (
        Policy(name="council", about="drafts, rounds of critique and revision, then a vote"),
        Policy(name="vote", about="drafts and a vote, no exchange", rounds=0),
        Policy(name="single", about="one agent's draft", agents=1, rounds=0),
    )
}


def applied(name: str, rounds: int | None, num_agents: int | None) -> tuple[int | None, int | None]:
    """Rounds and agents under the policy of that name, empty for the council's own.

    InvalidRequest where there is no such policy, or where it fixes what was asked otherwise.
    """
    if not name:
        return rounds, num_agents
    if name not in POLICIES:
        known = ", ".join(POLICIES)
        raise InvalidRequest("policy", f"no policy {name!r}; known policies: {known}")
    policy = POLICIES[name]
    return (
        _fixed("rounds", policy.rounds, rounds, name),
        _fixed("num_agents", policy.agents, num_agents, name),
    )


def _fixed(field: str, fixed: int | None, asked: int | None, policy: str) -> int | None:
    if fixed is not None and asked not in (None, fixed):
        raise InvalidRequest(field, f"{asked} contradicts policy {policy!r}, which has {fixed}")
    return asked if fixed is None else fixed
