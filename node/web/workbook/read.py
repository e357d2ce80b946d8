"""The decisions workbook as it comes back from the desk.

The file as a whole is refused where it is not this project's, of another agreement, or stale: the
window was matched again since. Inside it every row stands alone, and is named by sheet and cell.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final

import python_calamine
from xlsxwriter.utility import xl_rowcol_to_cell

from node.services.breaks import Listed, Outcome, Wish
from node.web.i18n import LOCALES, Speaker, translations
from node.web.node_view import NodeView
from node.web.numbers import MAX_WINDOW
from node.web.pages import reading
from node.web.read.parties import AgreementView
from node.web.sheets import fitting
from node.web.words import VERDICTS, Translate
from node.web.workbook.layout import (
    FORMAT,
    GROUPS,
    MAX_REASON,
    MAX_ROWS,
    MIN_REASON,
    SHEETS,
    STAMP_SHEET,
    Cell,
    Layout,
    Line,
    Stamp,
    head_words,
)
from node.web.workbook.lines import load_book
from reconcile.model import InputError, ProtocolError, UsageError, Where
from reconcile.statements.tables import check_archive

MAX_BYTES: Final = 32 << 20
# A group number fits a spreadsheet's number exactly.
MAX_GROUP: Final = 1 << 53
EXPORT_AGAIN: Final = "export it again with `kanhe decision export`, or from the desk"
Row = Sequence[object]
Rows = Mapping[Listed, list[tuple[int, Row]]]


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
    speaker = Speaker(stamp.locale)
    # Of a window's groups only those that somebody decided on are computed again.
    wanted = {number for _, row in rows[Listed.GROUP] if (number := _group_number(row)) is not None}
    with reading(node)() as session:
        now = load_book(session, view, stamp.window, speaker, groups=wanted)
    if now.stamp.digest != stamp.digest:
        raise ProtocolError(
            "WORKBOOK_STALE",
            "the window was matched again since this workbook was written",
            where=Where(file=name),
            help=EXPORT_AGAIN,
        )
    wishes: list[Wish] = []
    refused: list[Outcome] = []
    for layout in SHEETS:
        lines = {line.key.hex(): line for line in now.lines[layout.listed]}
        for item in _wishes(layout, rows[layout.listed], lines, speaker):
            (wishes if isinstance(item, Wish) else refused).append(item)  # type: ignore[arg-type]
    taken = node.breaks.propose_many(
        view.agreement,
        wishes,
        window=stamp.window,
        digest=stamp.digest,
        workbook=hashlib.sha256(data).digest(),
        actor=actor,
    )
    order = [layout.listed for layout in SHEETS]
    return tuple(sorted((*taken, *refused), key=lambda item: (order.index(item.listed), item.row)))


def _group_number(row: Row) -> int | None:
    """Return the number of the group that a filled-in row shows."""
    shown = row[1] if len(row) > 1 else None
    if not _filled(row, GROUPS) or isinstance(shown, bool) or not isinstance(shown, (int, float)):
        return None
    return int(shown) - 1 if 1 <= shown <= MAX_GROUP and shown == int(shown) else None


def _filled(row: Row, layout: Layout) -> bool:
    return bool(_text(row, layout.decision) or _text(row, layout.reason))


def read_rows(data: bytes, name: str) -> tuple[Stamp, Rows]:
    """Return the stamp and each sheet's rows below the head, with their numbers in the sheet."""
    if len(data) > MAX_BYTES:
        raise _invalid(name, f"it has more than {MAX_BYTES:,} bytes")
    check_archive(data, name)
    try:
        book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(data))
        sheets = {
            title: book.get_sheet_by_name(title).to_python(skip_empty_area=False)
            for title in book.sheet_names[: len(SHEETS) + 1]
        }
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - a Rust panic is no Exception
        raise _invalid(name, str(error)[:120]) from None
    stamp = _stamp(sheets.pop(STAMP_SHEET, []), name)
    say = Speaker(stamp.locale).gettext
    rows: dict[Listed, list[tuple[int, Row]]] = {}
    for layout in SHEETS:
        title = say(layout.title)
        cells = sheets.get(title)
        if cells is None:
            raise _invalid(name, f"it has no sheet {title!r}")
        if not cells or tuple(map(str, cells[0][: len(layout.head)])) != head_words(layout, say):
            raise _invalid(name, f"the columns of {title!r} are not those that were written")
        if len(cells) > MAX_ROWS + 1:
            raise _invalid(name, f"{title!r} has more than {MAX_ROWS:,} rows")
        rows[layout.listed] = list(enumerate(cells[1:], start=2))
    return stamp, rows


