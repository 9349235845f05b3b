"""A refusal in the shape that OpenAI's clients read; knows nothing of what was asked."""

from __future__ import annotations

import re

from fastapi.responses import JSONResponse

from edges.refusals import Problem, in_one_line, problem
from engine.data import Data
from engine.errors import ConclaveError, InvalidRequest, NotFound, TooLarge

CHAT = "/v1/chat/completions"
MODELS = "/v1/models"
ROOTS = ("/v1/chat", MODELS)
"""Whatever is asked below these comes from a client of OpenAI's kind."""


class ModelNotFound(NotFound):
    """No council, or no policy of it, goes by the name of the model."""


class Undecided(ConclaveError):
    """The deliberation ended without a decision, so there is no text; `kind` says how."""

    def __init__(self, kind: str, what: str) -> None:
        super().__init__(kind, what)
        self.kind, self.what = kind, what

    def __str__(self) -> str:
        return f"{self.kind}: {self.what}"


class ChatError(Data):
    """What is wrong: `param` is the parameter it lies in, `code` what a program may look at."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ChatRefusal(Data):
    """The body of every answer that is none."""

    error: ChatError


STATUSES = {
    "DeadlineExceeded": 504,
    "Cancelled": 409,
    "BudgetExceeded": 400,
    "AllExcluded": 422,
    "Impasse": 422,
}
"""Of a deliberation without a decision; 503 where its agents or their ballots were lost."""


def speaks(path: str) -> bool:
    """Whether a path belongs to the door of OpenAI's clients, also where it leads nowhere."""
    return path in ROOTS or path.startswith(tuple(f"{root}/" for root in ROOTS))


def status_of(error: ConclaveError) -> int:
    """The HTTP status of a refusal."""
    if isinstance(error, Undecided):
        return STATUSES.get(error.kind, 503)
    return problem(error).status


def chat_error(error: ConclaveError) -> ChatError:
    """An error of ours as OpenAI's clients read it."""
    status = status_of(error)
    name = error.kind if isinstance(error, Undecided) else type(error).__name__
    return ChatError(
        message=in_one_line(error),
        type=_type(status),
        param=_param(error),
        code=None if type(error) is InvalidRequest else _code(name),
    )


def refused(error: ConclaveError) -> JSONResponse:
    """The answer to a request that is refused.

    To ask once more for what has ended without a decision changes nothing; clients are told so.
    """
    headers = {"x-should-retry": "false"} if isinstance(error, Undecided) else None
    body = ChatRefusal(error=chat_error(error))
    return JSONResponse(body.model_dump(), status_of(error), headers)


def not_served(found: Problem) -> JSONResponse:
    """The answer where a path, a method or a header is wrong, or by a bug of ours."""
    said = ChatError(message=found.detail, type=_type(found.status), code=_code(found.title))
    return JSONResponse(ChatRefusal(error=said).model_dump(), found.status)


def _type(status: int) -> str:
    return "server_error" if status >= 500 else "invalid_request_error"


def _param(error: ConclaveError) -> str | None:
    if isinstance(error, ModelNotFound):
        return "model"
    if isinstance(error, InvalidRequest) and not isinstance(error, TooLarge):
        return error.where
    return None


def _code(name: str) -> str:
    """`ModelNotFound` as `model_not_found`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|\s+", "_", name).lower()
