"""Whatever bytes come, a reading ends in a StatementFile or in a KanheError."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from reconcile.commitment.records import record_problem
from reconcile.model import InputError, KanheError, OutsideError, StatementFile
from reconcile.statements import drafts as limits
from reconcile.statements import identify, read_statement, read_statement_bytes

DATA = Path(__file__).parent / "data"


def _workbook() -> bytes:
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, ["direction", "amount", "currency", "booking_date", "remittance"])
    sheet.write_row(1, 0, ["IN", 1234.56, "CNY", "2026-11-20", "一"])
    sheet.write_row(2, 0, ["OUT", 3, "CNY", "2026-11-20", 20261120])
    book.close()
    return out.getvalue()


FILES = {
    "book.csv": (DATA / "book.csv").read_bytes(),
    "day.xml": (DATA / "day.xml").read_bytes(),
    "day.sta": (DATA / "day.sta").read_bytes(),
    "gb.csv": "日期,收入,支出,余额,币种\n2026-01-02,1.00,,1.00,CNY\n".encode("gb18030"),
    "book.xlsx": _workbook(),
}
NAMES = st.sampled_from(sorted(FILES))


def _read(content: bytes, name: str, *, lenient: bool) -> StatementFile | None:
    """Return the reading, None if it was refused; any other exception fails the test."""
    refusal: KanheError | None = None
    file: StatementFile | None = None
    try:
        file = read_statement_bytes(
            content,
            name,
            lenient=lenient,
            accept_map=True,
            perspective="ledger",
        )
    except KanheError as error:
        refusal = error
    if refusal is not None:
        assert refusal.code == refusal.code.upper()
        assert refusal.message
    if file is not None:
        # Whatever was read can be posted: its canonical bytes are valid.
        for one in file.statements:
            assert [record_problem(entry) for entry in one.entries] == [None] * len(one.entries)
    return file


@pytest.mark.parametrize("name", ["book.csv", "day.xml", "day.sta"])
def test_a_file_cut_anywhere_is_refused_or_a_prefix_that_proves_nothing(name: str) -> None:
    """Strict refuses every cut that loses an entry; lenient yields a prefix, not provable."""
    whole = read_statement_bytes(FILES[name], name)
    wanted = [entry for one in whole.statements for entry in one.entries]
    for cut in range(len(FILES[name])):
        part = FILES[name][:cut]
        strict = _read(part, name, lenient=False)
        if strict is not None:
            found = [entry for one in strict.statements for entry in one.entries]
            moving = [(e.entry_ref, e.signed_minor) for e in found if e.moving]
            # The control totals hold, so nothing that moves money is missing.
            assert moving == [(e.entry_ref, e.signed_minor) for e in wanted if e.moving]
        lenient = _read(part, name, lenient=True)
        if lenient is None:
            continue
        found = [entry for one in lenient.statements for entry in one.entries]
        amounts = [entry.signed_minor for entry in found]
        if strict is None:
            assert all(not one.provable for one in lenient.statements)
            # The last entry may have lost its tail; those before it are whole.
            assert amounts[:-1] == [entry.signed_minor for entry in wanted][: len(amounts[:-1])]


@settings(max_examples=400)
@given(NAMES, st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=8))
def test_flipped_bytes_never_escape_as_another_exception(
    name: str,
    flips: list[tuple[int, int]],
) -> None:
    """Any damage ends in a reading or in an error with a code."""
    content = bytearray(FILES[name])
    for position, value in flips:
        content[position % len(content)] = value
    for lenient in (False, True):
        _read(bytes(content), name, lenient=lenient)


@settings(max_examples=300)
@given(st.binary(max_size=300), st.sampled_from([b"", b"<", b":20:", b"PK\x03\x04", b"amount,"]))
def test_random_bytes_never_escape_as_another_exception(content: bytes, start: bytes) -> None:
    """Nor does anything that merely begins like a known format."""
    for lenient in (False, True):
        _read(start + content, "any", lenient=lenient)


@settings(max_examples=200)
@given(NAMES, st.data())
def test_moved_pieces_never_escape_as_another_exception(name: str, data: st.DataObject) -> None:
    """Nor do pieces of a file that were copied elsewhere or left out."""
    content = FILES[name]
    ends = sorted(data.draw(st.lists(st.integers(0, len(content)), min_size=3, max_size=3)))
    a, b, c = ends
    for mixed in (content[:a] + content[b:], content[:b] + content[a:c] + content[b:]):
        for lenient in (False, True):
            _read(mixed, name, lenient=lenient)


def test_numbers_of_a_worksheet_are_what_was_typed() -> None:
    """A cell of 1234.56 is 123456 minor units exactly, and a number as text keeps no dot."""
    entries = read_statement_bytes(FILES["book.xlsx"], "book.xlsx").statements[0].entries
    assert [entry.signed_minor for entry in entries] == [123_456, -300]
    assert entries[1].remittance == "20261120"


def test_a_file_too_large_empty_or_absent_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Limits are checked before a file is read into memory."""
    small = tmp_path / "book.csv"
    small.write_bytes(FILES["book.csv"])
    monkeypatch.setattr("reconcile.statements.reading.MAX_FILE_BYTES", 10)
    with pytest.raises(InputError, match="FILE_TOO_LARGE"):
        read_statement(small)
    monkeypatch.undo()
    assert len(FILES["book.csv"]) < limits.MAX_FILE_BYTES
    with pytest.raises(OutsideError) as caught:
        read_statement(tmp_path / "none.csv")
    assert caught.value.code == "FILE_UNREADABLE"
    for content in (b"", b"\n \n", b"\0\0"):
        with pytest.raises(InputError, match="FILE_EMPTY"):
            read_statement_bytes(content, "x")


def test_a_refusal_lists_at_most_a_hundred_contradictions() -> None:
    """Ten thousand wrong rows still make one readable error that says how many there are."""
    text = "direction,amount,currency,booking_date\n" + "IN,x,CNY,2026-11-20\n" * 1_000
    with pytest.raises(InputError) as caught:
        read_statement_bytes(text.encode(), "x.csv")
    assert len(caught.value.details) == 100
    assert "1000 contradictions" in caught.value.message
    assert caught.value.to_json()["details"]


def test_bytes_that_are_not_in_the_files_encoding_are_refused() -> None:
    """A broken UTF-8 or GB18030 file is not read as something else."""
    text = (
        "direction,amount,currency,booking_date,remittance\n" + "IN,1.00,CNY,2026-11-20,货款\n" * 9
    )
    for encoding in ("utf-8", "gb18030"):
        content = text.encode(encoding)
        with pytest.raises(InputError) as caught:
            read_statement_bytes(content[:-2], "x.csv")
        assert caught.value.code == "TRUNCATED"
        broken = content[:-40] + b"\xff\xff" + content[-40:]
        with pytest.raises(InputError):
            read_statement_bytes(broken, "x.csv")
        lenient = read_statement_bytes(broken, "x.csv", lenient=True)
        assert not lenient.statements[0].provable


def test_identify_needs_only_the_beginning() -> None:
    """Format and unknown files are told from the head alone."""
    formats = {name: identify(content[:500], name).format for name, content in FILES.items()}
    assert formats == {
        "book.csv": "csv",
        "day.xml": "camt.053",
        "day.sta": "mt940",
        "gb.csv": "csv",
        "book.xlsx": "xlsx",
    }
    assert identify(FILES["book.csv"], "book.csv").profile == "generic"
    assert identify(FILES["gb.csv"], "gb.csv").profile is None
    with pytest.raises(InputError, match="FORMAT_UNKNOWN"):
        identify(b"hello world", "x.txt")
