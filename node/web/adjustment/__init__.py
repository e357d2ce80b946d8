"""余额调节表 on paper: one content, written as HTML, PDF or XLSX, in Chinese or English.

paper.py   what stands on it, in words
html.py    one file that opens from disk
pdf.py     A4 with an embedded font
xlsx.py    real numbers, formulas for the sums
font.py    where the PDF's font is found
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from node.web.adjustment.paper import Paper, load_paper
from reconcile.model import UsageError

XLSX_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@dataclass(frozen=True, slots=True)
class Written:
    """A paper's bytes, their media type and a name for the file."""

    data: bytes
    media_type: str
    name: str


# What writes a PDF or a workbook is a tenth of a node's start: it is imported when first used.
def _html(paper: Paper, _font: Path | None) -> bytes:
    from node.web.adjustment.html import adjustment_html

    return adjustment_html(paper).encode()


def _pdf(paper: Paper, font: Path | None) -> bytes:
    from node.web.adjustment.pdf import adjustment_pdf

    return adjustment_pdf(paper, font)


def _xlsx(paper: Paper, _font: Path | None) -> bytes:
    from node.web.adjustment.xlsx import adjustment_xlsx

    return adjustment_xlsx(paper)


Writer = Callable[[Paper, Path | None], bytes]
WRITERS: Final[Mapping[str, tuple[Writer, str]]] = {
    "html": (_html, "text/html; charset=utf-8"),
    "pdf": (_pdf, "application/pdf"),
    "xlsx": (_xlsx, XLSX_TYPE),
}


def write_paper(paper: Paper, ending: str, *, font: Path | None = None) -> Written:
    """Write a paper as `html`, `pdf` or `xlsx`; `font` is the setting's font file for the PDF.

    Raises UsageError FORMAT_UNKNOWN, and what `font.find_font` raises.
    """
    if ending not in WRITERS:
        raise UsageError(
            "FORMAT_UNKNOWN",
            f"{ending!r} is no format of this paper",
            help=f"say one of {', '.join(WRITERS)}",
        )
    writer, media_type = WRITERS[ending]
    return Written(writer(paper, font), media_type, f"{paper.stem}.{ending}")


__all__ = ["WRITERS", "Paper", "Written", "load_paper", "write_paper"]
