"""The evidence bundle of one entry: one signed file for the person, a court or the regulator.

It holds the identifier and the commitment's salt, the statement in its envelope, what stands behind
it (notice, consent to be listed, evidence), every change that the ledger recorded with its
transaction, consents to look the person up, and receipts of such lookups. `weighing.py` verifies it
without node or network. Whoever exports it signs the whole.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from node.crypto.eip712 import Domain
from node.crypto.signer import Signer
from node.screening.consents import SignedConsent
from node.screening.envelope import EVIDENCE_TYPE, sign_envelope
from node.screening.identifiers import IdType
from node.screening.receipts import consent_json, read_consent
from reconcile.canonical import canonical_json
from reconcile.commitment.fields import (
    address_text,
    as_map,
    list_of,
    malformed,
    map_of,
    read_address,
    read_hex,
    read_number,
    read_object,
)

SCHEMA: Final = "kanhe/evidence/1"
MAX_CHANGES: Final = 10_000
MAX_CONSENTS: Final = 1_000
MAX_RECEIPTS: Final = 100
MAX_DOCUMENTS: Final = 100
MAX_DOCUMENT_BYTES: Final = 4 << 20
_MAX32: Final = 2**32 - 1
_MAX64: Final = 2**64 - 1
_MAX256: Final = 2**256 - 1
_WORD_BYTES: Final = 32
Argument = str | bool | list[str]


@dataclass(frozen=True, slots=True)
class Change:
    """One event of the ledger: name and arguments of the ABI, its place, transaction and time.

    Integers are decimal strings and bytes 0x-hex, as in every digested JSON. The place in the block
    is None where a node does not keep it, for a consent's revocation.
    """

    name: str
    args: Mapping[str, Argument]
    block: int
    log_index: int | None
    transaction: bytes
    time_s: int

    @property
    def place(self) -> tuple[int, int]:
        """Return where the event stands in the ledger's order."""
        return self.block, -1 if self.log_index is None else self.log_index


@dataclass(frozen=True, slots=True)
class UsedConsent:
    """A consent to look the person up, the element it was used with, and when."""

    signed: SignedConsent
    element: bytes
    used_at_s: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """A bundle. `statement` and `receipts` are envelopes; documents are None where not disclosed.

    `evidence` are the documents of the statement's evidence root, in order.
    """

    chain_id: int
    blacklist: bytes
    lookups: bytes
    exporter: int
    as_of_block: int
    as_of_s: int
    id_type: IdType
    id_value: str
    salt: bytes
    statement: bytes
    notice: bytes | None
    consent: bytes | None
    evidence: tuple[bytes, ...]
    changes: tuple[Change, ...]
    consents: tuple[UsedConsent, ...]
    receipts: tuple[bytes, ...]

    def __repr__(self) -> str:
        """Show the size, never the person."""
        return f"Evidence(changes={len(self.changes)}, receipts={len(self.receipts)})"

    @property
    def domain(self) -> Domain:
        """Return the domain under which consents are signed."""
        return Domain(self.chain_id, self.lookups)


def change_of(
    name: str,
    args: Mapping[str, object],
    place: tuple[int, int | None],
    transaction: bytes,
    time_s: int,
) -> Change:
    """Return a change from an event as a node keeps it: integers become decimal strings."""
    plain = {key: _argument(value) for key, value in args.items()}
    return Change(name, plain, *place, transaction, time_s)


def sign_evidence(evidence: Evidence, signer: Signer) -> bytes:
    """Return the file: the bundle in an envelope that its exporter signs."""
    return sign_envelope(EVIDENCE_TYPE, write_evidence(evidence), [signer]).to_json()


