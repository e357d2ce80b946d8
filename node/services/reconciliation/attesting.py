"""Signing a proof's result, and following what the ledger makes of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import msgspec
from sqlalchemy import func, select
from sqlalchemy.orm import Session, undefer

from node.agreements import Facts, final_block
from node.crypto.eip712 import ResultClaim
from node.identity import Identity, address_bytes
from node.services.reconciliation.agreed import last_agreed
from node.services.reconciliation.states import newest_attestation
from node.services.reconciliation.storing import COMPUTED, SUPERSEDED
from node.tables import AgreedResult, Attestation, Closing, Intent, ReportRow
from reconcile.model import ZERO32, ProtocolError, SectionDigest, Side, UsageError
from reconcile.report import section_digests

SIGNED: Final = "SIGNED"
ATTESTED: Final = "ATTESTED"
DIFFERS: Final = "DIFFERS"
OPEN_STATES: Final = (COMPUTED, SIGNED, ATTESTED, DIFFERS)
SINGLE_FLAG: Final = 1
DIGEST: Final = re.compile("[0-9a-f]{8,64}")


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed result, ready for `attest`."""

    side: Side
    args: tuple[object, ...]


def current_report(session: Session, agreement: bytes, window: int) -> ReportRow:
    """Return the proof that stands for a window; `UsageError` REPORT_NOT_COMPUTED."""
    row = session.execute(
        select(ReportRow)
        .where(
            ReportRow.agreement == agreement,
            ReportRow.window == window,
            ReportRow.state != SUPERSEDED,
        )
        .order_by(ReportRow.id.desc())
        .limit(1)
    ).scalar_one_or_none()
    if row is None:
        raise UsageError(
            "REPORT_NOT_COMPUTED",
            f"window {window} has no proof yet",
            help="it is computed once both sides closed the window: `kanhe reconcile`",
        )
    return row


def require_shown(row: ReportRow, shown: int | None, digest: str | None) -> None:
    """Refuse to sign another report than a person was shown; None: nobody was shown one.

    `shown` is its row, `digest` its digest in hex or the first eight digits or more. Raises
    `UsageError` DIGEST_MALFORMED, `ProtocolError` REPORT_MOVED.
    """
    wanted = None if digest is None else digest.lower().removeprefix("0x")
    if wanted is not None and not DIGEST.fullmatch(wanted):
        raise UsageError(
            "DIGEST_MALFORMED",
            f"{digest!r} names no report",
            help="give the digest, or its first eight hex digits, that `kanhe status` shows",
        )
    moved = wanted is not None and not row.digest.hex().startswith(wanted)
    if moved or (shown is not None and row.id != shown):
        raise ProtocolError(
            "REPORT_MOVED",
            f"window {row.window} was proven again since it was shown",
            help="look at the report that stands now, then sign that one",
        )


def sign_result(
    session: Session, identity: Identity, facts: Facts, row: ReportRow, *, single: bool
) -> Signed:
    """Sign a stored proof as APPROVER; keeps the signature with the report.

    Raises `ProtocolError` PREVIOUS_DIGEST_MOVED, HEAD_MOVED, ALREADY_ATTESTED, UsageError
    WINDOW_AGREED.
    """
    side = facts.our_side
    if side is None:
        raise UsageError("NOT_AGREEMENT_PARTY", "an observer attests nothing")
    _require_standing(session, facts, row)
    revision = _next_revision(session, facts, row, side)
    flags = SINGLE_FLAG if single else 0
    claim = ResultClaim(
        agreement=facts.agreement,
        side=side,
        window=row.window,
        revision=revision,
        servicer_head=row.servicer_head,
        owner_head=row.owner_head,
        digest=row.digest,
        previous_agreed_digest=row.previous_agreed_digest,
        flags=flags,
    )
    signature = identity.keys.approver.sign_digest(identity.place.ledger_domain.result(claim))
    row.revision, row.flags, row.state = revision, flags, SIGNED
    row.signature, row.signer = signature, address_bytes(identity.keys.approver)
    return Signed(
        side,
        (
            facts.agreement,
            int(side),
            row.window,
            revision,
            row.servicer_head,
            row.owner_head,
            row.previous_agreed_digest,
            row.digest,
            flags,
            signature,
        ),
    )


