from __future__ import annotations

import contextlib
from collections.abc import Callable

import msgspec
import pytest
from listed_people import UPLOADER, digest, make_listing, make_record, person_of, tag_of

from node.screening.derivation import Tag
from node.screening.envelope import LISTING_TYPE, Envelope
from node.screening.listings import Listing
from node.screening.records import (
    RECORD_BYTES,
    OpenedRecord,
    open_record,
    require_commitment,
    seal_record,
)
from reconcile.model import ProtocolError

PERSON = person_of()
TAG = tag_of(PERSON)
OPENED = make_record(PERSON, make_listing())


def test_a_record_opens_for_its_person_alone() -> None:
    """Who knows T reads statement, salt and signature; who knows another T sees nothing."""
    record = seal_record(TAG, OPENED)
    assert len(record) == RECORD_BYTES
    found = open_record(record, TAG)
    assert found == OPENED
    require_commitment(found, PERSON)
    envelope = Envelope(LISTING_TYPE, found.listing.payload, (found.signature,))
    assert envelope.signers() == (UPLOADER.address,)
    assert open_record(record, tag_of(person_of(2))) is None
    assert open_record(record, Tag(TAG.output, TAG.key_epoch + 1)) is None


def test_the_longest_statement_fits() -> None:
    """With every field at its longest the record is still 1,000 bytes."""
    longest = {
        "uploader": 2**32 - 1,
        "reason": "MERCHANT_COLLUSION",
        "product": "BUSINESS_LOAN",
        "action": "CREDIT_REFUSED",
        "supersedes": digest("old"),
        "effective_from": 2**31,
        "expires_at": 2**31,
        "notice_at": 2**31,
        "policy": "EU-GDPR",
    }
    listing: Listing = msgspec.structs.replace(make_listing(), **longest)
    sealed = seal_record(TAG, OpenedRecord(listing, bytes(32), bytes(65)))
    assert len(sealed) == RECORD_BYTES


def test_a_retag_shares_nothing_with_the_old_record() -> None:
    """In the next epoch no 16-byte stretch of the record is the old one's: a reader sees news."""
    old = seal_record(TAG, OPENED)
    new = seal_record(Tag(digest("k'") * 2, TAG.key_epoch + 1), OPENED)
    stretches = {old[at : at + 16] for at in range(1, RECORD_BYTES - 16)}
    assert not any(new[at : at + 16] in stretches for at in range(1, RECORD_BYTES - 16))


def test_two_entries_of_a_person_are_not_linkable() -> None:
    """Leaf, wrap and body of two records of one person differ everywhere."""
    one = seal_record(TAG, OPENED)
    two = seal_record(TAG, make_record(PERSON, make_listing(2)))
    assert not any(one[at : at + 8] == two[at : at + 8] for at in range(1, RECORD_BYTES - 8))


def test_every_changed_byte_of_a_record_is_found() -> None:
    """A changed byte hides the record or is an error; it never reads as something else."""
    record = seal_record(TAG, OPENED)
    for place in range(RECORD_BYTES):
        changed = bytearray(record)
        changed[place] ^= 1
        with contextlib.suppress(ProtocolError):
            assert open_record(bytes(changed), TAG) is None


def test_another_size_is_refused(code_of: Callable[..., str]) -> None:
    """A record is 1,000 bytes and nothing else."""
    record = seal_record(TAG, OPENED)
    assert code_of(open_record, record[:-1], TAG) == "RECORD_MALFORMED"
    assert code_of(open_record, record + b"\x00", TAG) == "RECORD_MALFORMED"


def test_a_record_under_another_entry_s_leaf_is_false() -> None:
    """A statement moved under a leaf that is not its own is found by who opens it."""

    class Moved(Tag):
        def leaf(self, entry_id: bytes) -> bytes:
            return super().leaf(bytes(byte ^ 1 for byte in entry_id))

    record = seal_record(Moved(TAG.output, TAG.key_epoch), OPENED)
    with pytest.raises(ProtocolError) as caught:
        open_record(record, TAG)
    assert caught.value.code == "RECORD_FALSE"


def test_a_record_about_somebody_else_is_false(code_of: Callable[..., str]) -> None:
    """A statement committed to another person does not count against this one."""
    other = make_record(person_of(2), make_listing())
    found = open_record(seal_record(TAG, other), TAG)
    assert found is not None
    assert code_of(require_commitment, found, PERSON) == "RECORD_FALSE"
