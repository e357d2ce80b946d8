"""Reading the elements of a camt message by their local names."""

from __future__ import annotations

from typing import Final

from lxml import etree

Element = etree._Element  # noqa: SLF001 - lxml names its element type only so

BIG_LINE: Final = 65_535


def child(element: Element | None, prefix: str, word: str) -> Element | None:
    """Return the first child of that name."""
    return None if element is None else next(element.iterchildren(prefix + word), None)


def children(element: Element | None, prefix: str, word: str) -> list[Element]:
    """Return all children of that name."""
    if element is None:
        return []
    return list(element.iterchildren(prefix + word))


def text_of(element: Element | None, prefix: str, *path: str) -> str | None:
    """Return the trimmed text at a path of first children, None if empty or missing."""
    for word in path:
        element = child(element, prefix, word)
    if element is None or element.text is None:
        return None
    return element.text.strip() or None


def amount_of(element: Element | None) -> tuple[str, str]:
    """Return an amount element's text and currency, empty where missing."""
    if element is None:
        return "", ""
    return (element.text or "").strip(), (element.get("Ccy") or "").strip()


def own_text(element: Element | None) -> str:
    """Return an element's trimmed text, empty if it is missing."""
    return "" if element is None or element.text is None else element.text.strip()


def line_of(element: Element) -> int:
    """Return the line of the document where an element begins."""
    line = int(str(element.sourceline or 1))
    if line > BIG_LINE and element.text:
        # Past this line libxml2 knows only where an element's first text ends.
        line -= element.text.count("\n")
    return line


def parts_of(element: Element, prefix: str) -> dict[str, Element]:
    """Return the first child of each name."""
    parts: dict[str, Element] = {}
    skip = len(prefix)
    for one in element:
        parts.setdefault(str(one.tag)[skip:], one)
    return parts


def doctype_of(root: Element) -> str:
    """Return the DOCTYPE declaration, empty if there is none."""
    return str(getattr(root.getroottree().docinfo, "doctype", "") or "")
