"""What the blacklist's tests share: impossible people, listings, a key that a test may hold."""

from __future__ import annotations

import hashlib

import msgspec
from stdnum.cn import ric

from node.crypto.oprf import modes
from node.crypto.oprf.modes import Mode
from node.crypto.signer import LocalSigner
from node.screening.derivation import Tag
from node.screening.envelope import LISTING_TYPE, sign_envelope
from node.screening.identifiers import Identifier, IdType, read_identifier
from node.screening.listings import (
    SCHEMA,
    ActionTaken,
    Listing,
    Product,
    ProofLevel,
    Reason,
    committed,
)
from node.screening.records import OpenedRecord

TODAY = 20_777
KEY = modes.derive_key_pair(Mode.VOPRF, bytes(32), b"test")
UPLOADER = LocalSigner(hashlib.sha256(b"uploader").digest())


def digest(text: str) -> bytes:
    """Return 32 bytes that stand for something."""
    return hashlib.sha256(text.encode()).digest()


def number_of(serial: int) -> str:
    """Return a resident identity number of region 99, which does not exist."""
    body = f"99000019800101{serial % 1000:03d}"
    return body + ric.calc_check_digit(f"{body}0")


def make_listing(serial: int = 1, **changes: object) -> Listing:
    """Return a listing that may be posted on `TODAY`."""
    listing = Listing(
        schema=SCHEMA,
        entry_id=digest(f"entry {serial}"),
        uploader=1,
        id_type=IdType.CN_RID,
        reason=Reason.OVERDUE_M3,
        product=Product.CARD,
        amount_band=3,
        days_past_due_band=4,
        event_month="2026-08",
        effective_from=TODAY,
        expires_at=TODAY + 1_000,
        action=ActionTaken.COLLECTION,
        proof_level=ProofLevel.DOCUMENTED,
        evidence_root=digest("evidence"),
        notice_at=TODAY - 30,
        notice_hash=digest("notice"),
        consent=digest("consent"),
        supersedes=None,
        policy="CN-2013",
        policy_version=1,
        commitment=bytes(32),
    )
    return msgspec.structs.replace(listing, **changes)


def person_of(serial: int = 1) -> Identifier:
    """Return a person who cannot exist."""
    return read_identifier(IdType.CN_RID, number_of(serial), allow_test=True)


def tag_of(person: Identifier, key_epoch: int = 1) -> Tag:
    """Return a person's tag under the test's key."""
    output = modes.evaluate_directly(Mode.VOPRF, KEY.secret, person.prf_input)
    return Tag(output, key_epoch)


def make_record(person: Identifier, listing: Listing) -> OpenedRecord:
    """Return a signed, committed record."""
    salt = digest(f"salt {listing.entry_id.hex()}")
    whole = committed(listing, person, salt)
    signed = sign_envelope(LISTING_TYPE, whole.payload, [UPLOADER])
    return OpenedRecord(whole, salt, signed.signatures[0])
