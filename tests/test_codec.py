"""Claims about the codec: a record comes back as it went, over the wire and by name."""

from enum import Enum
from functools import reduce
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import annotated_types as limits
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, JsonValue, ValidationError

from actors.codec import DEEPEST, from_struct, plain, record, to_struct, write
from actors.pb import orchestrator_pb2 as pb
from engine.events import Convened, Dropped, Event, Record, Resumed
from engine.packet import Decision
from engine.types import Council, Phase, Task, Usage

EXACT = st.integers(-(2**53), 2**53)
FINITE = {"allow_nan": False, "allow_infinity": False}
JSON = st.recursive(
    st.none() | st.booleans() | EXACT | st.floats(**FINITE) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
KINDS = get_args(get_args(Event)[0])


def made(annotation: Any, bounds: list[Any]) -> st.SearchStrategy[Any]:
    """Values of any type that a field of ours may have."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if annotation == dict[str, JsonValue]:
        return st.dictionaries(st.text(max_size=8), JSON, max_size=3)
    if origin is Literal:
        return st.sampled_from(parts)
    if origin is tuple:
        return st.lists(made(parts[0], []), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(made(parts[0], []), made(parts[1], []), max_size=3)
    if origin is None:
        return single(annotation, bounds)
    return reduce(st.SearchStrategy.__or__, (made(part, bounds) for part in parts))


def single(cls: type, bounds: list[Any]) -> st.SearchStrategy[Any]:
    """Values of a class that is no container."""
    if issubclass(cls, BaseModel):
        return models(cls)
    if issubclass(cls, Enum):
        return st.sampled_from(list(cls))
    low = next((b.ge for b in bounds if isinstance(b, limits.Ge)), None)
    over = next((b.gt for b in bounds if isinstance(b, limits.Gt)), None)
    high = next((b.le for b in bounds if isinstance(b, limits.Le)), None)
    floor = low if over is None else over
    return {
        NoneType: st.none(),
        bool: st.booleans(),
        str: st.text(min_size=1 if bounds else 0, max_size=20),
        int: st.integers(-(2**63) if floor is None else floor, 2**63 - 1 if high is None else high),
        float: st.floats(floor, high, exclude_min=over is not None, **FINITE),
    }[cls]


def models(cls: type[BaseModel]) -> st.SearchStrategy[Any]:
    """Whole objects of one of our classes, every field at random."""
    fields = {n: made(f.annotation, f.metadata) for n, f in cls.model_fields.items()}
    return st.builds(cls, **fields)


def sent(given: Record) -> Record:
    """A record after its way over the wire."""
    return record(pb.Record.FromString(write(pb.Record(), given).SerializeToString()))


@pytest.mark.parametrize("kind", KINDS, ids=lambda cls: cls.__name__)
def test_a_record_comes_back_as_it_went(kind: type[BaseModel]) -> None:
    """Every field of every event, at random: 64-bit numbers, unset figures, empty parts, JSON."""

    @settings(max_examples=20)
    @given(models(Record), models(kind))
    def survives(shell: Record, event: Any) -> None:
        before = shell.model_copy(update={"event": event})
        assert sent(before) == before

    survives()


def a_record(context: dict[str, JsonValue], **fields: Any) -> Record:
    task = Task(id="t", role="DEV", text="x", context=context, **fields)
    council = Council(role="DEV", agents=(), rubric="")
    return Record(deliberation="t", seq=1, at=1.5, event=Convened(task=task, council=council))


def context_sent(context: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """A context after its way over the wire."""
    event = sent(a_record(context)).event
    assert isinstance(event, Convened)
    return event.task.context


def test_unset_and_zero_are_two_things() -> None:
    """No figure is None at the other end, a zero is a zero, an empty part is there."""
    message = write(pb.Record(), a_record({}, rounds=0)).event.convened
    assert message.task.HasField("rounds")
    assert not message.task.HasField("num_agents")
    assert message.task.HasField("context")
    assert message.council.HasField("budgets")
    assert plain(message)["task"]["num_agents"] is None


def test_a_whole_number_in_json_stays_whole() -> None:
    """A Struct has only doubles; prompts are to show 3 and not 3.0."""
    assert str(context_sent({"a": [3, 2.5, True, None]})) == "{'a': [3, 2.5, True, None]}"


@pytest.mark.parametrize("number", [2**53 + 1, -(2**64), 10**400])
def test_a_number_that_a_double_would_change_comes_as_text(number: int) -> None:
    """Nothing is rounded behind anyone's back, and nothing breaks the stream."""
    assert context_sent({"n": number}) == {"n": str(number)}


def test_json_of_any_depth_can_be_sent() -> None:
    """Readers of protobuf stop at a hundred levels; what is deeper comes as JSON text."""
    deep: JsonValue = ["core"]
    for _ in range(40):
        deep = {"a": deep}
    update = pb.DeliberationUpdate(record=write(pb.Record(), a_record({"deep": deep})))
    again = pb.DeliberationUpdate.FromString(update.SerializeToString())
    found: Any = plain(again.record)["event"]["task"]["context"]["deep"]
    for _ in range(DEEPEST - 2):
        found = found["a"]
    assert found["a"].startswith('{"a": {"a": ')
    assert found["a"].endswith('["core"]' + "}" * (40 - DEEPEST + 1))


def test_a_struct_is_read_as_json() -> None:
    """What a client put in by whatever library comes out as plain values."""
    message = pb.DeliberateRequest()
    document = {"a": {"b": [1, {"c": None}]}, "d": "", "e": False, "f": 1e300}
    to_struct(message.context, document)
    assert from_struct(message.context) == document


def test_enums_and_keys_are_texts() -> None:
    """A phase is its name, as a value and as a key."""
    dropped = write(pb.Dropped(), Dropped(agent="a", phase=Phase.REVISE, reason="r"))
    assert dropped.phase == "revise"
    decision = Decision.model_validate(
        {
            "degraded": False,
            "lost": {},
            "choice": "a",
            "rule": "borda",
            "order": (),
            "margin": 0.0,
            "condorcet": {"status": "unopposed"},
            "agreement_tau": None,
            "agreement_w": None,
            "consistency": None,
            "objections": (),
            "minority": (),
            "tokens": {Phase.DRAFT: Usage()},
            "stop_reason": "decided",
        }
    )
    message = write(pb.Decision(), decision)
    assert list(message.tokens) == ["draft"]
    assert message.condorcet.status == "unopposed"


def test_an_event_without_fields_is_still_an_event() -> None:
    """Nothing but the oneof says which one it is."""
    before = Record(deliberation="d", seq=2, at=0.0, event=Resumed())
    assert write(pb.Record(), before).event.WhichOneof("kind") == "resumed"
    assert sent(before) == before


def test_a_record_of_an_unknown_kind_is_refused() -> None:
    """A reader that is older than the writer does not guess."""
    with pytest.raises(ValidationError, match="event"):
        record(pb.Record(deliberation="d", seq=1))
