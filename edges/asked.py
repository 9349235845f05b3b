"""What a client may ask for, checked once for every door; knows nothing of HTTP or gRPC."""

from __future__ import annotations

import hashlib
import inspect
import json
import uuid
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, Field, JsonValue, StringConstraints, ValidationError

from engine.arrival import check_values
from engine.caps import check_caps, check_id, council_of, within_iterations
from engine.config import Config
from engine.data import Data
from engine.errors import InvalidEvent, InvalidRequest, TooLarge
from engine.options import Options
from engine.policies import POLICIES, settle
from engine.types import Council, Task

Kind = TypeVar("Kind", bound=Data)

MOST_DIGITS = 12
LONGEST_KEY = 512
"""Characters of an idempotency key, at every door."""


class DeliberationRequest(Options):
    """What a client asks. An empty `task_id` gets one; the same one is the same deliberation.

    What is known of the story `story_id` is shown to the agents.

    `max_iterations` caps the rounds, also the council's own. `timeout_seconds` is the time in
    which the decision must be there. What is said of Options holds for all other fields that say
    how to deliberate.
    """

    role: str = Field(min_length=1, max_length=32)
    text: str = Field(min_length=1)
    task_id: str = Field(default="", max_length=200)
    title: str = ""
    rubric: str = ""
    requirements: tuple[str, ...] = ()
    context: dict[str, JsonValue] = Field(default_factory=dict)
    story_id: Annotated[str, StringConstraints(strip_whitespace=True, max_length=512)] = ""
    max_iterations: int | None = Field(default=None, ge=0)
    timeout_seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False)

    def task(self, config: Config, key: str = "") -> Task:
        """The task of this request; InvalidRequest or TooLarge where this server cannot do it.

        The same idempotency `key` gives the same id; a `task_id` is a key already.
        """
        council = council_of(self.role, config)
        if not self.text.strip():
            raise InvalidRequest("text", "is empty; say what the council is to do")
        size, most = len(self._written()), config.bus.max_event_bytes
        if size > most:
            raise too_large(size, most)
        options = self._options(council)
        check_caps(settle(options, council), council, config)
        return Task(
            id=identity(self.task_id, key),
            role=council.role,
            text=self.text,
            title=self.title,
            rubric=self.rubric,
            requirements=self.requirements,
            context=self.context,
            timeout_s=self.timeout_seconds,
            story_id=self.story_id,
            **dict(options),
        )

    def _options(self, council: Council) -> Options:
        """The options that are set, the rounds within `max_iterations`."""
        options = Options(**{name: getattr(self, name) for name in Options.model_fields})
        return within_iterations(options, council, self.max_iterations)

    def _written(self) -> bytes:
        """As the journal must be able to keep it: Python reads more than JSON can say."""
        try:
            check_values(self.model_dump(mode="json"), "")
            return json.dumps(self.model_dump(), allow_nan=False, ensure_ascii=False).encode()
        except InvalidEvent as error:
            raise InvalidRequest(error.where, error.what) from error
        except ValueError as error:
            raise InvalidRequest("context", f"cannot be kept as JSON: {error}") from error


def identity(task_id: str, key: str) -> str:
    """The id that a request names itself, or by an idempotency key; a new one for neither."""
    if task_id and key:
        raise InvalidRequest("task_id", "is an idempotency key already; send one of the two")
    check_id(task_id)
    if key:
        return f"key-{hashlib.sha256(key.encode()).hexdigest()[:32]}"
    return task_id or str(uuid.uuid4())


def request_schema() -> dict[str, Any]:
    """The request as JSON Schema with nothing beside it, to be put anywhere into a document.

    What the options mean is said with them.
    """
    schema = standing_alone(DeliberationRequest)
    about = (inspect.getdoc(kind) or "" for kind in (DeliberationRequest, Options))
    policies = "\n".join(f"- `{policy.name}`: {policy.about}" for policy in POLICIES.values())
    said = "\n\n".join((*about, "`policy` is one of:", policies))
    return {**schema, "description": said}


def standing_alone(kind: type[BaseModel]) -> dict[str, Any]:
    """The JSON Schema of a kind of data, with no reference to what stands elsewhere."""
    schema = kind.model_json_schema()
    found: dict[str, Any] = _whole(schema, schema.pop("$defs", {}))
    return found


def _whole(schema: Any, parts: dict[str, Any]) -> Any:
    """A schema with each reference replaced by the part that it names."""
    if isinstance(schema, list):
        return [_whole(each, parts) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _whole(parts[schema["$ref"].rpartition("/")[2]], parts)
    return {name: _whole(value, parts) for name, value in schema.items()}


def read_as(kind: type[Kind], body: bytes) -> Kind:
    """A request out of JSON; InvalidRequest names the first field that is wrong."""
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        raise invalid(error) from error


def invalid(error: ValidationError) -> InvalidRequest:
    """The first thing wrong, as the field and what is the matter with it."""
    first = error.errors(include_url=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return InvalidRequest("body", f"is no JSON: {first['ctx']['error']}")
    where = ".".join(str(part) for part in first["loc"]) or "body"
    return InvalidRequest(where, first["msg"])


def too_large(size: int, most: int) -> TooLarge:
    """The refusal of a request of so many bytes."""
    return TooLarge("body", f"{size} bytes are over this server's cap of {most}")


def seconds(timeout_ms: str) -> float | None:
    """What `x-timeout-ms` says, in seconds; None where it is not sent."""
    if not timeout_ms:
        return None
    plain = timeout_ms.isascii() and timeout_ms.isdigit() and len(timeout_ms) <= MOST_DIGITS
    if not plain or int(timeout_ms) == 0:
        raise InvalidRequest("x-timeout-ms", f"{timeout_ms[:40]!r} is no number of milliseconds")
    return int(timeout_ms) / 1000
