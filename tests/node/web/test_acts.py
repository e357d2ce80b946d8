"""Acts of the desk on the running network: what a person clicks is what the node does."""

from __future__ import annotations

import re
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from desk_town import Reader, Town, invite, reader_of, running, served
from sqlalchemy import select

from node.crypto.verifying import verify_bytes
from node.tables import AuditRow, Draft, ImportedFile, QueuedRecord, RunBreak
from reconcile import statements
from reconcile.model import BreakKind, day_iso, window_day

PROFILES = Path(statements.__file__).parent / "profile_data"
STAGED = re.compile(r'name="staged" value="([^"]+)"')


@pytest.fixture
def maker(town: Town) -> Iterator[Reader]:
    """Somebody of the firm who makes and reconciles, but checks nothing."""
    with reader_of(town.firm, "maker", "auditor", login=f"maker{time.monotonic_ns()}") as found:
        yield found


def wait_for(done: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.1)


def book_of(town: Town, name: str, refs: list[str]) -> Path:
    """Write a small cash book for the open day."""
    day = "2026-11-20"
    lines = ["entry_ref,direction,amount,currency,booking_date,end_to_end_id"]
    lines += [f"{ref},IN,12.34,CNY,{day},E2E-{ref}" for ref in refs]
    path = town.folder / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_file_is_shown_before_it_is_taken(maker: Reader, town: Town) -> None:
    """The first form reads and shows; nothing is queued until the second form says so."""
    here = f"/agreements/{town.agreement.hex()[:16]}/import"
    path = book_of(town, "shown.csv", ["DESK-1", "DESK-2"])

    def queued() -> int:
        with town.firm.sessions() as session:
            rows = select(QueuedRecord.id).where(QueuedRecord.entry_ref.like("DESK-%"))
            return len(session.scalars(rows).all())

    with path.open("rb") as file:
        answer = maker.client.post(
            f"/firm{here}", data={"csrf": maker.csrf}, files={"file": ("shown.csv", file)}
        )
    assert answer.status_code == 200, answer.text
    assert "money INTO the account ¥" in answer.text
    assert "12.34" in answer.text
    assert queued() == 0
    staged = STAGED.search(answer.text)
    assert staged
    assert "/agreements/" in maker.post(f"{here}/confirm", staged=staged.group(1))
    assert queued() == 2
    with town.firm.sessions() as session:
        names = session.scalars(select(ImportedFile.file_sha256)).all()
        actors = set(session.scalars(select(AuditRow.actor)))
    assert names
    assert any(actor.startswith("maker") for actor in actors), "the audit log names the person"
    assert "UPLOAD_GONE" in maker.post(f"{here}/confirm", 422, staged=staged.group(1))
    assert "UPLOAD_GONE" in maker.post(f"{here}/confirm", 422, staged="../../kanhe.db")


def test_a_date_in_the_files_name_reaches_the_importer(maker: Reader, town: Town) -> None:
    """UnionPay's lines have no year: shown, taken and sent by REST, the name has it."""
    day = day_iso(window_day(town.open))
    name = f"IND{day[2:].replace('-', '')}01ACOMN"
    line = [" "] * 283
    given = {"代理机构标识码": "99010000", "发送机构标识码": "99010001", "系统跟踪号": "000001",
             "交易传输时间": f"{day[5:7]}{day[8:]}120000", "主账号": "9900001234567890",
             "交易金额": "000000001234", "交易返回码": "00", "报文类型": "0200",
             "交易类型码": "000000"}  # fmt: skip
    with (PROFILES / "unionpay-acomn.toml").open("rb") as layout:
        columns = tomllib.load(layout)["fixed"]["columns"]
    for column, (start, width) in columns.items():
        line[start - 1 : start - 1 + width] = given.get(column, "").ljust(width)
    upload = {"file": (name, "".join(line).encode() + b"\r\n")}
    here = f"/agreements/{town.agreement.hex()[:16]}/import"
    shown = maker.client.post(f"/firm{here}", data={"csrf": maker.csrf}, files=upload)
    assert "unionpay-acomn" in shown.text, shown.text
    staged = STAGED.search(shown.text)
    assert staged
    maker.post(f"{here}/confirm", staged=staged.group(1))
    again = maker.client.post(
        f"/firm/api/v1{here}", files=upload, headers={"x-csrf-token": maker.csrf}
    )
    assert (again.status_code, again.json()["known"]) == (202, True), again.text
    with town.firm.sessions() as session:
        assert name in session.scalars(select(ImportedFile.name)).all()


