"""Councils by the names that OpenAI's clients call models; knows nothing of what they are asked."""

from __future__ import annotations

from typing import Literal, NamedTuple

from edges.chat_errors import ModelNotFound
from engine.caps import check_caps
from engine.config import Config
from engine.data import Data
from engine.errors import InvalidRequest
from engine.options import Options
from engine.policies import POLICIES, settle
from engine.types import Council

ROLE_POLICY = ":"


class Model(Data):
    """A council, or one policy of it. `created` is 0: nobody keeps when a council was seated."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "conclave"


class Models(Data):
    """All there are."""

    object: Literal["list"] = "list"
    data: tuple[Model, ...]


class Named(NamedTuple):
    """What a model's name stands for; an empty policy is the council's own."""

    role: str
    policy: str

    @property
    def id(self) -> str:
        """The name as it is told."""
        return f"{self.role}{ROLE_POLICY}{self.policy}" if self.policy else self.role


def named(model: str, config: Config) -> Named:
    """The council and the policy of a name: `role`, or `role:policy`, the role in any case.

    ModelNotFound says which there are.
    """
    role, mark, policy = model.partition(ROLE_POLICY)
    council = config.council(role.upper())
    if council is None:
        known = ", ".join(each.role for each in config.councils)
        raise ModelNotFound(f"no council {role[:80]!r}; a model is one of {known}, or ROLE:POLICY")
    if mark and policy not in POLICIES:
        known = ", ".join(POLICIES)
        raise ModelNotFound(f"no policy {policy[:80]!r} in {model[:80]!r}; known: {known}")
    return Named(council.role, policy)


def models(config: Config) -> Models:
    """Every council, with every policy for which it has the seats."""
    found = [
        Model(id=Named(council.role, policy).id)
        for council in (config.council(each.role) for each in config.councils)
        if council is not None
        for policy in ("", *POLICIES)
        if _can(council, policy, config)
    ]
    return Models(data=tuple(found))


def model(id: str, config: Config) -> Model:
    """One of them; ModelNotFound."""
    found = named(id, config)
    council = config.council(found.role)
    if council is None or not _can(council, found.policy, config):
        raise ModelNotFound(f"the {found.role} council has not the seats for {found.policy!r}")
    return Model(id=found.id)


def _can(council: Council, policy: str, config: Config) -> bool:
    try:
        check_caps(settle(Options(policy=policy), council), council, config)
    except InvalidRequest:
        return False
    return True
