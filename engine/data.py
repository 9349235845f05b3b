"""The base of all nouns; knows nothing of any of them."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Data(BaseModel):
    """Base of everything here: frozen, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
