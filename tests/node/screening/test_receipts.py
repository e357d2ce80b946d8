from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import cache

import pytest
from listed_people import KEY, UPLOADER, digest, make_listing, make_record, person_of, tag_of
from test_consents import (
    DOMAIN,
    KEYS,
    NOW_S,
    OWN,
    READER,
    SALT,
    TRUST,
    kyc,
)

from node.crypto.oprf import modes, shamir, threshold
from node.crypto.oprf.modes import Mode
from node.crypto.oprf.threshold import Committee, ShareHolder
from node.crypto.signer import LocalSigner
from node.screening.consents import (
    Consent,
    Level,
    Purpose,
    Scope,
    SignedConsent,
    Trust,
    evaluation_digest,
    person_commitment,
)
from node.screening.countersigning import countersigned_digest
from node.screening.envelope import LISTING_TYPE, RECEIPT_TYPE, sign_envelope
from node.screening.index import (
    IndexHeader,
    bucket_number,
    build_index,
    make_buckets,
    prove_bucket,
)
from node.screening.listings import Posted
from node.screening.receipts import Receipt, read_receipt, write_receipt
from node.screening.records import seal_record
from node.screening.verifying import (
    COUNTERSIGNERS,
    NOT_COUNTERSIGNED,
    NOT_PROVED,
    Ledger,
    Verdict,
    request_of,
    verify_receipt,
)
from reconcile.model import KanheError

POLYNOMIAL = shamir.random_polynomial(1, constant=KEY.secret)
HOLDERS = [ShareHolder.of(at, shamir.share_of(POLYNOMIAL, at)) for at in (1, 2, 3)]
NODES = {node: LocalSigner.generate() for node in (1, 2, 3)}
COMMITTEE = Committee(2, KEY.public, {holder.index: holder.pair.public for holder in HOLDERS})
UPLOADER_TRUST = Trust(
    lambda member, key: TRUST.is_key_of(member, key) or (member == 9 and key == UPLOADER.address)
)


@cache
def make(serial: int, *, listed: bool, size: int = 3) -> Receipt:
    """Look a person up in a batch of `size`, as a reader and three nodes do."""
    person = person_of(serial)
    blinded = [modes.blind(Mode.VOPRF, person.prf_input)]
    blinded += [modes.blind(Mode.VOPRF, bytes([n])) for n in range(size - 1)]
    batch = tuple(item.element for item in blinded)
    answers = tuple(threshold.evaluate_share(holder, batch) for holder in HOLDERS[1:])
    records = [
        (person_of(n), make_record(person_of(n), make_listing(n, uploader=9))) for n in (1, 2)
    ]
    pairs = [(tag_of(who).loc, seal_record(tag_of(who), record)) for who, record in records]
    buckets = make_buckets(pairs)
    index = build_index(buckets, key_epoch=1, version=1, cut_block=5)
    proof = prove_bucket(index, buckets[bucket_number(tag_of(person).loc, index.header.bits)])
    consent = Consent(
        READER,
        Purpose.CREDIT,
        Scope.HIT,
        NOW_S - 60,
        NOW_S + 60,
        digest("nonce"),
        person_commitment(person, SALT),
        hashlib.sha256(batch[0]).digest(),
        Level.PERSON,
    )
    own = OWN.sign_digest(consent.digest(DOMAIN))
    certificate = kyc(person=person_commitment(person, SALT))
    asked = evaluation_digest(
        DOMAIN, ticket=7, blinded=batch[0], consent=consent.digest(DOMAIN), key_epoch=1
    )
    countersigned = countersigned_digest(
        DOMAIN, reader=READER, ticket=7, key_epoch=1, request=asked
    )
    return Receipt(
        DOMAIN,
        person.type,
        person.value,
        blinded[0].blind,
        7,
        1,
        SignedConsent(consent, SALT, own, certificate),
        KEYS[READER].sign_digest(asked),
        batch,
        0,
        COMMITTEE,
        answers,
        proof,
        (make_listing(serial).entry_id,) if listed else (),
        tuple(NODES[answer.node].sign_digest(countersigned) for answer in answers),
    )


def signed(receipt: Receipt) -> bytes:
    """Sign a receipt as its reader does."""
    return sign_envelope(RECEIPT_TYPE, write_receipt(receipt), [KEYS[READER]]).to_json()


def verify(data: bytes, ledger: Ledger | None = None) -> Verdict:
    """Verify at the time of the lookup."""
    return verify_receipt(data, trust=UPLOADER_TRUST, at_s=NOW_S, ledger=ledger, allow_test=True)


