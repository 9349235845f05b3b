"""pydantic <-> protobuf, bound by the fields' names; knows nothing of what the fields mean.

A None is a field that is not set, an enum is its text, a union over `kind` is a message with a
oneof `kind`. JSON of any shape is a Struct, whose numbers are doubles: a whole number that a double
would change, and what is nested deeper than a reader follows, become text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct, Value

from actors.pb import orchestrator_pb2 as pb
from engine.data import Data
from engine.events import Record

KIND = "kind"
STRUCT = Struct.DESCRIPTOR.full_name
MOST_EXACT = 2**53
"""Up to here every whole number is a double."""
DEEPEST = 24
"""Levels of JSON in a Struct; each takes three of the hundred that readers of protobuf allow."""

M = TypeVar("M", bound=Message)


def write(message: M, data: Data) -> M:
    """The message with every field of `data` in its field of the same name."""
    _write(message, data.model_dump(mode="json"))
    return message


def record(message: pb.Record) -> Record:
    """The record that a message carries; pydantic's ValidationError where it carries none."""
    return Record.model_validate(plain(message))


def plain(message: Message) -> dict[str, Any]:
    """A message as pydantic reads it: every field by its name, None where it is not set."""
    fields = message.DESCRIPTOR.fields
    if KIND not in message.DESCRIPTOR.oneofs_by_name:
        return {field.name: _plain(message, field) for field in fields}
    kind = message.WhichOneof(KIND)
    return {KIND: kind, **plain(getattr(message, kind))} if kind else {}


def from_struct(struct: Struct) -> dict[str, Any]:
    """The JSON object in a Struct; a whole number comes out as one."""
    return {key: _from_value(value) for key, value in struct.fields.items()}


def to_struct(struct: Struct, document: Mapping[str, Any]) -> None:
    """Put a JSON object into a Struct."""
    struct.update({key: _double(value, 1) for key, value in document.items()})


def _write(message: Message, fields: Mapping[str, Any]) -> None:
    if KIND in message.DESCRIPTOR.oneofs_by_name:
        message = getattr(message, fields[KIND])
    message.SetInParent()
    for name, value in fields.items():
        if value is not None and name != KIND:
            _set(message, message.DESCRIPTOR.fields_by_name[name], value)


def _set(message: Message, field: FieldDescriptor, value: Any) -> None:
    if field.message_type is None:
        if field.is_repeated:
            getattr(message, field.name).extend(value)
        else:
            setattr(message, field.name, value)
        return
    target = getattr(message, field.name)
    if field.message_type.GetOptions().map_entry:
        _set_map(target, field, value)
    elif field.is_repeated:
        for item in value:
            _write(target.add(), item)
    elif field.message_type.full_name == STRUCT:
        target.SetInParent()
        to_struct(target, value)
    else:
        _write(target, value)


def _set_map(target: Any, field: FieldDescriptor, value: Mapping[str, Any]) -> None:
    if field.message_type.fields_by_name["value"].message_type is None:
        target.update(value)
        return
    for key, item in value.items():
        _write(target[key], item)


def _plain(message: Message, field: FieldDescriptor) -> Any:
    value, inner = getattr(message, field.name), field.message_type
    if field.has_presence and not message.HasField(field.name):
        return None
    if inner is None:
        return list(value) if field.is_repeated else value
    if inner.GetOptions().map_entry:
        nested = inner.fields_by_name["value"].message_type is not None
        return {key: plain(item) if nested else item for key, item in value.items()}
    if field.is_repeated:
        return [plain(item) for item in value]
    return from_struct(value) if inner.full_name == STRUCT else plain(value)


def _from_value(value: Value) -> Any:
    kind = value.WhichOneof(KIND)
    match kind:
        case None | "null_value":
            return None
        case "struct_value":
            return from_struct(value.struct_value)
        case "list_value":
            return [_from_value(item) for item in value.list_value.values]
        case "number_value":
            number = value.number_value
            whole = number.is_integer() and abs(number) <= MOST_EXACT
            return int(number) if whole else number
        case _:
            return getattr(value, kind)


def _double(value: Any, depth: int) -> Any:
    """A JSON value as a Struct can hold it."""
    if isinstance(value, dict | list) and depth >= DEEPEST:
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict):
        return {key: _double(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_double(item, depth + 1) for item in value]
    if isinstance(value, int) and abs(value) > MOST_EXACT:
        return str(value)
    return value
