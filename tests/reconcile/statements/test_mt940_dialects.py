from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from reconcile.model import Carrier, StatementFile

Read = Callable[..., StatementFile]


@dataclass(frozen=True)
class Expected:
    """What a dialect's single line says."""

    signed: int
    name: str | None = None
    account: str | None = None
    remittance: str | None = None
    end_to_end_id: str | None = None
    fee: int | None = None


DIALECTS = {
    "ABN AMRO, code words wrapped behind a space": (
        (
            ":61:2611201120D10,N526NONREF\n"
            ":86:/TRTP/SEPA OVERBOEKING/IBAN/NL99INGB0001234567/BIC/INGBNL2A/NAME/J \n"
            "DOE/REMI/FACTUUR 2026-1/EREF/NOTPROVIDED"
        ),
        Expected(-1_000, "J DOE", "NL99INGB0001234567", "FACTUUR 2026-1"),
    ),
    "ING, counterparty in one code word": (
        (
            ":61:2611201120D1,56NTRFEREF//00000000001005\n/TRCD/00100/\n"
            ":86:/EREF/EV12341REP1231456T1234//CNTP/NL99INGB0000000002/INGBNL2A/ING B\n"
            "ANK NV///REMI/USTD//EV10001REP1/"
        ),
        Expected(
            -156,
            "ING BANK NV",
            "NL99INGB0000000002",
            "EV10001REP1",
            "EV12341REP1231456T1234",
        ),
    ),
    "ASN, account in the owner's reference": (
        ":61:2611201120C65,00NOVBNL47INGB9999999999\nA Holder\n:86:NL47INGB9999999999 A Holder",
        Expected(6_500, "A Holder", "NL47INGB9999999999", "NL47INGB9999999999 A Holder"),
    ),
    "Rabobank, name behind the padded reference": (
        ":61:261120C000000000044,95N0600733959555      T-MOBILE\n:86:FACTUUR 1\n:86:MEER",
        Expected(4_495, "T-MOBILE", None, "FACTUUR 1 MEER"),
    ),
    "Triodos, other separators": (
        ":61:261120D15,70N000NONREF\n:86:000>100987654321\n>20HUUR>21 NOVEMBER>310390123456",
        Expected(-1_570, None, "0390123456", "HUUR NOVEMBER"),
    ),
    "PKO, tilde and IBAN in subfield 38": (
        (
            ":61:2611201120C1,00N173NONREF\n:86:020~00VIRT0\n~20Faktura 1~32ALFA~33 SP\n"
            "~38PL99103000000000000000000002"
        ),
        Expected(100, "ALFA SP", "PL99103000000000000000000002", "Faktura 1"),
    ),
    "Sparkasse, torn between mark and amount": (
        ":61:2611201120CR\n30,00N062NONREF\n:\n86:166?00GUTSCHR?20SVWZ+Test",
        Expected(3_000, None, None, "Test"),
    ),
    "blank entry date": (":61:261120    D65,00NMSCNONREF", Expected(-6_500)),
    "amount without a comma": (":61:2611201120C500NTRFNONREF", Expected(50_000)),
    "charges in a code word": (
        ":61:2611201120D5,NTRFNONREF\n/OCMT/EUR4,5//CHGS/EUR0,5/",
        Expected(-500, fee=50),
    ),
    "a time that looks like a tag": (
        ":61:2611201120C1,00NMSC\n:86:106?20SVWZ+Kauf 2026-11-20T16\n:26:37 Folge",
        Expected(100, None, None, "Kauf 2026-11-20T16:26:37 Folge"),
    ),
    "Chinese text": (
        ":61:2611201120D0,5NMSCNONREF\n:86:货款 支付给甲公司",
        Expected(-50, None, None, "货款 支付给甲公司"),
    ),
}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_a_dialects_line_says_what_it_means(read: Read, dialect: str, encoding: str) -> None:
    """Banks bend SWIFT in known ways; each reads to the same kind of entry."""
    line, wanted = DIALECTS[dialect]
    closing = f"{'D' if wanted.signed < 0 else 'C'}261120EUR{abs(wanted.signed) // 100}"
    text = (
        ":20:R\n:25:99-0001\n:28C:1/1\n:60F:C261119EUR0,\n"
        f"{line}\n:62F:{closing},{abs(wanted.signed) % 100:02}\n-\n"
    )
    one = read(text.encode(encoding), "x.sta").statements[0]
    assert len(one.entries) == 1
    entry = one.entries[0]
    assert entry.signed_minor == wanted.signed
    assert (entry.counterparty_name, entry.counterparty_account) == (wanted.name, wanted.account)
    assert entry.remittance == wanted.remittance
    assert entry.reference(Carrier.END_TO_END_ID) == wanted.end_to_end_id
    assert entry.fee_minor == wanted.fee
