"""What secrets look like, and how texts and data are freed of them: one catalog for all that shows something.

Three nets, one behind the other: the engine's own marks, which the caller knows; names of properties; the shape of a
value. The engine does not mark everything (policy messages and error texts come bare), so none is enough alone.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

HIDDEN = "[secret]"
SIGNATURE = "4dabf18193072939515e22adb298388d"
"""Key by which the engine marks a value of its own kind, such as a secret."""
"""What stands for a secret in messages, the engine's own included."""
_LEAST = 4
"""Values shorter than this are no secrets worth the name: replacing every `no` would make texts unreadable."""

# Names.

SECRET_PATHS: tuple[tuple[str, str], ...] = (
    ("kubernetes:core/v1:Secret*", "data*"),
    ("kubernetes:core/v1:Secret*", "stringData*"),
    ("kubernetes:core/v1:ConfigMap*", "data.client_configuration_token.tok"),
    ("pulumi:providers:*", "kubeconfig"),
    ("pulumi:providers:*", "password"),
    ("vcf:index:Postgres*", "password"),
    ("vcf:index:Gallery*", "password"),
    ("vsphere:index/license:License", "licenseKey"),
    ("vsphere:index/host:Host", "license"),
    ("vsphere:index/contentLibrary:ContentLibrary", "subscription*.password"),
    ("kubernetes:helm.sh/v3:Release", "repositoryOpts.password"),
)
"""Resource type and dotted path of properties that are secret whatever their value; `*` stands for anything."""

_PASSWORD = r"passw(?:or)?d|passphrase"  # noqa: S105 - a pattern of names
_KEY = r"(?:api|private)[_-]?key"
_NAMES = re.compile(
    rf"(?i)(?:^|[._-])(?:\w*(?:{_PASSWORD}|{_KEY}|token|secret|credentials?)|client_configuration_token\.tok"
    r"|client-key-data|kubeconfig|\.?dockerconfigjson|user-data|config-json|vgpu-license)$"
)
# passwordRef.name, pullSecrets or password_secret are names of Secrets: a reviewer must see those.
_REFERENCES = re.compile(r"(?i)(?:ref|refs|secret_?name|(?:pull|password)_?secrets?)(?:\.|$)")
# Narrower than for objects whose properties are known: a chart's existingSecret or ngcAPISecret names a Secret.
_CREDENTIALS = re.compile(
    rf"(?i)(?:{_PASSWORD}|{_KEY}|(?<!account)token|(?<!existing)secret[_-]?(?:access[_-]?)?key|client[_-]?secret)$"
)
# Wider: in a stack file a key that nobody knows may be anybody's spelling of a secret.
_UNKNOWN_KEYS = re.compile(
    r"(?i)pass(?:wd|word|phrase)?$|token|secret|credential|kubeconfig|(?:api|private|access|encrypted).?key"
)


@lru_cache(maxsize=8192)
def is_secret_path(resource_type: str, path: str) -> bool:
    """Whether the catalog says that a property (dotted path) of a resource is secret."""
    if any(fnmatchcase(resource_type, kind) and fnmatchcase(path, pattern) for kind, pattern in SECRET_PATHS):
        return True
    return _NAMES.search(path) is not None and _REFERENCES.search(path) is None


def is_credential_name(name: str) -> bool:
    """Whether a chart's setting or an environment variable of this name holds a password or key itself."""
    return _CREDENTIALS.search(name) is not None


def is_secret_key(name: str) -> bool:
    """Whether what a key of this name in a stack file holds is probably secret."""
    return _UNKNOWN_KEYS.search(name) is not None


# Shapes.


@dataclass(frozen=True)
class Shape:
    """What a secret looks like.

    `finding`: it is a secret wherever it stands, so that a policy objects to it; others are only hidden, since what
    looks like them is sometimes none. `replace` makes of a match what may be shown.
    """

    name: str
    pattern: re.Pattern[str]
    finding: bool = False
    replace: Callable[[re.Match[str]], str] = lambda _: HIDDEN


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
    return _READABLE.search(plain) is not None or any(each.pattern.search(plain) for each in TOKENS)


