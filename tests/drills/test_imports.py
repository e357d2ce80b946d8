"""Files that must not be taken are refused whole, in words; what is taken is taken once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from drill_town import Town, posted_refs, wanted_refs
from sqlalchemy import func, select

from node.bootstrap import Node
from node.tables import AuditRow, ImportedFile, QueuedRecord, StatedBalance
from reconcile.model import InputError, Side

Change = Callable[[list[str]], bytes]
COLUMNS = "entry_ref"


def rows_of(book: Path) -> tuple[list[str], int]:
    """Return a book's lines, and which of them names the columns."""
    lines = book.read_text(encoding="utf-8").splitlines(keepends=True)
    return lines, next(n for n, line in enumerate(lines) if line.startswith(COLUMNS))


def with_cell(lines: list[str], name: str, text: str, row: int = 0) -> bytes:
    """Return a book with one cell of one entry replaced."""
    at = next(n for n, line in enumerate(lines) if line.startswith(COLUMNS))
    cells = lines[at + 1 + row].rstrip("\n").split(",")
    cells[lines[at].rstrip("\n").split(",").index(name)] = text
    return "".join(
        [*lines[: at + 1 + row], ",".join(cells) + "\n", *lines[at + 2 + row :]]
    ).encode()


def without_balances(lines: list[str]) -> list[str]:
    """Return a book that states no balance, so that its totals contradict nothing."""
    return [line for line in lines if not line.startswith("#")]


REFUSED: dict[str, tuple[str, Change]] = {
    "cut in the middle of a row": ("TOTALS", lambda x: "".join(x).encode()[:-40]),
    "its last rows missing": ("TOTALS", lambda x: "".join(x[:-3]).encode()),
    "a sum that does not fit": ("TOTALS", lambda x: with_cell(x, "amount", "1.00")),
    "another encoding": ("ENCODING_WRONG", lambda x: "".join(x).encode("gb18030") + b"\xff\xff"),
    "an amount with too many digits": (
        "AMOUNT_DIGITS",
        lambda x: with_cell(without_balances(x), "amount", "1.005"),
    ),
    "a day that is none": (
        "DATE_INVALID",
        lambda x: with_cell(without_balances(x), "booking_date", "2026-13-45"),
    ),
    "a row twice": (
        "DUPLICATE_ENTRY",
        lambda x: "".join([*without_balances(x), x[-1]]).encode(),
    ),
    "a currency that was not agreed": (
        "CURRENCY_NOT_AGREED",
        lambda x: with_cell(without_balances(x), "currency", "EUR"),
    ),
    "a currency that is none": (
        "CURRENCY_UNKNOWN",
        lambda x: with_cell(without_balances(x), "currency", "ZZZ"),
    ),
    "a day far ahead": (
        "DATE_AHEAD",
        lambda x: with_cell(without_balances(x), "booking_date", "2036-01-02"),
    ),
    "nothing": ("FILE_EMPTY", lambda _lines: b""),
    "no statement at all": ("FORMAT_UNKNOWN", lambda _lines: bytes(range(256)) * 9),
}


def kept(node: Node) -> list[int]:
    """Return how many rows an import could have left behind."""
    tables = (ImportedFile, QueuedRecord, StatedBalance, AuditRow)
    with node.database.reading() as session:
        return [session.scalar(select(func.count()).select_from(item)) or 0 for item in tables]


def written(folder: Path, data: bytes, name: str = "book.csv") -> Path:
    """Write a file."""
    path = folder / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("what", REFUSED)
def test_a_file_that_contradicts_itself_is_refused_whole(
    agreed: Town, tmp_path: Path, what: str
) -> None:
    """One code, where and what to do; not one row of the file is kept."""
    code, change = REFUSED[what]
    node = agreed.enterprise
    lines, _ = rows_of(agreed.book(Side.OWNER, 1))
    path = written(tmp_path, change(lines))
    before = kept(node)
    with pytest.raises(InputError) as caught:
        node.posting.import_file(agreed.agreement, path)
    error = caught.value
    assert code in {error.code, *(item.code for item in error.details)}, error
    assert error.message
    assert error.where.file == "book.csv"
    assert error.help or error.details
    assert kept(node) == before


