"""Nothing that one uploader does stops the index: what is counted can be built everywhere."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace

import msgspec
import pytest
from committee_town import OUTSIDER, Town
from sqlalchemy import delete

from node.errors import Conflict
from node.screening.records import RECORD_BYTES
from node.screening.states import DAY_S
from node.services.index.deposits import (
    DEPOSIT,
    RECORDS,
    Record,
    Wanted,
    read_records,
    write_records,
)
from node.tables import Deposit, EntryTag, RecordDelivery, SealedRecord
from reconcile.model import OutsideError

Change = Callable[[int, Record], Record]


def next_day(town: Town) -> None:
    """Let a day go by, and everybody take its allowance."""
    town.pass_s(DAY_S)
    town.claim()


def lay(
    town: Town,
    monkeypatch: pytest.MonkeyPatch,
    serial: int,
    *,
    reached: Sequence[int] = (1, 2, 3),
    change: Change = lambda _replica, record: record,
) -> bytes:
    """Let the outsider list a person, and leave with each replica what `change` makes of it."""
    service = town.nodes[OUTSIDER].parts.index
    asked = service._ask

    def ask(member: int, word: str, body: bytes) -> bytes:
        if word != DEPOSIT:
            return asked(member, word, body)
        if member not in reached:
            raise OutsideError("PEER_UNREACHABLE", "the line is cut")
        key_epoch, items = read_records(body)
        return asked(member, word, write_records(key_epoch, [change(member, i) for i in items]))

    with monkeypatch.context() as patch:
        patch.setattr(service, "_ask", ask)
        return town.list(OUTSIDER, serial)


def listed(town: Town, reader: int, serial: int) -> list[bytes]:
    """Look a person up and return the entries that stand."""
    return [item.entry for item in town.found(reader, serial).entries if item.state == "LISTED"]


def record_of(town: Town, member: int, entry: bytes) -> bytes | None:
    """Return the hash of an entry's record as a replica holds it."""
    with town.node(member).sessions() as session:
        found = session.get(Deposit, (1, entry))
        return None if found is None else found.hash


def tagged(town: Town, entry: bytes) -> bytes | None:
    """Return the hash under which the ledger counts an entry."""
    with town.node(1).sessions() as session:
        row = session.get(EntryTag, (entry, 1))
        return None if row is None else row.record


