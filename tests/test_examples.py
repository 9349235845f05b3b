"""Claims about the files in examples/: they are what the README says they are."""

import re
from pathlib import Path

import pytest
import yaml

from edges.rpcs import SERVICER
from engine.arrival import Arrival
from engine.config import Config
from engine.options import Rule
from engine.planning import SUBJECT, plan_approved, tasks

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def test_the_plan_is_a_task_for_each_of_five_roles() -> None:
    """Everything of it reaches the tasks: title, text, criteria, rubric and extra fields."""
    data = (EXAMPLES / "plan-approved.json").read_bytes()
    event = plan_approved(Arrival("PLANNING_EVENTS", 1, SUBJECT, data), 256 * 1024)
    made = tasks(event, ("ARCHITECT", "DATA", "DEV", "DEVOPS", "QA"))
    assert [task.role for task in made] == ["DEV", "QA", "ARCHITECT", "DEVOPS", "DATA"]
    assert len(made[0].requirements) == 6
    assert made[0].rubric
    assert made[0].context["incident"] == "INC-2291"


def test_the_gpu_example_is_a_whole_configuration() -> None:
    """Serve's file names our application, and its arguments are a valid configuration."""
    whole = yaml.safe_load((EXAMPLES / "gpu.yaml").read_text())
    (application,) = whole["applications"]
    assert application["import_path"] == "serve_app:build"
    assert whole["grpc_options"] == {"port": 9000, "grpc_servicer_functions": [SERVICER]}
    config = Config.model_validate(application["args"])
    assert config.pools["qwen"].gpus == 1
    assert len(config.councils) == 5


def test_the_gpu_example_shows_a_council_that_works() -> None:
    """Without its comment signs it is a council with options of its own."""
    text = (EXAMPLES / "gpu.yaml").read_text()
    shown = re.sub(r"^      # (councils:|  )", r"      \1", text, flags=re.MULTILINE)
    assert shown != text
    (application,) = yaml.safe_load(shown)["applications"]
    seated = Config.model_validate(application["args"]).council("DEV")
    assert seated is not None
    assert (seated.tally, seated.early, seated.token_budget) == (Rule.SCHULZE, True, 20_000)


@pytest.mark.parametrize(
    "name", ["http.sh", "stream.py", "openai_chat.py", "client.py", "async_client.py"]
)
def test_the_page_of_all_doors_shows_the_example_as_it_is(name: str) -> None:
    """Its text stands there whole."""
    page = (EXAMPLES.parent / "docs" / "api.md").read_text()
    assert f"\n{(EXAMPLES / name).read_text()}```\n" in page
