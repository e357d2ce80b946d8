"""What does not count is held, shown and posted again by a person; nothing loops."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import select, update

from node.acts import verify_chain
from node.cli import main
from node.errors import Conflict
from node.tables import Batch, Incident, PostedEntry, QueuedRecord, SealedPayload, StatedBalance
from reconcile.model import Entry, Side, UsageError, window_day, window_of
from tests.node.services.conftest import DAY, WINDOW, Pair, balance, entry

E = Side.SERVICER


def foreign(ref: str, minor: int, **more: object) -> Entry:
    """An entry in a currency that the terms do not name."""
    made = entry(ref, minor)
    fields = {name: getattr(made, name) for name in made.__struct_fields__}
    return Entry(**{**fields, "currency": "EUR", **more})


@contextmanager
def unjudged(pair: Pair) -> Iterator[None]:
    """Let the servicer send without judging first, as a release before this one did."""
    posting = pair.servicer.posting
    rules, posting._rules_of = posting._rules_of, lambda *_: None
    try:
        yield
    finally:
        posting._rules_of = rules


def batches(pair: Pair, agreement: bytes) -> list[tuple[int, str, str | None]]:
    """Return the servicer's batches as the owner sees them, without the opening position's."""
    with pair.owner.database.reading() as session:
        rows = session.execute(
            select(Batch.seq, Batch.state, Batch.reason)
            .where(Batch.agreement == agreement, Batch.side == E, Batch.window > 0)
            .order_by(Batch.seq)
        )
        return [(row.seq, row.state, row.reason) for row in rows]


def posted(pair: Pair, agreement: bytes) -> dict[tuple[str, int], int]:
    """Return the window of every entry that counts for the owner."""
    with pair.owner.database.reading() as session:
        rows = session.execute(
            select(PostedEntry.entry_ref, PostedEntry.version, PostedEntry.window).where(
                PostedEntry.agreement == agreement, PostedEntry.side == E
            )
        )
        return {(row.entry_ref, row.version): row.window for row in rows}


def held(pair: Pair, agreement: bytes) -> dict[str, str]:
    """Return the servicer's held refs and why."""
    with pair.servicer.database.reading() as session:
        rows = session.execute(
            select(QueuedRecord.entry_ref, QueuedRecord.held_reason).where(
                QueuedRecord.agreement == agreement, QueuedRecord.state == "HELD"
            )
        )
        return {str(row.entry_ref): str(row.held_reason) for row in rows}


def open_incidents(pair: Pair, agreement: bytes) -> list[str]:
    """Return the kinds of incidents nobody closed."""
    with pair.servicer.database.reading() as session:
        where = (Incident.agreement == agreement, Incident.closed_at_ms.is_(None))
        return list(session.scalars(select(Incident.kind).where(*where)))


def test_what_would_not_count_is_held_and_the_rest_is_posted(pair: Pair, agreement: bytes) -> None:
    """One foreign currency among others is not sent; the others are, and an incident says so."""
    given = [entry("a", 100), foreign("b", 200), entry("c", 300), foreign("d", 400)]
    pair.servicer.posting.queue_entries(agreement, given, window=WINDOW)
    pair.settle()
    assert posted(pair, agreement) == {("a", 0): WINDOW, ("c", 0): WINDOW}
    assert [state for _, state, _ in batches(pair, agreement)] == ["VALID"]
    assert held(pair, agreement) == dict.fromkeys("bd", held(pair, agreement)["b"])
    assert held(pair, agreement)["b"].startswith("CURRENCY_NOT_AGREED: EUR")
    assert open_incidents(pair, agreement) == ["OWN_RECORDS_REFUSED"]


def test_a_corrected_record_takes_the_place_of_a_held_one(pair: Pair, agreement: bytes) -> None:
    """A held record counts as not posted: its ref may come with other content, and is posted."""
    posting = pair.servicer.posting
    posting.queue_entries(agreement, [foreign("b", 200)], window=WINDOW)
    pair.settle()
    assert posting.queue_entries(agreement, [entry("b", 250)], window=WINDOW) == 1
    pair.settle()
    assert posted(pair, agreement) == {("b", 0): WINDOW}
    assert held(pair, agreement) == {}
    assert posting.queue_entries(agreement, [entry("b", 250)], window=WINDOW) == 0


