"""Reading the elements of a camt message by their local names."""

from __future__ import annotations

from typing import Final

from lxml import etree

from reconcile.statements.camt_plan import DETAIL

Element = etree._Element  # noqa: SLF001 - lxml names its element type only so

BIG_LINE: Final = 65_535


def child(element: Element | None, prefix: str, word: str) -> Element | None:
    """Return the first child of that name."""
    return None if element is None else next(element.iterchildren(prefix + word), None)


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


def line_of(element: Element) -> int:
    """Return the line of the document where an element begins."""
    line = int(str(element.sourceline or 1))
    if line > BIG_LINE and element.text:
        # Past this line libxml2 knows only where an element's first text ends.
        line -= element.text.count("\n")
    return line


def doctype_of(root: Element) -> str:
    """Return the DOCTYPE declaration, empty if there is none."""
    return str(getattr(root.getroottree().docinfo, "doctype", "") or "")


class Flat:
    """An element's leaves as paths and texts; an attribute Ccy stands before its text."""

    def __init__(self, element: Element, prefix: str) -> None:
        """Walk the element; `prefix` is the namespace in braces."""
        self.paths: list[str] = []
        self.texts: list[str] = []
        self.details: list[tuple[Flat, Element]] = []
        self._skip = len(prefix)
        self._prefix = prefix
        for one in element:
            self._walk(one, "")
        self.texts.append("")

    def _walk(self, element: Element, above: str) -> None:
        tag = str(element.tag)
        path = above + (tag[self._skip :] if tag.startswith(self._prefix) else tag)
        if path == DETAIL:
            self.details.append((Flat(element, self._prefix), element))
            return
        currency = element.get("Ccy")
        if currency is not None:
            self.paths.append(f"{path}@Ccy")
            self.texts.append(currency)
        if len(element) == 0:
            self.paths.append(path)
            self.texts.append(element.text or "")
            return
        for one in element:
            self._walk(one, path + "/")
