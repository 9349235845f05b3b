"""Claims about policies: what each settles, and what cannot be asked of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InvalidRequest
from engine.options import BallotForm, Decide, Options, Revise, Rule, Topology
from engine.policies import DEFAULTS, POLICIES, Choice, Exchange, check_seats, settle

SET = {
    "rounds": 3,
    "num_agents": 2,
    "samples": 4,
    "layers": 3,
    "topology": Topology.K_REGULAR,
    "k": 1,
    "hub": 2,
    "groups": 3,
    "exchange_every": 3,
    "revise": Revise.ALWAYS,
    "ballot": BallotForm.RANKING,
    "tally": Rule.SCHULZE,
    "early": True,
    "decide": Decide.ARCHITECT,
    "shortlist": 2,
    "quorum": 0.6,
    "stability": 2,
    "gain": 0.1,
    "until_clean": True,
    "token_budget": 500,
}
BESIDE = {
    "k": {"topology": Topology.K_REGULAR},
    "hub": {"topology": Topology.STAR},
    "groups": {"topology": Topology.GROUPS},
    "exchange_every": {"topology": Topology.GROUPS},
    "shortlist": {"decide": Decide.ARCHITECT},
    "stability": {"quorum": 0.5, "rounds": 2},
    "revise": {"rounds": 1},
    "quorum": {"rounds": 1},
    "gain": {"rounds": 2},
    "until_clean": {"rounds": 2},
}


def asking(policy: str, option: str) -> Options:
    """One option under a policy, beside those without which it says nothing."""
    return Options.model_validate({"policy": policy, **BESIDE.get(option, {}), option: SET[option]})


def test_every_option_has_a_value_here() -> None:
    """A new option needs its claim below."""
    assert SET.keys() == Options.model_fields.keys() - {"policy"}


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("option", SET)
def test_an_option_is_taken_or_refused_by_name(policy: str, option: str) -> None:
    """Nothing is accepted and ignored: what a policy has no use for is an error that names it."""
    if option in POLICIES[policy].takes:
        plain = settle(asking(policy, option).model_copy(update={option: None}), Options())
        assert settle(asking(policy, option), Options()) != plain
    else:
        with pytest.raises(InvalidRequest) as refused:
            settle(asking(policy, option), Options())
        assert refused.value.where in (option, *BESIDE.get(option, {}))


def test_without_a_word_it_is_the_council() -> None:
    """One round on a rotating ring, revisions on findings, odds counted by Borda."""
    rules = settle(Options(), Options())
    assert (rules.policy, rules.rounds, rules.agents) == ("council", 1, None)
    assert (rules.exchange, rules.choice) == (Exchange.CRITIQUE, Choice.BALLOTS)
    assert (rules.topology, rules.tally) == (Topology.RING, Rule.BORDA)
    assert rules.token_budget is None


@pytest.mark.parametrize(
    ("policy", "shape"),
    [
        ("council", (Exchange.CRITIQUE, Choice.BALLOTS, 1, None, 0, 0, Topology.RING)),
        ("vote", (Exchange.NONE, Choice.BALLOTS, 0, None, 0, 0, Topology.RING)),
        ("single", (Exchange.NONE, Choice.ONLY, 0, 1, 0, 0, Topology.RING)),
        ("self_refine", (Exchange.SELF, Choice.ONLY, 1, 1, 0, 0, Topology.RING)),
        ("self_consistency", (Exchange.NONE, Choice.CLASSES, 0, 1, 5, 0, Topology.RING)),
        ("best_of_n", (Exchange.NONE, Choice.JUDGE, 0, 1, 5, 0, Topology.RING)),
        ("debate", (Exchange.PEERS, Choice.BALLOTS, 2, None, 0, 0, Topology.FULL)),
        ("cascade", (Exchange.CRITIQUE, Choice.BALLOTS, 0, None, 0, 2, Topology.RING)),
        ("moa", (Exchange.PEERS, Choice.MERGE, 1, None, 0, 0, Topology.FULL)),
    ],
)
def test_each_policy_has_its_shape(policy: str, shape: tuple[object, ...]) -> None:
    """Exchange, choice, rounds, agents, copies, scouts and topology where nothing else is asked."""
    r = settle(Options(policy=policy), Options())
    found = (r.exchange, r.choice, r.rounds, r.agents, r.copies, r.scouts, r.topology)
    assert found == shape
    assert r.policy == policy


def test_the_request_comes_before_the_council_and_the_policy() -> None:
    """Each option by itself: what the request leaves open the council says, then the policy."""
    council = Options(policy="debate", rounds=3, tally=Rule.IRV)
    assert settle(Options(), council).rounds == 3
    assert settle(Options(rounds=1), council).rounds == 1
    assert settle(Options(rounds=1), council).tally is Rule.IRV
    assert settle(Options(policy="council"), council).policy == "council"
    assert settle(Options(rounds=0), council).rounds == 0


def test_what_a_council_prefers_does_not_bind_another_policy() -> None:
    """A request for one draft is no contradiction to a council of three rounds."""
    council = Options(rounds=3, topology=Topology.FULL, early=True)
    rules = settle(Options(policy="single"), council)
    assert (rules.rounds, rules.topology, rules.early) == (0, Topology.RING, False)


def test_layers_count_the_drafts() -> None:
    """A mixture of three layers writes anew twice."""
    assert settle(Options(policy="moa", layers=3), Options()).rounds == 2


@pytest.mark.parametrize(
    ("policy", "option", "value"), [("single", "num_agents", 1), ("vote", "rounds", 0)]
)
def test_to_ask_for_what_a_policy_does_anyway_is_no_error(
    policy: str, option: str, value: int
) -> None:
    """The same value is accepted, another one is refused with the one that holds."""
    settle(Options.model_validate({"policy": policy, option: value}), Options())
    with pytest.raises(InvalidRequest, match=f"contradicts policy '{policy}', which has {value}"):
        settle(Options.model_validate({"policy": policy, option: value + 1}), Options())


@pytest.mark.parametrize("option", BESIDE)
def test_an_option_that_says_nothing_alone_names_the_other(option: str) -> None:
    """`k` without a regular topology, a shortlist without an architect, and so on."""
    other = next(iter(BESIDE[option]))
    with pytest.raises(InvalidRequest, match=other) as refused:
        settle(Options.model_validate({option: SET[option], "rounds": 0}), Options())
    assert refused.value.where == option


def test_a_rule_to_stop_needs_rounds_to_stop() -> None:
    """Stability of three rounds among two is never looked at; nor is a gain after the last one."""
    with pytest.raises(InvalidRequest, match="needs 3 rounds at least, and there are 2") as refused:
        settle(Options(policy="debate", quorum=0.5, stability=3), Options())
    assert refused.value.where == "stability"
    with pytest.raises(InvalidRequest, match="needs 2 rounds at least, and there are 1"):
        settle(Options(until_clean=True), Options())


def test_an_architect_reads_all_ballots() -> None:
    """Asked together with an early end it is refused; a council's early end gives way to it."""
    with pytest.raises(InvalidRequest, match="an architect reads all ballots"):
        settle(Options(early=True, decide=Decide.ARCHITECT), Options())
    assert settle(Options(decide=Decide.ARCHITECT), Options(early=True)).early is False


