"""Planning events: honest ones are understood, wrong ones are named, nothing else is raised."""

import json
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.arrival import Arrival
from engine.errors import InvalidEvent
from engine.inbound import IDENTITY
from engine.planning import Plan, PlanApproved, PlanConstraints, plan_approved, said, task_id, tasks

ROLES = ("DEV", "QA", "ARCHITECT", "DEVOPS", "DATA")
PLAN: dict[str, Any] = {
    "story_id": "story-7",
    "plan_id": "plan-9",
    "approved_by": "po@example.org",
    "timestamp": "2026-11-22T14:00:00Z",
    "title": "Refunds",
    "description": "Customers can take an order back.",
    "acceptance_criteria": ["within 30 days", "no second refund"],
    "roles": ["dev", "QA", "Dev"],
}
MAX = 256 * 1024

calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is no fault of the code."""


def arrival(data: bytes | dict[str, Any], **more: Any) -> Arrival:
    """A message on the plan's subject."""
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    place = {"stream": "PLANNING_EVENTS", "seq": 5, "subject": "planning.plan.approved"}
    return Arrival(data=raw, **{**place, **more})


def read(data: bytes | dict[str, Any], **more: Any) -> PlanApproved:
    """The event in a message."""
    return plan_approved(arrival(data, **more), MAX)


def refused(data: bytes | dict[str, Any], roles: tuple[str, ...] = ROLES) -> str:
    """Kind and place of what is wrong with a message."""
    with pytest.raises(InvalidEvent) as caught:
        tasks(read(data), roles)
    return f"{caught.value.kind} at {caught.value.where}"


def enveloped(payload: object = PLAN, **more: object) -> dict[str, Any]:
    """The envelope of the contract around a payload."""
    head = {"event_type": "planning.plan.approved", "idempotency_key": "k", "producer": "planner"}
    return {**head, "correlation_id": "c", "timestamp": "2026-01-01", "payload": payload, **more}


def cloud(data: object = PLAN, **more: object) -> dict[str, Any]:
    """CloudEvents 1.0, structured."""
    head = {"specversion": "1.0", "type": "planning.plan.approved", "source": "/po", "id": "e1"}
    return {**head, "time": "2026-01-01T00:00:00Z", "data": data, **more}


def test_three_shapes_carry_the_same_plan() -> None:
    """Bare, enveloped, CloudEvents: only the identity differs."""
    plans = [read(shape).plan for shape in (PLAN, enveloped(), cloud())]
    assert plans[0] == plans[1] == plans[2]


@pytest.mark.parametrize(
    ("shape", "headers", "identity"),
    [
        (enveloped(), {"Nats-Msg-Id": "m"}, ("planner", "k")),
        (cloud(), {"Nats-Msg-Id": "m"}, ("/po", "e1")),
        (PLAN, {"Nats-Msg-Id": "m"}, ("nats-msg-id:PLANNING_EVENTS", "m")),
        (PLAN, {}, ("nats-seq:PLANNING_EVENTS", "5")),
        (enveloped(idempotency_key=None), {}, ("nats-seq:PLANNING_EVENTS", "5")),
        (enveloped(idempotency_key=""), {"Nats-Msg-Id": "m"}, ("nats-msg-id:PLANNING_EVENTS", "m")),
        (enveloped(idempotency_key=17), {}, ("planner", "17")),
    ],
)
def test_identity_follows_the_contract(
    shape: dict[str, Any], headers: dict[str, str], identity: tuple[str, str]
) -> None:
    """Envelope key and producer, else CloudEvents source and id, else message id, else place."""
    event = read(shape, headers=headers)
    assert (event.source, event.key) == identity


@pytest.mark.parametrize(
    "said", ["{", "k", '["a"]', '["a", 1]', '["\\ud800", "k"]', '["a\\u0000b", "c"]', "[" * 9000]
)
def test_an_identity_that_is_none_is_refused(said: str) -> None:
    """Whoever says who an event is says it in clear text, and so that no other says the same."""
    with pytest.raises(InvalidEvent, match="identity_invalid"):
        read(PLAN, headers={IDENTITY: said})


