from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reconcile.model import (
    BalanceBasis,
    Carrier,
    Direction,
    EntryStatus,
    InputError,
    StatementFile,
    day_iso,
)

Read = Callable[..., StatementFile]


@pytest.fixture(scope="module")
def day(data: Path) -> str:
    """A camt.053.001.08 with a batch, a reversal, a pending and an information entry."""
    return (data / "day.xml").read_text(encoding="utf-8")


def test_a_batch_whose_details_add_up_is_split(read: Read, day: str) -> None:
    """Each detail is an entry with its own references; PmtInfId groups them."""
    file = read(day, "day.xml")
    assert file.format == "camt.053"
    one = file.statements[0]
    assert (one.account, one.statement_ref, one.currency) == ("99-0001", "S1", "EUR")
    first, second = one.entries[:2]
    assert [first.signed_minor, second.signed_minor] == [-6_000, -4_000]
    assert first.group_ref == second.group_ref == "PAY-7"
    assert first.reference(Carrier.END_TO_END_ID) == "E-1"
    assert first.reference(Carrier.UETR) == "00000000-0000-4000-8000-000000000001"
    assert first.reference(Carrier.SERVICER_REF) == "BATCH-0001"
    assert (first.counterparty_name, first.counterparty_account) == ("Alpha", "XX99ALPHA")
    assert first.remittance == "first second"
    # The batch's own reference names both parts, so neither can use it as its entry_ref.
    assert first.entry_ref != second.entry_ref
    assert "BATCH-0001" not in {first.entry_ref, second.entry_ref}


def test_a_batch_whose_details_do_not_add_up_stays_one_entry(read: Read, day: str) -> None:
    """Details are used only when they explain the booked amount."""
    text = day.replace(">40.00</Amt><CdtDbtInd>DBIT</CdtDbtInd></TxDtls>", ">39.00</Amt></TxDtls>")
    one = read(text, "day.xml").statements[0]
    assert [entry.signed_minor for entry in one.entries[:2]] == [-10_000, 2_000]
    assert one.entries[0].entry_ref == "BATCH-0001"
    assert one.entries[0].group_ref == "PAY-7"
    assert one.provable
    (remark,) = one.remarks
    assert (remark.code, remark.line) == ("BATCH_DETAILS", one.lines[0])
    assert "of -100.00 EUR is read as one: its 2 details add up to -99.00 EUR" in remark.says
    assert read(day, "day.xml").statements[0].remarks == ()


@pytest.mark.parametrize(
    ("old", "new", "expected", "found"),
    [
        ("<Sum>165.00<", "<Sum>165.01<", "165.01 EUR", "165.00 EUR"),
        (
            "<NbOfTxs>2<",
            '<TtlAmt Ccy="EUR">100.01</TtlAmt><NbOfTxs>2<',
            "100.01 EUR",
            "100.00 EUR",
        ),
    ],
)
def test_a_control_total_is_said_in_the_digits_of_its_currency(
    read: Read, day: str, old: str, new: str, expected: str, found: str
) -> None:
    """What the file states and what its entries give are read as amounts."""
    assert old in day
    one = read(day.replace(old, new, 1), "day.xml", lenient=True).statements[0]
    (item,) = [item for item in one.contradictions if item.code == "CONTROL_TOTALS"]
    assert item.expected == expected
    assert found in (item.found or "")


def test_a_reversal_keeps_its_net_direction_and_swaps_the_parties(read: Read, day: str) -> None:
    """A credit with RvslInd undoes a payment we made, so the other party is its creditor."""
    entry = read(day, "day.xml").statements[0].entries[2]
    assert (entry.direction, entry.is_reversal) == (Direction.IN, True)
    assert entry.counterparty_name == "Beta"
    assert entry.reference(Carrier.END_TO_END_ID) is None


def test_a_reversal_is_one_record_whatever_else_its_file_holds(read: Read, day: str) -> None:
    """With its original in the same file or without: the same entry, linked to nothing."""
    begin = day.index('   <Ntry>\n    <Amt Ccy="EUR">20.00')
    end = day.index("</Ntry>", begin) + len("</Ntry>\n")
    text = day.replace("NOTPROVIDED", "E-REVERSED")
    block = day[begin:end].replace("NOTPROVIDED", "E-REVERSED").replace("REV-", "ORIG-")
    block = block.replace("CRDT", "DBIT").replace("<RvslInd>true</RvslInd>", "")
    longer = text[:begin] + block + text[begin:]
    alone, beside = (
        {one.entry_ref: one for one in read(some, "day.xml", lenient=True).statements[0].entries}
        for some in (text, longer)
    )
    assert beside["ORIG-000001"].signed_minor == -2_000
    assert beside["ORIG-000001"].references != beside["REV-000001"].references
    assert beside["REV-000001"] == alone["REV-000001"]
    assert beside["REV-000001"].reversal_of is None


