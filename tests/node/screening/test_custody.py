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
from node.screening.custody_messages import Drop, pack, read_destroyed, unpack, write_destroyed
from node.screening.envelope import CUSTODY_TYPE, sign_envelope
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
