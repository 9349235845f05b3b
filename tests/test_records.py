"""Records of earlier formats stay readable; `tests/records/*.jsonl` are one deliberation each.

The files without a number are of the format that knew neither rules nor tallies nor tie breaks,
those with a 2 of the one that has them.
"""

import pytest
from recording import RECORDS, kept

from engine.errors import InvalidRequest
from engine.events import Decided
from engine.replay import replay
from engine.results import payload, result
from engine.transcript import fold

NAMES = sorted(path.stem for path in RECORDS.glob("*.jsonl"))
ENDED = [name for name in NAMES if name != "suspended"]


@pytest.mark.parametrize("name", NAMES)
def test_every_format_is_read(name: str) -> None:
    """Every record is read, and the result of all of them can be told."""
    state = fold(kept(name))
    found = result(state)
    assert state.rules is not None
    assert found.status == ("in_progress" if name == "suspended" else found.status)
    assert bool(found.decision) == isinstance(state.end, Decided)
    assert found.usage.generated > 0
    if state.end is not None:
        assert payload(state)["task_id"] == found.task_id


@pytest.mark.parametrize("name", ENDED)
async def test_every_choice_of_the_past_follows_still(name: str) -> None:
    """The end comes out as it was, in all that its records say of it."""
    found = await replay(kept(name))
    assert found.differences == ()
    assert found.reproduced


async def test_a_tie_of_the_past_is_told() -> None:
    """What broke it is not in the records; that it was one is."""
    found = await replay(kept("rejected"))
    assert found.note.endswith("are equal, and what broke the tie is not recorded")


async def test_one_without_an_end_has_nothing_to_reproduce() -> None:
    """It is refused as such."""
    with pytest.raises(InvalidRequest, match="has not ended"):
        await replay(kept("suspended"))


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("2-")])
async def test_what_is_recorded_in_full_is_compared_in_full(name: str) -> None:
    """Each field of the end, as long as the records have this format's rules."""
    found = await replay(kept(name))
    assert found.again == found.recorded
