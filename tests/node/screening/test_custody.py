"""Custody: t shares open a detail, fewer do not, and every changed byte of a manifest is found."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import pytest

from node.crypto.eip712 import Domain
from node.crypto.oprf.group import random_scalar
from node.crypto.oprf.shamir import commit, share_of
from node.crypto.signer import LocalSigner
from node.screening.consents import Consent, Level, Purpose, Scope, SignedConsent
from node.screening.custody import (
    Manifest,
    begin,
    claim_key,
    detail_hash,
    is_share,
    open_detail,
    read_manifest,
    recover_secret,
    seal_detail,
    share_info,
    write_manifest,
)
from node.screening.custody_messages import (
    MAX_DEPOSITS,
    MAX_GENERATIONS,
    MAX_RELEASE_BYTES,
    Ask,
    CustodyRelease,
    CustodyRequest,
    Deposit,
    Deposits,
    Drop,
    Told,
    pack,
    read_destroyed,
    unpack,
    write_custody_release,
    write_custody_request,
    write_destroyed,
)
from node.screening.envelope import CUSTODY_TYPE, read_envelope, sign_envelope
from node.screening.messages import MAX_MESSAGE_BYTES
from node.screening.releases import (
    Attestation,
    DetailRequest,
    HitVerdict,
    read_attestation,
    write_attestation,
    write_request,
)
from reconcile.canonical import canonical_json
from reconcile.model import KanheError

DOMAIN = Domain(31_337, b"\x01" * 20)
SIGNER = LocalSigner(b"\x02" * 32)
ENTRY = b"\x03" * 32
DOCUMENTS = (b"the contract", b"", b"the letter" * 100)


def custody(threshold: int = 3, nodes: int = 5) -> tuple[Manifest, tuple[bytes, ...], bytes]:
    """Return a manifest, its shares in order of their index, and the encrypted detail."""
    polynomial = begin(threshold)
    members = tuple(range(11, 11 + nodes))
    manifest = Manifest(
        DOMAIN,
        ENTRY,
        7,
        1,
        members,
        threshold,
        commit(polynomial),
        bytes(32),
        b"\x04" * 20,
        b"\x05" * 32,
    )
    detail = seal_detail(DOCUMENTS, polynomial[0], manifest.place)
    shares = tuple(share_of(polynomial, index + 1) for index in range(nodes))
    return replace(manifest, detail=detail_hash(detail)), shares, detail


def refusal(call: object, *args: object) -> str:
    """Return the code of the refusal in which a call ends."""
    with pytest.raises(KanheError) as caught:
        call(*args)  # type: ignore[operator]
    return caught.value.code


def test_any_t_shares_open_and_fewer_do_not() -> None:
    """Every three of five give the secret; two give another, under which nothing opens."""
    manifest, shares, detail = custody()
    for chosen in itertools.combinations(range(1, 6), 3):
        secret = recover_secret({index: shares[index - 1] for index in chosen})
        assert open_detail(detail, secret, manifest.place) == DOCUMENTS
    too_few = recover_secret({1: shares[0], 2: shares[1]})
    assert refusal(open_detail, detail, too_few, manifest.place) == "CUSTODY_DETAIL_FALSE"
    right = recover_secret({1: shares[0], 2: shares[1], 3: shares[2]})
    elsewhere = replace(manifest, generation=2).place
    assert refusal(open_detail, detail, right, elsewhere) == "CUSTODY_DETAIL_FALSE"
    changed = detail[:-1] + bytes([detail[-1] ^ 1])
    assert refusal(open_detail, changed, right, manifest.place) == "CUSTODY_DETAIL_FALSE"


def test_a_share_is_held_against_its_commitment() -> None:
    """Another's, a random one and what is no scalar are none of this index."""
    manifest, shares, _ = custody()
    assert [is_share(manifest, index, shares[index - 1]) for index in range(1, 6)] == [True] * 5
    wrong = [shares[1], random_scalar(), b"", b"\xff" * 32, bytes(32)]
    assert not any(is_share(manifest, 1, share) for share in wrong)
    infos = {share_info(manifest, receiver=who, ticket=at) for who in (1, 2) for at in (0, 1)}
    assert len(infos) == 4
    assert refusal(manifest.index_of, 7) == "CUSTODY_FOREIGN"


def test_a_manifest_reads_as_it_was_written_and_no_other() -> None:
    """Two of three at least one apart, in order, a commitment for each coefficient."""
    manifest, _, _ = custody()
    data = write_manifest(manifest, SIGNER)
    assert read_manifest(data) == (manifest, (SIGNER.address,))
    body = json.loads(json.dumps(_body(data)))
    for changes, code in [
        ({"custodians": ["12", "11", "13", "14", "15"]}, "PROOF_MALFORMED"),
        ({"custodians": ["11", "11", "13", "14", "15"]}, "PROOF_MALFORMED"),
        ({"threshold": "2"}, "OPRF_COMMITTEE_SHAPE"),
        ({"threshold": "1", "custodians": ["11"]}, "PROOF_MALFORMED"),
        ({"commitments": body["commitments"][:2]}, "PROOF_MALFORMED"),
        ({"commitments": [*body["commitments"][:2], "00" * 32]}, "OPRF_ELEMENT_IDENTITY"),
        ({"detail": "00"}, "PROOF_MALFORMED"),
    ]:
        payload = canonical_json({**body, **changes})
        other = sign_envelope(CUSTODY_TYPE, payload, [SIGNER]).to_json()
        assert refusal(read_manifest, other) == code, changes


