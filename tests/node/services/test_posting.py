from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import select

from node.acts import verify_chain
from node.services.posting import ImportResult, Rejected
from node.tables import AuditRow, QueuedRecord, SealedPayload
from reconcile.model import EntryStatus, InputError, Side, UsageError, day_iso, window_of
from tests.node.services.conftest import DATE, DAY, WINDOW, Pair, balance, csv_of, entry

ROWS = [f"s1,IN,10.00,{DATE},E2E-0001", f"s2,OUT,5.00,{DATE},E2E-0002"]


def test_one_file_twice_is_recognised(pair: Pair, agreement: bytes, tmp_path: Path) -> None:
    """The same bytes again queue nothing and say so; a longer file queues only what is new."""
    first = pair.servicer.posting.import_file(agreement, csv_of(tmp_path / "a.csv", ROWS))
    again = pair.servicer.posting.import_file(agreement, tmp_path / "a.csv")
    longer = pair.servicer.posting.import_file(
        agreement, csv_of(tmp_path / "b.csv", [*ROWS, f"s3,IN,1.00,{DATE},E2E-0003"])
    )
    assert (first.queued, first.known) == (2, False)
    assert (again.queued, again.known, again.already) == (0, True, 2)
    assert (longer.queued, longer.already) == (1, 2)


def test_conflict_refuses_the_whole_file(pair: Pair, agreement: bytes, tmp_path: Path) -> None:
    """One ref with other content refuses the file whole, names its line, and keeps nothing."""
    pair.servicer.posting.import_file(agreement, csv_of(tmp_path / "a.csv", ROWS))
    changed = [f"new,IN,3.00,{DATE},E2E-0009", f"s2,OUT,5.01,{DATE},E2E-0002"]
    with pytest.raises(InputError) as caught:
        pair.servicer.posting.import_file(agreement, csv_of(tmp_path / "b.csv", changed))
    assert caught.value.code == "ENTRY_CONFLICT"
    assert caught.value.where.line == 3
    assert len(pair.servicer.posting.imports(agreement)) == 1
    with pytest.raises(UsageError, match="ENTRY_UNKNOWN"):
        pair.servicer.posting.entry(agreement, Side.SERVICER, "new")


