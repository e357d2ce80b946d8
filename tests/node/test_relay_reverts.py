"""The relay when contracts revert, databases are restored and keys are used elsewhere."""

from __future__ import annotations

from typing import Any

import pytest
from ledger_world import World, entries
from relay_tools import (
    SERVICER,
    check,
    only,
    post,
    rows,
)
from sqlalchemy import select

from node.chain.transactions import address_bytes, sign_legacy
from node.errors import Conflict
from node.outbox.adoption import confirm_adoption
from node.tables import (
    Adoption,
    Batch,
    Closing,
    EpochKey,
    Incident,
    Intent,
    NonceLane,
    QueuedRecord,
    SealedPayload,
    Transaction,
)
from reconcile.commitment.heads import head0


# ------------------------------------------------------------------------- reverts
def test_finally_reverted_is_signed_anew_around_the_same_payload(world: World) -> None:
    """A batch that ran out of gas is sent again in a new transaction; its bytes do not change."""
    post(world, 2, 2)
    world.servicer.relay._gas_cap = 60_000
    world.servicer.step()
    payload = only(world, SealedPayload)
    world.servicer.relay._gas_cap = 30_000_000
    world.settle()
    check(world, 2)
    assert world.servicer.count(Transaction, Transaction.state == "REVERTED") == 1
    assert only(world, Batch).head == payload.head
    assert only(world, Intent, Intent.call == "post").attempts == 2


def test_a_reverted_many_is_sent_singly(world: World) -> None:
    """When a transaction of several batches reverts, each is sent alone."""
    post(world, 6, 2)
    world.servicer.relay._gas_cap = 200_000
    world.servicer.step()
    assert only(world, Transaction, Transaction.purpose == "MANY").state == "SENT"
    world.settle()
    check(world, 6)
    assert world.servicer.count(Batch) == 3
    assert world.servicer.count(Intent, Intent.alone.is_(True)) == 3


def test_a_revert_that_cannot_pass_refuses_the_intent_in_the_contracts_words(world: World) -> None:
    """The contract's own error, with its arguments, stands in the intent; the subject is free."""
    args = (world.agreement, 1, 1)
    world.servicer.ask("Ledger", "acknowledgeKey", args, subject="again")
    world.pump(lambda: world.servicer.count(Intent, Intent.state == "REFUSED") == 1)
    refused = only(world, Intent, Intent.state == "REFUSED")
    assert (refused.error_code, refused.error) == (
        "EPOCH_NOT_OPEN",
        "EpochNotOpen(epoch=1, state=2)",
    )
    world.servicer.ask("Ledger", "acknowledgeKey", args, subject="again")
    assert world.servicer.count(Intent, Intent.subject == "again") == 1


def test_a_passing_error_is_tried_again_later(world: World) -> None:
    """An epoch that is not there yet may come: the answer to it waits and is tried again."""
    world.servicer.ask("Ledger", "closeWindow", (world.agreement, 0, world.window, 0, bytes(32)))
    world.pump(
        lambda: world.servicer.count(Intent, Intent.attempts >= 1, Intent.state == "WAITING")
    )
    waiting = only(world, Intent, Intent.state == "WAITING")
    assert waiting.error_code in {"OPENING_NOT_CLOSED", "HEAD_MISMATCH"}
    assert waiting.wake_at_ms > 0


def test_a_finally_closed_window_takes_the_payload_back(world: World) -> None:
    """A payload for a window that closed meanwhile is withdrawn; its records wait again."""
    contracts = world.deployed.contracts
    zero = head0(contracts.chain_id, contracts.ledger, world.agreement, SERVICER)
    for window in (0, world.window):
        args = (world.agreement, 0, window, 0, zero)
        world.servicer.ask("Ledger", "closeWindow", args, subject=f"close/{window}")
    world.pump(lambda: world.owner.count(Closing) == 2)
    post(world, 4, 2)
    world.pump(lambda: world.servicer.count(SealedPayload, SealedPayload.state == "READY") == 0)
    assert world.servicer.count(SealedPayload, SealedPayload.state == "WITHDRAWN") == 2
    assert world.servicer.count(QueuedRecord, QueuedRecord.state == "QUEUED") == 4
    with world.servicer.database.writing.begin() as session:
        for row in session.scalars(select(QueuedRecord)):
            row.window += 8
    world.servicer.seal(world.agreement, SERVICER, 2)
    world.settle()
    check(world, 4)


