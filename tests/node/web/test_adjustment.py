"""余额调节表 on paper: three formats, two languages, the same figures."""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from desk_town import Reader, Town
from pdf_text import read_pdf
from python_calamine import CalamineWorkbook

from node.cli import main
from node.web.adjustment import Paper, load_paper, write_paper
from node.web.adjustment.font import PACKAGED
from node.web.adjustment.paper import Block, Currency, Part, Row, Signer
from node.web.i18n import Speaker
from node.web.pages import reading
from node.web.read.parties import find_agreement
from reconcile.model import OutsideError, Side, UsageError


def paper_of(town: Town, locale: str) -> Paper:
    """Return the agreed window's paper as the firm writes it."""
    node = town.firm
    with reading(node)() as session:
        view = find_agreement(session, node.member, node.name, town.agreement.hex())
    return load_paper(node, view, town.agreed, Speaker(locale))


def small(locale: str = "zh", minor: int = 12_345, **more: object) -> Paper:
    """Return a paper of one currency with one item, written by hand."""
    row = Row("未达账项", "2026年11月20日", "1", "V-1", "甲 <b> & 乙", minor, "2026-11-20")
    part = Part("1. 加", (row,), minor)
    blocks = (
        Block(Side.OWNER, "所有方", "账面余额", "STATED", 100, (part,), 100 + minor),
        Block(Side.SERVICER, "管理方", "账面余额", "DERIVED", 100 + minor, (), 100 + minor),
    )
    fields: dict[str, object] = {
        "speaker": Speaker(locale),
        "label": "协议 ···0012",
        "account": "",
        "names": ("管理方", "所有方"),
        "window": 166_200,
        "digest": "ab" * 32,
        "agreed": True,
        "complete": True,
        "balance_proven": True,
        "currencies": (Currency("CNY", 2, blocks),),
        "signers": (Signer(Side.OWNER, "所有方"), Signer(Side.SERVICER, "管理方")),
        **more,
    }
    return Paper(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("locale", ["zh", "en"])
def test_the_pdf_embeds_its_font_and_its_text_reads_back(town: Town, locale: str) -> None:
    """Every font is embedded TrueType; vouchers, amounts and both languages can be extracted."""
    paper = paper_of(town, locale)
    pdf = read_pdf(write_paper(paper, "pdf").data)
    assert pdf.embedded()
    text = pdf.text()
    assert ("余额调节表" if locale == "zh" else "Balance reconciliation statement") in text
    assert "[U+" not in text, "the packaged font has every character of the paper"
    flat = re.sub(r"\s", "", text)
    for sheet in paper.currencies:
        assert paper.verdict(sheet).replace(" ", "") in flat
        for block in sheet.blocks:
            shown = paper.speaker.amount(block.adjusted_minor, sheet.currency)
            assert shown in text
            for row in (row for part in block.parts for row in part.rows):
                assert row.voucher in flat
                assert paper.speaker.amount(row.minor, sheet.currency, plus=True) in text


def test_two_prints_of_one_result_are_one_file(town: Town) -> None:
    """No clock stands in the PDF: the same paper gives the same bytes."""
    paper = paper_of(town, "zh")
    assert write_paper(paper, "pdf").data == write_paper(paper, "pdf").data


def test_a_long_paper_runs_over_pages_and_keeps_its_sums() -> None:
    """A thousand items stay rows; what is beyond the limit is one line with its sum."""
    paper = small()
    block = paper.currencies[0].blocks[0]
    many = Part("1. 加", block.parts[0].rows * 400, 999, left=3, left_minor=7)
    sheet = replace(paper.currencies[0], blocks=(replace(block, parts=(many,)), block))
    pdf = read_pdf(write_paper(replace(paper, currencies=(sheet,)), "pdf").data)
    assert pdf.pages > 5
    assert "另有 3 项，合计" in pdf.text()
    assert "+0.07" in pdf.text()


def test_a_character_the_font_lacks_is_named() -> None:
    """A rare character of a name shows its code; it is never left out unseen."""
    text = read_pdf(write_paper(small(label="\U0002b8b8氏"), "pdf").data).text()
    assert "[U+2B8B8]氏" in text


def test_a_font_that_cannot_be_embedded_is_refused_with_the_setting(tmp_path: Path) -> None:
    """Missing, damaged, or without Chinese: each says so and names KANHE_PDF_FONT."""
    damaged = tmp_path / "damaged.ttf"
    damaged.write_bytes(PACKAGED.read_bytes()[:5_000])
    other = tmp_path / "text.ttf"
    other.write_text("no font at all", encoding="utf-8")
    for path, code in (
        (tmp_path / "gone.ttf", "FONT_NOT_FOUND"),
        (damaged, "FONT_UNUSABLE"),
        (other, "FONT_UNUSABLE"),
    ):
        with pytest.raises(OutsideError) as refused:
            write_paper(small(), "pdf", font=path)
        assert refused.value.code == code
        assert refused.value.where.file == str(path)
        assert "KANHE_PDF_FONT" in refused.value.help
    assert write_paper(small(), "html", font=tmp_path / "gone.ttf").data


def test_a_chosen_font_is_used(tmp_path: Path) -> None:
    """The setting's file is embedded, wherever it lies."""
    chosen = tmp_path / "own.ttf"
    chosen.write_bytes(PACKAGED.read_bytes())
    assert read_pdf(write_paper(small(), "pdf", font=chosen).data).embedded()


def test_the_workbook_holds_numbers_and_formulas_that_add_up(town: Town) -> None:
    """Amounts are numbers, sums are formulas with the same figures, and the print sheet is A4."""
    paper = paper_of(town, "zh")
    data = write_paper(paper, "xlsx").data
    book = CalamineWorkbook.from_filelike(io.BytesIO(data))
    assert book.sheet_names == [sheet.currency for sheet in paper.currencies]
    with zipfile.ZipFile(io.BytesIO(data)) as parts:
        page = parts.read("xl/worksheets/sheet1.xml").decode()
    assert 'paperSize="9"' in page
    assert 'fitToHeight="0"' in page
    assert page.count("<f>") >= 4
    for sheet in paper.currencies:
        rows = book.get_sheet_by_name(sheet.currency).to_python()
        by_name = [(str(row[0]), row[5]) for row in rows]
        adjusted = [value for name, value in by_name if name == "调节后余额"]
        wanted = [Decimal(block.adjusted_minor).scaleb(-sheet.digits) for block in sheet.blocks]
        assert [Decimal(str(value)) for value in adjusted] == wanted
        items = [row for part in sheet.blocks[0].parts for row in part.rows]
        written = {str(row[3]): row[5] for row in rows if row[3]}
        for item in items:
            assert isinstance(written[item.voucher], float)


def test_the_formulas_say_the_same_as_the_figures(town: Town) -> None:
    """Every formula, worked out here from the cells it names, gives the stored figure."""
    for sheet in paper_of(town, "en").currencies:
        data = write_paper(replace(paper_of(town, "en"), currencies=(sheet,)), "xlsx").data
        with zipfile.ZipFile(io.BytesIO(data)) as parts:
            page = parts.read("xl/worksheets/sheet1.xml").decode()
        cells = re.findall(r'<c r="F(\d+)"[^>]*>(?:<f>([^<]*)</f>)?<v>([^<]*)</v>', page)
        values = {int(row): Decimal(value) for row, formula, value in cells if "s" not in value}
        worked = 0
        for row, formula, _value in cells:
            if formula.startswith("ROUND(SUM("):
                low, high = (int(n) for n in re.findall(r"F(\d+)", formula))
                total = sum(values[n] for n in range(low, high + 1))
            elif formula:
                names = re.findall(r"([+-]?)F(\d+)", formula)
                total = sum((-1 if sign == "-" else 1) * values[int(n)] for sign, n in names)
            else:
                continue
            assert total == values[int(row)], formula
            worked += 1
        assert worked >= 3


def test_an_amount_beyond_a_double_stays_exact() -> None:
    """Eighteen digits become text in that currency's sheet, to the last cent."""
    minor = 9_007_199_254_740_993
    data = write_paper(small(minor=minor), "xlsx").data
    rows = CalamineWorkbook.from_filelike(io.BytesIO(data)).get_sheet_by_index(0).to_python()
    assert "90071992547409.93" in [row[5] for row in rows]
    with zipfile.ZipFile(io.BytesIO(data)) as parts:
        assert "<f>" not in parts.read("xl/worksheets/sheet1.xml").decode()


def test_text_of_the_counterparty_stays_text() -> None:
    """Markup in a remark is shown, not run, in all three formats."""
    assert "甲 &lt;b&gt; &amp; 乙" in write_paper(small(), "html").data.decode()
    assert "甲 <b> & 乙" in read_pdf(write_paper(small(), "pdf").data).text()
    part = Part("x", (Row("=1+1", "–", "–", "=HYPERLINK()", "@x", 1),), 1)
    blocks = tuple(replace(block, parts=(part,)) for block in small().currencies[0].blocks)
    paper = small(currencies=(Currency("CNY", 2, blocks),))
    with zipfile.ZipFile(io.BytesIO(write_paper(paper, "xlsx").data)) as parts:
        page = parts.read("xl/worksheets/sheet1.xml").decode()
        assert "HYPERLINK" not in page
        assert "=HYPERLINK()" in parts.read("xl/sharedStrings.xml").decode()


def test_the_html_stands_alone_and_says_what_is_not_proven() -> None:
    """No script and no other file; an unproven balance and a difference are said in words."""
    page = write_paper(small("en", complete=False), "html").data.decode()
    visible = re.sub(r"data:font/woff2;base64,[A-Za-z0-9+/=]+", "", page)
    assert "<script" not in visible
    assert not re.search(r"(src|href)=|https?://", visible)
    assert "not complete" in visible
    unproven = write_paper(small("zh", balance_proven=False), "html").data.decode()
    assert "余额未经证实" in unproven
    off = small().currencies[0]
    wrong = replace(off, blocks=(replace(off.blocks[0], adjusted_minor=1), off.blocks[1]))
    assert "相差" in write_paper(small(currencies=(wrong,)), "html").data.decode()


def test_the_signers_place_names_who_acted_here(town: Town) -> None:
    """Both sides' keys stand where they signed; the agreed result says so."""
    paper = paper_of(town, "zh")
    assert paper.agreed
    assert [signer.side for signer in paper.signers] == [Side.OWNER, Side.SERVICER]
    assert all(re.fullmatch(r"0x[0-9a-f]{40}", signer.key) for signer in paper.signers)


def test_the_desk_links_every_format_of_an_agreed_window(town: Town, reader: Reader) -> None:
    """The window's page leads to HTML, PDF and XLSX; each answers with its own type."""
    here = f"/agreements/{town.agreement.hex()[:16]}/windows/{town.agreed}"
    page = reader.get(here)
    for ending, begins in (("html", b"<!doctype"), ("pdf", b"%PDF-"), ("xlsx", b"PK")):
        assert f"{here}/adjustment.{ending}" in page
        answer = reader.client.get(f"/firm{here}/adjustment.{ending}")
        assert answer.status_code == 200
        assert answer.content.startswith(begins)
    refused = reader.client.get(f"/firm{here}/adjustment.doc")
    assert refused.status_code == 422
    assert "FORMAT_UNKNOWN" in refused.text
    early = reader.client.get(
        f"/firm{here.replace(str(town.agreed), str(town.open))}/adjustment.pdf"
    )
    assert "REPORT_NOT_COMPUTED" in early.text


def test_rest_gives_the_sheets_as_json_and_as_files(town: Town, reader: Reader) -> None:
    """A session reads the JSON with both adjusted balances, and the PDF in the language asked."""
    here = f"/firm/api/v1/agreements/{town.agreement.hex()}/windows/{town.agreed}/adjustment"
    body = reader.client.get(here).json()
    assert {sheet["currency"] for sheet in body["sheets"]} == {"CNY", "USD"}
    assert all(sheet["agrees"] for sheet in body["sheets"])
    for lang, word in (("zh", "余额调节表"), ("en", "Balance reconciliation statement")):
        answer = reader.client.get(f"{here}.pdf", params={"lang": lang})
        assert word in read_pdf(answer.content).text()


def test_the_command_writes_the_paper_and_says_whether_it_agrees(
    town: Town, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`kanhe report export` exits 0 for balances that agree; a wrong word is refused by name."""
    out = tmp_path / "paper.xlsx"
    words = ["report", "export", "-a", town.agreement.hex(), "--window", str(town.agreed)]
    words += ["--home", str(town.firm.home), "--out", str(out)]
    assert main([*words, "--format", "xlsx", "--lang", "en", "--json", "-"]) == 0
    assert '"agrees": true' in capsys.readouterr().out
    assert out.read_bytes().startswith(b"PK")
    assert main([*words, "--format", "doc"]) == 2
    assert main([*words, "--lang", "fr"]) == 2
    said = capsys.readouterr().err
    assert "FORMAT_UNKNOWN" in said
    assert "LANGUAGE_UNKNOWN" in said


def test_an_unknown_format_is_refused() -> None:
    """The refusal names the formats there are."""
    with pytest.raises(UsageError, match="FORMAT_UNKNOWN") as refused:
        write_paper(small(), "docx")
    assert "xlsx" in refused.value.help
