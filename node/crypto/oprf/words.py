"""A run's words on the ledger: their bytes, and the board that those which came in time make up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from node.crypto.oprf.board import Board, Complaint, Deal, PrivateShare
from node.crypto.oprf.group import Scalar
from node.crypto.oprf.plan import MAX_COMMITTEE, Phase, Plan, Timeline

_MAX_ITEMS: Final = MAX_COMMITTEE * MAX_COMMITTEE


@dataclass(frozen=True, slots=True)
class Word:
    """What a member said in a phase of a run, and in which block; in the ledger's order."""

    member: int
    phase: int
    body: bytes
    block: int


class _Share(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    dealer: int
    receiver: int
    share: bytes
    mask: bytes


def pack_deal(deal: Deal) -> bytes:
    """Return a deal's or an opening's word: its commitments."""
    return msgspec.msgpack.encode(deal.commitments)


def pack_complaints(complaints: Sequence[Complaint]) -> bytes:
    """Return one word of all complaints of one receiver: the dealers' indices."""
    return msgspec.msgpack.encode([item.dealer for item in complaints])


def pack_shares(shares: Sequence[PrivateShare]) -> bytes:
    """Return one word of answers or exposures; the shares in it are public from then on."""
    rows = [_Share(item.dealer, item.receiver, item.share, item.mask) for item in shares]
    return msgspec.msgpack.encode(rows)


def board_of(plan: Plan, timeline: Timeline, words: Iterable[Word]) -> Board:
    """Return the board of a run: every word that reads, came in time, and speaks for its sender.

    What does not read counts as not said: who dealt it is disqualified as if it had kept silent.
    """
    session = plan.session.id
    deals: list[Deal] = []
    complaints: list[Complaint] = []
    reveals: list[PrivateShare] = []
    openings: list[Deal] = []
    exposures: list[PrivateShare] = []
    for word in words:
        if word.phase not in set(Phase) or word.block > timeline.ends(Phase(word.phase)):
            continue
        dealer, receiver = plan.dealer_index(word.member), plan.receiver_index(word.member)
        match Phase(word.phase):
            case Phase.DEAL | Phase.OPENING if dealer is not None:
                read = _commitments(word.body)
                target = deals if word.phase == Phase.DEAL else openings
                target.append(Deal(session, dealer, read))
            case Phase.COMPLAINT if receiver is not None:
                complaints += [Complaint(session, receiver, at) for at in _indices(word.body)]
            case Phase.REVEAL if dealer is not None:
                shares = _shares(session, word.body)
                reveals += [item for item in shares if item.dealer == dealer]
            case Phase.EXPOSURE if receiver is not None:
                shares = _shares(session, word.body)
                exposures += [item for item in shares if item.receiver == receiver]
            case _:
                continue
    return Board(tuple(deals), tuple(complaints), tuple(reveals), tuple(openings), tuple(exposures))


def _commitments(body: bytes) -> tuple[bytes, ...]:
    """Read commitments; none where the word does not read, which disqualifies its dealer."""
    try:
        return tuple(msgspec.msgpack.decode(body, type=list[bytes])[: MAX_COMMITTEE + 1])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ()


def _indices(body: bytes) -> list[int]:
    try:
        return msgspec.msgpack.decode(body, type=list[int])[:MAX_COMMITTEE]
    except (msgspec.DecodeError, UnicodeDecodeError, OverflowError):
        return []


def _shares(session: bytes, body: bytes) -> list[PrivateShare]:
    try:
        rows = msgspec.msgpack.decode(body, type=list[_Share])[:_MAX_ITEMS]
    except (msgspec.DecodeError, UnicodeDecodeError, OverflowError):
        return []
    return [
        PrivateShare(session, row.dealer, row.receiver, Scalar(row.share), Scalar(row.mask))
        for row in rows
    ]
