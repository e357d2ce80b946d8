"""Which dealers of a run failed, and at what: from the board, so that all name the same.

A complaint that was answered with a share that fits names nobody: the dealer may have sent another
one in private, or the receiver may have lied, and no third party can tell.
"""

from __future__ import annotations

from dataclasses import dataclass

from node.crypto.oprf import board as boards
from node.crypto.oprf import generation, resharing
from node.crypto.oprf.board import Board, Fits, Session
from node.crypto.oprf.group import Element
from node.crypto.oprf.threshold import Committee


@dataclass(frozen=True, slots=True)
class Fault:
    """A dealer by its index, and what it did."""

    dealer: int
    says: str


def generation_faults(session: Session, board: Board) -> tuple[Fault, ...]:
    """Return who of a key generation did not stand, or did not open what it dealt."""
    found = _dealing_faults(session, board, generation.fits_pedersen)
    opened = boards.readable_deals(session, board.openings)
    for dealer in sorted(generation.exposed_dealers(session, board)):
        says = "opened another polynomial than it dealt" if dealer in opened else "did not open"
        found.append(Fault(dealer, says))
    return tuple(found)


def resharing_faults(session: Session, old: Committee, board: Board) -> tuple[Fault, ...]:
    """Return the old nodes that did not deal their own share correctly."""
    found = []
    readable = boards.readable_deals(session, board.deals)
    for dealer, commitments in readable.items():
        if commitments[0] != old.shares.get(dealer):
            found.append(Fault(dealer, "dealt another secret than its share"))
    kept = resharing.own_constants(old, board)
    wrong = {fault.dealer for fault in found}
    rest = _dealing_faults(session, kept, resharing.fits_feldman)
    return tuple(found + [fault for fault in rest if fault.dealer not in wrong])


def _dealing_faults(session: Session, board: Board, fits: Fits) -> list[Fault]:
    dealt = {item.dealer for item in board.deals if item.session == session.id}
    readable = boards.readable_deals(session, board.deals)
    standing = boards.qualified(session, board, fits)
    accused = boards.accusers(session, board)
    found = []
    for dealer in session.dealers:
        if dealer in standing:
            continue
        against = len(accused.get(dealer, set()))
        if dealer not in dealt:
            says = "posted no deal"
        elif dealer not in readable:
            says = "posted a deal that does not read"
        elif against >= session.threshold:
            says = f"sent {against} nodes no share that fits its deal"
        else:
            says = _unanswered(session, board, dealer, readable[dealer], fits)
        found.append(Fault(dealer, says))
    return found


def _unanswered(
    session: Session, board: Board, dealer: int, commitments: tuple[Element, ...], fits: Fits
) -> str:
    answers = {item.receiver: item for item in board.reveals if item.dealer == dealer}
    for accuser in sorted(boards.accusers(session, board).get(dealer, set())):
        if accuser not in answers:
            return f"did not answer the complaint of node {accuser}"
        if not boards.share_fits(fits, commitments, answers[accuser]):
            return f"answered node {accuser} with a share that does not fit its deal"
    return "was disqualified"