def _stamp(cells: Sequence[Row], name: str) -> Stamp:
    pairs = {str(row[0]): str(row[1]) for row in cells if len(row) > 1}
    if pairs.get("format") != FORMAT:
        raise _invalid(name, f"it has no sheet {STAMP_SHEET!r} of the format {FORMAT}")
    try:
        stamp = Stamp(pairs["agreement"], int(pairs["window"]), pairs["digest"], pairs["locale"])
    except (KeyError, ValueError) as error:
        raise _invalid(name, f"its sheet {STAMP_SHEET!r} does not read") from error
    if not 0 <= stamp.window <= MAX_WINDOW:
        raise _invalid(name, f"its window {stamp.window} is none")
    if stamp.locale not in LOCALES:
        raise _invalid(name, f"its language {stamp.locale!r} is not spoken here")
    return stamp


def _invalid(name: str, why: str) -> InputError:
    return InputError(
        "WORKBOOK_INVALID",
        f"this is no workbook of decisions: {why}",
        where=Where(file=name),
        help=EXPORT_AGAIN,
    )


def _wishes(
    layout: Layout,
    rows: Sequence[tuple[int, Row]],
    lines: Mapping[str, Line],
    speaker: Speaker,
) -> Iterator[Wish | Outcome]:
    """Yield what the desk wishes in one sheet, and the rows that cannot be taken."""
    seen: dict[str, int] = {}
    for number, row in rows:
        if not _filled(row, layout):
            continue
        key, said = _text(row, 0), _text(row, layout.decision)
        verdict = _verdict(said)
        try:
            line = _checked(layout, row, verdict, lines.get(key), seen.get(key), speaker.gettext)
        except _CellError as error:
            cell = _address(layout, number, error.column, speaker)
            yield Outcome(
                number,
                key,
                verdict or said,
                code=error.code,
                message=error.message,
                help=error.help,
                listed=layout.listed,
                cell=cell,
            )
            continue
        seen[key] = number
        assert verdict is not None, "it was checked"
        yield Wish(
            number,
            line.key,
            verdict,
            _text(row, layout.reason),
            line.proposal,
            listed=layout.listed,
            number=line.number,
            cell=_address(layout, number, layout.decision, speaker),
        )


def _address(layout: Layout, row: int, column: int, speaker: Speaker) -> str:
    """Return where a cell is, as a spreadsheet names it: Groups!H7."""
    return f"{speaker.gettext(layout.title)}!{xl_rowcol_to_cell(row - 1, column)}"


class _CellError(UsageError):
    """Raised when a cell of a row is not as it has to be; `column` from 0."""

    def __init__(self, column: int, code: str, message: str, *, help: str = "") -> None:  # noqa: A002 - the field's name
        super().__init__(code, message, help=help)
        self.column = column


def _checked(
    layout: Layout,
    row: Row,
    verdict: str | None,
    line: Line | None,
    before: int | None,
    say: Translate,
) -> Line:
    """Return the row's line; raises with the first cell that is wrong.

    `before`: the row that said something of the same already. Columns and verdicts are named as
    the workbook names them, by `say`.
    """
    if before is not None:
        raise _CellError(0, "ROW_TWICE", f"the same stands in row {before} too")
    if line is None or not line.verdicts:
        raise _unknown(layout, line)
    for column, cell in enumerate(line.cells):
        if not _same(row[column] if column < len(row) else "", cell):
            raise _CellError(
                column,
                "ROW_CHANGED",
                f"the cell under {head_words(layout, say)[column]!r} is not what was written",
                help="undo the change, or export again: the checker sees what you saw",
            )
    said, reason = _text(row, layout.decision), _text(row, layout.reason)
    if not said:
        raise _CellError(layout.decision, "VERDICT_MISSING", "there is a reason, but no decision")
    if verdict is None or verdict not in line.verdicts:
        raise _CellError(
            layout.decision,
            "VERDICT_UNKNOWN",
            f"{said!r} is no decision on this row",
            help=", ".join(say(VERDICTS[word]) for word in line.verdicts),
        )
    if not MIN_REASON <= len(reason) <= MAX_REASON:
        raise _CellError(
            layout.reason,
            "REASON_LENGTH",
            f"a reason has {MIN_REASON} to {MAX_REASON} characters",
        )
    return line


def _unknown(layout: Layout, line: Line | None) -> _CellError:
    if line is not None:
        return _CellError(
            layout.decision,
            "PROPOSAL_UNKNOWN",
            "the proposal is too large to be decided as a whole",
            help="decide on its entries at the desk",
        )
    code = {Listed.BREAK: "BREAK_UNKNOWN", Listed.PROPOSAL: "PROPOSAL_UNKNOWN"}
    return _CellError(
        0,
        code.get(layout.listed, "GROUP_UNKNOWN"),
        "the row's hidden key names nothing of this run",
        help=EXPORT_AGAIN,
    )


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