@pytest.mark.parametrize(("texts", "fits"), [(12, True), (13, False)])
def test_what_would_take_too_long_is_refused(texts: int, fits: bool) -> None:
    """Kemeny's rule tries orders, Schulze's early end paths: both up to twelve texts."""
    for options in (Options(tally=Rule.KEMENY), Options(tally=Rule.SCHULZE, early=True)):
        rules = settle(options, Options())
        if fits:
            check_seats(rules, texts)
        else:
            with pytest.raises(InvalidRequest, match=f"not {texts}"):
                check_seats(rules, texts)
    check_seats(settle(Options(tally=Rule.SCHULZE), Options()), 13)


def test_what_needs_all_ballots_cannot_be_early() -> None:
    """The error lists the rules that can be decided early."""
    with pytest.raises(InvalidRequest, match="irv needs all ballots; known: approval, borda"):
        settle(Options(early=True, tally=Rule.IRV), Options())


def test_an_unknown_policy_comes_with_the_known_ones() -> None:
    """The error lists them all."""
    with pytest.raises(InvalidRequest) as refused:
        settle(Options(policy="chaos"), Options())
    assert refused.value.where == "policy"
    assert all(name in str(refused.value) for name in POLICIES)


@pytest.mark.parametrize(
    ("options", "seats", "fits"),
    [
        ({"topology": "k_regular", "k": 2}, 3, True),
        ({"topology": "k_regular", "k": 3}, 3, False),
        ({"topology": "star", "hub": 3}, 3, True),
        ({"topology": "star", "hub": 4}, 3, False),
        ({"topology": "groups", "groups": 3}, 3, True),
        ({"topology": "groups", "groups": 4}, 3, False),
        ({"topology": "ring"}, 1, True),
    ],
)
def test_an_option_cannot_speak_of_more_seats_than_there_are(
    options: dict[str, object], seats: int, fits: bool
) -> None:
    """The default k of 2 holds no ring up, for it is not in use there."""
    rules = settle(Options.model_validate(options), Options())
    if fits:
        check_seats(rules, seats)
    else:
        with pytest.raises(InvalidRequest, match=f"too many for {seats} agents"):
            check_seats(rules, seats)


@given(st.sampled_from(list(POLICIES)), st.sampled_from(list(SET)))
def test_settling_what_is_settled_changes_nothing(policy: str, option: str) -> None:
    """A council's preference and a request's wish come to the same rules."""
    if option in POLICIES[policy].takes:
        wish = asking(policy, option)
        assert settle(wish, Options()) == settle(Options(policy=policy), wish)


def test_defaults_settle_every_option() -> None:
    """Only what may stay open has no default."""
    unset = {name for name in Options.model_fields if getattr(DEFAULTS, name) is None}
    assert unset == {"num_agents", "token_budget"}
