"""Who reads what: the parties and a named observer everything, any other member nothing."""

from __future__ import annotations

import pytest
from drill_town import Town, posted_refs, wanted_refs
from sqlalchemy import func, select

from node.keyring import GENERAL
from node.services.network.sealing_keys import unwrap
from node.tables import Batch, EpochKey, LocalKey, PostedEntry, TermsDocument
from reconcile.model import KanheError, ProtocolError, Side, UsageError
from reconcile.statements import read_statement


def test_a_member_that_is_no_party_opens_nothing(agreed: Town) -> None:
    """The clearing house sees that batches are posted, and not one record, key or term of them."""
    node = agreed.clearing
    with node.database.reading() as session:
        states = session.execute(select(Batch.state, Batch.reason).distinct()).all()
        assert [tuple(row) for row in states] == [("SEALED", None)]
        assert session.scalar(select(func.count()).select_from(PostedEntry)) == 0
        assert session.scalar(select(func.count()).select_from(TermsDocument)) == 0
        held = session.scalars(select(LocalKey.agreement).distinct()).all()
        assert set(held) <= {GENERAL}


def test_no_wrap_opens_for_a_member_that_is_no_party(agreed: Town) -> None:
    """None of the keys on the ledger is sealed to it, under whatever number it tries."""
    node = agreed.clearing
    assert node.member is not None
    members = {item.member for item in agreed.bank.network.members()}
    with node.database.reading() as session:
        rows = session.scalars(select(EpochKey)).all()
        assert len(rows) == 2
        for row in rows:
            recipients = {int(wrap["recipient"]) for wrap in row.wraps}
            assert node.member not in recipients
            for member in members:
                with pytest.raises(ProtocolError, match="not sealed to a key this node holds"):
                    unwrap(session, node.identity, member, agreed.agreement, Side(row.side), row)


def test_a_member_that_is_no_party_gets_no_result(agreed: Town) -> None:
    """It can neither match, prove, export nor post in an agreement of others."""
    node, agreement, window = agreed.clearing, agreed.agreement, agreed.window()
    calls = (
        lambda: node.reconciliation.provisional(agreement),
        lambda: node.reconciliation.prove(agreement, window),
        lambda: node.reconciliation.attest(agreement, window),
        lambda: node.proofs.bundle(agreement, window),
        lambda: node.proofs.record_proof(agreement, Side.SERVICER, "x", window=window),
        lambda: node.posting.import_file(agreement, agreed.book(Side.OWNER)),
        lambda: node.posting.close_window(agreement, window + 8),
    )
    for call in calls:
        with pytest.raises(KanheError) as caught:
            call()
        assert caught.value.code
        assert caught.value.message


def test_a_named_observer_reads_everything(agreed: Town) -> None:
    """The observer holds the same entries as the parties and proves the same digest."""
    node = agreed.branch
    for side in Side:
        assert posted_refs(node, agreed.agreement, side) == wanted_refs(agreed.relation, side, 1)
    proof = node.reconciliation.prove(agreed.agreement, agreed.window())
    assert (proof.digest, proof.digest) == agreed.digests()


def test_an_observer_acts_on_nothing(agreed: Town) -> None:
    """It neither signs, nor posts, nor closes: `NOT_AGREEMENT_PARTY`."""
    node, agreement = agreed.branch, agreed.agreement
    node.reconciliation.prove(agreement, agreed.window())
    calls = (
        lambda: node.reconciliation.attest(agreement, agreed.window()),
        lambda: node.posting.import_file(agreement, agreed.book(Side.OWNER)),
        lambda: node.posting.close_window(agreement, agreed.window(1)),
    )
    for call in calls:
        with pytest.raises(UsageError) as caught:
            call()
        assert caught.value.code == "NOT_AGREEMENT_PARTY"


def test_the_ledger_shows_no_name_account_or_reference(agreed: Town) -> None:
    """No text of any entry stands in the bytes that were posted."""
    words = set()
    for side in Side:
        for statement in read_statement(agreed.book(side)).statements:
            for entry in statement.entries:
                words |= {entry.entry_ref, entry.counterparty_name, entry.counterparty_account}
                words |= {text for _, text in entry.references} | {entry.remittance}
    texts = [word.encode() for word in words if word and len(word) > 4]
    assert len(texts) > 60
    with agreed.clearing.database.reading() as session:
        payloads = session.scalars(select(Batch.payload)).all()
    assert not [text for text in texts for payload in payloads if text in payload]
