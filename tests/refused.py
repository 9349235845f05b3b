"""Every error that a client may meet, and what it is over HTTP and over gRPC."""

from grpc import StatusCode

from engine.errors import (
    Away,
    Broken,
    ConclaveError,
    Conflict,
    DeadlineExceeded,
    Ended,
    EngineLost,
    GaveUp,
    InvalidEvent,
    InvalidRequest,
    NoAnswer,
    NotDerived,
    NotFound,
    Overloaded,
    PromptTooLong,
    SetupError,
    Superseded,
    TooLarge,
    Unavailable,
    Unmet,
)

ERRORS: list[tuple[ConclaveError, int, StatusCode]] = [
    (InvalidRequest("rounds", "too\nmany"), 400, StatusCode.INVALID_ARGUMENT),
    (TooLarge("body", "too long"), 413, StatusCode.RESOURCE_EXHAUSTED),
    (InvalidEvent("kind", "where", "what"), 400, StatusCode.INVALID_ARGUMENT),
    (NotFound("no deliberation"), 404, StatusCode.NOT_FOUND),
    (Conflict("the id is taken"), 409, StatusCode.ALREADY_EXISTS),
    (Unmet("it is the last one", "Seat another"), 409, StatusCode.FAILED_PRECONDITION),
    (Ended("it has ended"), 409, StatusCode.FAILED_PRECONDITION),
    (NotDerived("no graph was right"), 422, StatusCode.FAILED_PRECONDITION),
    (DeadlineExceeded("too late"), 504, StatusCode.DEADLINE_EXCEEDED),
    (Unavailable("the bus is away"), 503, StatusCode.UNAVAILABLE),
    (Away("no bus"), 503, StatusCode.UNAVAILABLE),
    (Broken("a bug"), 500, StatusCode.INTERNAL),
    (Superseded("another writer"), 503, StatusCode.UNAVAILABLE),
    (SetupError("no port", "Choose another"), 503, StatusCode.UNAVAILABLE),
    (EngineLost("no engine"), 503, StatusCode.UNAVAILABLE),
    (Overloaded("queue full"), 503, StatusCode.RESOURCE_EXHAUSTED),
    (PromptTooLong("9000 tokens"), 503, StatusCode.UNAVAILABLE),
    (GaveUp("no idea"), 503, StatusCode.UNAVAILABLE),
    (NoAnswer("silence"), 503, StatusCode.UNAVAILABLE),
]
"""Written from the specification, not from the table that is tested with it."""
