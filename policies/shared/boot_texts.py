"""What a machine starts at its first boot, as plain text, however it is handed over."""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Iterator
from typing import Any

from policies.shared.deep_learning_vms import inline_properties
from policies.shared.machines import machine_spec
from policies.shared.model import Resource, Undecided, Unknown, raw_value_at, require_known
from policies.shared.selectors import is_type
from policies.shared.types import CONFIG_MAP, SECRET, VM_SERVICE, VSPHERE_VM

BOOT_KEYS = ("config-json", "docker-compose-uri", "image-oneliner", "user-data")
"""OVF properties of the Deep Learning VM image that say what it starts."""
_MAX_BYTES = 1024 * 1024
"""Of a compressed text no more than this is read."""
_CLOUD_INIT = re.compile(r"#cloud-config\b|#!|#cloud-boothook|Content-Type: multipart/")
_GUESTINFO = re.compile(r"(?i)guestinfo\.(?:userdata|user-data|vendordata)")


def boot_texts(resource: Resource) -> Iterator[tuple[str, str] | Undecided]:
    """Path and plain text of what a machine starts: of its bootstrap Secret or ConfigMap, or of its own properties.

    Base64 and gzip are undone, commands of a list stand on a line each. Raises UndecidedError.
    """
    if is_type(resource, SECRET + CONFIG_MAP):
        yield from _of_objects(resource)
        return
    if is_type(resource, VM_SERVICE + VSPHERE_VM):
        yield from _texts((path, value) for path, key, value in inline_properties(resource) if key in BOOT_KEYS)
    if is_type(resource, VM_SERVICE):
        yield from _of_cloud_config(resource)
    if is_type(resource, VSPHERE_VM):
        yield from _texts(
            (f"extraConfig.{key}", value)
            for key, value in resource.mapping("extraConfig").items()
            if _GUESTINFO.fullmatch(key)
        )


def _of_objects(resource: Resource) -> Iterator[tuple[str, str] | Undecided]:
    for path in ("stringData", "data"):
        values = raw_value_at(resource.properties, path)
        if isinstance(values, Unknown):
            yield Undecided(values.path)
            continue
        for key, value in values.items() if isinstance(values, dict) else ():
            encoded = path == "data" and is_type(resource, SECRET)
            if isinstance(value, Unknown):
                # What is under another key is a boot text only when it begins like one.
                if key in BOOT_KEYS:
                    yield Undecided(value.path)
            elif isinstance(value, str):
                text = plain_text(plain_text(value) if encoded else value)
                if key in BOOT_KEYS or _CLOUD_INIT.match(text):
                    yield f"{path}.{key}", text


def _of_cloud_config(resource: Resource) -> Iterator[tuple[str, str] | Undecided]:
    """Inline cloud-config of the VM Service: commands and files."""
    path = f"{machine_spec(resource)}.bootstrap.cloudInit.cloudConfig"
    commands = raw_value_at(resource.properties, f"{path}.runcmd")
    yield from _texts([(f"{path}.runcmd", _lines(commands))])
    for index, each in enumerate(resource.items(f"{path}.write_files")):
        content = raw_value_at(require_known(each), "content")
        yield from _texts([(f"{path}.write_files.{index}.content", _lines(content))])
        # Its place tells what a file is, as that of a license token.
        yield from _texts([(f"{path}.write_files.{index}.path", raw_value_at(each, "path"))])


def _lines(value: Any) -> Any:
    """Commands as a text, one on a line; a command may be a list of its words."""
    if isinstance(value, list):
        parts = [" ".join(map(str, each)) if isinstance(each, list) and _known(each) else each for each in value]
        unknown = next((each for each in parts if isinstance(each, Unknown)), None)
        return unknown if unknown is not None else "\n".join(str(each) for each in parts if isinstance(each, str))
    return value


def _known(words: list[Any]) -> bool:
    return not any(isinstance(each, Unknown) for each in words)


def _texts(values: Any) -> Iterator[tuple[str, str] | Undecided]:
    for path, value in values:
        if isinstance(value, Unknown):
            yield Undecided(value.path)
        elif isinstance(value, str):
            yield path, plain_text(value)


def plain_text(text: str) -> str:
    """A text out of base64 and gzip, as far as it is in them."""
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
        if data[:2] == b"\x1f\x8b":
            data = zlib.decompressobj(wbits=31).decompress(data, _MAX_BYTES)
        return data.decode()
    except (binascii.Error, UnicodeDecodeError, zlib.error, ValueError):
        return text
