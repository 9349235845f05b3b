"""Claims about prompts in the small model's own tokens: what a prefix cache can serve of them."""

from pathlib import Path

import pytest

from bench.prefix import TASK, Encode, Render, Sent, council_sends, of_model, shares
from engine.config import fleet_councils
from engine.types import Phase

pytestmark = [
    pytest.mark.model,
    # transformers deprecates much of itself on import
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]

COUNCIL = fleet_councils()[0].seated()
PINNED = {Phase.DRAFT: 0.525, Phase.CRITIQUE: 0.549, Phase.REVISE: 0.779, Phase.VOTE: 0.901}


@pytest.fixture(scope="module")
def tokens(small_model: Path) -> tuple[Render, Encode]:
    """The chat template and the tokenizer; no weights are read."""
    return of_model(str(small_model))


@pytest.fixture
async def sent(tokens: tuple[Render, Encode]) -> list[Sent]:
    """What a council of three sends in one round with texts as long as their budgets."""
    return await council_sends(TASK, COUNCIL, *tokens)


async def test_the_share_a_cache_can_serve_does_not_shrink(sent: list[Sent]) -> None:
    """Phase by phase: a prompt that is worded or ordered anew must not cost prefill unnoticed."""
    found = {phase: each.share for phase, each in shares(sent).items()}
    assert found == {phase: pytest.approx(share, abs=0.01) for phase, share in PINNED.items()}


async def test_the_texts_fill_their_budgets(sent: list[Sent]) -> None:
    """The measurement is of the longest prompts: each draft within 8 tokens of its cap."""
    drafts = [len(one.reply) for one in sent if one.phase in (Phase.DRAFT, Phase.REVISE)]
    assert all(COUNCIL.budgets.draft - 8 <= length <= COUNCIL.budgets.draft for length in drafts)
    critiques = [len(one.reply) for one in sent if one.phase is Phase.CRITIQUE]
    assert all(64 <= length <= COUNCIL.budgets.critique for length in critiques)
    assert max(len(one.prompt) for one in sent) <= COUNCIL.budgets.largest_prompt(3)
