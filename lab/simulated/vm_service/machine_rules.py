"""Rules of a VirtualMachine that need nothing but the object, and what it was before."""

from __future__ import annotations

from lab.operators.resources import (
    CLUSTER_VIRTUAL_MACHINE_IMAGE,
    VIRTUAL_MACHINE,
    VIRTUAL_MACHINE_IMAGE,
    VM_OPERATOR,
    Object,
)
from lab.simulated.vm_service.cel import BOOT, NEW, OLD, each_of, first, has, immutable, on, rule, telling

GROUP = VIRTUAL_MACHINE.selector[0]
CREATED_AT = {
    f"{GROUP}/created-at-build-version": "v1.9.0+simulation",
    f"{GROUP}/created-at-schema-version": VM_OPERATOR.rpartition("/")[2],
}
IMAGES = (VIRTUAL_MACHINE_IMAGE, CLUSTER_VIRTUAL_MACHINE_IMAGE)
ZONE_LABEL = "topology.kubernetes.io/zone"
PAUSED_LABEL = f"{GROUP}/paused"

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
_INTERFACES = f"{NEW}.?network.?interfaces.orValue([])"
_FORMER_INTERFACES = f"{OLD}.?network.?interfaces.orValue([])"
_ON = "'PoweredOn'"


def _bootstrap_rules() -> list[Object]:
    vapp, cloud, sysprep = (f"{BOOT}.?{each}" for each in ("vAppConfig", "cloudInit", "sysprep"))
    properties = f"{vapp}.?properties.orValue([])"
    return [
        rule(
            f"!({has('cloudInit')}) || !({has('linuxPrep', 'sysprep', 'vAppConfig')})",
            "spec.bootstrap.cloudInit: Forbidden: CloudInit may not be used with any other bootstrap provider",
        ),
        rule(
            f"!{cloud}.?cloudConfig.hasValue() || !{cloud}.?rawCloudConfig.hasValue()",
            'spec.bootstrap.cloudInit: Invalid value: "cloudInit": cloudConfig and rawCloudConfig are mutually'
            " exclusive",
        ),
        rule(
            f"!({has('linuxPrep')}) || !({has('sysprep')})",
            "spec.bootstrap.linuxPrep: Forbidden: LinuxPrep may not be used with either CloudInit or Sysprep bootstrap"
            " providers",
        ),
        rule(
            f"!({has('sysprep')}) || {sysprep}.?sysprep.hasValue() != {sysprep}.?rawSysprep.hasValue()",
            'spec.bootstrap.sysprep: Invalid value: "sysPrep": exactly one of sysprep and rawSysprep must be provided',
        ),
        rule(
            f"size({properties}) == 0 || {vapp}.?rawProperties.orValue('') == ''",
            'spec.bootstrap.vAppConfig: Invalid value: "vAppConfig": properties and rawProperties are mutually'
            " exclusive",
        ),
        rule(
            f"{properties}.all(p, !p.?value.?from.hasValue() || !p.?value.?value.hasValue())",
            'spec.bootstrap.vAppConfig.properties.value: Invalid value: "value": from and value is mutually exclusive',
        ),
    ]


