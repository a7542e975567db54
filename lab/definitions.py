"""The definitions of the operators' objects, in the Supervisor's API server."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import yaml

from lab.kubernetes import Ports, api_client
from lab.state import bin_directory
from lab.supervision.part import PartFailedError
from paif_catalog import YAML_LOADER

_SIMULATED = Path(__file__).resolve().parent / "simulated"
_MADE_OF = "lab.paif.dev/made-of"
SERVED_VERSIONS = {
    "cluster.x-k8s.io": "v1beta1",
    "controlplane.cluster.x-k8s.io": "v1beta1",
    "vmoperator.vmware.com": "v1alpha3",
}


def install_definitions(ports: Ports, cluster: str) -> None:
    """Create the definitions of the operators' objects in a cluster, or bring them up to date.

    They are those that simulated systems have of their own, and those of the projects that set-up obtained.
    Raises ``PartFailedError`` with the API server's own words when one is refused.
    """
    files = [*sorted(_SIMULATED.glob("*/definitions/*.yaml")), *sorted((bin_directory() / "crds").glob("*.yaml"))]
    with api_client(ports, cluster) as client:
        path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        there = {
            each["metadata"]["name"]: each["metadata"] for each in client.get(path).raise_for_status().json()["items"]
        }
        for file in files:
            for document in yaml.load_all(file.read_text(encoding="utf-8"), Loader=YAML_LOADER):
                if not document or document.get("kind") != "CustomResourceDefinition":
                    continue
                body = one_version(document)
                metadata, made_of = body["metadata"], _mark(body)
                old = there.get(metadata["name"])
                if not body["spec"]["versions"] or (old and old.get("annotations", {}).get(_MADE_OF) == made_of):
                    continue
                metadata["annotations"][_MADE_OF] = made_of
                if old:
                    metadata["resourceVersion"] = old["resourceVersion"]
                    answer = client.put(f"{path}/{metadata['name']}", json=body)
                else:
                    answer = client.post(path, json=body)
                if answer.is_error:
                    raise PartFailedError(f"{file.name}: the API server refused it: {answer.json().get('message')}")
                there[metadata["name"]] = answer.json()["metadata"]


def _mark(definition: dict[str, Any]) -> str:
    """What a definition is known by, so that a lab which an older version of this toolkit made gets the new ones."""
    return hashlib.sha256(json.dumps(definition["spec"], sort_keys=True).encode()).hexdigest()[:16]


def one_version(definition: dict[str, Any]) -> dict[str, Any]:
    """``definition`` with one served version: without the vendor's conversion webhook others cannot be converted."""
    spec = definition["spec"]
    wanted = SERVED_VERSIONS.get(spec["group"])
    versions = [each for each in spec["versions"] if wanted is None or each["name"] == wanted]
    for each in versions:
        each["served"] = each["storage"] = True
    metadata = definition["metadata"]
    annotations = {
        key: value for key, value in metadata.get("annotations", {}).items() if key.startswith("controller-gen")
    }
    return {
        **definition,
        "metadata": {"name": metadata["name"], "annotations": annotations},
        "spec": {**{key: value for key, value in spec.items() if key != "conversion"}, "versions": versions},
    }
