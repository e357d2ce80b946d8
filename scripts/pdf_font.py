"""Cut the font that PDFs embed out of a full Noto Sans SC: every character of GBK, and signs.

    pip install fonttools          (a one-time tool, not part of the lock)
    python scripts/pdf_font.py NotoSansSC_400Regular.ttf node/web/fonts/NotoSansSC-GBK.ttf

The source is `400Regular` of the npm package `@expo-google-fonts/noto-sans-sc` 0.4.3, OFL-1.1.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont

# Latin, punctuation, currency signs, letter-like signs and arrows, mathematics, shapes, full width.
SIGNS = (
    (0x20, 0x250),
    (0x2000, 0x2070),
    (0x20A0, 0x20D0),
    (0x2100, 0x2300),
    (0x25A0, 0x2600),
    (0x3000, 0x3040),
    (0xFF00, 0xFFEF),
)


def gbk() -> Iterator[int]:
    """Yield every character of GBK."""
    for lead in range(0x81, 0xFF):
        for trail in range(0x40, 0xFF):
            try:
                text = bytes([lead, trail]).decode("gbk")
            except UnicodeDecodeError:
                continue
            yield from (ord(sign) for sign in text)


def main(source: Path, target: Path) -> None:
    """Write the part; hinting and layout tables are left out, a PDF uses neither."""
    font = TTFont(source)
    wanted = set(gbk()).union(*(range(*span) for span in SIGNS)) & set(font.getBestCmap())
    options = subset.Options()
    options.hinting, options.glyph_names, options.notdef_outline = False, False, True
    options.layout_features = []
    options.name_IDs = [0, 1, 2, 3, 4, 5, 6, 13, 14]
    options.drop_tables += ["GSUB", "GPOS", "GDEF", "BASE", "vhea", "vmtx", "STAT", "VORG"]
    cut = subset.Subsetter(options)
    cut.populate(unicodes=wanted)
    cut.subset(font)
    font.save(target)
    print(f"{len(wanted):,} characters, {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
