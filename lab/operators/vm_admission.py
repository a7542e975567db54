"""What VM Operator's webhooks refuse and what they fill in: rules by themselves as a policy, look-ups as webhooks.

Rules, messages and defaults are those of VM Operator v1.9 (vmware-tanzu/vm-operator, webhooks/) with VPC networks, for
a user without its special rights, whom the lab takes everybody for. Where VM Operator tells everything that is wrong
with an object, a policy tells the first thing. Both fail closed, as the original does.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import kopf

from lab.operators.common import (
    CLUSTER_VIRTUAL_MACHINE_IMAGE,
    NAMESPACE,
    RESOURCE_QUOTA,
    STORAGE_CLASS,
    VIRTUAL_MACHINE,
    VIRTUAL_MACHINE_IMAGE,
    VIRTUAL_MACHINE_SERVICE,
    VM_OPERATOR,
    Api,
    ApiError,
    Object,
    Resource,
    backoff,
    supervisor,
)

GROUP = VIRTUAL_MACHINE.selector[0]
CREATED_AT = {
    f"{GROUP}/created-at-build-version": "v1.9.0+simulation",
    f"{GROUP}/created-at-schema-version": VM_OPERATOR.rpartition("/")[2],
}
IMAGES = (VIRTUAL_MACHINE_IMAGE, CLUSTER_VIRTUAL_MACHINE_IMAGE)
ZONE_LABEL = "topology.kubernetes.io/zone"
PAUSED_LABEL = f"{GROUP}/paused"
VPC_NETWORK = {"kind": "SubnetSet", "apiVersion": "crd.nsx.vmware.com/v1alpha1", "name": ""}
"""What an interface is connected to that names no network."""

_HARDWARE_VERSION = 22
"""The newest that VM Operator's release knows."""
_PRIVILEGED_ANNOTATIONS = (
    f"{GROUP}/cloud-init-instance-id",
    f"virtualmachine.{GROUP}/first-boot-done",
    f"{GROUP}/restored-vm",
    f"{GROUP}/failed-over-vm",
    f"{GROUP}/imported-vm",
)
_NO_ANNOTATION = "modifying this annotation is not allowed for non-admin users"
_HOST_NAME = (
    r"^([a-zA-Z0-9\\p{S}\\p{L}]{1,2}|[a-zA-Z0-9\\p{S}\\p{L}][-a-zA-Z0-9\\p{S}\\p{L}]{0,61}[a-zA-Z0-9\\p{S}\\p{L}])$"
)
_DNS_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_DNS_1123 = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"

_NEW, _OLD = "object.spec", "oldObject.spec"
_BOOT = f"{_NEW}.?bootstrap"
_INTERFACES = f"{_NEW}.?network.?interfaces.orValue([])"
_FORMER_INTERFACES = f"{_OLD}.?network.?interfaces.orValue([])"
_ON = "'PoweredOn'"


def _rule(holds: str, message: str) -> Object:
    """A rule in CEL, with what VM Operator says where it does not hold."""
    return {"expression": holds, "message": message}


def _telling(holds: str, message: str) -> Object:
    """A rule whose message is an expression in CEL too, since it quotes the object."""
    return {"expression": holds, "messageExpression": message}


def _on(operation: str, holds: str) -> str:
    return f"request.operation != '{operation}' || ({holds})"


def _has(*parts: str) -> str:
    return " || ".join(f"{_BOOT}.?{part}.hasValue()" for part in parts)


def _immutable(field: str, *, once_set: bool = False) -> Object:
    path = ".?".join(field.split("."))
    new, old = f'{_NEW}.?{path}.orValue("")', f'{_OLD}.?{path}.orValue("")'
    holds = f"{old} == '' || {new} == {old}" if once_set else f"{new} == {old}"
    return _telling(_on("UPDATE", holds), f"""'spec.{field}: Invalid value: "' + {new} + '": field is immutable'""")


def _first(items: str, wrong: str) -> str:
    """The first of ``items`` for which ``wrong`` (of ``i``) holds."""
    return f"{items}.filter(i, {wrong})[0]"


