"""The decisions workbook as it comes back from the desk.

The file as a whole is refused where it is not this project's, of another agreement, or stale: the
window was matched again since. Inside it every row stands alone.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final

import python_calamine

from node.services.breaks import Outcome, Wish
from node.web.i18n import LOCALES, Speaker, translations
from node.web.node_view import NodeView
from node.web.numbers import MAX_WINDOW
from node.web.pages import reading
from node.web.read.parties import AgreementView
from node.web.sheets import fitting
from node.web.words import VERDICTS
from node.web.workbook.lines import (
    DECISION,
    FORMAT,
    HEAD,
    MAX_REASON,
    MAX_ROWS,
    MIN_REASON,
    REASON,
    STAMP_SHEET,
    Cell,
    Line,
    Stamp,
    load_lines,
)
from reconcile.model import InputError, ProtocolError, UsageError, Where
from reconcile.statements.tables import check_archive

MAX_BYTES: Final = 32 << 20
EXPORT_AGAIN: Final = "export it again with `kanhe decision export`, or from the desk"
Row = Sequence[object]


def take_workbook(
    node: NodeView, view: AgreementView, data: bytes, *, name: str, actor: str
) -> tuple[Outcome, ...]:
    """Take a filled-in workbook as maker; return what became of every row that says something.

    Raises InputError WORKBOOK_INVALID, UsageError WORKBOOK_OTHER (of another agreement),
    ProtocolError WORKBOOK_STALE: nothing of the file is taken then.
    """
    stamp, rows = read_rows(data, name)
    if stamp.agreement != view.agreement.hex():
        raise UsageError(
            "WORKBOOK_OTHER",
            "the workbook was written for another agreement",
            where=Where(file=name),
            help=EXPORT_AGAIN,
        )
    with reading(node)() as session:
        now, lines = load_lines(session, view, stamp.window, Speaker(stamp.locale))
    if now.digest != stamp.digest:
        raise ProtocolError(
            "WORKBOOK_STALE",
            "the window was matched again since this workbook was written",
            where=Where(file=name),
            help=EXPORT_AGAIN,
        )
    wishes, refused = _wishes(rows, {line.key.hex(): line for line in lines})
    taken = node.breaks.propose_many(
        view.agreement,
        wishes,
        window=stamp.window,
        digest=stamp.digest,
        workbook=hashlib.sha256(data).digest(),
        actor=actor,
    )
    return tuple(sorted((*taken, *refused), key=lambda item: item.row))


def read_rows(data: bytes, name: str) -> tuple[Stamp, list[tuple[int, Row]]]:
    """Return the stamp and the rows below the head, each with its number in the sheet."""
    if len(data) > MAX_BYTES:
        raise _invalid(name, f"it has more than {MAX_BYTES:,} bytes")
    check_archive(data, name)
    try:
        book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(data))
        sheets = {
            title: book.get_sheet_by_name(title).to_python(skip_empty_area=False)
            for title in book.sheet_names[:2]
        }
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - a Rust panic is no Exception
        raise _invalid(name, str(error)[:120]) from None
    pairs = {str(row[0]): str(row[1]) for row in sheets.pop(STAMP_SHEET, []) if len(row) > 1}
    if pairs.get("format") != FORMAT or not sheets:
        raise _invalid(name, f"it has no sheet {STAMP_SHEET!r} of the format {FORMAT}")
    try:
        stamp = Stamp(pairs["agreement"], int(pairs["window"]), pairs["digest"], pairs["locale"])
    except (KeyError, ValueError) as error:
        raise _invalid(name, f"its sheet {STAMP_SHEET!r} does not read") from error
    if not 0 <= stamp.window <= MAX_WINDOW:
        raise _invalid(name, f"its window {stamp.window} is none")
    if stamp.locale not in LOCALES:
        raise _invalid(name, f"its language {stamp.locale!r} is not spoken here")
    (cells,) = list(sheets.values())[:1]
    if not cells or len(cells[0]) < len(HEAD) or cells[0][0] != HEAD[0]:
        raise _invalid(name, "its columns are not those that were written")
    if len(cells) > MAX_ROWS + 1:
        raise _invalid(name, f"it has more than {MAX_ROWS:,} rows")
    return stamp, [(number, row) for number, row in enumerate(cells[1:], start=2)]


def _invalid(name: str, why: str) -> InputError:
    return InputError(
        "WORKBOOK_INVALID",
        f"this is no workbook of decisions: {why}",
        where=Where(file=name),
        help=EXPORT_AGAIN,
    )


def _wishes(
    rows: Iterable[tuple[int, Row]], lines: Mapping[str, Line]
) -> tuple[list[Wish], list[Outcome]]:
    """Return what the desk wishes, and the rows that cannot be taken."""
    wishes: list[Wish] = []
    refused: list[Outcome] = []
    seen: dict[str, int] = {}
    for number, row in rows:
        said, reason = _text(row, DECISION), _text(row, REASON)
        key = _text(row, 0)
        if not said and not reason:
            continue
        verdict = _verdict(said)
        try:
            _require_once(key, seen)
            line = _checked(row, key, said, verdict, reason, lines)
        except UsageError as error:
            refused.append(
                Outcome(number, key, verdict or said, None, error.code, error.message, error.help)
            )
            continue
        seen[key] = number
        assert verdict is not None, "it was checked"
        wishes.append(Wish(number, line.key, verdict, reason, line.proposal))
    return wishes, refused


def _require_once(key: str, seen: Mapping[str, int]) -> None:
    if key in seen:
        raise UsageError("ROW_TWICE", f"the break stands in row {seen[key]} too")


def _checked(
    row: Row, key: str, said: str, verdict: str | None, reason: str, lines: Mapping[str, Line]
) -> Line:
    """Return the row's break; raises UsageError with the first thing that is wrong."""
    line = lines.get(key)
    if line is None:
        raise UsageError("BREAK_UNKNOWN", "the row's hidden key names no break of this run")
    for column, cell in enumerate(line.cells):
        if not _same(row[column] if column < len(row) else "", cell):
            raise UsageError(
                "ROW_CHANGED",
                f"the cell under {HEAD[column]!r} is not what was written",
                help="undo the change, or export again: the checker sees what you saw",
            )
    if not said:
        raise UsageError("VERDICT_MISSING", "there is a reason, but no decision")
    if verdict is None or verdict not in line.verdicts:
        raise UsageError(
            "VERDICT_UNKNOWN",
            f"{said!r} is no decision on this break",
            help=", ".join(line.verdicts),
        )
    if not MIN_REASON <= len(reason) <= MAX_REASON:
        raise UsageError("REASON_LENGTH", f"a reason has {MIN_REASON} to {MAX_REASON} characters")
    return line


def _verdict(said: str) -> str | None:
    """Return the verdict a cell names, by its word or its name in either language."""
    plain = said.casefold()
    for word, name in VERDICTS.items():
        names = {word, *(translations(locale).gettext(name) for locale in LOCALES)}
        if plain in {item.casefold() for item in names}:
            return word
    return None


def _same(found: object, written: Cell) -> bool:
    if isinstance(written, str):
        return _plain(str(found)) == _plain(fitting(written))
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        return False
    # A number's shortest decimal form is what was written.
    return Decimal(repr(found)) == Decimal(written)


def _plain(text: str) -> str:
    """Return a text as spreadsheets keep it: their line ends and blanks at the end differ."""
    return text.replace("\r\n", "\n").replace("_x000D_", "").strip()


def _text(row: Row, column: int) -> str:
    return str(row[column]).strip() if column < len(row) and row[column] is not None else ""
