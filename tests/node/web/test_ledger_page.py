"""The ledger page: what is held is shown, and an operator lets it go on."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from desk_town import Reader, Replica, Town, reader_of
from sqlalchemy import select

from node.calls import Calls
from node.services.posting import PostingService
from node.tables import Adoption, AuditRow, Incident, Intent, NonceLane, QueuedRecord


@pytest.fixture
def held(town: Town, replica: Replica) -> Replica:
    """The firm's node with a held record, a held call and a stopped key."""
    node = replica.node
    replica.posting = PostingService(  # type: ignore[attr-defined]
        replica.database,
        node.identity,
        Calls(node.identity),
        attempts=node.attempts,
        rules_of=node.opening.rules,
        queue_limit=1_000,
        outbox_limit=10,
    )
    with replica.sessions.begin() as session:
        place = {"agreement": town.agreement, "side": 1}
        record = b"held"
        session.add(
            QueuedRecord(
                **place,
                window=town.open,
                entry_ref="HELD-REF-1",
                version=0,
                record=record,
                state="HELD",
                seq=None,
                held_reason="CURRENCY_NOT_AGREED: EUR is no currency of the terms",
                queued_at_ms=replica.now_ms,
            )
        )
        call = {"kind": "post", "contract": "Ledger", "call": "post", "calldata": b""}
        session.add(
            Intent(
                **place,
                **call,
                subject="post/held",
                lane_key="held/1",
                seq=10**6,
                window=town.open,
                state="HELD",
                attempts=12,
                error="gas",
                error_code="GAS_LIMIT",
                created_at_ms=replica.now_ms,
            )
        )
        session.add(
            NonceLane(
                address=bytes([7]) * 20,
                next_nonce=1,
                state="STOPPED",
                reason="ADOPTION_TO_CONFIRM",
                in_flight_limit=4,
                generation=0,
            )
        )
        session.add(
            Adoption(
                tx_hash=bytes([9]) * 32,
                address=bytes([7]) * 20,
                nonce=1,
                block_number=1,
                verdict="ADOPTABLE",
                what="post",
                details={},
                found_at_ms=replica.now_ms,
            )
        )
    return replica


@pytest.fixture
def operator(held: Replica) -> Iterator[Reader]:
    """An operator at that desk."""
    with reader_of(held, "operator", login="olga") as found:
        yield found


def states(replica: Replica) -> tuple[str, str, str]:
    """Return the states of record, call and key."""
    with replica.database.reading() as session:
        record = session.scalars(
            select(QueuedRecord.state).where(QueuedRecord.entry_ref == "HELD-REF-1")
        ).one()
        call = session.scalars(
            select(Intent.state).where(Intent.subject.startswith("post/held"))
        ).one()
        return record, call, session.get_one(NonceLane, bytes([7]) * 20).state


def test_an_operator_sees_and_releases_what_is_held(held: Replica, operator: Reader) -> None:
    """The page says why each waits; each form lets it go on and leaves its reason in the audit."""
    text = operator.get("/ledger")
    for says in ("CURRENCY_NOT_AGREED: EUR", "GAS_LIMIT", "Take them over", "not sent"):
        assert says in text
    assert "HELD-REF-1" not in text
    assert states(held) == ("HELD", "HELD", "STOPPED")
    agreement = re.search(r'name="agreement" value="([0-9a-f]{64})"', text)
    call = re.search(r"/ledger/intents/(\d+)/release", text)
    assert agreement
    assert call
    form = {"agreement": agreement.group(1), "side": "owner", "batch": "", "reason": "terms mended"}
    assert operator.post("/ledger/records/release", **form).endswith("/ledger#held")
    operator.post(f"/ledger/intents/{call.group(1)}/release", reason="the endpoint was raised")
    operator.post(f"/ledger/lanes/{'07' * 20}/adopt", reason="restored from the backup")
    assert states(held) == ("QUEUED", "WAITING", "OPEN")
    with held.database.reading() as session:
        rows = session.scalars(select(AuditRow).order_by(AuditRow.id.desc()).limit(3)).all()
        assert [row.act for row in rows] == ["outbox-adopt", "outbox-release", "outbox-release"]
        assert {row.actor for row in rows} == {"olga"}
        assert rows[0].details["reason"] == "restored from the backup"
    assert "Held: a person decides" not in operator.get("/ledger")


def test_only_an_operator_releases(held: Replica) -> None:
    """Somebody who may only look sees the reason and no form, and the act is refused."""
    with reader_of(held, "viewer", login="vera") as viewer:
        text = viewer.get("/ledger")
        assert "CURRENCY_NOT_AGREED" in text
        assert "/ledger/records/release" not in text
        viewer.post(f"/ledger/lanes/{'07' * 20}/adopt", 403, reason="let me in")
    assert states(held) == ("HELD", "HELD", "STOPPED")


def test_a_release_closes_the_records_incident(held: Replica, operator: Reader, town: Town) -> None:
    """The incident of held records is closed with the operator's name and reason."""
    with held.sessions.begin() as session:
        session.add(
            Incident(
                kind="OWN_RECORDS_REFUSED",
                fingerprint="test/refused",
                agreement=town.agreement,
                side=1,
                says="records of ours would not count",
                evidence={},
                stops_signing=False,
                opened_at_ms=held.now_ms,
            )
        )
    form = {"agreement": town.agreement.hex(), "side": "owner", "reason": "terms mended"}
    operator.post("/ledger/records/release", **form)
    with held.database.reading() as session:
        row = session.scalars(select(Incident).where(Incident.fingerprint == "test/refused")).one()
        assert row.closed_by is not None
        assert row.closed_reason == "terms mended"


def test_held_records_are_given_up_by_two_people(held: Replica, operator: Reader) -> None:
    """Today and the window say what is held; who drafts its discard cannot check it."""
    assert "1 record does not count as posted" in operator.get("/")
    text = operator.get("/ledger")
    fields = dict(re.findall(r'name="(agreement|verdict)" value="([^"]+)"', text))
    window = operator.get(f"/agreements/{fields['agreement'][:16]}/windows/{_window(held)}")
    assert "1 record of ours is held for this window" in window
    form = {**fields, "side": "owner", "batch": ""}
    for batch in ("9" * 19, "9" * 4_000, "²", "-1"):
        for act in ("release", "discard"):
            wrong = {**form, "batch": batch, "reason": "mended"}
            assert "BATCH_MALFORMED" in operator.post(f"/ledger/records/{act}", 422, **wrong)
    where = operator.post("/ledger/records/discard", reason="of another account", **form)
    page = where[where.index("/drafts/") :]
    with reader_of(held, "maker", "checker", login="cho") as checker:
        shown = checker.get(page)
        assert "HELD-REF-1" in shown
        assert "CURRENCY_NOT_AGREED" in shown
        assert "Giving up held records" in checker.get("/")
        checker.post(f"{page}/approve")
    assert states(held)[0] == "DISCARDED"
    assert "does not count as posted" not in operator.get("/")


def _window(replica: Replica) -> int:
    with replica.database.reading() as session:
        where = QueuedRecord.entry_ref == "HELD-REF-1"
        return session.scalars(select(QueuedRecord.window).where(where)).one()


def test_a_node_lists_the_windows_of_its_own_agreements(town: Town) -> None:
    """The network has three agreements; the firm's status shows the one that it reads."""
    rows = town.firm.reconciliation.status()
    assert {row.agreement for row in rows} == {town.agreement}
    assert len(town.bank.network.agreements()) > 1