def test_a_timestamp_keeps_its_local_date(read: Read, day: str) -> None:
    """The date of a DtTm is plain and local; only occurred_at is converted to UTC."""
    entry = read(day, "day.xml").statements[0].entries[2]
    assert day_iso(entry.booking_date) == "2026-11-20"
    assert entry.occurred_at is not None
    assert day_iso(entry.occurred_at // 86_400_000) == "2026-11-21"


def test_pending_and_information_entries_move_no_balance(read: Read, day: str) -> None:
    """PDNG is still to come, INFO never books; the charges of an entry are its fee."""
    one = read(day, "day.xml").statements[0]
    assert [entry.status for entry in one.entries[3:]] == [EntryStatus.PENDING, EntryStatus.VOID]
    assert one.entries[4].fee_minor == 40
    assert one.closing_balance is not None
    assert (one.closing_balance.signed_minor, one.closing_balance.basis) == (
        -7_000,
        BalanceBasis.STATED,
    )


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (">70.00</Amt><CdtDbtInd>DBIT", ">70.01</Amt><CdtDbtInd>DBIT", "TOTALS"),
        ("<NbOfNtries>4<", "<NbOfNtries>5<", "CONTROL_TOTALS"),
        ("<Sum>165.00<", "<Sum>165.01<", "CONTROL_TOTALS"),
        ("<NbOfTxs>2<", "<NbOfTxs>3<", "CONTROL_TOTALS"),
        ('"EUR">10.00', '"SEK">10.00', "CURRENCY_MISMATCH"),
        ('"EUR">5.00', '"SEK">5.00', "CURRENCY_MISMATCH"),
        ('"EUR">5.00', '"EUR">5.001', "AMOUNT_DIGITS"),
        ('"EUR">5.00', '"EUR">5,00', "AMOUNT_INVALID"),
        ('"EUR">5.00', '"QQQ">5.00', "CURRENCY_UNKNOWN"),
        ("<Cd>PDNG</Cd>", "<Cd>SOON</Cd>", "STATUS_UNKNOWN"),
        ("<ValDt><Dt>2026-11-20", "<ValDt><Dt>2026-02-30", "DATE_INVALID"),
        ("<Othr><Id>99-0001</Id></Othr>", "", "FIELD_MISSING"),
        ("</Document>", "", "TRUNCATED"),
    ],
)
def test_a_contradiction_is_refused_and_listed(
    read: Read,
    day: str,
    old: str,
    new: str,
    code: str,
) -> None:
    """Strict refuses with the contradiction's code and line; lenient reads and lists it."""
    text = day.replace(old, new, 1)
    assert text != day
    with pytest.raises(InputError) as caught:
        read(text, "day.xml")
    assert code in {one.code for one in caught.value.details}
    assert caught.value.where.file == "day.xml"
    assert caught.value.where.line is not None
    one = read(text, "day.xml", lenient=True).statements[0]
    assert code in {item.code for item in one.contradictions}
    assert not one.provable
    assert one.entries


@pytest.mark.parametrize("version", range(2, 15))
@pytest.mark.parametrize("kind", ["052", "053", "054"])
def test_every_version_of_every_message_is_read(
    read: Read,
    day: str,
    kind: str,
    version: int,
) -> None:
    """Versions 02 to 14 of the three messages differ only in names around the entries."""
    root, holder = {
        "052": ("BkToCstmrAcctRpt", "Rpt"),
        "053": ("BkToCstmrStmt", "Stmt"),
        "054": ("BkToCstmrDbtCdtNtfctn", "Ntfctn"),
    }[kind]
    text = day.replace("camt.053.001.08", f"camt.{kind}.001.{version:02}")
    text = text.replace("BkToCstmrStmt", root).replace("<Stmt>", f"<{holder}>")
    text = text.replace("</Stmt>", f"</{holder}>")
    if version < 8:
        for word in ("BOOK", "PDNG", "INFO"):
            text = text.replace(f"<Sts><Cd>{word}</Cd></Sts>", f"<Sts>{word}</Sts>")
        text = text.replace("<Pty>", "").replace("</Pty>", "")
    file = read(text, "day.xml")
    assert file.format == f"camt.{kind}"
    assert [e.signed_minor for e in file.statements[0].entries] == [
        -6_000,
        -4_000,
        2_000,
        -500,
        -4_000,
    ]
    assert file.statements[0].entries[0].counterparty_name == "Alpha"


