from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.crypto.oprf import group, modes, resharing, shamir, threshold
from node.crypto.oprf.board import Board, PrivateShare, Session
from node.crypto.oprf.epochs import KeyEpoch, require_one_epoch, session_id
from node.crypto.oprf.modes import Mode
from node.crypto.oprf.threshold import Committee, ShareHolder
from reconcile.model import ProtocolError

KEY = group.random_scalar()
SESSION = session_id(31_337, bytes(20), 1, 1, 1)
FAULTS = ["silent", "another constant", "bad share, unanswered", "bad share, answered"]


def made(t: int, n: int, key: bytes = KEY) -> tuple[Committee, dict[int, ShareHolder]]:
    """Share a key by a dealer that a test may trust."""
    polynomial = shamir.random_polynomial(t - 1, constant=group.scalar(key))
    holders = {j: ShareHolder.of(j, shamir.share_of(polynomial, j)) for j in range(1, n + 1)}
    shares = {index: holder.pair.public for index, holder in holders.items()}
    return Committee(t, group.scale_base(group.scalar(key)), shares), holders


def play(
    session: Session, old: Committee, holders: dict[int, ShareHolder], faults: dict[int, str]
) -> tuple[Board, list[PrivateShare]]:
    """Run a re-sharing in which the old nodes of `faults` misbehave."""
    deals, sent, polynomials = [], [], {}
    victim = session.receivers[0]
    for index, holder in holders.items():
        fault = faults.get(index, "")
        used = holder
        if fault == "another constant":
            used = ShareHolder(index, modes.generate_key_pair())
        deal, shares, polynomials[index] = resharing.deal(session, used)
        if fault == "silent":
            continue
        deals.append(deal)
        bad = fault.startswith("bad share")
        sent += [
            replace(s, share=group.random_scalar()) if bad and s.receiver == victim else s
            for s in shares
        ]
    board = Board(tuple(deals))
    said = [
        c for at in session.receivers for c in resharing.complaints(session, old, at, board, sent)
    ]
    board = replace(board, complaints=tuple(said))
    answers = [
        answer
        for index, polynomial in polynomials.items()
        if faults.get(index) in {None, "bad share, answered"}
        for answer in resharing.reveals(session, index, polynomial, board)
    ]
    return replace(board, reveals=tuple(answers)), sent


@settings(max_examples=20)
@given(
    shape=st.sampled_from([((2, 3), (3, (1, 2, 3, 4, 5))), ((3, 5), (2, (2, 4, 6)))]),
    fault=st.sampled_from([None, *FAULTS]),
    faulty=st.integers(1, 3),
)
def test_the_key_survives_a_change_of_members(
    shape: tuple[tuple[int, int], tuple[int, tuple[int, ...]]], fault: str | None, faulty: int
) -> None:
    """New members with another threshold hold the same key, whatever one old node does."""
    old, holders = made(*shape[0])
    session = resharing.session_of(SESSION, old, threshold=shape[1][0], nodes=shape[1][1])
    board, sent = play(session, old, holders, {faulty: fault} if fault else {})
    results = [resharing.finish(session, old, at, board, sent) for at in session.receivers]
    committee = resharing.committee_of(session, old, board)
    assert all(found == committee for _, found in results)
    assert committee.public == old.public
    blinded = modes.blind(Mode.VOPRF, b"x")
    answers = [
        threshold.evaluate_share(holder, [blinded.element])
        for holder, _ in results[-committee.threshold :]
    ]
    found = threshold.finalize_shares(committee, [blinded], answers)
    assert found.outputs[0] == modes.evaluate_directly(Mode.VOPRF, KEY, b"x")


def test_old_and_new_shares_do_not_mix() -> None:
    """An old share beside a new one is a wrong share: departed members cannot help."""
    old, holders = made(2, 3)
    session = resharing.session_of(SESSION, old, threshold=2, nodes=(1, 2, 3))
    board, sent = play(session, old, holders, {})
    new, committee = resharing.finish(session, old, 1, board, sent)
    point = modes.blind(Mode.VOPRF, b"x").element
    answers = [threshold.evaluate_share(holder, [point]) for holder in (new, holders[2])]
    combined = threshold.combine(committee, [point], answers)
    assert [error.node for error in combined.wrong] == [2]
    mixed = shamir.recover({1: new.pair.secret, 2: holders[2].pair.secret})
    assert group.scale_base(mixed) != old.public


def test_too_few_old_nodes_change_nothing() -> None:
    """Fewer than the old t correct dealers are a refusal."""
    old, holders = made(2, 3)
    session = resharing.session_of(SESSION, old, threshold=2, nodes=(4, 5, 6))
    board, sent = play(session, old, holders, {1: "silent", 2: "another constant"})
    with pytest.raises(ProtocolError) as caught:
        resharing.finish(session, old, 4, board, sent)
    assert caught.value.code == "OPRF_RESHARING_FAILED"


def test_a_new_node_that_missed_its_complaint_says_so() -> None:
    """A new node without a share that fits has a reason, the others have the key."""
    old, holders = made(2, 3)
    session = resharing.session_of(SESSION, old, threshold=2, nodes=(1, 2, 3))
    board, sent = play(session, old, holders, {})
    without = [item for item in sent if (item.dealer, item.receiver) != (1, 3)]
    with pytest.raises(ProtocolError) as caught:
        resharing.finish(session, old, 3, board, without)
    assert caught.value.code == "OPRF_SHARE_MISSING"
    assert resharing.finish(session, old, 2, board, without)[1].public == old.public


def test_epochs_change_the_key_and_resharings_do_not() -> None:
    """A new epoch under the old key and a re-sharing to another key are both refused."""
    first, _ = made(2, 3)
    again, _ = made(3, 5)
    other, _ = made(2, 3, group.random_scalar())
    epoch = KeyEpoch(1, first)
    assert epoch.reshared(again) == KeyEpoch(1, again, 1)
    assert epoch.next(other) == KeyEpoch(2, other)
    for call, code in [
        (lambda: epoch.reshared(other), "OPRF_KEY_CHANGED"),
        (lambda: epoch.next(again), "OPRF_KEY_KEPT"),
    ]:
        with pytest.raises(ProtocolError) as caught:
            call()
        assert caught.value.code == code


def test_one_lookup_stays_in_one_epoch() -> None:
    """Ticket, evaluation and root of different key epochs make a lookup void."""
    assert require_one_epoch(ticket=3, evaluation=3, root=3) == 3
    for other in [(3, 3, 4), (3, 4, 3), (4, 3, 3)]:
        with pytest.raises(ProtocolError) as caught:
            require_one_epoch(ticket=other[0], evaluation=other[1], root=other[2])
        assert caught.value.code == "LOOKUP_EPOCHS_DIFFER"


def test_session_ids_differ_in_every_part() -> None:
    """Chain, contract, epoch, sharing and attempt each give another session."""
    base = (1, bytes(20), 1, 0, 1)
    changed = [(2, *base[1:]), (1, b"\x01" * 20, 1, 0, 1), (1, bytes(20), 2, 0, 1)]
    changed += [(1, bytes(20), 1, 1, 1), (1, bytes(20), 1, 0, 2)]
    assert len({session_id(*item) for item in [base, *changed]}) == 6
