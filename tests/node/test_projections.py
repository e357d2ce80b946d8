"""Rows from logs: totals, versions, poison, missing keys, gaps, and every event of the ABI."""

from __future__ import annotations

import dataclasses
import hashlib

import pytest
from eth_abi.abi import encode as abi_encode
from ledger_world import World, entries
from sqlalchemy import select

from node.chain.codec import (
    ALL_CONTRACTS,
    BATCH_POSTED_TOPIC,
    LEDGER,
    REGISTRY,
    RawLog,
    contract_abi,
    decode_batch_posted,
)
from node.crypto.sealing import seal_batch
from node.errors import ContractError, ProtocolError
from node.errors.contract import CONTRACT_ERRORS
from node.projections.control import known_events
from node.projections.reading import Reading
from node.tables import (
    Agreement,
    Batch,
    ChainEvent,
    Cursor,
    EpochKey,
    Incident,
    Member,
    PostedEntry,
    StreamState,
    WindowTotals,
)
from reconcile.commitment.header import build_batch
from reconcile.commitment.heads import BatchPlace, next_head
from reconcile.model import Direction, Entry, EntryStatus, Side

OWNER = Side.OWNER


def test_every_event_of_the_contracts_is_understood() -> None:
    """An event that nobody folds would be a fact that this node ignores."""
    declared = {
        shape.name for name in (REGISTRY, LEDGER) for shape in contract_abi(name).events.values()
    }
    assert declared == known_events()


def test_every_error_of_the_contracts_has_an_exception_of_its_name() -> None:
    """Names and arguments of the exceptions are those of the ABI."""
    declared = {
        shape.name: tuple(parameter["name"] for parameter in shape.parameters)
        for name in ALL_CONTRACTS
        for shape in contract_abi(name).errors.values()
    }
    assert {name: error.names for name, error in CONTRACT_ERRORS.items()} == declared
    assert all(issubclass(error, ContractError) for error in CONTRACT_ERRORS.values())


def test_the_agreement_and_its_keys_are_folded(world: World) -> None:
    """Opening, acceptance, epoch keys and answers end in the state that the contract stores."""
    with world.owner.database.reading() as session:
        agreement = session.get_one(Agreement, world.agreement)
        keys = session.scalars(select(EpochKey)).all()
    assert (agreement.state, agreement.servicer, agreement.owner) == ("ACTIVE", 1, 2)
    assert agreement.represented_side is None
    assert {key.state for key in keys} == {"ACKNOWLEDGED"}
    assert [wrap["recipient"] for wrap in keys[0].wraps] == [1, 2]


# ------------------------------------------------------------------------- records
def post_entries(world: World, *some: Entry, window: int | None = None) -> None:
    """Post entries of the owner in one batch and settle."""
    world.owner.queue(world.agreement, OWNER, some, window or world.window)
    world.owner.seal(world.agreement, OWNER, 100)
    world.settle()


def booked(ref: str, minor: int, version: int = 0, **more: object) -> Entry:
    """Return an entry IN."""
    return Entry(ref, version, Direction.IN, minor, "CNY", 20_000, **more)  # type: ignore[arg-type]


def test_the_highest_version_counts_and_a_rewind_brings_the_older_back(world: World) -> None:
    """An amendment takes the mark from its predecessor; when its batch is gone, so is that."""
    post_entries(world, booked("x", 5, status=EntryStatus.PENDING), booked("y", 7))
    post_entries(world, booked("x", 5, 1))
    latest = latest_of(world)
    assert latest == {("x", 1), ("y", 0)}
    with world.servicer.database.writing.begin() as session:
        second = session.get_one(Batch, (world.agreement, int(OWNER), 2))
        world.servicer.projections.rewind(session, second.block_number - 1)
    assert latest_of(world) == {("x", 0), ("y", 0)}


def latest_of(world: World) -> set[tuple[str, int]]:
    """Return the entries that count, as the servicer sees them."""
    with world.servicer.database.reading() as session:
        rows = session.scalars(select(PostedEntry).where(PostedEntry.latest.is_(True)))
        return {(row.entry_ref, row.version) for row in rows}


def test_totals_count_moving_entries_and_keep_what_others_cannot_add(world: World) -> None:
    """Pending entries count but move nothing; sums pass 63 bits without loss."""
    most = 2**63 - 1
    post_entries(world, booked("a", most), booked("b", most))
    post_entries(world, booked("c", 1, status=EntryStatus.PENDING))
    with world.servicer.database.reading() as session:
        key = (world.agreement, int(OWNER), world.window, "CNY")
        totals = session.get_one(WindowTotals, key)
    assert (totals.entry_count, totals.in_minor, totals.out_minor) == (3, str(2 * most), "0")


