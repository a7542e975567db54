"""What the Supervisor has for VKS: Kubernetes releases with their images, and ClusterClasses. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from lab.operators.conditions import Conditions
from lab.operators.resources import CLUSTER_CLASS, KUBERNETES_RELEASE, OS_IMAGE, Object
from lab.platform import PLATFORM
from lab.simulated.vks.knowledge import KNOWLEDGE, KnownClass
from lab.simulated.wcp.desired import RELEASE, Wanted, image_name, metadata_of


def releases(state: Object) -> list[Wanted]:
    """KubernetesReleases, one for each release, after the OSImages of every library that holds it."""
    images: dict[str, list[Wanted]] = {}
    for library in state.get("libraries") or []:
        for item in library.get("items") or []:
            found = RELEASE.search(item["name"])
            if found is not None:
                version = found["release"].replace("---", "+")
                images.setdefault(version, []).append(_os_image(item, library, found, version))
    made = [each for version in sorted(images) for each in images[version]]
    return made + [_release(version, found) for version, found in sorted(images.items())]


def _os_image(item: Object, library: Object, found: re.Match[str], version: str) -> Wanted:
    """An OS image as clusters select it: by its labels. A library is called by a name that its id gives."""
    digits, name = found["digits"] or "", image_name(item["id"])
    system = {
        "name": found["os"],
        "version": f"{digits[:2]}.{digits[2:]}" if found["os"] == "ubuntu" else digits or "5",
        "type": "linux",
        "arch": "amd64",
    }
    labels = {
        **{f"os-{key}": value for key, value in system.items()},
        "image-type": "vmi",
        "content-library": f"cl-{hashlib.sha256(library['id'].encode()).hexdigest()[:17]}",
        "run.tanzu.vmware.com/tkr": version.replace("+", "---"),
    }
    kubernetes = version.split("-vkr.", maxsplit=1)[0]
    spec = {"kubernetesVersion": kubernetes, "os": system, "image": {"type": "vmi", "ref": {"name": name}}}
    return Wanted(OS_IMAGE, {"metadata": metadata_of(name, labels=labels), "spec": spec})


def _release(version: str, images: list[Wanted]) -> Wanted:
    status = Conditions()
    status.set("Ready", True)
    status.set("Compatible", True)
    return Wanted(
        KUBERNETES_RELEASE,
        {
            "metadata": metadata_of(version.replace("+", "---")),
            "spec": {
                "version": version,
                "kubernetes": {"version": version.split("-vkr.", maxsplit=1)[0]},
                "osImages": sorted(({"name": each.key[2]} for each in images), key=lambda each: each["name"]),
            },
        },
        {"conditions": status.as_list()},
    )


def cluster_classes(namespace: str, *, central: bool) -> Iterator[Wanted]:
    """The ClusterClasses of the central namespace, or those that VKS copies into ``namespace``.

    Their templates exist by name only; their status is what Cluster API's controller makes of them.
    """
    for name, known in KNOWLEDGE.classes.items():
        if known.catalogd.central is central:
            yield _cluster_class(name, known, namespace)


def _cluster_class(name: str, known: KnownClass, namespace: str) -> Wanted:
    first, last = known.catalogd.kubernetes
    labels = {
        "kubernetes.vmware.com/min-version-supported": first,
        "kubernetes.vmware.com/max-version-supported": last,
    }
    variables = [
        {"name": each, "required": bool(of.get("required")), "schema": {"openAPIV3Schema": of["schema"]}}
        for each, of in KNOWLEDGE.variables[known.variables].items()
    ]
    infrastructure = {"apiVersion": PLATFORM.api_version("VSphereClusterTemplate"), "name": name}
    machines = {"ref": {**infrastructure, "kind": "VSphereMachineTemplate"}}
    configuration = "KubeadmConfigTemplate"
    bootstrap = {"apiVersion": PLATFORM.api_version(configuration), "kind": configuration, "name": name}
    control_plane = {
        "apiVersion": PLATFORM.api_version("KubeadmControlPlaneTemplate"),
        "kind": "KubeadmControlPlaneTemplate",
        "name": name,
    }
    template = {"bootstrap": {"ref": bootstrap}, "infrastructure": machines}
    spec = {
        "infrastructure": {"ref": {**infrastructure, "kind": "VSphereClusterTemplate"}},
        "controlPlane": {"ref": control_plane, "machineInfrastructure": machines},
        "workers": {"machineDeployments": [{"class": PLATFORM.cluster_classes.worker_class, "template": template}]},
        "variables": variables,
    }
    reconciled = Conditions()
    reconciled.set("VariablesReconciled", True)
    definitions = [
        {
            "name": each["name"],
            "definitionsConflict": False,
            "definitions": [{"from": "inline", "required": each["required"], "schema": each["schema"]}],
        }
        for each in variables
    ]
    status = {"conditions": reconciled.as_list(), "variables": definitions}
    return Wanted(CLUSTER_CLASS, {"metadata": metadata_of(name, namespace, labels=labels), "spec": spec}, status)
