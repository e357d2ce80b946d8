from __future__ import annotations

import io
import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
import python_calamine
from desk_town import Reader, Replica, Town
from sqlalchemy import delete, event, select, text, update

from node.tables import (
    AgreedResult,
    Attestation,
    Batch,
    Cursor,
    Incident,
    MatchRun,
    PartyName,
    PostedEntry,
    ReportRow,
    RunBreak,
    StreamState,
)
from reconcile.model import BreakKind, Side


class Outline(HTMLParser):
    """Collects what a strict Content-Security-Policy would refuse, and where a page leads."""

    def __init__(self) -> None:
        """Collect nothing yet."""
        super().__init__()
        self.inline: list[str] = []
        self.links: list[str] = []
        self.foreign: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note inline scripts, styles, handlers and addresses of other hosts."""
        named = dict(attrs)
        if tag == "style" or (tag == "script" and "src" not in named):
            self.inline.append(tag)
        self.inline += [name for name in named if name.startswith("on") or name == "style"]
        for name in ("href", "src", "action"):
            value = named.get(name) or ""
            if value.startswith(("http:", "https:", "//")):
                self.foreign.append(value)
        if tag == "a" and named.get("href"):
            self.links.append(str(named["href"]))


def paths_of(town: Town) -> dict[str, str]:
    """Return every page of the desk by name."""
    here = f"/agreements/{town.agreement.hex()[:16]}"
    return {
        "today": "/",
        "breaks": "/breaks",
        "agreements": "/agreements",
        "agreement": here,
        "agreed window": f"{here}/windows/{town.agreed}",
        "open window": f"{here}/windows/{town.open}",
        "opening": f"{here}/windows/0",
        "untouched window": f"{here}/windows/{town.open + 800}",
        "entries": f"{here}/windows/{town.agreed}/entries/servicer",
        "import": f"{here}/import",
        "ledger": "/ledger",
        "members": "/members",
        "chains": "/chains",
        "audit": "/audit",
        "me": "/me",
    }


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_page_answers_and_obeys_the_policy(reader: Reader, town: Town, language: str) -> None:
    """Each page says 200, holds nothing inline and asks no other host."""
    for name, path in paths_of(town).items():
        answer = reader.client.get(f"/firm{path}", params={"lang": language})
        assert answer.status_code == 200, f"{name}: {answer.text[:1500]}"
        assert f'<html lang="{language}">' in answer.text
        outline = Outline()
        outline.feed(answer.text)
        assert (name, outline.inline, outline.foreign) == (name, [], [])
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_every_link_of_the_first_screens_leads_somewhere(reader: Reader, town: Town) -> None:
    """Numbers link to their rows: no link of today, window and ledger is dead."""
    seen: set[str] = set()
    for name in ("today", "open window", "ledger", "agreement", "breaks"):
        outline = Outline()
        outline.feed(reader.get(paths_of(town)[name]))
        seen |= {link.split("#")[0] for link in outline.links if link.startswith("/firm")}
    entries = sorted(link for link in seen if "/entries/" in link)
    others = sorted(seen - set(entries))
    for link in [*others, *entries[:20]]:
        status = reader.client.get(link).status_code
        assert status == 200, f"{link}: {status}"


def test_today_says_what_the_runs_say(reader: Reader, town: Town, replica: Replica) -> None:
    """Entries, breaks and proof amount on the first screen are those of the newest run."""
    with replica.sessions() as session:
        run = session.scalars(
            select(MatchRun)
            .where(MatchRun.agreement == town.agreement)
            .order_by(MatchRun.window.desc())
        ).first()
    assert run is not None
    page = reader.get("/")
    assert f">{run.servicer_entries + run.owner_entries}<" in page
    assert f'href="/firm/breaks">{run.break_count}<' in page
    assert "0.00" in page
    assert town.relation.label.split()[0] in page


def test_a_break_shows_both_entries_with_differing_fields(
    reader: Reader, town: Town, replica: Replica
) -> None:
    """An AMOUNT break marks exactly the amount row among the compared amounts."""
    with replica.sessions() as session:
        row = session.scalars(
            select(RunBreak).where(RunBreak.kind == BreakKind.AMOUNT.value).order_by(RunBreak.id)
        ).first()
    assert row is not None, "the scenario has an AMOUNT break"
    short = town.agreement.hex()[:16]
    page = reader.get(f"/agreements/{short}/breaks/{row.break_key.hex()[:16]}")
    marked = re.findall(r'<tr class="differs"><th scope="row">([^<]+)<', page)
    assert "Amount" in marked
    assert "Direction" not in marked
    assert row.servicer[0] in page
    assert row.owner[0] in page
    assert re.search(r"(We|They) booked .* (we|they) booked ", page), "one sentence says it"
    assert "What was tried" in page
    assert "amount differs" in page


def test_missing_is_said_from_the_readers_side(
    reader: Reader, town: Town, replica: Replica
) -> None:
    """For the owner MISSING_AT_OWNER is 长款; the report's own word stands beside it."""
    with replica.sessions.begin() as session:
        row = session.scalars(
            select(RunBreak).where(RunBreak.kind == BreakKind.MISSING_AT_OWNER.value)
        ).first()
    assert row is not None
    short = town.agreement.hex()[:16]
    path = f"/agreements/{short}/breaks/{row.break_key.hex()}"
    assert "长款" in reader.client.get(f"/firm{path}?lang=zh").text
    page = reader.client.get(f"/firm{path}?lang=en").text
    assert "they have it, we don&#39;t" in page
    assert "MISSING_AT_OWNER" in page
    assert "We have nothing" not in page
    assert "we have nothing" in page


