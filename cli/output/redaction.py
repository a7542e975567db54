"""Keeps secrets out of what is published from a preview: comments, issues and recordings that become CI artifacts.

Three nets, one behind the other: the engine's own marks, a catalogue of property paths, and the shape of a value. The
engine does not mark everything (policy messages and error texts come bare), so none of them is enough alone.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Any

HIDDEN = "[secret]"

SECRET_PATHS: tuple[tuple[str, str], ...] = (
    ("kubernetes:core/v1:Secret*", "data*"),
    ("kubernetes:core/v1:Secret*", "stringData*"),
    ("kubernetes:core/v1:ConfigMap*", "data.client_configuration_token.tok"),
    ("pulumi:providers:*", "kubeconfig"),
    ("pulumi:providers:*", "password"),
    ("vcf:index:Postgres*", "password"),
    ("vcf:index:Gallery*", "password"),
    ("vsphere:index/contentLibrary:ContentLibrary", "subscription*.password"),
    ("kubernetes:helm.sh/v3:Release", "repositoryOpts.password"),
)
"""Resource type and dotted path of properties that are secret whatever their value; `*` stands for anything."""

_NAMES = re.compile(
    r"(?i)(?:^|[._-])(?:\w*passw(?:or)?d|\w*passphrase|\w*token|client_configuration_token\.tok|\w*secret|\w*credentials?"
    r"|\w*api[_-]?key|\w*private[_-]?key|client-key-data|kubeconfig|\.?dockerconfigjson|user-data|config-json|vgpu-license)$"
)
# passwordRef.name or pullSecrets are names of Secrets: a reviewer must see those.
_REFERENCES = re.compile(r"(?i)(?:ref|refs|secretname|pullsecrets?)(?:\.|$)")

_SHAPES = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|\beyJ[\w-]{6,}\.[\w-]{4,}(?:\.[\w-]*)?"
    r"|\b(?:nvapi-|glpat-|github_pat_|gh[pousr]_|pul-|xox[abpr]-|hvs\.)[\w-]{8,}"
    r"|\bAKIA[0-9A-Z]{16}\b"
    r"|\bv1:[A-Za-z0-9+/=]{8,}:[A-Za-z0-9+/=]{16,}",
    re.DOTALL,
)
_HEADERS = re.compile(r"(?i)\b((?:proxy-)?authorization\s*[:=]\s*)[^\r\n]+|\b(bearer|basic)\s+[\w.~+/=-]{8,}")
_USERINFO = re.compile(r"(?<=://)[^/\s@]+(?=@)|(?<=[\w$.+-]:)[^\s/@:]{4,}(?=@[\w-]+(?:\.[\w-]+|:\d))")
# After a colon, prose of an error message may follow; these words start it and are no secrets.
_PROSE = (
    r"(?!(?:expected|the|an?|must|is|not|one|missing|required|unknown|value|no|has|\[secret\]|null|true|false)\b|\[)"
)
# A URN's type before its name, such as core/v1:Secret::acme-dev-pull, is no pair; the name behind it may hold one.
_PAIRS = re.compile(
    r"(?i)(?P<urn>\burn:pulumi:[\w.-]+::[\w.-]+::[\w.:/$-]+?::)"
    r"|((?:passw(?:or)?d|passwd|passphrase|token(?:\.tok)?|secret|api[_-]?key|private[_-]?key|client-key-data"
    r"|client-certificate-data|dockerconfigjson|\bauth)\\*[\"']?\s*(?:=|::?)\s*\\*[\"']?)"
    + _PROSE
    + r"(?:(?<=\")[^\"\r\n]{3,}|(?<=')[^'\r\n]{3,}|[^\s\"',;)]{3,})"
)
_RUNS = re.compile(r"(?<![\w+/=-])[A-Za-z0-9+/_-]{20,}={0,2}(?![\w+/=-])")
_HEX = re.compile(r"(?<![\w:-])[0-9a-fA-F]{32,}(?![\w-])")
_READABLE = re.compile(
    r"PRIVATE KEY|BEGIN CERTIFICATE|apiVersion|client-key|passw|token|secret|\"auths?\"|nvapi-|^eyJ"
    r"|^[\x20-\x7e]+:[\x20-\x7e]+$"
)
_VIOLATED = re.compile(r"(?P<what>violates plan: properties changed: )(?P<changes>.*)", re.DOTALL)
_CHANGED = re.compile(r"(?:^|, )([-+~=]{2}[A-Za-z]\w*)(?=[\[,]|$)")
_DIAGNOSTIC = re.compile(r" {4}(?:error|warning|info|debug): ")
_LEAST = 4
"""Values shorter than this are no secrets worth the name: replacing every `no` would make texts unreadable."""


def is_secret_path(resource_type: str, path: str) -> bool:
    """Whether the catalogue says that a property (dotted path) of a resource is secret."""
    if any(fnmatchcase(resource_type, kind) and fnmatchcase(path, pattern) for kind, pattern in SECRET_PATHS):
        return True
    return _NAMES.search(path) is not None and _REFERENCES.search(path) is None


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


def scrub(text: str) -> str:
    """The text with everything replaced that looks like a secret."""
    text = _SHAPES.sub(HIDDEN, text)
    text = _HEADERS.sub(lambda found: f"{found[1] or f'{found[2]} '}{HIDDEN}", text)
    text = _USERINFO.sub(HIDDEN, text)
    text = _PAIRS.sub(lambda found: found["urn"] or f"{found[2]}{HIDDEN}", text)
    text = _RUNS.sub(lambda found: HIDDEN if _is_encoded_secret(found[0]) else found[0], text)
    return _HEX.sub(HIDDEN, text)


def _is_encoded_secret(run: str) -> bool:
    """Whether a run of base64's letters is a key, or text in base64 that holds one."""
    mixed = any(c.islower() for c in run) and any(c.isupper() for c in run) and any(c.isdigit() for c in run)
    if mixed and len(run) >= 40 and run.count("-") + run.count("/") + run.count("_") <= len(run) // 8:
        return True
    try:
        standard = run.replace("-", "+").replace("_", "/").rstrip("=")
        plain = base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return False
    return _SHAPES.search(plain) is not None or _READABLE.search(plain) is not None