def _body(data: bytes) -> dict[str, object]:
    from node.screening.envelope import read_envelope

    return dict(json.loads(read_envelope(data).payload))


def test_the_claim_follows_from_the_salt_and_the_entry() -> None:
    """One key a record: another salt or entry gives another."""
    found = {
        claim_key(salt, entry).address
        for salt in (b"\x01" * 32, b"\x02" * 32)
        for entry in (ENTRY, b"\x09" * 32)
    }
    assert len(found) == 4
    assert claim_key(b"\x01" * 32, ENTRY).address in found


def test_messages_of_another_form_are_refused() -> None:
    """Another format, another shape, trailing bytes: one code, nothing read."""
    data = pack(Drop(ENTRY, 3))
    assert unpack(data, Drop) == Drop(ENTRY, 3)
    for wrong in (b"", b"\x92\x02" + data[2:], data + b"\x00", data[:-1], b"\x92\x01\xc0"):
        assert refusal(unpack, wrong, Drop) == "CUSTODY_MALFORMED"
    word = write_destroyed(DOMAIN, ENTRY, 3, 11, "2026-11-29", SIGNER)
    body, signers = read_destroyed(word)
    assert (body["member"], body["generation"], signers) == ("11", "3", (SIGNER.address,))


@pytest.mark.parametrize(
    "message",
    [
        Ask(bytes(MAX_MESSAGE_BYTES + 1), 1, b""),
        Ask(b"", 1, bytes(MAX_MESSAGE_BYTES + 1)),
        Told(bytes(MAX_MESSAGE_BYTES + 1), 1, b"", []),
        Told(b"", 1, bytes(MAX_MESSAGE_BYTES + 1), []),
        Told(b"", 1, b"", [bytes(MAX_RELEASE_BYTES + 1)]),
        Told(b"", 1, b"", [b""] * (MAX_GENERATIONS + 1)),
        Deposits([Deposit(b"", 1, b"", b"")] * (MAX_DEPOSITS + 1)),
    ],
)
def test_a_message_that_is_kept_is_no_larger_than_what_it_says(message: object) -> None:
    """A ticket of a few points does not fill the disks of all custodians and the uploader."""
    assert refusal(unpack, pack(message), type(message)) == "CUSTODY_MALFORMED"


def test_the_largest_true_messages_have_room() -> None:
    """A certificate of 4 kB, an RSA key of 4,096 bits, numbers at their most."""
    domain, most32, most64 = Domain(2**256 - 1, b"\xff" * 20), 2**32 - 1, 2**64 - 1
    word = b"\xff" * 32
    scope = Scope.HIT | Scope.RECORD | Scope.EVIDENCE
    consent = Consent(
        most32, Purpose.CREDIT, scope, most64, most64, word, word, bytes(32), Level.AUTHORITY
    )
    full = SignedConsent(consent, word, bytes(512), bytes(4_096))
    detail = DetailRequest(domain, word, most32, most64, word, word, full)
    blind = replace(full, salt=b"")
    asked = CustodyRequest(domain, word, most32, most64, word, word, blind, word, word)
    request, sealed = write_custody_request(asked, SIGNER, SIGNER), write_request(detail, SIGNER)
    enclosed = bytes(len(sealed) + 2_048)
    release = CustodyRelease(domain, word, *[most32] * 4, most64, word, word, word, most64)
    told = Told(request, 1, enclosed, [write_custody_release(release, SIGNER)] * MAX_GENERATIONS)
    assert unpack(pack(told), Told) == told
    assert unpack(pack(Ask(request, 1, enclosed)), Ask).enclosed == enclosed


def test_a_message_has_no_room_for_what_only_fills_a_disk() -> None:
    """Signed, and true but for a field that nobody reads: whoever is sent it keeps it all."""
    said = Attestation(DOMAIN, ENTRY, 7, 8, 9, HitVerdict.CONFIRMED, bytes(32))
    for data, read in (
        (write_attestation(said, SIGNER), read_attestation),
        (write_manifest(custody()[0], SIGNER), read_manifest),
    ):
        envelope = read_envelope(data)
        body = json.loads(envelope.payload)
        for more, refused in ((100, False), (MAX_MESSAGE_BYTES, True)):
            payload = canonical_json({**body, "more": "x" * more})
            padded = sign_envelope(envelope.type, payload, [SIGNER]).to_json()
            if refused:
                assert refusal(read, padded) == "PROOF_MALFORMED"
            else:
                assert read(padded)[1] == (SIGNER.address,)