def test_hostile_text_is_shown_as_text(reader: Reader, town: Town, replica: Replica) -> None:
    """A counterparty cannot write into the page by a name or a label."""
    bad = "<script>alert(1)</script>\"' onload=x"
    with replica.sessions.begin() as session:
        session.execute(update(PartyName).values(name=bad))
        row = session.scalars(select(PostedEntry).where(PostedEntry.latest)).first()
        assert row is not None
        row.remittance = bad
    for path in paths_of(town).values():
        page = reader.get(path)
        assert "<script>alert" not in page
        outline = Outline()
        outline.feed(page)
        assert outline.inline == []


def test_a_stalled_chain_and_a_stopped_follower_are_said(reader: Reader, replica: Replica) -> None:
    """Old data says how old it is; an incident that stops signing stands above every page."""
    with replica.sessions.begin() as session:
        cursor = session.get_one(Cursor, 1)
        cursor.seen_at_ms = replica.now_ms - 1_000
        cursor.head_time_s = replica.now_ms // 1_000 - 600
    assert "The chain makes no blocks." in reader.get("/")
    ready = reader.client.get("/readyz")
    assert ready.status_code == 503
    assert ready.json()["institutions"]["firm"]["reason"] == "the chain makes no blocks"
    with replica.sessions.begin() as session:
        session.get_one(Cursor, 1).seen_at_ms = replica.now_ms - 90_000
    assert "has not read the ledger for 1 min" in reader.get("/")
    with replica.sessions.begin() as session:
        session.delete(session.get_one(Cursor, 1))
    assert "not read yet" in reader.get("/")


def test_an_incident_is_shown_and_closed_with_a_reason(reader: Reader, replica: Replica) -> None:
    """Signing stopped is said on every page until an operator closes the incident."""
    with replica.sessions.begin() as session:
        incident = Incident(
            kind="HEAD_DIFFERS",
            fingerprint="test",
            says="The head of batch 3 differs.",
            evidence={},
            stops_signing=True,
            opened_at_ms=replica.now_ms,
        )
        session.add(incident)
        session.flush()
        number = incident.id
    assert "Signing has stopped." in reader.get("/members")
    assert "The head of batch 3 differs." in reader.get("/ledger")
    reader.post(f"/ledger/incidents/{number}/close", reason="an endpoint lied; removed")
    assert "Signing has stopped." not in reader.get("/members")
    assert "an endpoint lied; removed" in reader.get("/ledger")
    assert "INCIDENT_CLOSED" in reader.get("/audit")