def _network_rules() -> list[Object]:
    servers, domains = (f"{NEW}.?network.?{each}.orValue([])" for each in ("nameservers", "searchDomains"))
    preparing = has("cloudInit", "linuxPrep", "sysprep")
    rules = [
        each_of(
            servers,
            "!isIP(i)",
            "spec.network.nameservers",
            f"""': Invalid value: "' + {first(servers, "!isIP(i)")} + '": must be an IPv4 or IPv6 address'""",
        )
    ]
    for name, values in (("nameservers", servers), ("searchDomains", domains)):
        said = f"{name} is available only with the following bootstrap providers: LinuxPrep and Sysprep"
        shown = f"""'spec.network.{name}: Invalid value: "' + {values}.join(',') + '": {said}'"""
        rules.append(telling(f"size({values}) == 0 || {preparing}", shown))
    for name, shown, providers in (
        ("guestDeviceName", """'"' + i.guestDeviceName + '"'""", ("cloudInit",)),
        ("mtu", "string(i.mtu)", ("cloudInit",)),
        ("routes", "'\"routes\"'", ("cloudInit",)),
        ("nameservers", """'"' + i.nameservers.join(',') + '"'""", ("cloudInit", "sysprep")),
        ("searchDomains", """'"' + i.searchDomains.join(',') + '"'""", ("cloudInit",)),
    ):
        wrong = f"has(i.{name}) && !({has(*providers)})"
        value = f"{_INTERFACES}.filter(i, {wrong}).map(i, {shown})[0]"
        names = " and ".join(each[0].upper() + each[1:] for each in providers)
        said = f": {name} is available only with the following bootstrap providers: {names}"
        rules.append(
            each_of(_INTERFACES, wrong, "spec.network.interfaces", f"'.{name}: Invalid value: ' + {value} + '{said}'")
        )
    rules.append(
        rule(
            on("UPDATE", f"size({_INTERFACES}) == size({_FORMER_INTERFACES})"),
            "spec.network.interfaces: Forbidden: network interfaces cannot be added or removed",
        )
    )
    for index in range(10):
        # As many as a machine may have. By place, since the original compares so.
        new, old = f"{_INTERFACES}[{index}]", f"{_FORMER_INTERFACES}[{index}]"
        alike = f"size({_INTERFACES}) != size({_FORMER_INTERFACES}) || size({_INTERFACES}) <= {index}"
        rules += [
            rule(
                on("UPDATE", f"{alike} || {new}.?{part} == {old}.?{part}"),
                f"spec.network.interfaces[{index}].{part}: Forbidden: field is immutable",
            )
            for part in ("name", "network")
        ]
    return rules


def _power_rules() -> list[Object]:
    now, before = f"{NEW}.?powerState.orValue('')", f"{OLD}.?powerState.orValue('')"
    # What is asked for counts, not what is: with the power off in the same change everything may change.
    stays_on = f"{before} == {_ON} && {now} == {_ON}"
    return [
        rule(
            on("CREATE", f"{now} != 'Suspended'"),
            'spec.powerState: Invalid value: "Suspended": cannot set a new VM\'s power state to Suspended',
        ),
        rule(
            on("UPDATE", f"{now} != ''"),
            'spec.powerState: Invalid value: "": cannot set power state to empty string',
        ),
        rule(
            on("UPDATE", f"!({before} == 'PoweredOff' && {now} == 'Suspended')"),
            'spec.powerState: Invalid value: "Suspended": cannot suspend a VM that is powered off',
        ),
        *(
            rule(
                on("UPDATE", f"!({stays_on}) || {NEW}.?{field} == {OLD}.?{field}"),
                f"spec.{field}: Forbidden: updates to this field is not allowed when VM power is on",
            )
            for field in ("bootstrap", "guestID")
        ),
        telling(
            on("CREATE", f"!has({NEW}.nextRestartTime)"),
            f"""'spec.nextRestartTime: Invalid value: "' + {NEW}.nextRestartTime + '": cannot restart VM on create'""",
        ),
    ]


def _hardware_rules() -> list[Object]:
    new, old = f"{NEW}.?minHardwareVersion.orValue(0)", f"{OLD}.?minHardwareVersion.orValue(0)"
    off = f"{OLD}.?powerState.orValue('') == 'PoweredOff' || {NEW}.?powerState.orValue('') == 'PoweredOff'"
    shown = f"'spec.minHardwareVersion: Invalid value: ' + string({new})"
    return [
        telling(f"{new} <= {_HARDWARE_VERSION}", f"{shown} + ': should be less than or equal to {_HARDWARE_VERSION}'"),
        telling(on("UPDATE", f"{new} >= {old}"), f"{shown} + ': cannot downgrade hardware version'"),
        telling(
            on("UPDATE", f"{new} <= {old} || {off}"),
            f"{shown} + ': cannot upgrade hardware version unless powered off'",
        ),
    ]


