"""The documents of Kubernetes manifests and what is asked of them in many places; judges nothing."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).resolve().parent.parent
Doc = dict[str, Any]

WHOLE = ROOT / "ray-cluster.yaml"
DEPLOY = ROOT / "deploy"
TOGETHER = {
    "gpu": (WHOLE,),
    "cpu": (WHOLE, DEPLOY / "cpu-only.yaml"),
    "acceptance": (WHOLE, DEPLOY / "acceptance-job.yaml"),
    "batch": (WHOLE, DEPLOY / "batch-job.yaml"),
}
"""What is applied together: each set is whole."""

RAY = {"RayService": "rayClusterConfig", "RayJob": "rayClusterSpec"}
OWNERS = ("StatefulSet", "Job", "Deployment")


class Pod(NamedTuple):
    """A pod as a document of ours describes it; `claims` are those that are made with it."""

    name: str
    labels: dict[str, str]
    spec: Doc
    claims: tuple[str, ...] = ()


def documents(*paths: Path) -> list[Doc]:
    """All documents of the files; with the CPUs' form that of the GPUs is left out."""
    found = [doc for path in paths for doc in yaml.safe_load_all(path.read_text()) if doc]
    form = "cpu" if any(_hardware(doc) == "cpu" for doc in found) else "gpu"
    return [doc for doc in found if _hardware(doc) in ("", form)]


def _hardware(doc: Doc) -> str:
    return str(doc["metadata"].get("labels", {}).get("hardware", ""))


def of_kind(docs: list[Doc], *kinds: str) -> list[Doc]:
    """The documents of some kinds."""
    return [doc for doc in docs if doc["kind"] in kinds]


def named(doc: Doc) -> str:
    """How a document is called in a fault."""
    return f"{doc['kind']}/{doc['metadata']['name']}"


def clusters(docs: list[Doc]) -> Iterator[tuple[str, Doc]]:
    """Each Ray cluster, and who asks for it."""
    for doc in of_kind(docs, *RAY):
        yield named(doc), doc["spec"][RAY[doc["kind"]]]


def groups(cluster: Doc) -> Iterator[tuple[str, Doc]]:
    """The head and the groups of workers."""
    yield "head", cluster["headGroupSpec"]
    for group in cluster["workerGroupSpecs"]:
        yield group["groupName"], group


def pods(docs: list[Doc]) -> Iterator[Pod]:
    """Each kind of pod that there will be."""
    for doc in of_kind(docs, *OWNERS):
        made = [claim["metadata"]["name"] for claim in doc["spec"].get("volumeClaimTemplates", ())]
        yield _pod(named(doc), doc["spec"]["template"], tuple(made))
    for who, cluster in clusters(docs):
        for name, group in groups(cluster):
            yield _pod(f"{who} {name}", group["template"])
    for doc in of_kind(docs, "RayJob"):
        yield _pod(f"{named(doc)} submitter", doc["spec"]["submitterPodTemplate"])


def _pod(name: str, template: Doc, claims: tuple[str, ...] = ()) -> Pod:
    return Pod(name, template["metadata"].get("labels", {}), template["spec"], claims)


def serve_configs(docs: list[Doc]) -> Iterator[tuple[str, Doc]]:
    """Each Serve config, and where it stands."""
    for doc in of_kind(docs, "RayService"):
        yield named(doc), yaml.safe_load(doc["spec"]["serveConfigV2"])
    for doc in of_kind(docs, "ConfigMap"):
        for name, text in doc["data"].items():
            if name.endswith(".yaml"):
                yield f"{named(doc)} {name}", yaml.safe_load(text)


def environment(container: Doc) -> dict[str, Any]:
    """A container's variables: a text, or the mapping that says where it comes from."""
    return {
        each["name"]: each.get("value", each.get("valueFrom")) for each in container.get("env", ())
    }


def the(docs: list[Doc], kind: str, name: str) -> Doc:
    """The one document of a kind and a name."""
    (found,) = (doc for doc in of_kind(docs, kind) if doc["metadata"]["name"] == name)
    return found


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


def seconds(text: str) -> float:
    """A time of nats-server's: 30s, 2m."""
    match = re.fullmatch(r"(\d+)(s|m)", text)
    assert match is not None, text
    return int(match[1]) * {"s": 1, "m": 60}[match[2]]