def test_a_hit_is_proven_offline() -> None:
    """From the file alone follow the entry, its statement, its uploader and the consent's level."""
    verdict = verify(signed(make(1, listed=True)))
    (record,) = verdict.records
    assert record.listing.entry_id == make_listing(1).entry_id
    assert verdict.effect.level is Level.PERSON
    assert verdict.reader_key == KEYS[READER].address
    assert any("root" in item for item in verdict.not_proved)


def test_an_absence_is_proven_offline() -> None:
    """For a person who was never listed the same file proves that there is no entry."""
    assert verify(signed(make(5, listed=False))).records == ()


def listed(_header: IndexHeader, entries: Collection[bytes]) -> Mapping[bytes, Posted]:
    """Give what the ledger holds: the listings of persons 1 and 2 as they were posted."""
    found = {}
    for serial in (1, 2):
        listing = make_record(person_of(serial), make_listing(serial, uploader=9)).listing
        assert listing.notice_at is not None
        found[listing.entry_id] = Posted(
            9,
            listing.commitment,
            listing.policy,
            listing.notice_at,
            listing.effective_from,
            listing.expires_at,
            None,
        )
    return {entry: found[entry] for entry in entries if entry in found}


def is_committee(_key_epoch: int, committee: Committee) -> bool:
    """Say whether it is the one that the ledger knows."""
    return committee == COMMITTEE


def test_the_ledger_s_word_is_asked_where_it_can_be(code_of: Callable[..., str]) -> None:
    """A root or a committee that is not on the ledger makes the receipt void."""
    receipt = make(1, listed=True)
    right = Ledger(lambda header: header == receipt.proof.header, is_committee, is_node, listed)
    assert not any("root" in item for item in verify(signed(receipt), right).not_proved)
    void = Ledger(lambda _header: False, is_committee, is_node, listed)
    assert code_of(verify, signed(receipt), void) == "RECEIPT_ROOT"
    other = Ledger(lambda _header: True, lambda _epoch, _committee: False, is_node, listed)
    assert code_of(verify, signed(receipt), other) == "RECEIPT_COMMITTEE"


def is_node(_key_epoch: int, _committee: Committee, node: int, key: str) -> bool:
    """Say whether a key is the node's."""
    return key == NODES[node].address


def test_a_node_s_word_for_the_ticket_is_the_node_s(code_of: Callable[..., str]) -> None:
    """Another member's signature, one for another ticket, one too few: each refused."""
    receipt = make(1, listed=True)
    ledger = Ledger(lambda _header: True, is_committee, is_node, listed)
    assert verify(signed(receipt), ledger).not_proved == NOT_PROVED
    assert COUNTERSIGNERS in verify(signed(receipt)).not_proved
    first, second = receipt.countersignatures
    request = request_of(receipt)

    def word(node: int, **changes: int) -> bytes:
        words = {"reader": READER, "ticket": 7, "key_epoch": 1, **changes}
        return NODES[node].sign_digest(countersigned_digest(DOMAIN, request=request, **words))

    assert word(2) == first
    for signatures in [
        (second, first),
        (first, first),
        (first, word(1)),
        (first, word(3, ticket=8)),
        (first, word(3, reader=READER + 1)),
        (first, word(3, key_epoch=2)),
        (first,),
        (first, second, second),
    ]:
        changed = signed(replace(receipt, countersignatures=signatures))
        assert code_of(verify, changed, ledger) == "RECEIPT_COUNTERSIGNATURE"
    torn = signed(replace(receipt, countersignatures=(first, bytes(65))))
    assert code_of(verify, torn) == "SIGNATURE_MALFORMED"
    # A receipt of an earlier release has none: it says what it said then.
    bare = verify(signed(replace(receipt, countersignatures=())), ledger)
    assert bare.not_proved == (*NOT_PROVED, NOT_COUNTERSIGNED)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"entries": ()}, "RECEIPT_ENTRIES"),
        ({"entries": (digest("another"),)}, "RECEIPT_ENTRIES"),
        ({"id_value": person_of(2).value}, "RECEIPT_BLIND"),
        ({"blind": bytes(32)}, "RECEIPT_BLIND"),
        ({"position": 1}, "RECEIPT_READER"),
        ({"position": 3}, "RECEIPT_BLIND"),
        ({"ticket": 8}, "RECEIPT_READER"),
        ({"key_epoch": 2}, "RECEIPT_READER"),
        ({"answers": make(1, listed=True).answers[:1]}, "OPRF_BELOW_THRESHOLD"),
        ({"proof": make(1, listed=True, size=4).proof, "batch": ()}, "RECEIPT_BLIND"),
    ],
)
def test_a_receipt_that_claims_something_else_is_refused(
    code_of: Callable[..., str], changes: dict[str, object], code: str
) -> None:
    """Even signed by the reader, what the parts do not show is refused."""
    changed = replace(make(1, listed=True), **changes)  # type: ignore[arg-type]
    assert code_of(verify, signed(changed)) == code