def test_a_task_per_role_with_all_that_the_plan_says() -> None:
    """Roles in any case, each once; known mistake 3: nothing of the plan is dropped."""
    made = tasks(read({**PLAN, "tasks": [{"n": 1}], "priority": "high"}), ROLES)
    assert [task.role for task in made] == ["DEV", "QA"]
    assert made[0].title == "Refunds"
    assert made[0].text == "Customers can take an order back."
    assert made[0].requirements == ("within 30 days", "no second refund")
    assert made[0].context == {
        "approved_by": "po@example.org",
        "timestamp": "2026-11-22T14:00:00+00:00",
        "tasks": [{"n": 1}],
        "priority": "high",
    }
    assert (made[0].story_id, made[0].plan_id) == ("story-7", "plan-9")


@pytest.mark.parametrize("roles", [[], None, ""])
def test_no_roles_are_all_roles(roles: object) -> None:
    """A plan that names none is for every council there is."""
    assert [task.role for task in tasks(read({**PLAN, "roles": roles}), ROLES)] == list(ROLES)


def test_ids_are_stable_and_differ_by_every_part() -> None:
    """The same event is the same deliberation; no other one is."""
    assert task_id("s", "k", "DEV") == task_id("s", "k", "dev")
    assert task_id("s", "k", "DEV") == "dev-" + sha256(b"s\0k\0DEV").hexdigest()[:32]
    ids = {task_id(*parts) for parts in [("s", "k", "DEV"), ("sk", "", "DEV"), ("s", "k", "QA")]}
    assert len(ids) == 3


def test_text_is_what_there_is() -> None:
    """A plan without description still says what it is."""
    bare = {name: PLAN[name] for name in ("story_id", "plan_id", "approved_by", "timestamp")}
    [task] = tasks(read(bare), ("DEV",))
    assert "plan-9" in task.text
    assert "story-7" in task.text
    assert tasks(read({**bare, "title": "T", "description": " "}), ("DEV",))[0].text == "T"


@pytest.mark.parametrize(
    ("constraints", "rubric", "requirements", "context"),
    [
        (None, "", (), None),
        ("cheap", "", ("cheap",), None),
        (["cheap", "safe"], "", ("cheap", "safe"), None),
        ({"rubric": "R", "requirements": ["a"], "budget": 5}, "R", ("a",), {"budget": 5}),
        ({"rubric": {"security": 2}}, '{"security": 2}', (), None),
    ],
)
def test_constraints_reach_rubric_and_requirements(
    constraints: object, rubric: str, requirements: tuple[str, ...], context: object
) -> None:
    """What they name is used, what they say besides is shown."""
    changed = {"acceptance_criteria": [], "constraints": constraints}
    task = tasks(read({**PLAN, **changed}), ROLES)[0]
    assert (task.rubric, task.requirements) == (rubric, requirements)
    assert task.context.get("constraints") == context


@pytest.mark.parametrize(
    "change",
    [
        {"story_id": 7, "plan_id": 9},
        {"timestamp": 1_795_000_000},
        {"timestamp": "2026-11-22 14:00:00.123456789+01:00"},
        {"roles": "dev, qa"},
        {"title": None, "description": None, "acceptance_criteria": None, "tasks": None},
        {"acceptance_criteria": "one"},
        {"acceptance_criteria": [{"given": "a", "then": "b"}]},
        {"tasks": {"id": 1}},
        {"payload": {"mine": 1}},
        {"correlation_id": {"odd": True}},
        {"model_config": 1, "model_fields": {}, "__class__": "x"},
        {"émoji": "🙂" * 100},
    ],
)
def test_honest_events_are_understood(change: dict[str, Any]) -> None:
    """Known mistake 18, one half: what means something clear is taken."""
    assert tasks(read({**PLAN, **change}), ROLES)


