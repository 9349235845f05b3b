"""A recorded deliberation conducted again with nobody to ask; knows no journal and no model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import aclosing

from engine.data import Data
from engine.decision import conclude, failed
from engine.deliberation import deliberate
from engine.errors import InvalidRequest, SpeechFailed
from engine.events import END, Asked, Convened, Decided, Failed, Record, Rejected
from engine.packet import Decision
from engine.transcript import Transcript, fold, phase_of
from engine.types import Phase, Reply, Turn
from engine.wording import wording

OUTSIDE = ("Cancelled", "Broken")
"""Ends that somebody else made, so that they do not follow from what was said."""
LONGEST = 160
"""Characters of one value where a difference is told."""


class Replay(Data):
    """Whether the end of a deliberation follows from its records.

    `recorded` is the end as it was and `again` as it comes out now; `differences` are the fields
    that are not equal, in words. `asked` are the turns that would have to be asked, which no
    replay may need. `note` says what could not be repeated, and what was compared in its place.
    """

    reproduced: bool
    recorded: Decided | Failed
    again: Decided | Failed
    differences: tuple[str, ...]
    asked: tuple[str, ...]
    note: str


async def replay(records: Sequence[Record]) -> Replay:
    """Conduct it again on its records without the end, and compare that with the recorded one.

    InvalidRequest where the records are not those of one deliberation from its beginning to its
    end.
    """
    check_whole(records)
    state, recorded = fold(records[:-1]), records[-1].event
    assert isinstance(recorded, Decided | Failed)
    again, asked, note = await _again(state, records[:-1], recorded)
    found = tuple(_differences(recorded, again, whole=_has_rules(records)))
    if isinstance(again, Decided) and not found and again != recorded:
        note = "; ".join(filter(None, (note, _on_what_is_not_recorded(recorded, again))))
    return Replay(
        reproduced=not (found or asked),
        recorded=recorded,
        again=again,
        differences=found,
        asked=asked,
        note=note,
    )


def check_whole(records: Sequence[Record]) -> None:
    """InvalidRequest unless these are all records of one deliberation that has ended."""
    if not records or not isinstance(records[0].event, Convened):
        raise InvalidRequest("records", "do not begin with the beginning of a deliberation")
    id = records[0].deliberation
    for place, record in enumerate(records, 1):
        if (record.deliberation, record.seq) != (id, place):
            what = f"record {place} is {record.seq} of {record.deliberation!r}, not of {id!r}"
            raise InvalidRequest("records", what)
    if not isinstance(records[-1].event, END):
        raise InvalidRequest("records", f"{id!r} has not ended; its decision is still to come")


async def _again(
    state: Transcript, records: Sequence[Record], recorded: Decided | Failed
) -> tuple[Decided | Failed, tuple[str, ...], str]:
    """The end that follows, the turns that would have to be asked, and what was not repeated."""
    if isinstance(recorded, Failed) and recorded.error_type in OUTSIDE:
        again = failed(state, recorded.error_type, recorded.message)
        note = "it was ended from outside: only what was lost and spent by then is compared"
        return again, (), note
    assert state.brief is not None
    if state.brief.prompts != wording():
        note = "its prompts had another wording: only the choice is made again from what was said"
        return conclude(state), (), note
    end, asked = await _conducted(state, records)
    return end, asked, ""


async def _conducted(
    state: Transcript, records: Sequence[Record]
) -> tuple[Decided | Failed, tuple[str, ...]]:
    """Conduct it with the recorded replies alone."""
    assert state.task is not None
    assert state.council is not None
    asked: list[str] = []
    stream = deliberate(state.task, state.council, _refuse, len, records)
    async with aclosing(stream) as events:
        async for event in events:
            if isinstance(event, END):
                return event, tuple(asked)
            if isinstance(event, Asked):
                if _was_left_out(state, event):
                    return conclude(state), tuple(asked)
                asked.append(f"{event.agent} {event.phase} {event.round} of {event.target}")
    raise AssertionError("a deliberation has an end")


async def _refuse(turn: Turn) -> Reply:
    raise SpeechFailed(f"a replay asks nobody, not even {turn.agent}")


def _was_left_out(state: Transcript, asked: Asked) -> bool:
    """Whether this turn of the choice was stopped, or time or tokens did not hold it."""
    if asked.turn in state.aborted:
        return True
    answered = any(
        not isinstance(outcome, Rejected)
        and (outcome.agent, phase_of(outcome)) == (asked.agent, asked.phase)
        for outcome in state.outcomes.values()
    )
    choosing = asked.phase in (Phase.VOTE, Phase.MERGE, Phase.JUDGE)
    return choosing and state.hastened is not None and not answered


def _has_rules(records: Sequence[Record]) -> bool:
    """Whether they are of a format in which a record says all that it has to say."""
    convened = records[0].event
    return isinstance(convened, Convened) and convened.rules is not None


def _differences(
    recorded: Decided | Failed, again: Decided | Failed, *, whole: bool
) -> Iterator[str]:
    """The fields in which two ends differ; of old records, only those that they have."""
    if isinstance(recorded, Decided) and isinstance(again, Decided):
        was, now = recorded.decision, again.decision
        silent = frozenset[str]() if whole else _unsaid(was, now)
        yield from _fields(was, now, whole=whole, silent=silent)
    elif isinstance(recorded, Failed) and isinstance(again, Failed):
        yield from _fields(recorded, again, whole=whole, silent=frozenset())
    else:
        yield f"end: was {_outcome(recorded)}, is {_outcome(again)}"


def _fields(was: Data, now: Data, *, whole: bool, silent: frozenset[str]) -> Iterator[str]:
    for name in type(was).model_fields:
        if name in silent or (not whole and name not in was.model_fields_set):
            continue
        one, other = getattr(was, name), getattr(now, name)
        if not (one == other or (not whole and _agree(one, other))):
            yield f"{name}: was {_short(one)}, is {_short(other)}"


def _unsaid(was: Decision, now: Decision) -> frozenset[str]:
    """What old records do not settle: rules had other names, and what broke a tie is not told."""
    silent = {"rule"}
    if {r.author: r.score for r in was.order} == {r.author: r.score for r in now.order}:
        silent.add("order")
        if was.choice != now.choice and was.choice in now.tied:
            silent |= {"choice", "objections", "minority"}
    return frozenset(silent)


def _on_what_is_not_recorded(recorded: Decided | Failed, again: Decided) -> str:
    if isinstance(recorded, Decided) and recorded.decision.choice != again.decision.choice:
        equal = ", ".join(again.decision.tied)
        return f"{equal} are equal, and what broke the tie is not recorded"
    return "fields that its records do not have are not compared"


def _agree(was: object, now: object) -> bool:
    """Whether a value says the same as an older one in all that the older one says."""
    if isinstance(was, Data) and isinstance(now, Data):
        return all(_agree(getattr(was, n), getattr(now, n)) for n in was.model_fields_set)
    if isinstance(was, tuple) and isinstance(now, tuple):
        return len(was) == len(now) and all(map(_agree, was, now))
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        return was.keys() == now.keys() and all(_agree(was[key], now[key]) for key in was)
    return was == now


def _outcome(end: Decided | Failed) -> str:
    if isinstance(end, Decided):
        return f"the choice of {end.decision.choice}"
    return f"{end.error_type}: {end.message}"


def _short(value: object) -> str:
    said = str(value)
    return said if len(said) <= LONGEST else f"{said[: LONGEST - 4]} ..."
