"""What each class of error is to a client, over HTTP and over gRPC; knows nothing of the doors."""

from __future__ import annotations

from http import HTTPStatus
from typing import NamedTuple

from grpc import StatusCode

from engine.data import Data
from engine.errors import (
    Broken,
    ConclaveError,
    Conflict,
    DeadlineExceeded,
    Ended,
    InvalidEvent,
    InvalidRequest,
    NotDerived,
    NotFound,
    Overloaded,
    SetupError,
    SpeechFailed,
    Superseded,
    TooLarge,
    Unavailable,
    Unmet,
)

LONGEST = 500
"""Characters of a refusal's line: a gRPC status has to fit into one header of 8 KiB, encoded."""


class Problem(Data):
    """Why a request is refused (RFC 9457): one line with what, where and the remedy."""

    status: int
    title: str
    detail: str


class Refusal(NamedTuple):
    """The status of a refused request."""

    http: HTTPStatus
    grpc: StatusCode


BUG = Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, StatusCode.INTERNAL)
AWAY = Refusal(HTTPStatus.SERVICE_UNAVAILABLE, StatusCode.UNAVAILABLE)
INVALID = Refusal(HTTPStatus.BAD_REQUEST, StatusCode.INVALID_ARGUMENT)

REFUSALS: dict[type[ConclaveError], Refusal] = {
    InvalidRequest: INVALID,
    TooLarge: Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, StatusCode.RESOURCE_EXHAUSTED),
    InvalidEvent: INVALID,
    NotFound: Refusal(HTTPStatus.NOT_FOUND, StatusCode.NOT_FOUND),
    Conflict: Refusal(HTTPStatus.CONFLICT, StatusCode.ALREADY_EXISTS),
    NotDerived: Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, StatusCode.FAILED_PRECONDITION),
    Unmet: Refusal(HTTPStatus.CONFLICT, StatusCode.FAILED_PRECONDITION),
    Ended: Refusal(HTTPStatus.CONFLICT, StatusCode.FAILED_PRECONDITION),
    DeadlineExceeded: Refusal(HTTPStatus.GATEWAY_TIMEOUT, StatusCode.DEADLINE_EXCEEDED),
    Unavailable: AWAY,
    Superseded: AWAY,
    SpeechFailed: AWAY,
    Overloaded: Refusal(HTTPStatus.SERVICE_UNAVAILABLE, StatusCode.RESOURCE_EXHAUSTED),
    SetupError: AWAY,
    Broken: BUG,
}
"""By class; a class that is not here is refused like the nearest one above it."""


def refusal(error: BaseException) -> Refusal:
    """What an error is to a client; whatever is no ConclaveError is a bug of ours."""
    return next((REFUSALS[cls] for cls in type(error).__mro__ if cls in REFUSALS), BUG)


def in_one_line(error: object) -> str:
    """An error's text for a client: one line of bounded length."""
    line = " ".join(str(error).split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 4]} ..."


def problem(error: ConclaveError) -> Problem:
    """A refusal as a client over HTTP gets it."""
    status = refusal(error).http.value
    return Problem(status=status, title=type(error).__name__, detail=in_one_line(error))