def test_a_byte_order_mark_is_no_fault() -> None:
    """Some editors write it."""
    assert read(b"\xef\xbb\xbf" + json.dumps(PLAN).encode()).plan.plan_id == "plan-9"


@pytest.mark.parametrize("said", ["planning.plan.approved", "PlanApproved", "plan_approved", None])
def test_the_type_may_be_said_in_any_style(said: str | None) -> None:
    """The subject has said it already."""
    assert read(enveloped(event_type=said))
    assert read(cloud(type="org.example.planning.plan.approved.v1"))


TIMELESS = {name: value for name, value in PLAN.items() if name != "timestamp"}


def test_the_time_of_the_wrapping_serves_where_the_plan_has_none() -> None:
    """Else that of the message; only a plan without any time at all lacks one."""
    assert read(enveloped(TIMELESS)).plan.timestamp.year == 2026
    assert read(cloud(TIMELESS)).plan.timestamp.year == 2026
    assert read(TIMELESS, at=86_400.0).plan.timestamp.isoformat() == "1970-01-02T00:00:00+00:00"
    assert refused(TIMELESS) == "missing at payload.timestamp"


def test_a_time_that_stands_in_is_no_part_of_the_task() -> None:
    """An envelope sent again at another time is the same event, and no conflict."""
    first, again = (read(enveloped(TIMELESS, timestamp=f"2026-01-0{n}")) for n in (1, 2))
    assert tasks(first, ROLES) == tasks(again, ROLES)
    assert "timestamp" not in tasks(first, ROLES)[0].context


@pytest.mark.parametrize(
    ("shape", "warned"),
    [
        (PLAN, []),
        (enveloped(), []),
        (cloud(), []),
        ({**PLAN, "story_id": 7}, ["number_for_text at payload.story_id"]),
        ({**PLAN, "approved_by": 1.5}, ["number_for_text at payload.approved_by"]),
        ({**PLAN, "timestamp": 1_795_000_000}, ["number_for_time at payload.timestamp"]),
        ({**PLAN, "roles": "dev, qa"}, ["one_for_list at payload.roles"]),
        ({**PLAN, "tasks": {"id": 1}}, ["one_for_list at payload.tasks"]),
        ({**PLAN, "acceptance_criteria": "a"}, ["one_for_list at payload.acceptance_criteria"]),
        (
            {**PLAN, "acceptance_criteria": [{"given": "a"}]},
            ["object_for_text at payload.acceptance_criteria"],
        ),
        ({**PLAN, "constraints": ["a"]}, ["list_for_constraints at payload.constraints"]),
        (enveloped(producer=None), ["producer_missing at producer"]),
        (enveloped(event_type=None), ["type_missing at event_type"]),
        (enveloped(idempotency_key=""), ["idempotency_key_missing at idempotency_key"]),
        (enveloped(TIMELESS), ["timestamp_missing at payload.timestamp"]),
        (cloud(type=None), ["type_missing at type"]),
        (cloud(specversion="0.3"), ["unknown_version at specversion"]),
        ({**PLAN, "unknown": {"kept": True}}, []),
    ],
)
def test_what_had_to_be_understood_is_warned_of(shape: dict[str, Any], warned: list[str]) -> None:
    """The middle tier: taken, and the sender can be told what to mend; honest events warn not."""
    assert [f"{kind} at {where}" for kind, where in read(shape).warnings] == warned


