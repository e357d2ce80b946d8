from __future__ import annotations

import io
import random
import tempfile
import tracemalloc
from pathlib import Path

import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st
from listed_people import TODAY, number_of, person_of
from people_files import HEADER, STATED, cells_of, overdue_text, provenance, run, write

from node.intake import Draft, open_import, read_map
from node.screening.identifiers import IdType
from node.screening.listings import (
    ActionTaken,
    Product,
    Reason,
    check_listing,
    commitment_of,
)
from node.screening.records import RECORD_BYTES, OpenedRecord, seal_record
from reconcile.commitment.tree import leaf_hash
from reconcile.model import InputError, KanheError

BAD_ROWS = {
    "ROW_AMOUNT": {"amount": "much"},
    "ROW_NUMBER": {"days": "95.5"},
    "ROW_DATE": {"since": "2026-02-30"},
    "ROW_WORD_UNKNOWN": {"product": "unheard of"},
    "ROW_HASH": {"consent": "abc"},
    "ROW_NO_REASON": {"reason": ""},
    "ROW_NO_PRODUCT": {"product": ""},
    "ROW_NO_AMOUNT": {"amount": ""},
    "ROW_NO_DAYS": {"days": ""},
    "ROW_NO_MONTH": {"since": ""},
    "ROW_NOT_OVERDUE": {"days": "60"},
    "LISTING_NO_ACTION": {"action": ""},
    "LISTING_NO_NOTICE": {"told": ""},
    "LISTING_NO_CONSENT": {"consent": ""},
    "LISTING_EVENT_MONTH": {"since": "2027-01-01"},
    "LISTING_NOTICE_AHEAD": {"told": "9999-12-31"},
    "LISTING_NOT_PROTECTING": {"reason": "身份冒用"},
    "IDENTIFIER_MISSING": {"id": " "},
    "IDENTIFIER_CHECKSUM": {"id": number_of(1)[:-1] + ("1" if number_of(1)[-1] == "0" else "0")},
    "IDENTIFIER_LENGTH": {"id": number_of(1)[:-1]},
    "IDENTIFIER_COMPONENT": {"id": "99000019801301001X"},
    "IDENTIFIER_MALFORMED": {"id": "99000019800101♠01"},
}


def draft_of(tmp_path: Path, **changes: str) -> Draft:
    """Return the draft of one good row."""
    _, refused, (draft,) = run(write(tmp_path / "list.csv", overdue_text(cells_of(**changes))))
    assert not refused
    return draft


def test_a_row_becomes_a_listing_that_may_be_posted(tmp_path: Path) -> None:
    """Its terms, bands and days are the row's; the commitment opens to the person alone."""
    draft = draft_of(tmp_path)
    listing = draft.listing
    check_listing(listing, posted_day=TODAY)
    assert (listing.reason, listing.product) == (Reason.OVERDUE_M3, Product.CARD)
    assert (listing.amount_band, listing.days_past_due_band) == (3, 4)
    assert (listing.event_month, listing.action) == ("2026-08", ActionTaken.COLLECTION)
    assert (listing.uploader, listing.effective_from) == (7, TODAY)
    assert listing.consent == bytes.fromhex("ab" * 32)
    assert draft.identifier == person_of(1)
    assert commitment_of(listing, person_of(1), draft.salt) == listing.commitment
    assert commitment_of(listing, person_of(2), draft.salt) != listing.commitment


def test_the_evidence_says_where_the_row_came_from(tmp_path: Path) -> None:
    """File hash and line are the evidence's first document, under a salt of its own."""
    draft = draft_of(tmp_path)
    said = provenance(draft)
    assert (said["source"], said["line"]) == ("overdue list", "2")
    assert len(str(said["file_sha256"])) == 64
    assert str(said["signed_at_source"]).startswith("not signed")
    assert draft.listing.evidence_root == leaf_hash(draft.provenance)
    assert draft_of(tmp_path).listing.evidence_root != draft.listing.evidence_root


