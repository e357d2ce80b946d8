"""Which encoding a text file is in: UTF-8 (with or without mark), UTF-16, GB18030, Windows-1252.

Decided by counting, never by guessing from words: bytes that are valid UTF-8 sequences, and
pairs of bytes that both lie where GB2312 puts Chinese characters.
"""

from __future__ import annotations

import codecs
import re
from typing import Final

from reconcile.statements.drafts import Findings

_GB_RUN: Final = re.compile(rb"(?:[\xa1-\xfe][\xa1-\xfe])+")
_HIGH: Final = re.compile(rb"[\x80-\xff]")
# Two Chinese characters or more in UTF-8, one of whose bytes GB2312 never uses.
_CHINESE_UTF8: Final = re.compile(rb"(?:[\xe4-\xe9][\x80-\xbf]{2}){2,}")
_NEVER_GB2312: Final = re.compile(rb"[\x80-\xa0]")
_RUN: Final = re.compile(rb"[\x80-\xff]{2,}")
_SAMPLE_BYTES: Final = 1 << 20
_NUL_SHARE: Final = 5
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Bytes that begin no character beyond ASCII in UTF-8.
_NO_LEAD: Final = bytes(range(0xC0))


def encoding_of(data: bytes) -> tuple[str, int]:
    """Return (codec name, length of the byte order mark)."""
    for mark, name in _MARKS:
        if data.startswith(mark):
            return name, len(mark)
    head = data[:_SAMPLE_BYTES]
    if head.isascii() and data.isascii():
        zeros = head.count(0)
        if zeros * _NUL_SHARE >= len(head) > 0:
            return ("utf-16-le" if head[1:2] == b"\0" else "utf-16-be"), 0
        return "utf-8", 0
    valid, invalid = _utf8_score(head)
    if invalid == 0 or valid > 8 * invalid:
        if invalid or _decodes(data, "utf-8"):
            return "utf-8", 0
        valid, invalid = _utf8_score(data)
        if valid > 8 * invalid:
            return "utf-8", 0
    high = len(_HIGH.findall(head))
    paired = sum(len(run) for run in _GB_RUN.findall(head))
    if paired * 10 >= high * 8:
        return "gb18030", 0
    return "cp1252", 0


def _decodes(data: bytes, name: str) -> bool:
    try:
        data.decode(name)
    except UnicodeDecodeError:
        return False
    return True


def _utf8_score(data: bytes) -> tuple[int, int]:
    """Count the characters beyond ASCII that UTF-8 reads, and the bytes it cannot read."""
    try:
        # The common case at the codec's own speed; a sample may end inside a character.
        codecs.utf_8_decode(data, "strict", len(data) != _SAMPLE_BYTES)
    except UnicodeDecodeError:
        return _utf8_count(data)
    return len(data.translate(None, _NO_LEAD)), 0


def _utf8_count(data: bytes) -> tuple[int, int]:
    text = data.decode("utf-8", "surrogateescape")
    invalid = sum("\ud800" <= one <= "\udfff" for one in text)
    valid = sum(one > "\x7f" for one in text) - invalid
    if invalid and "\ud800" <= text[-1] <= "\udfff" and len(data) == _SAMPLE_BYTES:
        # The sample was cut inside a character.
        invalid -= sum("\ud800" <= one <= "\udfff" for one in text[-3:])
    return valid, invalid


def decode(
    data: bytes,
    findings: Findings,
    *,
    single_byte: tuple[str, ...] = ("cp1252",),
) -> str:
    """Decode the file; bytes that its encoding does not have are listed and replaced.

    `single_byte`: code pages to try, in order, for text that is neither UTF nor GB18030.
    """
    name, skip = encoding_of(data)
    body = data[skip:]
    if name == "cp1252":
        name = next((one for one in single_byte if _decodes(body, one)), single_byte[0])
    mixed = _other_encoding(body, name)
    if mixed is not None:
        findings.add(
            "ENCODING_MIXED",
            f"a line is UTF-8 in a file of {name.upper()}",
            line=_line_at(body, mixed, name),
            expected=f"{name.upper()} text",
            found=body[mixed : mixed + 12].hex(" "),
        )
    try:
        return body.decode(name)
    except UnicodeDecodeError as error:
        ending = error.end >= len(body)
        findings.add(
            "TRUNCATED" if ending else "ENCODING_WRONG",
            "the file ends inside a character" if ending else f"a byte is not {name.upper()}",
            line=_line_at(body, error.start, name),
            expected=f"{name.upper()} text",
            found=body[error.start : error.start + 4].hex(" "),
        )
        return body.decode(name, "replace")


def _other_encoding(body: bytes, name: str) -> int | None:
    """Return where UTF-8 begins inside a file of another encoding, None if nowhere.

    GB18030 and the code pages read nearly every byte, so what was written in UTF-8 would pass as
    other characters and end in the book as somebody else's name.
    """
    if name == "gb18030":
        return next(
            (
                found.start()
                for found in _CHINESE_UTF8.finditer(body)
                if _NEVER_GB2312.search(found[0])
            ),
            None,
        )
    if name.startswith("utf"):
        return None
    return next((f.start() for f in _RUN.finditer(body) if _decodes(f[0], "utf-8")), None)


def _line_at(body: bytes, position: int, name: str) -> int:
    if name == "utf-16-be":
        return body.count(b"\0\n", 0, position) + 1
    return body.count(b"\n", 0, position) + 1
