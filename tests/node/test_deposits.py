"""What a replica keeps: records that were left with it, fetched, and those that are over."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import msgspec
import pytest
from sqlalchemy import select

from node.db import Database
from node.screening.records import RECORD_BYTES, VERSION
from node.screening.states import DAY_S
from node.services.index import deposits
from node.services.index.deposits import (
    Record,
    Wanted,
    forget_over,
    keep_fetched,
    missing_of,
    read_records,
    show_records,
    take_records,
    write_records,
)
from node.tables import BlacklistFact, Cursor, Deposit, EntryTag, IndexCut, KeyEpoch, ListedEntry
from reconcile.model import KanheError, ProtocolError

FINAL = 100
TODAY = 20_000


def test_records_of_entries_that_are_over_are_emptied(database: Database) -> None:
    """Over, out of the files or never there, and final: emptied. Else it is kept."""
    out, inside, never = (True, True), (True, False), (False, False)
    cases = [
        ("REMOVED", out, FINAL, b""),
        ("ERASED", out, FINAL, b""),
        ("CORRECTED", out, FINAL, b""),
        ("REMOVED", never, FINAL, b""),
        ("REMOVED", out, FINAL + 1, b"sealed"),
        ("REMOVED", never, FINAL + 1, b"sealed"),
        ("REMOVED", inside, FINAL, b"sealed"),
        ("SUSPENDED", out, FINAL, b"sealed"),
        ("LISTED", out, FINAL, b"sealed"),
        ("LISTED", never, FINAL, b"sealed"),
        ("TICKETED", never, FINAL, b"sealed"),
        ("LAPSED", never, FINAL, b""),
        ("EXPIRED", out, FINAL, b""),
        ("EXPIRED", inside, FINAL, b"sealed"),
        ("ENDED", out, FINAL, b""),
        ("ENDED", inside, FINAL, b"sealed"),
    ]
    with database.writing.begin() as session:
        session.add(
            Cursor(
                id=1,
                chain_id=1,
                registry_address=bytes(20),
                ledger_address=bytes(20),
                deployed_block=0,
                block_number=FINAL + 2,
                block_hash=bytes(32),
                head_block=FINAL + 2,
                head_time_s=TODAY * DAY_S,
                final_block=FINAL,
                seen_at_ms=1,
            )
        )
        for number, (stage, (taken, removed), block, _) in enumerate(cases):
            entry = bytes([number]) * 32
            session.add(_entry(entry, stage))
            session.add(_fact(entry, block, number))
            session.add(_deposit(entry, 2, taken=taken, removed=removed))
        session.add(_deposit(bytes(32), 1, taken=True, removed=False))
    with database.writing.begin() as session:
        assert forget_over(session, 2) == 1 + sum(not record for *_, record in cases)
    with database.reading() as session:
        found = session.execute(
            select(Deposit.key_epoch, Deposit.record).order_by(Deposit.key_epoch, Deposit.entry)
        ).all()
    assert [tuple(row) for row in found] == [(2, record) for *_, record in cases]


def test_records_are_left_for_key_epochs_of_the_ledger_alone(database: Database) -> None:
    """One entry fills no replica's disk with records of epochs that nobody installed."""
    with database.writing.begin() as session:
        session.add(_entry(b"\x05" * 32, "LISTED"))
        session.add(_epoch())
    for key_epoch, code in [(1, "KEY_EPOCH_NOT_USABLE"), (2**62, "KEY_EPOCH_NOT_USABLE"), (2, "")]:
        body = write_records(key_epoch, [_record(5)])
        with database.writing.begin() as session:
            if code:
                with pytest.raises(ProtocolError) as caught:
                    take_records(session, 1, body, now_ms=1)
                assert caught.value.code == code
            else:
                assert take_records(session, 1, body, now_ms=1).records == (_record(5),)