def test_quarantine_and_gaps_are_shown_with_their_reasons(reader: Reader, replica: Replica) -> None:
    """An excluded batch stands with the report's reason; a broken stream is named."""
    with replica.sessions.begin() as session:
        batch = session.scalars(select(Batch).order_by(Batch.seq.desc())).first()
        assert batch is not None
        batch.state, batch.reason = "INVALID", "TOTALS: the header says 1.00, its records 2.00"
        stream = session.get_one(StreamState, (batch.agreement, batch.side))
        stream.contiguous = False
    page = reader.get("/ledger")
    assert "TOTALS: the header says 1.00, its records 2.00" in page
    assert "does not hang together" in page


def test_what_is_not_there_is_a_page_that_says_so(reader: Reader, town: Town) -> None:
    """Unknown agreements, breaks, entries, kinds and cursors are refused in words."""
    here = f"/agreements/{town.agreement.hex()[:16]}"
    for path, status, code in (
        ("/agreements/ffffffffffffffff", 404, "AGREEMENT_UNKNOWN"),
        (f"{here}/breaks/ffffffffffff", 404, "BREAK_UNKNOWN"),
        (f"{here}/entries/owner/none", 404, "ENTRY_UNKNOWN"),
        (f"{here}/entries/both/none", 422, "SIDE_UNKNOWN"),
        (f"{here}/windows/0?kind=ODD", 422, "KIND_UNKNOWN"),
        ("/breaks?after=b2Rk", 422, "CURSOR_WRONG"),
        ("/nothing", 404, "PAGE_UNKNOWN"),
    ):
        assert code in reader.get(path, status)


def test_groups_are_paged_and_searched(reader: Reader, town: Town, replica: Replica) -> None:
    """Following the pages shows every group once; a search by reference finds its group."""
    here = f"/agreements/{town.agreement.hex()[:16]}/windows/{town.agreed}"
    with replica.sessions() as session:
        run = session.scalars(
            select(MatchRun).where(MatchRun.window == town.agreed, MatchRun.kind == "PROOF")
        ).one()
    token = re.search(r"kanhe_[0-9a-f]{64}", reader.post("/me/tokens", 200, label="t"))
    assert token
    headers = {"authorization": f"Bearer {token.group(0)}"}
    numbers: list[int] = []
    after = ""
    while True:
        query = {"limit": "7", **({"after": after} if after else {})}
        body = reader.client.get(f"/firm/api/v1{here}/groups", params=query, headers=headers)
        numbers += [row["number"] for row in body.json()["rows"]]
        after = body.json()["next"]
        if not after:
            break
    assert numbers == list(range(run.group_count))
    ref = body.json()["rows"][0]["owner"][0]
    found = reader.get(f"{here}?q={ref}")
    assert found.count('<tr data-href><td class="num soft">') >= 1
    assert ref in found
    assert "No group matches" in reader.get(f"{here}?q=no-such-ref")


