"""Boil KubeRay's resource definitions down to what may stand where; knows nothing of manifests.

python tools/ray_keys.py FOLDER    writes tests/ray_keys.json from the ray.io_*.yaml in the folder

They are those of KubeRay v1.7.0, https://github.com/ray-project/kuberay: ray-operator/config/crd/bases.
A key that must be there ends in `*`; a list is a list of one; pods and Services, which Kubernetes itself
defines, are named as such.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml

TARGET = Path(__file__).resolve().parent.parent / "tests" / "ray_keys.json"
KINDS = ("rayservices", "rayjobs")
CORE = {
    "template": "PodTemplate",
    "submitterPodTemplate": "PodTemplate",
    "headService": "Service",
    "serveService": "Service",
}
"""What other checks know better."""


def boiled(schema: dict[str, Any]) -> Any:
    """What may stand in the place of a schema."""
    if schema.get("x-kubernetes-int-or-string"):
        return "integer or string"
    if "properties" in schema:
        must = schema.get("required", ())
        return {
            f"{name}*" if name in must else name: CORE.get(name) or boiled(found)
            for name, found in sorted(schema["properties"].items())
        }
    if "items" in schema:
        return [boiled(schema["items"])]
    if isinstance(further := schema.get("additionalProperties"), dict):
        return {"": boiled(further)}
    return "|".join(schema["enum"]) if "enum" in schema else schema.get("type", "any")


def main(folder: Path) -> None:
    """Write the file anew."""
    found = {}
    for name in KINDS:
        definition = yaml.safe_load((folder / f"ray.io_{name}.yaml").read_text())["spec"]
        (version,) = (each for each in definition["versions"] if each["name"] == "v1")
        schema = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
        found[definition["names"]["kind"]] = boiled(schema)
    TARGET.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
