from __future__ import annotations

import dataclasses
import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.commitment.heads import Stream, commit, salted_leaves
from reconcile.commitment.proofs import (
    BatchFields,
    RecordProof,
    make_record_proof,
    parse_proof,
    proof_json,
)
from reconcile.model import InputError, Side

STREAM = Stream(31_337, b"\x11" * 20, b"\x22" * 32, Side.SERVICER)
ITEMS = [[b"header %d" % n, *(b"record %d %d" % (n, k) for k in range(n + 1))] for n in range(4)]
SALTS = [
    b"".join(hashlib.md5(item).digest() for item in items)  # noqa: S324 - any 16 bytes do
    for items in ITEMS
]
BATCHES = [
    BatchFields.of(n + 1, 166_232, 1, commit(SALTS[n], ITEMS[n]), b"payload %d" % n)
    for n in range(4)
]


def closing_head() -> bytes:
    """Walk the whole stream from head 0."""
    head = STREAM.head0
    for batch in BATCHES:
        head = batch.after(head)
    return head


def proof_of(number: int, index: int) -> RecordProof:
    """Prove one leaf of one batch."""
    head = STREAM.head0
    for batch in BATCHES[:number]:
        head = batch.after(head)
    return make_record_proof(
        STREAM,
        closed_window=166_232,
        leaves=salted_leaves(SALTS[number], ITEMS[number]),
        index=index,
        salt=SALTS[number][16 * index : 16 * index + 16],
        record=ITEMS[number][index],
        prev_head=head,
        batches=BATCHES[number:],
    )


def test_every_record_leads_to_the_closing_head() -> None:
    """Each leaf of each batch re-hashes to the head at which the window was closed."""
    for number, items in enumerate(ITEMS):
        for index in range(len(items)):
            proof = proof_of(number, index)
            assert proof.commitment == BATCHES[number].commitment
            assert proof.closing_head == closing_head()


def test_a_proof_survives_its_json() -> None:
    """Written and read again, a proof is the same."""
    proof = proof_of(1, 2)
    assert parse_proof(json.loads(json.dumps(proof_json(proof)))) == proof


def test_a_wrong_salt_is_the_provers_mistake() -> None:
    """A proof that proves nothing is not made."""
    with pytest.raises(AssertionError):
        make_record_proof(
            STREAM,
            closed_window=166_232,
            leaves=salted_leaves(SALTS[1], ITEMS[1]),
            index=1,
            salt=bytes(16),
            record=ITEMS[1][1],
            prev_head=STREAM.head0,
            batches=BATCHES[1:],
        )


def test_a_gap_between_links_leads_nowhere() -> None:
    """Following batches are consecutive; an omitted or reordered one is no chain."""
    proof = proof_of(0, 1)
    for links in (proof.links[1:], proof.links[::-1], (*proof.links, proof.links[-1])):
        assert dataclasses.replace(proof, links=links).closing_head is None
    assert dataclasses.replace(proof, links=proof.links[:-1]).closing_head != closing_head()


def test_a_leaf_in_another_position_is_another_commitment() -> None:
    """Index and count are bound: a record cannot be shown in another place."""
    proof = proof_of(3, 2)
    assert dataclasses.replace(proof, index=3).closing_head != closing_head()
    assert dataclasses.replace(proof, count=9).closing_head != closing_head()
    assert dataclasses.replace(proof, index=5).commitment is None


@given(st.data())
def test_any_changed_byte_of_a_proof_is_found(data: st.DataObject) -> None:
    """A changed hex digit or number leads to another head, or is refused with its field."""
    body = proof_json(proof_of(1, 1))
    text = json.dumps(body)
    at = data.draw(
        st.integers(0, len(text) - 1).filter(lambda i: text[i] in "0123456789abcdef"), "at"
    )
    digit = data.draw(st.sampled_from("0123456789abcdef").filter(lambda c: c != text[at]), "digit")
    changed = text[:at] + digit + text[at + 1 :]
    try:
        found = parse_proof(json.loads(changed))
    except InputError as error:
        refused = error.code
        assert refused == "PROOF_MALFORMED"
        return
    # The stream's own names do not enter the hash chain behind head 0: the verifier compares them.
    same_place = found.stream == STREAM and found.closed_window == 166_232
    assert not same_place or found.closing_head != closing_head()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("side", "bank"),
        ("index", 1),
        ("index", "01"),
        ("index", "-1"),
        ("count", str(2**64)),
        ("record", "ABCD"),
        ("record", "abc"),
        ("salt", "00"),
        ("ledger", "11" * 20),
        ("path", "00"),
        ("path", ["00"]),
        ("path", ["00" * 32] * 65),
        ("batch", []),
        ("links", [[]]),
        ("prev_head", None),
    ],
)
def test_a_malformed_proof_names_its_field(field: str, value: object) -> None:
    """What cannot be read is refused with one code, before anything is hashed."""
    with pytest.raises(InputError) as refused:
        parse_proof({**proof_json(proof_of(1, 1)), field: value})
    assert (refused.value.code, refused.value.where.field) == ("PROOF_MALFORMED", field)
