"""A consent that a person signed, and its revocation, as files that she hands over.

    {"kanhe": "consent/1", "chain_id": "…", "contract": "0x…", … the consent …,
     "digest": "…", "revocation_hash": "…"}
    {"kanhe": "revocation/1", "chain_id": "…", "contract": "0x…", "reader": "…",
     "consent": "…", "secret": "…"}

Reader and digest are the consent's name on the ledger; `revocation_hash` is recorded with it, and
whoever relays the secret revokes it: no key of hers is seen. One form each: canonical JSON and a
line feed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from eth_utils.crypto import keccak

from node.crypto.eip712 import Domain
from node.screening.consents import SignedConsent
from node.screening.file_kinds import CONSENT, REVOCATION, require_kind
from node.screening.messages import network_json, read_network
from node.screening.receipts import consent_json, read_consent
from reconcile.canonical import canonical_json
from reconcile.commitment.fields import (
    malformed,
    read_hex,
    read_number,
    read_object,
)

MAX_MEMBER: Final = 2**32 - 1


@dataclass(frozen=True, slots=True)
class ConsentFile:
    """What a reader needs of a consent: to record it, and to look up with it."""

    domain: Domain
    signed: SignedConsent
    revocation_hash: bytes

    @property
    def digest(self) -> bytes:
        """Return the consent's name on the ledger."""
        return self.signed.consent.digest(self.domain)


@dataclass(frozen=True, slots=True)
class RevocationFile:
    """What any member relays to revoke a consent."""

    domain: Domain
    reader: int
    consent: bytes
    secret: bytes

    @property
    def revocation_hash(self) -> bytes:
        """Return what the ledger compares with what was recorded."""
        return keccak(self.secret)


def write_consent_file(file: ConsentFile) -> bytes:
    """Return the file's bytes."""
    body = {
        "kanhe": CONSENT,
        **network_json(file.domain),
        **consent_json(file.signed),
        "digest": file.digest.hex(),
        "revocation_hash": file.revocation_hash.hex(),
    }
    return canonical_json(body) + b"\n"


def read_consent_file(data: bytes) -> ConsentFile:
    """Read a consent; its signature is `check_consent`'s. Raises `InputError` PROOF_MALFORMED."""
    body = _body(data, CONSENT)
    found = ConsentFile(
        read_network(body), read_consent(body), read_hex(body, "revocation_hash", 32)
    )
    if write_consent_file(found) != data:
        raise malformed("consent", "is not in its one form")
    return found


def write_revocation_file(file: RevocationFile) -> bytes:
    """Return the file's bytes."""
    body = {
        "kanhe": REVOCATION,
        **network_json(file.domain),
        "reader": str(file.reader),
        "consent": file.consent.hex(),
        "secret": file.secret.hex(),
    }
    return canonical_json(body) + b"\n"


def read_revocation_file(data: bytes) -> RevocationFile:
    """Read a revocation; raises `InputError` PROOF_MALFORMED."""
    body = _body(data, REVOCATION)
    found = RevocationFile(
        read_network(body),
        read_number(body, "reader", MAX_MEMBER),
        read_hex(body, "consent", 32),
        read_hex(body, "secret", 32),
    )
    if write_revocation_file(found) != data:
        raise malformed("revocation", "is not in its one form")
    return found


def _body(data: bytes, kind: str) -> Mapping[str, object]:
    require_kind(data, kind)
    body = read_object(data, "file")
    if body.get("kanhe") != kind:
        raise malformed("kanhe", f"is not {kind}")
    return body