def test_records_of_an_invalid_batch_go_on_by_a_person_alone(pair: Pair, agreement: bytes) -> None:
    """They wait while nobody looks; released, what is still wrong is held before it is sent."""
    posting = pair.servicer.posting
    with unjudged(pair):
        posting.queue_entries(agreement, [entry("a", 100), foreign("b", 200)], window=WINDOW)
        pair.settle()
    assert [row[1:] for row in batches(pair, agreement)] == [("INVALID", "CURRENCY_NOT_AGREED")]
    for _ in range(5):
        pair.chain.mine(3)
        pair.settle()
    assert len(batches(pair, agreement)) == 1
    assert set(held(pair, agreement)) == {"a", "b"}
    assert open_incidents(pair, agreement) == ["OWN_BATCH_INVALID"]
    seq = batches(pair, agreement)[0][0]
    shown = [item for item in posting.held_records() if item.agreement == agreement]
    assert [(item.seq, item.records, item.reason) for item in shown] == [
        (seq, 2, "CURRENCY_NOT_AGREED")
    ]

    found = posting.release_records(agreement, seq=seq, reason="the terms were mended", actor="li")
    assert (found.records, found.late, found.incidents_closed) == (2, 0, 1)
    pair.settle()
    assert [row[1] for row in batches(pair, agreement)] == ["INVALID", "VALID"]
    assert posted(pair, agreement) == {("a", 0): WINDOW}
    assert set(held(pair, agreement)) == {"b"}
    for _ in range(3):
        posting.release_records(agreement, reason="tried again")
        pair.settle()
    assert len(batches(pair, agreement)) == 2
    with pair.servicer.database.reading() as session:
        assert verify_chain(session) == []


def test_later_versions_go_on_in_order(pair: Pair, agreement: bytes) -> None:
    """A version whose predecessor sat in an invalid batch is held too; both go on, in order."""
    posting = pair.servicer.posting
    with unjudged(pair):
        posting.queue_entries(agreement, [entry("v", 100), foreign("x", 5)], window=WINDOW)
        amended = entry("v", 100, e2e="E2E-9", version=1)
        posting.queue_entries(agreement, [amended], window=WINDOW + 8)
        pair.settle()
    reasons = [reason for _, _, reason in batches(pair, agreement)]
    assert reasons == ["CURRENCY_NOT_AGREED", "VERSION_GAP"]
    posting.release_records(agreement, reason="both belong together")
    pair.settle()
    assert posted(pair, agreement) == {("v", 0): WINDOW, ("v", 1): WINDOW + 8}
    assert set(held(pair, agreement)) == {"x"}


def test_a_release_after_the_closing_is_late(pair: Pair, agreement: bytes) -> None:
    """Held records whose window closed meanwhile go to the next one; so do balances never."""
    posting = pair.servicer.posting
    with unjudged(pair):
        posting.queue_entries(
            agreement,
            [entry("a", 100), foreign("b", 200)],
            window=WINDOW,
            opening=balance(0),
            closing=balance(100),
        )
        pair.settle()
    pair.close(agreement, WINDOW)
    assert posting.release_records(agreement, reason="mended").late == 2
    pair.settle()
    assert posted(pair, agreement)["a", 0] > WINDOW
    with pair.servicer.database.reading() as session:
        waiting = select(StatedBalance.id).where(
            StatedBalance.agreement == agreement, StatedBalance.seq.is_(None)
        )
        assert session.scalars(waiting).all() == []