@pytest.mark.parametrize("day", ["9999-12-31", "0001-01-01", "99999-01-01", "1900-01-01"])
@pytest.mark.parametrize("column", ["told", "since"])
def test_a_day_at_the_calendar_s_end_stops_no_file(tmp_path: Path, column: str, day: str) -> None:
    """The row is refused by its code, and the good one beside it is listed."""
    text = overdue_text(cells_of(1), cells_of(2, **{column: day}))
    path = write(tmp_path / "list.csv", text)
    with open_import(path, STATED, accept_map=True) as found:
        (refused,) = found.refusals()
        assert refused.code in {"ROW_DATE", "LISTING_NOTICE_AHEAD", "LISTING_EVENT_MONTH"}
        assert [draft.line for draft in found.drafts(partial=True)] == [2]


@pytest.mark.parametrize("code", BAD_ROWS)
def test_every_refused_row_has_its_reason(tmp_path: Path, code: str) -> None:
    """One bad cell: line, column, a stable code and what to do; the good row is not kept either."""
    text = overdue_text(cells_of(1), cells_of(2, **BAD_ROWS[code]))
    path = write(tmp_path / "list.csv", text)
    summary, (refused,), drafts = run(path)
    assert (refused.line, refused.code) == (3, code)
    assert refused.column
    assert refused.help
    assert (summary.drafts, drafts) == (1, [])
    with open_import(path, STATED, accept_map=True) as found:
        with pytest.raises(InputError) as caught:
            next(found.drafts())
        assert caught.value.code == "IMPORT_REFUSED"
        assert [draft.line for draft in found.drafts(partial=True)] == [2]


