"""Claims about refusals: every error class has its status, over HTTP and over gRPC."""

import pytest
from grpc import StatusCode
from refused import ERRORS

from edges.refusals import BUG, LONGEST, REFUSALS, in_one_line, refusal
from engine import errors
from engine.errors import ConclaveError, InvalidRequest, NotFound


@pytest.mark.parametrize(("error", "http", "code"), ERRORS, ids=lambda it: type(it).__name__)
def test_an_error_is_what_it_says(error: ConclaveError, http: int, code: StatusCode) -> None:
    """Of its own class, or of the nearest one above it."""
    found = refusal(error)
    assert (found.http.value, found.grpc) == (http, code)


def test_no_error_class_was_forgotten() -> None:
    """Each has a status, and the list of the tests has each."""
    classes = [cls for cls in vars(errors).values() if isinstance(cls, type)]
    ours = {cls for cls in classes if issubclass(cls, ConclaveError)} - {ConclaveError}
    assert not [cls for cls in ours if not set(cls.__mro__) & set(REFUSALS)]
    assert {type(error) for error, _, _ in ERRORS} == ours - {errors.SpeechFailed}


def test_a_class_of_tomorrow_is_refused_like_the_one_above_it() -> None:
    """And what is no error of ours is a bug of ours."""

    class Misspelt(InvalidRequest):
        """An invalid request of its own kind."""

    assert refusal(Misspelt("role", "x")) == REFUSALS[InvalidRequest]
    assert refusal(ZeroDivisionError()) == refusal(ConclaveError()) == BUG


def test_a_refusal_is_one_line_of_bounded_length() -> None:
    """Whatever was sent and is named in it."""
    assert in_one_line(InvalidRequest("role", "a\n\n b")) == "role: a b"
    line = in_one_line(NotFound("x" * 10_000))
    assert len(line) == LONGEST
    assert line.endswith("x ...")