def _each(items: str, wrong: str, path: str, said: str) -> Object:
    """A rule for each of a list; ``path`` is the list's, and ``said`` an expression that follows the item's."""
    place = f"string({items}.indexOf({_first(items, wrong)}))"
    return _telling(f"!{items}.exists(i, {wrong})", f"'{path}[' + {place} + ']' + {said}")


def _bootstrap_rules() -> list[Object]:
    vapp, cloud, sysprep = (f"{_BOOT}.?{each}" for each in ("vAppConfig", "cloudInit", "sysprep"))
    properties = f"{vapp}.?properties.orValue([])"
    return [
        _rule(
            f"!({_has('cloudInit')}) || !({_has('linuxPrep', 'sysprep', 'vAppConfig')})",
            "spec.bootstrap.cloudInit: Forbidden: CloudInit may not be used with any other bootstrap provider",
        ),
        _rule(
            f"!{cloud}.?cloudConfig.hasValue() || !{cloud}.?rawCloudConfig.hasValue()",
            'spec.bootstrap.cloudInit: Invalid value: "cloudInit": cloudConfig and rawCloudConfig are mutually'
            " exclusive",
        ),
        _rule(
            f"!({_has('linuxPrep')}) || !({_has('sysprep')})",
            "spec.bootstrap.linuxPrep: Forbidden: LinuxPrep may not be used with either CloudInit or Sysprep bootstrap"
            " providers",
        ),
        _rule(
            f"!({_has('sysprep')}) || {sysprep}.?sysprep.hasValue() != {sysprep}.?rawSysprep.hasValue()",
            'spec.bootstrap.sysprep: Invalid value: "sysPrep": exactly one of sysprep and rawSysprep must be provided',
        ),
        _rule(
            f"size({properties}) == 0 || {vapp}.?rawProperties.orValue('') == ''",
            'spec.bootstrap.vAppConfig: Invalid value: "vAppConfig": properties and rawProperties are mutually'
            " exclusive",
        ),
        _rule(
            f"{properties}.all(p, !p.?value.?from.hasValue() || !p.?value.?value.hasValue())",
            'spec.bootstrap.vAppConfig.properties.value: Invalid value: "value": from and value is mutually exclusive',
        ),
    ]


def _network_rules() -> list[Object]:
    servers, domains = (f"{_NEW}.?network.?{each}.orValue([])" for each in ("nameservers", "searchDomains"))
    preparing = _has("cloudInit", "linuxPrep", "sysprep")
    rules = [
        _each(
            servers,
            "!isIP(i)",
            "spec.network.nameservers",
            f"""': Invalid value: "' + {_first(servers, "!isIP(i)")} + '": must be an IPv4 or IPv6 address'""",
        )
    ]
    for name, values in (("nameservers", servers), ("searchDomains", domains)):
        said = f"{name} is available only with the following bootstrap providers: LinuxPrep and Sysprep"
        shown = f"""'spec.network.{name}: Invalid value: "' + {values}.join(',') + '": {said}'"""
        rules.append(_telling(f"size({values}) == 0 || {preparing}", shown))
    for name, shown, providers in (
        ("guestDeviceName", """'"' + i.guestDeviceName + '"'""", ("cloudInit",)),
        ("mtu", "string(i.mtu)", ("cloudInit",)),
        ("routes", "'\"routes\"'", ("cloudInit",)),
        ("nameservers", """'"' + i.nameservers.join(',') + '"'""", ("cloudInit", "sysprep")),
        ("searchDomains", """'"' + i.searchDomains.join(',') + '"'""", ("cloudInit",)),
    ):
        wrong = f"has(i.{name}) && !({_has(*providers)})"
        value = f"{_INTERFACES}.filter(i, {wrong}).map(i, {shown})[0]"
        names = " and ".join(each[0].upper() + each[1:] for each in providers)
        said = f": {name} is available only with the following bootstrap providers: {names}"
        rules.append(
            _each(_INTERFACES, wrong, "spec.network.interfaces", f"'.{name}: Invalid value: ' + {value} + '{said}'")
        )
    rules.append(
        _rule(
            _on("UPDATE", f"size({_INTERFACES}) == size({_FORMER_INTERFACES})"),
            "spec.network.interfaces: Forbidden: network interfaces cannot be added or removed",
        )
    )
    for index in range(10):
        # As many as a machine may have. By place, since the original compares so.
        new, old = f"{_INTERFACES}[{index}]", f"{_FORMER_INTERFACES}[{index}]"
        alike = f"size({_INTERFACES}) != size({_FORMER_INTERFACES}) || size({_INTERFACES}) <= {index}"
        rules += [
            _rule(
                _on("UPDATE", f"{alike} || {new}.?{part} == {old}.?{part}"),
                f"spec.network.interfaces[{index}].{part}: Forbidden: field is immutable",
            )
            for part in ("name", "network")
        ]
    return rules


