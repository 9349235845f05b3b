"""Whatever is asked at a door is answered as its document says; `make fuzz-doors` asks thousands.

The engine behind the doors is whole but for Ray; it must stand, and decide, when all is over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import grpc
import httpx
import pytest
import schemathesis
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.struct_pb2 import Struct
from grpc import StatusCode
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance
from whole import Whole, whole_engine

from conclave import Client
from edges.rpcs import RPCS
from engine.policies import POLICIES

ROLES = ("DEV", "qa", "ARCHITECT", "DEVOPS", "DATA")
FLEET = ("DEV", "QA", "ARCHITECT", "DEVOPS", "DATA")
KNOWN_IDS = ("decided", "running over", "ä/ö ?#")
KNOWN_AGENTS = ("agent-dev-001", "agent-qa-002", "guest")
KNOWN_STORY, KNOWN_PLAN = "a story", "a plan"
KNOWN_IN_PATHS = {
    "task_id": KNOWN_IDS,
    "role": ROLES,
    "agent_id": KNOWN_AGENTS,
    "story_id": (KNOWN_STORY,),
    "id": ("DEV", "qa:vote"),
}
APPROVED = {
    "event_type": "plan.approved",
    "case_id": KNOWN_STORY,
    "plan_id": KNOWN_PLAN,
    "timestamp_ms": 1,
    "metadata": {"title": "Clock", "roles": ["DEV"]},
}
GOOD_BODIES: dict[str, dict[str, Any]] = {
    "POST /v1/deliberations": {"role": "DEV", "text": "Clock"},
    "POST /v1/deliberations/{task_id}/forks": {"tally": "copeland"},
    "POST /v1/orchestrations": {"role": "QA", "text": "Clock"},
    "POST /v1/chat/completions": {
        "model": "dev:vote",
        "messages": [{"role": "user", "content": "Clock"}],
    },
    "POST /v1/planning-events": APPROVED,
    "POST /v1/derivations": {"plan_id": KNOWN_PLAN},
    "POST /v1/context": {"role": "DEV", "text": "Clock"},
    "POST /v1/councils": {"role": "LEGAL"},
    "POST /v1/councils/{role}/agents": {"agent_id": "guest", "endpoint": "nats"},
}
"""What can be done, by operation."""
ENOUGH_HTTP, ENOUGH_GRPC = 2_000, 5_000
ANSWER_S = 20.0
OURS = (StatusCode.INTERNAL, StatusCode.UNKNOWN, StatusCode.DATA_LOSS, StatusCode.UNIMPLEMENTED)
"""What no client can cause, and what would mean that an rpc of the contract is not there."""


def thorough() -> bool:
    """Whether thousands are to be tried."""
    return settings.default is not None and settings.default.max_examples >= ENOUGH_HTTP


pytestmark = [
    pytest.mark.nats,
    pytest.mark.timeout(3600 if thorough() else 180),
    # Threads of the engine draw at random while a case is drawn in this one.
    pytest.mark.filterwarnings("ignore:Do not use the .random. module inside strategies"),
]


def tried(strategy: st.SearchStrategy[Any], times: int, ask: Callable[[Any], None]) -> None:
    """Ask so often; the first fault ends it, as it was asked, for its server remembers."""

    @settings(
        max_examples=times,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        deadline=None,
        database=None,
    )
    @given(strategy)
    def one(asked: Any) -> None:
        ask(asked)

    one()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    """The engine, in which there are some deliberations and a story by now."""
    with whole_engine(tmp_path_factory.mktemp("whole")) as whole:
        with Client(whole.url) as client:
            for id in KNOWN_IDS:
                client.deliberate({"role": "DEV", "text": "Clock", "task_id": id})
            client.plan(APPROVED)
        yield whole


@pytest.fixture(autouse=True)
def _still_standing(whole: Whole) -> Iterator[None]:
    """Nothing has died of it, and the next deliberation is decided."""
    yield
    assert whole.deaths == []
    with Client(whole.url) as client:
        refound(client)
        assert client.deliberate({"role": "QA", "text": "Clock"}).status == "completed"
        assert client.status().status == "healthy"


def refound(client: Client) -> None:
    """Have the councils that were there at first: those were asked away, and others into being."""
    there = {council.role for council in client.councils()}
    for role in there - set(FLEET):
        client.delete_council(role)
    for role in FLEET:
        if role in there:
            client.delete_council(role)
        client.create_council({"role": role})


@st.composite
def seasoned(draw: st.DrawFn, operation: Any, mode: GenerationMode) -> Case:
    """A case in which names that the server knows often stand where a name is asked for.

    Often its body can be done but for a field or two. What is to be wrong stays as it is.
    """
    case: Case = draw(operation.as_strategy(mode))
    for name, known in KNOWN_IN_PATHS.items():
        if name in case.path_parameters and draw(st.booleans()):
            case.path_parameters[name] = quote(draw(st.sampled_from(known)), safe="")
    if mode is GenerationMode.POSITIVE and operation.label in GOOD_BODIES:
        case.body = draw(nearly(GOOD_BODIES[operation.label], case.body))
        if draw(st.booleans()):  # of what a header's text must be, its schema says nothing
            case.headers.clear()
    return case


@st.composite
def nearly(draw: st.DrawFn, good: dict[str, Any], body: Any) -> Any:
    """The body as it was drawn, or a good one with a field or two of it."""
    if draw(st.booleans()) or not isinstance(body, dict):
        return body
    taken = draw(st.lists(st.sampled_from([*sorted(body), ""]), max_size=2))
    return {**good, **{name: body[name] for name in taken if name}}


def modes(operation: Any) -> tuple[GenerationMode, ...]:
    """A text in a path cannot be wrong; bodies, queries and headers can."""
    can_be_wrong = operation.body or operation.query or operation.headers
    return tuple(GenerationMode) if can_be_wrong else (GenerationMode.POSITIVE,)


def test_http_answers_as_the_openapi_document_says(
    whole: Whole, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status, content type and body of each answer are documented, and none is a 500."""
    document = schemathesis.openapi.from_url(f"{whole.url}/openapi.json")
    asked: Counter[tuple[str, int]] = Counter()

    def ask(case: Case) -> None:
        answer = case.call(timeout=ANSWER_S)
        asked[case.operation.label, answer.status_code] += 1
        # What else a request must be, such as for a council that is there, no schema says.
        case.validate_response(answer, excluded_checks=[positive_data_acceptance])

    operations = [found.ok() for found in document.get_all_operations()]
    times = 300 if thorough() else 8
    for operation in operations:
        for mode in modes(operation):
            tried(seasoned(operation, mode), times, ask)
        with Client(whole.url) as client:
            refound(client)
    assert {label for label, _ in asked} == {operation.label for operation in operations}
    if thorough():
        tell(asked, capsys)
        assert asked.total() >= ENOUGH_HTTP


