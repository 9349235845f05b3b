"""Everything that can go wrong, as a tree; knows nothing of HTTP, gRPC or logs.

ConclaveError
├── SetupError        the machine, a model or a server is not as it must be: what, remedy
├── InvalidRequest    the asker sent something that cannot be done: where, what
│   └── TooLarge      it is longer than this server reads
├── InvalidEvent      the same, on the bus: it becomes a dead letter with its kind and location
├── NotFound          no such deliberation or council
├── Conflict          the id is taken by another request
├── NotDerived        the architects' decision is no graph of tasks, or there is none
├── Unmet             something else has to be done first: what, remedy
├── Ended             the deliberation has ended, so nothing can be changed about it
├── DeadlineExceeded  the asker's time is up before the end
├── Unavailable       something outside is away; the same request may succeed later
│   └── Away          it is the bus, and what was asked cannot be done without it
├── Broken            a bug of ours ended a deliberation; asking again would only repeat it
├── Superseded        another writer owns this deliberation now; this one must stop
└── SpeechFailed      one agent's turn failed for good: it is dropped with this reason
    ├── EngineLost    its engines died and did not come back in time
    ├── Overloaded    its engines refused the turn, by queue or by cache
    ├── PromptTooLong the prompt and its reply do not fit the model's window
    ├── GaveUp        an agent from outside says that it cannot answer
    └── NoAnswer      an agent from outside could not be asked, or did not answer in time

Every error is picklable: its arguments are its state.
"""

from __future__ import annotations


class ConclaveError(Exception):
    """Base of every error a user can meet; its text is one line with what, where and remedy."""


class SetupError(ConclaveError):
    """The machine, a model or a server is not as it must be."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what, remedy)
        self.what, self.remedy = what, remedy

    def __str__(self) -> str:
        return f"{self.what}. {self.remedy}"


class InvalidRequest(ConclaveError):
    """A request that cannot be done as it stands; `where` names the field."""

    def __init__(self, where: str, what: str) -> None:
        super().__init__(where, what)
        self.where, self.what = where, what

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class TooLarge(InvalidRequest):
    """A request that is longer than this server reads."""


class InvalidEvent(ConclaveError):
    """An event that can never be done; `kind` is machine-readable, `where` a path into it."""

    def __init__(self, kind: str, where: str, what: str) -> None:
        super().__init__(kind, where, what)
        self.kind, self.where, self.what = kind, where, what

    def __str__(self) -> str:
        return f"{self.kind} at {self.where}: {self.what}"


class NotFound(ConclaveError):
    """No such deliberation, council or route."""


class Conflict(ConclaveError):
    """The id belongs to another request already."""


class NotDerived(ConclaveError):
    """A plan could not be split into tasks: no decision was had, or none can be had here."""


class Unmet(ConclaveError):
    """What was asked cannot be done as things stand; something else has to be done first."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what, remedy)
        self.what, self.remedy = what, remedy

    def __str__(self) -> str:
        return f"{self.what}; {self.remedy}"


class Ended(ConclaveError):
    """The deliberation has ended already; what was asked would need a running one."""


class DeadlineExceeded(ConclaveError):
    """The asker's time is up; the same request may be sent again and goes on."""


class Unavailable(ConclaveError):
    """Something outside is away; the same request may succeed later."""


class Away(Unavailable):
    """The bus is away, and what was asked cannot be done without it."""


class Broken(ConclaveError):
    """A bug of ours ended a deliberation; the same request would meet it again."""


class Superseded(ConclaveError):
    """Another writer appended to this deliberation; the one that sees this must stop."""


class SpeechFailed(ConclaveError):
    """One agent's turn failed for good; the deliberation goes on without the agent."""


class EngineLost(SpeechFailed):
    """The engines of the pool died and did not come back in time."""


class Overloaded(SpeechFailed):
    """The engines of the pool refused the turn, by their queue or by their cache."""


class PromptTooLong(SpeechFailed):
    """The prompt and the longest reply asked for do not fit the model's window."""


class GaveUp(SpeechFailed):
    """An agent from outside says that it cannot answer, and why."""


class NoAnswer(SpeechFailed):
    """An agent from outside could not be asked, or did not answer in time."""
