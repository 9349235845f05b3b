"""Claims about the proto: it is the contract, it covers the domain, and actors/pb is made of it."""

import subprocess
import sys
import tomllib
from importlib.machinery import PathFinder
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import pytest
from contract import CONTRACT, RPCS, STATUSES, table
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from pydantic import BaseModel, JsonValue, ValidationError

from actors.listing import Page
from actors.pb import orchestrator_pb2 as pb
from engine.events import Event, Record
from engine.options import Options

ROOT = Path(__file__).resolve().parent.parent
PB = ROOT / "actors" / "pb"

ADDED = """
DeliberateRequest: 100 policy string, 101 title string, 102 context Struct, 103 idempotency_key string, 104 samples int32, 105 layers int32, 106 topology string, 107 k int32, 108 hub int32, 109 groups int32, 110 exchange_every int32, 111 revise string, 112 ballot string, 113 tally string, 114 early ?bool, 115 decide string, 116 shortlist int32, 117 quorum ?double, 118 stability int32, 119 gain ?double, 120 until_clean ?bool, 121 token_budget int64, 122 story_id string
DeliberateResponse: 100 decision Decision, 101 critiques *Critiqued, 102 ballots *Ballot, 103 tokens map<string,Usage>, 104 stop_reason string, 105 degraded bool, 106 lost map<string,string>, 107 durable bool
GetDeliberationResultResponse: 100 decision Decision, 101 critiques *Critiqued, 102 ballots *Ballot, 103 tokens map<string,Usage>, 104 stop_reason string, 105 degraded bool, 106 lost map<string,string>, 107 durable bool, 108 suspended bool, 109 error_type string
DeliberationUpdate: 100 record Record, 101 result DeliberateResponse
DeriveSubtasksRequest: 100 idempotency_key string
DeriveSubtasksResponse: 100 author_id string, 101 published int32, 102 durable bool
GetTaskContextRequest: 100 agent_id string, 101 task_description string
GetTaskContextResponse: 100 agent_id string
ContextBlocks: 100 question string
GetStatusResponse: 100 troubles *string
GetMetricsResponse: 100 behind string
OrchestrateRequest: 100 idempotency_key string, 101 context Struct
OrchestrateResponse: 100 task_id string, 101 selected_by string, 102 reason string, 103 decision Decision, 104 tokens map<string,Usage>, 105 stop_reason string, 106 degraded bool, 107 lost map<string,string>, 108 durable bool
PlanningEventRequest: 100 idempotency_key string
"""  # noqa: E501
"""What we added to them so far; a number stays what it is."""

OUR_RPCS = """
WatchDeliberation: WatchDeliberationRequest -> stream Record
CancelDeliberation: CancelDeliberationRequest -> GetDeliberationResultResponse
ListDeliberations: ListDeliberationsRequest -> ListDeliberationsResponse
"""

SCALARS = {
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_DOUBLE: "double",
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_INT64: "int64",
}
PLAIN = {str: "string", bool: "bool", float: "double", int: "int64"}


def written(message: Descriptor, numbers: range) -> str:
    """A message's fields with these numbers, as the tables above write them."""
    fields = sorted((f for f in message.fields if f.number in numbers), key=lambda f: f.number)
    return ", ".join(f"{f.number} {f.name} {shape(f)}" for f in fields)


def shape(field: FieldDescriptor) -> str:
    """`string`, `*string`, `map<string,string>`, `?string` where it tells unset from zero."""
    message = field.message_type
    if message is not None and message.GetOptions().map_entry:
        key, value = (shape(message.fields_by_name[name]) for name in ("key", "value"))
        return f"map<{key},{value}>"
    named = message or field.enum_type
    name = named.name if named is not None else SCALARS[field.type]
    if field.is_repeated:
        return f"*{name}"
    return f"?{name}" if field.has_presence and message is None else name


@pytest.mark.parametrize("message", table(CONTRACT))
def test_a_message_is_as_the_contract_says(message: str) -> None:
    """Every number, name, type and label below 100, and none besides."""
    found = pb.DESCRIPTOR.message_types_by_name[message]
    assert written(found, range(1, 100)) == table(CONTRACT)[message]


def test_what_we_added_to_the_contract_keeps_its_numbers() -> None:
    """From 100 on, in the contract's messages; nothing else is there."""
    contract = [pb.DESCRIPTOR.message_types_by_name[name] for name in table(CONTRACT)]
    added = {message.name: written(message, range(100, 1 << 29)) for message in contract}
    assert {name: fields for name, fields in added.items() if fields} == table(ADDED)


def test_the_rpcs_are_the_contracts_and_three_of_ours() -> None:
    """Names, requests, responses, which stream; the package and the service are named right."""
    service = pb.DESCRIPTOR.services_by_name["OrchestratorService"]
    assert service.full_name == "fleet.orchestrator.v1.OrchestratorService"
    assert not any(method.client_streaming for method in service.methods)
    assert table(RPCS) | table(OUR_RPCS) == {
        m.name: f"{m.input_type.name} -> {'stream ' * m.server_streaming}{m.output_type.name}"
        for m in service.methods
    }