def test_each_record_is_taken_or_refused_by_itself(database: Database) -> None:
    """A foreign entry, another record: the others are kept, with whatever leaf they show."""
    with database.writing.begin() as session:
        session.add_all([_entry(bytes([n]) * 32, "LISTED") for n in range(1, 6)])
        session.add(_epoch())

    def codes(*records: Record, uploader: int = 1) -> list[str]:
        with database.writing.begin() as session:
            body = write_records(2, records)
            taken = take_records(session, uploader, body, now_ms=1)
        assert taken.key_epoch == 2
        return [item.code if isinstance(item, KanheError) else "" for item in taken.records]

    assert codes(_record(1), _record(9), _record(2)) == ["", "ENTRY_FOREIGN", ""]
    assert codes(_record(1), uploader=2) == ["ENTRY_FOREIGN"]
    assert codes(_record(1)) == [""], "the same again"
    assert codes(_record(1, salt=b"\x01" * 32), _record(3)) == ["RECORD_DIFFERS", ""]
    shown = replace(_record(4), record=_record(1).record)
    assert codes(shown) == [""], "who shows a leaf first keeps nobody's entry out"
    with database.writing.begin() as session:
        session.get_one(ListedEntry, b"\x05" * 32).stage = "ERASED"
        session.get_one(ListedEntry, b"\x01" * 32).stage = "REMOVED"
    assert codes(_record(5), _record(1)) == ["ENTRY_NOT_LIVE"] * 2, "not kept, nor signed to"
    with database.reading() as session:
        assert len(session.scalars(select(Deposit.entry)).all()) == 4


