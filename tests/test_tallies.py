"""Claims that hold for voting rules as such, and what each says of published examples."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from profiles import CONDORCET, CYCLE, SCHULZE, TENNESSEE, by_blocks, profiles

from engine.ballots import Profile, ballot_from_ranking, profile
from engine.condorcet import condorcet, margins, smith_set
from engine.tallies import Rule, Tally, all_tallies, dissenting, settled, tally
from engine.types import Ballot

CONSISTENT = [
    Rule.CONDORCET,
    Rule.COPELAND,
    Rule.SCHULZE,
    Rule.RANKED_PAIRS,
    Rule.MINIMAX,
    Rule.KEMENY,
]
"""They choose the Condorcet winner where there is one."""

MAJORITARIAN = [*CONSISTENT, Rule.PLURALITY, Rule.MAJORITY, Rule.IRV, Rule.BUCKLIN]
"""They choose whom more than half put first."""

MONOTONE = [rule for rule in Rule if rule not in {Rule.IRV, Rule.APPROVAL}]
"""A winner that a voter moves up stays one; approval is left out as nothing is approved of anew."""

full = profiles(authors=False, least=1, voters=5)


@given(profiles())
def test_tiers_are_the_scores_in_order(votes: Profile) -> None:
    """Best first, ties together and in sealed order, everybody once; winners are the first."""
    for found in all_tallies(votes):
        flat = [c for tier in found.tiers for c in tier]
        sealed = votes.candidates.index
        assert flat == sorted(votes.candidates, key=lambda c: (-found.scores[c], sealed(c)))
        assert all(len({found.scores[c] for c in tier}) == 1 for tier in found.tiers)
        assert len({found.scores[tier[0]] for tier in found.tiers}) == len(found.tiers)
        assert set(found.winners) <= set(found.tiers[0])
        if found.rule not in (Rule.MAJORITY, Rule.SUPER_MAJORITY, Rule.UNANIMITY):
            assert found.winners in {(), found.tiers[0]}


@given(st.data())
def test_all_voters_are_equal(data: st.DataObject) -> None:
    """The order in which ballots come changes no rule's tally in any digit."""
    votes = data.draw(profiles())
    shuffled = Profile(votes.candidates, tuple(data.draw(st.permutations(votes.ballots))))
    assert all_tallies(shuffled) == all_tallies(votes)


@given(st.data())
def test_all_candidates_are_equal(data: st.DataObject) -> None:
    """Other names and another sealed order, and every rule names the same ones by new names."""
    votes = data.draw(profiles())
    new = dict(zip(votes.candidates, data.draw(st.permutations(votes.candidates)), strict=True))
    renamed = Profile(votes.candidates, tuple(under(new, ballot) for ballot in votes.ballots))
    for one, other in zip(all_tallies(votes), all_tallies(renamed), strict=True):
        assert {new[c] for c in one.winners} == set(other.winners)
        assert {new[c]: score for c, score in one.scores.items()} == pytest.approx(other.scores)


def under(new: dict[str, str], ballot: Ballot) -> Ballot:
    return ballot.model_copy(
        update={
            "ranking": tuple(new[c] for c in ballot.ranking),
            "scores": {new[c]: score for c, score in ballot.scores.items()},
        }
    )


@given(full)
def test_no_rule_prefers_what_everybody_puts_below(votes: Profile) -> None:
    """Where all put a above b, b never scores more, and no rule but approval names b alone."""
    found = all_tallies(votes)
    for a, b in permutations(votes.candidates, 2):
        if all(r.index(a) < r.index(b) for r in votes.rankings):
            for one in found:
                assert one.scores[a] >= one.scores[b]
                assert b not in one.winners or a in one.winners


@given(profiles(least=1))
def test_who_beats_all_is_chosen(votes: Profile) -> None:
    """Alone, by every rule that is consistent with Condorcet's."""
    winner = condorcet(votes).winner
    for rule in CONSISTENT if winner and votes.rankings else []:
        assert tally(rule, votes).winners == (winner,)