def test_no_identifier_leaves_the_process(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is wrong, wherever the identifier stands: no report, error or file repeats it."""
    from node.cli import main
    from node.cli.blacklist_import import import_list
    from node.cli.output import report_error

    aside = tmp_path / "aside"
    aside.mkdir()
    monkeypatch.setenv("TMPDIR", str(aside))
    monkeypatch.chdir(aside)
    person = number_of(5)
    columns = list(cells_of())
    texts = [
        overdue_text(*(cells_of(1, **bad) for bad in BAD_ROWS.values()), cells_of(1)),
        # The identifier in every other column; a row with too many cells; none of a header at all.
        *(overdue_text(cells_of(2, **{name: person})) for name in columns),
        overdue_text({**cells_of(3), "more": person}),
        overdue_text(cells_of(4), header=overdue_text(cells_of(5), header="").strip()),
        overdue_text(cells_of(1)) + f'"{person},open',
        overdue_text(cells_of(1)) + f"\x00{person}\r\n",
    ]
    known = [bad["id"] for bad in BAD_ROWS.values() if bad.get("id", " ").strip()]
    known += [number_of(serial) for serial in range(1, 6)]
    for text in texts:
        path = write(tmp_path / "list.csv", text)
        for json_to, accepted in ((None, True), ("-", True), ("-", False)):
            try:
                import_list(
                    path, accept_map=accepted, check=True, test_identifiers=True, json_to=json_to
                )
            except KanheError as error:
                report_error(error, json_to)
        said = "".join(capfd.readouterr())
        assert said
        assert not [number for number in known if number in said or number[6:14] in said]
    words = ["blacklist", "import", str(path), "--check", "--test-identifiers", "--accept-map"]
    assert main(words) == 1
    assert number_of(1) not in "".join(capfd.readouterr())
    assert not list(aside.iterdir())
    draft = draft_of(tmp_path)
    assert number_of(1) not in repr(draft) + repr(draft.identifier)
    assert number_of(1).encode() not in draft.provenance + draft.listing.payload


def test_a_proposed_map_is_never_used_unseen(tmp_path: Path) -> None:
    """Columns and the first rows are shown in words, the person is not, until it is accepted."""
    path = write(tmp_path / "list.csv", overdue_text(cells_of(1), cells_of(2, amount="x")))
    with pytest.raises(InputError) as caught, open_import(path, STATED):
        pass
    assert caught.value.code == "COLUMN_MAP_UNCONFIRMED"
    assert "identifier = 身份证号" in caught.value.message
    assert "line 2: CN-RID (not shown), OVERDUE_M3 on CARD" in caught.value.message
    assert "line 3: refused, amount" in caught.value.message


def test_a_map_is_data(tmp_path: Path) -> None:
    """Header words, the file's own words, what holds for every row, and bands, from TOML."""
    text = (
        'name = "ours"\nmonth_first = true\n[columns]\nidentifier = ["cust"]\namount = ["owed"]\n'
        'event_date = ["since"]\nreason = ["why"]\n[given]\nid_type = "CN-RID"\nproduct = "CARD"\n'
        'action = "COLLECTION"\nnotice_at = "10/01/2026"\ndays_past_due = "95"\n'
        f'notice_hash = "{"cd" * 32}"\nconsent = "{"ab" * 32}"\n'
        '[words.reason]\n"long overdue" = "OVERDUE_M3"\n[bands]\namount = [1,2,3,4,5,6,7,8,9]\n'
    )
    rows = f"Report of November\ncust;owed;why;since\n{number_of(1)};5.00;Long Overdue;08/31/2026\n"
    column_map = read_map(text.encode(), "ours.toml")
    path = write(tmp_path / "list.csv", rows)
    summary, refused, (draft,) = run(path, column_map=column_map)
    assert not refused
    assert (draft.line, draft.listing.amount_band, summary.column_map) == (3, 5, "ours")
    assert (draft.listing.event_month, draft.listing.days_past_due_band) == ("2026-08", 4)
    other = write(tmp_path / "other.csv", overdue_text(cells_of(1)))
    with pytest.raises(InputError) as caught, open_import(other, STATED, column_map=column_map):
        pass
    assert caught.value.code == "MAP_MISMATCH"


@pytest.mark.parametrize(
    "text",
    [
        "no TOML",
        'name = "x"\n[columns]\namount = ["a"]\n',
        'name = "x"\n[columns]\nidentifier = ["a"]\nshoe_size = ["b"]\n',
        'name = "x"\n[columns]\nidentifier = ["a"]\n[given]\nproduct = "BOAT"\n',
        'name = "x"\n[columns]\nidentifier = ["a"]\n[words.reason]\n"x" = "NONE"\n',
        'name = "x"\n[columns]\nidentifier = ["a"]\n[words.colour]\n"x" = "y"\n',
        'name = "x"\n[columns]\nidentifier = ["a"]\n[bands]\namount = [3,2,1]\n',
        'name = "x"\nmore = 1\n[columns]\nidentifier = ["a"]\n',
    ],
)
def test_a_map_that_does_not_hold_is_refused(text: str) -> None:
    """Unknown fields, words or bands are named; nothing of a map is passed over."""
    with pytest.raises(InputError) as caught:
        read_map(text.encode(), "map.toml")
    assert caught.value.code in {"MAP_MALFORMED", "BANDS_MALFORMED"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("late", [False, True])
def test_encodings_are_told_by_their_bytes(tmp_path: Path, encoding: str, late: bool) -> None:
    """A file whose first megabyte is ASCII is read in the encoding of what follows."""
    header = "ssn,amount,dpd,eventmonth,noticeat,noticehash,consent,action,reason,product,idtype"
    row = f"%s,1,95,2026-08,2026-10-01,{'c' * 64},{'c' * 64},催收,逾期,信用卡,身份证"
    blank = (", " * 10 + "\n") * 40_000 if late and encoding != "utf-16" else ""
    text = f"{header}\n{blank}{row % number_of(1)}\n"
    _, refused, drafts = run(write(tmp_path / "list.csv", text, encoding))
    assert not refused
    assert [draft.identifier.type for draft in drafts] == [IdType.CN_RID]


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_any_line_end_is_read(tmp_path: Path, end: str) -> None:
    """Old spreadsheets write carriage returns alone; one within a quoted cell ends no row."""
    rows = [cells_of(serial) for serial in (1, 2)]
    text = overdue_text(*rows).replace("\r\n", end)
    _, refused, drafts = run(write(tmp_path / "list.csv", text))
    assert (refused, len(drafts)) == ([], 2)
    _, refused, drafts = run(write(tmp_path / "list.csv", text.replace("某某", "某\r某")))
    assert (refused, len(drafts)) == ([], 2)


def noise_of(seed: int) -> bytes:
    """Return more noise than any reader looks at first; drawn byte by byte it takes minutes."""
    return random.Random(seed).randbytes(200_000)


@given(st.binary(max_size=300) | st.integers(0, 2**32).map(noise_of))
def test_noise_under_a_table_s_name_is_refused_by_a_code(data: bytes) -> None:
    """Whatever the bytes: a refusal that says what is wrong, never an error of the program."""
    with tempfile.TemporaryDirectory() as folder, pytest.raises(InputError):
        run(write(Path(folder) / "list.csv", data + b"\r\x00"))


def test_a_file_that_breaks_off_is_refused_whole(tmp_path: Path) -> None:
    """An open quote, a byte of another encoding, no header: an error of the file with its line."""
    good = overdue_text(cells_of(1))
    for data, code in [
        ((good + '"open').encode(), "ROW_SHAPE"),
        (good.encode() + "张".encode("gb18030") + b"\n", "ENCODING_WRONG"),
        (b"one,two\n1,2\n", "HEADER_UNKNOWN"),
        (b"", "HEADER_UNKNOWN"),
        (good.encode() + b"x" * (1 << 18), "LINE_TOO_LONG"),
        (b"PK\x03\x04no workbook", "TRUNCATED"),
    ]:
        path = write(tmp_path / "list.csv", data)
        with pytest.raises(InputError) as caught:
            run(path)
        assert caught.value.code == code


def test_a_person_twice_for_the_same_is_refused(tmp_path: Path) -> None:
    """The old form of a number is the same person; another product is another entry."""
    old = number_of(1)[:6] + number_of(1)[8:-1]
    rows = [cells_of(1), cells_of(1, product="按揭"), cells_of(1, id=old), cells_of(2)]
    summary, (refused,), _ = run(write(tmp_path / "list.csv", overdue_text(*rows)))
    # Widened to 18 digits its region is 99 again, and its century the one that was left out.
    assert (refused.line, refused.code) == (4, "ROW_TWICE")
    assert summary.drafts == 3


def test_a_file_that_changes_in_between_keeps_nothing(tmp_path: Path) -> None:
    """The second pass hashes again; its end refuses, so that a transaction rolls back."""
    path = write(tmp_path / "list.csv", overdue_text(cells_of(1)))
    with open_import(path, STATED, accept_map=True) as found:
        assert not list(found.refusals())
        with path.open("r+b") as same:
            same.write(overdue_text(cells_of(2)).encode())
        with pytest.raises(InputError) as caught:
            list(found.drafts())
    assert caught.value.code == "IMPORT_CHANGED"


def test_workbooks_are_read_and_lost_digits_are_noticed(tmp_path: Path) -> None:
    """A sheet keeps fifteen digits of a number: such a cell is refused, and says nothing."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    sheet = book.add_worksheet()
    for row, cells in enumerate([HEADER.split(","), [*cells_of(1).values()]]):
        sheet.write_row(row, 0, cells)
    sheet.write_row(2, 0, [*cells_of(2).values()])
    sheet.write_number(2, 1, float(number_of(10)[:-1]) * 10)
    book.close()
    path = write(tmp_path / "list.xlsx", out.getvalue())
    summary, (refused,), _ = run(path)
    assert (refused.line, refused.column, refused.code) == (3, "identifier", "NUMBER_INEXACT")
    assert summary.drafts == 1


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """Beyond the first megabyte, three times the text takes next to nothing more."""

    def peak(count: int) -> int:
        text = overdue_text(*(cells_of(serial, name="x" * 5_000) for serial in range(count)))
        path = write(tmp_path / "list.csv", text)
        with open_import(path, STATED, accept_map=True) as found:
            tracemalloc.start()
            summary = found.summary
            found_peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert summary.drafts == count
        return found_peak

    assert peak(900) - peak(300) < 600 * 400


def test_a_draft_fits_a_record(tmp_path: Path) -> None:
    """What the index needs of it is the 1,000 bytes of every other record."""
    from listed_people import tag_of

    draft = draft_of(tmp_path)
    opened = OpenedRecord(draft.listing, draft.salt, bytes(65))
    assert len(seal_record(tag_of(person_of(1)), opened)) == RECORD_BYTES