def test_a_file_that_lacks_a_statement_says_which_before_it_is_taken(
    maker: Reader, town: Town
) -> None:
    """The preview shows what is odd and refuses nothing: statement 2 between 1 and 3."""
    here = f"/firm/agreements/{town.agreement.hex()[:16]}/import"
    odd = "".join(
        f":20:R\n:25:99-1\n:28C:{number}/1\n:60F:C{day}CNY0,\n:62F:C{day}CNY0,\n-\n"
        for number, day in ((1, "261119"), (3, "261120"))
    ).encode()
    answer = maker.client.post(here, data={"csrf": maker.csrf}, files={"file": ("odd.sta", odd)})
    assert answer.status_code == 200, answer.text
    assert "statement 2 is missing" in answer.text
    assert STAGED.search(answer.text)


def test_a_wrong_file_is_refused_with_line_and_field(maker: Reader, town: Town) -> None:
    """A book with a broken amount is shown its error; nothing of it is kept."""
    here = f"/firm/agreements/{town.agreement.hex()[:16]}/import"
    bad = b"entry_ref,direction,amount,currency,booking_date\nX-1,IN,1.234,CNY,2026-11-20\n"
    answer = maker.client.post(here, data={"csrf": maker.csrf}, files={"file": ("bad.csv", bad)})
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert "line 2" in answer.text or "Line 2" in answer.text


def test_reconcile_now_runs_and_says_what_it_found(maker: Reader, town: Town) -> None:
    """The button runs the service and comes back with a sentence that is shown once."""
    here = f"/agreements/{town.agreement.hex()[:16]}"
    assert maker.post(f"{here}/reconcile") == f"/firm{here}"
    assert re.search(r"Matched just now: \d+ breaks?, \d+ groups?\.", maker.get(here))
    assert "Matched just now" not in maker.get(here)


def test_a_decision_takes_two_persons(maker: Reader, town: Town) -> None:
    """The maker proposes with a reason and cannot check it; a second person sees the same."""
    with town.firm.sessions() as session:
        row = session.scalars(
            select(RunBreak)
            .where(RunBreak.kind == BreakKind.REFERENCE.value)
            .order_by(RunBreak.id.desc())
        ).first()
    assert row is not None, "the scenario has a REFERENCE break"
    here = f"/agreements/{town.agreement.hex()[:16]}/breaks/{row.break_key.hex()[:16]}"
    maker.post(f"{here}/propose", verdict="confirm", reason="one payment, the bank re-keyed it")
    page = maker.get(here)
    assert "one payment, the bank re-keyed it" in page
    with town.firm.sessions() as session:
        draft = session.scalars(select(Draft).order_by(Draft.id.desc())).first()
    assert draft is not None
    assert "NOT_ALLOWED" in maker.post(f"/drafts/{draft.id}/approve", 403)
    now_ms = int(town.firm.clock())
    checker = Reader(maker.base)
    checker.enter(invite(town.firm, "checker", login=f"checker{now_ms}"))
    shown = checker.get(f"/drafts/{draft.id}")
    assert draft.body_sha256.hex() in shown
    decisions = select(QueuedRecord).where(QueuedRecord.record_type == "DECISION")
    with town.firm.sessions() as session:
        before = {row.id for row in session.scalars(decisions)}
    checker.post(f"/drafts/{draft.id}/approve")
    with town.firm.sessions() as session:
        assert session.get_one(Draft, draft.id).state == "DONE"
        queued = [row.state for row in session.scalars(decisions) if row.id not in before]
    assert queued == ["QUEUED"]


def test_a_form_of_an_older_run_decides_nothing_else(maker: Reader, town: Town) -> None:
    """A proposal that names the break no more is refused; its own entries are not confirmed."""
    with town.firm.sessions() as session:
        row = session.scalars(
            select(RunBreak)
            .where(RunBreak.kind == BreakKind.TIMING.value)
            .order_by(RunBreak.id.desc())
        ).first()
    assert row is not None, "the scenario has a break of one side"
    before = town.firm.breaks.waiting_decisions(town.agreement)
    here = f"/agreements/{town.agreement.hex()[:16]}/breaks/{row.break_key.hex()[:16]}"
    form = {"verdict": "confirm", "reason": "as shown", "proposal": "ab" * 32}
    assert "PROPOSAL_UNKNOWN" in maker.post(f"{here}/propose", 422, **form)
    assert town.firm.breaks.waiting_decisions(town.agreement) == before