def _power_rules() -> list[Object]:
    now, before = f"{_NEW}.?powerState.orValue('')", f"{_OLD}.?powerState.orValue('')"
    # What is asked for counts, not what is: with the power off in the same change everything may change.
    stays_on = f"{before} == {_ON} && {now} == {_ON}"
    return [
        _rule(
            _on("CREATE", f"{now} != 'Suspended'"),
            'spec.powerState: Invalid value: "Suspended": cannot set a new VM\'s power state to Suspended',
        ),
        _rule(
            _on("UPDATE", f"{now} != ''"),
            'spec.powerState: Invalid value: "": cannot set power state to empty string',
        ),
        _rule(
            _on("UPDATE", f"!({before} == 'PoweredOff' && {now} == 'Suspended')"),
            'spec.powerState: Invalid value: "Suspended": cannot suspend a VM that is powered off',
        ),
        *(
            _rule(
                _on("UPDATE", f"!({stays_on}) || {_NEW}.?{field} == {_OLD}.?{field}"),
                f"spec.{field}: Forbidden: updates to this field is not allowed when VM power is on",
            )
            for field in ("bootstrap", "guestID")
        ),
        _telling(
            _on("CREATE", f"!has({_NEW}.nextRestartTime)"),
            f"""'spec.nextRestartTime: Invalid value: "' + {_NEW}.nextRestartTime + '": cannot restart VM on create'""",
        ),
    ]


def _hardware_rules() -> list[Object]:
    new, old = f"{_NEW}.?minHardwareVersion.orValue(0)", f"{_OLD}.?minHardwareVersion.orValue(0)"
    off = f"{_OLD}.?powerState.orValue('') == 'PoweredOff' || {_NEW}.?powerState.orValue('') == 'PoweredOff'"
    shown = f"'spec.minHardwareVersion: Invalid value: ' + string({new})"
    return [
        _telling(f"{new} <= {_HARDWARE_VERSION}", f"{shown} + ': should be less than or equal to {_HARDWARE_VERSION}'"),
        _telling(_on("UPDATE", f"{new} >= {old}"), f"{shown} + ': cannot downgrade hardware version'"),
        _telling(
            _on("UPDATE", f"{new} <= {old} || {off}"),
            f"{shown} + ': cannot upgrade hardware version unless powered off'",
        ),
    ]


def _host_rule() -> Object:
    name = f"{_NEW}.?network.?hostName.orValue('')"
    host = f"({name} == '' ? object.metadata.name : {name})"
    where = f"({name} == '' ? 'metadata.name' : 'spec.network.hostName')"
    return _telling(
        f"isIP({host}) || {host}.matches('{_HOST_NAME}')",
        f"""{where} + ': Invalid value: "' + {host} + '": host name must adhere to RFC-1123'""",
    )


def _metadata_rules() -> list[Object]:
    def entry(of: str, kind: str, key: str) -> str:
        return f"{of}.metadata.?{kind}[?'{key}'].orValue('')"

    def former(kind: str, key: str) -> str:
        return f"(request.operation == 'UPDATE' ? {entry('oldObject', kind, key)} : '')"

    zone, old_zone = entry("object", "labels", ZONE_LABEL), entry("oldObject", "labels", ZONE_LABEL)
    return [
        _rule(
            f"{entry('object', 'labels', PAUSED_LABEL)} == {former('labels', PAUSED_LABEL)}",
            f"metadata.labels.{PAUSED_LABEL}: Forbidden: modifying this label is not allowed for non-admin users",
        ),
        _telling(
            _on("UPDATE", f"{old_zone} == '' || {zone} == {old_zone}"),
            f"""'metadata.labels[{ZONE_LABEL}]: Invalid value: "' + {zone} + '": field is immutable'""",
        ),
        *(
            _rule(
                f"{entry('object', 'annotations', key)} == {former('annotations', key)}",
                f"metadata.annotations[{key}]: Forbidden: {_NO_ANNOTATION}",
            )
            for key in _PRIVILEGED_ANNOTATIONS
        ),
        *(
            _rule(
                _on("UPDATE", f"{entry('object', 'annotations', key)} == {entry('oldObject', 'annotations', key)}"),
                f"metadata.annotations[{key}]: Forbidden: {_NO_ANNOTATION}",
            )
            for key in CREATED_AT
        ),
    ]


