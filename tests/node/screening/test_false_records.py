"""Records that hold not: what they are addressed to a person for, and what they never hide."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from listed_people import TODAY, digest, make_listing, make_record, person_of, tag_of
from test_consents import NOW_S, OWN
from test_receipts import is_committee, is_node, listed, make, signed, verify

from node.screening.consents import Trust
from node.screening.index import build_index, make_buckets, prove_bucket
from node.screening.listings import Reason
from node.screening.records import OpenedRecord, seal_record
from node.screening.verifying import Ledger, NotListedError, Verdict, verify_receipt
from reconcile.model import KanheError


def test_a_record_of_another_person_is_no_hit(code_of: Callable[..., str]) -> None:
    """A record that an uploader addressed to this person but committed to another is refused."""
    receipt = make(1, listed=True)
    tag = tag_of(person_of(1))
    other = make_record(person_of(2), make_listing(1, uploader=9))
    record = seal_record(tag, OpenedRecord(other.listing, other.salt, other.signature))
    buckets = make_buckets([(tag.loc, record)])
    index = build_index(buckets, key_epoch=1, version=1, cut_block=5)
    changed = replace(receipt, proof=prove_bucket(index, buckets[0]))
    assert code_of(verify, signed(changed)) == "RECORD_FALSE"


def test_a_false_record_hides_no_true_one(code_of: Callable[..., str]) -> None:
    """Who listed a person knows her tag: what it poisons counts for nothing, alone or beside."""
    receipt, tag = make(1, listed=True), tag_of(person_of(1))
    true = make_record(person_of(1), make_listing(1, uploader=9))
    other = make_record(person_of(2), make_listing(5, uploader=9))
    stranger = replace(
        make_record(person_of(1), make_listing(4, uploader=9)), signature=OWN.sign_digest(bytes(32))
    )
    broken = bytearray(seal_record(tag, make_record(person_of(1), make_listing(3, uploader=9))))
    broken[-1] ^= 1
    poison = {
        "elsewhere": seal_record(tag, OpenedRecord(other.listing, other.salt, other.signature)),
        "broken": bytes(broken),
        "stranger": seal_record(tag, stranger),
    }
    for name, record in poison.items():
        sound = [true] if name != "stranger" else [true, stranger]
        buckets = make_buckets([(tag.loc, seal_record(tag, true)), (tag.loc, record)])
        index = build_index(buckets, key_epoch=1, version=1, cut_block=5)
        entries = tuple(sorted(item.listing.entry_id for item in sound))
        changed = replace(receipt, proof=prove_bucket(index, buckets[0]), entries=entries)
        verdict = verify(signed(changed))
        assert verdict.records == (true,), name
        (why,) = verdict.false
        assert why.code == ("RECEIPT_UPLOADER" if name == "stranger" else "RECORD_FALSE")
        alone = make_buckets([(tag.loc, record)])
        index = build_index(alone, key_epoch=1, version=1, cut_block=5)
        entries = tuple(item.listing.entry_id for item in sound if item is not true)
        changed = replace(receipt, proof=prove_bucket(index, alone[0]), entries=entries)
        assert code_of(verify, signed(changed)) == why.code, "neither a hit nor an absence"


@pytest.mark.parametrize(
    "changes",
    [
        {"reason": Reason.COURT_CONFIRMED},
        {"effective_from": TODAY - 3_000},
        {"expires_at": TODAY + 9_000},
        {"notice_at": None},
        {"policy": "UK"},
        {"supersedes": digest("another")},
        {"entry_id": digest("nobody's")},
        {"entry_id": make_listing(2).entry_id},
        {"uploader": 9 + 1},
    ],
)
def test_a_record_that_the_ledger_does_not_hold_is_no_hit(
    code_of: Callable[..., str], changes: dict[str, object]
) -> None:
    """Its uploader signed it and it opens to the person, yet another thing was posted, or nothing.

    Beside a true record it hides nothing; alone it proves neither a hit nor an absence. Offline
    nobody can tell, and that is said.
    """
    receipt, tag = make(1, listed=True), tag_of(person_of(1))
    trust = Trust(lambda _member, _key: True)
    true = make_record(person_of(1), make_listing(1, uploader=9))
    said = make_record(person_of(1), make_listing(3, **{"uploader": 9, **changes}))
    ledger = Ledger(lambda _header: True, is_committee, is_node, listed)
    for records in ([true, said], [said]):
        buckets = make_buckets([(tag.loc, seal_record(tag, record)) for record in records])
        index = build_index(buckets, key_epoch=1, version=1, cut_block=5)
        entries = tuple(sorted(record.listing.entry_id for record in records))
        file = signed(replace(receipt, proof=prove_bucket(index, buckets[0]), entries=entries))
        false: list[KanheError] = []

        def held(
            ledger: Ledger | None, file: bytes = file, false: list[KanheError] = false
        ) -> Verdict:
            return verify_receipt(
                file, trust=trust, at_s=NOW_S, ledger=ledger, allow_test=True, false=false
            )

        offline = held(None)
        assert len(offline.records) == len(records)
        assert any("held against" in item for item in offline.not_proved)
        if true in records:
            assert held(ledger).records == (true,)
        else:
            assert code_of(held, ledger) == "RECORD_NOT_LISTED"
        (why,) = false
        assert isinstance(why, NotListedError)
        assert (why.entry, why.uploader) == (said.listing.entry_id, said.listing.uploader)