def _require_standing(session: Session, facts: Facts, row: ReportRow) -> None:
    agreed = last_agreed(session, facts.agreement)
    if agreed is not None and agreed.window >= row.window:
        raise UsageError("WINDOW_AGREED", f"window {row.window} is agreed already")
    if row.previous_agreed_digest != (ZERO32 if agreed is None else agreed.digest):
        raise ProtocolError(
            "PREVIOUS_DIGEST_MOVED",
            f"another window was agreed since the proof of window {row.window}",
            help="prove it again: `kanhe reconcile --window` that one",
        )
    for side, head in ((Side.SERVICER, row.servicer_head), (Side.OWNER, row.owner_head)):
        closing = session.get(Closing, (facts.agreement, int(side), row.window))
        if closing is None or closing.head != head:
            raise ProtocolError(
                "HEAD_MOVED",
                f"the {side.word}'s closing head is not the one the proof names",
                help="prove it again: `kanhe reconcile --window` that one",
            )
        if closing.block_number > final_block(session):
            raise ProtocolError(
                "WINDOW_NOT_FINAL",
                f"the {side.word}'s closing is not final yet",
                help="nothing unconfirmed is signed; try again in a few blocks",
            )


def _next_revision(session: Session, facts: Facts, row: ReportRow, side: Side) -> int:
    last = newest_attestation(session, facts.agreement, side, row.window)
    if (
        last is not None
        and last.digest == row.digest
        and (last.previous_agreed_digest == row.previous_agreed_digest)
    ):
        raise UsageError("ALREADY_ATTESTED", f"window {row.window} was attested with this digest")
    on_its_way = session.execute(
        select(func.count(Intent.id)).where(
            Intent.agreement == facts.agreement,
            Intent.side == int(side),
            Intent.kind == "attest",
            Intent.window == row.window,
            Intent.state.in_(("WAITING", "SIGNED", "HELD")),
        )
    ).scalar_one()
    if on_its_way:
        raise UsageError(
            "ATTESTATION_PENDING",
            f"an attestation of window {row.window} is on its way",
            help="wait until the ledger has it; see `kanhe status`",
        )
    return 1 if last is None else last.revision + 1


def anything_open(session: Session, agreement: bytes) -> bool:
    """Say whether a report's state may still move with the ledger."""
    found = session.execute(
        select(ReportRow.id)
        .where(ReportRow.agreement == agreement, ReportRow.state.in_(OPEN_STATES))
        .limit(1)
    )
    return found.first() is not None


def follow(session: Session, facts: Facts) -> tuple[int, list[tuple[ReportRow, SectionDigest]]]:
    """Bring reports' states in line with the final ledger.

    Returns how many moved, and the section digests to post for results that differ.
    """
    rows = session.execute(
        select(ReportRow).where(
            ReportRow.agreement == facts.agreement, ReportRow.state.in_(OPEN_STATES)
        )
    ).scalars()
    moved, to_post = 0, []
    for row in list(rows):
        state = _ledger_state(session, facts, row)
        if state == row.state:
            continue
        row.state = state
        moved += 1
        if state == DIFFERS:
            to_post.append((row, section_record(session, row)))
    return moved, to_post


def _ledger_state(session: Session, facts: Facts, row: ReportRow) -> str:
    final = final_block(session)
    agreed = session.get(AgreedResult, (facts.agreement, row.window))
    if agreed is not None and agreed.block_number <= final:
        return agreed.state if agreed.digest == row.digest else SUPERSEDED
    side = facts.our_side
    if side is None:
        return row.state
    mine = newest_attestation(session, facts.agreement, side, row.window)
    other = newest_attestation(session, facts.agreement, side.other, row.window)
    if not _counts(mine, row, final) or mine is None or mine.digest != row.digest:
        return row.state if row.state != DIFFERS else SIGNED
    row.attested_at_ms = mine.block_time_s * 1000
    differs = _counts(other, row, final) and other is not None and other.digest != row.digest
    return DIFFERS if differs else ATTESTED


def _counts(item: Attestation | None, row: ReportRow, final: int) -> bool:
    """Say whether an attestation is final and names the digest this proof went on from."""
    return (
        item is not None
        and item.block_number <= final
        and item.previous_agreed_digest == row.previous_agreed_digest
    )


def section_record(session: Session, row: ReportRow) -> SectionDigest:
    """Return the record that shows the other side where two reports differ."""
    body = session.execute(
        select(ReportRow).where(ReportRow.id == row.id).options(undefer(ReportRow.report))
    ).scalar_one()
    sections = section_digests(msgspec.json.decode(body.report))
    return SectionDigest(window=row.window, report_digest=row.digest, sections=tuple(sections))
