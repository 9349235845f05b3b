"""Who may speak to whom, and who is evicted when, rule by rule; knows nothing of what is said.

Each rule tells the faults of a set of documents, a line each.
"""

import json
from collections.abc import Iterator

from manifests import TOGETHER, Doc, Faults, documents, named, of_kind, pods, references, text_of

STRANGERS = (
    {"conclave-client": "true"},
    {"conclave-bus": "true"},
    {"app.kubernetes.io/name": "kuberay-operator"},
)
"""The labels of pods that are not ours."""


def selectors(docs: list[Doc]) -> Faults:
    """Every selector finds pods, and names nobody whom no manifest has."""
    labels = [pod.labels for pod in pods(docs)]
    everybody = {value for each in (*_every_label(), *STRANGERS) for value in each.values()}
    for doc in of_kind(docs, "NetworkPolicy", "PodDisruptionBudget", "Service", "StatefulSet"):
        for selector in _selectors(doc):
            if not any(selects(selector, each) for each in (*labels, *STRANGERS)):
                yield f"{named(doc)}: {json.dumps(selector)} finds no pod"
            for value in _values(selector):
                if value not in everybody:
                    yield f"{named(doc)}: nobody is called {value}"


def policies(docs: list[Doc]) -> Faults:
    """Nothing goes in or out that no policy names; each pod but a bare one is let speak by one."""
    found = of_kind(docs, "NetworkPolicy")
    if not any(_refuses_all(doc) for doc in found):
        yield "no NetworkPolicy refuses what the others do not name"
    for pod in (each for each in pods(docs) if not each.name.startswith("Pod/")):
        chosen = [doc["spec"]["podSelector"] for doc in found if doc["spec"]["podSelector"]]
        if not any(selects(selector, pod.labels) for selector in chosen):
            yield f"{pod.name}: no NetworkPolicy lets it speak"


def _refuses_all(doc: Doc) -> bool:
    return bool(doc["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]})


def evictions(docs: list[Doc]) -> Faults:
    """Ray's pods and NATS are not evicted at will; of Ray's only a number may be asked to stay."""
    budgets = of_kind(docs, "PodDisruptionBudget")
    for pod in pods(docs):
        own = [doc for doc in budgets if selects(doc["spec"]["selector"], pod.labels)]
        of_ray = pod.called.startswith("ray-")
        if (of_ray or pod.called == "nats") and not own:
            yield f"{pod.name}: no PodDisruptionBudget keeps it"
        for budget in own:
            if of_ray and not isinstance(budget["spec"].get("minAvailable"), int):
                yield f"{named(budget)}: needs minAvailable as a number"


def selects(selector: Doc, labels: dict[str, str]) -> bool:
    """Whether a selector finds a pod with these labels."""
    wanted = selector.get("matchLabels", {}).items() <= labels.items()
    return wanted and all(
        labels.get(each["key"]) in each["values"] for each in selector.get("matchExpressions", ())
    )


def _selectors(doc: Doc) -> Iterator[Doc]:
    yield from references(doc["spec"], "podSelector")
    yield from references(doc["spec"], "labelSelector")
    own = doc["spec"].get("selector")
    if own is not None:
        yield {"matchLabels": own} if doc["kind"] == "Service" else own


def _values(selector: Doc) -> Iterator[str]:
    for each in selector.get("matchExpressions", ()):
        yield from each["values"]


def _every_label() -> list[dict[str, str]]:
    return [pod.labels for name in TOGETHER for pod in pods(documents(text_of(name)))]
