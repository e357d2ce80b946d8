"""ISO 20022 account reports, statements and notifications: camt.052, camt.053, camt.054.

Read are the message definition reports' building blocks Account (Acct), Balance (Bal),
TransactionsSummary (TxsSummry) and Entry (Ntry) of versions 02 to 14. The document is streamed,
in memory that does not grow with it. No DTD, no entity, no network.

The XML parser gets everything but the entries whose shape it has seen before (`camt_shapes`);
those are cut out, read by their shape, and never become a tree.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from typing import Final, Protocol, cast

from lxml import etree

from reconcile.model import InputError
from reconcile.statements.camt_cutter import Cutter, Run
from reconcile.statements.camt_details import Detail
from reconcile.statements.camt_parts import Parts
from reconcile.statements.camt_plan import detail_plan, entry_plan
from reconcile.statements.camt_shapes import Shape, Shapes, is_plain
from reconcile.statements.camt_xml import Element, Flat, doctype_of, line_of
from reconcile.statements.drafts import MAX_STREAM_ENTRIES, FileDraft, refuse

NAMESPACE: Final = re.compile(r"urn:iso:std:iso:20022:tech:xsd:(camt\.05[234])\.001\.(\d{2})\Z")
FIRST_VERSION: Final = 2
LAST_VERSION: Final = 14
_PLACE: Final = re.compile(r"(?:,? line \d+, column \d+.*| line \d+)")
CHUNK_BYTES: Final = 1 << 20
STATEMENT_TAGS: Final = {"Rpt": "camt.052", "Stmt": "camt.053", "Ntfctn": "camt.054"}


class Source(Protocol):
    """Whatever bytes are read from."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes, none at the end."""


def read_camt(source: Source, draft: FileDraft) -> FileDraft:
    """Read one camt message; a document cut off anywhere keeps what came before the cut."""
    reader = _Reader(draft)
    try:
        reader.run(source)
    except etree.XMLSyntaxError as error:
        reader.cut_off(error)
    if draft.format == "camt":
        raise refuse(
            "FORMAT_UNKNOWN",
            "the XML document is no camt.052, camt.053 or camt.054",
            file=draft.name,
            help="export the statement as camt.053, MT940 or CSV",
        )
    return draft


class _Lines:
    """Which line of the document a line of the parser is: it never sees what was cut out."""

    def __init__(self) -> None:
        self.fed = 0
        self.skipped = 0
        self._cuts = array("q")
        self._deltas = array("q")

    def note(self) -> None:
        """Note how many lines were skipped in front of what is given next."""
        if self.skipped == (self._deltas[-1] if self._deltas else 0):
            return
        if self._cuts and self._cuts[-1] == self.fed:
            self._deltas[-1] = self.skipped
        else:
            self._cuts.append(self.fed)
            self._deltas.append(self.skipped)

    def real(self, parsed: int) -> int:
        """Return the document's line."""
        at = bisect_right(self._cuts, parsed - 1) - 1
        return parsed + (self._deltas[at] if at >= 0 else 0)

    @property
    def here(self) -> int:
        """Return the document's line behind all that was given or skipped."""
        return self.fed + self.skipped + 1


