"""Which machines are Deep Learning VMs, and how they are started: a bastion or a file server is none.

A machine is one when it says so: by its image, by a persona (whom it is for), or by an OVF property that only the
image of a Deep Learning VM has. What an image of one's own starts by cloud-init is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args

from paif_catalog.predicates import Persona
from policies.shared.machines import machine_labels, machine_spec
from policies.shared.model import Resource, Run, Unknown, raw_value_at, require_known, value_at
from policies.shared.selectors import is_type
from policies.shared.types import VSPHERE_VM

_IMAGE = re.compile(r"(?i)dlvm|dl-?vm|deep-?learning")
_COMMON_PROPERTIES = {"instance-id", "hostname", "seedfrom", "public-keys", "user-data", "password"}
"""OVF properties that the images of other machines have as well: those of Ubuntu's cloud images."""
_PERSONAS = {*get_args(Persona), "app-developer"}
_PERSONA = re.compile(r"(?i)(?:^|[^\w])persona\"?\s*[:=]\s*\"?([\w-]+)")


def inline_properties(resource: Resource) -> Iterator[tuple[str, str, Any]]:
    """Path of the value, key and value of OVF properties that stand in a machine itself; a value may be Unknown.

    Raises UndecidedError.
    """
    if is_type(resource, VSPHERE_VM):
        for key, value in resource.mapping("vapp.properties").items():
            yield f"vapp.properties.{key}", key, value
        return
    path = f"{machine_spec(resource)}.bootstrap.vAppConfig.properties"
    for index, each in enumerate(resource.items(path)):
        key = value_at(each, "key")
        if key is not None:
            yield f"{path}.{index}.value.value", str(key), raw_value_at(each, "value.value")


def is_deep_learning_vm(resource: Resource, run: Run[Any, Any]) -> bool:
    """Whether a machine says that it is one. Raises UndecidedError."""
    if list(personas(resource, run)):
        return True
    if not is_type(resource, VSPHERE_VM):
        spec = machine_spec(resource)
        names = (resource.get(f"{spec}.{path}") for path in ("imageName", "image.name"))
        if any(isinstance(name, str) and _IMAGE.search(name) for name in names):
            return True
    own = run.platform.dlvm_properties.properties.keys() - _COMMON_PROPERTIES
    return any(key in own for _, key, _ in inline_properties(resource))


def personas(resource: Resource, run: Run[Any, Any]) -> Iterator[tuple[str, str]]:
    """Path and name of the persona that a machine is for. Raises UndecidedError.

    A VM Service machine carries it as a label. A vSphere machine carries it in its notes (`annotation`, as
    `persona: data-scientist`), in its extra configuration (a key that ends with `persona`), or as the value of a
    custom attribute. Its tags are ids of which nothing here tells the names.
    """
    key = run.settings.label("persona")
    if not is_type(resource, VSPHERE_VM):
        path, labels = machine_labels(resource)
        persona = require_known(labels.get(key))
        if persona is not None:
            yield f"{path}.{key}", str(persona)
        return
    match = _PERSONA.search(str(resource.get("annotation", "")))
    if match is not None:
        yield "annotation", match[1]
    for name, value in resource.mapping("extraConfig").items():
        if name.lower().endswith("persona") and require_known(value):
            yield f"extraConfig.{name}", str(value)
    for name, value in resource.mapping("customAttributes").items():
        if not isinstance(value, Unknown) and value in _PERSONAS:
            yield f"customAttributes.{name}", str(value)