def test_one_uploader_fills_no_bucket(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Places that it chooses are bounded in each bucket of its own number; others have room."""
    monkeypatch.setattr(deposits, "MAX_OWN_IN_BUCKET", 130)
    with database.writing.begin() as session:
        session.add_all([_entry(n.to_bytes(32, "big"), "LISTED") for n in range(300)])
        session.add_all([_entry(b"\xff" + n.to_bytes(31, "big"), "LISTED", 2) for n in range(2)])
        session.add(_epoch())
    with database.writing.begin() as session:
        # All at the same place, but for one: from 128 on there are two buckets.
        here = [_record(n, wide=True) for n in range(200)]
        taken = take_records(session, 1, write_records(2, here), now_ms=1).records
        refused = {item.code for item in taken if isinstance(item, KanheError)}
        assert refused == {"RECORDS_CROWDED"}
        assert sum(isinstance(item, Record) for item in taken) == 130
        away = replace(_record(250, wide=True), loc=b"\xff" * 32)
        assert take_records(session, 1, write_records(2, [away]), now_ms=1).records == (away,)
        other = Record(b"\xff" + bytes(31), bytes(32), _record(251, wide=True).record, bytes(32))
        assert take_records(session, 2, write_records(2, [other]), now_ms=1).records == (other,)


def test_a_replica_takes_from_another_what_the_ledger_names(database: Database) -> None:
    """What lies here untagged gives way; what is not the ledger's is not kept."""
    cut = IndexCut(version=1, key_epoch=2, leaf_count=3, block_number=50, log_index=0)
    cut.block_time_s = 1
    true, mine, other = _record(1), _record(1, salt=b"\x01" * 32), _record(2)
    with database.writing.begin() as session:
        session.add_all([_entry(bytes([n]) * 32, "LISTED") for n in (1, 2, 3)])
        session.add(_epoch())
        for number, record in enumerate((true, other, _record(3))):
            session.add(_tag(record, number))
        take_records(session, 1, write_records(2, [mine, _record(3)]), now_ms=1)
    with database.writing.begin() as session:
        wanted = missing_of(session, cut)
        assert wanted == {true.entry: true.hash, other.entry: other.hash}
        lies = [mine, replace(other, loc=b"\x01" * 32), _record(4)]
        assert keep_fetched(session, cut, wanted, write_records(2, lies), now_ms=1) == 0
        assert keep_fetched(session, cut, wanted, write_records(1, [true]), now_ms=1) == 0
        session.get_one(Deposit, (2, true.entry)).taken = True
        assert keep_fetched(session, cut, wanted, write_records(2, [true]), now_ms=1) == 0
        session.get_one(Deposit, (2, true.entry)).removed = True
        body = write_records(2, [true, other])
        assert keep_fetched(session, cut, wanted, body, now_ms=1) == 2
        assert keep_fetched(session, cut, wanted, body, now_ms=1) == 0
        assert missing_of(session, cut) == {}
        asked = msgspec.json.encode(Wanted(2, [true.entry.hex(), "07" * 32]))
        assert read_records(show_records(session, asked)) == (2, [true])
        for bad in (
            b"",
            b"{}",
            msgspec.json.encode(Wanted(2, [])),
            b'{"key_epoch":2,"entries":[1]}',
        ):
            with pytest.raises(ProtocolError) as caught:
                show_records(session, bad)
            assert caught.value.code == "RECORDS_MALFORMED"


def _record(number: int, *, salt: bytes = bytes(32), wide: bool = False) -> Record:
    entry = number.to_bytes(32, "big") if wide else bytes([number]) * 32
    leaf = hashlib.sha256(entry).digest()
    return Record(entry, bytes(32), (VERSION + leaf).ljust(RECORD_BYTES, b"\x05"), salt)


def _epoch() -> KeyEpoch:
    return KeyEpoch(
        key_epoch=2,
        sharing=0,
        threshold=2,
        members=[1, 2, 3],
        public_key=bytes(32),
        shares_hash=bytes(32),
        switch_block=1,
        tx_hash=bytes(32),
        block_time_s=1,
        block_number=1,
        log_index=1,
    )


def _tag(record: Record, number: int) -> EntryTag:
    return EntryTag(
        entry=record.entry,
        key_epoch=2,
        record=record.hash,
        tx_hash=bytes(32),
        block_time_s=1,
        block_number=10,
        log_index=number,
    )


def _entry(entry: bytes, stage: str, uploader: int = 1) -> ListedEntry:
    """Return an entry; LAPSED, EXPIRED, ENDED: what time made of one, a day and more ago."""
    by_time = {"LAPSED": "TICKETED", "EXPIRED": "LISTED", "ENDED": "SUSPENDED"}
    return ListedEntry(
        entry=entry,
        uploader=uploader,
        profile=1,
        commitment=bytes(32),
        notice_day=1,
        effective_day=1,
        expires_day=TODAY + 1,
        ends_day=TODAY - 2 if stage in {"EXPIRED", "ENDED"} else TODAY + 1,
        stage=by_time.get(stage, stage),
        stake_held=False,
        posted_at_s=(TODAY - (9 if stage == "LAPSED" else 1)) * DAY_S,
        tx_hash=bytes(32),
        block_number=1,
        log_index=0,
    )


def test_a_cut_holds_what_had_not_ended_there(database: Database) -> None:
    """The last day is the cut's: shortened after it, by a log index, an entry is still in it."""
    cut_at = (40, 3)
    shortened = [(39, 9, False), (40, 2, False), (40, 4, True), (41, 0, True)]
    with database.writing.begin() as session:
        place = {"tx_hash": bytes(32), "block_time_s": TODAY * DAY_S}
        cut = IndexCut(version=1, key_epoch=1, leaf_count=0, block_number=40, log_index=3, **place)
        session.add(cut)
        cases = [(TODAY, {}, True), (TODAY - 1, {}, False)]
        cases += [
            (TODAY - 1, {"shortened_block": block, "shortened_log_index": index}, held)
            for block, index, held in shortened
        ]
        for number, (ends_day, more, _) in enumerate(cases):
            entry = bytes([number]) * 32
            row = _entry(entry, "LISTED")
            row.ends_day, row.expires_day = ends_day, TODAY if more else ends_day
            for name, value in more.items():
                setattr(row, name, value)
            session.add(row)
            session.add(
                EntryTag(
                    entry=entry, key_epoch=1, record=bytes(32), block_number=2, log_index=0, **place
                )
            )
        session.flush()
        found = set(session.scalars(deposits._tagged(cut)))
    assert cut_at == (cut.block_number, cut.log_index)
    assert found == {bytes([n]) * 32 for n, (*_, held) in enumerate(cases) if held}


def _fact(entry: bytes, block: int, number: int) -> BlacklistFact:
    return BlacklistFact(
        name="EntryStaged",
        args={},
        entry=entry,
        tx_hash=bytes(32),
        block_time_s=1,
        block_number=block,
        log_index=number,
    )


def _deposit(entry: bytes, key_epoch: int, *, taken: bool, removed: bool) -> Deposit:
    return Deposit(
        key_epoch=key_epoch,
        entry=entry,
        uploader=1,
        loc=bytes(32),
        leaf=bytes(32),
        hash=bytes(32),
        record=b"sealed",
        salt=bytes(32),
        taken=taken,
        removed=removed,
        received_at_ms=1,
    )