def _host_rule() -> Object:
    name = f"{NEW}.?network.?hostName.orValue('')"
    host = f"({name} == '' ? object.metadata.name : {name})"
    where = f"({name} == '' ? 'metadata.name' : 'spec.network.hostName')"
    return telling(
        f"isIP({host}) || {host}.matches('{_HOST_NAME}')",
        f"""{where} + ': Invalid value: "' + {host} + '": host name must adhere to RFC-1123'""",
    )


def metadata_rules() -> list[Object]:
    def entry(of: str, kind: str, key: str) -> str:
        return f"{of}.metadata.?{kind}[?'{key}'].orValue('')"

    def former(kind: str, key: str) -> str:
        return f"(request.operation == 'UPDATE' ? {entry('oldObject', kind, key)} : '')"

    zone, old_zone = entry("object", "labels", ZONE_LABEL), entry("oldObject", "labels", ZONE_LABEL)
    return [
        rule(
            f"{entry('object', 'labels', PAUSED_LABEL)} == {former('labels', PAUSED_LABEL)}",
            f"metadata.labels.{PAUSED_LABEL}: Forbidden: modifying this label is not allowed for non-admin users",
        ),
        telling(
            on("UPDATE", f"{old_zone} == '' || {zone} == {old_zone}"),
            f"""'metadata.labels[{ZONE_LABEL}]: Invalid value: "' + {zone} + '": field is immutable'""",
        ),
        *(
            rule(
                f"{entry('object', 'annotations', key)} == {former('annotations', key)}",
                f"metadata.annotations[{key}]: Forbidden: {_NO_ANNOTATION}",
            )
            for key in _PRIVILEGED_ANNOTATIONS
        ),
        *(
            rule(
                on("UPDATE", f"{entry('object', 'annotations', key)} == {entry('oldObject', 'annotations', key)}"),
                f"metadata.annotations[{key}]: Forbidden: {_NO_ANNOTATION}",
            )
            for key in CREATED_AT
        ),
    ]


def machine_rules() -> list[Object]:
    """Rules of a VirtualMachine's spec that need nothing but the object, and what it was before."""
    probe = f"{NEW}.?readinessProbe"
    disk = f"{NEW}.?advanced.?bootDiskCapacity.orValue('0')"
    return [
        *_bootstrap_rules(),
        *(immutable(field) for field in ("className", "imageName", "storageClass", "reserved.resourcePolicyName")),
        *(immutable(field, once_set=True) for field in ("biosUUID", "instanceUUID")),
        telling(
            on("UPDATE", f"{NEW}.?image == {OLD}.?image"),
            f"""'spec.image: Invalid value: "' + {NEW}.?image.?name.orValue('') + '": field is immutable'""",
        ),
        rule(on("CREATE", f"has({NEW}.image)"), "spec.image: Required value"),
        rule(
            on("CREATE", f"{NEW}.?image.?kind.orValue('') in {[each.kind for each in IMAGES]}"),
            "spec.image.kind: Required value: supported: " + "; ".join(each.kind for each in IMAGES),
        ),
        rule(on("CREATE", f"{NEW}.?className.orValue('') != ''"), "spec.className: Required value"),
        *_power_rules(),
        *_network_rules(),
        *_hardware_rules(),
        _host_rule(),
        rule(
            f"[{probe}.?tcpSocket.hasValue(), {probe}.?guestHeartbeat.hasValue(), size({probe}.?guestInfo.orValue([]))"
            " > 0].filter(given, given).size() <= 1",
            "spec.readinessProbe: Forbidden: only one action can be specified",
        ),
        rule(
            f"!{probe}.?tcpSocket.hasValue()",
            "spec.readinessProbe.tcpSocket: Forbidden: VPC networking doesn't allow TCP readiness probe to be"
            " specified",
        ),
        telling(
            f"quantity(string({disk})).asInteger() % 1048576 == 0",
            f"'spec.advanced.bootDiskCapacity: Invalid value: ' + string(quantity(string({disk})).asInteger())"
            " + ': value must be a multiple of MB'",
        ),
    ]
