"""Boil KubeRay's resource definitions down to what may stand where; knows nothing of manifests.

python tools/ray_keys.py FOLDER    writes tests/ray_keys.json from the ray.io_*.yaml in the folder

They are those of KubeRay v1.7.0 (Apache-2.0), in helm-chart/kuberay-operator/crds of
https://github.com/ray-project/kuberay. Names and types are kept; descriptions, defaults, bounds and
patterns are not. A key that must be there ends in `*`; an empty key is any; a list is a list of
one. RayCluster stands beside the two that hold one; pods and Services are Kubernetes' own.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml

TARGET = Path(__file__).resolve().parent.parent / "tests" / "ray_keys.json"
KINDS = ("rayclusters", "rayservices", "rayjobs")
NAMED = {
    "rayClusterConfig": "RayCluster",
    "rayClusterSpec": "RayCluster",
    "template": "PodTemplate",
    "submitterPodTemplate": "PodTemplate",
    "headService": "Service",
    "serveService": "Service",
}
"""What is a kind of its own wherever it stands."""


def boiled(schema: dict[str, Any]) -> Any:
    """What may stand in the place of a schema."""
    if schema.get("x-kubernetes-int-or-string"):
        return "integer or string"
    if "properties" in schema:
        must = schema.get("required", ())
        return {
            f"{name}*" if name in must else name: NAMED.get(name) or boiled(found)
            for name, found in sorted(schema["properties"].items())
        }
    if "items" in schema:
        return [boiled(schema["items"])]
    if isinstance(further := schema.get("additionalProperties"), dict):
        return {"": boiled(further)}
    return "|".join(schema["enum"]) if "enum" in schema else schema.get("type", "any")


def spec(definition: dict[str, Any]) -> dict[str, Any]:
    """The schema of what a resource of version v1 asks for."""
    (version,) = (each for each in definition["versions"] if each["name"] == "v1")
    found: dict[str, Any] = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return found


def written(kinds: dict[str, Any]) -> str:
    """As JSON, a line for each key of a kind."""
    blocks = []
    for kind, keys in kinds.items():
        rows = ",\n".join(
            f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in keys.items()
        )
        blocks.append(f"{json.dumps(kind)}: {{\n{rows}\n}}")
    return "{\n" + ",\n".join(blocks) + "\n}\n"


def main(folder: Path) -> None:
    """Write the file anew."""
    found = {}
    for name in KINDS:
        definition = yaml.safe_load((folder / f"ray.io_{name}.yaml").read_text())["spec"]
        found[definition["names"]["kind"]] = boiled(spec(definition))
    TARGET.write_text(written(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
