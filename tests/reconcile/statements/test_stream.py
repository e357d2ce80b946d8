"""Streaming: the same answer as in memory, in memory that does not grow with the file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from reconcile.model import InputError, OutsideError
from reconcile.statements import (
    open_statement,
    read_statement,
    statement_json,
    statement_pieces,
    store,
)

DATA = Path(__file__).parent / "data"
HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><Stmt>'
    "<Id>S</Id><Acct><Id><Othr><Id>990000000001</Id></Othr></Id><Ccy>EUR</Ccy></Acct>\n"
)
BALANCE = (
    "<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy='EUR'>{amount}</Amt>"
    "<CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-11-20</Dt></Dt></Bal>\n"
)
ENTRY = (
    '<Ntry><Amt Ccy="EUR">1.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>'
    "<BookgDt><Dt>2026-11-20</Dt></BookgDt>{ref}<NtryDtls><TxDtls><Refs><EndToEndId>E2E-{n:07}"
    "</EndToEndId></Refs><RltdPties><Dbtr><Pty><Nm>Kunde {k} &amp; Co</Nm></Pty></Dbtr>"
    "</RltdPties><RmtInf><Ustrd>invoice {n}</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>\n"
)
TAIL = "</Stmt></BkToCstmrStmt></Document>\n"


def _write(path: Path, count: int, *, refs: bool = True, padding: int = 0) -> Path:
    with path.open("w", encoding="utf-8") as out:
        out.write(HEAD + BALANCE.format(code="OPBD", amount="0.00"))
        for n in range(count):
            ref = f"<AcctSvcrRef>SR{n:09}{'x' * padding}</AcctSvcrRef>" if refs else ""
            out.write(ENTRY.format(n=n if refs else n % 7, k=n % 7, ref=ref))
        out.write(BALANCE.format(code="CLBD", amount=f"{count}.00") + TAIL)
    return path


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a few hundred entries already go through the temporary file."""
    monkeypatch.setattr(store, "CHUNK_ITEMS", 64)


@pytest.mark.parametrize("name", ["day.xml", "day.sta", "day.bai", "book.csv", "ccb.csv"])
def test_a_stream_gives_what_reading_gives(name: str) -> None:
    """Every format: the same statements, and the same JSON in pieces."""
    with open_statement(DATA / name) as stream:
        whole = read_statement(DATA / name)
        assert stream.build() == whole
        assert json.loads("".join(statement_pieces(stream))) == statement_json(whole)
        counts = [one.count for one in stream.statements]
        assert counts == [len(one.entries) for one in whole.statements]


@pytest.mark.parametrize("refs", [True, False])
def test_rows_come_as_often_as_asked(tmp_path: Path, *, refs: bool) -> None:
    """Through the spool, equal lines keep their occurrence, whether read once or twice."""
    path = _write(tmp_path / "big.xml", 1_000, refs=refs)
    whole = read_statement(path).statements[0]
    assert len({entry.entry_ref for entry in whole.entries}) == 1_000
    with open_statement(path) as stream:
        (one,) = stream.statements
        for _ in range(2):
            assert tuple(entry for entry, _ in one.rows()) == whole.entries
        assert tuple(line for _, line in one.rows()) == whole.lines
        assert whole.entries[0].counterparty_name == "Kunde 0 & Co"


def test_a_contradiction_behind_a_million_lines_still_refuses_all(tmp_path: Path) -> None:
    """Strict gives no entry of a file whose last line contradicts it."""
    path = _write(tmp_path / "big.xml", 500)
    text = path.read_text(encoding="utf-8").replace(">500.00<", ">500.01<")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        open_statement(path)
    assert caught.value.code == "TOTALS"
    with open_statement(path, lenient=True) as stream:
        assert not stream.statements[0].provable
        assert stream.statements[0].count == 500


def test_repeated_refs_and_lines_are_named_through_the_spool(tmp_path: Path) -> None:
    """A doubled AcctSvcrRef is no identity, wherever in the file its twin stands."""
    path = _write(tmp_path / "big.xml", 500)
    text = path.read_text(encoding="utf-8").replace("SR000000499", "SR000000000")
    path.write_text(text, encoding="utf-8")
    with open_statement(path) as stream:
        refs = [entry.entry_ref for entry, _ in stream.statements[0].rows()]
    assert refs == [entry.entry_ref for entry in read_statement(path).statements[0].entries]
    assert len(refs[0]) == len(refs[499]) == 66
    assert refs[1] == "SR000000001"


def test_a_full_temporary_folder_is_an_outside_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No entry is lost in silence when the disk is full."""
    path = _write(tmp_path / "big.xml", 500)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    with pytest.raises(OutsideError) as caught:
        open_statement(path)
    assert (caught.value.code, caught.value.exit_code) == ("SPOOL_FAILED", 3)


def test_closing_lets_the_temporary_file_go(tmp_path: Path) -> None:
    """Nothing stays behind, not even while it is read: the file has no name."""
    path = _write(tmp_path / "big.xml", 500)
    folder = tmp_path / "spool"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(folder))
        stream = open_statement(path)
        assert list(folder.iterdir()) == []
        stream.close()
        assert list(folder.iterdir()) == []


CHILD = """
import resource, sys
from pathlib import Path
from reconcile.statements import open_statement
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
def rows(path):
    with open_statement(Path(path)) as stream:
        return sum(1 for one in stream.statements for _ in one.rows())
rows(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(rows(sys.argv[2]), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """Six times the entries, 50 MB of text, take less than a quarter of that in memory."""
    small = _write(tmp_path / "small.xml", 20_000)
    large = _write(tmp_path / "large.xml", 120_000, padding=90)
    size_kb = large.stat().st_size // 1024
    assert size_kb > 50_000
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(small), str(large)],
        capture_output=True,
        text=True,
        check=True,
    )
    count, grown_kb = (int(word) for word in done.stdout.split())
    assert count == 120_000
    assert grown_kb < size_kb // 4