def write_evidence(evidence: Evidence) -> bytes:
    """Return the bundle's canonical bytes."""
    return canonical_json(
        {
            "schema": SCHEMA,
            "chain_id": str(evidence.chain_id),
            "blacklist": address_text(evidence.blacklist),
            "lookups": address_text(evidence.lookups),
            "exporter": str(evidence.exporter),
            "as_of_block": str(evidence.as_of_block),
            "as_of_s": str(evidence.as_of_s),
            "id_type": str(evidence.id_type),
            "id": evidence.id_value,
            "salt": evidence.salt.hex(),
            "statement": _text(evidence.statement),
            "notice": _text(evidence.notice),
            "consent": _text(evidence.consent),
            "evidence": [_text(item) for item in evidence.evidence],
            "changes": [_change_json(item) for item in evidence.changes],
            "consents": [
                {
                    **consent_json(item.signed),
                    "element": item.element.hex(),
                    "used_at_s": str(item.used_at_s),
                }
                for item in evidence.consents
            ],
            "receipts": [_text(item) for item in evidence.receipts],
        }
    )


def read_evidence(data: bytes) -> Evidence:
    """Read a bundle; raises `InputError` PROOF_MALFORMED unless it re-encodes to itself."""
    body = read_object(data, "evidence")
    found = Evidence(
        read_number(body, "chain_id", _MAX256),
        read_address(body, "blacklist", 20),
        read_address(body, "lookups", 20),
        read_number(body, "exporter", _MAX32),
        read_number(body, "as_of_block", _MAX64),
        read_number(body, "as_of_s", _MAX64),
        _id_type(body),
        _string(body, "id"),
        read_hex(body, "salt", _WORD_BYTES),
        _bytes(body.get("statement"), "statement"),
        _optional(body, "notice"),
        _optional(body, "consent"),
        _documents(body, "evidence", MAX_DOCUMENTS),
        tuple(_read_change(item) for item in list_of(body, "changes", MAX_CHANGES)),
        tuple(_read_used(item) for item in list_of(body, "consents", MAX_CONSENTS)),
        _documents(body, "receipts", MAX_RECEIPTS),
    )
    if write_evidence(found) != data:
        raise malformed("evidence", "is not in its one form")
    return found


def _change_json(change: Change) -> dict[str, object]:
    return {
        "name": change.name,
        "args": dict(change.args),
        "block": str(change.block),
        "log_index": None if change.log_index is None else str(change.log_index),
        "transaction": change.transaction.hex(),
        "time_s": str(change.time_s),
    }


def _read_change(item: object) -> Change:
    body = as_map(item, "changes")
    args: dict[str, Argument] = {}
    for name, value in map_of(body, "args").items():
        whole = isinstance(value, str | bool) or (
            isinstance(value, list) and all(isinstance(part, str) for part in value)
        )
        if not whole:
            raise malformed("args", "holds something else than text")
        args[name] = value  # type: ignore[assignment]
    return Change(
        _string(body, "name"),
        args,
        read_number(body, "block", _MAX64),
        None if body.get("log_index") is None else read_number(body, "log_index", _MAX32),
        read_hex(body, "transaction", _WORD_BYTES),
        read_number(body, "time_s", _MAX64),
    )


def _read_used(item: object) -> UsedConsent:
    body = as_map(item, "consents")
    return UsedConsent(
        read_consent(body),
        read_hex(body, "element", _WORD_BYTES),
        read_number(body, "used_at_s", _MAX64),
    )


def _argument(value: object) -> Argument:
    if isinstance(value, str | bool):
        return value
    if isinstance(value, list | tuple):
        return [str(item) for item in value]
    assert isinstance(value, int), "an event's arguments are text, numbers, flags and lists of them"
    return str(value)


def _documents(body: Mapping[str, object], field: str, most: int) -> tuple[bytes, ...]:
    return tuple(_bytes(item, field) for item in list_of(body, field, most))


def _optional(body: Mapping[str, object], field: str) -> bytes | None:
    return None if body.get(field) is None else _bytes(body[field], field)


def _bytes(text: object, field: str) -> bytes:
    if not isinstance(text, str) or len(text) > 2 * MAX_DOCUMENT_BYTES:
        raise malformed(field, "is no text in base64, or too long")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise malformed(field, "is no base64") from None


def _text(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode("ascii")


def _string(body: Mapping[str, object], field: str) -> str:
    text = body.get(field)
    if not isinstance(text, str):
        raise malformed(field, "is no text")
    return text


def _id_type(body: Mapping[str, object]) -> IdType:
    try:
        return IdType(_string(body, "id_type"))
    except ValueError:
        raise malformed("id_type", "is unknown") from None
