"""Settling: a reader's confirmed hits of a period, signed by the committee, paid by the contract.

A member of the committee signs one settlement of (reader, period), and counts an entry of one
reader once for ever: whoever asks again with other attestations is refused. Its word is kept in
the transaction in which it is given. A hit counts with the countersignatures of as many nodes as
evaluate together: a ticket that was bought and never used pays nobody.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from node.blacklist import current_key_epoch, newest_sharing, ticket_range
from node.committees import reach_threshold
from node.errors import Conflict, NotAllowed
from node.keyholders import holds_key, was_key
from node.peers.client import PREFIX
from node.screening.countersigning import (
    Countersigned,
    Signers,
    countersigners,
    read_countersigned,
    used_tickets,
)
from node.screening.releases import HitVerdict, read_attestation
from node.screening.settlements import (
    MAX_ATTESTATIONS,
    ReadAttestation,
    Settled,
    period_of,
    settle_attestations,
)
from node.services.screening.attesting import AttestingActs
from node.tables import (
    CountedAttestation,
    ListedEntry,
    OwnAttestation,
    Settlement,
    SignedSettlement,
)
from reconcile.model import KanheError, OutsideError, ProtocolError, Where

SETTLE: Final = "blacklist/settlement"


class _Asked(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    period: int
    envelopes: list[bytes]
    countersigned: list[Countersigned]


class SettlingActs(AttestingActs):
    """A reader's and a committee member's part in settling a period."""

    # ------------------------------------------------------------------------- the reader
    def settle_period(self, period: int | None = None, *, actor: str = "node") -> Settled:
        """Settle our confirmed hits of a period that is over; the last one by default.

        Asks the committee's nodes until t of them signed. Raises `Conflict` PERIOD_NOT_OVER,
        SETTLED_ALREADY, `ProtocolError` SETTLEMENT_EMPTY, `OutsideError` SETTLEMENT_UNSIGNED.
        """
        with self._writing() as session:
            member, now = self._identity.require_member(session), self._now(session)
            current = period_of(now.time_s)
            chosen = current - 1 if period is None else period
            if chosen >= current:
                raise Conflict("PERIOD_NOT_OVER", f"period {chosen} is not over yet")
            if session.get(Settlement, (member, chosen)) is not None:
                raise Conflict("SETTLED_ALREADY", f"period {chosen} is settled")
            confirmed = self._confirmed(session, member, chosen)
            envelopes = [row.envelope for row in confirmed]
            settled = _settled(session, member, chosen, envelopes)
            epoch = newest_sharing(session, current_key_epoch(session, now))
            committee = [] if epoch is None else [m for m in epoch.members if m != member]
            threshold = 0 if epoch is None else epoch.threshold
        asked = _Asked(chosen, envelopes, _countersigned(confirmed))
        signed = self._signatures(committee, threshold, asked)
        with self._writing() as session:
            signatures = [signed[member] for member in sorted(signed)]
            self._calls.settle_period(
                session, chosen, member, settled.root, settled.rows, signatures
            )
            self._act(session, actor, "settle-period", str(chosen), rows=str(len(settled.rows)))
        return settled

    def _confirmed(self, session: Session, member: int, period: int) -> list[OwnAttestation]:
        """Return the period's confirmed hits; at the first asking they are told off for it."""
        confirmed = select(OwnAttestation).where(
            OwnAttestation.verdict == str(HitVerdict.CONFIRMED),
            OwnAttestation.countersigned.is_not(None),
        )
        ordered = confirmed.order_by(OwnAttestation.ticket, OwnAttestation.entry)
        rows = list(session.scalars(ordered.where(OwnAttestation.period == period)))
        if not rows:
            in_period = _ticket_periods(session, member)
            free = session.scalars(ordered.where(OwnAttestation.period.is_(None))).all()
            rows = [row for row in free if in_period(row.ticket) == period]
            for row in rows:
                row.period = period
        return rows

    def _signatures(
        self, committee: Sequence[int], threshold: int, asked: _Asked
    ) -> dict[int, bytes]:
        """Ask members until t signed; one that refuses or is away is passed over."""
        body = msgspec.msgpack.encode(asked)
        signed: dict[int, bytes] = {}
        said: list[str] = []
        for member in committee:
            if len(signed) == threshold:
                break
            try:
                signed[member] = self._require_peers().client.call(member, PREFIX + SETTLE, body)
            except KanheError as error:
                said.append(f"member {member}: {error.code}, {error.message}")
        if not threshold or len(signed) < threshold:
            raise OutsideError(
                "SETTLEMENT_UNSIGNED",
                f"{len(signed)} of {threshold} signed the settlement ({'; '.join(said) or 'none'})",
                help="try again once the committee's nodes answer; nothing was sent",
            )
        return signed

    # ------------------------------------------------------------------------- the committee
    def sign_settlement(self, data: bytes, *, reader: int) -> bytes:
        """Sign a reader's settlement as a member of the committee, once a period.

        What is cheap to refuse is refused before signatures are recovered, and these are of
        tickets that the reader bought and names, one item a ticket. Raises `ProtocolError`
        SETTLEMENT_*, COUNTERSIGNATURE_MALFORMED, `NotAllowed` NOT_COMMITTEE_MEMBER, `Conflict`
        PERIOD_NOT_OVER, SETTLEMENT_SIGNED, HIT_COUNTED.
        """
        try:
            asked = msgspec.msgpack.decode(data, type=_Asked)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise ProtocolError("SETTLEMENT_FALSE", "the message is no settlement") from None
        if len(asked.countersigned) > MAX_ATTESTATIONS:
            raise ProtocolError("SETTLEMENT_TOO_LARGE", "too many tickets are countersigned")
        domain = self._identity.place.lookups_domain
        # Thousands of signatures are recovered once, and before the lock of writers is held.
        read = functools.cache(read_attestation)
        with self._reading() as session:
            self._require_signing(session, reader, asked.period)
            settled = _settled(session, reader, asked.period, asked.envelopes, read)
        _require_one_a_ticket(asked.countersigned, settled)
        shown = [(item, countersigners(domain, reader, item)) for item in asked.countersigned]
        with self._writing() as session:
            self._require_signing(session, reader, asked.period)
            # Read again: a fork may have taken a ticket or an entry back meanwhile.
            settled = _settled(session, reader, asked.period, asked.envelopes, read)
            _require_used(session, settled, shown)
            digest = settled.digest(self._identity.place.points_domain)
            self._count(session, settled, [read(one)[0].entry for one in asked.envelopes], digest)
            self._act(session, f"peer:{reader}", "settlement-sign", str(asked.period))
            return self._identity.keys.approver.sign_digest(digest)

    def _require_signing(self, session: Session, reader: int, period: int) -> None:
        """Refuse to sign unless this node is of the committee, and the period is over."""
        member, now = self._identity.require_member(session), self._now(session)
        epoch = newest_sharing(session, current_key_epoch(session, now))
        if epoch is None or member not in epoch.members or member == reader:
            raise NotAllowed("NOT_COMMITTEE_MEMBER", "this node signs no settlement of yours")
        if period >= period_of(now.time_s):
            raise Conflict("PERIOD_NOT_OVER", f"period {period} is not over yet")

    def _count(
        self, session: Session, settled: Settled, entries: Sequence[bytes], digest: bytes
    ) -> None:
        standing = session.get(SignedSettlement, (settled.reader, settled.period))
        if standing is not None:
            if standing.digest != digest:
                raise Conflict(
                    "SETTLEMENT_SIGNED", f"another settlement of period {settled.period} was signed"
                )
            return
        for entry in entries:
            if session.get(CountedAttestation, (settled.reader, entry)) is not None:
                raise Conflict(
                    "HIT_COUNTED", "an entry was counted for this reader before: each once"
                )
            session.add(
                CountedAttestation(reader=settled.reader, entry=entry, period=settled.period)
            )
        session.add(
            SignedSettlement(
                reader=settled.reader,
                period=settled.period,
                digest=digest,
                signed_at_ms=self._identity.clock(),
            )
        )
        session.flush()

    def handlers(self) -> Mapping[str, Callable[[int, bytes], bytes]]:
        """Return what other members' nodes may ask, by word."""
        return {
            **super().handlers(),
            SETTLE: lambda member, body: self.sign_settlement(body, reader=member),
        }


