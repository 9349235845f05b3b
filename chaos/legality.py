"""What holds of the events of any deliberation, whatever happened to its turns."""

from collections.abc import Sequence

from engine.events import (
    END,
    Aborted,
    Asked,
    Briefed,
    Convened,
    Critiqued,
    Decided,
    Drafted,
    Dropped,
    Event,
    Hastened,
    Judged,
    Merged,
    Resumed,
    Revised,
    Settled,
    Voted,
)
from engine.transcript import Outcome, Transcript
from engine.types import Phase


def check_legal(events: Sequence[Event]) -> None:
    """AssertionError for the first event that may not stand where it stands."""
    state = Transcript()
    open_turns: dict[str, Asked] = {}
    for place, event in enumerate(events):
        assert state.end is None, f"{event.kind} after the end"
        assert (place == 0) == isinstance(event, Convened), "it is convened once, and first"
        assert place != 1 or isinstance(event, Briefed | Resumed), "the brief comes second"
        _check_turn(event, state, open_turns)
        _check_place(event, state)
        if isinstance(event, Resumed):
            open_turns.clear()
        state.add(event)
    if state.end is not None:
        assert not open_turns, f"never ended: {list(open_turns.values())}"
        _check_end(state)


def _check_turn(event: Event, state: Transcript, open_turns: dict[str, Asked]) -> None:
    """A turn that was asked ends once: in an outcome, in the loss of its agent, or aborted."""
    if isinstance(event, Asked):
        assert event.turn not in state.outcomes, "asked again for what is known"
        assert event.turn not in open_turns, "asked twice at once"
        assert event.agent not in state.lost, "asked though it was lost"
        open_turns[event.turn] = event
    elif isinstance(event, Outcome | Aborted):
        began = open_turns.pop(event.turn, None)
        assert began is not None, f"{event.kind} without having been asked"
        assert began.agent == event.agent
    elif isinstance(event, Dropped) and event.turn:
        assert open_turns.pop(event.turn, None) is not None, "dropped for a turn never asked"


def _check_place(event: Event, state: Transcript) -> None:
    """Nothing comes before what it is about."""
    match event:
        case Drafted():
            assert event.agent not in state.proposals, "two drafts of one author"
        case Critiqued():
            assert event.target in state.proposals, "a review of no text"
            assert not state.ballots, "a review after a ballot"
        case Revised():
            assert event.agent in state.proposals, "a revision of no draft"
            assert state.latest(event.agent).round < event.round, "a round back"
        case Voted():
            assert set(event.ballot.ranking) == set(state.authors) - state.excluded
        case Merged():
            assert state.merged in ("", *state.excluded), "merged twice"
        case Judged():
            assert state.ballots, "judged before any ballot"
            assert event.choice in state.proposals
        case Settled():
            assert state.settled is None, "settled twice"
        case Hastened():
            assert state.hastened is None, "hastened twice"
        case Asked() if event.phase in (Phase.VOTE, Phase.MERGE, Phase.JUDGE):
            assert len(state.authors) > 1


def _check_end(state: Transcript) -> None:
    """A decision ranks every text that was not excluded, once, and no other."""
    if isinstance(state.end, Decided):
        order = [ranked.author for ranked in state.end.decision.order]
        assert sorted(order) == sorted(set(state.authors) - state.excluded)
        assert state.end.decision.choice == order[0]
        assert [ranked.rank for ranked in state.end.decision.order] == list(
            range(1, len(order) + 1)
        )
    assert isinstance(state.end, END)