@given(profiles(least=1))
def test_winners_are_of_the_smith_set(votes: Profile) -> None:
    """All that win by these rules are in the smallest set that beats the rest."""
    found = margins(votes)
    top = smith_set(votes.candidates, lambda a, b: a != b and found[a, b] > 0)
    for rule in (Rule.COPELAND, Rule.SCHULZE, Rule.RANKED_PAIRS, Rule.KEMENY):
        assert set(tally(rule, votes).winners) <= set(top)


@given(full)
def test_whom_most_put_first_is_chosen(votes: Profile) -> None:
    """Alone, by every rule that is majoritarian; plurality's thresholds agree on who."""
    firsts = [ranking[0] for ranking in votes.rankings]
    for candidate in votes.candidates:
        if firsts.count(candidate) > len(firsts) / 2:
            assert {tally(rule, votes).winners for rule in MAJORITARIAN} == {(candidate,)}


@given(st.data())
def test_a_winner_that_moves_up_stays_a_winner(data: st.DataObject) -> None:
    """One voter swaps a winner with the candidate just above it."""
    votes = data.draw(full)
    n = data.draw(st.integers(0, len(votes.ballots) - 1))
    for rule in MONOTONE:
        for winner in tally(rule, votes).winners:
            ranking = list(votes.ballots[n].ranking)
            place = ranking.index(winner)
            if place:
                ranking[place - 1 : place + 1] = winner, ranking[place - 1]
                cast = list(votes.ballots)
                cast[n] = ballot_from_ranking(cast[n].voter, ranking, None)
                assert winner in tally(rule, Profile(votes.candidates, tuple(cast))).winners


def test_the_run_off_is_not_monotone() -> None:
    """The known flaw, and why it is left out above: two voters who move A up make it lose."""
    before = by_blocks({"ABC": 6, "CAB": 5, "BCA": 4, "BAC": 2})
    after = by_blocks({"ABC": 8, "CAB": 5, "BCA": 4})
    assert tally(Rule.IRV, before).winners == ("A",)
    assert tally(Rule.IRV, after).winners == ("C",)


@pytest.mark.parametrize("rule", Rule)
def test_without_ballots_nobody_wins(rule: Rule) -> None:
    """All are tied, whether no voter came or each could judge only its own text."""
    for votes in (profile("abc", []), profile("a", [ballot_from_ranking("a", "a", 1)])):
        found = tally(rule, votes)
        assert (found.winners, found.tiers) == ((), (votes.candidates,))


@pytest.mark.parametrize("rule", Rule)
def test_a_candidate_alone_wins_with_any_ballot(rule: Rule) -> None:
    """One voter and one text that is not its own."""
    found = tally(rule, profile("a", [ballot_from_ranking("v", "a", 1)]))
    assert (found.winners, found.tiers) == (("a",), (("a",),))


def first_places(a: int, b: int, c: int = 0) -> Profile:
    return by_blocks({"abc": a, "bca": b, "cab": c})


@pytest.mark.parametrize(
    ("rule", "won", "missed"),
    [
        (Rule.MAJORITY, (3, 2), (2, 2)),
        (Rule.MAJORITY, (3, 1, 1), (2, 1, 1)),
        (Rule.SUPER_MAJORITY, (4, 2), (3, 2)),
        (Rule.SUPER_MAJORITY, (5, 2), (4, 3)),
        (Rule.SUPER_MAJORITY, (2, 1), (3, 2)),
        (Rule.UNANIMITY, (3, 0), (2, 1)),
    ],
)
def test_a_threshold_is_met_or_nobody_wins(
    rule: Rule, won: tuple[int, ...], missed: tuple[int, ...]
) -> None:
    """More than half, two thirds or all of the ballots; the order is told all the same."""
    assert tally(rule, first_places(*won)).winners == ("a",)
    assert tally(rule, first_places(*missed)).winners == ()
    assert tally(rule, first_places(*missed)).tiers[0][0] == "a"


