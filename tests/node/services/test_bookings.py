"""From a break to a suggested booking to the next import: on the real chain, with real files."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from node.bootstrap import Node
from node.web.bookings import bookings_csv, load_vouchers
from node.web.i18n import Speaker
from node.web.pages import reading
from node.web.read.parties import find_agreement
from reconcile.model import Side, day_iso, window_of
from tests.node.services.conftest import DAY, WINDOW, Pair, csv_of, entry

NEXT = window_of(DAY + 1)


def suggestions(node: Node, agreement: bytes, window: int, path: Path) -> Path:
    """Export a window's suggested bookings of this side, as the ERP gets them."""
    with reading(node)() as session:
        view = find_agreement(session, node.member, node.name, agreement.hex())
    found = load_vouchers(node, view, window, Speaker("zh"), side=view.ours)
    path.write_bytes(bookings_csv(found))
    return path


def erp(path: Path, *, opening: str, closing: str, day: int) -> Path:
    """Book every row: the ERP adds its own number and gives its cash book back as a file."""
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))
    names = [name for name in rows[0] if name not in {"suggestion", "summary"}]
    out = [f"#opening_balance,CNY,{opening},{day_iso(day)}"]
    out += [f"#closing_balance,CNY,{closing},{day_iso(day)}"]
    text = io.StringIO()
    writer = csv.DictWriter(text, ["entry_ref", *names], extrasaction="ignore")
    writer.writeheader()
    for number, row in enumerate(rows):
        writer.writerow({**row, "entry_ref": f"ERP-{number:06d}", "booking_date": day_iso(day)})
    booked = path.with_name(f"booked-{path.name}")
    booked.write_text("\n".join([*out, text.getvalue()]), encoding="utf-8")
    return booked


def statement(node: Node, agreement: bytes, path: Path) -> int:
    """Import a file; return how many entries are queued."""
    return node.posting.import_file(agreement, path).queued


def test_what_the_erp_books_settles_the_break_the_next_day(
    pair: Pair, agreement: bytes, tmp_path: Path
) -> None:
    """Break → suggested voucher → import → AGREED with proof 0, both balances stated."""
    statement(
        pair.servicer,
        agreement,
        csv_of(
            tmp_path / "s.csv",
            [
                f"S-000001,IN,10.00,{day_iso(DAY)},E2E-0001",
                f"S-000002,OUT,3.00,{day_iso(DAY)},E2E-0002",
            ],
            opening="0.00",
            closing="7.00",
        ),
    )
    statement(
        pair.owner,
        agreement,
        csv_of(
            tmp_path / "o.csv",
            [f"O-000001,IN,10.00,{day_iso(DAY)},E2E-0001"],
            opening="0.00",
            closing="10.00",
        ),
    )
    pair.settle()
    pair.day(agreement)
    (broken,) = pair.owner.breaks.breaks(agreement, WINDOW)
    assert broken.servicer == ("S-000002",)
    file = suggestions(pair.owner, agreement, WINDOW, tmp_path / "bookings.csv")
    assert file.read_bytes().startswith(b"\xef\xbb\xbf")
    assert suggestions(pair.servicer, agreement, WINDOW, tmp_path / "theirs.csv")
    assert b"E2E-0002" not in (tmp_path / "theirs.csv").read_bytes(), "the bank books nothing"
    booked = erp(file, opening="10.00", closing="7.00", day=DAY + 1)
    assert statement(pair.owner, agreement, booked) == 1
    pair.settle()
    pair.day(agreement, NEXT)
    for node in pair.nodes:
        row = node.reconciliation.window_status(agreement, NEXT)
        assert (row.state, row.proof, row.open_breaks) == ("AGREED", (("CNY", 0),), 0)
        assert node.reconciliation.adjustment(agreement, NEXT).sheets[0].agrees
    assert suggestions(pair.owner, agreement, NEXT, tmp_path / "rest.csv").read_text(
        encoding="utf-8-sig"
    ).splitlines() == [file.read_text(encoding="utf-8-sig").splitlines()[0]]


def test_a_confirmed_difference_and_its_voucher_arrive_together(
    pair: Pair, agreement: bytes, tmp_path: Path
) -> None:
    """An AMOUNT break: both confirm the pair, the owner books the rest; the residual is closed."""
    pair.servicer.posting.queue_entries(agreement, [entry("s1", 1_000, e2e="E2E-0001")])
    pair.owner.posting.queue_entries(agreement, [entry("o1", 950, e2e="E2E-0001")])
    pair.settle()
    pair.day(agreement)
    file = suggestions(pair.owner, agreement, WINDOW, tmp_path / "bookings.csv")
    (row,) = csv.DictReader(io.StringIO(file.read_text(encoding="utf-8-sig")))
    assert (row["needs"], row["amount"], row["direction"]) == ("confirm", "0.50", "IN")
    (broken,) = pair.owner.breaks.breaks(agreement, WINDOW)
    for node in pair.nodes:
        made = node.breaks.propose_decision(
            agreement,
            verdict="confirm",
            reason="one payment, fee missing",
            actor="maker",
            servicer=broken.servicer,
            owner=broken.owner,
        )
        node.breaks.approve_decision(made.decision_id, actor="checker")
    pair.settle()
    today = max(item.window for item in pair.owner.reconciliation.status(agreement))
    booked = erp(file, opening="9.50", closing="10.00", day=DAY + 1)
    assert statement(pair.owner, agreement, booked) == 1
    pair.settle()
    pair.day(agreement, today)
    for node in pair.nodes:
        status = node.reconciliation.window_status(agreement, today)
        assert (status.state, status.proof, status.open_breaks) == ("AGREED", (("CNY", 0),), 0)
        report = node.reconciliation.report(agreement, today).report
        assert report["residuals"] == []
        assert [item["written_off"] for item in report["booked"]] == [False]
    sheet = pair.owner.reconciliation.adjustment(agreement, today).sheets[0]
    assert sheet.adjusted[Side.OWNER] == sheet.closings[Side.SERVICER]
