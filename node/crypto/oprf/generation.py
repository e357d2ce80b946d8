"""Distributed key generation: nobody ever holds the key (Gennaro, Jarecki, Krawczyk, Rabin 1999).

Each node deals a random polynomial under Pedersen commitments, which hide it; the dealers that
stand are fixed from these; only then does each open Feldman commitments, from which the public key
follows. The simpler scheme (Feldman commitments at once, "joint Feldman", Pedersen 1991) lets a
node that speaks last see the others' contributions and have dealers disqualified until the public
key has bits it likes; here the set is fixed while the contributions are still hidden, so the key is
uniform. The price is one more round. A dealer that fails to open is not dropped, which would bias
the key again, but opened by the others from their shares.

Assumed: fewer than t nodes collude (else they have the key), at least t are honest (else a dealer
that fails cannot be opened and the run ends without a key), and each phase ends at a block that
every honest node's messages reach. At n = 2t − 1 (2 of 3, 3 of 5) both hold for the same nodes.

    1. `deal`, `private_shares`        2. `complaints`        3. `reveals`
    4. `opening` (by who stands)       5. `exposures`         6. `finish`
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from node.crypto.oprf import board as boards
from node.crypto.oprf import group, shamir
from node.crypto.oprf.board import Board, Complaint, Deal, PrivateShare, Session
from node.crypto.oprf.group import Element, Randomness, Scalar
from node.crypto.oprf.shamir import Polynomial
from node.crypto.oprf.threshold import Committee, ShareHolder
from reconcile.model import ProtocolError, Where

#: A generator whose logarithm to G nobody knows: it is hashed to.
PEDERSEN_H: Final = group.hash_to_group(b"kanhe/dkg/h/1", b"kanhe-ristretto255-dkg")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One node's result: its share, the committee, and whose contributions the key holds."""

    holder: ShareHolder
    committee: Committee
    qualified: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Generation:
    """One node's state; it changes only by `receive`, everything else follows from the board."""

    session: Session
    index: int
    secret: Polynomial
    mask: Polynomial
    received: tuple[PrivateShare, ...] = ()

    @staticmethod
    def start(
        session: Session, index: int, *, randomness: Randomness = secrets.token_bytes
    ) -> Generation:
        """Draw this node's polynomials; dealers and receivers are the same nodes."""
        assert session.dealers == session.receivers, "in key generation everyone deals to everyone"
        assert index in session.dealers, "a node of the session starts it"
        degree = session.threshold - 1
        return Generation(
            session,
            index,
            shamir.random_polynomial(degree, randomness=randomness),
            shamir.random_polynomial(degree, randomness=randomness),
        )

    def __repr__(self) -> str:
        """Show who and where, never a polynomial."""
        return f"Generation(index={self.index}, received={len(self.received)})"

    def deal(self) -> Deal:
        """Return the Pedersen commitments to post."""
        pairs = zip(self.secret, self.mask, strict=True)
        hidden = tuple(_pedersen(coefficient, mask) for coefficient, mask in pairs)
        return Deal(self.session.id, self.index, hidden)

    def private_shares(self) -> tuple[PrivateShare, ...]:
        """Return a share for each receiver, itself included, to send over mutual TLS."""
        return tuple(self._share_for(receiver) for receiver in self.session.receivers)

    def receive(self, share: PrivateShare) -> Generation:
        """Return the state with one more share; a foreign or repeated one changes nothing."""
        foreign = share.session != self.session.id or share.receiver != self.index
        known = any(item.dealer == share.dealer for item in self.received)
        if foreign or known or share.dealer not in self.session.dealers:
            return self
        return replace(self, received=(*self.received, share))

    def complaints(self, board: Board) -> tuple[Complaint, ...]:
        """Return what to complain about, once the time for deals is over."""
        return boards.complaints_of(self.session, self.index, board, self.received, fits_pedersen)

    def reveals(self, board: Board) -> tuple[PrivateShare, ...]:
        """Return this node's answers to the complaints about it: the shares, in public."""
        against = boards.accusers(self.session, board).get(self.index, set())
        return tuple(self._share_for(accuser) for accuser in sorted(against))

    def opening(self, board: Board) -> Deal | None:
        """Return the Feldman commitments to post, if this node stands."""
        if self.index not in boards.qualified(self.session, board, fits_pedersen):
            return None
        return Deal(self.session.id, self.index, shamir.commit(self.secret))

    def exposures(self, board: Board) -> tuple[PrivateShare, ...]:
        """Return this node's shares of dealers that did not open, or opened something else.

        The shares fit the Pedersen commitments, so they accuse and reconstruct at once. Call again
        while new exposures appear: one honest exposure makes every honest node expose that dealer.
        """
        own = boards.final_shares(self.session, self.index, board, self.received)
        standing = boards.qualified(self.session, board, fits_pedersen)
        opened = boards.readable_deals(self.session, board.openings)
        exposed = exposed_dealers(self.session, board)
        return tuple(
            own[dealer]
            for dealer in sorted(standing)
            if dealer in own
            and (dealer in exposed or not _fits_feldman(opened[dealer], own[dealer]))
        )

    def finish(self, board: Board) -> Outcome:
        """Return the share and the committee; every honest node computes the same committee.

        Raises `ProtocolError` OPRF_GENERATION_FAILED where fewer than t dealers stand or an exposed
        one cannot be reconstructed from t shares.
        """
        standing = boards.qualified(self.session, board, fits_pedersen)
        if len(standing) < self.session.threshold:
            raise boards.below_threshold(
                "OPRF_GENERATION_FAILED", "dealers stand", len(standing), self.session.threshold
            )
        committee = _committee(self.session, board, tuple(standing))
        own = boards.final_shares(self.session, self.index, board, self.received)
        total = group.ZERO
        for dealer, commitments in standing.items():
            if dealer not in own or not boards.share_fits(fits_pedersen, commitments, own[dealer]):
                raise _share_missing(dealer)
            total = group.add(total, own[dealer].share)
        holder = ShareHolder.of(self.index, total)
        require_committed(holder, committee)
        return Outcome(holder, committee, tuple(standing))

    def _share_for(self, receiver: int) -> PrivateShare:
        return PrivateShare(
            self.session.id,
            self.index,
            receiver,
            shamir.share_of(self.secret, receiver),
            shamir.share_of(self.mask, receiver),
        )