def test_an_entry_without_its_record_is_not_counted(
    indexed: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Left nowhere, or with fewer than t: no tag, and the index goes on with everybody else."""
    next_day(indexed)
    nowhere = lay(indexed, monkeypatch, 40, reached=())
    once = lay(indexed, monkeypatch, 41, reached=(2,))
    honest = indexed.list(1, 42)
    indexed.publish()
    assert listed(indexed, 2, 42) == [honest]
    # The lines stand again: what was missing is left, and counted.
    indexed.publish()
    assert listed(indexed, 2, 40) == [nowhere]
    assert listed(indexed, 2, 41) == [once]


def test_replicas_without_a_record_fetch_the_ledger_s(
    indexed: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Left with two of three: the third asks them before it builds, and all have one root."""
    next_day(indexed)
    service = indexed.nodes[OUTSIDER].parts.index
    with monkeypatch.context() as patch:
        entry = lay(indexed, patch, 43, reached=(1, 3))
        # Its uploader stays away for good.
        patch.setattr(service, "_upload", lambda _member, _epoch: 0)
        assert tagged(indexed, entry) == record_of(indexed, 1, entry)
        assert record_of(indexed, 2, entry) is None
        version = indexed.publish()
    assert record_of(indexed, 2, entry) == tagged(indexed, entry)
    roots = {
        indexed.node(member).parts.index._header_of(version)  # what each built itself
        for member in (1, 2, 3)
    }
    assert len(roots) == 1
    assert listed(indexed, 2, 43) == [entry]


def test_different_records_of_one_entry_stop_nothing(
    indexed: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another one for each replica: none is signed to by two, and the entry is not counted."""
    next_day(indexed)

    def torn(_replica: int, record: Record) -> Record:
        return replace(record, record=record.record[:600] + secrets.token_bytes(400))

    entry = lay(indexed, monkeypatch, 44, change=torn)
    honest = indexed.list(1, 45)
    indexed.publish()
    assert listed(indexed, 2, 45) == [honest]
    assert tagged(indexed, entry) is None
    # Two of them alike: the ledger has that one, and the third replica builds with it too.
    next_day(indexed)

    def divided(replica: int, record: Record) -> Record:
        return replace(record, salt=bytes(32)) if replica == 3 else record

    entry = lay(indexed, monkeypatch, 46, change=divided)
    assert record_of(indexed, 3, entry) != tagged(indexed, entry) == record_of(indexed, 1, entry)
    indexed.publish()
    assert record_of(indexed, 3, entry) == tagged(indexed, entry)
    assert listed(indexed, 3, 46) == [entry]


def test_a_record_that_was_read_in_a_bucket_and_left_again_is_nobody_s(
    indexed: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its entry is found once while it stands, and not once it is over, though the copy stays."""
    next_day(indexed)
    victim = indexed.list(OUTSIDER, 57)
    first = indexed.publish()
    with indexed.nodes[1].sessions() as session:
        read = session.get_one(Deposit, (1, victim))
        loc, body = read.loc, read.record

    copy = lay(indexed, monkeypatch, 56, reached=())
    with indexed.node(OUTSIDER).database.writing.begin() as session:
        own = session.get_one(SealedRecord, (copy, 1))
        own.loc, own.record = loc, body
    indexed.settle()
    assert tagged(indexed, copy) is not None
    next_day(indexed)
    version = indexed.publish()
    assert indexed.version(first) == "REPLACED", "readers take the newest"
    assert indexed.version(version) == "LIVE"
    assert listed(indexed, 3, 57) == [victim]
    indexed.node(OUTSIDER).screening.withdraw(victim)
    indexed.settle()
    next_day(indexed)
    indexed.publish()
    assert listed(indexed, 3, 57) == []


def test_a_replica_that_shows_a_leaf_first_keeps_no_entry_out(
    indexed: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It copies what it was left into an own entry's record before the others have the true one."""
    next_day(indexed)
    thief = indexed.node(1).parts.index
    leave = thief._ask
    stolen: list[bytes] = []
    with indexed.nodes[1].sessions() as session:
        known = {row.entry for row in session.query(Deposit)}

    def nowhere(member: int, word: str, body: bytes) -> bytes:
        if word == DEPOSIT:
            raise OutsideError("PEER_UNREACHABLE", "kept back on purpose")
        return leave(member, word, body)

    monkeypatch.setattr(thief, "_ask", nowhere)
    own = indexed.list(1, 58)

    def shown_elsewhere(replica: int, record: Record) -> Record:
        if replica == 1 and record.entry not in known and not stolen:
            stolen.append(record.record[1:33])
            body = record.record[:33] + secrets.token_bytes(RECORD_BYTES - 33)
            copy = replace(record, entry=own, salt=secrets.token_bytes(32), record=body)
            for other in (2, 3):
                leave(other, DEPOSIT, write_records(1, [copy]))
        return record

    entry = lay(indexed, monkeypatch, 59, change=shown_elsewhere)
    indexed.settle()
    indexed.publish()
    for member in (2, 3):
        with indexed.nodes[member].sessions() as session:
            leaves = {one: session.get_one(Deposit, (1, one)).leaf for one in (own, entry)}
        assert leaves == {own: stolen[0], entry: stolen[0]}, "both lie there"
    assert tagged(indexed, entry) is not None
    assert listed(indexed, 3, 59) == [entry]


def test_a_signature_of_a_replica_that_lost_its_key_is_fetched_anew(
    indexed: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the contract would refuse is not sent: the record is left with that replica again."""
    next_day(indexed)
    screening = indexed.nodes[OUTSIDER].screening
    with monkeypatch.context() as patch:
        patch.setattr(type(screening), "_tag_due", lambda *_args: 0)
        entry = indexed.list(OUTSIDER, 48)
    assert tagged(indexed, entry) is None
    with indexed.nodes[OUTSIDER].database.writing.begin() as session:
        for replica in (1, 2, 3):
            session.get_one(RecordDelivery, (1, entry, replica)).signature = bytes(65)
    indexed.settle()
    assert tagged(indexed, entry) is not None


def test_an_answer_of_another_length_stops_nothing_at_the_others(
    indexed: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first replica that is asked gives one reason too many: the others take the record."""
    next_day(indexed)
    service = indexed.node(OUTSIDER).parts.index
    asked = service._ask

    def padded(member: int, word: str, body: bytes) -> bytes:
        answer = asked(member, word, body)
        if word != DEPOSIT or member != 1:
            return answer
        held = msgspec.json.decode(answer)
        return msgspec.json.encode({**held, "refused": [*held["refused"], "RECORD_DIFFERS"]})

    monkeypatch.setattr(service, "_ask", padded)
    entry = indexed.list(OUTSIDER, 466)
    assert tagged(indexed, entry) is not None
    with indexed.node(OUTSIDER).sessions() as session:
        assert session.get(RecordDelivery, (1, entry, 1)) is None


def test_an_uploader_that_was_put_back_takes_its_record_from_the_replicas(
    indexed: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What they signed to stays, so another would never be tagged; one alone proves nothing."""
    next_day(indexed)
    node = indexed.node(OUTSIDER)
    asked = node.parts.index._ask

    def alone(member: int, word: str, body: bytes) -> bytes:
        if word == RECORDS and member != 1:
            raise OutsideError("PEER_UNREACHABLE", "the line is cut")
        return asked(member, word, body)

    with monkeypatch.context() as patch:
        patch.setattr(type(node.screening), "_tag_due", lambda *_args: 0)
        entry = indexed.list(OUTSIDER, 465)
        with node.database.writing.begin() as session:
            for model in (SealedRecord, RecordDelivery):
                session.execute(delete(model).where(model.entry == entry))
        patch.setattr(node.parts.index, "_ask", alone)
        indexed.settle()
        assert record_of(indexed, 2, entry) is not None
    with monkeypatch.context() as patch:
        patch.setattr(node.parts.index, "_ask", alone)
        indexed.settle()
        assert tagged(indexed, entry) is None
    indexed.settle()
    assert tagged(indexed, entry) == record_of(indexed, 2, entry)
    indexed.publish()
    assert listed(indexed, 3, 465) == [entry]


def test_records_are_shown_to_replicas_and_to_their_uploaders(indexed: Town) -> None:
    """Nobody else gets at sealed ones so; a cut waits for the one before."""
    with indexed.nodes[1].sessions() as session:
        rows = session.query(Deposit).filter(Deposit.record != b"").all()
    body = msgspec.json.encode(Wanted(1, [row.entry.hex() for row in rows]))
    show = indexed.node(1).parts.index.handlers()[RECORDS]
    for asker in (OUTSIDER, 2):
        _, shown = read_records(show(asker, body))
        own = {row.entry for row in rows if asker == 2 or row.uploader == OUTSIDER}
        assert {record.entry for record in shown} == own
    indexed.publish()
    indexed.node(1).parts.index.cut()
    indexed.settle()
    with pytest.raises(Conflict) as soon:
        indexed.node(2).parts.index.cut()
    assert soon.value.code == "CUT_TOO_SOON"
