"""Joining a real Ray cluster that runs already: it is left as it was found."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import Cluster, ray_head

pytestmark = [pytest.mark.ray, pytest.mark.timeout(180)]

ROOT = Path(__file__).resolve().parent.parent

ACTORS = """
import ray
class Lasting:
    def ready(self):
        return True
def lasting(name, namespace):
    options = {"name": name, "namespace": namespace, "lifetime": "detached", "num_cpus": 0}
    actor = ray.remote(Lasting).options(**options).remote()
    assert ray.get(actor.ready.remote())
"""
WORK = f"""{ACTORS}
from commands.cluster import joined
with joined(ADDRESS) as gcs:
    lasting("conclave:bridge:1", "conclave")
    lasting("conclave:agent:small:0:1", "conclave")
    lasting("conclave:agent:theirs", "elsewhere")
    lasting("theirs", "conclave")
    print("working at", gcs)
"""
LOOK = """
import logging, ray
ray.init(address=ADDRESS, log_to_driver=False, logging_level=logging.ERROR)
print(sorted(actor["name"] for actor in ray.util.list_named_actors(all_namespaces=True)))
"""
SERVE = """
from commands.cluster import joined
from engine.errors import SetupError
import ray
ray.init(address=ADDRESS, log_to_driver=False)
from ray import serve
serve.start(proxy_location="Disabled")
ray.shutdown()
try:
    with joined(ADDRESS):
        print("joined")
except SetupError as error:
    print(error)
"""


@pytest.fixture(scope="module")
def head() -> Iterator[Cluster]:
    with ray_head() as cluster:
        yield cluster


def run(script: str, head: Cluster, **environment: str) -> str:
    """What a driver of its own says."""
    code = f"ADDRESS = {head.address!r}\n{script}"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=head.environment | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_what_was_made_is_gone_and_nothing_else(head: Cluster) -> None:
    """Our actors end with the joining; those of others, whatever they are called, stay."""
    assert run(WORK, head).startswith("working at ")
    assert run(LOOK, head) == "['conclave:agent:theirs', 'theirs']"


def test_a_wrong_token_is_said_in_seconds(head: Cluster) -> None:
    """With what to set; Ray's own complaints are kept back."""
    script = """
from commands.cluster import joined
from engine.errors import SetupError
try:
    with joined(ADDRESS):
        print("joined")
except SetupError as error:
    print(error)
"""
    said = run(script, head, RAY_AUTH_TOKEN="0" * 64)
    assert said == (
        f"The Ray cluster at {head.address} cannot be joined (it asks for a token). "
        "Set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN to the token of the cluster"
    )


def test_a_cluster_in_which_serve_runs_is_left_alone(head: Cluster) -> None:
    """Its ports and applications are another one's."""
    assert "Serve runs in this cluster already" in run(SERVE, head)