def machine_rules() -> list[Object]:
    """Rules of a VirtualMachine's spec that need nothing but the object, and what it was before."""
    probe = f"{_NEW}.?readinessProbe"
    disk = f"{_NEW}.?advanced.?bootDiskCapacity.orValue('0')"
    return [
        *_bootstrap_rules(),
        *(_immutable(field) for field in ("className", "imageName", "storageClass", "reserved.resourcePolicyName")),
        *(_immutable(field, once_set=True) for field in ("biosUUID", "instanceUUID")),
        _telling(
            _on("UPDATE", f"{_NEW}.?image == {_OLD}.?image"),
            f"""'spec.image: Invalid value: "' + {_NEW}.?image.?name.orValue('') + '": field is immutable'""",
        ),
        _rule(_on("CREATE", f"has({_NEW}.image)"), "spec.image: Required value"),
        _rule(
            _on("CREATE", f"{_NEW}.?image.?kind.orValue('') in {[each.kind for each in IMAGES]}"),
            "spec.image.kind: Required value: supported: " + "; ".join(each.kind for each in IMAGES),
        ),
        _rule(_on("CREATE", f"{_NEW}.?className.orValue('') != ''"), "spec.className: Required value"),
        *_power_rules(),
        *_network_rules(),
        *_hardware_rules(),
        _host_rule(),
        _rule(
            f"[{probe}.?tcpSocket.hasValue(), {probe}.?guestHeartbeat.hasValue(), size({probe}.?guestInfo.orValue([]))"
            " > 0].filter(given, given).size() <= 1",
            "spec.readinessProbe: Forbidden: only one action can be specified",
        ),
        _rule(
            f"!{probe}.?tcpSocket.hasValue()",
            "spec.readinessProbe.tcpSocket: Forbidden: VPC networking doesn't allow TCP readiness probe to be"
            " specified",
        ),
        _telling(
            f"quantity(string({disk})).asInteger() % 1048576 == 0",
            f"'spec.advanced.bootDiskCapacity: Invalid value: ' + string(quantity(string({disk})).asInteger())"
            " + ': value must be a multiple of MB'",
        ),
    ]


