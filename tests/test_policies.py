"""Claims about policies: what each fixes, and what cannot be asked of it."""

import pytest

from engine.errors import InvalidRequest
from engine.policies import POLICIES, applied


@pytest.mark.parametrize(
    ("policy", "asked", "gets"),
    [
        ("", (2, 3), (2, 3)),
        ("council", (None, None), (None, None)),
        ("council", (2, 3), (2, 3)),
        ("vote", (None, 3), (0, 3)),
        ("vote", (0, None), (0, None)),
        ("single", (None, None), (0, 1)),
    ],
)
def test_a_policy_fixes_what_it_is_about(
    policy: str, asked: tuple[int | None, int | None], gets: tuple[int | None, int | None]
) -> None:
    """Rounds and agents are the asker's where the policy leaves them."""
    assert applied(policy, *asked) == gets


@pytest.mark.parametrize(
    ("policy", "asked", "where"),
    [
        ("chaos", (None, None), "policy"),
        ("vote", (2, None), "rounds"),
        ("single", (None, 3), "num_agents"),
    ],
)
def test_a_contradiction_is_refused(
    policy: str, asked: tuple[int | None, int | None], where: str
) -> None:
    """The field is named; an unknown policy comes with the known ones."""
    with pytest.raises(InvalidRequest) as raised:
        applied(policy, *asked)
    assert raised.value.where == where
    if where == "policy":
        assert all(name in str(raised.value) for name in POLICIES)
