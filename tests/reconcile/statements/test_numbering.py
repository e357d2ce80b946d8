"""Statement numbers that are missing (断号) are remarked on and refuse nothing."""

from __future__ import annotations

from datetime import date

import pytest

from reconcile.days import day_number
from reconcile.model import StatementFile, StatementNumber
from reconcile.numbering import missing_between
from reconcile.statements import read_statement_bytes

CAMT_HEAD = '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.02"><BkToCstmrStmt>'


def mt940(*numbers: tuple[str, int]) -> bytes:
    """Statements without entries: (number, day of November 2026)."""
    return "".join(
        f":20:R\n:25:99-0001\n:28C:{number}\n:60F:C2611{day:02d}EUR5,\n:62F:C2611{day:02d}EUR5,\n-\n"
        for number, day in numbers
    ).encode()


def camt(*numbers: int, word: str = "ElctrncSeqNb") -> bytes:
    """Statements of the days 20, 21, … November 2026."""
    parts = []
    for index, number in enumerate(numbers):
        balances = "".join(
            f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy='EUR'>5</Amt>"
            f"<CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-11-{20 + index}</Dt></Dt></Bal>"
            for code in ("OPBD", "CLBD")
        )
        parts.append(
            f"<Stmt><Id>S{number}-{index}</Id><{word}>{number}</{word}>"
            f"<Acct><Id><Othr><Id>A</Id></Othr></Id><Ccy>EUR</Ccy></Acct>{balances}</Stmt>"
        )
    return f"{CAMT_HEAD}{''.join(parts)}</BkToCstmrStmt></Document>".encode()


def remarks(data: bytes, name: str) -> list[str]:
    """Read strictly and return what was remarked."""
    file: StatementFile = read_statement_bytes(data, name)
    assert all(one.provable for one in file.statements)
    return [item.says for one in file.statements for item in one.remarks]


def test_mt940_numbers_that_skip_are_remarked() -> None:
    """Balances chain from 1 to 9; the seven between are named, with the line and the days."""
    (said,) = remarks(mt940(("00001/001", 19), ("00009/001", 20)), "a.sta")
    assert said == (
        "statements 2 to 8 are missing: 1/1 of 2026-11-19 is followed by 9/1 of 2026-11-20"
    )
    assert remarks(mt940(("1/1", 19), ("1/2", 19), ("2/1", 20)), "a.sta") == []
    (page,) = remarks(mt940(("1/1", 19), ("1/3", 19)), "a.sta")
    assert page.startswith("page 2 of statement 1 is missing")
    assert remarks(mt940(("9/1", 20), ("8/1", 20), ("7/1", 19)), "a.sta") == [], "newest first"
    assert remarks(mt940(("0", 19), ("5", 20)), "a.sta") == [], "0 is no number"
    assert remarks(mt940(("323/1", 19), ("327/1", 23)), "a.sta") == [], "days of the year"


@pytest.mark.parametrize("word", ["ElctrncSeqNb", "LglSeqNb"])
def test_camt_numbers_that_skip_are_remarked(word: str) -> None:
    """1, 3 lacks 2; 1, 2, 3 lacks nothing."""
    (said,) = remarks(camt(1, 3, word=word), "a.xml")
    assert said.startswith("statement 2 is missing: 1 of 2026-11-20 is followed by 3 of")
    assert remarks(camt(1, 2, 3, word=word), "a.xml") == []


def test_a_new_year_begins_anew() -> None:
    """A lower number is missing nothing in one year; in the next, what lies below it."""
    old, new = (day_number(date(*day)) for day in ((2026, 12, 31), (2027, 1, 4)))
    last = StatementNumber("n", 250, None, old)
    assert missing_between(last, StatementNumber("n", 1, None, new)) is None
    assert missing_between(last, StatementNumber("n", 251, None, new)) is None
    found = missing_between(last, StatementNumber("n", 3, None, new))
    assert found is not None
    assert found.startswith("statements 1 to 2 are missing")
    assert missing_between(last, StatementNumber("n", 3, None, old)) is None
    assert missing_between(last, StatementNumber("other", 300, None, old)) is None
