"""Whether what is encrypted in a stack file can be decrypted, by the rules of Pulumi's passphrase secrets provider.

Formats as in pulumi 3.259, sdk/go/common/resource/config/crypt.go and pkg/secrets/passphrase/manager.go: a value is
v1:NONCE:CIPHERTEXT, both in base64, by AES-256-GCM; a salt is v1:SALT:VALUE, in which VALUE is the word `pulumi`, and
the key PBKDF2 of passphrase and salt. Stacks whose key a cloud keeps have values of the same form.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from functools import lru_cache

_ROUNDS = 1_000_000
_KEY_BYTES, _NONCE_BYTES, _TAG_BYTES = 32, 12, 16
_WORD = "pulumi"

Decrypt = Callable[[str], str]
"""Plain text of a value. Raises ValueError when it is not one that was encrypted with the same salt and passphrase."""


class WrongPassphraseError(ValueError):
    """Salt and passphrase do not belong together."""


def check_form(value: str) -> tuple[bytes, bytes]:
    """Nonce and ciphertext of an encrypted value. Raises ValueError when it is none."""
    version, nonce, ciphertext = value.split(":")
    found = base64.b64decode(nonce, validate=True), base64.b64decode(ciphertext, validate=True)
    if version != "v1" or len(found[0]) != _NONCE_BYTES or len(found[1]) < _TAG_BYTES:
        raise ValueError(version)
    return found


@lru_cache(maxsize=16)  # the key takes half a second
def decrypter(salt: str, passphrase: str) -> Decrypt:
    """What decrypts the values of a stack file with this `encryptionsalt`.

    Raises WrongPassphraseError, and ValueError when that is no salt.
    """
    version, _, rest = salt.partition(":")
    text, _, word = rest.partition(":")
    if version != "v1":
        raise ValueError(version)
    raw = base64.b64decode(text, validate=True)
    check_form(word)
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - only where something is decrypted
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    cipher = AESGCM(hashlib.pbkdf2_hmac("sha256", passphrase.encode(), raw, _ROUNDS, _KEY_BYTES))

    def decrypt(value: str) -> str:
        nonce, ciphertext = check_form(value)
        try:
            return cipher.decrypt(nonce, ciphertext, None).decode()
        except InvalidTag:
            raise ValueError("not encrypted with this salt") from None

    try:
        fits = decrypt(word) == _WORD
    except ValueError:
        fits = False
    if not fits:
        raise WrongPassphraseError
    return decrypt