def test_a_note_stays_in_the_house(maker: Reader, town: Town) -> None:
    """A note is on the break's timeline, as text."""
    with town.firm.sessions() as session:
        row = session.scalars(select(RunBreak).order_by(RunBreak.id.desc())).first()
    assert row is not None
    here = f"/agreements/{town.agreement.hex()[:16]}/breaks/{row.break_key.hex()[:16]}"
    maker.post(f"{here}/note", text="asked <b>them</b> by phone")
    assert "asked &lt;b&gt;them&lt;/b&gt; by phone" in maker.get(here)
    maker.post(f"{here}/note", 422, text=" ")


def test_the_report_and_a_proof_can_be_downloaded(maker: Reader, town: Town) -> None:
    """The HTML report opens alone; an entry's proof verifies offline."""
    here = f"/agreements/{town.agreement.hex()[:16]}"
    page = maker.get(f"{here}/windows/{town.agreed}/report.html")
    assert "<script" not in page
    assert page.count("0x") >= 2, "both signatures"
    listed = maker.get(f"{here}/windows/{town.agreed}/entries/owner")
    ref = re.search(rf"/firm{here}/entries/owner/([^\"]+)\"", listed)
    assert ref
    answer = maker.client.get(f"/firm{here}/entries/owner/{ref.group(1)}/proof.json")
    assert answer.status_code == 200, answer.text
    assert verify_bytes(answer.content).ok


def test_a_write_with_a_key_happens_once(town: Town) -> None:
    """The same Idempotency-Key and call: the same answer; another call: refused with 409."""
    with served({"firm": town.firm}) as base:
        reader = Reader(base)
        reader.enter(invite(town.firm, "maker", login=f"api{time.monotonic_ns()}"))
        found = re.search(r"kanhe_[0-9a-f]{64}", reader.post("/me/tokens", 200, label="erp"))
        assert found
        headers = {"authorization": f"Bearer {found.group(0)}", "idempotency-key": "run-1"}
        url = f"{base}/firm/api/v1/agreements/{town.agreement.hex()}/reconcile"
        first = httpx.post(url, headers=headers, timeout=30)
        assert first.status_code == 202, first.text
        assert httpx.post(url, headers=headers, timeout=30).json() == first.json()
        other = httpx.post(f"{url}?window=1", headers=headers, timeout=30)
        assert (other.status_code, other.json()["code"]) == (409, "IDEMPOTENCY_CONFLICT")


def test_a_window_is_closed_and_signed_from_the_desk(town: Town) -> None:
    """Both desks close and sign the open day; the ledger then says AGREED on both screens."""
    short = town.agreement.hex()[:16]
    here = f"/agreements/{short}/windows/{town.open}"
    everybody = ("maker", "checker", "operator")
    with running(town), served({"firm": town.firm, "bank": town.bank}) as base:
        readers = []
        for slug, node in (("firm", town.firm), ("bank", town.bank)):
            reader = Reader(base, slug)
            reader.enter(invite(node, *everybody, login=f"signs{time.monotonic_ns()}"))
            readers.append(reader)
        for reader in readers:
            reader.post(f"{here}/close")
        for reader in readers:
            wait_for(lambda reader=reader: "Sign the result" in reader.get(here))
            shown = re.search(r'name="report" value="(\d+)"', reader.get(here))
            assert shown
            # A form of a report that was proven anew signs nothing that nobody saw.
            other = str(int(shown.group(1)) + 1)
            assert "REPORT_MOVED" in reader.post(f"{here}/attest", 409, report=other)
            # A program names the digest that it read; another one, or none, signs nothing.
            address = f"/{reader.slug}/api/v1{here}/attest"
            csrf = {"x-csrf-token": reader.csrf}
            for query, code in (("", "DIGEST_MISSING"), (f"?digest={'ab' * 32}", "REPORT_MOVED")):
                assert code in reader.client.post(address + query, headers=csrf).text
            reader.post(f"{here}/attest", report=shown.group(1))
        for reader in readers:
            wait_for(lambda reader=reader: "The ledger recorded one result" in reader.get(here))
            assert "Signed JSON" in reader.get(here)
