"""Fields of an event that are understood in more than one way; knows nothing of whole events.

What had to be understood is a warning: the sender should hear of it, nobody else has to.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, NamedTuple

from pydantic import BeforeValidator, Field, StringConstraints, ValidationInfo
from pydantic_core import PydanticCustomError

from engine.options import MOST


class Warned(NamedTuple):
    """Something that an event says otherwise than it should, and that is understood all the same.

    `kind` is machine-readable, `where` a path into the event.
    """

    kind: str
    where: str


def warn(info: ValidationInfo, kind: str) -> None:
    """Note that a field had to be understood, if anybody asks."""
    if isinstance(info.context, list):
        info.context.append(Warned(kind, f"payload.{info.field_name}"))


def listed(value: object, info: ValidationInfo) -> object:
    """One item stands for a list of it, nothing for an empty one."""
    if isinstance(value, str | dict):
        warn(info, "one_for_list")
        return [value]
    return [] if value is None else value


def split(value: object, info: ValidationInfo) -> object:
    """Roles may come as one text with commas."""
    if isinstance(value, str):
        warn(info, "one_for_list")
        return [role for role in value.split(",") if role.strip()]
    return [] if value is None else value


def _lettered(value: object, info: ValidationInfo) -> object:
    """A number stands for its digits."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        warn(info, "number_for_text")
        return str(value)
    return value


def _plain(value: object, info: ValidationInfo) -> object:
    """Nothing is the empty text."""
    return "" if value is None else _lettered(value, info)


def _worded(value: object, info: ValidationInfo) -> object:
    """A structured text is shown as it came."""
    if isinstance(value, dict):
        warn(info, "object_for_text")
        return json.dumps(value, ensure_ascii=False)
    return _plain(value, info)


def _dated(value: object, info: ValidationInfo) -> object:
    """A number counts the seconds, or milliseconds, since 1970."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        warn(info, "number_for_time")
    return value


def counted(value: object, info: ValidationInfo) -> object:
    """Digits stand for their number; yes and no are none."""
    if isinstance(value, bool):
        raise PydanticCustomError("number_type", "a number is expected")
    if isinstance(value, str):
        warn(info, "text_for_number")
    return value


def _set(value: object, info: ValidationInfo) -> object:
    """Where nothing is no possible answer, zero is none."""
    number = counted(value, info)
    if number == 0:
        warn(info, "zero_for_unset")
        return None
    return number


Trimmed = StringConstraints(strip_whitespace=True, min_length=1, max_length=512)
Name = Annotated[str, Trimmed, BeforeValidator(_lettered)]
Id = Name
Time = Annotated[datetime, BeforeValidator(_dated)]
Plain = Annotated[str, StringConstraints(strip_whitespace=True), BeforeValidator(_plain)]
Text = Annotated[str, StringConstraints(strip_whitespace=True), BeforeValidator(_worded)]
Texts = Annotated[tuple[Text, ...], BeforeValidator(listed)]
Worded = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1), BeforeValidator(_worded)
]
Key = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=200), BeforeValidator(_plain)
]
Count = Annotated[Annotated[int, Field(ge=0, le=MOST)] | None, BeforeValidator(counted)]
Positive = Annotated[Annotated[int, Field(ge=1, le=MOST)] | None, BeforeValidator(_set)]
Seconds = Annotated[
    Annotated[float, Field(gt=0, allow_inf_nan=False)] | None, BeforeValidator(_set)
]