def test_a_voter_that_judges_nothing_is_no_part_of_a_majority() -> None:
    """An author with nobody else to judge names no candidate and is not counted."""
    votes = profile("a", [ballot_from_ranking("a", "a", 1), ballot_from_ranking("v", "a", 1)])
    assert tally(Rule.UNANIMITY, votes).winners == ("a",)


def test_approval_has_no_winner_where_it_was_not_asked() -> None:
    """Old ballots say nothing to it, while one that approves of none leaves all tied."""
    old = ballot_from_ranking("v", "ab", None)
    assert tally(Rule.APPROVAL, profile("ab", [old])).winners == ()
    none = ballot_from_ranking("w", "ab", 0)
    assert tally(Rule.APPROVAL, profile("ab", [old, none])).winners == ("a", "b")


def test_a_cycle_has_no_condorcet_winner_and_ties_the_symmetric_rules() -> None:
    """ABC, BCA, CAB: nobody, and all three, by every other rule but those with a threshold."""
    won = {found.rule: found.winners for found in all_tallies(CYCLE)}
    nobody = {Rule.CONDORCET, Rule.MAJORITY, Rule.SUPER_MAJORITY, Rule.UNANIMITY}
    assert won == {rule: () if rule in nobody else ("A", "B", "C") for rule in Rule}


def test_published_examples_have_their_winners() -> None:
    """Tennessee by each rule, Schulze's 45 voters, and Borda against Condorcet."""
    won = {found.rule: found.winners for found in all_tallies(TENNESSEE)}
    assert won.pop(Rule.PLURALITY) == won.pop(Rule.APPROVAL) == ("M",)
    assert won.pop(Rule.IRV) == ("K",)
    thresholds = [Rule.MAJORITY, Rule.SUPER_MAJORITY, Rule.UNANIMITY]
    assert [won.pop(rule) for rule in thresholds] == [()] * 3
    assert set(won.values()) == {("N",)}
    assert tally(Rule.SCHULZE, SCHULZE).tiers == (("E",), ("A",), ("C",), ("B",), ("D",))
    assert tally(Rule.BORDA, CONDORCET).winners == ("B",)
    assert tally(Rule.CONDORCET, CONDORCET).winners == ("A",)


def test_who_dissents_names_another_and_not_nobody() -> None:
    """The rules with winners that the choice is not among; a tie that holds it is no dissent."""
    found = all_tallies(TENNESSEE)
    assert dissenting(found, "N") == (Rule.PLURALITY, Rule.APPROVAL, Rule.IRV)
    assert dissenting(found, "K") == tuple(
        t.rule for t in found if t.winners and t.rule is not Rule.IRV
    )
    assert dissenting(all_tallies(CYCLE), "B") == ()


def test_ties_are_settled_by_the_keys_alone() -> None:
    """Smaller first, within a tier only."""
    found = Tally(rule=Rule.BORDA, scores={"d": 0, "a": 1, "b": 1, "c": 1}, winners=())
    keys: dict[str, tuple[float | int | str, ...]]
    keys = {"a": (-1, 0.5, "a"), "b": (-2, 0.7, "b"), "c": (-2, 0.5, "c"), "d": (-9, 0.0, "d")}
    assert settled(found, keys) == ("c", "b", "a", "d")


def test_kemeny_is_left_out_where_it_is_not_feasible() -> None:
    """With thirteen candidates all other rules are tallied, in their order."""
    rules = [found.rule for found in all_tallies(profile("abcdefghijklm", []))]
    assert rules == [rule for rule in Rule if rule is not Rule.KEMENY]
    assert Rule.KEMENY in {found.rule for found in all_tallies(profile("abcdefghijkl", []))}


def test_only_strengths_have_intervals() -> None:
    """Bradley-Terry's hold the strength of each candidate."""
    for found in all_tallies(TENNESSEE):
        if found.rule is Rule.BRADLEY_TERRY:
            assert all(found.low[c] < found.scores[c] < found.high[c] for c in "MNCK")
        else:
            assert (found.low, found.high) == ({}, {})
