"""What an environment promises, counted by asking the platform itself, at the moment at which `up` returns."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.lab.conftest import Paif, api_client

_POOL = "paif.dev/pool"
_GPU = "nvidia.com/gpu"


def lacking(paif: Paif, env: str, tmp_path: Path) -> list[str]:
    """Everything that the stack file asks for and that is not there; nothing when `up` told the truth.

    Waits for nothing: what is not there at the first look counts.
    """
    config = YAML(typ="safe").load(paif.root / "stacks" / f"Pulumi.{env}.yaml")["config"]
    namespace = config["paif:namespace"]["name"]
    found = []
    with api_client(paif.endpoints()["supervisor"]["kubeconfig"], tmp_path) as supervisor:

        def items(group: str, plural: str) -> list[dict[str, Any]]:
            answer = supervisor.get(f"/apis/{group}/namespaces/{namespace}/{plural}").raise_for_status()
            return list(answer.json()["items"])

        databases = items("databases.dataservices.vmware.com/v1alpha1", "postgresclusters")
        found += [f"database {_name(each)}" for each in databases if not _port(each) or not _is(each, "Ready")]
        for plural in ("paisconfigurations", "modelendpoints"):
            several = items("pais.vmware.com/v1alpha1", plural)
            found += [f"{plural} {_name(each)}" for each in several if not _is(each, "Ready")]
        endpoints = len(items("pais.vmware.com/v1alpha1", "modelendpoints"))
        if endpoints != len(config.get("paif:modelEndpoints") or []):
            found.append(f"{endpoints} endpoints")
        machines = {_name(each): each for each in items("vmoperator.vmware.com/v1alpha3", "virtualmachines")}
        routed = [each for each in config.get("paif:workstations") or [] if each.get("route") != "vsphere"]
        addresses = [name for name, each in machines.items() if _address(each)]
        if len(addresses) < len(routed):
            found.append(f"{len(addresses)} of {len(routed)} machines have an address")
        made = [_name(each) for each in items("cluster.x-k8s.io/v1beta1", "clusters")]
        for cluster in config.get("paif:clusters") or []:
            [name] = [each for each in made if each.endswith(f"-{cluster['name']}")]
            secret = supervisor.get(f"/api/v1/namespaces/{namespace}/secrets/{name}-kubeconfig").raise_for_status()
            kubeconfig = base64.b64decode(secret.json()["data"]["value"]).decode()
            found += _guest(cluster, config, kubeconfig, tmp_path)
    return found


def _guest(cluster: dict[str, Any], config: dict[str, Any], kubeconfig: str, tmp_path: Path) -> list[str]:
    with api_client(kubeconfig, tmp_path) as guest:
        nodes = guest.get("/api/v1/nodes").raise_for_status().json()["items"]
    classes = {each["name"]: each for each in config["paif:vmClasses"]}
    found = []
    for pool in cluster["pools"]:
        mine = [node for node in nodes if node["metadata"].get("labels", {}).get(_POOL) == pool["name"]]
        ready = [node for node in mine if _is(node, "Ready")]
        least, most = pool.get("replicas", pool.get("minReplicas")), pool.get("replicas", pool.get("maxReplicas"))
        if not least <= len(ready) == len(mine) <= most:
            found.append(f"pool {pool['name']}: {len(ready)} of {least} nodes, {len(mine)} in all")
        vm_class = classes.get(pool["class"], {})
        gpus = 1 if vm_class.get("profile") else vm_class.get("gpus", 0)
        offered = [int(node["status"]["allocatable"].get(_GPU, 0)) for node in mine]
        if any(each != gpus for each in offered):
            found.append(f"pool {pool['name']}: nodes offer {offered} GPUs, not {gpus} each")
    release = cluster.get("release")
    if release:
        kubelets = {node["status"]["nodeInfo"]["kubeletVersion"] for node in nodes}
        if kubelets != {release.partition("-vkr.")[0]}:
            found.append(f"kubelets are of {sorted(kubelets)}, not all of {release}")
    return found


def _name(item: dict[str, Any]) -> str:
    return str(item["metadata"]["name"])


def _is(item: dict[str, Any], condition: str) -> bool:
    said = (item.get("status") or {}).get("conditions") or []
    return any(each["type"] == condition and each["status"] == "True" for each in said)


def _port(item: dict[str, Any]) -> Any:
    return ((item.get("status") or {}).get("connection") or {}).get("port")


def _address(item: dict[str, Any]) -> Any:
    return ((item.get("status") or {}).get("network") or {}).get("primaryIP4")