def _countersigned(rows: Sequence[OwnAttestation]) -> list[Countersigned]:
    """Return what shows that each hit's ticket was used, once a ticket."""
    found = {row.ticket: row.countersigned for row in rows}
    return [read_countersigned(data) for data in found.values() if data is not None]


def _require_used(
    session: Session, settled: Settled, shown: Sequence[tuple[Countersigned, Signers]]
) -> None:
    """Refuse a settlement of tickets that no committee evaluated for this reader."""
    used = used_tickets(
        shown,
        was_key_of=lambda member, key: was_key(session, member, key),
        reaches=lambda key_epoch, members: reach_threshold(session, key_epoch, members),
    )
    unused = sorted(settled.tickets - used)
    if unused:
        more = f", nor were {len(unused) - 1} more" if unused[1:] else ""
        raise ProtocolError(
            "SETTLEMENT_UNUSED_TICKET",
            f"ticket {unused[0]} was not evaluated by as many nodes as evaluate together{more}",
            where=Where(field="countersigned"),
            help="Nothing of this period was signed; a receipt holds the countersignatures.",
        )


def _require_one_a_ticket(countersigned: Sequence[Countersigned], settled: Settled) -> None:
    """Refuse what is countersigned twice, and for tickets that the attestations do not name."""
    tickets = [item.ticket for item in countersigned]
    if len(set(tickets)) != len(tickets) or not settled.tickets.issuperset(tickets):
        raise ProtocolError(
            "SETTLEMENT_FALSE",
            "a ticket is countersigned twice, or is none of the attestations'",
            where=Where(field="countersigned"),
            help="Nothing of this period was signed.",
        )


def _settled(
    session: Session,
    reader: int,
    period: int,
    envelopes: Sequence[bytes],
    read: ReadAttestation = read_attestation,
) -> Settled:
    return settle_attestations(
        period,
        reader,
        envelopes,
        is_reader_key=lambda key: holds_key(session, reader, key),
        ticket_period=_ticket_periods(session, reader),
        posted=lambda entry: _posted(session, entry),
        read=read,
    )


def _posted(session: Session, entry: bytes) -> tuple[int, int] | None:
    row = session.get(ListedEntry, entry)
    return None if row is None else (row.uploader, row.posted_at_s)


def _ticket_periods(session: Session, reader: int) -> Callable[[int], int | None]:
    """Return in which period a reader bought a lookup ticket; None for any other ticket."""

    def found(ticket: int) -> int | None:
        row = ticket_range(session, ticket)
        if row is None or (row.member, row.kind) != (reader, "LOOKUP"):
            return None
        return period_of(row.block_time_s)

    return found