# ------------------------------------------------------------------------- poison
def place_batch(world: World, payload: bytes, commitment: bytes) -> None:
    """Post bytes that no honest node would, past the owner's own checks."""
    party = world.owner
    with party.database.reading() as session:
        seq, head = party.tip(session, world.agreement, OWNER)
    args = (world.agreement, 1, seq + 1, world.window, head, commitment, 1, payload)
    party.ask("Ledger", "postMany", ([args],), subject=f"raw/{seq}")
    world.settle()


def test_poison_is_quarantined_with_its_reason_and_the_stream_goes_on(world: World) -> None:
    """Garbage, then a header that lies, then an honest batch: two INVALID rows and one VALID."""
    party = world.owner
    place_batch(world, bytes(2_048), bytes(32))
    stream = party.stream(world.agreement, OWNER)
    honest = build_batch(
        agreement=world.agreement, side=OWNER, seq=2, window=world.window, records=entries(2)
    )
    lying = dataclasses.replace(honest, header=honest.header)
    place = BatchPlace(stream, 2, world.window, 1)
    sealed = seal_batch(lying, party.epoch_keys[world.agreement, 1, 1], place)
    place_batch(world, sealed.payload, bytes(32))
    post_entries(world, booked("z", 3))
    with world.servicer.database.reading() as session:
        rows = session.execute(select(Batch.seq, Batch.state, Batch.reason).order_by(Batch.seq))
        found = [tuple(row) for row in rows]
        state = session.get_one(StreamState, (world.agreement, 1))
    assert found[0] == (1, "INVALID", "SUITE_UNKNOWN")
    assert found[1] == (2, "INVALID", "NOT_OPENED")
    assert found[2][:2] == (3, "VALID")
    assert (state.invalid_count, state.entry_count, state.contiguous) == (2, 1, True)
    assert world.servicer.derived() == world.owner.derived()


def test_what_cannot_be_opened_yet_is_opened_when_the_key_is_there(world: World) -> None:
    """Without the epoch key a batch stays SEALED; with it the rows are those of everybody else."""
    key = (world.agreement, int(OWNER), 1)
    secret = world.servicer.epoch_keys.pop(key)
    try:
        post_entries(world, booked("x", 5))
        post_entries(world, booked("y", 6))
        assert world.servicer.count(Batch, Batch.state == "SEALED") == 2
        assert world.servicer.count(PostedEntry) == 0
    finally:
        world.servicer.epoch_keys[key] = secret
    with world.servicer.database.writing.begin() as session:
        assert world.servicer.projections.reopen(session, world.agreement, int(OWNER)) == 2
    assert world.servicer.derived() == world.owner.derived()
    with world.servicer.database.writing.begin() as session:
        assert world.servicer.projections.reopen(session, world.agreement, int(OWNER)) == 0


def test_a_batch_read_anew_that_counts_no_more_takes_its_watermark_along(world: World) -> None:
    """Neither the batch's row nor the side's kept state says what only a valid batch says."""
    key = (world.agreement, int(OWNER), 1)
    secret = world.servicer.epoch_keys.pop(key)
    try:
        post_entries(world, booked("x", 5))
    finally:
        world.servicer.epoch_keys[key] = secret
    projections = world.servicer.projections
    with world.servicer.database.writing.begin() as session:
        # As an earlier release, which judged it valid, left it.
        row = session.scalars(select(Batch)).one()
        row.complete_until_ms, row.generation = 9, 3
        session.get_one(StreamState, (world.agreement, int(OWNER))).complete_until_ms = 9
    read, projections._read = projections._read, lambda *_: Reading("INVALID", "VERSION_GAP")
    try:
        with world.servicer.database.writing.begin() as session:
            assert projections.reopen(session, world.agreement, int(OWNER)) == 1
    finally:
        projections._read = read
    with world.servicer.database.reading() as session:
        row = session.scalars(select(Batch)).one()
        assert (row.state, row.complete_until_ms, row.generation) == ("INVALID", None, None)
        stream = session.get_one(StreamState, (world.agreement, int(OWNER)))
        assert (stream.complete_until_ms, stream.invalid_count) == (None, 1)


@pytest.mark.parametrize("code", [b"BAD\x00CODE", b"BAD\xff"])
def test_a_code_that_is_no_text_is_set_aside_and_its_member_stands(
    world: World, code: bytes
) -> None:
    """A NUL stops a PostgreSQL node, and what follows builds on the member: only the code goes."""
    topic, shape = next(
        (t, s) for t, s in contract_abi(REGISTRY).events.items() if s.name == "MemberAdmitted"
    )
    with world.servicer.database.reading() as session:
        block = session.scalars(select(Cursor.block_number)).one()
    given = {"member": 77, "code": bytes(32), "full": True, "sponsor": 0, "codeText": code}
    indexed = [p for p in shape.parameters if p["indexed"]]
    rest = [p for p in shape.parameters if not p["indexed"]]
    topics = [abi_encode((p["type"],), (given[p["name"]],)) for p in indexed]
    kinds = ["bytes" if p["type"] == "string" else p["type"] for p in rest]
    data = abi_encode(kinds, [given[p["name"]] for p in rest])
    registry = world.deployed.contracts.registry
    log = RawLog(registry, (topic, *topics), data, block, bytes(32), bytes(32), 0)
    with world.servicer.database.writing.begin() as session:
        world.servicer.projections.apply(session, [log], {block: 1})
    with world.servicer.database.reading() as session:
        assert session.get_one(Member, 77).code is None
        fact = session.scalars(select(ChainEvent).where(ChainEvent.member == 77)).one()
        assert "\x00" not in str(fact.args)
        incident = session.scalars(select(Incident)).one()
    assert (incident.kind, incident.stops_signing) == ("POISON", False)
    assert "the code of member 77 is no text" in incident.says