class _Reader:
    """Gives pieces to the parser or to their shape, and fills the file draft."""

    def __init__(self, draft: FileDraft) -> None:
        self.draft = draft
        self.prefix = ""
        self.entries = 0
        self.element: Element | None = None
        self.last_taken: Element | None = None
        self.parts: Parts | None = None
        self.lines = _Lines()
        self.shapes = Shapes()
        self.entry_line: int | None = None
        self.entry_read = False
        self.certain = True
        self.first_error: tuple[str, int] | None = None
        self.parser = etree.XMLPullParser(
            events=("start", "end"),
            tag=("{*}Document", "{*}Ntry", *(f"{{*}}{word}" for word in STATEMENT_TAGS)),
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            dtd_validation=False,
            attribute_defaults=False,
            # libxml2's own limits stay on: nesting of 256, texts of 10 MB.
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
        )

    def run(self, source: Source) -> None:
        cutter = Cutter(STATEMENT_TAGS)
        while chunk := source.read(CHUNK_BYTES):
            for piece in cutter.add(chunk):
                self._piece(piece, cutter)
        for piece in cutter.end():
            self._piece(piece, cutter)
        self.parser.close()
        self._events()

    def _piece(self, piece: bytes | Run, cutter: Cutter) -> None:
        if isinstance(piece, bytes):
            self._feed(piece)
        elif self.parts is not None:
            cutter.took(self._run(piece, cutter.codec or "utf-8"))
            if not self.certain:
                cutter.stop()

    def _run(self, run: Run, codec: str) -> int:
        """Read entries one after the other; return how many characters they were."""
        # What stands before is whole; its lines are told before the run's are skipped.
        self._take_head(None)
        text, at = run.text, 0
        plain = is_plain(text)
        entities = "&" in text
        while at < len(text):
            found = self.shapes.find(text, at, entities=entities) if plain else None
            if found is not None:
                shape, texts, end = found
                self._take_shaped(shape, texts)
            else:
                start = run.begin(at)
                if start is None:
                    break
                end = text.index(run.close, start) + len(run.close)
                self.lines.skipped += text.count("\n", at, start)
                if not self._parse_entry(text[start:end], codec):
                    self.certain = False
                    return end
                at = end
                continue
            self.lines.skipped += text.count("\n", at, end)
            at = end
        return at

    def _parse_entry(self, block: str, codec: str) -> bool:
        """Give one entry to the parser; say whether it was one, so that cutting may go on."""
        self.entry_line, self.entry_read = self.lines.here, False
        self._feed(block.encode(codec))
        self.entry_line = None
        if self.entry_read:
            self.shapes.learn(block)
        else:
            self._note_error()
        return self.entry_read

    def _take_shaped(self, shape: Shape, texts: Sequence[str]) -> None:
        """Read an entry by its shape."""
        assert self.parts is not None
        line = self.lines.fed + self.lines.skipped + 1
        if blanks := texts[0]:
            line += blanks.count("\n")
        self.parts.last_line = line
        self.parts.reader.take_plain(shape.entry, shape.detail, texts, line)
        self._count_entry(line)

    def _feed(self, data: bytes) -> None:
        self.lines.note()
        try:
            self.parser.feed(data)
        except etree.XMLSyntaxError:
            # What came before the error is whole.
            self._events()
            raise
        self._events()
        self.lines.fed += data.count(b"\n")

    def _events(self) -> None:
        for event, found in self.parser.read_events():
            element = cast(Element, found)
            if event == "start":
                self._start(element)
            else:
                self._end(element)

    def _note_error(self) -> None:
        """Keep what the parser met first; what it raises may be only what followed from it."""
        fatal = (one for one in self.parser.feed_error_log if one.level_name == "FATAL")
        first = next(fatal, None)
        if first is not None and self.first_error is None:
            self.first_error = (first.message, self.lines.real(first.line))

    def line_of(self, element: Element) -> int:
        """Return the document's line of an element."""
        return self.lines.real(line_of(element))

    def cut_off(self, error: etree.XMLSyntaxError) -> None:
        """Close what is open and say where the document stops being XML."""
        self._note_error()
        text, line = self.first_error or (str(error), self.lines.real(error.lineno or 1))
        ended = any(words in text for words in ("Premature end", "is empty", "no element found"))
        self.draft.findings.add(
            "TRUNCATED" if ended else "XML_INVALID",
            "the document ends early" if ended else "the document is not well-formed XML",
            line=line,
            expected="a closed Document element" if ended else "well-formed XML",
            # The parser's own line numbers leave out what it never saw.
            found=_PLACE.sub("", text)[:160],
        )
        if self.element is not None:
            # The last child may be cut in the middle; those before it are whole.
            last = self.element[-1] if len(self.element) else None
            self._take_head(last)
            self._finish_statement(line)

    def _start(self, element: Element) -> None:
        # A message may travel inside an envelope with a business application header.
        word = str(element.tag).rpartition("}")[2]
        if word == "Document":
            self._open_document(element)
        elif self.parts is None and word != "Ntry":
            self._open_statement(element)

    def _open_document(self, root: Element) -> None:
        if doctype_of(root):
            raise refuse(
                "XML_DOCTYPE",
                "the document declares a DTD, which ISO 20022 messages never do",
                file=self.draft.name,
                line=self.line_of(root),
                help="ask the sender for the message without a DOCTYPE",
            )
        tag = str(root.tag)
        namespace = tag[1:].partition("}")[0] if tag.startswith("{") else ""
        found = NAMESPACE.match(namespace)
        if found is None:
            if namespace:
                raise self._unknown(namespace, root)
        elif not FIRST_VERSION <= int(found[2]) <= LAST_VERSION:
            raise self._unknown(namespace, root)
        else:
            self.draft.format = found[1]
        self.prefix = f"{{{namespace}}}" if namespace else ""
        self.shapes = Shapes()

    def _unknown(self, namespace: str, root: Element) -> InputError:
        return refuse(
            "FORMAT_UNKNOWN",
            f"namespace {namespace[:100]!r} is none of camt.052, .053, .054 versions 02 to 14",
            file=self.draft.name,
            line=self.line_of(root),
            help="export the statement as camt.053.001.02 to .14",
        )

    def _open_statement(self, element: Element) -> None:
        tag = str(element.tag)
        if not tag.startswith(self.prefix):
            return
        word = tag[len(self.prefix) :]
        if word not in STATEMENT_TAGS:
            return
        if self.draft.format == "camt":
            self.draft.format = STATEMENT_TAGS[word]
        statement = self.draft.new_statement(line=self.line_of(element))
        self.draft.statements.append(statement)
        self.element = element
        self.parts = Parts(statement, self.prefix, self.draft.format, self.line_of)

    def _end(self, element: Element) -> None:
        if self.parts is None or self.element is None:
            return
        if element is self.element:
            self._take_head(None)
            self._finish_statement(self.line_of(element))
            element.clear()
        elif element.getparent() is self.element and str(element.tag).endswith("Ntry"):
            self._take_head(element)
            for one in list(element.itersiblings(preceding=True)):
                self.element.remove(one)
            self._take_entry(element)
            self.last_taken = element
            element.clear()

    def _take_entry(self, element: Element) -> None:
        assert self.parts is not None
        flat = Flat(element, self.prefix)
        line = self.entry_line or self.line_of(element)
        offset = line - line_of(element)
        details = [
            Detail(detail_plan(tuple(one.paths)), one.texts, line_of(of) + offset)
            for one, of in flat.details
        ]
        self.parts.last_line = line
        batch = next(element.iterdescendants(f"{self.prefix}Btch"), None)
        batch_line = None if batch is None else line_of(batch) + offset
        plan = entry_plan(tuple(flat.paths))
        self.parts.reader.take(plan, flat.texts, details, line, batch_line)
        self.entry_read = True
        self._count_entry(line)

    def _take_head(self, until: Element | None) -> None:
        """Read the children around the entries, such as Id, Acct, Bal and TxsSummry."""
        assert self.parts is not None
        assert self.element is not None
        one = self.element[0] if self.last_taken is None and len(self.element) else None
        if self.last_taken is not None:
            one = self.last_taken.getnext()
        while one is not None and one is not until:
            self.parts.take(one)
            self.last_taken = one
            one = one.getnext()

    def _count_entry(self, line: int) -> None:
        self.entries += 1
        if self.entries > MAX_STREAM_ENTRIES:
            raise refuse(
                "FILE_TOO_LARGE",
                f"more than {MAX_STREAM_ENTRIES} entries",
                file=self.draft.name,
                line=line,
                help="split the file by day",
            )

    def _finish_statement(self, end_line: int) -> None:
        assert self.parts is not None
        self.parts.finish(end_line)
        self.element = self.parts = self.last_taken = None