# ------------------------------------------------------------------------- other copies
def test_a_restored_database_adopts_what_it_had_sent(world: World, tmp_path: Any) -> None:  # noqa: ANN401
    """After a restore the lane stops, lists what it finds and goes on once a person agreed."""
    from ledger_world import copy_databases, restore_databases

    world.servicer.queue(world.agreement, SERVICER, entries(6), world.window)
    copy_databases(world, tmp_path / "backup")
    world.servicer.seal(world.agreement, SERVICER, 2)
    world.settle()
    restore_databases(world, tmp_path / "backup")
    poster = address_bytes(world.servicer.poster)
    world.servicer.step()
    lane = only(world, NonceLane, NonceLane.address == poster)
    assert (lane.state, lane.reason) == ("STOPPED", "ADOPTION_TO_CONFIRM")
    assert {row.verdict for row in rows(world, Adoption)} == {"ADOPTABLE"}
    assert world.servicer.count(QueuedRecord, QueuedRecord.state == "POSTED") == 6
    with world.servicer.database.writing.begin() as session:
        assert confirm_adoption(session, poster, person_id=None, now_ms=1) == 1
    with world.servicer.database.writing.begin() as session, pytest.raises(Conflict):
        confirm_adoption(session, poster, person_id=None, now_ms=1)
    world.servicer.queue(world.agreement, SERVICER, entries(2, "e", 6), world.window)
    world.servicer.seal(world.agreement, SERVICER, 2)
    world.settle()
    check(world, 8)


def test_a_payload_whose_number_was_taken_is_sealed_again(world: World, tmp_path: Any) -> None:  # noqa: ANN401
    """A backup with sealed payloads never forks the stream: what stands is kept, the rest waits."""
    from ledger_world import copy_databases, restore_databases

    world.servicer.queue(world.agreement, SERVICER, entries(6), world.window)
    copy_databases(world, tmp_path / "backup")
    world.servicer.seal(world.agreement, SERVICER, 2)
    world.settle()
    restore_databases(world, tmp_path / "backup")
    # The old copy seals before it has looked at the ledger: other bytes under the same numbers.
    world.servicer.seal(world.agreement, SERVICER, 4)
    world.servicer.step()
    assert world.servicer.count(SealedPayload, SealedPayload.state == "WITHDRAWN") == 2
    assert world.servicer.count(QueuedRecord, QueuedRecord.state == "POSTED") == 6
    world.owner.step()
    assert world.owner.refs(SERVICER) == [f"e{n:04d}" for n in range(6)]


def test_a_foreign_transaction_declares_the_key_used_elsewhere(world: World) -> None:
    """Money sent by the posting key from elsewhere is an incident that stops all signing."""
    signer = world.servicer.poster
    poster = address_bytes(signer)
    signed = sign_legacy(
        signer,
        chain_id=world.deployed.contracts.chain_id,
        nonce=world.client.nonce(poster),
        gas_price_wei=0,
        gas_limit=50_000,
        receiver=bytes(19) + b"\x01",
        calldata=b"",
    )
    assert world.client.send([signed.raw]) == [None]
    post(world)
    world.chain.mine()
    world.servicer.step()
    assert only(world, Incident).kind == "KEY_USED_ELSEWHERE"
    held = world.servicer.relay.step()
    assert held.held is not None
    assert world.servicer.count(Intent, Intent.state == "WAITING") == 3


# ------------------------------------------------------------------------- intents
def test_an_intent_is_asked_for_once(world: World) -> None:
    """The same subject and call is one intent; the same subject with another call is refused."""
    args = (world.agreement, 0, 1)
    first = world.owner.ask("Ledger", "rejectKey", (*args, 1), subject="answer")
    assert world.owner.ask("Ledger", "rejectKey", (*args, 1), subject="answer") == first
    with pytest.raises(Conflict) as refused:
        world.owner.ask("Ledger", "rejectKey", (*args, 2), subject="answer")
    assert refused.value.code == "INTENT_CONFLICT"


def test_nothing_is_signed_before_the_follower_has_read_the_final_head(world: World) -> None:
    """A node that was away reads first: its own entries may stand on the ledger already."""
    world.servicer.follower.catch_up()
    post(world)
    world.chain.mine(200)
    step = world.servicer.follower.step()
    assert not step.caught_up
    held = world.servicer.relay.step()
    assert (held.signed, held.sent) == (0, 0)
    assert held.held is not None
    assert "follower stands" in held.held
    world.settle()
    check(world, 5)
    assert world.owner.count(EpochKey) == 2
