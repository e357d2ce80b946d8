"""Held records are given up by two people, and no window closes silently over them."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select, update

from node.acts import verify_chain
from node.cli import main
from node.services.posting import Choice
from node.tables import Agreement, AuditRow, Incident, QueuedRecord
from reconcile.model import Entry, ProtocolError, Side, UsageError
from tests.node.services.conftest import PHRASE, WINDOW, Pair, entry

E = Side.SERVICER
EVERYTHING = Choice()


def foreign(ref: str, minor: int) -> Entry:
    """An entry in a currency that the terms do not name: it is held."""
    made = entry(ref, minor)
    fields = {name: getattr(made, name) for name in made.__struct_fields__}
    return Entry(**{**fields, "currency": "EUR"})


def hold(pair: Pair, agreement: bytes, *refs: str) -> None:
    """Have entries of the servicer held."""
    given = [foreign(ref, 100 + number) for number, ref in enumerate(refs)]
    pair.servicer.posting.queue_entries(agreement, given, window=WINDOW)
    pair.settle()


def states(pair: Pair, agreement: bytes) -> dict[str, str]:
    """Return the queue's state of every ref."""
    with pair.servicer.database.reading() as session:
        where = (QueuedRecord.agreement == agreement, QueuedRecord.entry_ref.is_not(None))
        rows = session.execute(select(QueuedRecord.entry_ref, QueuedRecord.state).where(*where))
        return {str(row.entry_ref): row.state for row in rows}


def open_kinds(pair: Pair, agreement: bytes) -> list[str]:
    """Return the kinds of open incidents."""
    with pair.servicer.database.reading() as session:
        where = (Incident.agreement == agreement, Incident.closed_at_ms.is_(None))
        return sorted(session.scalars(select(Incident.kind).where(*where)))


def test_two_people_give_up_what_is_held(pair: Pair, agreement: bytes) -> None:
    """The maker cannot check; approved, the records count as never posted and the audit has it."""
    posting = pair.servicer.posting
    hold(pair, agreement, "x", "y")
    made = posting.propose_discard(agreement, EVERYTHING, reason="of another account", actor="mia")
    assert [item["entry_ref"] for item in made.records] == ["x", "y"]
    assert made.records[0]["verdict"].startswith("CURRENCY_NOT_AGREED")
    with pytest.raises(UsageError, match="DISCARD_WAITING"):
        posting.propose_discard(agreement, Choice(refs=["x"]), reason="again", actor="mia")
    with pytest.raises(ProtocolError, match="SAME_PERSON"):
        posting.approve_discard(made.discard_id, actor="mia")
    assert set(states(pair, agreement).values()) == {"HELD"}
    done = posting.approve_discard(made.discard_id, actor="cho", shown=made.body_sha256)
    assert (done.state, done.maker, done.checker) == ("DONE", "mia", "cho")
    assert states(pair, agreement) == {"x": "DISCARDED", "y": "DISCARDED"}
    assert open_kinds(pair, agreement) == []
    assert [row for row in posting.held_records() if row.agreement == agreement] == []
    with pair.servicer.database.reading() as session:
        rows = session.scalars(select(AuditRow).order_by(AuditRow.id.desc()).limit(2)).all()
        assert [(row.act, row.actor) for row in rows] == [
            ("outbox-discard", "cho"),
            ("outbox-discard-draft", "mia"),
        ]
        assert rows[0].details["body"] == made.body_sha256.hex()
        assert rows[0].details["records"] == "2"
        assert verify_chain(session) == []
    with pytest.raises(UsageError, match="DISCARD_SETTLED"):
        posting.approve_discard(made.discard_id, actor="cho")
    with pytest.raises(UsageError, match="NOTHING_HELD"):
        posting.propose_discard(agreement, EVERYTHING, reason="in vain", actor="mia")


def test_a_discarded_reference_may_come_again(pair: Pair, agreement: bytes) -> None:
    """What was given up neither stands nor waits: the right entry of its reference is posted."""
    posting = pair.servicer.posting
    hold(pair, agreement, "a")
    made = posting.propose_discard(agreement, EVERYTHING, reason="wrong currency", actor="mia")
    posting.approve_discard(made.discard_id, actor="cho")
    assert posting.queue_entries(agreement, [entry("a", 250)], window=WINDOW) == 1
    pair.settle()
    assert states(pair, agreement)["a"] == "POSTED"


def test_an_approval_of_what_moved_is_refused(pair: Pair, agreement: bytes) -> None:
    """Released or changed since, a record is not given up: the whole draft is refused."""
    posting = pair.servicer.posting
    hold(pair, agreement, "p", "q")
    made = posting.propose_discard(agreement, EVERYTHING, reason="wrong", actor="mia")
    with pytest.raises(ProtocolError, match="DRAFT_CHANGED"):
        posting.approve_discard(made.discard_id, actor="cho", shown=bytes(32))
    with pair.servicer.database.writing.begin() as session:
        session.execute(
            update(QueuedRecord)
            .where(QueuedRecord.agreement == agreement, QueuedRecord.entry_ref == "q")
            .values(state="QUEUED")
        )
    with pytest.raises(ProtocolError, match="DISCARD_STALE"):
        posting.approve_discard(made.discard_id, actor="cho")
    assert states(pair, agreement)["p"] == "HELD"
    assert posting.reject_discard(made.discard_id, actor="cho", reason="q goes on").state == (
        "REJECTED"
    )
    posting.release_records(agreement, reason="as it was")
    pair.settle()
    made = posting.propose_discard(agreement, EVERYTHING, reason="wrong", actor="mia")
    posting.approve_discard(made.discard_id, actor="mia", single=True)
    assert {states(pair, agreement)[ref] for ref in "pq"} == {"DISCARDED"}