@pytest.mark.parametrize("name", ["story_id", "plan_id", "approved_by"])
@pytest.mark.parametrize("shape", [dict, enveloped, cloud])
def test_required_fields_are_required_in_every_shape(name: str, shape: Any) -> None:
    """A missing one is named by the same path whatever is around it."""
    lacking = {key: value for key, value in PLAN.items() if key != name}
    assert refused(shape(lacking)) == f"missing at payload.{name}"


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"plan_id": ""}, "string_too_short at payload.plan_id"),
        ({"plan_id": "  "}, "string_too_short at payload.plan_id"),
        ({"plan_id": "x" * 5000}, "string_too_long at payload.plan_id"),
        ({"plan_id": True}, "string_type at payload.plan_id"),
        ({"story_id": ["s"]}, "string_type at payload.story_id"),
        ({"approved_by": True}, "string_type at payload.approved_by"),
        ({"approved_by": {"n": 1}}, "string_type at payload.approved_by"),
        ({"timestamp": True}, "datetime_type at payload.timestamp"),
        ({"timestamp": "yesterday"}, "datetime_from_date_parsing at payload.timestamp"),
        ({"timestamp": {}}, "datetime_type at payload.timestamp"),
        ({"title": ["a"]}, "string_type at payload.title"),
        ({"description": True}, "string_type at payload.description"),
        ({"roles": {"dev": 1}}, "tuple_type at payload.roles"),
        ({"roles": 5}, "tuple_type at payload.roles"),
        ({"roles": ["dev", 5]}, "string_type at payload.roles[1]"),
        ({"roles": ["dev", "qa", "cook"]}, "unknown_role at payload.roles[2]"),
        ({"roles": ["dev", ""]}, "unknown_role at payload.roles[1]"),
        ({"acceptance_criteria": [True]}, "string_type at payload.acceptance_criteria[0]"),
        ({"tasks": 5}, "tuple_type at payload.tasks"),
        ({"constraints": 5}, "model_type at payload.constraints"),
        ({"constraints": False}, "model_type at payload.constraints"),
        ({"constraints": {"rubric": True}}, "string_type at payload.constraints.rubric"),
        ({"note": "a\0b"}, "nul_character at payload.note"),
        ({"note": [{"deep": "\0"}]}, "nul_character at payload.note[0].deep"),
    ],
)
def test_wrong_types_are_named(change: dict[str, Any], fault: str) -> None:
    """Known mistake 18, the other half: what cannot be meant is refused, with kind and place."""
    assert refused({**PLAN, **change}) == fault


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "json_invalid at event"),
        (b"{", "json_invalid at event"),
        (b"hello", "json_invalid at event"),
        (b"[1]", "dict_type at event"),
        (b"null", "dict_type at event"),
        (b'{"a": NaN}', "json_invalid at event"),
        (b'{"a": -Infinity}', "json_invalid at event"),
        (b'{"a": [1e999]}', "finite_number at payload.a[0]"),
        (b'{"a": "\\ud800"}', "json_invalid at event"),
        (b'{"a": "\xff"}', "json_invalid at event"),
        (b'{"a": {"b": 1, "b": 2}}', "duplicate_key at payload.a.b"),
        (b'{"a": ' + b"9" * 5000 + b"}", "json_invalid at event"),
        (b'{"a":' * 50_000, "json_invalid at event"),
        (b'{"a":' + b"[" * 50 + b"]" * 50 + b"}", "too_deep at payload.a" + "[0]" * 31),
        (b"[" * 200_000 + b"]" * 200_000, "too_large at event"),
        (b" " * (MAX + 1), "too_large at event"),
    ],
)
def test_what_is_no_event_is_named(data: bytes, fault: str) -> None:
    """What other parsers die of, or let in, is an ordinary fault."""
    assert refused(data) == fault


@pytest.mark.parametrize(
    ("shape", "fault"),
    [
        (enveloped([PLAN]), "dict_type at payload"),
        (enveloped("text"), "dict_type at payload"),
        (enveloped(event_type="story.transitioned"), "unknown_type at event_type"),
        (enveloped(idempotency_key=["k"]), "string_type at idempotency_key"),
        (enveloped(producer=True), "string_type at producer"),
        (cloud(None), "dict_type at payload"),
        (cloud({**PLAN, "note": "\0"}), "nul_character at payload.note"),
        (cloud({**PLAN, "plan_id": 1.5e300, "roles": ["x"]}), "unknown_role at payload.roles[0]"),
        (enveloped({**PLAN, "note": "\0"}), "nul_character at payload.note"),
        (enveloped(note="\0"), "nul_character at note"),
        (cloud(id=""), "missing at id"),
        (cloud(source=None), "missing at source"),
        (cloud(type="plan.approved.v2"), "unknown_type at type"),
    ],
)
def test_wrong_wrappings_are_named(shape: dict[str, Any], fault: str) -> None:
    """The identity is never guessed from something of another type."""
    assert refused(shape) == fault


