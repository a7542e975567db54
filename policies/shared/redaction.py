"""Keeps secrets out of messages: by the engine's marks, by a catalogue of property names, by the shape of a value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Any

from policies.shared.model import HIDDEN, Resource, Unknown

SECRET_PATHS: tuple[tuple[str, str], ...] = (
    ("kubernetes:core/v1:Secret", "data.*"),
    ("kubernetes:core/v1:Secret", "stringData.*"),
    ("kubernetes:core/v1:ConfigMap", "data.client_configuration_token.tok"),
    ("pulumi:providers:kubernetes", "kubeconfig"),
    ("pulumi:providers:vcf", "password"),
    ("pulumi:providers:vsphere", "password"),
    ("vcf:index:Postgres*", "password"),
    ("vcf:index:Gallery*", "password"),
    ("vsphere:index/contentLibrary:ContentLibrary", "subscription.password"),
)
"""Type and dotted path of properties that are secret whatever their value; `*` stands for anything."""

_NAMES = re.compile(
    r"(?i)(?:^|[._-])(?:\w*passw(?:or)?d|passwd|\w*token|\w*secret|\w*api[_-]?key|private[_-]?key|kubeconfig|"
    r"dockerconfigjson|user-data|config-json|vgpu-license)$"
)
# References such as passwordRef.name or imagePullSecret are names of Secrets, not secrets.
_REFERENCES = re.compile(r"(?i)(?:ref|refs|secretname|pullsecrets?)(?:\.|$)")
_SHAPES = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|eyJ[\w-]{6,}\.[\w-]{4,}(?:\.[\w-]*)?"
    r"|nvapi-[\w-]{8,}"
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"
    r"|(?<![\w+/:.-])(?=[\w+/-]*[a-z])(?=[\w+/-]*[A-Z])(?=[\w+/-]*\d)[A-Za-z0-9+/_-]{40,}={0,2}(?![\w+/-])",
    re.DOTALL,
)
# Who logs in, before the host of an address; a name alone may be a token. In a ConfigMap git@ is nothing to object to.
_USERINFO = re.compile(r"(?<=://)[^/?#\s]+(?=@)")
_PUBLIC = re.compile(
    r"-----BEGIN (?:CERTIFICATE|PUBLIC KEY)-----.*?-----END (?:CERTIFICATE|PUBLIC KEY)-----", re.DOTALL
)
_LONGEST = 80


def is_secret_path(resource_type: str, path: str) -> bool:
    """Whether the catalogue says that a property is secret."""
    if any(fnmatchcase(resource_type, kind) and fnmatchcase(path, pattern) for kind, pattern in SECRET_PATHS):
        return True
    return _NAMES.search(path) is not None and _REFERENCES.search(path) is None


def has_secret_shape(text: str) -> bool:
    """Whether text holds something that looks like a private key, a token or a key of NVIDIA's."""
    return _SHAPES.search(_PUBLIC.sub("", text)) is not None


def leaves(data: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every scalar of plain data with its dotted path."""
    if isinstance(data, dict):
        for key, value in data.items():
            yield from leaves(value, f"{path}.{key}" if path else str(key))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from leaves(value, f"{path}.{index}" if path else str(index))
    else:
        yield path, data


class Redactor:
    """Turns values and texts about one resource into what may be printed."""

    def __init__(self, resource: Resource, others: Iterable[str] = ()) -> None:
        """`others` are secret values known from elsewhere, such as the stack's configuration."""
        self._resource = resource
        found = {text for text in others if len(text) >= 4}
        for path, value in leaves(resource.properties):
            if isinstance(value, str) and len(value) >= 4 and self._hidden(path):
                found.add(value)
        # The longest first: one secret may be part of another.
        self._values = sorted(found, key=len, reverse=True)

    def _hidden(self, path: str) -> bool:
        return self._resource.is_secret(path) or is_secret_path(self._resource.type, path)

    def value(self, path: str, value: Any) -> str:
        """A property's value as a message may show it."""
        if isinstance(value, Unknown):
            return "[unknown]"
        if self._hidden(path):
            return HIDDEN
        # Before it is quoted, which changes a secret's letters, and before it is cut, which may leave half of one.
        text = repr(self._plain(value))
        return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"

    def _plain(self, data: Any) -> Any:
        if isinstance(data, dict):
            return {self._plain(key): self._plain(value) for key, value in data.items()}
        if isinstance(data, list):
            return [self._plain(value) for value in data]
        return self.text(data) if isinstance(data, str) else data

    def text(self, text: str) -> str:
        """Text with every secret in it replaced."""
        for value in self._values:
            text = text.replace(value, HIDDEN)
        return _USERINFO.sub(HIDDEN, _SHAPES.sub(HIDDEN, text))