# ------------------------------------------------------------------------- a lying endpoint
def forged(world: World, seq: int, head: bytes) -> RawLog:
    """Return a BatchPosted that the contract never emitted."""
    payload = b"p" * 2_048
    words = (seq, world.window, 1, bytes(32), head, payload)
    data = abi_encode(("uint64", "uint32", "uint32", "bytes32", "bytes32", "bytes"), words)
    with world.servicer.database.reading() as session:
        block = session.scalars(select(Cursor.block_number)).one()
    topics = (BATCH_POSTED_TOPIC, world.agreement, int(OWNER).to_bytes(32, "big"))
    ledger = world.deployed.contracts.ledger
    return RawLog(ledger, topics, data, block, bytes(32), bytes(32), 0)


@pytest.mark.parametrize(("seq", "kind"), [(2, "SEQUENCE_GAP"), (1, "HEAD_DIFFERS")])
def test_a_gap_or_a_wrong_head_is_an_incident(world: World, seq: int, kind: str) -> None:
    """Our contract cannot skip a number or store another head: signing stops, the row says why."""
    log = forged(world, seq, b"\x07" * 32)
    with world.servicer.database.writing.begin() as session:
        for _ in range(2):
            world.servicer.projections.rewind(session, log.block_number - 1)
            world.servicer.projections.apply(session, [log], {log.block_number: 1})
            assert session.scalars(select(Batch)).one().reason == "STREAM_BROKEN"
    with world.servicer.database.reading() as session:
        incident = session.scalars(select(Incident)).one()
    assert (incident.kind, incident.stops_signing, incident.seq) == (kind, True, seq)
    held = world.servicer.relay.step().held
    assert held is not None


def test_facts_that_contradict_each_other_do_not_stop_the_follower(world: World) -> None:
    """An endpoint that repeats a batch, or ends a key nobody has, is caught; the rest is read."""
    contracts = world.deployed.contracts
    zero = world.owner.stream(world.agreement, OWNER).head0
    payload_hash = hashlib.sha256(b"p" * 2_048).digest()
    good = forged(world, 1, next_head(zero, 1, world.window, 1, bytes(32), payload_hash))
    again = dataclasses.replace(good, log_index=1)
    topic = next(t for t, s in contract_abi(REGISTRY).events.items() if s.name == "KeyEnded")
    stranger = RawLog(
        contracts.registry,
        (topic, (1).to_bytes(32, "big"), bytes(12) + b"\x09" * 20),
        abi_encode(("uint64", "bool"), (5, False)),
        good.block_number,
        bytes(32),
        bytes(32),
        2,
    )
    logs = [good, again, stranger]
    with world.servicer.database.writing.begin() as session:
        world.servicer.projections.apply(session, logs, {good.block_number: 1})
    with world.servicer.database.reading() as session:
        assert len(session.scalars(select(Batch)).all()) == 1
        kinds = {item.kind for item in session.scalars(select(Incident))}
        stops = {item.stops_signing for item in session.scalars(select(Incident))}
    assert kinds == {"SEQUENCE_GAP", "CONTRADICTION"}
    assert stops == {True}


def test_a_log_that_does_not_decode_is_kept_and_the_next_is_read(world: World) -> None:
    """A malformed log is an incident with its bytes; it stops neither follower nor relay."""
    contracts = world.deployed.contracts
    zero = world.owner.stream(world.agreement, OWNER).head0
    payload_hash = hashlib.sha256(b"p" * 2_048).digest()
    good = forged(world, 1, next_head(zero, 1, world.window, 1, bytes(32), payload_hash))
    bad = dataclasses.replace(good, data=good.data[:100], log_index=7)
    with pytest.raises(ProtocolError):
        decode_batch_posted(bad)
    other = dataclasses.replace(bad, address=contracts.registry, topics=(b"\x01" * 32,))
    with world.servicer.database.writing.begin() as session:
        world.servicer.projections.apply(session, [bad, other, good], {good.block_number: 1})
    with world.servicer.database.reading() as session:
        incident = session.scalars(select(Incident)).one()
        assert session.scalars(select(Batch)).one().state == "INVALID"
    assert (incident.kind, incident.stops_signing) == ("POISON", False)
    assert incident.evidence["data"] == bad.data.hex()