def test_an_unknown_role_names_the_known_ones() -> None:
    """The remedy is in the message."""
    with pytest.raises(InvalidEvent, match="known: DEV, QA, ARCHITECT, DEVOPS, DATA"):
        tasks(read({**PLAN, "roles": ["cook"]}), ROLES)


def attempt(data: bytes, headers: dict[str, str] | None = None) -> None:
    """Read an event; only InvalidEvent may come of it."""
    try:
        for task in tasks(read(data, headers=headers or {}), ROLES):
            assert type(task).model_validate_json(task.model_dump_json()) == task
    except InvalidEvent as error:
        assert all((error.kind, error.where, error.what))  # noqa: PT017 - only if it is raised


@calm
@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    """Whatever arrives becomes tasks or one InvalidEvent."""
    attempt(data)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
fields = st.sampled_from(
    [*PLAN, "tasks", "constraints", "payload", "specversion", "event_type", "x"]
)


@calm
@given(
    st.dictionaries(fields, values, max_size=4),
    st.sampled_from([dict, enveloped, cloud]),
    st.dictionaries(fields, values, max_size=2),
)
def test_no_values_raise_anything_else(
    change: dict[str, Any],
    shape: Any,
    around: dict[str, Any],
) -> None:
    """Any values in any fields of any shape become tasks or one InvalidEvent."""
    attempt(json.dumps({**shape({**PLAN, **change}), **around}).encode())


@calm
@given(st.text(st.characters(), max_size=20))
def test_any_message_id_makes_a_task_id(message_id: str) -> None:
    """A hostile id is hashed, never used."""
    [task, *_] = tasks(read(PLAN, headers={"Nats-Msg-Id": message_id}), ROLES)
    assert task.id.startswith("dev-")
    assert len(task.id) == len("dev-") + 32
    assert task.id.isascii()


parts = st.text(st.characters(exclude_characters="\0"), max_size=3)


@calm
@given(st.tuples(parts, parts), st.tuples(parts, parts))
def test_only_equal_identities_share_a_task(a: tuple[str, str], b: tuple[str, str]) -> None:
    """Nothing in a source can pass for a part of a key: NUL is refused in both."""
    same = task_id(*a, "DEV") == task_id(*b, "DEV")
    assert same == (a == b)


class LaterConstraints(PlanConstraints):
    """What a plan's constraints may name one day."""

    language: str = ""


class LaterPlan(Plan):
    """A plan as it may be one day."""

    urgency: int = 3
    constraints: LaterConstraints = LaterConstraints()


def test_what_a_plan_says_outlives_fields_that_plans_get_later() -> None:
    """An event of before is no other one for them, and one that sets them is."""
    event = read(PLAN | {"kept": {"a": 1}, "constraints": {"rubric": "R", "budget": 5}})
    of_before = event.plan.model_dump(mode="json")
    assert json.loads(said(event)) == of_before
    assert {"kept", "title", "tasks"} <= of_before.keys()
    assert of_before["constraints"] == {"rubric": "R", "requirements": [], "budget": 5}
    later = LaterPlan.model_validate(of_before)
    assert said(event.model_copy(update={"plan": later})) == said(event)
    for more in ({"urgency": 3}, {"constraints": {"language": ""}}):
        other = LaterPlan.model_validate(of_before | more)
        assert said(event.model_copy(update={"plan": other})) != said(event)
