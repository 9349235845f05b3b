"""The documents of Kubernetes manifests, and what many ask of them; judges nothing."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).resolve().parent.parent
WHOLE = ROOT / "ray-cluster.yaml"
DEPLOY = ROOT / "deploy"
TOGETHER = {
    "gpu": (WHOLE,),
    "cpu": (WHOLE, DEPLOY / "cpu-only.yaml"),
    "acceptance": (WHOLE, DEPLOY / "acceptance-job.yaml"),
    "batch": (WHOLE, DEPLOY / "batch-data.yaml", DEPLOY / "batch-job.yaml"),
}
"""What is applied together: each set is whole."""
CLUSTER = {"RayService": "rayClusterConfig", "RayJob": "rayClusterSpec"}
"""The key under which each kind has its Ray cluster."""
OWNERS = ("StatefulSet", "Job", "Deployment")

Doc = dict[str, Any]
Faults = Iterator[str]
"""What a rule finds, a line each."""


class Pod(NamedTuple):
    """A pod as a document of ours describes it; `claims` are those that are made with it."""

    name: str
    labels: dict[str, str]
    spec: Doc
    claims: tuple[str, ...] = ()

    @property
    def called(self) -> str:
        """What selectors know it by."""
        return self.labels.get("app.kubernetes.io/name", "")

    @property
    def ports(self) -> dict[str, int]:
        """Where it listens, by name."""
        return ports_of(self.spec)


def text_of(together: str) -> str:
    """The text of all that is applied together."""
    return "\n---\n".join(path.read_text() for path in TOGETHER[together])


@cache
def documents(text: str) -> list[Doc]:
    """All documents of a text; with the form for CPUs, the form for GPUs is left out."""
    found = [doc for doc in yaml.load_all(text, Loader=yaml.CSafeLoader) if doc]
    form = "cpu" if any(_hardware(doc) == "cpu" for doc in found) else "gpu"
    return [doc for doc in found if _hardware(doc) in ("", form)]


def _hardware(doc: Doc) -> str:
    return str(doc["metadata"].get("labels", {}).get("hardware", ""))


def of_kind(docs: list[Doc], *kinds: str) -> list[Doc]:
    """The documents of some kinds."""
    return [doc for doc in docs if doc["kind"] in kinds]


def the(docs: list[Doc], kind: str, name: str) -> Doc:
    """The one document of a kind and a name."""
    (found,) = (doc for doc in of_kind(docs, kind) if doc["metadata"]["name"] == name)
    return found


def named(doc: Doc) -> str:
    """How a document is called in a fault."""
    return f"{doc['kind']}/{doc['metadata']['name']}"


def clusters(docs: list[Doc]) -> Iterator[tuple[str, Doc]]:
    """Each Ray cluster, and who asks for it."""
    for doc in of_kind(docs, *CLUSTER):
        yield named(doc), doc["spec"][CLUSTER[doc["kind"]]]


def groups(docs: list[Doc]) -> Iterator[tuple[str, Doc]]:
    """The head and the groups of workers of each Ray cluster."""
    for who, cluster in clusters(docs):
        yield f"{who} head", cluster["headGroupSpec"]
        for group in cluster["workerGroupSpecs"]:
            yield f"{who} {group['groupName']}", group


def pods(docs: list[Doc]) -> Iterator[Pod]:
    """Each kind of pod that there will be."""
    for doc in of_kind(docs, *OWNERS):
        made = [claim["metadata"]["name"] for claim in doc["spec"].get("volumeClaimTemplates", ())]
        yield _pod(named(doc), doc["spec"]["template"], tuple(made))
    for doc in of_kind(docs, "Pod"):
        yield _pod(named(doc), doc)
    for who, group in groups(docs):
        yield _pod(who, group["template"])
    for doc in of_kind(docs, "RayJob"):
        yield _pod(f"{named(doc)} submitter", doc["spec"]["submitterPodTemplate"])


def _pod(name: str, template: Doc, claims: tuple[str, ...] = ()) -> Pod:
    return Pod(name, template["metadata"].get("labels", {}), template["spec"], claims)


def containers(docs: list[Doc]) -> Iterator[tuple[Pod, Doc]]:
    """Each container, with its pod."""
    for pod in pods(docs):
        yield from ((pod, container) for container in pod.spec["containers"])


def serve_configs(docs: list[Doc]) -> Iterator[tuple[str, Doc, Doc]]:
    """Each Serve config: where it stands, itself, and the cluster it is for."""
    for doc in of_kind(docs, "RayService"):
        config = yaml.safe_load(doc["spec"]["serveConfigV2"])
        yield named(doc), config, doc["spec"]["rayClusterConfig"]
    for doc in of_kind(docs, "RayJob"):
        text = the(docs, "ConfigMap", doc["metadata"]["name"])["data"]["serve.yaml"]
        yield named(doc), yaml.safe_load(text), doc["spec"]["rayClusterSpec"]


def environment(container: Doc) -> dict[str, Any]:
    """A container's variables: a text, or the mapping that says where it comes from."""
    return {
        each["name"]: each.get("value", each.get("valueFrom")) for each in container.get("env", ())
    }


def ports_of(spec: Doc) -> dict[str, int]:
    """Where a pod listens, by name."""
    every = [port for container in spec["containers"] for port in container.get("ports", ())]
    return {port["name"]: port["containerPort"] for port in every}


def references(node: Any, key: str) -> Iterator[Any]:
    """Whatever stands under a key, anywhere."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name == key:
                yield value
            yield from references(value, key)
    elif isinstance(node, list):
        for value in node:
            yield from references(value, key)


def nats_conf(docs: list[Doc]) -> str:
    """The configuration of the NATS servers."""
    found: str = the(docs, "ConfigMap", "conclave-nats")["data"]["nats-server.conf"]
    return found


def nats_seconds(docs: list[Doc], setting: str) -> int:
    """A time of that configuration: 30s, 2m."""
    found = re.search(rf"^\s*{setting}: (\d+)(s|m)$", nats_conf(docs), re.MULTILINE)
    assert found is not None, setting
    return int(found[1]) * {"s": 1, "m": 60}[found[2]]