def mirrored(lines: list[str]) -> bytes:
    """Return a book as the other side would write it: IN for OUT."""
    swap = {"IN": "OUT", "OUT": "IN"}
    found = []
    for line in without_balances(lines):
        cells = line.split(",")
        found.append(",".join([*cells[:2], swap.get(cells[2], cells[2]), *cells[3:]]))
    return "".join(found).encode()


def test_a_book_read_from_the_wrong_side_is_refused(town: Town, tmp_path: Path) -> None:
    """Once the counterparty's rows stand, DIRECTION_MIRRORED names the option that mends it."""
    town.bank.posting.import_file(town.agreement, town.book(Side.SERVICER), window=town.window())
    town.settle()
    node = town.enterprise
    lines, _ = rows_of(town.book(Side.OWNER))
    path = written(tmp_path, mirrored(lines))
    before = kept(node)
    with pytest.raises(InputError) as caught:
        node.posting.import_file(town.agreement, path)
    assert caught.value.code == "DIRECTION_MIRRORED"
    assert "--perspective" in caught.value.help
    assert kept(node) == before
    taken = node.posting.import_file(town.agreement, town.book(Side.OWNER), window=town.window())
    assert taken.queued > 20


def test_what_stands_is_taken_once(town: Town, tmp_path: Path) -> None:
    """The file again, its content in other bytes, a longer one: only what is new is queued."""
    node, side, window = town.enterprise, Side.OWNER, town.window()
    lines, at = rows_of(town.book(side))
    count = len(lines) - at - 1
    plain = without_balances(lines)
    first = written(tmp_path, "".join(plain[:-5]).encode(), "morning.csv")
    taken = node.posting.import_file(town.agreement, first, window=window)
    assert (taken.queued, taken.already, taken.known) == (count - 5, 0, False)
    again = node.posting.import_file(town.agreement, first, window=window)
    assert (again.queued, again.already, again.known) == (0, count - 5, True)
    longer = written(tmp_path, "".join(lines).encode(), "evening.csv")
    rest = node.posting.import_file(town.agreement, longer, window=window)
    assert (rest.queued, rest.already, rest.known) == (5, count - 5, False)
    shuffled = written(tmp_path, "".join([plain[0], *reversed(plain[1:])]).encode(), "other.csv")
    town.settle()
    nothing = node.posting.import_file(town.agreement, shuffled, window=window)
    assert (nothing.queued, nothing.already, nothing.known) == (0, count, False)
    town.settle()
    assert posted_refs(town.bank, town.agreement, side) == wanted_refs(town.relation, side, 1)


def test_the_same_reference_with_other_content_is_refused(town: Town, tmp_path: Path) -> None:
    """ENTRY_CONFLICT names the line, whether the first content waits or stands on the ledger."""
    node, window = town.enterprise, town.window()
    node.posting.import_file(town.agreement, town.book(Side.OWNER), window=window)
    lines, at = rows_of(town.book(Side.OWNER))
    path = written(tmp_path, with_cell(without_balances(lines), "amount", "7.77", 3))
    for posted in (False, True):
        if posted:
            town.settle()
        before = kept(node)
        with pytest.raises(InputError) as caught:
            node.posting.import_file(town.agreement, path, window=window)
        assert caught.value.code == "ENTRY_CONFLICT"
        assert caught.value.where.line == 5
        assert caught.value.help
        assert kept(node) == before
    assert at


def test_a_watched_folder_keeps_the_reason_beside_what_it_refuses(
    agreed: Town, tmp_path: Path
) -> None:
    """A bad file goes to rejected/ with its reason, a good one to done/; nothing is in between."""
    node = agreed.enterprise
    lines, _ = rows_of(agreed.book(Side.OWNER, 1))
    written(tmp_path, REFUSED["a sum that does not fit"][1](lines), "bad.csv")
    written(tmp_path, "".join(lines).encode(), "good.csv")
    answers = list(node.posting.watch(tmp_path, agreed.agreement, once=True))
    assert [type(item).__name__ for item in answers] == ["Rejected", "ImportResult"]
    assert {path.name for path in (tmp_path / "done").iterdir()} == {"good.csv"}
    assert {path.name for path in (tmp_path / "rejected").iterdir()} == {
        "bad.csv",
        "bad.csv.reason.json",
    }
    assert "TOTALS" in (tmp_path / "rejected" / "bad.csv.reason.json").read_text(encoding="utf-8")
