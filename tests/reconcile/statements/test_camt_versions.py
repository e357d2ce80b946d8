"""camt.052, .053 and .054 in every version in use: the same payment, told as each version does."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from reconcile.model import BalanceBasis, Carrier, EntryStatus, InputError, StatementFile

Read = Callable[..., StatementFile]
ROOTS = {
    "camt.052": ("BkToCstmrAcctRpt", "Rpt"),
    "camt.053": ("BkToCstmrStmt", "Stmt"),
    "camt.054": ("BkToCstmrDbtCdtNtfctn", "Ntfctn"),
}
# From 08 on Sts is a choice and a party is one of Pty and Agt; from 03 a detail has its own Amt.
CHOICE_FROM, DETAIL_AMOUNT_FROM = 8, 3


def _balance(code: str, amount: str, mark: str = "CRDT", currency: str = "EUR") -> str:
    return (
        f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy='{currency}'>{amount}</Amt>"
        f"<CdtDbtInd>{mark}</CdtDbtInd><Dt><Dt>2026-11-20</Dt></Dt></Bal>"
    )


def _entry(
    version: int,
    amount: str,
    *,
    mark: str = "CRDT",
    status: str = "BOOK",
    more: str = "",
    detail: str = "",
) -> str:
    sts = f"<Sts><Cd>{status}</Cd></Sts>" if version >= CHOICE_FROM else f"<Sts>{status}</Sts>"
    party = "<Nm>Zahler</Nm>"
    party = f"<Pty>{party}</Pty>" if version >= CHOICE_FROM else party
    own = f"<Amt Ccy='EUR'>{amount}</Amt>"
    if version < DETAIL_AMOUNT_FROM:
        own = f"<AmtDtls><TxAmt>{own}</TxAmt></AmtDtls>"
    return (
        f"<Ntry><Amt Ccy='EUR'>{amount}</Amt><CdtDbtInd>{mark}</CdtDbtInd>{more}{sts}<BookgDt><Dt>"
        f"2026-11-20</Dt></BookgDt><AcctSvcrRef>SR{version:02}0001</AcctSvcrRef><NtryDtls><TxDtls>"
        f"<Refs><EndToEndId>E2E-1</EndToEndId></Refs>{own}<RltdPties><Dbtr>{party}</Dbtr></RltdPties>"
        f"<RmtInf><Ustrd>Rechnung</Ustrd></RmtInf>{detail}</TxDtls></NtryDtls></Ntry>"
    )


def _message(name: str, version: int, *statements: str) -> str:
    root, word = ROOTS[name]
    account = "<Acct><Id><IBAN>XX990001</IBAN></Id><Ccy>EUR</Ccy></Acct>"
    parts = "".join(
        f"<{word}><Id>S{n}</Id><CreDtTm>2026-11-20T10:00:00</CreDtTm>{account}{body}</{word}>"
        for n, body in enumerate(statements)
    )
    space = f"urn:iso:std:iso:20022:tech:xsd:{name}.001.{version:02}"
    return f"<Document xmlns='{space}'><{root}>{parts}</{root}></Document>"


@pytest.mark.parametrize("name", ROOTS)
@pytest.mark.parametrize("version", range(2, 15))
def test_every_version_gives_the_same_entry(read: Read, name: str, version: int) -> None:
    """Status, party and amounts move between versions; the entry does not."""
    file = read(_message(name, version, _entry(version, "7.00")), "x.xml")
    assert file.format == name
    (entry,) = file.statements[0].entries
    assert (entry.signed_minor, entry.status) == (700, EntryStatus.BOOKED)
    assert entry.counterparty_name == "Zahler"
    assert entry.reference(Carrier.END_TO_END_ID) == "E2E-1"
    assert entry.remittance == "Rechnung"


@pytest.mark.parametrize("version", [1, 15, 99])
def test_a_version_that_nobody_uses_is_refused(read: Read, version: int) -> None:
    """It is said which are read."""
    with pytest.raises(InputError, match="FORMAT_UNKNOWN") as caught:
        read(_message("camt.053", version, _entry(8, "7.00")), "x.xml")
    assert "02 to 14" in caught.value.message


def test_a_return_a_reversal_and_charges_keep_their_meaning(read: Read) -> None:
    """RtrInf is RETURNED, RvslInd a reversal in its net direction, charges the entry's fee."""
    charge = "<Chrgs><Amt Ccy='EUR'>0.{}</Amt></Chrgs>"
    record = "<Chrgs><Rcrd><Amt Ccy='EUR'>0.30</Amt></Rcrd><Rcrd><Amt Ccy='EUR'>0.10</Amt>"
    record += "<CdtDbtInd>CRDT</CdtDbtInd></Rcrd></Chrgs>"
    body = "".join(
        (
            _entry(2, "1.00", detail="<RtrInf><RtrRsn><Cd>AC04</Cd></RtrRsn></RtrInf>"),
            _entry(2, "2.00", mark="DBIT", more="<RvslInd>true</RvslInd>"),
            _entry(2, "3.00", more=charge.format("10") + charge.format("20")),
            _entry(2, "4.00", more=record),
        )
    )
    entries = read(_message("camt.053", 2, body), "x.xml").statements[0].entries
    assert entries[0].status is EntryStatus.RETURNED
    assert (entries[1].signed_minor, entries[1].is_reversal) == (-200, True)
    assert [entry.fee_minor for entry in entries[2:]] == [30, 20]


