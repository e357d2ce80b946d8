from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import delete, select

from devnet.scenario import make_scenario, write_scenario
from node.books import book_of
from node.tables import MatchRun, PostedSectionDigest, ReportRow
from reconcile.model import ProtocolError, Side, UsageError, window_day
from reconcile.statements import read_statement
from reconcile.terms import parse_terms
from tests.node.services.conftest import WINDOW, Pair, balance, entry


def _books(pair: Pair, agreement: bytes) -> None:
    """One matched pair, one amount that differs, one entry the owner does not have."""
    servicer = [
        entry("s1", 1_000, e2e="E2E-0001"),
        entry("s2", -500, e2e="E2E-0002"),
        entry("s3", 700, e2e="E2E-0003"),
    ]
    owner = [entry("o1", 1_000, e2e="E2E-0001"), entry("o2", -550, e2e="E2E-0002")]
    pair.servicer.posting.queue_entries(
        agreement, servicer, window=WINDOW, opening=balance(0), closing=balance(1_200)
    )
    pair.owner.posting.queue_entries(
        agreement, owner, window=WINDOW, opening=balance(0), closing=balance(450)
    )


def test_both_match_as_batches_arrive(pair: Pair, agreement: bytes) -> None:
    """Before any closing both nodes show the same provisional run, with its latency."""
    _books(pair, agreement)
    pair.settle()
    rows = [node.reconciliation.window_status(agreement, WINDOW) for node in pair.nodes]
    assert [row.state for row in rows] == ["PROVISIONAL", "PROVISIONAL"]
    assert rows[0].breaks == rows[1].breaks == (("AMOUNT", 1), ("TIMING", 1))
    assert all(row.latency.count for row in rows)


def test_both_prove_the_same_digest_and_agree(pair: Pair, agreement: bytes) -> None:
    """After both closings the proofs are equal, and two signatures make the window agreed."""
    _books(pair, agreement)
    pair.close(agreement, WINDOW)
    proofs = [node.reconciliation.report(agreement, WINDOW) for node in pair.nodes]
    assert proofs[0].digest == proofs[1].digest
    assert proofs[0].report == proofs[1].report
    pair.servicer.reconciliation.attest(agreement, WINDOW)
    pair.settle()
    states = [node.reconciliation.window_status(agreement, WINDOW).state for node in pair.nodes]
    # The day is long past its close_at: what we attested is unanswered, not merely attested.
    assert states == ["UNANSWERED", "AWAITING_US"]
    pair.owner.reconciliation.attest(agreement, WINDOW)
    pair.settle()
    rows = [node.reconciliation.window_status(agreement, WINDOW) for node in pair.nodes]
    assert [row.state for row in rows] == ["AGREED", "AGREED"]
    assert rows[0].digest == rows[1].their_digest
    assert rows[0].proof == (("CNY", 0),)
    assert rows[0].complete
    assert rows[0].balance_proven


def test_open_items_are_carried_and_settled_later(pair: Pair, agreement: bytes) -> None:
    """A one-sided entry is carried with its key, and its late counterpart settles it."""
    _books(pair, agreement)
    pair.day(agreement)
    before = {row.servicer: row.key for row in pair.owner.breaks.breaks(agreement, WINDOW)}
    following = WINDOW + 8
    late = entry("o3", 700, e2e="E2E-0003", day=window_day(following))
    pair.owner.posting.queue_entries(agreement, [late])
    pair.servicer.posting.queue_entries(
        agreement, [entry("s4", 10, e2e="E2E-0004", day=window_day(following))]
    )
    pair.day(agreement, following)
    rows = pair.owner.breaks.breaks(agreement, following)
    assert ("s3",) not in {row.servicer for row in rows}
    amount = next(row for row in rows if row.kind == "AMOUNT")
    assert amount.key == before[amount.servicer]
    status = pair.owner.reconciliation.window_status(agreement, following)
    assert (status.state, status.proof) == ("AGREED", (("CNY", 0),))


def test_a_window_must_be_closed_by_both(pair: Pair, agreement: bytes) -> None:
    """A proof of a window that one side has not closed is refused, naming that side."""
    _books(pair, agreement)
    pair.servicer.posting.close_window(agreement, WINDOW)
    pair.settle()
    with pytest.raises(ProtocolError, match="owner has not closed") as caught:
        pair.servicer.reconciliation.prove(agreement, WINDOW)
    assert caught.value.code == "WINDOW_NOT_CLOSED"
    with pytest.raises(UsageError, match="REPORT_NOT_COMPUTED"):
        pair.servicer.reconciliation.attest(agreement, WINDOW)
    states = [node.reconciliation.window_status(agreement, WINDOW).state for node in pair.nodes]
    assert states == ["CLOSED_BY_US", "CLOSED_BY_THEM"]


def test_nothing_is_attested_twice(pair: Pair, agreement: bytes) -> None:
    """The same result is signed once, and an agreed window not again."""
    _books(pair, agreement)
    pair.close(agreement, WINDOW)
    pair.servicer.reconciliation.attest(agreement, WINDOW)
    with pytest.raises(UsageError, match="ATTESTATION_PENDING"):
        pair.servicer.reconciliation.attest(agreement, WINDOW)
    pair.settle()
    with pytest.raises(UsageError, match="ALREADY_ATTESTED"):
        pair.servicer.reconciliation.attest(agreement, WINDOW)
    pair.owner.reconciliation.attest(agreement, WINDOW)
    pair.settle()
    with pytest.raises(UsageError, match="WINDOW_AGREED"):
        pair.servicer.reconciliation.attest(agreement, WINDOW)


