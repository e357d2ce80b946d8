"""Suggested bookings: accounts by a file, a CSV no spreadsheet runs, the desk, REST, commands."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from desk_town import Reader, Town

from node.cli import main
from node.web.bookings import Voucher, bookings_csv, load_accounts
from node.web.bookings.accounts import AccountBook
from reconcile.model import InputError, KanheError, Side, UsageError
from reconcile.report import SuggestedBooking
from reconcile.statements import read_statement
from reconcile.statements.guards import RISKY

AGREEMENT = bytes.fromhex("b4241769" + "00" * 28)


def voucher(**fields: object) -> Voucher:
    """Return a voucher written by hand."""
    base: dict[str, object] = {
        "side": Side.OWNER,
        "key": "ab" * 32,
        "kind": "FEE",
        "direction": "OUT",
        "amount_minor": 1_234,
        "currency": "CNY",
        "digits": 2,
        "booking_date": "2026-11-23",
        "value_date": "2026-11-20",
        "origin_date": "2026-11-20",
        **fields,
    }
    return Voucher(SuggestedBooking(**base), "6603", "1002", "手续费差 E2E-1", "")  # type: ignore[arg-type]


def accounts_file(path: Path, body: object) -> Path:
    """Write a file of accounts."""
    path.write_text(json.dumps(body), encoding="utf-8")
    return path


def test_debit_and_credit_turn_with_side_and_direction() -> None:
    """The owner's money in debits its asset; the servicer's credits its liability."""
    book = AccountBook("1002", {"FEE": "6603", "*": "2241"})
    assert book.pair(Side.OWNER, "IN", "FEE") == ("1002", "6603")
    assert book.pair(Side.OWNER, "OUT", "FEE") == ("6603", "1002")
    assert book.pair(Side.SERVICER, "IN", "FEE") == ("6603", "1002")
    assert book.pair(Side.SERVICER, "OUT", "SPLIT") == ("1002", "2241")
    assert AccountBook().pair(Side.OWNER, "IN", "FEE") == ("{account}", "{FEE}")


def test_the_agreements_own_accounts_come_first(tmp_path: Path) -> None:
    """By the beginning of its id; what it does not name is the general one."""
    body = {
        "account": "1002.01",
        "counter": {"*": "2241", "FEE": "6603"},
        "agreements": {"b4241769": {"account": "1002.02", "counter": {"FEE": "6603.03"}}},
    }
    path = accounts_file(tmp_path / "accounts.json", body)
    own = load_accounts(path, AGREEMENT)
    assert own.pair(Side.OWNER, "IN", "FEE") == ("1002.02", "6603.03")
    assert own.pair(Side.OWNER, "IN", "SPLIT") == ("1002.02", "2241")
    assert load_accounts(path, bytes(32)).pair(Side.OWNER, "IN", "FEE") == ("1002.01", "6603")
    assert load_accounts(None, AGREEMENT) == AccountBook()


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"counter": {"FEES": "6603"}}, "FEES"),
        ({"acount": "1002"}, "acount"),
        ({"counter": {"FEE": 6603}}, "str"),
        ({"agreements": {"b4": {}}}, "short"),
        ({"agreements": {"b4241769": {}, "b424176900": {}}}, "mean one"),
    ],
)
def test_a_wrong_file_of_accounts_is_refused_in_words(
    tmp_path: Path, body: object, says: str
) -> None:
    """A misspelt kind or name is named, with the file."""
    path = accounts_file(tmp_path / "accounts.json", body)
    with pytest.raises(InputError, match="ACCOUNTS_INVALID") as refused:
        load_accounts(path, AGREEMENT)
    assert says in refused.value.message
    assert refused.value.where.file == str(path)


def test_a_missing_or_broken_file_of_accounts_is_refused(tmp_path: Path) -> None:
    """No file, or no JSON: each has its code."""
    broken = tmp_path / "broken.json"
    broken.write_bytes(b"\xff{")
    found: list[str] = []
    for path in (tmp_path / "gone.json", broken):
        with pytest.raises(KanheError) as refused:
            load_accounts(path, AGREEMENT)
        found.append(refused.value.code)
    assert found == ["ACCOUNTS_NOT_FOUND", "ACCOUNTS_INVALID"]
    assert issubclass(UsageError, KanheError)


def test_the_csv_opens_in_excel_and_runs_nothing() -> None:
    """A byte order mark first; text that begins like a formula gets an apostrophe."""
    data = bookings_csv(
        [voucher(counterparty_name="=HYPERLINK(1)", remittance="＝1", references={"rrn": "+1"})]
    )
    assert data.startswith(b"\xef\xbb\xbf")
    (row,) = csv.DictReader(io.StringIO(data.decode("utf-8-sig")))
    assert row["counterparty_name"] == "'=HYPERLINK(1)"
    assert row["remittance"] == "'＝1"
    assert row["rrn"] == "'+1"
    assert (row["amount"], row["suggestion"]) == ("12.34", "KH-abababababab-CNY-O")
    assert (row["debit_account"], row["credit_account"]) == ("6603", "1002")


def test_the_csv_reads_back_as_the_generic_profile(tmp_path: Path) -> None:
    """Direction, amount, dates, references and group_ref come back exactly."""
    path = tmp_path / "bookings.csv"
    path.write_bytes(
        bookings_csv([voucher(group_ref="cd" * 32, references={"end_to_end_id": "E2E-0001"})])
    )
    (entry,) = read_statement(path).statements[0].entries
    assert (entry.direction.name, entry.amount_minor, entry.currency) == ("OUT", 1_234, "CNY")
    assert entry.group_ref == "cd" * 32
    assert entry.references == ((1, "E2E-0001"),)


@pytest.mark.parametrize("begin", [*RISKY[:4], *RISKY[7:], "'=", "''+", "'", "'x"])
def test_a_guarded_reference_comes_back_exactly(tmp_path: Path, begin: str) -> None:
    """What a spreadsheet would run is guarded in the file, and read back as it was booked."""
    path = tmp_path / "bookings.csv"
    text = f"{begin}SUM-0001"
    given = voucher(references={"end_to_end_id": text}, counterparty_name=text, group_ref=text)
    path.write_bytes(bookings_csv([given]))
    (row,) = csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig")))
    assert not row["end_to_end_id"].startswith(RISKY), "no spreadsheet runs it"
    (entry,) = read_statement(path).statements[0].entries
    assert entry.references == ((1, text),)
    assert (entry.counterparty_name, entry.group_ref) == (text, text)


def test_the_desk_shows_who_books_what_and_links_the_csv(reader: Reader, town: Town) -> None:
    """Ours and theirs stand apart; a voucher leads to its break; the CSV holds ours alone."""
    here = f"/agreements/{town.agreement.hex()[:16]}/windows/{town.agreed}"
    assert f"{here}/bookings" in reader.get(here)
    page = reader.get(f"{here}/bookings")
    for words in ("We book", "They book", "both sides confirm the pair", "settles by itself"):
        assert words in page
    answer = reader.client.get(f"/firm{here}/bookings.csv")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert {row["side"] for row in rows} == {"owner"}
    assert len({row["suggestion"] for row in rows}) == len(rows)


def test_rest_and_the_command_give_the_same_vouchers(
    reader: Reader, town: Town, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """JSON of both sides by REST; the command line takes accounts, date and side."""
    base = f"/firm/api/v1/agreements/{town.agreement.hex()}/windows/{town.agreed}/bookings"
    listed = reader.client.get(base).json()["bookings"]
    assert {item["side"] for item in listed} == {"servicer", "owner"}
    assert reader.client.get(f"{base}.csv").content.startswith(b"\xef\xbb\xbf")
    path = accounts_file(tmp_path / "accounts.json", {"account": "1002", "counter": {"*": "2241"}})
    words = ["booking", "list", "-a", town.agreement.hex(), "--window", str(town.agreed)]
    words += ["--home", str(town.firm.home), "--accounts", str(path), "--date", "2026-12-01"]
    assert main([*words, "--json", "-"]) == 0
    mine = json.loads(capsys.readouterr().out)["bookings"]
    assert [x["suggestion"] for x in mine] == [
        x["suggestion"] for x in listed if x["side"] == "owner"
    ]
    assert {x["booking_date"] for x in mine} == {"2026-12-01"}
    assert {x["debit_account"] for x in mine} == {"1002", "2241"}
    target = tmp_path / "b.csv"
    export = ["booking", "export", str(target), *words[2:]]
    assert main(export) == 0
    assert target.read_bytes().startswith(b"\xef\xbb\xbf")
    assert main([*export[:-1], "soon"]) == 2
    assert "DAY_MALFORMED" in capsys.readouterr().err