def test_other_documents_and_versions_are_not_read(read: Read, day: str) -> None:
    """Another namespace is FORMAT_UNKNOWN, with what to export instead."""
    for text in (
        day.replace("camt.053.001.08", "camt.053.001.99"),
        day.replace("camt.053.001.08", "pain.001.001.09").replace("BkToCstmrStmt", "Other"),
        "<html><body/></html>",
    ):
        with pytest.raises(InputError) as caught:
            read(text, "x.xml", lenient=True)
        assert caught.value.code == "FORMAT_UNKNOWN"
        assert caught.value.help


def test_a_document_type_declaration_is_refused(read: Read, day: str) -> None:
    """No DTD and no entity reaches the parser's results, not even leniently."""
    declaration = '<!DOCTYPE Document [<!ENTITY e "ee"><!ENTITY x SYSTEM "file:///etc/passwd">]>\n'
    text = day.replace("<Document", declaration + "<Document", 1).replace("S1", "&x;")
    with pytest.raises(InputError) as caught:
        read(text, "day.xml", lenient=True)
    assert caught.value.code == "XML_DOCTYPE"


def test_statements_of_one_account_must_follow_each_other(read: Read, day: str) -> None:
    """The next statement opens with the closing balance; the same one twice counts once."""
    begin, end = day.index("<Stmt>"), day.index("</Stmt>") + len("</Stmt>")
    stmt = day[begin:end]
    twice = day[:end] + stmt + day[end:]
    with pytest.raises(InputError) as caught:
        read(twice, "day.xml")
    assert "STATEMENT_REPEATED" in {one.code for one in caught.value.details}
    assert len(read(twice, "day.xml", lenient=True).statements) == 1
    follow = stmt.replace(">S1<", ">S2<").replace("-0000", "-0009").replace("0001<", "0002<")
    follow = follow.replace(">99-0002<", ">99-0001<")
    with pytest.raises(InputError) as caught:
        read(day[:end] + follow + day[end:], "day.xml")
    assert {one.code for one in caught.value.details} == {"CONTINUITY"}


def test_the_line_of_an_entry_is_where_its_source_has_it(read: Read, day: str) -> None:
    """A split detail points at its own TxDtls, also far down a large file."""
    lines = read(day, "day.xml").statements[0].lines
    rows = day.split("\n")
    assert all("<TxDtls>" in rows[line - 1] for line in lines[:2])
    assert all("<Ntry>" in rows[line - 1] for line in lines[2:])
    far = day.replace("<Stmt>", "\n" * 70_000 + "<Stmt>")
    assert read(far, "day.xml").statements[0].lines == tuple(line + 70_000 for line in lines)


def test_many_entries_stream_without_losing_any(read: Read, day: str) -> None:
    """Entries across the parser's chunks are all whole: sums and count hold."""
    begin = day.index('   <Ntry>\n    <Amt Ccy="EUR">5.00')
    entry = day[begin : day.index("</Ntry>", begin) + len("</Ntry>\n")]
    many = "".join(
        entry.replace("PEND-000001", f"MANY-{n:06}").replace("5.00", f"{n}.01") for n in range(900)
    )
    text = day[:begin] + many + day[begin:]
    text = text.replace("<TxsSummry>", "<!--").replace("</TxsSummry>", "-->")
    one = read(text.replace("<!--", "<X>").replace("-->", "</X>"), "day.xml").statements[0]
    assert len(one.entries) == 905
    assert {f"MANY-{n:06}" for n in range(900)} <= {entry.entry_ref for entry in one.entries}


def test_a_message_in_an_envelope_or_another_encoding_is_read(read: Read, day: str) -> None:
    """A business application header around the Document, a prefix or UTF-16 change nothing."""
    wanted = read(day, "day.xml").statements[0].entries
    body = day.partition("?>")[2]
    wrapped = f'<Envelope xmlns="urn:x"><AppHdr><Id>1</Id></AppHdr>{body}</Envelope>'
    assert read(wrapped, "day.xml").statements[0].entries == wanted
    utf16 = day.replace('encoding="UTF-8"', 'encoding="UTF-16"').encode("utf-16")
    assert read(utf16, "day.xml").statements[0].entries == wanted
    prefixed = body.replace("<", "<c:").replace("<c:/", "</c:").replace("xmlns=", "xmlns:c=")
    assert read(prefixed, "day.xml").statements[0].entries == wanted
