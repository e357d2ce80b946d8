"""The font that a PDF embeds: one with Chinese characters, so that it reads alike everywhere.

The package carries a part of Noto Sans SC (SIL Open Font License 1.1): every character of GBK.
`KANHE_PDF_FONT` names another TrueType file, for names with characters beyond that.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from pathlib import Path
from typing import Final

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFError, TTFont

from reconcile.model import OutsideError, Where

PACKAGED: Final = Path(__file__).parent.parent / "fonts" / "NotoSansSC-GBK.ttf"
SETTING: Final = "KANHE_PDF_FONT"
PROBE: Final = "余额调节表"
HELP: Final = f"name a TrueType font (.ttf) with Chinese characters in {SETTING}"


def find_font(chosen: Path | None) -> TTFont:
    """Return the font to embed, registered under its own name.

    Raises OutsideError FONT_NOT_FOUND where the file is missing, FONT_UNUSABLE where it is no
    TrueType font (one with PostScript outlines cannot be embedded) or has no Chinese characters.
    """
    path = PACKAGED if chosen is None else chosen
    if not path.is_file():
        raise OutsideError(
            "FONT_NOT_FOUND",
            "the font that a PDF embeds is not there",
            where=Where(file=str(path)),
            help=HELP,
        )
    state = path.stat()
    return _load(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=4)
def _load(path: Path, changed_ns: int, _size: int) -> TTFont:
    try:
        font = TTFont(f"kanhe-{changed_ns}-{path.stem}", str(path))
    except (TTFError, OSError, LookupError, ValueError, struct.error) as error:
        raise _unusable(path, str(error)) from error
    if not all(ord(sign) in font.face.charToGlyph for sign in PROBE):
        raise _unusable(path, "it has no Chinese characters")
    pdfmetrics.registerFont(font)
    return font


def _unusable(path: Path, why: str) -> OutsideError:
    return OutsideError(
        "FONT_UNUSABLE",
        f"the font cannot be embedded: {why}",
        where=Where(file=str(path)),
        help=HELP,
    )


def shown(text: str, font: TTFont) -> str:
    """Return a text in which a character the font lacks is named: nothing is left out unseen."""
    known = font.face.charToGlyph
    return "".join(
        sign if ord(sign) in known or sign in "\n\t" else f"[U+{ord(sign):04X}]" for sign in text
    )
