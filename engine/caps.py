"""What this server and a council can do of what is asked; knows nothing of who asks."""

from __future__ import annotations

from engine.config import Config
from engine.errors import InvalidRequest
from engine.options import Options
from engine.policies import Rules, check_seats, named, settle
from engine.types import OUTSIDE, Council

EVENTS = "/events"
FORKS = "/forks"
"""What follows an id in the path of its events and of its forks, so that no id may end so."""


def council_of(role: str, config: Config) -> Council:
    """The council of a role in any case; InvalidRequest names those there are."""
    council = config.council(role.upper())
    if council is None:
        known = ", ".join(c.role for c in config.councils)
        raise InvalidRequest("role", f"no council {role.upper()!r}; known roles: {known}")
    return council


def check_id(task_id: str) -> None:
    """InvalidRequest for an id by which a deliberation could not be asked for over HTTP."""
    if task_id in (".", ".."):
        raise InvalidRequest("task_id", f"{task_id!r} is no name in a path; send another")
    for ending in (EVENTS, FORKS):
        if task_id.endswith(ending):
            what = f"ends in {ending!r}, the path of {ending[1:]}; send another"
            raise InvalidRequest("task_id", what)


def within_iterations(options: Options, council: Council, most: int | None) -> Options:
    """The options with no more rounds than `most`, also of the council's own."""
    rules = settle(options, council)
    if most is None or rules.rounds <= most:
        return options
    if _in_layers(rules):
        return options.model_copy(update={"layers": most + 1})
    return options.model_copy(update={"rounds": most})


def check_caps(rules: Rules, council: Council, config: Config) -> None:
    """InvalidRequest for the first option that is over what this server or this council has."""
    limits, seats = config.limits, len(council.agents)
    if _in_layers(rules):
        _within("layers", rules.rounds + 1, limits.rounds + 1)
    _within("rounds", rules.rounds, limits.rounds)
    _within("num_agents", rules.agents, min(limits.agents, seats))
    _within("samples", rules.copies, limits.agents)
    _within("token_budget", rules.token_budget, limits.tokens)
    check_seats(rules, rules.agents or seats)
    texts = rules.copies or rules.agents or seats
    needed = council.budgets.largest_prompt(texts)
    engines = {agent.pool for agent in council.agents} - {OUTSIDE}
    window = min(config.pools[pool].window for pool in engines)
    if needed > window:
        what = f"{texts} texts need a window of {needed} tokens; the models have {window}"
        raise InvalidRequest("samples" if rules.copies else "num_agents", what)


def _in_layers(rules: Rules) -> bool:
    """Whether its rounds are asked for as layers, of which the drafts are the first."""
    return "layers" in named(rules.policy).takes


def _within(name: str, asked: int | None, most: int) -> None:
    if asked is not None and asked > most:
        raise InvalidRequest(name, f"{asked} is over this server's cap of {most}")
