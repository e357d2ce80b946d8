"""Reads back what this project's PDFs show: their fonts, and the text by each font's own map."""

from __future__ import annotations

import base64
import re
import zlib
from dataclasses import dataclass

OBJECT = re.compile(rb"(\d+) 0 obj\n(.*?)endobj", re.DOTALL)
LENGTH = re.compile(rb"/Length (\d+)\b.*?stream\r?\n", re.DOTALL)
SHOWN = re.compile(rb"/(F\d\+\d+) [\d.]+ Tf|\(((?:[^()\\]|\\.)*)\) Tj", re.DOTALL)
ESCAPE = re.compile(rb"\\(\d{3}|.)", re.DOTALL)
NAMED = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}


@dataclass
class Pdf:
    """A PDF's objects by number."""

    objects: dict[int, bytes]

    @property
    def pages(self) -> int:
        """Return the number of pages."""
        return sum(bool(re.search(rb"/Type /Page\b", body)) for body in self.objects.values())

    def fonts(self) -> dict[bytes, bytes]:
        """Return each font dictionary by the name that pages use."""
        found: dict[bytes, bytes] = {}
        for body in self.objects.values():
            for name, number in re.findall(rb"/(F\d+(?:\+\d+)?) (\d+) 0 R", body):
                found[name] = self.objects[int(number)]
        return found

    def embedded(self) -> bool:
        """Say whether every font is TrueType with its outlines inside."""
        fonts = self.fonts()
        return bool(fonts) and all(
            b"/FontFile2" in self._of(font, rb"/FontDescriptor (\d+) 0 R")
            for font in fonts.values()
        )

    def text(self) -> str:
        """Return all text in the order it is drawn, a line a piece."""
        maps = {
            name: _to_unicode(_stream(self._of(font, rb"/ToUnicode (\d+) 0 R")))
            for name, font in self.fonts().items()
        }
        said: list[str] = []
        for body in self.objects.values():
            if re.search(rb"/Type /Page\b", body):
                content = _stream(self._of(body, rb"/Contents (\d+) 0 R"))
                said += _drawn(content, maps)
        return "\n".join(said)

    def _of(self, body: bytes, reference: bytes) -> bytes:
        found = re.search(reference, body)
        return self.objects[int(found.group(1))] if found else b""


def read_pdf(data: bytes) -> Pdf:
    """Split a PDF into its objects."""
    return Pdf({int(number): body for number, body in OBJECT.findall(data)})


def _stream(body: bytes) -> bytes:
    found = LENGTH.search(body)
    assert found, "the object holds a stream"
    data = body[found.end() : found.end() + int(found.group(1))]
    if b"/ASCII85Decode" in body:
        data = base64.a85decode(data.strip().removesuffix(b"~>"))
    return zlib.decompress(data) if b"/FlateDecode" in body else data


def _to_unicode(cmap: bytes) -> dict[int, str]:
    found: dict[int, str] = {}
    for block in re.findall(rb"beginbfrange(.*?)endbfrange", cmap, re.DOTALL):
        for low, _high, texts in re.findall(rb"<(\w+)> <(\w+)>\s*\[(.*?)\]", block, re.DOTALL):
            for place, text in enumerate(re.findall(rb"<(\w+)>", texts)):
                found[int(low, 16) + place] = bytes.fromhex(text.decode()).decode("utf-16-be")
    for block in re.findall(rb"beginbfchar(.*?)endbfchar", cmap, re.DOTALL):
        for code, text in re.findall(rb"<(\w+)>\s*<(\w+)>", block):
            found[int(code, 16)] = bytes.fromhex(text.decode()).decode("utf-16-be")
    return found


def _drawn(content: bytes, maps: dict[bytes, dict[int, str]]) -> list[str]:
    said: list[str] = []
    font: dict[int, str] = {}
    for name, raw in SHOWN.findall(content):
        if name:
            font = maps[name]
            continue
        plain = ESCAPE.sub(_unescape, raw)
        said.append("".join(font[code] for code in plain))
    return said


def _unescape(found: re.Match[bytes]) -> bytes:
    text = found.group(1)
    return bytes([int(text, 8)]) if text.isdigit() else NAMED.get(text, text)