def test_wrong_currency_is_refused(pair: Pair, agreement: bytes, tmp_path: Path) -> None:
    """A currency the terms do not name is refused with the line."""
    path = csv_of(tmp_path / "a.csv", ROWS)
    path.write_text(path.read_text().replace("CNY", "EUR"), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        pair.servicer.posting.import_file(agreement, path)
    assert caught.value.code == "CURRENCY_NOT_AGREED"
    assert caught.value.where.line is not None


def test_gap_between_statements_is_named(pair: Pair, agreement: bytes, tmp_path: Path) -> None:
    """A file that does not open where the last one closed is taken, and the gap is named."""
    one = csv_of(tmp_path / "a.csv", ROWS, opening="0.00", closing="5.00")
    pair.servicer.posting.import_file(agreement, one)
    text = csv_of(
        tmp_path / "b.csv", [f"s9,IN,1.00,{DATE},E2E-0019"], opening="7.00", closing="8.00"
    ).read_text()
    (tmp_path / "b.csv").write_text(text.replace(DATE, day_iso(DAY + 1)))
    result = pair.servicer.posting.import_file(agreement, tmp_path / "b.csv")
    (gap,) = result.warnings
    assert gap == (
        f"gap: closed at 5.00 CNY on {DATE} and opens at 7.00 CNY on {day_iso(DAY + 1)}: "
        "a statement is missing or overlaps"
    )


def test_a_statement_number_missing_between_files_is_named(
    pair: Pair, agreement: bytes, tmp_path: Path
) -> None:
    """Number 3 after 1 says that 2 is missing, though balances chain; when 2 comes, nothing is."""
    found = {}
    for number, day in ((1, "261116"), (3, "261118"), (2, "261117")):
        file = tmp_path / f"{number}.sta"
        file.write_text(
            f":20:R\n:25:99-1\n:28C:{number:05d}/001\n:60F:C{day}CNY0,\n:62F:C{day}CNY0,\n-\n"
        )
        found[number] = pair.servicer.posting.import_file(agreement, file).warnings
    assert found == {
        1: (),
        3: ("statement 2 is missing: 1/1 of 2026-11-16 is followed by 3/1 of 2026-11-18",),
        2: (),
    }


def test_amendments_go_up_by_one(pair: Pair, agreement: bytes) -> None:
    """A pending entry becomes booked by version 1; a gap, a conflict and a lower amount refuse."""
    posting = pair.servicer.posting
    pending = entry("p1", 500, e2e="E2E-P001", status=EntryStatus.PENDING)
    assert posting.queue_entries(agreement, [pending]) == 1
    assert posting.queue_entries(agreement, [pending]) == 0
    with pytest.raises(InputError, match="ENTRY_VERSION_GAP"):
        posting.queue_entries(agreement, [entry("p1", 500, version=2)])
    assert posting.queue_entries(agreement, [entry("p1", 500, e2e="E2E-P001", version=1)]) == 1
    with pytest.raises(InputError, match="ENTRY_AMENDMENT"):
        posting.queue_entries(agreement, [entry("p1", 501, version=2)])
    with pytest.raises(InputError, match="ENTRY_AMENDMENT"):
        posting.queue_entries(agreement, [entry("p1", 500, version=2, status=EntryStatus.VOID)])


def test_entries_are_posted_once_and_final(pair: Pair, agreement: bytes, tmp_path: Path) -> None:
    """What was imported is sealed, posted, seen by both and final, with its file and line."""
    pair.servicer.posting.import_file(agreement, csv_of(tmp_path / "a.csv", ROWS))
    pair.settle()
    mine = pair.servicer.posting.entry(agreement, Side.SERVICER, "s2")
    theirs = pair.owner.posting.entry(agreement, Side.SERVICER, "s2")
    assert (mine.batch_state, mine.file, mine.line) == ("FINAL", "a.csv", 3)
    assert (theirs.batch_state, theirs.file, theirs.entry) == ("FINAL", None, mine.entry)
    assert pair.servicer.posting.queue_depth(agreement).records == 0
    with pair.servicer.database.reading() as session:
        states = session.execute(
            select(QueuedRecord.state).where(QueuedRecord.agreement == agreement)
        ).scalars()
        assert set(states) == {"POSTED"}


def test_what_comes_late_goes_to_the_next_window(pair: Pair, agreement: bytes) -> None:
    """After a closing, an entry of that day is posted to the next business day's window."""
    pair.servicer.posting.queue_entries(agreement, [entry("a1", 100, e2e="E2E-A001")])
    pair.day(agreement)
    pair.servicer.posting.queue_entries(agreement, [entry("a2", 100, e2e="E2E-A002")])
    pair.settle()
    found = pair.servicer.posting.entry(agreement, Side.SERVICER, "a2")
    assert found.window > WINDOW
    with pytest.raises(UsageError, match="WINDOW_CLOSED"):
        pair.servicer.posting.close_window(agreement, WINDOW)


def test_a_day_that_has_not_come_is_not_closed(pair: Pair, agreement: bytes) -> None:
    """Closing a day ahead is refused with today's date; nothing is asked of the ledger."""
    with pytest.raises(UsageError, match="WINDOW_AHEAD"):
        pair.servicer.posting.close_window(agreement, window_of(DAY + 30))


def test_the_opening_is_closed_first(pair: Pair) -> None:
    """No window is closed before the opening position."""
    agreement = pair.agreement(opened=False)
    with pytest.raises(UsageError, match="OPENING_NOT_CLOSED"):
        pair.servicer.posting.close_window(agreement, WINDOW)


def test_a_watermark_leaves_alone(pair: Pair, agreement: bytes) -> None:
    """An empty batch may carry only `complete_until`, and it only moves forward."""
    noon = DAY * 86_400_000
    pair.servicer.posting.complete_until(agreement, noon)
    pair.settle()
    assert pair.owner.network.agreement(agreement).sides[0].watermark_ms == noon
    pair.servicer.posting.complete_until(agreement, noon - 1)
    pair.settle()
    assert pair.owner.network.agreement(agreement).sides[0].watermark_ms == noon


def test_large_imports_fill_several_batches(pair: Pair, agreement: bytes) -> None:
    """Thousands of entries are split over batches in order, and all of them arrive once."""
    many = [entry(f"m{n:05}", 100 + n, e2e=f"E2E-{n:06}") for n in range(5_000)]
    pair.servicer.posting.queue_entries(agreement, many)
    pair.settle()
    side = pair.owner.network.agreement(agreement).sides[0]
    assert side.entries == 5_000
    assert side.batches > 2
    with pair.servicer.database.reading() as session:
        payloads = session.execute(
            select(SealedPayload.seq, SealedPayload.state)
            .where(SealedPayload.agreement == agreement)
            .order_by(SealedPayload.seq)
        ).all()
    assert [row.seq for row in payloads] == list(range(1, len(payloads) + 1))
    assert {row.state for row in payloads} == {"POSTED"}


def test_watch_sorts_files_into_done_and_rejected(
    pair: Pair, agreement: bytes, tmp_path: Path
) -> None:
    """A good file ends in done/, a bad one in rejected/ with its reason, a part stays."""
    csv_of(tmp_path / "good.csv", ROWS)
    (tmp_path / "bad.csv").write_text("no,header,here\n", encoding="utf-8")
    (tmp_path / "coming.csv.part").write_text("", encoding="utf-8")
    found = list(pair.servicer.posting.watch(tmp_path, agreement, once=True))
    assert [type(item) for item in found] == [Rejected, ImportResult]
    assert (tmp_path / "done" / "good.csv").exists()
    reason = json.loads((tmp_path / "rejected" / "bad.csv.reason.json").read_text())
    assert reason["error"]["code"] == found[0].code
    assert (tmp_path / "coming.csv.part").exists()


def test_closing_with_statement_balances_proves_the_balance(
    pair: Pair, agreement: bytes, tmp_path: Path
) -> None:
    """Stated balances travel in headers: the proof says that the balance is proven."""
    for node, name in ((pair.servicer, "s"), (pair.owner, "o")):
        rows = [row.replace("s", name, 1) for row in ROWS]
        path = csv_of(tmp_path / f"{name}.csv", rows, opening="0.00", closing="5.00")
        node.posting.import_file(agreement, path)
    pair.day(agreement)
    status = pair.owner.reconciliation.window_status(agreement, WINDOW)
    assert (status.state, status.balance_proven, status.basis) == ("AGREED", True, "STATED")
    assert status.proof == (("CNY", 0),)


def test_every_act_is_in_the_chained_log(pair: Pair, agreement: bytes) -> None:
    """Imports and closings leave audit rows whose chain holds; a changed row is found."""
    pair.servicer.posting.queue_entries(agreement, [entry("z1", 1)], actor="someone")
    with pair.servicer.database.writing() as session:
        assert verify_chain(session) == []
        row = session.execute(
            select(AuditRow).where(AuditRow.actor == "someone").limit(1)
        ).scalar_one()
        row.details = {**row.details, "queued": "99"}
        session.flush()
        assert verify_chain(session) != []
        session.rollback()


def test_balances_of_the_opening_follow_from_its_items(pair: Pair) -> None:
    """Window 0: opening is closing minus the items in transit, on both sides the same."""
    agreement = pair.agreement(opened=False)
    transit = entry("t1", 300, e2e="E2E-T001", day=DAY - 1)
    pair.servicer.posting.open_position(agreement, items=[transit], closing=balance(1_300))
    pair.owner.posting.open_position(agreement, closing=balance(1_000))
    pair.settle()
    pair.agree(agreement, 0)
    report = pair.servicer.reconciliation.report(agreement, 0).report
    totals = report["totals"][0]
    assert totals["servicer"]["opening_minor"] == totals["owner"]["opening_minor"] == "1000"
    assert totals["proof_minor"] == "0"


def test_a_balance_that_no_column_holds_is_refused(pair: Pair, agreement: bytes) -> None:
    """A balance beyond 2^63-1 minor units is refused in words, and nothing of the call is kept."""
    before = pair.servicer.posting.queue_depth(agreement)
    with pytest.raises(InputError) as caught:
        pair.servicer.posting.queue_entries(
            agreement, [entry("big", 1)], window=WINDOW, closing=balance(-(2**63))
        )
    assert caught.value.code == "BALANCE_TOO_LARGE"
    assert pair.servicer.posting.queue_depth(agreement) == before