def _ports_rules() -> list[Object]:
    ports = f"{_NEW}.?ports.orValue([])"

    def numbered(field: str) -> Object:
        wrong = f"i.?{field}.orValue(0) < 1 || i.?{field}.orValue(0) > 65535"
        value = f"string({_first(ports, wrong)}.?{field}.orValue(0))"
        said = "must be between 1 and 65535, inclusive"
        return _each(ports, wrong, "spec.ports", f"'.{field}: Invalid value: ' + {value} + ': {said}'")

    bad_name = f"i.?name.orValue('') != '' && (!i.name.matches('^{_DNS_1123}$') || size(i.name) > 63)"
    same_name = f"i.?name.orValue('') != '' && {ports}.filter(j, j.?name.orValue('') == i.name).size() > 1"
    same_port = f"{ports}.filter(j, j.?port == i.?port && j.?protocol == i.?protocol).size() > 1"
    last = f"{ports}.filter(i, {same_port})[{ports}.filter(i, {same_port}).size() - 1]"
    protocols = ("SCTP", "TCP", "UDP")
    bad_protocol = f"!(i.?protocol.orValue('') in {list(protocols)})"
    supported = ", ".join(f'"{each}"' for each in protocols)
    return [
        _rule(
            f"size({ports}) > 0 || {_NEW}.?clusterIP.orValue('') == 'None' || {_NEW}.?type.orValue('') =="
            " 'ExternalName'",
            "spec.ports: Required value",
        ),
        _each(ports, f"size({ports}) > 1 && i.?name.orValue('') == ''", "spec.ports", "'.name: Required value'"),
        _each(
            ports,
            bad_name,
            "spec.ports",
            f"""'.name: Invalid value: "' + {_first(ports, bad_name)}.name + '": a lowercase RFC 1123 label must"""
            """ consist of lower case alphanumeric characters or "-", and must start and end with an alphanumeric"""
            """ character'""",
        ),
        _each(
            ports, same_name, "spec.ports", f"""'.name: Duplicate value: "' + {_first(ports, same_name)}.name + '"'"""
        ),
        numbered("port"),
        numbered("targetPort"),
        _each(
            ports,
            bad_protocol,
            "spec.ports",
            f"""'.protocol: Unsupported value: "' + {_first(ports, bad_protocol)}.?protocol.orValue('')"""
            f""" + '": supported values: {supported}'""",
        ),
        _telling(
            f"!{ports}.exists(i, {same_port})",
            f"""'spec.ports[' + string({ports}.lastIndexOf({last})) + ']: Duplicate value:"""
            f""" VirtualMachineServicePort{{Name:"", Protocol:"' + {last}.?protocol.orValue('') + '", Port:'"""
            f""" + string({last}.?port.orValue(0)) + ', TargetPort:0}}'""",
        ),
    ]


def service_rules() -> list[Object]:
    """Rules of a VirtualMachineService, which has to fit a Kubernetes Service."""
    ranges, kind = f"{_NEW}.?loadBalancerSourceRanges.orValue([])", f"{_NEW}.?type.orValue('')"
    not_cidr = "!isCIDR(i.trim())"
    name = "object.metadata.name"
    return [
        _telling(
            _on("CREATE", f"{name}.matches('^{_DNS_1035}$')"),
            f"""'metadata.name: Invalid value: "' + {name} + '": a DNS-1035 label must consist of lower case"""
            """ alphanumeric characters or "-", start with an alphabetic character, and end with an alphanumeric"""
            f""" character (e.g. "my-name",  or "abc-123", regex used for validation is "{_DNS_1035}")'""",
        ),
        _rule(_on("CREATE", f"size({name}) <= 63"), "metadata.name: Invalid value: must be no more than 63 characters"),
        *_ports_rules(),
        _rule(
            f"{kind} != 'LoadBalancer' || {_NEW}.?clusterIP.orValue('') != 'None'",
            "spec.clusterIP: Invalid value: \"None\": may not be set to 'None' for LoadBalancer services",
        ),
        _rule(
            f"size({ranges}) == 0 || {kind} == 'LoadBalancer'",
            "spec.loadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'",
        ),
        _each(
            ranges,
            not_cidr,
            "spec.loadBalancerSourceRanges",
            f"""': Invalid value: "' + {_first(ranges, not_cidr)}"""
            """ + '": must be compatible with https://pkg.go.dev/net#ParseCIDR'""",
        ),
        *(
            _rule(_on("UPDATE", f"{_NEW}.?{field} == {_OLD}.?{field}"), f"spec.{field}: Forbidden: field is immutable")
            for field in ("type", "clusterIP")
        ),
    ]


POLICY = Resource(
    "admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", "validatingadmissionpolicies", namespaced=False
)
POLICY_USE = Resource(
    "admissionregistration.k8s.io/v1",
    "ValidatingAdmissionPolicyBinding",
    "validatingadmissionpolicybindings",
    namespaced=False,
)


_POLICIES = "vm-operator-simulation"
_STAYS = {"name": "stays", "expression": "!has(object.metadata.deletionTimestamp)"}
"""An object that is going must not be held by a rule: its finalizer has to come off."""


def _concerning(operation: str, rules: Iterable[Object]) -> list[Object]:
    """Those that are not of the other operation only."""
    other = _on("UPDATE" if operation == "CREATE" else "CREATE", "")[:-2]
    return [each for each in rules if not each["expression"].startswith(other)]


