"""Cuts a camt document into runs of entries and what stands around them, without parsing it.

A run is cut out only where it is certain to be one: the document is lexed tag by tag around the
entries, and only directly inside a statement does `<Ntry>` begin one. Where
the lexer is not certain (a DOCTYPE, a token that it does not know, another encoding than the
ASCII-compatible ones, a control character), it stops cutting, and everything goes to the parser.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

MAX_HELD_BYTES: Final = 64 << 20
"""No entry is waited for beyond this; the parser takes it as it comes."""

_ENTRY: Final = re.compile(rb"<((?:[\w.-]+:)?)Ntry[\s>]")
_TOKEN: Final = re.compile(
    rb"""[^<]+
    | <!--.*?-->
    | <!\[CDATA\[.*?\]\]>
    | <\?.*?\?>
    | <(?P<close>/?)(?P<name>[^\s/<>!?]+)(?:[^<>"']|"[^"<]*"|'[^'<]*')*?(?P<empty>/?)>
    """,
    re.VERBOSE | re.DOTALL,
)
_DECLARED: Final = re.compile(rb"""<\?xml[^>]*?encoding\s*=\s*["']([\w.-]+)["']""")
_ASCII_COMPATIBLE: Final = frozenset(
    {"utf-8", "ascii", "iso8859-1", "iso8859-15", "cp1252", "gb18030", "gbk", "gb2312"}
)
_BLANKS: Final = b" \t\r\n"
_TEXT_BLANKS: Final = frozenset(" \t\r\n")
_NAME_ENDS: Final = frozenset(" \t\r\n>")
_WIDE_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# XML 1.0, production 2: of the control characters only tab, line feed and carriage return.
_CONTROL: Final = bytes(one for one in range(32) if one not in b"\t\n\r")


class Run(NamedTuple):
    """Text that begins with an entry: entries one after the other, as many as there are.

    `start` and `close` are how an entry begins and ends. Whoever reads it says with
    `Cutter.took` how many characters of it were entries.
    """

    text: str
    start: str
    close: str

    def begin(self, at: int) -> int | None:
        """Return where the entry behind some blanks begins, None where something else does."""
        while self.text[at : at + 1] in _TEXT_BLANKS:
            at += 1
        name_end = at + len(self.start)
        whole = self.text.startswith(self.start, at) and self.text[name_end] in _NAME_ENDS
        return at if whole else None


class Cutter:
    """Takes chunks and gives pieces in order."""

    def __init__(self, statements: Collection[str]) -> None:
        """Take the names of the elements that hold entries."""
        self.statements = frozenset(one.encode() for one in statements)
        self.cutting = True
        self.codec: str | None = None
        self._held = b""
        self._searched = 0
        self._open: list[bytes] = []
        self._taken = 0

    def stop(self) -> None:
        """Cut nothing any more."""
        self.cutting = False

    def add(self, chunk: bytes) -> Iterator[bytes | Run]:
        """Take the next bytes."""
        if self.codec is None:
            self.codec = _codec_of(chunk)
            self.cutting = bool(self.codec)
        if self.cutting and len(chunk.translate(None, _CONTROL)) != len(chunk):
            self.cutting = False
        self._held = self._held + chunk if self._held else chunk
        yield from self._pieces()

    def end(self) -> Iterator[bytes | Run]:
        """Give what is left."""
        self.cutting = False
        yield from self._pieces()

    def took(self, characters: int) -> None:
        """Say how much of the last run was read; what follows is no entry."""
        self._taken = characters

    def _pieces(self) -> Iterator[bytes | Run]:
        at = 0
        while self.cutting:
            found = _ENTRY.search(self._held, at)
            start = len(self._held) if found is None else found.start()
            if start > at and (not self._inside() or self._held[at:start].strip(_BLANKS)):
                upto = self._lexed(at, start)
                if upto > at:
                    yield self._held[at:upto]
                at = upto
            if found is None or (at < start and self._held[at:start].strip(_BLANKS)):
                self.cutting = self.cutting and found is None and self._fits(at)
                break
            close = b"</" + found[1] + b"Ntry>"
            end = self._end_of(start, close)
            if not self._inside() or end is None:
                self.cutting = self._inside() and self._fits(at)
                break
            run = self._run(self._held[at:end], found[1], close)
            if run is None:
                break
            self._taken = 0
            yield run
            self.cutting = self.cutting and self._taken > 0
            whole = self._taken == len(run.text)
            at = end if whole else at + len(run.text[: self._taken].encode(self.codec or ""))
        self._held = self._held[at:]
        self._searched = max(0, self._searched - at)
        if not self.cutting and self._held:
            yield self._held
            self._held = b""

    def _run(self, data: bytes, prefix: bytes, close: bytes) -> Run | None:
        try:
            text = data.decode(self.codec or "")
        except UnicodeDecodeError:
            # The parser says what is wrong, and where.
            self.cutting = False
            return None
        return Run(text, f"<{prefix.decode()}Ntry", close.decode())

    def _fits(self, at: int) -> bool:
        return len(self._held) - at <= MAX_HELD_BYTES

    def _end_of(self, start: int, close: bytes) -> int | None:
        """Return where the last whole entry ends, None while none has come."""
        end = self._held.rfind(close, max(start, self._searched))
        if end >= 0:
            self._searched = 0
            return end + len(close)
        self._searched = max(start, len(self._held) - len(close))
        return None

    def _inside(self) -> bool:
        """Say whether a statement is the innermost open element."""
        return bool(self._open) and self._open[-1].rpartition(b":")[2] in self.statements

    def _lexed(self, at: int, upto: int) -> int:
        """Follow the tags of a stretch; return where the last whole token ends."""
        while at < upto:
            token = _TOKEN.match(self._held, at, upto)
            if token is None:
                return at
            name = token["name"]
            if name is not None:
                if not token["close"]:
                    if not token["empty"]:
                        self._open.append(name)
                elif not self._open or self._open.pop() != name:
                    self.cutting = False
                    return at
            at = token.end()
        return at


def _codec_of(head: bytes) -> str:
    """Return the codec of an ASCII-compatible document, empty for any other."""
    if head.startswith(_WIDE_MARKS):
        return ""
    found = _DECLARED.search(head[:200])
    try:
        name = codecs.lookup(found[1].decode() if found else "utf-8").name
    except LookupError:
        return ""
    return name if name in _ASCII_COMPATIBLE else ""