def tell(asked: Counter[tuple[str, Any]], capsys: pytest.CaptureFixture[str]) -> None:
    """Say how often what was asked and answered, where it was often."""
    with capsys.disabled():
        print(f"\n{asked.total()} cases")
        for (what, answer), times in sorted(asked.items(), key=str):
            print(f"{times:6} {what}: {answer}")


BODIES = st.one_of(
    st.binary(max_size=64),
    st.sampled_from(
        [b"", b"[" * 50_000, b'{"role":' * 5_000, b'{"role": "DEV", "text": "\\ud800"}', b"null"]
    ),
    st.text(max_size=32).map(lambda text: b'{"role": "DEV", "text": "' + text.encode() + b'"}'),
)


@pytest.mark.parametrize("path", ["/v1/deliberations", "/v1/deliberations/decided/forks"])
def test_bytes_that_are_no_request_are_refused_in_one_line(whole: Whole, path: str) -> None:
    """Whatever they are, a problem document says what is wrong with them, or they are done."""
    with httpx.Client(base_url=whole.url, timeout=ANSWER_S) as http:

        def ask(body: bytes) -> None:
            answer = http.post(path, content=body)
            assert answer.status_code in (200, 400, 409, 413), answer.text
            if answer.is_error:
                assert answer.headers["content-type"] == "application/problem+json"
                assert "\n" not in answer.json()["detail"]

        tried(BODIES, 300 if thorough() else 10, ask)