def test_another_digest_is_seen_by_both_with_its_section(pair: Pair, agreement: bytes) -> None:
    """A side that attests another report: both states say DIFFERS, and both name the section."""
    _books(pair, agreement)
    pair.close(agreement, WINDOW)
    _falsify(pair, agreement)
    for node in pair.nodes:
        node.reconciliation.attest(agreement, WINDOW)
    pair.settle()
    rows = [node.reconciliation.window_status(agreement, WINDOW) for node in pair.nodes]
    assert [row.state for row in rows] == ["DIFFERS", "DIFFERS"]
    assert rows[0].digest != rows[0].their_digest
    assert rows[0].differing_sections == rows[1].differing_sections == ("says",)
    with pair.servicer.database.reading() as session:
        posted = session.execute(
            select(PostedSectionDigest.side).where(PostedSectionDigest.agreement == agreement)
        ).scalars()
        assert sorted(posted) == [0, 1]


def _falsify(pair: Pair, agreement: bytes) -> None:
    """Let the owner's node sign a report that says something else."""
    from reconcile.report import canonical_json, digest_of

    with pair.owner.database.writing.begin() as session:
        row = session.execute(
            select(ReportRow).where(ReportRow.agreement == agreement, ReportRow.window == WINDOW)
        ).scalar_one()
        body = {**json.loads(row.report), "says": "all is well"}
        row.report, row.digest = canonical_json(body), digest_of(body)


def test_replay_gives_the_same_digests(pair: Pair, agreement: bytes) -> None:
    """Dropping every derived row and every report, replaying and proving gives the same digest."""
    _books(pair, agreement)
    pair.day(agreement)
    node = pair.owner
    before = [(row.window, row.digest) for row in node.reconciliation.status(agreement)]
    with node.database.writing.begin() as session:
        session.execute(delete(MatchRun))
        session.execute(delete(ReportRow))
    node.rebuild()
    pair.settle()
    after = [(row.window, row.digest) for row in node.reconciliation.status(agreement)]
    assert after == before
    assert node.reconciliation.report(agreement, 0).digest == dict(before)[0]


def test_a_scenario_is_found_break_by_break(pair: Pair, tmp_path: Path) -> None:
    """Files of a labelled scenario, through both nodes, give exactly the labelled breaks."""
    made = make_scenario(11, 120)
    write_scenario(made, tmp_path)
    labels = json.loads((tmp_path / "labels.json").read_text(encoding="utf-8"))
    terms = parse_terms((tmp_path / "terms.json").read_bytes())
    agreement = pair.agreement(terms, opened=False)
    for node, name in zip(pair.nodes, ("servicer", "owner"), strict=True):
        book = book_of(read_statement(tmp_path / f"{name}.csv"), name)
        node.posting.open_position(agreement, closing=book.opening)
    pair.settle()
    pair.agree(agreement, 0)
    for node, name in zip(pair.nodes, ("servicer", "owner"), strict=True):
        node.posting.import_file(agreement, tmp_path / f"{name}.csv")
    pair.settle()
    window = max(row.window for row in pair.servicer.reconciliation.status(agreement))
    pair.day(agreement, window)
    status = pair.servicer.reconciliation.window_status(agreement, window)
    assert (status.state, status.complete) == ("AGREED", True)
    assert all(minor == 0 for _, minor in status.proof)
    found = sorted(
        (row.kind, sorted(row.servicer), sorted(row.owner))
        for row in pair.servicer.breaks.breaks(agreement, window, limit=1_000)
    )
    wanted = sorted(
        (item["kind"], sorted(item["servicer"]), sorted(item["owner"])) for item in labels["breaks"]
    )
    assert found == wanted


def test_a_represented_side_is_one_sided(pair: Pair) -> None:
    """One member posts both sides from files and attests alone: the result is ONE_SIDED."""
    from reconcile.model import AgreementKind
    from reconcile.terms import default_terms

    node = pair.owner
    assert node.member is not None
    agreement = node.network.open_agreement(
        AgreementKind.CLEARING,
        servicer=0,
        owner=node.member,
        terms=default_terms(["CNY"]),
        label="represented",
        represented_side=0,
    )
    pair.settle()
    for side in Side:
        node.posting.open_position(agreement, closing=balance(0), side=side)
    pair.settle()
    node.reconciliation.attest(agreement, 0)
    pair.settle()
    assert node.reconciliation.window_status(agreement, 0).state == "ONE_SIDED"
    for side, ref in ((Side.SERVICER, "c1"), (Side.OWNER, "m1")):
        node.posting.queue_entries(agreement, [entry(ref, 900, e2e="E2E-9001")], side=side)
        node.posting.close_window(agreement, WINDOW, side=side)
    pair.settle()
    node.reconciliation.attest(agreement, WINDOW)
    pair.settle()
    row = node.reconciliation.window_status(agreement, WINDOW)
    assert (row.state, row.matched_groups) == ("ONE_SIDED", 1)
    from node.crypto.bundle import file_bytes
    from node.crypto.verifying import verify_bytes

    found = verify_bytes(file_bytes(node.proofs.bundle(agreement, WINDOW)))
    assert found.ok, found.checks