def test_the_status_of_a_deliberation_is_the_contracts() -> None:
    """Six values under one prefix."""
    assert dict(pb.DeliberationStatus.items()) == {name: n for n, name in enumerate(STATUSES)}


def reached(model: type[BaseModel], found: dict[str, type[BaseModel]]) -> None:
    """Collect every class that the fields of a class lead to."""
    if model.__name__ in found:
        return
    found[model.__name__] = model
    for field in model.model_fields.values():
        for cls in classes(field.annotation):
            reached(cls, found)


def classes(annotation: Any) -> list[type[BaseModel]]:
    """The models that an annotation names."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [cls for part in get_args(annotation) for cls in classes(part)]


DOMAIN: dict[str, type[BaseModel]] = {}
reached(Record, DOMAIN)
reached(Page, DOMAIN)
KINDS = {cls.model_fields["kind"].default: cls for cls in classes(get_args(Event)[0])}


SPECIAL = {dict[str, JsonValue]: "Struct", Record.model_fields["event"].annotation: "Event"}


def wanted(annotation: Any) -> str:
    """The shape that a pydantic field asks of its proto field."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if annotation in SPECIAL:
        return SPECIAL[annotation]
    if origin is None:
        return named(annotation)
    if origin is Literal:
        return "string"
    if origin is tuple:
        return f"*{wanted(parts[0])}"
    if origin is dict:
        return f"map<{wanted(parts[0])},{wanted(parts[1])}>"
    (only,) = (part for part in parts if part is not NoneType)
    return wanted(only) if classes(only) else f"?{wanted(only)}"


def named(cls: type) -> str:
    """The name of a message, which can always be unset, or of a scalar; an enum is a text."""
    if issubclass(cls, BaseModel):
        return message_of(cls.__name__)
    return next(name for plain, name in PLAIN.items() if issubclass(cls, plain))


def message_of(name: str) -> str:
    """Named like the class, but for what the contract has taken or an rpc names."""
    other = {"CheckResult": "CheckOutcome", "Page": "ListDeliberationsResponse"}
    return other.get(name, name)


@pytest.mark.parametrize("name", DOMAIN)
def test_every_field_of_the_domain_has_its_proto_field(name: str) -> None:
    """The same names with fitting types, nothing more, for all that a Record or a Page leads to."""
    message = pb.DESCRIPTOR.message_types_by_name[message_of(name)]
    fields = {n: wanted(f.annotation) for n, f in DOMAIN[name].model_fields.items() if n != "kind"}
    assert {field.name: shape(field) for field in message.fields} == fields


@pytest.mark.parametrize("name", Options.model_fields)
def test_a_request_has_a_field_for_every_option(name: str) -> None:
    """Of its kind; one for which zero has a meaning tells it from unset."""
    field = pb.DeliberateRequest.DESCRIPTOR.fields_by_name[name]
    option = Options.model_fields[name]
    kind = wanted(option.annotation).removeprefix("?")
    assert shape(field).removeprefix("?").replace("int32", "int64") == kind
    if name != "rounds":  # the contract's own: there zero is not set
        assert field.has_presence == (accepted(name, 0) or accepted(name, False))


def accepted(name: str, value: object) -> bool:
    """Whether an option may have this value."""
    try:
        Options.model_validate({name: value}, strict=True)
    except ValidationError:
        return False
    return True


def test_every_kind_of_event_is_a_member_of_the_oneof() -> None:
    """Named like the kind, of the class's message."""
    (oneof,) = pb.Event.DESCRIPTOR.oneofs
    members = {field.name: field.message_type.name for field in oneof.fields}
    assert members == {kind: cls.__name__ for kind, cls in KINDS.items()}


def test_the_generated_code_is_what_the_proto_yields(tmp_path: Path) -> None:
    """Made again it is the same to the last byte; `make proto` was not forgotten."""
    tool = [sys.executable, str(ROOT / "tools" / "generate.py"), str(tmp_path)]
    subprocess.run(tool, check=True)
    made = {path.name: path.read_bytes() for path in (tmp_path / "actors" / "pb").iterdir()}
    committed = {path.name: path.read_bytes() for path in PB.glob("*_pb2*.py*")}
    assert made.keys() == {
        "orchestrator_pb2.py",
        "orchestrator_pb2.pyi",
        "orchestrator_pb2_grpc.py",
    }
    assert made == committed


def test_our_proto_folder_does_not_hide_proto_plus() -> None:
    """Ray imports a package `proto`; a folder of that name in front must not be one."""
    assert not list((ROOT / "proto").rglob("*.py"))
    spec = PathFinder.find_spec("proto", [str(ROOT), *sys.path])
    assert spec is not None
    assert spec.origin is not None
    assert "site-packages" in spec.origin


def test_every_package_is_installed() -> None:
    """A folder with an __init__.py that pyproject.toml forgets is missing from the wheel."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    tops = ("engine", "actors", "edges", "commands", "conclave")
    found = [init.parent for top in tops for init in (ROOT / top).rglob("__init__.py")]
    assert {".".join(folder.relative_to(ROOT).parts) for folder in found} == set(listed)
