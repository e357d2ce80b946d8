"""Our hashes, digests and proofs are those that the deployed contracts compute."""

from __future__ import annotations

from typing import Any

from eth_utils.crypto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_world import World, entries
from sqlalchemy import select

from node.chain.codec import decode_result, encode_call
from node.crypto.bundle import Signed, SignedResult, file_bytes, record_file
from node.crypto.eip712 import Domain
from node.crypto.sealing import leaf_salts, open_batch
from node.crypto.verifying import verify_bytes
from node.tables import Attestation, Batch, Closing
from reconcile.commitment.heads import BatchPlace, salted_leaves
from reconcile.commitment.proofs import BatchFields, RecordProof, make_record_proof
from reconcile.commitment.tree import inclusion_path, leaf_hash, merkle_root
from reconcile.model import ZERO32, Side

DIGEST = keccak(b"a report")
LEAVES = [leaf_hash(bytes([number])) for number in range(40)]


def view(world: World, contract: str, function: str, *args: object) -> Any:  # noqa: ANN401
    """Ask a contract."""
    address = world.deployed.contracts.address(contract)
    data = world.client.view(address, encode_call(contract, function, args))
    return decode_result(contract, function, data)[0]


def as_bytes(value: object) -> bytes:
    """Return a hash that a view gave as bytes or hex."""
    return value if isinstance(value, bytes) else bytes.fromhex(str(value).removeprefix("0x"))


def test_heads_and_domains_are_the_contracts(world: World) -> None:
    """Head 0 of each side and both domain separators are what the contracts compute."""
    contracts = world.deployed.contracts
    for side in Side:
        stream = world.servicer.stream(world.agreement, side)
        found = view(world, "Ledger", "zeroHead", world.agreement, int(side))
        assert as_bytes(found) == stream.head0
    for name in ("Registry", "Ledger"):
        domain = Domain(contracts.chain_id, contracts.address(name))
        assert as_bytes(view(world, name, "domainSeparator")) == domain.separator


def test_inclusion_is_judged_alike(world: World) -> None:
    """MerkleLib and our tree agree on honest and on wrong paths."""

    @given(st.integers(1, 40), st.data())
    @settings(max_examples=40)
    def alike(count: int, data: st.DataObject) -> None:
        index = data.draw(st.integers(0, count - 1))
        path = list(inclusion_path(LEAVES[:count], index))
        args = [LEAVES[index], index, count, path, merkle_root(LEAVES[:count])]
        assert view(world, "Ledger", "verifyInclusion", *args) is True
        wrong = data.draw(st.sampled_from(["leaf", "index", "longer"]))
        if wrong == "leaf":
            args[0] = bytes(32)
        elif wrong == "index":
            args[1] = count
        else:
            args[3] = [*path, bytes(32)]
        assert view(world, "Ledger", "verifyInclusion", *args) is False

    alike()


def post_and_close(world: World) -> None:
    """Post seven opening items of the servicer in three batches; close window 0 on both sides."""
    world.servicer.queue(world.agreement, Side.SERVICER, entries(7), 0)
    assert world.servicer.seal(world.agreement, Side.SERVICER) == 3
    world.settle()
    for side, party in zip(Side, world.parties, strict=True):
        with party.database.reading() as session:
            seq, head = party.tip(session, world.agreement, side)
        args = (world.agreement, int(side), 0, seq, head)
        party.ask("Ledger", "closeWindow", args, subject=f"close/{int(side)}")
    world.pump(lambda: all(party.count(Closing) == 2 for party in world.parties))


def attest(world: World) -> SignedResult:
    """Attest window 0 from both sides; return the result as it was signed."""
    contracts = world.deployed.contracts
    heads = [
        as_bytes(view(world, "Ledger", "closingOf", world.agreement, int(side), 0)["head"])
        for side in Side
    ]
    result = SignedResult(
        domain=Domain(contracts.chain_id, contracts.ledger),
        agreement=world.agreement,
        window=0,
        servicer_head=heads[0],
        owner_head=heads[1],
        previous_agreed_digest=ZERO32,
        digest=DIGEST,
        attestations=(),
    )
    signed = []
    for side, party in zip(Side, world.parties, strict=True):
        approver = bytes.fromhex(party.approver.address[2:])
        plain = Signed(side, 1, 0, approver, bytes(65))
        signature = party.approver.sign_digest(result.domain.result(result.claim(plain)))
        signed.append(Signed(side, 1, 0, approver, signature))
        args = (world.agreement, int(side), 0, 1, *heads, ZERO32, DIGEST, 0, signature)
        party.ask("Ledger", "attest", args, subject=f"attest/{int(side)}")
    world.pump(lambda: all(party.count(Attestation) == 2 for party in world.parties))
    return SignedResult(result.domain, result.agreement, 0, *heads, ZERO32, DIGEST, tuple(signed))


def prove(world: World, seq: int, index: int) -> RecordProof:
    """Prove a leaf as the owner, who reads the stream from the chain alone."""
    reader = world.owner
    stream = reader.stream(world.agreement, Side.SERVICER)
    with reader.database.reading() as session:
        rows = session.scalars(
            select(Batch).where(Batch.side == Side.SERVICER).order_by(Batch.seq)
        ).all()
        fields = [
            BatchFields.of(row.seq, row.window, row.epoch, row.commitment, row.payload)
            for row in rows
        ]
        own = rows[seq - 1]
        place = BatchPlace(stream, own.seq, own.window, own.epoch)
        key = reader.epoch_keys[world.agreement, 0, 1]
        opened = open_batch(own.payload, key, place, own.commitment)
    prev = stream.head0
    for batch in fields[: seq - 1]:
        prev = batch.after(prev)
    items = opened.plain.items
    return make_record_proof(
        stream,
        closed_window=0,
        leaves=salted_leaves(leaf_salts(opened.salt_key, len(items)), items),
        index=index,
        salt=opened.salt(index),
        record=items[index],
        prev_head=prev,
        batches=fields[seq - 1 :],
    )


def on_chain(proof: RecordProof) -> tuple[object, ...]:
    """Return the proof as `Ledger.verifyRecord` takes it."""
    links = [(link.window, link.epoch, link.commitment, link.payload_hash) for link in proof.links]
    return (
        proof.stream.agreement,
        int(proof.stream.side),
        proof.closed_window,
        proof.salt,
        proof.record,
        proof.index,
        proof.count,
        list(proof.path),
        proof.prev_head,
        proof.seq,
        proof.window,
        proof.epoch,
        proof.payload_hash,
        links,
    )


def test_a_record_is_proven_on_the_chain_and_without_it(world: World) -> None:
    """The ledger agrees the result, accepts each record's proof, and so does `kanhe verify`.

    Wrapped keys, seals, heads, EIP-712 signatures and proofs are all checked by a real contract.
    """
    post_and_close(world)
    result = attest(world)
    agreed = view(world, "Ledger", "agreementOf", world.agreement)
    assert as_bytes(agreed["agreedDigest"]) == DIGEST
    for seq, index in [(1, 0), (1, 3), (2, 1), (3, 1)]:
        proof = prove(world, seq, index)
        assert proof.closing_head == result.servicer_head
        call = on_chain(proof)
        assert view(world, "Ledger", "verifyRecord", call) is True
        assert view(world, "Ledger", "verifyRecord", (*call[:3], bytes(16), *call[4:])) is False
        assert verify_bytes(file_bytes(record_file(result, proof))).ok