def test_a_window_does_not_close_silently_over_held_records(pair: Pair, agreement: bytes) -> None:
    """The closing opens an incident; it closes itself once nothing is held behind the closing."""
    posting = pair.servicer.posting
    hold(pair, agreement, "a", "b")
    assert posting.held_up_to(agreement, WINDOW) == 2
    assert posting.held_up_to(agreement, WINDOW - 8) == 0
    pair.close(agreement, WINDOW)
    assert open_kinds(pair, agreement) == ["CLOSED_WITH_HELD", "OWN_RECORDS_REFUSED"]
    made = posting.propose_discard(agreement, Choice(refs=["a"]), reason="wrong", actor="mia")
    posting.approve_discard(made.discard_id, actor="cho")
    assert "CLOSED_WITH_HELD" in open_kinds(pair, agreement), "one is held still"
    assert posting.release_records(agreement, reason="the other goes on").late == 1
    assert open_kinds(pair, agreement) == []


def test_what_comes_again_ends_its_incidents(pair: Pair, agreement: bytes) -> None:
    """Imported anew, records are held no more: the incidents of batch and closing close.

    Not before the last one came.
    """
    posting = pair.servicer.posting
    hold(pair, agreement, "a", "b")
    pair.close(agreement, WINDOW)
    later = WINDOW + 8
    assert posting.queue_entries(agreement, [entry("a", 100)], window=later) == 1
    assert open_kinds(pair, agreement) == ["CLOSED_WITH_HELD", "OWN_RECORDS_REFUSED"]
    assert posting.queue_entries(agreement, [entry("b", 101)], window=later) == 1
    assert open_kinds(pair, agreement) == []


def test_a_scheduled_closing_says_what_is_held(pair: Pair, agreement: bytes) -> None:
    """A window that closes by the clock, with nobody there, leaves the same incident."""
    node = pair.servicer
    hold(pair, agreement, "a")
    for side in pair.nodes:
        side.posting.queue_entries(agreement, [entry("b", 100)], window=WINDOW)
    pair.settle()
    assert "CLOSED_WITH_HELD" not in open_kinds(pair, agreement)
    # An agreement of the past: its window's closing time came after it began.
    with node.database.writing.begin() as session:
        session.get_one(Agreement, agreement).activated_at_s = 0
    node.reconciliation.react(scheduled=True)
    assert "CLOSED_WITH_HELD" in open_kinds(pair, agreement)
    with node.database.reading() as session:
        row = session.scalars(
            select(Incident).where(
                Incident.agreement == agreement, Incident.kind == "CLOSED_WITH_HELD"
            )
        ).one()
        assert row.evidence["records"] == "1"
        assert "1 record of ours is held" in row.says
        assert not row.stops_signing


def said_code(answer: dict[str, object]) -> str:
    """Return the code of a refusal."""
    return str(answer["error"]["code"])  # type: ignore[index]


def test_the_commands_give_up_and_warn(
    pair: Pair,
    agreement: bytes,
    capsysbinary: pytest.CaptureFixture[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`close` warns of what is held, `outbox discard` drafts, `outbox approve` is another's."""
    home = str(pair.servicer.home)
    monkeypatch.setenv("KANHE_DATABASE_URL", pair.servicer.settings.database_url)
    monkeypatch.setenv("KANHE_PASSPHRASE", PHRASE)
    hold(pair, agreement, "a")

    def run(*words: str) -> tuple[int, dict[str, object], str]:
        code = main([*words, "--home", home, "--json"])
        out = capsysbinary.readouterr()
        return code, json.loads(out.out), out.err.decode()

    for login, roles in (("mia", ("operator", "checker")), ("cho", ("checker",))):
        assert run("login", "add", login, *(f"--role={role}" for role in roles))[0] == 0
    name = agreement.hex()
    code, said, told = run("close", "-a", name, "--window", str(WINDOW))
    assert (code, said["held"]) == (0, "1")
    assert "1 record of ours is held for this window" in told
    code, made, _ = run("outbox", "discard", "-a", name, "--reason", "not ours")
    assert (code, said_code(made)) == (2, "LOGIN_UNKNOWN")
    code, made, _ = run("outbox", "discard", "-a", name, "--reason", "not ours", "--as", "cho")
    assert (code, said_code(made)) == (2, "NOT_ALLOWED")
    code, made, _ = run("outbox", "discard", "-a", name, "--reason", "not ours", "--as", "mia")
    assert (code, made["state"], made["maker"]) == (0, "DRAFTED", "mia")
    number = str(made["discard"])
    code, said, _ = run("outbox", "approve", number, "--as", "mia")
    assert (code != 0, said_code(said)) == (True, "SAME_PERSON")
    code, said, _ = run("outbox", "approve", number, "--as", "invented")
    assert (code, said_code(said)) == (2, "LOGIN_UNKNOWN")
    code, said, _ = run("outbox", "approve", number, "--as", "cho")
    assert (code, said["state"], said["checker"]) == (0, "DONE", "cho")
    code, said, _ = run("outbox", "discards")
    assert [item["state"] for item in said["discards"]][:1] == ["DONE"]  # type: ignore[attr-defined]
    code, said, _ = run("outbox", "reject", number, "--reason", "too late", "--as", "cho")
    assert (code, said_code(said)) == (2, "DISCARD_SETTLED")