def admission_policies() -> list[tuple[Object, Object]]:
    """What is refused by its rules, as policies with their bindings.

    By what a request does: operators write annotations of a machine all the time, and each rule takes its time.
    """
    changed, described = "object.spec != oldObject.spec", "object.metadata != oldObject.metadata"
    found = []
    for resource, rules, metadata in (
        (VIRTUAL_MACHINE, machine_rules(), _metadata_rules()),
        (VIRTUAL_MACHINE_SERVICE, service_rules(), []),
    ):
        for part, operation, asked, condition in (
            ("new", "CREATE", [*rules, *metadata], None),
            ("changed", "UPDATE", rules, changed),
            ("described", "UPDATE", metadata, described),
        ):
            if validations := _concerning(operation, asked):
                found.append(_policy(resource, part, operation, validations, condition))
    return found


def _policy(
    resource: Resource, part: str, operation: str, validations: list[Object], condition: str | None
) -> tuple[Object, Object]:
    name = f"{_POLICIES}-{resource.plural}-{part}.lab.paif.dev"
    match = {
        "apiGroups": [GROUP],
        "apiVersions": ["*"],
        "operations": [operation],
        "resources": [resource.plural],
    }
    policy = {
        "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [match]},
            "matchConditions": [_STAYS, *([{"name": part, "expression": condition}] if condition else [])],
            "validations": validations,
        },
    }
    binding = {"metadata": {"name": name}, "spec": {"policyName": name, "validationActions": ["Deny"]}}
    return policy, binding


def put_policies(api: Api) -> None:
    """Put the rules into the API server, and take away those that an older lab has left in it."""
    policies = admission_policies()
    for policy, binding in policies:
        api.apply(POLICY, policy)
        api.apply(POLICY_USE, binding)
    names = {policy["metadata"]["name"] for policy, _ in policies}
    for resource in (POLICY_USE, POLICY):
        for name in (each["metadata"]["name"] for each in api.list(resource)):
            if name.startswith(_POLICIES) and name not in names:
                api.delete(resource, name)


@kopf.on.startup()
def install_admission_policies(**_: Any) -> None:
    """Put the rules into the API server; tried until the server answers."""
    for attempt in range(10):
        try:
            put_policies(supervisor())
        except ApiError:
            if attempt == 9:
                raise
            time.sleep(backoff(attempt, first=0.5, longest=5))
        else:
            return


class DeniedError(Exception):
    """A request that a look-up refuses, in VM Operator's words."""


_FRESH_SECONDS = 5.0
_seen: dict[tuple[Resource, str | None], tuple[float, list[Object]]] = {}
"""What was listed last: a hundred machines at once ask for the same few things. Only what is there is believed."""


def _look(
    api: Api, kinds: Mapping[Resource, str | None], wanted: Callable[[Object], bool]
) -> dict[Resource, list[Object]]:
    """Objects that are ``wanted``, by kind. When none is among what was seen lately, what is there now counts."""

    def among(seconds: float) -> dict[Resource, list[Object]]:
        found = {}
        for resource, namespace in kinds.items():
            when, items = _seen.get((resource, namespace), (0.0, []))
            if time.monotonic() - when >= seconds:
                items = api.list(resource, namespace)
                _seen[resource, namespace] = time.monotonic(), items
            found[resource] = [each for each in items if wanted(each)]
        return found

    found = among(_FRESH_SECONDS)
    return found if any(found.values()) else among(0)


def resolved_image(api: Api, wanted: str, namespace: str) -> tuple[Resource, str]:
    """Kind and object name of the image that a machine names by display name or ``vmi-…``. Raises ``DeniedError``."""
    by_id = wanted.startswith("vmi-")

    def is_it(image: Object) -> bool:
        return bool(image["metadata"]["name"] == wanted if by_id else (image.get("status") or {}).get("name") == wanted)

    found = _look(api, {kind: namespace if kind.namespaced else None for kind in IMAGES}, is_it)
    places = dict(zip(IMAGES, ("namespace", "cluster"), strict=True))
    for kind, images in found.items():
        if len(images) > 1 and not by_id:
            raise DeniedError(f'multiple VM images exist for "{wanted}" in {places[kind]} scope')
    if all(found.values()) and not by_id:
        raise DeniedError(f'multiple VM images exist for "{wanted}" in namespace and cluster scope')
    for kind, images in found.items():
        if images:
            return kind, str(images[0]["metadata"]["name"])
    raise DeniedError(f'no VM image exists for "{wanted}" in namespace or cluster scope')


