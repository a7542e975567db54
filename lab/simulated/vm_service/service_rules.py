"""Rules of a VirtualMachineService, which has to fit a Kubernetes Service."""

from __future__ import annotations

from lab.operators.resources import Object
from lab.simulated.vm_service.cel import NEW, OLD, each_of, first, on, rule, telling

_DNS_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_DNS_1123 = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"


def _ports_rules() -> list[Object]:
    ports = f"{NEW}.?ports.orValue([])"

    def numbered(field: str) -> Object:
        wrong = f"i.?{field}.orValue(0) < 1 || i.?{field}.orValue(0) > 65535"
        value = f"string({first(ports, wrong)}.?{field}.orValue(0))"
        said = "must be between 1 and 65535, inclusive"
        return each_of(ports, wrong, "spec.ports", f"'.{field}: Invalid value: ' + {value} + ': {said}'")

    bad_name = f"i.?name.orValue('') != '' && (!i.name.matches('^{_DNS_1123}$') || size(i.name) > 63)"
    same_name = f"i.?name.orValue('') != '' && {ports}.filter(j, j.?name.orValue('') == i.name).size() > 1"
    same_port = f"{ports}.filter(j, j.?port == i.?port && j.?protocol == i.?protocol).size() > 1"
    last = f"{ports}.filter(i, {same_port})[{ports}.filter(i, {same_port}).size() - 1]"
    protocols = ("SCTP", "TCP", "UDP")
    bad_protocol = f"!(i.?protocol.orValue('') in {list(protocols)})"
    supported = ", ".join(f'"{each}"' for each in protocols)
    return [
        rule(
            f"size({ports}) > 0 || {NEW}.?clusterIP.orValue('') == 'None' || {NEW}.?type.orValue('') == 'ExternalName'",
            "spec.ports: Required value",
        ),
        each_of(ports, f"size({ports}) > 1 && i.?name.orValue('') == ''", "spec.ports", "'.name: Required value'"),
        each_of(
            ports,
            bad_name,
            "spec.ports",
            f"""'.name: Invalid value: "' + {first(ports, bad_name)}.name + '": a lowercase RFC 1123 label must"""
            """ consist of lower case alphanumeric characters or "-", and must start and end with an alphanumeric"""
            """ character'""",
        ),
        each_of(
            ports, same_name, "spec.ports", f"""'.name: Duplicate value: "' + {first(ports, same_name)}.name + '"'"""
        ),
        numbered("port"),
        numbered("targetPort"),
        each_of(
            ports,
            bad_protocol,
            "spec.ports",
            f"""'.protocol: Unsupported value: "' + {first(ports, bad_protocol)}.?protocol.orValue('')"""
            f""" + '": supported values: {supported}'""",
        ),
        telling(
            f"!{ports}.exists(i, {same_port})",
            f"""'spec.ports[' + string({ports}.lastIndexOf({last})) + ']: Duplicate value:"""
            f""" VirtualMachineServicePort{{Name:"", Protocol:"' + {last}.?protocol.orValue('') + '", Port:'"""
            f""" + string({last}.?port.orValue(0)) + ', TargetPort:0}}'""",
        ),
    ]


def service_rules() -> list[Object]:
    """Rules of a VirtualMachineService, which has to fit a Kubernetes Service."""
    ranges, kind = f"{NEW}.?loadBalancerSourceRanges.orValue([])", f"{NEW}.?type.orValue('')"
    not_cidr = "!isCIDR(i.trim())"
    name = "object.metadata.name"
    return [
        telling(
            on("CREATE", f"{name}.matches('^{_DNS_1035}$')"),
            f"""'metadata.name: Invalid value: "' + {name} + '": a DNS-1035 label must consist of lower case"""
            """ alphanumeric characters or "-", start with an alphabetic character, and end with an alphanumeric"""
            f""" character (e.g. "my-name",  or "abc-123", regex used for validation is "{_DNS_1035}")'""",
        ),
        rule(on("CREATE", f"size({name}) <= 63"), "metadata.name: Invalid value: must be no more than 63 characters"),
        *_ports_rules(),
        rule(
            f"{kind} != 'LoadBalancer' || {NEW}.?clusterIP.orValue('') != 'None'",
            "spec.clusterIP: Invalid value: \"None\": may not be set to 'None' for LoadBalancer services",
        ),
        rule(
            f"size({ranges}) == 0 || {kind} == 'LoadBalancer'",
            "spec.loadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'",
        ),
        each_of(
            ranges,
            not_cidr,
            "spec.loadBalancerSourceRanges",
            f"""': Invalid value: "' + {first(ranges, not_cidr)}"""
            """ + '": must be compatible with https://pkg.go.dev/net#ParseCIDR'""",
        ),
        *(
            rule(on("UPDATE", f"{NEW}.?{field} == {OLD}.?{field}"), f"spec.{field}: Forbidden: field is immutable")
            for field in ("type", "clusterIP")
        ),
    ]
