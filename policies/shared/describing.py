"""How a rule presents itself to the engine: its name for people, its topic, and the platform it belongs to."""

from __future__ import annotations

from typing import Any

from policies.shared.model import Rule

_SPELLINGS = {
    "api": "API",
    "cpu": "CPU",
    "directpath": "DirectPath I/O",
    "dlvm": "Deep Learning VM",
    "dns": "DNS",
    "drs": "DRS",
    "gpu": "GPU",
    "helm": "Helm",
    "io": "I/O",
    "kubernetes": "Kubernetes",
    "mig": "MIG",
    "mmio": "MMIO",
    "nim": "NIM",
    "nvaie": "NVIDIA AI Enterprise",
    "ovf": "OVF",
    "paif": "Private AI Foundation",
    "pais": "Private AI Services",
    "pgvector": "pgvector",
    "postgres": "PostgreSQL",
    "tensorflow": "TensorFlow",
    "tls": "TLS",
    "vgpu": "vGPU",
    "vm": "VM",
    "vmotion": "vMotion",
    "vsphere": "vSphere",
}
FRAMEWORK = "VMware Private AI Foundation with NVIDIA"


def display_name(rule: Rule[Any, Any]) -> str:
    """The rule's name as people write it, such as "vGPU license token"."""
    text = " ".join(_SPELLINGS.get(word, word) for word in rule.name.split("-"))
    return text if text.split()[0] in _SPELLINGS.values() else text[:1].upper() + text[1:]


def topic(rule: Rule[Any, Any]) -> str:
    """The subject that a rule belongs to, such as gpu-operator: the file of its pack that it stands in."""
    return rule.check.__module__.rsplit(".", 1)[-1].replace("_", "-")


def fill(info: Any, rule: Rule[Any, Any], pack: str, platform: str) -> None:
    """Put name, tags and framework into the engine's description of a rule. `platform` is the baseline judged by."""
    info.displayName = display_name(rule)
    info.tags.extend([pack, topic(rule)])
    info.framework.name = FRAMEWORK
    info.framework.version = platform
    info.framework.reference = rule.name
    info.framework.specification = rule.source
