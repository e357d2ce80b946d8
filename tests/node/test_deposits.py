"""What a replica keeps of records whose entries are over."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from node.db import Database
from node.screening.records import RECORD_BYTES, VERSION
from node.services.index.deposits import forget_over, take_records, write_records
from node.tables import BlacklistFact, Cursor, Deposit, KeyEpoch, ListedEntry
from reconcile.model import ProtocolError

FINAL = 100


def test_records_of_entries_that_are_over_are_emptied(database: Database) -> None:
    """Over, out of the files and final: emptied. Suspended, waiting or not final: kept."""
    cases = [
        ("REMOVED", True, FINAL, b""),
        ("ERASED", True, FINAL, b""),
        ("CORRECTED", True, FINAL, b""),
        ("REMOVED", True, FINAL + 1, b"sealed"),
        ("REMOVED", False, FINAL, b"sealed"),
        ("SUSPENDED", True, FINAL, b"sealed"),
        ("LISTED", True, FINAL, b"sealed"),
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
                head_time_s=1,
                final_block=FINAL,
                seen_at_ms=1,
            )
        )
        for number, (stage, removed, block, _) in enumerate(cases):
            entry = bytes([number]) * 32
            session.add(_entry(entry, stage))
            session.add(_fact(entry, block, number))
            session.add(_deposit(entry, 2, removed=removed))
        session.add(_deposit(bytes(32), 1, removed=False))
    with database.writing.begin() as session:
        assert forget_over(session, 2) == 4
    with database.reading() as session:
        found = session.execute(
            select(Deposit.key_epoch, Deposit.record).order_by(Deposit.key_epoch, Deposit.entry)
        ).all()
    assert [tuple(row) for row in found] == [(2, record) for *_, record in cases]


def test_records_are_left_for_key_epochs_of_the_ledger_alone(database: Database) -> None:
    """One entry fills no replica's disk with records of epochs that nobody installed."""
    entry = b"\x05" * 32
    record = VERSION + bytes(RECORD_BYTES - 1)
    with database.writing.begin() as session:
        session.add(_entry(entry, "LISTED"))
        session.add(
            KeyEpoch(
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
        )
    for key_epoch, code in [(1, "KEY_EPOCH_NOT_USABLE"), (2**62, "KEY_EPOCH_NOT_USABLE"), (2, "")]:
        body = write_records(key_epoch, [(entry, bytes(32), record)])
        with database.writing.begin() as session:
            if code:
                with pytest.raises(ProtocolError) as caught:
                    take_records(session, 1, body, now_ms=1)
                assert caught.value.code == code
            else:
                assert take_records(session, 1, body, now_ms=1) == 1


def _entry(entry: bytes, stage: str) -> ListedEntry:
    return ListedEntry(
        entry=entry,
        uploader=1,
        profile=1,
        commitment=bytes(32),
        notice_day=1,
        effective_day=1,
        expires_day=1,
        stage=stage,
        stake_held=False,
        posted_at_s=1,
        tx_hash=bytes(32),
        block_number=1,
        log_index=0,
    )


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


def _deposit(entry: bytes, key_epoch: int, *, removed: bool) -> Deposit:
    return Deposit(
        key_epoch=key_epoch,
        entry=entry,
        uploader=1,
        loc=bytes(32),
        leaf=bytes(32),
        hash=bytes(32),
        record=b"sealed",
        taken=True,
        removed=removed,
        received_at_ms=1,
    )
