"""Reading statement files beside the bare library that any reader of them stands on."""

from __future__ import annotations

import argparse
import csv
import logging
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import mt940
from lxml import etree

from reconcile.model import Balance, BalanceBasis, Carrier, Entry, Statement, day_iso
from reconcile.statements import read_statement, write_generic
from scripts.bench import Measurement, compare
from scripts.benchmarks.entries import make_entries

CAMT_NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"
# MT940's own library is slow enough that a quarter of the rows tells the same.
MT940_PART = 4
# Entries of a camt file in a second of one core.
AIM_CAMT = 100_000


def _signed_total(entries: list[Entry]) -> int:
    return sum(item.signed_minor for item in entries)


def _decimal(minor: int, point: str = ".") -> str:
    return f"{minor // 100}{point}{minor % 100:02d}"


def write_camt(entries: list[Entry], path: Path) -> None:
    """Write a camt.053 with one transaction an entry."""
    day = day_iso(entries[0].booking_date)
    closing = _signed_total(entries)
    parts = [
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="{CAMT_NAMESPACE}">',
        "<BkToCstmrStmt><GrpHdr><MsgId>BENCH</MsgId></GrpHdr><Stmt><Id>BENCH</Id>",
        "<Acct><Id><Othr><Id>990000000001</Id></Othr></Id><Ccy>CNY</Ccy></Acct>",
        _camt_balance("OPBD", 0, day),
        _camt_balance("CLBD", closing, day),
    ]
    for item in entries:
        mark = "CRDT" if item.direction.sign > 0 else "DBIT"
        party = "Dbtr" if item.direction.sign > 0 else "Cdtr"
        parts.append(
            f'<Ntry><Amt Ccy="CNY">{_decimal(item.amount_minor)}</Amt><CdtDbtInd>{mark}</CdtDbtInd>'
            f"<Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>{day}</Dt></BookgDt><ValDt><Dt>{day}</Dt></ValDt>"
            f"<AcctSvcrRef>{item.reference(Carrier.SERVICER_REF)}</AcctSvcrRef><NtryDtls><TxDtls>"
            f"<Refs><EndToEndId>{item.reference(Carrier.END_TO_END_ID)}</EndToEndId></Refs>"
            f"<RltdPties><{party}><Pty><Nm>{item.counterparty_name}</Nm></Pty></{party}></RltdPties>"
            f"<RmtInf><Ustrd>{item.remittance}</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>\n"
        )
    parts.append("</Stmt></BkToCstmrStmt></Document>")
    path.write_text("".join(parts), encoding="utf-8")


def _camt_balance(code: str, signed: int, day: str) -> str:
    mark = "CRDT" if signed >= 0 else "DBIT"
    return (
        f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>"
        f'<Amt Ccy="CNY">{_decimal(abs(signed))}</Amt><CdtDbtInd>{mark}</CdtDbtInd>'
        f"<Dt><Dt>{day}</Dt></Dt></Bal>"
    )


def write_mt940(entries: list[Entry], path: Path) -> None:
    """Write one MT940 statement."""
    day = day_iso(entries[0].booking_date)[2:].replace("-", "")
    total = _signed_total(entries)
    lines = [":20:BENCH", ":25:990000000001", ":28C:1/1", f":60F:C{day}CNY0,00"]
    for item in entries:
        mark = "C" if item.direction.sign > 0 else "D"
        reference = str(item.reference(Carrier.END_TO_END_ID))[-16:]
        amount = _decimal(item.amount_minor, ",")
        lines.append(f":61:{day}{day[2:]}{mark}{amount}NTRF{reference}//{item.entry_ref[-16:]}")
        lines.append(f":86:{item.remittance}")
    lines += [f":62F:{'C' if total >= 0 else 'D'}{day}CNY{_decimal(abs(total), ',')}", "-", ""]
    path.write_text("\n".join(lines), encoding="utf-8")


def write_csv(entries: list[Entry], path: Path) -> None:
    """Write the generic profile."""
    day = entries[0].booking_date
    statement = Statement(
        account="990000000001",
        statement_ref="BENCH",
        currency="CNY",
        digits=2,
        opening_balance=Balance.of_signed(0, day, BalanceBasis.STATED),
        closing_balance=Balance.of_signed(_signed_total(entries), day, BalanceBasis.STATED),
        entries=tuple(entries),
        lines=tuple(range(len(entries))),
    )
    path.write_text(write_generic(statement), encoding="utf-8")


def _bare_camt(path: Path) -> int:
    tag = f"{{{CAMT_NAMESPACE}}}Ntry"
    count = 0
    for _, element in etree.iterparse(str(path), tag=tag):
        for child in element.iter():
            _ = child.text
        count += 1
        element.clear()
    return count


def _iterparse_alone(path: Path) -> None:
    """Build each entry's tree and let it go: what no reader on lxml can be faster than."""
    for _, element in etree.iterparse(str(path), tag=f"{{{CAMT_NAMESPACE}}}Ntry"):
        element.clear()


def _per_cpu_second(rows: int, call: Callable[[], object]) -> int:
    started = time.process_time()
    call()
    return round(rows / (time.process_time() - started))


def _bare_csv(path: Path) -> int:
    with path.open(encoding="utf-8", newline="") as file:
        return sum(1 for _ in csv.reader(file))


def bench_parse(options: argparse.Namespace) -> list[Measurement]:
    """Measure camt.053, MT940 and generic CSV."""
    logging.getLogger("mt940").setLevel(logging.CRITICAL)
    entries = make_entries(options.rows)
    fewer = entries[: max(1, options.rows // MT940_PART)]
    results = []
    with tempfile.TemporaryDirectory() as folder:
        camt, csv_file, swift = (Path(folder) / name for name in ("b.xml", "b.csv", "b.sta"))
        write_camt(entries, camt)
        write_csv(entries, csv_file)
        write_mt940(fewer, swift)
        swift_text = swift.read_text(encoding="utf-8")
        cases = (
            ("parse camt.053", len(entries), camt, "lxml, bare", lambda: _bare_camt(camt)),
            ("parse MT940", len(fewer), swift, "mt-940, bare", lambda: mt940.parse(swift_text)),
            ("parse CSV", len(entries), csv_file, "csv.reader, bare", lambda: _bare_csv(csv_file)),
        )
        for name, rows, path, peer, bare in cases:
            read = read_statement(path)
            assert sum(len(item.entries) for item in read.statements) == rows
            results.append(
                compare(name, rows, lambda p=path: read_statement(p), peer, bare, runs=options.runs)
            )
        reached = _per_cpu_second(len(entries), lambda: read_statement(camt))
        results[0].extra = {
            "entries per CPU second": reached,
            "aim": f"{AIM_CAMT:,}: {100 * reached / AIM_CAMT:.0f} % of it",
            "lxml's iterparse alone": _per_cpu_second(len(entries), lambda: _iterparse_alone(camt)),
        }
    return results