def test_balances_that_are_missing_are_derived_and_prove_nothing(read: Read) -> None:
    """Closing from opening, opening from closing; ITBD stands for the one that is not there."""
    entry = _entry(8, "7.00")
    cases = {
        _balance("OPBD", "1.00") + entry: ("STATED", "DERIVED", 100, 800),
        entry + _balance("CLBD", "8.00"): ("DERIVED", "STATED", 100, 800),
        _balance("OPBD", "1.00") + _balance("ITBD", "8.00") + entry: ("STATED", "STATED", 100, 800),
        _balance("ITBD", "1.00") + _balance("CLBD", "8.00") + entry: ("STATED", "STATED", 100, 800),
        _balance("PRCD", "1.00") + _balance("CLBD", "8.00") + entry: ("STATED", "STATED", 100, 800),
    }
    for body, (opening, closing, before, after) in cases.items():
        one = read(_message("camt.053", 8, body), "x.xml").statements[0]
        assert one.opening_balance is not None
        assert one.closing_balance is not None
        assert one.opening_balance.basis is BalanceBasis(opening)
        assert one.closing_balance.basis is BalanceBasis(closing)
        signed = (one.opening_balance.signed_minor, one.closing_balance.signed_minor)
        assert signed == (before, after)


def test_statements_that_do_not_follow_or_repeat_each_other_are_named(read: Read) -> None:
    """A hole between two statements, the same one twice, a day in two without balances."""
    first = _balance("OPBD", "1.00") + _entry(8, "7.00") + _balance("CLBD", "8.00")
    later = _balance("OPBD", "9.00") + _entry(8, "1.00") + _balance("CLBD", "10.00")
    with pytest.raises(InputError) as caught:
        read(_message("camt.053", 8, first, later), "x.xml")
    assert caught.value.code == "CONTINUITY"
    twice = _message("camt.053", 8, first, first).replace("<Id>S1</Id>", "<Id>S0</Id>")
    with pytest.raises(InputError) as caught:
        read(twice, "x.xml")
    assert "STATEMENT_REPEATED" in {one.code for one in caught.value.details}
    with pytest.raises(InputError) as caught:
        read(_message("camt.052", 8, _entry(8, "7.00"), _entry(8, "7.00")), "x.xml")
    assert "PART_DAY_OVERLAP" in {one.code for one in caught.value.details}


def test_statements_of_several_currencies_stand_apart(read: Read) -> None:
    """One account number in two currencies is two statements, each with its own balances."""
    euro = _balance("OPBD", "1.00") + _entry(8, "7.00") + _balance("CLBD", "8.00")
    yen = euro.replace("'EUR'", "'JPY'").replace(".00<", "<")
    text = _message("camt.053", 8, euro, yen)
    text = text[: text.rindex("<Ccy>EUR")] + text[text.rindex("<Ccy>EUR") :].replace(
        "<Ccy>EUR", "<Ccy>JPY", 1
    )
    file = read(text, "x.xml")
    found = [(one.currency, one.entries[0].amount_minor) for one in file.statements]
    assert found == [("EUR", 700), ("JPY", 7)]


def test_an_envelope_with_a_header_and_prefixes_is_seen_through(read: Read) -> None:
    """A business application header beside the document, and a prefix on every element."""
    inner = _message("camt.053", 8, _entry(8, "7.00"))
    plain = read(inner, "x.xml").statements[0].entries
    space = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"
    prefixed = inner.replace("</", "</c:").replace("<", "<c:").replace("<c:/c:", "</c:")
    prefixed = prefixed.replace(f"xmlns='{space}'", f"xmlns:c='{space}'")
    header = "<h:AppHdr xmlns:h='urn:iso:std:iso:20022:tech:xsd:head.001.001.02'><h:Fr/></h:AppHdr>"
    for document in (inner, prefixed):
        text = f"<Envelope xmlns='urn:x'>{header}{document}</Envelope>"
        assert read(text, "x.xml").statements[0].entries == plain
