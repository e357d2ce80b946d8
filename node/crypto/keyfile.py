"""One key file: Web3 Secret Storage, version 3, with scrypt and AES-128-CTR.

The format's own check (keccak256 over the second half of the derived key and the ciphertext) covers
neither the IV nor what the key is for. So the file also carries an HMAC under the derived key over
both: nobody without the passphrase turns a poster's key file into an approver's.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from eth_utils.crypto import keccak

from reconcile.model import InputError, Where

VERSION: Final = 3
SCRYPT_N: Final = 131_072
SCRYPT_R: Final = 8
SCRYPT_P: Final = 1
DERIVED_BYTES: Final = 32
SALT_BYTES: Final = 32
IV_BYTES: Final = 16
MIN_PASSPHRASE: Final = 8
MAX_SCRYPT_BYTES: Final = 1 << 30
MAX_SCRYPT_P: Final = 16
MAX_FILE_BYTES: Final = 16_384
MAX_SECRET_BYTES: Final = 1_024
MARK_TAG: Final = b"kanhe/keystore/1"


class KeyRole(enum.StrEnum):
    """What a key is for. The first three are signing keys and the Registry's roles."""

    ADMIN = "ADMIN"
    POSTER = "POSTER"
    APPROVER = "APPROVER"
    SEALING = "SEALING"
    VAULT = "VAULT"
    SHARE = "SHARE"
    PERSON = "PERSON"


SIGNING_ROLES: Final = frozenset({KeyRole.ADMIN, KeyRole.POSTER, KeyRole.APPROVER})


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """What is known about a key without its passphrase; `address` is of signing keys only."""

    key_id: str
    role: KeyRole
    address: str | None
    label: str


def lock(
    secret: bytes,
    facts: KeyFacts,
    passphrase: str,
    *,
    scrypt_n: int = SCRYPT_N,
    randomness: Callable[[int], bytes] = secrets.token_bytes,
) -> bytes:
    """Return the file's bytes; raises `InputError` KEYSTORE_PASSPHRASE_WEAK."""
    if len(passphrase) < MIN_PASSPHRASE:
        raise InputError(
            "KEYSTORE_PASSPHRASE_WEAK",
            f"the passphrase has {len(passphrase)} characters, {MIN_PASSPHRASE} are the least",
            help="Choose a longer passphrase, best several words.",
        )
    assert 0 < len(secret) <= MAX_SECRET_BYTES, "a secret is small"
    salt, iv = randomness(SALT_BYTES), randomness(IV_BYTES)
    derived = _scrypt(passphrase, salt, scrypt_n, SCRYPT_R, SCRYPT_P, DERIVED_BYTES)
    ciphertext = _ctr(derived[:16], iv, secret)
    body: dict[str, object] = {
        "version": VERSION,
        "id": facts.key_id,
        "crypto": {
            "cipher": "aes-128-ctr",
            "cipherparams": {"iv": iv.hex()},
            "ciphertext": ciphertext.hex(),
            "kdf": "scrypt",
            "kdfparams": {
                "dklen": DERIVED_BYTES,
                "n": scrypt_n,
                "p": SCRYPT_P,
                "r": SCRYPT_R,
                "salt": salt.hex(),
            },
            "mac": keccak(derived[16:32] + ciphertext).hex(),
        },
        "kanhe": {
            "role": str(facts.role),
            "label": facts.label,
            "mark": _mark(derived, iv, facts).hex(),
        },
    }
    if facts.address is not None:
        body["address"] = facts.address.removeprefix("0x").lower()
    return json.dumps(body, indent=1, ensure_ascii=False).encode() + b"\n"


def unlock(data: bytes, passphrase: str, file: str) -> bytes:
    """Return the secret.

    Raises `InputError` KEYSTORE_PASSPHRASE (the passphrase is wrong, or the ciphertext was
    changed: the format cannot tell), KEYSTORE_CHANGED (the rest of the file was) or
    KEYSTORE_MALFORMED.
    """
    body = _parse(data, file)
    try:
        crypto = _map(body, "crypto")
        params = _map(crypto, "kdfparams")
        if (crypto["cipher"], crypto["kdf"]) != ("aes-128-ctr", "scrypt"):
            raise _malformed(file, "uses another cipher or derivation than aes-128-ctr and scrypt")
        iv = _hex(_map(crypto, "cipherparams"), "iv", IV_BYTES)
        ciphertext = _hex(crypto, "ciphertext")
        mac = _hex(crypto, "mac", 32)
        cost = tuple(_number(params, name) for name in ("n", "r", "p", "dklen"))
        salt = _hex(params, "salt")
        mark = _hex(_map(body, "kanhe"), "mark", 32)
    except (KeyError, TypeError, ValueError) as error:
        raise _malformed(file, f"lacks a part or has a bad one: {error}") from None
    n, r, p, length = cost
    if not _cost_allowed(n, r, p, length) or len(ciphertext) > MAX_SECRET_BYTES:
        raise _malformed(file, "asks for a derivation or a secret beyond the limits")
    derived = _scrypt(passphrase, salt, n, r, p, length)
    if not hmac.compare_digest(keccak(derived[16:32] + ciphertext), mac):
        raise InputError(
            "KEYSTORE_PASSPHRASE",
            "the passphrase does not open this key",
            where=Where(file=file),
            help="Type it again; if it is right, restore the file from a backup.",
        )
    if not hmac.compare_digest(_mark(derived, iv, read_facts(data, file)), mark):
        raise InputError(
            "KEYSTORE_CHANGED",
            "the key's role, address, label or IV was changed after the file was written",
            where=Where(file=file),
            help="Restore the file from a backup.",
        )
    return _ctr(derived[:16], iv, ciphertext)


