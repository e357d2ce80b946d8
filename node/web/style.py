"""The desk's style with its face inside, for files that open from disk in ten years."""

from __future__ import annotations

import base64
from functools import cache
from typing import Final

from node.web.pages import HERE

FACE: Final = HERE / "static" / "fonts" / "inter-latin-wght-normal.woff2"
FONT_URL: Final = 'url("fonts/inter-latin-wght-normal.woff2") format("woff2")'


@cache
def style() -> str:
    """Return the desk's style with its face inside."""
    css = (HERE / "static" / "desk.css").read_text(encoding="utf-8")
    data = base64.b64encode(FACE.read_bytes()).decode()
    assert FONT_URL in css, "the style names its face"
    return css.replace(FONT_URL, f'url("data:font/woff2;base64,{data}") format("woff2")')
