"""The short way through a camt file gives what the parser gives, or is not taken."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconcile.model import KanheError, StatementFile
from reconcile.statements import camt, read_statement_bytes
from reconcile.statements.camt_cutter import Cutter
from reconcile.statements.camt_shapes import Shapes, shape_of

DAY = (Path(__file__).parent / "data" / "day.xml").read_text(encoding="utf-8")
NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"


def _read(content: bytes, *, short: bool) -> StatementFile | tuple[str, str]:
    """Read leniently by the short way or by the parser alone; a refusal as its code."""
    with pytest.MonkeyPatch.context() as patch:
        if not short:
            patch.setattr(Cutter, "__init__", _never_cut)
        try:
            return read_statement_bytes(content, "x.xml", lenient=True)
        except KanheError as error:
            return error.code, error.message


def _never_cut(self: Cutter, statements: frozenset[str]) -> None:
    self.statements = frozenset(one.encode() for one in statements)
    self.cutting = False
    self.codec = "utf-8"
    self._held = b""
    self._searched = 0
    self._open = []
    self._taken = 0


def _same(content: bytes) -> None:
    assert _read(content, short=True) == _read(content, short=False)


def _entry(draw: random.Random) -> str:
    """Write one entry with parts that come and go, and texts that try the edges."""
    texts = [
        "Müller & Söhne",
        "示范客户",
        "a]]",
        "  padded  ",
        "",
        "x" * 300,
        "NOTPROVIDED",
        "£5 > 4",
    ]

    def text() -> str:
        word = draw.choice(texts)
        return word.replace("&", "&amp;").replace(">", "&gt;")

    amount = draw.choice(["1.00", "12", "0.50", "1.005", "x", " 7.00 ", "99999999999999999.00"])
    parts = [
        f'<Amt Ccy="{draw.choice(["EUR", "EUR", "CHF", "QQQ"])}">{amount}</Amt>',
        f"<CdtDbtInd>{draw.choice(['CRDT', 'DBIT', 'CRDT', 'X'])}</CdtDbtInd>",
        draw.choice(["", "<RvslInd>true</RvslInd>"]),
        draw.choice(
            ["<Sts><Cd>BOOK</Cd></Sts>", "<Sts><Cd>PDNG</Cd></Sts>", "<Sts>BOOK</Sts>", ""]
        ),
        draw.choice(
            [
                "<BookgDt><Dt>2026-11-20</Dt></BookgDt>",
                "<BookgDt><DtTm>2026-11-20T10:00:00+08:00</DtTm></BookgDt>",
                "<BookgDt><Dt>2026-02-30</Dt></BookgDt>",
                "",
            ]
        ),
        draw.choice(["", "<ValDt><Dt>2026-11-21</Dt></ValDt>", "<ValDt/>"]),
        draw.choice(["", f"<AcctSvcrRef>R{draw.randrange(5):07}</AcctSvcrRef>"]),
        draw.choice(["", '<Chrgs><Rcrd><Amt Ccy="EUR">0.10</Amt></Rcrd></Chrgs>']),
    ]
    detail = "".join(
        (
            draw.choice(["", f"<Refs><EndToEndId>{text()}</EndToEndId></Refs>"]),
            draw.choice(["", f"<RltdPties><Dbtr><Pty><Nm>{text()}</Nm></Pty></Dbtr></RltdPties>"]),
            draw.choice(["", f"<RmtInf><Ustrd>{text()}</Ustrd><Ustrd>{text()}</Ustrd></RmtInf>"]),
            draw.choice(["", "<RtrInf><Rsn><Cd>AC04</Cd></Rsn></RtrInf>"]),
        )
    )
    details = draw.choice(["", f"<NtryDtls><TxDtls>{detail}</TxDtls></NtryDtls>"])
    extra = draw.choice(["", f"<AddtlNtryInf>{text()}</AddtlNtryInf>"])
    gap = draw.choice(["", "\n", "\n  "])
    return gap + "<Ntry>" + gap.join([*parts, details, extra]) + "</Ntry>"


@pytest.mark.parametrize("seed", range(12))
def test_random_entries_read_the_same_both_ways(seed: int) -> None:
    """Entries of many shapes, right and wrong, over several statements and lines."""
    draw = random.Random(seed)
    kinds = [_entry(draw) for _ in range(draw.choice([2, 5, 30]))]
    statements = "".join(
        f"<Stmt><Id>S{n}</Id><CreDtTm>2026-11-2{n}T00:00:00</CreDtTm><Acct><Id><Othr><Id>9{n}</Id>"
        f"</Othr></Id><Ccy>EUR</Ccy></Acct>{''.join(draw.choice(kinds) for _ in range(60))}\n"
        "<TxsSummry><TtlNtries><NbOfNtries>60</NbOfNtries></TtlNtries></TxsSummry></Stmt>\n"
        for n in range(3)
    )
    text = f'<Document xmlns="{NAMESPACE}"><BkToCstmrStmt>{statements}</BkToCstmrStmt></Document>'
    found = _read(text.encode(), short=True)
    assert isinstance(found, StatementFile)
    assert found.statements
    _same(text.encode())


STRANGE = {
    "comment with an entry": ("</Acct>", "</Acct><!-- <Ntry><Amt>1</Amt></Ntry> -->"),
    "comment inside": ("<CdtDbtInd>", "<!-- </Ntry> --><CdtDbtInd>"),
    "CDATA": ("second", "<![CDATA[</Ntry><Ntry>]]>"),
    "processing instruction": ("<CdtDbtInd>", "<?x </Ntry> ?><CdtDbtInd>"),
    "unknown entity": ("second", "&nbsp;"),
    "numbered entity": ("second", "&#20013;"),
    "known entity": ("second", "&lt;Ntry&gt; &amp; &quot;x&apos;"),
    "control character": ("second", "sec\x01ond"),
    "forbidden end": ("second", "]]>"),
    "not a character": ("second", "\ufffe"),
    "bigger sign": ("second", "a > b"),
    "foreign element": ("<CdtDbtInd>", '<Amt xmlns="other" Ccy="EUR">9</Amt><CdtDbtInd>'),
    "unclosed": ("</CdtDbtInd>", "</CdtDbt>"),
    "attribute with a sign": ('Ccy="EUR"', 'x="a>b" Ccy="EUR"'),
    "attribute in single quotes": ('Ccy="EUR"', "Ccy='EUR'"),
    "nested entry": ("<CdtDbtInd>", "<Ntry/><CdtDbtInd>"),
    "doctype": ("<Document", "<!DOCTYPE x><Document"),
    "wrong close": ("</Stmt>", "</Rpt>"),
    "cut": ("</Stmt>", ""),
}


@pytest.mark.parametrize("name", STRANGE)
@pytest.mark.parametrize("count", [1, -1])
def test_whatever_is_not_plain_reads_the_same_both_ways(name: str, count: int) -> None:
    """Comments, CDATA, entities, other namespaces, broken tags: once, or in every entry."""
    old, new = STRANGE[name]
    entries = "".join(re.findall(r"<Ntry>.*?</Ntry>\s*", DAY, re.DOTALL)) * 4
    text = DAY.replace("</Stmt>", entries + "</Stmt>").replace(old, new, count)
    assert new in text
    _same(text.encode())


@pytest.mark.parametrize("encoding", ["utf-8-sig", "iso-8859-15", "utf-16", "gb18030", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_encodings_and_line_ends_read_the_same_both_ways(encoding: str, end: str) -> None:
    """Bytes are cut only where tags are plain ASCII; the parser knows the rest."""
    text = DAY.replace("\n", end)
    if encoding != "utf-8-sig":
        text = text.replace('encoding="UTF-8"', f'encoding="{encoding}"')
    if encoding != "gb18030":
        text = text.replace("second", "Zürich")
    else:
        text = text.replace("second", "中文")
    content = text.encode(encoding)
    found = _read(content, short=True)
    assert isinstance(found, StatementFile)
    assert any("rich" in (e.remittance or "") or "中文" in (e.remittance or "")
               for one in found.statements for e in one.entries)  # fmt: skip
    _same(content)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 400),
    st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), max_size=6),
)
def test_chunks_and_damage_read_the_same_both_ways(size: int, flips: list[tuple[int, int]]) -> None:
    """Wherever a chunk ends and whatever byte is wrong, both ways agree."""
    entries = "".join(re.findall(r"<Ntry>.*?</Ntry>\s*", DAY, re.DOTALL)) * 3
    content = bytearray(DAY.replace("</Stmt>", entries + "</Stmt>").encode())
    for position, value in flips:
        content[position % len(content)] = value
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(camt, "CHUNK_BYTES", size)
        short = _read(bytes(content), short=True)
        assert short == _read(bytes(content), short=False)


def test_a_shape_takes_any_text_and_no_other_tags() -> None:
    """One more or one fewer element is another shape."""
    block = '<Ntry><Amt Ccy="EUR">1.00</Amt><CdtDbtInd>CRDT</CdtDbtInd></Ntry>'
    shape = shape_of(block)
    assert shape is not None
    found = shape.match("\n " + block.replace("1.00", "7").replace("EUR", "CHF"))
    assert found is not None
    assert found.groups() == ("\n ", "CHF", "7", "CRDT", "")
    assert shape.match(block.replace("</Amt>", "</Amt><RvslInd>true</RvslInd>")) is None


def test_shapes_are_bounded() -> None:
    """A file in which no two entries look alike teaches nothing and costs nothing."""
    shapes = Shapes()
    for n in range(6_000):
        block = f"<Ntry><A{n}>1</A{n}></Ntry>"
        shapes.learn(block)
        shapes.learn(block)
    assert len(shapes.shapes) <= 24
    assert shapes.learnt <= 200
    assert len(shapes.seen) <= 4_096
