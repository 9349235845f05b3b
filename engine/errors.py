"""The errors that users meet; knows nothing of how an edge reports them."""


class ConclaveError(Exception):
    """The root of all errors raised on purpose."""


class SetupError(ConclaveError):
    """Something outside is missing or in the way; says what it is and what to do about it."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what, remedy)
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.what}. {self.remedy}"
