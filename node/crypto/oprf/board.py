"""What key generation and re-sharing have in common: deals, complaints, answers, and the verdict.

Shares travel off the ledger, over mutual TLS. Everything else is posted on it; the ledger's sender
is who a message names, the ledger's order is the board's order, and a message belongs to a phase by
its block: the caller hands over what came in time. So every node sees the same board and computes
the same verdict. Of two messages of the same kind from one sender about one matter, the first
counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from node.crypto.oprf import group, shamir
from node.crypto.oprf.group import Element, Scalar
from reconcile.model import ProtocolError, Where


@dataclass(frozen=True, slots=True)
class Session:
    """One run: its id (32 bytes, naming chain, contract and epoch), who deals, who receives.

    `threshold` is the receivers'; indices are from 1 and ascending.
    """

    id: bytes
    threshold: int
    dealers: tuple[int, ...]
    receivers: tuple[int, ...]

    def __post_init__(self) -> None:
        """Check the receivers' shape; raises `ProtocolError` OPRF_COMMITTEE_SHAPE."""
        shamir.require_shape(self.threshold, len(self.receivers))
        for indices in (self.dealers, self.receivers):
            assert list(indices) == sorted(set(indices)), "indices ascend"
            assert all(1 <= index <= shamir.MAX_NODES for index in indices), "indices are from 1"


@dataclass(frozen=True, slots=True)
class Deal:
    """A dealer's commitments to its polynomial, as posted."""

    session: bytes
    dealer: int
    commitments: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class PrivateShare:
    """A dealer's share for one receiver; it travels over mutual TLS and never on the ledger.

    As a posted answer to a complaint the same words are public. `mask` is zero in re-sharing.
    """

    session: bytes
    dealer: int
    receiver: int
    share: Scalar
    mask: Scalar = group.ZERO

    def __repr__(self) -> str:
        """Show whose it is, never the share."""
        return f"PrivateShare(dealer={self.dealer}, receiver={self.receiver})"


@dataclass(frozen=True, slots=True)
class Complaint:
    """A receiver's statement that its share is missing or does not fit the deal."""

    session: bytes
    accuser: int
    dealer: int


@dataclass(frozen=True, slots=True)
class Board:
    """What stands on the ledger, in its order; see `generation` for the last two."""

    deals: tuple[Deal, ...] = ()
    complaints: tuple[Complaint, ...] = ()
    reveals: tuple[PrivateShare, ...] = ()
    openings: tuple[Deal, ...] = ()
    exposures: tuple[PrivateShare, ...] = ()


Fits = Callable[[tuple[Element, ...], PrivateShare], bool]


def readable_deals(session: Session, deals: Iterable[Deal]) -> dict[int, tuple[Element, ...]]:
    """Return each dealer's first deal if it is well formed: t elements, none the identity."""
    found: dict[int, tuple[Element, ...] | None] = {}
    for deal in deals:
        if deal.session == session.id and deal.dealer in session.dealers:
            found.setdefault(deal.dealer, _read(session, deal.commitments))
    return {dealer: read for dealer, read in found.items() if read is not None}


def share_fits(fits: Fits, commitments: tuple[Element, ...], given: PrivateShare) -> bool:
    """Say whether a share fits; one that is no canonical scalar does not."""
    try:
        group.scalar(given.share)
        group.scalar(given.mask)
    except ProtocolError:
        return False
    return fits(commitments, given)


def complaints_of(
    session: Session, receiver: int, board: Board, received: Sequence[PrivateShare], fits: Fits
) -> tuple[Complaint, ...]:
    """Return a receiver's complaints: about every readable deal without a share that fits."""
    own = by_dealer(session, receiver, received)
    return tuple(
        Complaint(session.id, receiver, dealer)
        for dealer, commitments in sorted(readable_deals(session, board.deals).items())
        if dealer not in own or not share_fits(fits, commitments, own[dealer])
    )


def by_dealer(
    session: Session, receiver: int, received: Iterable[PrivateShare]
) -> dict[int, PrivateShare]:
    """Return the first share of this session that each dealer sent to the receiver."""
    found: dict[int, PrivateShare] = {}
    for item in received:
        if item.session == session.id and item.receiver == receiver:
            found.setdefault(item.dealer, item)
    return found


def accusers(session: Session, board: Board) -> dict[int, set[int]]:
    """Return who complained about each dealer; a receiver counts once, strangers not at all."""
    found: dict[int, set[int]] = {}
    for item in board.complaints:
        known = item.accuser in session.receivers and item.dealer in session.dealers
        if item.session == session.id and known:
            found.setdefault(item.dealer, set()).add(item.accuser)
    return found


def qualified(session: Session, board: Board, fits: Fits) -> dict[int, tuple[Element, ...]]:
    """Return the dealers that stand, with their commitments.

    A dealer is disqualified by a missing or malformed deal, by complaints of t receivers or more
    (at least one of them is honest, since fewer than t are not), or by one complaint that it did
    not answer with the share that fits its deal.
    """
    accused = accusers(session, board)
    answers = _answers(session, board)
    standing = {}
    for dealer, commitments in sorted(readable_deals(session, board.deals).items()):
        against = accused.get(dealer, set())
        given = [answers.get((dealer, accuser)) for accuser in against]
        answered = all(item and share_fits(fits, commitments, item) for item in given)
        if len(against) < session.threshold and answered:
            standing[dealer] = commitments
    return standing


def final_shares(
    session: Session, receiver: int, board: Board, received: Sequence[PrivateShare]
) -> dict[int, PrivateShare]:
    """Return the receiver's share of each dealer: the posted answer, else what came privately."""
    own = by_dealer(session, receiver, received)
    accused = accusers(session, board)
    for (dealer, answered), item in _answers(session, board).items():
        if answered == receiver and receiver in accused.get(dealer, set()):
            own[dealer] = item
    return own


def _answers(session: Session, board: Board) -> dict[tuple[int, int], PrivateShare]:
    found: dict[tuple[int, int], PrivateShare] = {}
    for item in board.reveals:
        if item.session == session.id:
            found.setdefault((item.dealer, item.receiver), item)
    return found


def _read(session: Session, commitments: Sequence[bytes]) -> tuple[Element, ...] | None:
    if len(commitments) != session.threshold:
        return None
    try:
        return tuple(group.element(item) for item in commitments)
    except ProtocolError:
        return None


def below_threshold(code: str, what: str, found: int, needed: int) -> ProtocolError:
    """Return the refusal of a run in which too few took part correctly."""
    return ProtocolError(
        code,
        f"{found} {what}, {needed} are needed",
        where=Where(field="board"),
        help="Start a new session without those that failed; no key was made or changed.",
    )