def read_facts(data: bytes, file: str) -> KeyFacts:
    """Return what a file says about its key; raises `InputError` KEYSTORE_MALFORMED."""
    body = _parse(data, file)
    try:
        kanhe = _map(body, "kanhe")
        role = KeyRole(str(kanhe["role"]))
        address = body.get("address")
        key_id, label = body["id"], kanhe["label"]
    except (KeyError, TypeError, ValueError) as error:
        raise _malformed(file, f"is no key file of Kanhe: {error}") from None
    if not isinstance(key_id, str) or not isinstance(label, str):
        raise _malformed(file, "has an id or label that is no text")
    if (address is None) == (role in SIGNING_ROLES) or not isinstance(address, str | None):
        raise _malformed(file, "has an address where its role has none, or none where it has one")
    return KeyFacts(key_id, role, None if address is None else f"0x{address}", label)


def cost_of(data: bytes, file: str) -> int:
    """Return scrypt's N of a file; raises `InputError` KEYSTORE_MALFORMED."""
    try:
        return _number(_map(_map(_parse(data, file), "crypto"), "kdfparams"), "n")
    except (KeyError, TypeError) as error:
        raise _malformed(file, f"lacks a part or has a bad one: {error}") from None


def _parse(data: bytes, file: str) -> Mapping[str, object]:
    if len(data) > MAX_FILE_BYTES:
        raise _malformed(file, f"has {len(data)} bytes, over {MAX_FILE_BYTES}")
    try:
        body = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _malformed(file, f"is no JSON: {error}") from None
    if not isinstance(body, dict) or body.get("version") != VERSION:
        raise _malformed(file, "is no key file of version 3")
    return body


def _map(body: Mapping[str, object], name: str) -> Mapping[str, object]:
    part = body[name]
    if not isinstance(part, dict):
        raise TypeError(f"{name} is no object")
    return part


def _hex(body: Mapping[str, object], name: str, length: int | None = None) -> bytes:
    text = body[name]
    if not isinstance(text, str):
        raise TypeError(f"{name} is no text")
    data = bytes.fromhex(text)
    if length is not None and len(data) != length:
        raise ValueError(f"{name} is not {length} bytes")
    return data


def _number(body: Mapping[str, object], name: str) -> int:
    number = body[name]
    if not isinstance(number, int) or isinstance(number, bool):
        raise TypeError(f"{name} is no number")
    return number


def _cost_allowed(n: int, r: int, p: int, length: int) -> bool:
    power_of_two = n > 1 and n & (n - 1) == 0
    return (
        power_of_two
        and r > 0
        and 128 * n * r <= MAX_SCRYPT_BYTES
        and 0 < p <= MAX_SCRYPT_P
        and length == DERIVED_BYTES
    )


def _scrypt(passphrase: str, salt: bytes, n: int, r: int, p: int, length: int) -> bytes:
    return hashlib.scrypt(
        passphrase.encode(errors="surrogateescape"),
        salt=salt,
        n=n,
        r=r,
        p=p,
        maxmem=MAX_SCRYPT_BYTES * 2 - 1,
        dklen=length,
    )


def _ctr(key: bytes, iv: bytes, data: bytes) -> bytes:
    return Cipher(algorithms.AES128(key), modes.CTR(iv)).encryptor().update(data)


def _mark(derived: bytes, iv: bytes, facts: KeyFacts) -> bytes:
    """Return the HMAC over what the format's own check leaves out; JSON keeps the parts apart."""
    address = (facts.address or "").lower()
    parts = json.dumps([iv.hex(), facts.key_id, str(facts.role), address, facts.label])
    return hmac.digest(derived, MARK_TAG + parts.encode(), "sha256")


def _malformed(file: str, says: str) -> InputError:
    return InputError(
        "KEYSTORE_MALFORMED",
        f"the key file {says}",
        where=Where(file=file),
        help="Restore the file from a backup.",
    )