def filled_in(api: Api, vm: Object, namespace: str) -> Object:
    """Metadata and spec that a new machine gets. Raises ``DeniedError``."""
    spec = vm["spec"]
    for field in ("instanceUUID", "biosUUID"):
        if spec.get(field):
            raise DeniedError(f"spec.{field}: Forbidden: only privileged users may set this field")
    made: Object = {
        "powerState": spec.get("powerState") or "PoweredOn",
        "instanceUUID": str(uuid.uuid4()),
        "biosUUID": str(uuid.uuid4()),
    }
    network = spec.get("network") or {}
    if not network.get("disabled"):
        interfaces = [
            {**each, "network": {**VPC_NETWORK, **(each.get("network") or {})}}
            for each in network.get("interfaces") or [{"name": "eth0"}]
        ]
        made["network"] = {**network, "interfaces": interfaces}
    cloud_init = (spec.get("bootstrap") or {}).get("cloudInit")
    if cloud_init is not None and not cloud_init.get("instanceID"):
        made["bootstrap"] = {**spec["bootstrap"], "cloudInit": {**cloud_init, "instanceID": made["biosUUID"]}}
    if wanted := spec.get("imageName"):
        kind, name = resolved_image(api, wanted, namespace)
        reference = {"kind": kind.kind, "name": name}
        if spec.get("image") not in (None, reference):
            raise DeniedError(
                f'spec.imageName: Invalid value: "{wanted}": must refer to the same resource as spec.image'
            )
        made["image"] = reference
    return {"metadata": {"annotations": CREATED_AT}, "spec": made}


def _only_zone(api: Api, namespace: str) -> str:
    """The simulated Supervisor has one zone, and no object for it: it is called as its vSphere cluster."""
    found = api.get(NAMESPACE, namespace) or {"metadata": {}}
    return str((found["metadata"].get("labels") or {}).get("vSphereClusterID") or "")


def objections(api: Api, vm: Object, namespace: str) -> list[str]:
    """What look-ups find wrong with a new machine."""
    found = []
    if (zone := (vm["metadata"].get("labels") or {}).get(ZONE_LABEL)) and zone != _only_zone(api, namespace):
        said = f'zones.topology.tanzu.vmware.com "{zone}" not found'
        found.append(f'metadata.labels[{ZONE_LABEL}]: Invalid value: "{zone}": {said}')
    if name := vm["spec"].get("storageClass"):
        wrong = f'spec.storageClass: Invalid value: "{name}": '
        prefix = f"{name}.storageclass.storage.k8s.io/"

        def allows(quota: Object) -> bool:
            return any(key.startswith(prefix) for key in quota["spec"].get("hard") or {})

        if not any(_look(api, {STORAGE_CLASS: None}, lambda each: each["metadata"]["name"] == name).values()):
            found.append(f"{wrong}Storage policy {name} does not exist")
        elif not any(_look(api, {RESOURCE_QUOTA: namespace}, allows).values()):
            found.append(f"{wrong}Storage policy is not associated with the namespace {namespace}")
    return found


# In threads of their own: those of the handlers may all be busy with a hundred machines.
@kopf.on.mutate(*VIRTUAL_MACHINE.selector, id="vm-default", operations=["CREATE"], persistent=True)  # type: ignore[arg-type]
async def default(body: kopf.Body, namespace: str, patch: kopf.Patch, **_: Any) -> None:
    """Fill in what VM Operator fills in."""
    try:
        patch.update(await asyncio.to_thread(filled_in, supervisor(), dict(body), namespace))
    except DeniedError as error:
        raise kopf.AdmissionError(str(error), code=403) from None


@kopf.on.validate(*VIRTUAL_MACHINE.selector, id="vm-validate", operations=["CREATE"], persistent=True)  # type: ignore[arg-type]
async def validate(body: kopf.Body, namespace: str, **_: Any) -> None:
    """Refuse what names something that is not there."""
    found = await asyncio.to_thread(objections, supervisor(), dict(body), namespace)
    if found:
        raise kopf.AdmissionError(", ".join(found), code=422)