def test_exports_hold_what_is_filtered_and_no_formula(
    reader: Reader, town: Town, replica: Replica
) -> None:
    """CSV and XLSX have the filtered breaks; a cell that begins with = stays text."""
    with replica.sessions.begin() as session:
        session.execute(update(PartyName).values(name="=cmd|' /C calc'!A0"))
        count = len(session.scalars(select(RunBreak.id).where(RunBreak.kind == "AMOUNT")).all())
    assert count
    short = town.agreement.hex()[:16]
    text_ = reader.get(f"/export/breaks.csv?agreement={short}&window={town.agreed}&kind=AMOUNT")
    lines = text_.strip().splitlines()
    assert lines[0].startswith("\ufeffAgreement,")
    assert all("AMOUNT" in line and line.startswith("'=cmd") for line in lines[1:])
    answer = reader.client.get(f"/firm/export/breaks.xlsx?agreement={short}&window={town.agreed}")
    book = python_calamine.load_workbook(io.BytesIO(answer.content))
    rows = book.get_sheet_by_index(0).to_python()
    assert rows[0][0] == "Agreement"
    assert rows[1][0] == "=cmd|' /C calc'!A0"
    assert isinstance(rows[1][8], float), "amounts are numbers"
    assert "id,at_ms,actor" in reader.get("/export/audit.csv")
    assert "Proof amount" in reader.get("/export/today.csv")


@pytest.fixture
def statements(replica: Replica) -> Iterator[list[tuple[str, object]]]:
    """Every SQL statement the pages send."""
    seen: list[tuple[str, object]] = []

    def note(*args: object) -> None:
        seen.append((str(args[2]), args[3]))

    event.listen(replica.database.engine, "before_cursor_execute", note)
    yield seen
    event.remove(replica.database.engine, "before_cursor_execute", note)


GROWING = (
    "entries",
    "queued_records",
    "run_group_blocks",
    "run_ref_blocks",
    "run_breaks",
    "batches",
)


def test_no_page_walks_through_a_table_that_grows(
    reader: Reader, town: Town, replica: Replica, statements: list[tuple[str, object]]
) -> None:
    """The query plans of all pages use an index on every table that grows with the entries."""
    for path in paths_of(town).values():
        reader.get(path)
    walked: list[str] = []
    with replica.database.engine.connect() as connection:
        connection.execute(text("ANALYZE"))
        for sql, parameters in list(statements):
            if not sql.startswith("SELECT"):
                continue
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", parameters)
            walked += [
                f"{row.detail}: {sql}"
                for row in plan
                if re.match(rf"SCAN ({'|'.join(GROWING)})\b(?!.*USING)", row.detail)
            ]
    assert not walked, "\n".join(walked)


def test_results_that_differ_are_said_loudly(reader: Reader, town: Town, replica: Replica) -> None:
    """When the other side signed another digest, the window says so before anything else."""
    with replica.sessions.begin() as session:
        session.execute(delete(AgreedResult).where(AgreedResult.window == town.agreed))
        session.execute(
            update(Attestation)
            .where(Attestation.window == town.agreed, Attestation.side == Side.SERVICER)
            .values(digest=b"\x01" * 32)
        )
    here = f"/agreements/{town.agreement.hex()[:16]}/windows/{town.agreed}"
    page = reader.get(here)
    assert "results differ" in page
    assert "Both sides signed, but not the same result." in page
    assert "results differ" in reader.get(f"/agreements/{town.agreement.hex()[:16]}")


def test_the_form_to_sign_names_the_report_that_stands(
    reader: Reader, town: Town, replica: Replica
) -> None:
    """A proof that was overtaken is never offered for a signature, however late it was made."""
    with replica.sessions.begin() as session:
        session.execute(delete(AgreedResult).where(AgreedResult.window == town.agreed))
        session.execute(
            update(Attestation)
            .where(Attestation.window == town.agreed, Attestation.side == Side.SERVICER)
            .values(digest=b"\x01" * 32)
        )
        row = session.scalars(select(ReportRow).where(ReportRow.window == town.agreed)).one()
        standing, names = row.id, ReportRow.__table__.columns.keys()
        later = {name: getattr(row, name) for name in names if name != "id"}
        session.add(ReportRow(**later | {"digest": b"\x02" * 32, "state": "SUPERSEDED"}))
    page = reader.get(f"/agreements/{town.agreement.hex()[:16]}/windows/{town.agreed}")
    assert f'name="report" value="{standing}"' in page