WORDS = {
    "role": st.sampled_from(ROLES),
    "role_filter": st.sampled_from(ROLES),
    "task_id": st.sampled_from(KNOWN_IDS),
    "policy": st.sampled_from(sorted(POLICIES)),
    "agent_id": st.sampled_from(KNOWN_AGENTS),
    "endpoint": st.sampled_from(["nats", "http://127.0.0.1:9/v1", "gopher://x"]),
}
NUMBERS = st.sampled_from([0, 1, 2, 3, -1, 7, 1000, 2**31 - 1, -(2**31)])
SCALARS: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.TYPE_STRING: st.text(max_size=12),
    FieldDescriptor.TYPE_BOOL: st.booleans(),
    FieldDescriptor.TYPE_DOUBLE: st.floats(),
    FieldDescriptor.TYPE_INT32: NUMBERS,
    FieldDescriptor.TYPE_INT64: NUMBERS | st.sampled_from([2**63 - 1, -(2**63)]),
}
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=5,
)


def structs() -> st.SearchStrategy[Any]:
    """Any JSON object."""
    objects = st.dictionaries(st.text(max_size=4), JSON, max_size=3)
    return objects.map(lambda found: _filled(Struct(), found))


def _filled(struct: Struct, fields: dict[str, Any]) -> Struct:
    struct.update(fields)
    return struct


def messages(kind: Descriptor) -> st.SearchStrategy[Message]:
    """Messages of a type, each field set or not."""
    if kind.full_name == Struct.DESCRIPTOR.full_name:
        return structs()
    fields = {field.name: values(field) for field in kind.fields}
    filled = st.fixed_dictionaries({}, optional=fields)
    return filled.map(lambda found: GetMessageClass(kind)(**found))


def values(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    """What a field may hold."""
    inner = field.message_type
    if inner is not None and inner.GetOptions().map_entry:
        key, value = (values(inner.fields_by_name[name]) for name in ("key", "value"))
        return st.dictionaries(key, value, max_size=2)
    one = SCALARS[field.type] if inner is None else messages(inner)
    one = one | WORDS[field.name] if field.name in WORDS else one
    return st.lists(one, max_size=2) if field.is_repeated else one


GOOD = {"role": "DEV", "task_description": "Clock", "task_id": "decided"}


def requests(kind: Descriptor) -> st.SearchStrategy[Message]:
    """Any request, and such as ask for something that can be done but for a field or two."""
    plain = {name: value for name, value in GOOD.items() if name in kind.fields_by_name}
    field = st.sampled_from(list(kind.fields)) if kind.fields else st.nothing()
    changed = field.flatmap(lambda f: values(f).map(lambda value: {f.name: value}))
    nearly = changed.map(lambda change: GetMessageClass(kind)(**{**plain, **change}))
    return messages(kind) | nearly


def answered(stub: Any, request: Message) -> tuple[StatusCode, str]:
    """The status that a call ends with, and its line."""
    try:
        answer = stub(request, timeout=ANSWER_S)
        if not isinstance(answer, Message):
            list(answer)
    except grpc.RpcError as error:
        return error.code(), error.details()
    return StatusCode.OK, ""


@pytest.fixture(scope="module")
def asked_over_grpc() -> Counter[tuple[str, Any]]:
    """What was asked so far, by rpc and answer."""
    return Counter()


@pytest.mark.parametrize("rpc", sorted(RPCS))
def test_no_message_of_the_contract_is_an_error_of_ours(
    whole: Whole, rpc: str, asked_over_grpc: Counter[tuple[str, Any]]
) -> None:
    """Each request is done or refused by a code that means something, in one line."""
    method = RPCS[rpc]
    with grpc.insecure_channel(whole.target) as channel:
        stub = getattr(channel, "unary_stream" if method.server_streaming else "unary_unary")(
            f"/{method.containing_service.full_name}/{rpc}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=GetMessageClass(method.output_type).FromString,
        )

        def ask(request: Message) -> None:
            code, line = answered(stub, request)
            asked_over_grpc[rpc, code.name] += 1
            assert code not in OURS, line
            assert "\n" not in line

        tried(requests(method.input_type), 400 if thorough() else 12, ask)


def test_thousands_were_asked_over_grpc(
    asked_over_grpc: Counter[tuple[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    """Where that was wanted: of some rpcs there are but a few different requests."""
    if thorough():
        tell(asked_over_grpc, capsys)
        assert asked_over_grpc.total() >= ENOUGH_GRPC
