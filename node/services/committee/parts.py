"""What this node knows in a run: its polynomials, sealed in a row, and the shares it was sent.

A polynomial is drawn once a run, in the transaction that asks for the deal's word: drawn again
after a crash it would be a second deal, and the first one counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from node.committees import Run
from node.crypto.oprf import resharing, shamir
from node.crypto.oprf.board import Complaint, Deal, PrivateShare
from node.crypto.oprf.generation import Generation
from node.crypto.oprf.group import Scalar
from node.crypto.oprf.shamir import Polynomial
from node.crypto.oprf.threshold import Committee, ShareHolder
from node.keyring import KeyRing
from node.tables import CommitteeRun, DealtShare


class _Polynomials(msgspec.Struct, array_like=True):
    secret: list[bytes]
    mask: list[bytes]


@dataclass(frozen=True, slots=True)
class Part:
    """A node's part in a run: what it dealt (None: nothing) and what it was sent.

    `old` is the committee that deals, in a re-sharing.
    """

    run: Run
    member: int
    secret: Polynomial | None
    mask: Polynomial
    received: tuple[PrivateShare, ...]
    old: Committee | None

    def __repr__(self) -> str:
        """Show whose it is, never a polynomial or a share."""
        return f"Part(member={self.member}, received={len(self.received)})"

    @property
    def dealer(self) -> int | None:
        """Return this node's index among the dealers."""
        return self.run.plan.dealer_index(self.member)

    @property
    def receiver(self) -> int | None:
        """Return this node's index among the receivers."""
        return self.run.plan.receiver_index(self.member)

    def deal(self) -> Deal:
        """Return what this node posts as its deal."""
        assert self.secret is not None
        assert self.dealer is not None
        if self.old is None:
            return self._generation().deal()
        return Deal(self.run.plan.session.id, self.dealer, shamir.commit(self.secret))

    def shares(self, receivers: Sequence[int]) -> tuple[PrivateShare, ...]:
        """Return the shares of this node's deal for these receivers."""
        assert self.secret is not None
        assert self.dealer is not None
        session = self.run.plan.session
        zero = self.old is not None
        return tuple(
            PrivateShare(
                session.id,
                self.dealer,
                at,
                shamir.share_of(self.secret, at),
                *(() if zero else (shamir.share_of(self.mask, at),)),
            )
            for at in receivers
        )

    def complaints(self) -> tuple[Complaint, ...]:
        """Return this receiver's complaints about the deals that stand."""
        assert self.receiver is not None
        board, session = self.run.board, self.run.plan.session
        if self.old is None:
            return self._generation().complaints(board)
        return resharing.complaints(session, self.old, self.receiver, board, self.received)

    def reveals(self) -> tuple[PrivateShare, ...]:
        """Return this dealer's public answers to complaints about it."""
        if self.secret is None or self.dealer is None:
            return ()
        if self.old is None:
            return self._generation().reveals(self.run.board)
        session = self.run.plan.session
        return resharing.reveals(session, self.dealer, self.secret, self.run.board)

    def opening(self) -> Deal | None:
        """Return this dealer's opening, if it dealt and stands."""
        if self.secret is None or self.old is not None:
            return None
        return self._generation().opening(self.run.board)

    def exposures(self) -> tuple[PrivateShare, ...]:
        """Return this node's shares of dealers that did not open what they dealt."""
        if self.old is not None or self.receiver is None:
            return ()
        return self._generation().exposures(self.run.board)

    def finish(self) -> tuple[ShareHolder, Committee]:
        """Return this receiver's share and the committee; raises the run's own errors."""
        assert self.receiver is not None
        board, session = self.run.board, self.run.plan.session
        if self.old is None:
            outcome = self._generation().finish(board)
            return outcome.holder, outcome.committee
        return resharing.finish(session, self.old, self.receiver, board, self.received)

    def _generation(self) -> Generation:
        assert self.receiver is not None
        return Generation(
            self.run.plan.session, self.receiver, self.secret or (), self.mask, self.received
        )


def load_part(
    session: Session, ring: KeyRing, row: CommitteeRun, run: Run, member: int, old: Committee | None
) -> Part:
    """Return what this node knows in a run; raises `ProtocolError` VAULT_NOT_OPENED."""
    secret: Polynomial | None = None
    mask: Polynomial = ()
    if row.secret is not None:
        opened = msgspec.msgpack.decode(
            ring.open_bytes(row.secret, _run_label(row.run)), type=_Polynomials
        )
        secret = tuple(Scalar(item) for item in opened.secret)
        mask = tuple(Scalar(item) for item in opened.mask)
    rows = session.scalars(
        select(DealtShare).where(DealtShare.run == row.run).order_by(DealtShare.dealer)
    )
    received = tuple(_open_share(ring, item, run, member) for item in rows)
    return Part(run, member, secret, mask, received, old)


def draw(ring: KeyRing, row: CommitteeRun, run: Run, holder: ShareHolder | None) -> None:
    """Draw this node's polynomials into its row; a re-sharing deals `holder`'s own share."""
    degree = run.plan.threshold - 1
    if holder is None:
        secret, mask = shamir.random_polynomial(degree), shamir.random_polynomial(degree)
    else:
        secret, mask = shamir.random_polynomial(degree, constant=holder.pair.secret), ()
    packed = msgspec.msgpack.encode(_Polynomials(list(secret), list(mask)))
    row.secret = ring.seal_bytes(packed, _run_label(row.run))


def keep_share(
    session: Session, ring: KeyRing, share: PrivateShare, *, now_ms: int
) -> PrivateShare:
    """Keep the first share of a dealer; return the one that counts."""
    row = session.get(DealtShare, (share.session, share.dealer))
    if row is not None:
        opened = ring.open_bytes(row.sealed, _share_label(share.session, share.dealer))
        return _share(share.session, share.dealer, share.receiver, opened)
    sealed = ring.seal_bytes(
        bytes(share.share) + bytes(share.mask), _share_label(share.session, share.dealer)
    )
    session.add(
        DealtShare(run=share.session, dealer=share.dealer, sealed=sealed, received_at_ms=now_ms)
    )
    session.flush()
    return share


def forget(session: Session, row: CommitteeRun) -> None:
    """Take polynomials and received shares out of the database: the run needs them no more."""
    row.secret = None
    for item in session.scalars(select(DealtShare).where(DealtShare.run == row.run)):
        session.delete(item)
    session.flush()


def _open_share(ring: KeyRing, row: DealtShare, run: Run, member: int) -> PrivateShare:
    opened = ring.open_bytes(row.sealed, _share_label(row.run, row.dealer))
    receiver = run.plan.receiver_index(member)
    assert receiver is not None, "only a receiver is sent shares"
    return _share(row.run, row.dealer, receiver, opened)


def _share(run: bytes, dealer: int, receiver: int, data: bytes) -> PrivateShare:
    half = len(data) // 2
    return PrivateShare(run, dealer, receiver, Scalar(data[:half]), Scalar(data[half:]))


def _run_label(run: bytes) -> bytes:
    return b"committee-run/" + run


def _share_label(run: bytes, dealer: int) -> bytes:
    return b"dealt-share/" + run + bytes([dealer])