def test_a_false_share_names_its_node(code_of: Callable[..., str]) -> None:
    """A receipt with an answer that does not hold is refused with the node's name."""
    receipt = make(1, listed=True)
    wrong = threshold.evaluate_share(ShareHolder(2, modes.generate_key_pair()), receipt.batch)
    changed = replace(receipt, answers=(wrong, *receipt.answers[1:]))
    assert code_of(verify, signed(changed)) == "OPRF_SHARE_WRONG"


def test_strangers_signatures_do_not_count(code_of: Callable[..., str]) -> None:
    """Signed by another member, or with an entry that its uploader did not sign: refused."""
    receipt = make(1, listed=True)
    foreign = sign_envelope(RECEIPT_TYPE, write_receipt(receipt), [KEYS[1]]).to_json()
    assert code_of(verify, foreign) == "RECEIPT_READER"
    other = sign_envelope(LISTING_TYPE, write_receipt(receipt), [KEYS[READER]]).to_json()
    assert code_of(verify, other) == "ENVELOPE_TYPE"
    found = code_of(
        verify_receipt, signed(receipt), trust=TRUST, at_s=NOW_S, ledger=None, allow_test=True
    )
    assert found == "RECEIPT_UPLOADER"


def test_a_test_person_is_refused_in_earnest(code_of: Callable[..., str]) -> None:
    """A receipt about region 99 proves nothing outside tests."""
    data = signed(make(1, listed=True))
    assert code_of(verify_receipt, data, trust=UPLOADER_TRUST, at_s=NOW_S) == "IDENTIFIER_COMPONENT"


def test_an_expired_consent_is_found_later(code_of: Callable[..., str]) -> None:
    """A lookup after the consent's end is refused, whatever else holds."""
    data = signed(make(1, listed=True))
    found = code_of(verify_receipt, data, trust=UPLOADER_TRUST, at_s=NOW_S + 61, allow_test=True)
    assert found == "CONSENT_EXPIRED"


def test_changed_bytes_are_found() -> None:
    """Flipped bytes anywhere in the file are refused: the reader signed all of it."""
    data = signed(make(1, listed=True))
    for place in range(0, len(data), 53):
        changed = bytearray(data)
        changed[place] ^= 1
        with pytest.raises(KanheError):
            verify(bytes(changed))


def test_every_changed_field_is_found_though_the_reader_signs_it() -> None:
    """Any one value changed is refused, though the reader signs it; the ledger knows the root."""
    receipt = make(1, listed=True)
    ledger = Ledger(lambda header: header == receipt.proof.header, is_committee, is_node, listed)
    unfound = []
    body = json.loads(write_receipt(make(1, listed=True)))

    def leaves(node: object, path: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
        if isinstance(node, dict):
            return [p for key in node for p in leaves(node[key], (*path, key))]
        if isinstance(node, list):
            return [p for at in range(len(node)) for p in leaves(node[at], (*path, at))]
        return [path] if node else []

    for path in leaves(body):
        changed = json.loads(json.dumps(body))
        holder = changed
        for step in path[:-1]:
            holder = holder[step]
        text = holder[path[-1]]
        holder[path[-1]] = text[:-1] + ("1" if text[-1] != "1" else "2")
        data = json.dumps(changed, sort_keys=True, separators=(",", ":")).encode()
        file = sign_envelope(RECEIPT_TYPE, data, [KEYS[READER]]).to_json()
        try:
            verify(file, ledger)
        except KanheError:
            continue
        unfound.append(path)
    assert not unfound


def test_a_receipt_reads_back() -> None:
    """Written and read it is the same, and its repr does not name the person."""
    receipt = make(1, listed=True)
    assert read_receipt(write_receipt(receipt)) == receipt
    assert receipt.id_value not in repr(receipt)


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"schema":"x"}', b"\xff"])
def test_other_files_are_no_receipts(code_of: Callable[..., str], data: bytes) -> None:
    """What is no receipt is refused as malformed."""
    assert code_of(read_receipt, data) == "PROOF_MALFORMED"


def test_a_statement_outlives_the_key_that_signed_it(code_of: Callable[..., str]) -> None:
    """Its uploader's key of then counts; one that never was that member's does not."""
    receipt = signed(make(1, listed=True))
    words = {"at_s": NOW_S, "allow_test": True}
    later = Trust(TRUST.is_key_of, was_key_of=UPLOADER_TRUST.is_key_of)
    assert len(verify_receipt(receipt, trust=later, **words).records) == 1  # type: ignore[arg-type]
    never = Trust(UPLOADER_TRUST.is_key_of, was_key_of=TRUST.is_key_of)
    assert code_of(verify_receipt, receipt, trust=never, **words) == "RECEIPT_UPLOADER"