_READABLE = re.compile(
    r"PRIVATE KEY|BEGIN CERTIFICATE|apiVersion|client-key|passw|token|secret|\"auths?\"|nvapi-|^eyJ"
    r"|^[\x20-\x7e]+:[\x20-\x7e]+$"
)
# After a colon, prose of an error message may follow; these words start it and are no secrets.
_PROSE = (
    r"(?!(?:expected|the|an?|must|is|not|one|missing|required|unknown|value|no|has|\[secret\]|null|true|false)\b|\[)"
)
TOKENS = (
    Shape(
        "private key",
        re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
        finding=True,
    ),
    Shape("JSON web token", re.compile(r"eyJ[\w-]{6,}\.[\w-]{4,}(?:\.[\w-]*)?"), finding=True),
    Shape("key of NVIDIA's", re.compile(r"nvapi-[\w-]{8,}"), finding=True),
    Shape(
        "token of a forge, chat or vault",
        re.compile(r"\b(?:glpat-|github_pat_|gh[pousr]_|pul-|xox[abpr]-|hvs\.)[\w-]{8,}"),
        finding=True,
    ),
    Shape("access key of AWS", re.compile(r"\bAKIA[0-9A-Z]{16}\b"), finding=True),
    Shape("license key of vSphere", re.compile(r"(?<![\w-])[0-9A-Z]{5}(?:-[0-9A-Z]{5}){4}(?![\w-])"), finding=True),
    # What Pulumi has encrypted is no secret in plain text, and nothing that anybody must read.
    Shape("value that Pulumi encrypted", re.compile(r"\bv1:[A-Za-z0-9+/=]{8,}:[A-Za-z0-9+/=]{16,}")),
)
"""What is told by its own letters, whatever stands around it."""
_ADDRESSES = (Shape("password in an address", re.compile(r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"), finding=True),)
SHAPES: tuple[Shape, ...] = (
    *TOKENS,
    Shape(
        "authorization header",
        re.compile(r"(?i)\b((?:proxy-)?authorization\s*[:=]\s*)[^\r\n]+|\b(bearer|basic)\s+[\w.~+/=-]{8,}"),
        replace=lambda found: f"{found[1] or f'{found[2]} '}{HIDDEN}",
    ),
    *_ADDRESSES,
    # A name alone may be a token; git@ in a ConfigMap is nothing to object to. An address ends where JSON goes on.
    Shape("who logs in by an address", re.compile(r"(?<=://)(?:(?:[^/?#\s\"]|\"(?![,:}\]]))+|[^/\s@]+)(?=@)")),
    Shape("password before a host", re.compile(r"(?<=[\w$.+-]:)[^\s/@:]{4,}(?=@[\w-]+(?:\.[\w-]+|:\d))")),
    Shape(
        "name and value",
        # A URN's type before its name, such as core/v1:Secret::acme-dev-pull, is no pair; the name behind may hold one.
        re.compile(
            r"(?i)(?P<urn>\burn:pulumi:[\w.-]+::[\w.-]+::[\w.:/$-]+?::)"
            rf"|((?:{_PASSWORD}|{_KEY}|token(?:\.tok)?|secret|client-key-data|client-certificate-data|dockerconfigjson"
            r"|\bauth)\\*[\"']?\s*(?:=|::?)\s*\\*[\"']?)"
            + _PROSE
            + r"(?:(?<=\")[^\"\r\n]{3,}|(?<=')[^'\r\n]{3,}|[^\s\"',;)]{3,})"
        ),
        replace=lambda found: found["urn"] or f"{found[2]}{HIDDEN}",
    ),
    Shape(
        "text in base64",
        re.compile(r"(?<![\w+/=-])[A-Za-z0-9+/_-]{20,}={0,2}(?![\w+/=-])"),
        replace=lambda found: HIDDEN if _is_encoded_secret(found[0]) else found[0],
    ),
    Shape(
        "random letters",
        re.compile(
            r"(?<![\w+/:.-])(?=[\w+/-]*[a-z])(?=[\w+/-]*[A-Z])(?=[\w+/-]*\d)[A-Za-z0-9+/_-]{40,}={0,2}(?![\w+/-])"
        ),
        finding=True,
    ),
    Shape("random digits", re.compile(r"(?<![\w:-])[0-9a-fA-F]{32,}(?![\w-])")),
)
"""In the order in which a text is searched for them: what stands inside of another shape comes behind it."""

_PUBLIC = re.compile(
    r"-----BEGIN (?:CERTIFICATE|PUBLIC KEY)-----.*?-----END (?:CERTIFICATE|PUBLIC KEY)-----", re.DOTALL
)
_LOGIN = re.compile(r"(?<=://)\S+(?=@)|[^\s/:@'\"]+:[^\s/@]+(?=@)")


def has_token_shape(text: str) -> bool:
    """Whether text holds something that its own letters tell to be a secret, or an address with a password."""
    return _CERTAIN.search(text) is not None


_CERTAIN = re.compile("|".join(each.pattern.pattern for each in (*TOKENS, *_ADDRESSES) if each.finding), re.DOTALL)


def has_secret_shape(text: str) -> bool:
    """Whether text holds something that is a secret wherever it stands; certificates and public keys are none."""
    text = _PUBLIC.sub("", text)
    return any(each.pattern.search(text) for each in SHAPES if each.finding)


def scrub(text: str, shapes: Iterable[Shape] = SHAPES) -> str:
    """The text with everything replaced that looks like a secret, of these shapes only."""
    for each in shapes:
        text = each.pattern.sub(each.replace, text)
    return text


def without_login(text: str) -> str:
    """The text without who logs in by its addresses, whatever stands before the last `@`."""
    return _LOGIN.sub(HIDDEN, text)


# Data.


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


def secret_values(resource_type: str, properties: Any) -> Iterator[str]:
    """Values in a resource's properties that the catalog calls secret though the engine did not mark them."""
    for path, value in leaves(properties):
        if isinstance(value, str) and value != HIDDEN and is_secret_path(resource_type, path):
            yield value


class Redactor:
    """Replaces secret values that are known, wherever they turn up, and everything of a secret's shape."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        found: set[str] = set()
        for value in values:
            if len(value) >= _LEAST and value != HIDDEN:
                found |= {value, value.strip(), base64.b64encode(value.encode()).decode()}
                found |= {line for line in value.splitlines() if len(line) >= 2 * _LEAST}
        # The longest first: one secret may be part of another.
        self._values = sorted((each for each in found if len(each) >= _LEAST), key=lambda each: (-len(each), each))

    def text(self, text: str) -> str:
        """Text with every secret in it replaced."""
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