def committee_of(session: Session, board: Board) -> Committee:
    """Return the committee that a finished board gives, for one who holds no share."""
    standing = tuple(boards.qualified(session, board, fits_pedersen))
    if len(standing) < session.threshold:
        raise boards.below_threshold(
            "OPRF_GENERATION_FAILED", "dealers stand", len(standing), session.threshold
        )
    return _committee(session, board, standing)


def require_committed(holder: ShareHolder, committee: Committee) -> None:
    """Refuse a share that the committee does not list: `ProtocolError` OPRF_SHARE_MISSING.

    It happens to a node whose complaint or exposure came too late.
    """
    if holder.pair.public != committee.shares[holder.index]:
        raise ProtocolError(
            "OPRF_SHARE_MISSING",
            f"the share of node {holder.index} is not the one that the board commits to",
            where=Where(field="shares"),
            help="The committee stands without this node; let a re-sharing give it a share.",
        )


def _committee(session: Session, board: Board, standing: Iterable[int]) -> Committee:
    opened = boards.readable_deals(session, board.openings)
    exposed = exposed_dealers(session, board)
    public, shares = group.IDENTITY, dict.fromkeys(session.receivers, group.IDENTITY)
    for dealer in standing:
        points = (
            _reconstructed(session, board, dealer)
            if dealer in exposed
            else {at: shamir.committed_share(opened[dealer], at) for at in session.receivers}
        )
        constant = points.pop(0) if dealer in exposed else opened[dealer][0]
        public = group.plus(public, constant)
        shares = {at: group.plus(shares[at], points[at]) for at in shares}
    return Committee(session.threshold, public, shares)


def exposed_dealers(session: Session, board: Board) -> set[int]:
    """Return the standing dealers without an opening, or whose opening a fitting share refutes."""
    standing = boards.qualified(session, board, fits_pedersen)
    opened = boards.readable_deals(session, board.openings)
    refuted = {
        item.dealer
        for item in board.exposures
        if item.session == session.id
        and item.receiver in session.receivers
        and item.dealer in standing
        and item.dealer in opened
        and boards.share_fits(fits_pedersen, standing[item.dealer], item)
        and not _fits_feldman(opened[item.dealer], item)
    }
    return refuted | (set(standing) - set(opened))


def _reconstructed(session: Session, board: Board, dealer: int) -> dict[int, Element]:
    """Return f(0) · G and f(j) · G of a dealer from t exposed shares; that polynomial is public."""
    commitments = boards.qualified(session, board, fits_pedersen)[dealer]
    shares: dict[int, Scalar] = {}
    for item in board.exposures:
        known = item.session == session.id and item.receiver in session.receivers
        fits = item.dealer == dealer and boards.share_fits(fits_pedersen, commitments, item)
        if known and fits:
            shares.setdefault(item.receiver, item.share)
    if len(shares) < session.threshold:
        raise boards.below_threshold(
            "OPRF_GENERATION_FAILED",
            f"shares of dealer {dealer} were exposed",
            len(shares),
            session.threshold,
        )
    chosen = tuple(sorted(shares))[: session.threshold]
    points = [group.scale_base(shares[at]) for at in chosen]
    wanted = (0, *session.receivers)
    return {at: group.weighted_sum(shamir.lagrange(chosen, at), points) for at in wanted}


def _pedersen(value: Scalar, mask: Scalar) -> Element:
    return group.plus(group.scale_base(value), group.scale(mask, PEDERSEN_H))


def fits_pedersen(commitments: tuple[Element, ...], given: PrivateShare) -> bool:
    """Say whether a share and its mask lie on what a deal commits to."""
    expected = shamir.committed_share(commitments, given.receiver)
    return hmac.compare_digest(_pedersen(given.share, given.mask), expected)


def _fits_feldman(commitments: tuple[Element, ...], given: PrivateShare) -> bool:
    expected = shamir.committed_share(commitments, given.receiver)
    return hmac.compare_digest(group.scale_base(given.share), expected)


def _share_missing(dealer: int) -> ProtocolError:
    return ProtocolError(
        "OPRF_SHARE_MISSING",
        f"this node has no share of dealer {dealer} that fits, and did not complain in time",
        help="The committee stands without this node; let a re-sharing give it a share.",
    )
