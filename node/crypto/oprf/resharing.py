"""The same key for another committee: members join or leave, k and the public key stay.

Each node of the old committee deals its own share by a polynomial of the new threshold under
Feldman commitments (Desmedt and Jajodia 1997, with Herzberg's verification); the constant
commitment must be that node's public share, which everybody knows. The new shares are Lagrange sums
of the dealt ones over the first t old dealers that stand. Feldman commitments give away only
what is public already, and no node's choice can move k, so the bias of joint Feldman has no
counterpart here. Old shares must be destroyed afterwards: t old ones still open everything.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence

from node.crypto.oprf import board as boards
from node.crypto.oprf import group, shamir
from node.crypto.oprf.board import Board, Complaint, Deal, PrivateShare, Session
from node.crypto.oprf.generation import require_committed
from node.crypto.oprf.group import Element, Randomness
from node.crypto.oprf.shamir import Polynomial
from node.crypto.oprf.threshold import Committee, ShareHolder
from reconcile.model import ProtocolError


def session_of(
    id: bytes,  # noqa: A002 - the field's name
    old: Committee,
    *,
    threshold: int,
    nodes: Sequence[int],
) -> Session:
    """Return the session in which `old` hands its key to `nodes`; raises OPRF_COMMITTEE_SHAPE."""
    return Session(id, threshold, tuple(sorted(old.shares)), tuple(sorted(nodes)))


def deal(
    session: Session, holder: ShareHolder, *, randomness: Randomness = secrets.token_bytes
) -> tuple[Deal, tuple[PrivateShare, ...], Polynomial]:
    """Return an old node's deal to post, the shares to send, and the polynomial for `reveals`."""
    polynomial = shamir.random_polynomial(
        session.threshold - 1, constant=holder.pair.secret, randomness=randomness
    )
    posted = Deal(session.id, holder.index, shamir.commit(polynomial))
    return posted, _shares(session, holder.index, polynomial, session.receivers), polynomial


def complaints(
    session: Session, old: Committee, receiver: int, board: Board, received: Sequence[PrivateShare]
) -> tuple[Complaint, ...]:
    """Return a new node's complaints; deals of another constant fall without one."""
    return boards.complaints_of(
        session, receiver, own_constants(old, board), received, fits_feldman
    )


def reveals(
    session: Session, dealer: int, polynomial: Polynomial, board: Board
) -> tuple[PrivateShare, ...]:
    """Return an old node's public answers to the complaints about it."""
    against = boards.accusers(session, board).get(dealer, set())
    return _shares(session, dealer, polynomial, tuple(sorted(against)))


def finish(
    session: Session, old: Committee, receiver: int, board: Board, received: Sequence[PrivateShare]
) -> tuple[ShareHolder, Committee]:
    """Return a new node's share and the new committee, under the old public key.

    Raises `ProtocolError` OPRF_RESHARING_FAILED where fewer than the old t dealers stand,
    OPRF_SHARE_MISSING where this node did not complain in time.
    """
    committee = committee_of(session, old, board)
    dealers = _chosen(session, old, board)
    own = boards.final_shares(session, receiver, board, received)
    weights = shamir.lagrange(tuple(dealers))
    total = group.ZERO
    for weight, (dealer, commitments) in zip(weights, dealers.items(), strict=True):
        if dealer not in own or not boards.share_fits(fits_feldman, commitments, own[dealer]):
            raise ProtocolError(
                "OPRF_SHARE_MISSING",
                f"this node has no share of dealer {dealer} that fits",
                help="The committee stands without this node; share the key once more.",
            )
        total = group.add(total, group.multiply(weight, own[dealer].share))
    holder = ShareHolder.of(receiver, total)
    require_committed(holder, committee)
    return holder, committee


def committee_of(session: Session, old: Committee, board: Board) -> Committee:
    """Return the new committee from the board alone."""
    dealers = _chosen(session, old, board)
    weights = shamir.lagrange(tuple(dealers))
    shares = {
        at: group.weighted_sum(
            weights, [shamir.committed_share(item, at) for item in dealers.values()]
        )
        for at in session.receivers
    }
    return Committee(session.threshold, old.public, shares)


def _chosen(session: Session, old: Committee, board: Board) -> dict[int, tuple[Element, ...]]:
    standing = boards.qualified(session, own_constants(old, board), fits_feldman)
    if len(standing) < old.threshold:
        raise boards.below_threshold(
            "OPRF_RESHARING_FAILED", "old nodes dealt correctly", len(standing), old.threshold
        )
    return {dealer: standing[dealer] for dealer in sorted(standing)[: old.threshold]}


def own_constants(old: Committee, board: Board) -> Board:
    """Return the board without deals whose constant is not the dealer's public share."""
    kept = tuple(
        item
        for item in board.deals
        if item.commitments and item.commitments[0] == old.shares.get(item.dealer)
    )
    return Board(kept, board.complaints, board.reveals)


def _shares(
    session: Session, dealer: int, polynomial: Polynomial, receivers: Sequence[int]
) -> tuple[PrivateShare, ...]:
    return tuple(
        PrivateShare(session.id, dealer, receiver, shamir.share_of(polynomial, receiver))
        for receiver in receivers
    )


def fits_feldman(commitments: tuple[Element, ...], given: PrivateShare) -> bool:
    """Say whether a share lies on what a deal commits to, and carries no mask."""
    expected = shamir.committed_share(commitments, given.receiver)
    plain = hmac.compare_digest(given.mask, group.ZERO)
    return plain and hmac.compare_digest(group.scale_base(given.share), expected)
