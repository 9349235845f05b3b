"""What may stand where in manifests, rule by rule; knows nothing of how their parts fit together.

Each rule tells the faults of a set of documents, a line each.
"""

import json
from pathlib import Path
from typing import Any

import kubernetes_validate
from manifests import Doc, Faults, named, of_kind, pods, serve_configs
from pydantic import ValidationError
from ray.serve.schema import ServeDeploySchema

from edges.rpcs import SERVICER
from engine.config import Config

KUBERNETES = "1.30"
"""The oldest that is meant to take them."""
DEPLOYMENTS = ("Edge", "Supervisor")
KEYS = json.loads((Path(__file__).parent / "ray_keys.json").read_text())
"""What KubeRay takes; tools/ray_keys.py says how to read it."""
TYPES: dict[str, Any] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "integer or string": (int, str),
    "object": dict,
    "PodTemplate": dict,
    "Service": dict,
}


def core_kinds(docs: list[Doc]) -> Faults:
    """What Kubernetes itself defines has only keys that it knows, of their types."""
    for doc in docs:
        if not doc["apiVersion"].startswith("ray.io/"):
            yield from _core(named(doc), doc)
    for pod in pods(docs):
        if pod.name.startswith("Ray"):
            labels = {"name": "x", "labels": pod.labels}
            whole = {"apiVersion": "v1", "kind": "Pod", "metadata": labels, "spec": pod.spec}
            yield from _core(pod.name, whole)
    for doc in of_kind(docs, "RayService"):
        service = {"apiVersion": "v1", "kind": "Service", **doc["spec"]["serveService"]}
        yield from _core(f"{named(doc)} serveService", service)


def _core(name: str, doc: Doc) -> Faults:
    try:
        kubernetes_validate.validate(doc, KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        place = ".".join(map(str, error.path))
        yield f"{name}: {place}: {error.message[:120]}"
    except kubernetes_validate.SchemaNotFoundError as error:
        yield f"{name}: {error.message}"


def ray_kinds(docs: list[Doc]) -> Faults:
    """What KubeRay defines has only keys that it knows, of their types, and all it needs."""
    for doc in docs:
        if doc["apiVersion"].startswith("ray.io/"):
            if doc["apiVersion"] != "ray.io/v1" or doc["kind"] not in KEYS:
                yield f"{named(doc)}: {doc['apiVersion']} {doc['kind']} is not known"
            else:
                yield from _fits(f"{named(doc)} spec", doc["spec"], KEYS[doc["kind"]])


def _fits(where: str, node: Any, known: Any) -> Faults:
    known = KEYS.get(known, known) if isinstance(known, str) else known
    if isinstance(known, str):
        if not _is(node, known):
            yield f"{where} is {node!r}, not: {known}"
    elif isinstance(known, list):
        if not isinstance(node, list):
            yield f"{where} is no list"
        else:
            for place, each in enumerate(node):
                yield from _fits(f"{where}.{place}", each, known[0])
    elif not isinstance(node, dict):
        yield f"{where} is no mapping"
    else:
        yield from _fits_keys(where, node, known)


def _fits_keys(where: str, node: Doc, known: Doc) -> Faults:
    may = {name.rstrip("*"): found for name, found in known.items()}
    for name in known:
        if name.endswith("*") and name.rstrip("*") not in node:
            yield f"{where}.{name.rstrip('*')} is missing"
    for name, value in node.items():
        if name in may or "" in may:
            yield from _fits(f"{where}.{name}", value, may.get(name, may.get("")))
        else:
            yield f"{where}.{name} is not known"


def _is(value: Any, known: str) -> bool:
    if known not in TYPES:
        return value in known.split("|")
    return isinstance(value, TYPES[known]) and (known == "boolean" or not isinstance(value, bool))


def serving(docs: list[Doc]) -> Faults:
    """Serve takes each of its configs whole: it passes over keys that it does not know."""
    for where, config, _cluster in serve_configs(docs):
        try:
            kept = ServeDeploySchema.model_validate(config).model_dump(exclude_unset=True)
        except ValidationError as error:
            yield from _told(where, error)
        else:
            yield from _dropped(f"{where} serve", config, kept)
        if config.get("grpc_options", {}).get("grpc_servicer_functions", [SERVICER]) != [SERVICER]:
            yield f"{where}: serves other rpcs than {SERVICER}"


def _dropped(where: str, given: Any, kept: Any) -> Faults:
    """The keys of what was given that were not kept."""
    if isinstance(given, dict) and isinstance(kept, dict):
        for name, value in given.items():
            if name not in kept:
                yield f"{where}.{name} is not known"
            else:
                yield from _dropped(f"{where}.{name}", value, kept[name])
    elif isinstance(given, list):
        for place, (ours, theirs) in enumerate(zip(given, kept, strict=True)):
            yield from _dropped(f"{where}.{place}", ours, theirs)


def application(docs: list[Doc]) -> Faults:
    """It is ours, its `args` are a configuration, and no deployment of it can sit on the head."""
    for where, config, _cluster in serve_configs(docs):
        (ours,) = config["applications"]
        if ours["import_path"] != "serve_app:build":
            yield f"{where}: {ours['import_path']} is not ours"
        for deployment in ours.get("deployments", ()):
            name = deployment["name"]
            if name not in DEPLOYMENTS:
                yield f"{where}: we have no deployment {name}"
            if not deployment.get("ray_actor_options", {}).get("num_cpus"):
                yield f"{where}: {name} takes no CPU, so it may sit on the head"
        try:
            Config.model_validate(ours["args"])
        except ValidationError as error:
            yield from _told(f"{where} args", error)


def _told(where: str, error: ValidationError) -> Faults:
    for each in error.errors():
        yield f"{where}.{'.'.join(map(str, each['loc']))}: {each['msg']}"
