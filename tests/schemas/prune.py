"""Cuts a Kubernetes CRD to what a manifest uses: `python tests/schemas/prune.py CRD.yaml MANIFEST.yaml`.

The CRDs of KubeRay (ray.io_rayclusters.yaml, 0.9 MB) and of Kubeflow's Spark operator
(sparkoperator.k8s.io_sparkapplications.yaml) lie in these projects' repositories, both Apache-2.0. What is
printed is a JSON schema that refuses every field that the CRD does not have at that place. A
manifest that gets a new field needs it again.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml

KEPT = ("type", "enum", "required", "minimum", "maximum", "pattern", "anyOf", "format")


def prune(schema: dict[str, Any], value: Any) -> dict[str, Any]:
    """The schema of the parts that `value` has; fields that the CRD lacks are left out, so refused."""
    cut = {name: schema[name] for name in KEPT if name in schema}
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return cut
    if schema.get("x-kubernetes-int-or-string"):
        cut.pop("type", None)
        return cut
    if isinstance(value, dict) and "properties" in schema:
        known = schema["properties"]
        cut["properties"] = {n: prune(known[n], v) for n, v in value.items() if n in known}
        cut["additionalProperties"] = False
    elif isinstance(value, dict) and isinstance(schema.get("additionalProperties"), dict):
        cut["additionalProperties"] = prune(schema["additionalProperties"], None)
    elif isinstance(value, list) and "items" in schema:
        parts = [prune(schema["items"], each) for each in value]
        cut["items"] = _join(parts)
    return cut


def _join(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """One schema for the items of a list, which need not use the same fields."""
    whole = dict(parts[0])
    for part in parts[1:]:
        for name, inner in part.get("properties", {}).items():
            own = whole.setdefault("properties", {})
            own[name] = _join([own[name], inner]) if name in own else inner
        if "items" in part:
            whole["items"] = (
                _join([whole["items"], part["items"]]) if "items" in whole else part["items"]
            )
    return whole


def main(crd: str, manifest: str) -> None:
    definition = yaml.safe_load(Path(crd).read_text())
    value = yaml.safe_load(Path(manifest).read_text())
    version = value["apiVersion"].rpartition("/")[2]
    [schema] = [
        each["schema"]["openAPIV3Schema"]
        for each in definition["spec"]["versions"]
        if each["name"] == version
    ]
    schema["properties"]["metadata"] = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "namespace": {"type": "string"}},
    }
    print(json.dumps(prune(schema, value), indent=1))


if __name__ == "__main__":
    main(*sys.argv[1:])