def test_balances_of_an_invalid_batch_are_stated_again(pair: Pair, agreement: bytes) -> None:
    """While the window is open, its balances go with the batch that counts."""
    posting = pair.servicer.posting
    with unjudged(pair):
        posting.queue_entries(
            agreement,
            [entry("a", 100), foreign("b", 200)],
            window=WINDOW,
            opening=balance(0),
            closing=balance(100),
        )
        pair.settle()
    posting.release_records(agreement, reason="mended")
    pair.settle()
    with pair.owner.database.reading() as session:
        header = session.scalars(
            select(Batch.header)
            .where(Batch.agreement == agreement, Batch.side == E, Batch.state == "VALID")
            .order_by(Batch.seq.desc())
        ).first()
    assert header is not None
    assert [item["currency"] for item in header["closing"]] == ["CNY"]


def test_what_waits_for_a_closed_window_is_not_sealed_for_it_again(
    pair: Pair, agreement: bytes
) -> None:
    """A window closed by default under a queued record would refuse it for ever: it moves on."""
    posting = pair.servicer.posting
    pair.close(agreement, WINDOW)
    posting.queue_entries(
        agreement, [entry("late", 100, day=DAY + 1)], window=WINDOW + 8, closing=balance(5, DAY + 1)
    )
    with pair.servicer.database.writing.begin() as session:
        session.execute(
            update(QueuedRecord).where(QueuedRecord.agreement == agreement).values(window=WINDOW)
        )
        session.execute(
            update(StatedBalance)
            .where(StatedBalance.agreement == agreement, StatedBalance.seq.is_(None))
            .values(window=WINDOW)
        )
    pair.settle()
    landed = posted(pair, agreement)["late", 0]
    assert landed > WINDOW
    assert window_day(landed) > DAY
    assert landed == window_of(window_day(landed))
    with pair.servicer.database.reading() as session:
        where = (SealedPayload.agreement == agreement, SealedPayload.state == "WITHDRAWN")
        assert session.scalars(select(SealedPayload.id).where(*where)).all() == []


def test_a_release_needs_a_reason_and_something_held(pair: Pair, agreement: bytes) -> None:
    """Nothing held, an unknown call and an empty reason are refused, each by its code."""
    posting = pair.servicer.posting
    with pytest.raises(Conflict, match="NOTHING_HELD"):
        posting.release_records(agreement, reason="in vain")
    with pytest.raises(Conflict, match="INTENT_NOT_HELD"):
        posting.release_intent(10**9, reason="in vain")
    with pytest.raises(UsageError, match="REASON_MISSING"):
        posting.release_records(agreement, reason="  ")


def test_the_commands_show_and_release(
    pair: Pair,
    agreement: bytes,
    capsysbinary: pytest.CaptureFixture[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`outbox list`, `incident list`, `doctor` show what is held; `outbox release` lets it go."""
    home = str(pair.servicer.home)
    monkeypatch.setenv("KANHE_DATABASE_URL", pair.servicer.settings.database_url)

    def run(*words: str) -> tuple[int, dict[str, object]]:
        code = main([*words, "--home", home, "--json"])
        return code, json.loads(capsysbinary.readouterr().out)

    pair.servicer.posting.queue_entries(agreement, [foreign("secret-ref", 200)], window=WINDOW)
    pair.settle()
    code, listed = run("outbox", "list")
    assert code == 0
    mine = [item for item in listed["records"] if item["agreement"] == agreement.hex()]  # type: ignore[attr-defined]
    assert [(item["records"], item["batch"]) for item in mine] == [("1", None)]
    assert "secret-ref" not in json.dumps(listed)
    code, said = run("doctor")
    checks = {item["name"]: item for item in said["checks"]}  # type: ignore[attr-defined]
    assert code == 1
    assert "kanhe outbox list" in checks["outbox"]["says"]
    code, said = run("incident", "list")
    assert "OWN_RECORDS_REFUSED" in {item["kind"] for item in said["incidents"]}  # type: ignore[attr-defined]
    code, said = run("outbox", "release", "-a", agreement.hex(), "--reason", "look again")
    assert (code, said["records"]) == (0, "1")
    code, said = run("outbox", "release", "-a", agreement.hex(), "--reason", "again")
    assert (code, said["error"]["code"]) == (2, "NOTHING_HELD")  # type: ignore[index]