_PLAN_HINT = re.compile(r"Update plan written to '|Run `pulumi up --plan='")
"""What the engine says of a plan in a file: here that file is of the command's own, and gone when it has ended."""


def without_planned_values(lines: Iterable[str]) -> Iterator[str]:
    """What `pulumi up --plan` prints, with the names instead of the values of what is not as planned.

    The engine shows those values in the clear, secrets among them (pulumi 3.259 PlanDiff.MakeError).
    """
    hiding = False
    for line in lines:
        if _PLAN_HINT.match(line):
            continue
        if hiding and not _DIAGNOSTIC.match(line) and line.startswith("    "):
            # A value of several lines: the engine indents every line of a message by four.
            continue
        found = _VIOLATED.search(line)
        hiding = found is not None or (hiding and not line.strip())
        if found:
            names = ", ".join(_CHANGED.findall(found["changes"])) or "unnamed"
            yield f"{line[: found.start()]}{found['what']}{names} (values are not shown, secrets may be among them)\n"
        else:
            yield line


class Redactor:
    """Replaces the secret values that a preview holds, wherever they turn up, and everything of a secret's shape."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        found: set[str] = set()
        for value in values:
            if len(value) >= _LEAST and value != HIDDEN:
                found |= {value, value.strip(), base64.b64encode(value.encode()).decode()}
                found |= {line for line in value.splitlines() if len(line) >= 2 * _LEAST}
        # The longest first: one secret may be part of another.
        self._values = sorted((each for each in found if len(each) >= _LEAST), key=lambda each: (-len(each), each))

    def text(self, text: str) -> str:
        for value in self._values:
            text = text.replace(value, HIDDEN)
        return scrub(text)

    def data(self, data: Any, resource_type: str = "", path: str = "") -> Any:
        """Plain data with every secret in it replaced."""
        if path and data is not None and is_secret_path(resource_type, path):
            return HIDDEN
        if isinstance(data, dict):
            return {
                self.text(str(key)): self.data(value, resource_type, f"{path}.{key}" if path else str(key))
                for key, value in data.items()
            }
        if isinstance(data, list):
            return [self.data(value, resource_type, f"{path}.{index}") for index, value in enumerate(data)]
        return self.text(data) if isinstance(data, str) else data


def secret_values(resource_type: str, properties: Any) -> Iterator[str]:
    """Values in a resource's properties that the catalogue calls secret though the engine did not mark them."""
    for path, value in leaves(properties):
        if isinstance(value, str) and value != HIDDEN and is_secret_path(resource_type, path):
            yield value
