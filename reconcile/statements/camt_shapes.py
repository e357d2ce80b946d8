"""Entries of a camt file by their shape: one expression for each sequence of tags.

The XML parser reads the first entries of a sequence; from one an expression is written that holds
the same tags and takes any text between them. An entry that fits has, byte for byte, the same
tags, so it is well-formed in the same way and its texts stand in the same elements: a tree of it
would tell nothing new. Whatever fits no expression, and all that is not plain (comments, CDATA,
entities beyond XML's five), goes to the parser.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import unescape
from typing import Final

from reconcile.statements.camt_plan import (
    BATCH,
    DETAIL,
    DetailPlan,
    EntryPlan,
    detail_plan,
    entry_plan,
)

MAX_SHAPES: Final = 24
MAX_LEARNT: Final = 200
MAX_SEEN: Final = 4_096
MAX_SHAPE_CHARACTERS: Final = 16_384
LEARN_AFTER: Final = 2

_TAG: Final = re.compile(r"(<[^<>]*>)")
_OPEN: Final = re.compile(r"<([^\s/>!?]+)((?:\s[^<>]*?)?)(/?)>\Z")
_CLOSE: Final = re.compile(r"</([^\s/>]+)\s*>\Z")
_CCY: Final = re.compile(r"""(\sCcy\s*=\s*["'])([^"'<>&]*)(["'])""")
_STRANGE_ENTITY: Final = re.compile(r"&(?!(?:amp|lt|gt|quot|apos);)")
_MARKUP: Final = re.compile("<[!?]")
_TEXT: Final = "([^<]*)"
_BLANK: Final = r"[ \t\r\n]*"


class Shape:
    """An expression, and the plans that say which of its groups is what."""

    __slots__ = ("detail", "entry", "match")

    def __init__(self, pattern: str, paths: Sequence[str], *, has_detail: bool) -> None:
        self.match = re.compile(pattern).match
        start = DETAIL + "/"
        # Each plan sees the other's places as nameless, so that both count the same groups.
        own = tuple("" if path.startswith(start) else path for path in paths)
        inner = tuple(path[len(start) :] if path.startswith(start) else "" for path in paths)
        self.entry: EntryPlan = entry_plan(own)
        self.detail: DetailPlan | None = detail_plan(inner) if has_detail else None


class Shapes:
    """The shapes of one document, the one used last first."""

    def __init__(self) -> None:
        """Begin knowing none."""
        self.shapes: list[Shape] = []
        self.seen: dict[str, int] = {}
        self.learnt = 0

    def find(
        self, text: str, at: int, *, entities: bool
    ) -> tuple[Shape, Sequence[str], int] | None:
        """Return the shape an entry fits, its texts, and where it ends.

        Its texts begin with the blanks before it and end in an empty one. `entities`: whether
        the text holds any.
        """
        for index, shape in enumerate(self.shapes):
            found = shape.match(text, at)
            if found is None:
                continue
            if index:
                self.shapes.insert(0, self.shapes.pop(index))
            texts: Sequence[str] = found.groups()
            end = found.end()
            if entities and text.find("&", at, end) >= 0:
                if _STRANGE_ENTITY.search(text, at, end):
                    return None
                texts = [unescape(one) for one in texts]
            return shape, texts, end
        return None

    def learn(self, block: str) -> None:
        """Take note of an entry that the parser read well."""
        if len(block) > MAX_SHAPE_CHARACTERS or self.learnt >= MAX_LEARNT:
            return
        tags = _TAG.findall(block)
        key = "".join(_CCY.sub(r"\1\3", tag) for tag in tags)
        count = self.seen.get(key, 0) + 1
        if count == 1 and len(self.seen) >= MAX_SEEN:
            return
        self.seen[key] = count
        if count != LEARN_AFTER:
            return
        shape = shape_of(block)
        if shape is not None:
            self.shapes.insert(0, shape)
            del self.shapes[MAX_SHAPES:]
            self.learnt += 1


def shape_of(block: str) -> Shape | None:
    """Write the expression of a well-formed entry; None for one that is not plain."""
    tokens = _TAG.split(block)
    pattern: list[str] = ["(", _BLANK, ")"]
    stack: list[tuple[str, bool]] = []
    # The blanks in front of the entry are a text without a name.
    paths: list[str] = [""]
    details = 0
    prefix = block[1:].partition("Ntry")[0]
    for index in range(1, len(tokens), 2):
        tag, before = tokens[index], tokens[index - 1]
        opened = _OPEN.match(tag)
        closed = None if opened else _CLOSE.match(tag)
        if opened is None and closed is None:
            return None
        if closed is not None and stack[-1][1]:
            pattern.append(_TEXT)
            paths.append("/".join(name for name, _ in stack[1:]))
        elif before.strip(" \t\r\n"):
            return None
        else:
            pattern.append(_BLANK)
        if closed is not None:
            stack.pop()
            pattern.append(re.escape(tag))
            continue
        assert opened is not None
        word, attributes = opened[1], opened[2]
        if not word.startswith(prefix) or "xmlns" in attributes or attributes.count('"') % 2:
            return None
        name = word[len(prefix) :]
        if stack:
            stack[-1] = (stack[-1][0], False)
        path = "/".join([*(one for one, _ in stack[1:]), name]) if stack else ""
        details += path == DETAIL
        if path == BATCH:
            # Its totals are named with its own line, which the parser tells.
            return None
        pattern.append(_tag_pattern(tag, path, paths))
        if opened[3]:
            pattern.append("()")
            paths.append(path)
        else:
            stack.append((name, True))
    if details > 1:
        # The line of each detail counts; the parser tells it.
        return None
    pattern.append("()")
    return Shape("".join(pattern), paths, has_detail=details == 1)


def is_plain(text: str) -> bool:
    """Say whether a text holds nothing but elements and characters that XML allows.

    Control characters were looked for before. One character is found much faster than two, and
    most texts hold none of these.
    """
    if ("!" in text or "?" in text) and _MARKUP.search(text):
        return False
    if "]" in text and "]]>" in text:
        return False
    return text.isascii() or ("\ufffe" not in text and "\uffff" not in text)


def _tag_pattern(tag: str, path: str, paths: list[str]) -> str:
    """Return a start tag as it stands, the value of Ccy open."""
    found = _CCY.search(tag)
    if found is None:
        return re.escape(tag)
    paths.append(f"{path}@Ccy")
    start, end = tag[: found.start(2)], tag[found.end(2) :]
    return f"{re.escape(start)}([^\"'<>&]*){re.escape(end)}"
