"""What a council does, as data: who speaks, who exchanges with whom, who chooses; asks nobody."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any

from engine.data import Data
from engine.early import EARLY_RULES
from engine.errors import InvalidRequest
from engine.options import BallotForm, Decide, Options, Revise, Rule, Topology


class Exchange(StrEnum):
    """What happens between drafts and choice."""

    NONE = "none"
    CRITIQUE = "critique"  # reviewers find fault, the author revises
    SELF = "self"  # the same, and the author is its own reviewer
    PEERS = "peers"  # authors read each other's texts and write anew


class Choice(StrEnum):
    """Who chooses among the texts."""

    ONLY = "only"  # there is one
    BALLOTS = "ballots"  # the agents, each ranking all texts
    JUDGE = "judge"  # one agent's ballot
    CLASSES = "classes"  # the answer that most texts give
    MERGE = "merge"  # one agent makes one text of all


class Rules(Data):
    """How a deliberation is conducted: every option settled. It is recorded when it begins.

    `agents` is None for all that are seated. `copies` is how many texts the first agent alone
    writes, 0 where each agent writes one. The first `scouts` agents draft before all others, who
    follow only where the scouts' texts differ. The other fields are those of Options.
    """

    policy: str
    exchange: Exchange
    choice: Choice
    agents: int | None
    copies: int
    scouts: int
    rounds: int
    topology: Topology
    k: int
    hub: int
    groups: int
    exchange_every: int
    revise: Revise
    ballot: BallotForm
    tally: Rule
    early: bool
    decide: Decide
    shortlist: int
    quorum: float
    stability: int
    gain: float
    until_clean: bool
    token_budget: int | None


class Policy(Data):
    """A way to deliberate: its shape, which options it `takes`, and what holds where none is set.

    An option that a policy does not take is refused where it is asked for with it, unless it says
    what the policy does anyway.
    """

    name: str
    about: str
    exchange: Exchange = Exchange.NONE
    choice: Choice = Choice.BALLOTS
    agents: int | None = None
    scouts: int = 0
    takes: frozenset[str]
    defaults: Options = Options()


COMMON = frozenset({"policy", "token_budget"})
BALLOTS = frozenset({"ballot", "tally", "early", "decide", "shortlist"})
ROUNDS = frozenset({"rounds", "gain"})
PEERING = frozenset({"topology", "k", "hub", "groups", "exchange_every", "quorum", "stability"})
REVIEWS = frozenset({"revise", "until_clean"})
AGENTS = frozenset({"num_agents"})
SAMPLES = frozenset({"samples"})

COUNCIL = Policy(
    name="council",
    about="drafts, rounds of critique and revision, then a vote",
    exchange=Exchange.CRITIQUE,
    takes=COMMON | AGENTS | ROUNDS | PEERING | REVIEWS | BALLOTS,
)

POLICIES = {
    policy.name: policy
    for policy in (
        COUNCIL,
        Policy(
            name="vote",
            about="drafts and a vote, no exchange",
            takes=COMMON | AGENTS | BALLOTS,
        ),
        Policy(
            name="single",
            about="one agent's draft",
            choice=Choice.ONLY,
            agents=1,
            takes=COMMON,
        ),
        Policy(
            name="self_refine",
            about="one agent that reviews and revises its own draft",
            exchange=Exchange.SELF,
            choice=Choice.ONLY,
            agents=1,
            takes=COMMON | ROUNDS | REVIEWS,
        ),
        Policy(
            name="self_consistency",
            about="samples of one agent; the answer that most of them give",
            choice=Choice.CLASSES,
            takes=COMMON | SAMPLES,
        ),
        Policy(
            name="best_of_n",
            about="samples of one agent; another agent's ballot chooses",
            choice=Choice.JUDGE,
            takes=COMMON | SAMPLES | {"ballot"},
        ),
        Policy(
            name="debate",
            about="rounds in which authors read each other and write anew, then a vote",
            exchange=Exchange.PEERS,
            takes=COMMON | AGENTS | ROUNDS | PEERING | BALLOTS,
            defaults=Options(rounds=2, topology=Topology.FULL),
        ),
        Policy(
            name="cascade",
            about="two drafts; only where they differ, or a critic objects, all the others too",
            exchange=Exchange.CRITIQUE,
            scouts=2,
            takes=COMMON | AGENTS | ROUNDS | PEERING | REVIEWS | BALLOTS,
            defaults=Options(rounds=0),
        ),
        Policy(
            name="moa",
            about="layers of texts, each written with all of the last in view; one merges them",
            exchange=Exchange.PEERS,
            choice=Choice.MERGE,
            takes=COMMON | AGENTS | {"layers"},
            defaults=Options(topology=Topology.FULL),
        ),
    )
}

DEFAULTS = Options(
    rounds=1,
    samples=5,
    layers=2,
    topology=Topology.RING,
    k=2,
    hub=1,
    groups=2,
    exchange_every=2,
    revise=Revise.ON_FINDINGS,
    ballot=BallotForm.ODDS,
    tally=Rule.BORDA,
    early=False,
    decide=Decide.BALLOTS,
    shortlist=3,
    quorum=0.0,
    stability=1,
    gain=0.0,
    until_clean=False,
)
"""What holds where neither request nor council nor policy says anything."""

MOST_BY_KEMENY = 12
"""More texts take seconds by the rules that try orders or paths."""

NEEDS = {
    "k": ("topology", Topology.K_REGULAR),
    "hub": ("topology", Topology.STAR),
    "groups": ("topology", Topology.GROUPS),
    "exchange_every": ("topology", Topology.GROUPS),
    "shortlist": ("decide", Decide.ARCHITECT),
}
"""Options that say something only beside another one."""


def named(name: str) -> Policy:
    """The policy of that name; InvalidRequest, with those there are, where there is none."""
    if name not in POLICIES:
        known = ", ".join(POLICIES)
        raise InvalidRequest("policy", f"no policy {name!r}; known policies: {known}")
    return POLICIES[name]


def settle(asked: Options, council: Options) -> Rules:
    """Every option settled: by the request, else by the council, the policy, or for all.

    InvalidRequest where the request asks of a policy what it does not take. What a council
    prefers is left out there: it was not said of that policy.
    """
    policy = named(asked.policy or council.policy or COUNCIL.name)
    for option in _set(asked):
        _check_taken(option, getattr(asked, option), policy)
    layers = (_taken(asked, policy), _taken(council, policy), policy.defaults, DEFAULTS)
    found = {
        option: next((v for v in (getattr(o, option) for o in layers) if v is not None), None)
        for option in Options.model_fields
    }
    for option, (other, needed) in NEEDS.items():
        if getattr(asked, option) is not None and found[other] is not needed:
            raise InvalidRequest(option, f"has a meaning only with {other} {needed.value!r}")
    _check_stops(asked, found)
    if asked.early and found["tally"] not in EARLY_RULES:
        known = ", ".join(sorted(EARLY_RULES))
        raise InvalidRequest("early", f"{found['tally']} needs all ballots; known: {known}")
    if found["early"] and found["decide"] is Decide.ARCHITECT:
        if asked.early:
            raise InvalidRequest("early", "an architect reads all ballots; leave one of them out")
        found["early"] = False
    return _rules(policy, found)


def _check_stops(asked: Options, found: dict[str, Any]) -> None:
    """InvalidRequest for a rule to stop that is asked for and never comes to be looked at."""
    if asked.stability is not None and not found["quorum"]:
        raise InvalidRequest("stability", "has a meaning only with a quorum")
    rounds = found["rounds"]
    needs = {"revise": 1, "quorum": asked.stability or 1, "gain": 2, "until_clean": 2}
    for option, least in needs.items():
        if getattr(asked, option) and rounds < least:
            what = f"needs {least} rounds at least, and there are {rounds}"
            raise InvalidRequest("stability" if least > 2 else option, what)


def check_seats(rules: Rules, seats: int) -> None:
    """InvalidRequest where an option speaks of more seats than the council has for it."""
    for option, most in (("k", seats - 1), ("hub", seats), ("groups", seats)):
        (other, needed), value = NEEDS[option], getattr(rules, option)
        if getattr(rules, other) is needed and value > most:
            raise InvalidRequest(option, f"{value} is too many for {seats} agents")
    texts = rules.copies or seats
    if rules.tally is Rule.KEMENY and texts > MOST_BY_KEMENY:
        raise InvalidRequest("tally", f"kemeny ranks at most {MOST_BY_KEMENY} texts, not {texts}")
    if rules.early and rules.tally is Rule.SCHULZE and texts > MOST_BY_KEMENY:
        what = f"schulze is decided early among {MOST_BY_KEMENY} texts at most, not {texts}"
        raise InvalidRequest("early", what)


def _rules(policy: Policy, found: dict[str, Any]) -> Rules:
    takes = policy.takes
    one_writes = "samples" in takes
    rounds = found["layers"] - 1 if "layers" in takes else found["rounds"]
    settled = {name: found[name] for name in Rules.model_fields.keys() & found.keys()}
    return Rules.model_validate(
        settled
        | {
            "policy": policy.name,
            "exchange": policy.exchange,
            "choice": policy.choice,
            "agents": 1 if one_writes else policy.agents or found["num_agents"],
            "copies": found["samples"] if one_writes else 0,
            "scouts": policy.scouts,
            "rounds": 0 if policy.exchange is Exchange.NONE else rounds,
        }
    )


def _set(options: Options) -> Iterator[str]:
    """The names of the options that are set."""
    for name, field in Options.model_fields.items():
        if getattr(options, name) != field.default:
            yield name


def _taken(options: Options, policy: Policy) -> Options:
    return Options(**{n: getattr(options, n) for n in _set(options) if n in policy.takes})


def _check_taken(option: str, value: object, policy: Policy) -> None:
    if option in policy.takes:
        return
    anyway = {"num_agents": policy.agents}
    if policy.exchange is Exchange.NONE:
        anyway["rounds"] = 0
    has = anyway.get(option)
    if has is None:
        raise InvalidRequest(option, f"means nothing under policy {policy.name!r}")
    if has != value:
        raise InvalidRequest(option, f"{value} contradicts policy {policy.name!r}, which has {has}")
