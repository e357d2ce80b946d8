"""Evaluating for readers and uploaders: checked, counted and logged before the answer leaves.

Each item of a request stands alone: what is refused costs the others nothing. The rows of what is
accepted are committed in one transaction before anything is evaluated, so that a node that is
killed at any line has never answered what it does not remember. The same ticket with the same
element is answered again without counting; with another one it is refused for ever.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from node.blacklist import Now, current_key_epoch, now_of, state_of, ticket_range
from node.committees import EpochCommittee
from node.crypto.eip712 import Domain
from node.crypto.oprf import group, threshold
from node.crypto.oprf.threshold import ShareHolder
from node.crypto.signer import recover_address
from node.keyholders import is_active, trust_of
from node.screening.consents import (
    Level,
    Purpose,
    Trust,
    Use,
    check_blind_consent,
    consent_key,
    evaluation_digest,
)
from node.screening.evaluations import Asked, NodeAnswer, Refused
from node.screening.states import DAY_S, EntryState
from node.services.committee.caps import Counted, count, counted_today
from node.services.committee.remembering import forgets_to, require_remembered
from node.tables import (
    Evaluation,
    EvaluationRefusal,
    Incident,
    ListedEntry,
    RecordedConsent,
)
from reconcile.model import ZERO32, KanheError, ProtocolError, Where

#: So many refusals of one member are kept a day; the rest is refused all the same.
MAX_REFUSALS_A_DAY: Final = 4_000
LOOKUP: Final = "LOOKUP"
OWN_RECORD: Final = "OWN_RECORD"
DOUBLE_USE: Final = "TICKET_TWICE"
#: States in which an entry has or gets a leaf.
LIVE: Final = frozenset(
    {
        EntryState.TICKETED,
        EntryState.UNTAGGED,
        EntryState.LISTED,
        EntryState.DISPUTED,
        EntryState.SUSPENDED,
    }
)

_STANDING: Final = select(Evaluation).where(Evaluation.subject == bindparam("subject"))
_BOUND: Final = (
    select(Evaluation.blinded).where(Evaluation.consent == bindparam("consent")).limit(1)
)


@dataclass(frozen=True, slots=True)
class Desk:
    """What the checks of one request work with."""

    session: Session
    domain: Domain
    epoch: EpochCommittee
    current: int
    now: Now
    now_ms: int
    trust: Trust
    #: Blocks up to which this database may have forgotten what was evaluated; -1 for none.
    forgets_to: int = -1

    @property
    def day(self) -> int:
        """Return the chain's day, which caps and logs go by."""
        return self.now.time_s // DAY_S


def note_all(desk: Desk, reader: int, items: Sequence[Asked]) -> tuple[list[int], list[Refused]]:
    """Check every item and write its row; return the accepted positions and the others' reasons.

    Raises `ProtocolError` MEMBER_NOT_ACTIVE or KEY_EPOCH_NOT_USABLE for the whole request.
    """
    if not is_active(desk.session, reader):
        raise _refuse("MEMBER_NOT_ACTIVE", "reader", f"member {reader} is not active")
    counted = counted_today(desk.session, desk.epoch, reader, desk.day)
    room: int | None = None
    accepted: list[int] = []
    refused: list[Refused] = []
    for position, item in enumerate(items):
        try:
            _note(desk, reader, item, counted)
            accepted.append(position)
        except KanheError as error:
            refused.append(Refused(position, error.code, error.message))
            if room is None:
                room = MAX_REFUSALS_A_DAY - _refusals_today(desk, reader)
            if len(refused) <= room:
                _log_refusal(desk, reader, item, error)
    desk.session.flush()
    return accepted, refused


def evaluate(
    holder: ShareHolder, items: Sequence[Asked], accepted: Sequence[int], refused: list[Refused]
) -> NodeAnswer:
    """Evaluate what was accepted, with one proof of exactly that."""
    blinded = [item.blinded for item in items]
    answer = threshold.evaluate_share(holder, blinded, accepted=accepted)
    return NodeAnswer(answer, tuple(refused))


def _note(desk: Desk, reader: int, item: Asked, counted: Counted) -> None:
    """Check an item, in this order: element, signature, right, double use, caps."""
    group.element(item.blinded, "blinded")
    subject, name = _subject(desk, item)
    _require_signature(desk, reader, item, name)
    level = 0
    if item.entry is not None:
        _require_entry(desk, reader, item.entry)
    else:
        level = _require_lookup(desk, reader, item, name)
    hashed = hashlib.sha256(item.blinded).digest()
    standing = desk.session.scalars(_STANDING, {"subject": subject}).first()
    if standing is not None:
        _require_same(desk, standing, item, hashed, name)
        return
    require_remembered(desk.session, item, desk.epoch.key_epoch, desk.forgets_to)
    own = item.entry is None and item.purpose is Purpose.OWN_RECORD
    count(counted, own=own)
    desk.session.add(
        Evaluation(
            day=desk.day,
            at_s=desk.now.time_s,
            subject=subject,
            reader=reader,
            ticket=item.ticket,
            consent=name,
            blinded=hashed,
            key_epoch=desk.epoch.key_epoch,
            level=level,
            own_record=own,
            signature=item.signature,
        )
    )
    desk.session.flush()


def _subject(desk: Desk, item: Asked) -> tuple[str, bytes]:
    """Return what one element is for, and what the reader signed in the consent's place."""
    if item.entry is not None:
        if item.ticket:
            raise _refuse("TICKET_FOREIGN", "ticket", "a listing names its entry, not a ticket")
        return f"entry/{item.entry.hex()}/{desk.epoch.key_epoch}", item.entry
    assert item.consent is not None, "a request's items name one or the other"
    return f"ticket/{item.ticket}", item.consent.consent.digest(desk.domain)


def _require_signature(desk: Desk, reader: int, item: Asked, name: bytes) -> None:
    digest = evaluation_digest(
        desk.domain,
        ticket=item.ticket,
        blinded=item.blinded,
        consent=name,
        key_epoch=desk.epoch.key_epoch,
    )
    signer = recover_address(digest, item.signature)
    if not desk.trust.is_key_of(reader, signer):
        raise _refuse(
            "EVALUATION_SIGNATURE",
            "signature",
            f"ticket, element, consent and key epoch are not signed by member {reader}",
        )


def _require_entry(desk: Desk, reader: int, entry: bytes) -> None:
    """A listing ticket stands: the stake and the commitment came first, on the ledger."""
    row = desk.session.get(ListedEntry, entry)
    if row is None or row.uploader != reader:
        raise _refuse("ENTRY_FOREIGN", "entry", "no such entry of this member is on the ledger")
    state = state_of(desk.session, row, desk.now)
    if state not in LIVE:
        raise _refuse("ENTRY_NOT_LIVE", "entry", f"the entry is {state.name}")
    # A ticket's state does not look at its last day, from which the days of an audit are counted.
    if desk.day > row.ends_day:
        raise _refuse("ENTRY_NOT_LIVE", "entry", "the entry's last day is over")


def _require_lookup(desk: Desk, reader: int, item: Asked, digest: bytes) -> int:
    """Ticket and consent allow this lookup; return the level that counts."""
    if desk.epoch.key_epoch != desk.current:
        raise _refuse(
            "KEY_EPOCH_NOT_USABLE",
            "key_epoch",
            f"lookups use key epoch {desk.current}, not {desk.epoch.key_epoch}",
        )
    kind = _ticket_kind(desk.session, reader, item.ticket)
    own = item.purpose is Purpose.OWN_RECORD
    if own != (kind == OWN_RECORD):
        raise _refuse("TICKET_KIND", "ticket", f"a ticket of kind {kind} is not for this purpose")
    assert item.consent is not None, "a lookup names its consent"
    recorded = desk.session.get(RecordedConsent, consent_key(reader, digest))
    signed = item.consent
    if recorded is None:
        raise _refuse(
            "CONSENT_NOT_RECORDED", "consent", "the consent is not on the ledger by this reader"
        )
    if (recorded.level, recorded.valid_to_s) != (signed.consent.level, signed.consent.valid_to_s):
        raise _refuse("CONSENT_NOT_RECORDED", "consent", "the consent was recorded otherwise")
    bound = desk.session.scalars(_BOUND, {"consent": digest}).first()
    use = Use(
        reader,
        item.purpose,
        item.scope,
        desk.now.time_s,
        None,
        item.blinded,
        bound,
        recorded.revoked_at_s is not None,
    )
    effect = check_blind_consent(signed, use, desk.domain, desk.trust)
    if own and effect.level < Level.PERSON:
        # Free lookups on anybody else's word, an authority's clerk's too, would not be metered.
        raise _refuse("CONSENT_LEVEL", "level", "a query about herself is signed by the person")
    return int(effect.level)


def _ticket_kind(session: Session, reader: int, ticket: int) -> str:
    row = ticket_range(session, ticket)
    if row is None or row.member != reader:
        raise _refuse("TICKET_UNKNOWN", "ticket", f"ticket {ticket} was not bought by this member")
    if row.kind not in {LOOKUP, OWN_RECORD}:
        raise _refuse("TICKET_KIND", "ticket", f"a ticket of kind {row.kind} is for no lookup")
    return row.kind


def _require_same(
    desk: Desk, standing: Evaluation, item: Asked, hashed: bytes, name: bytes
) -> None:
    """Answer the same again; another element is a double use, and kept with both signatures."""
    place = "ticket" if item.ticket else "entry"
    if standing.blinded != hashed:
        _keep_double_use(desk, standing, item, hashed, name)
        raise _refuse(
            "TICKET_OTHER_ELEMENT", place, f"this {place} was used with another element before"
        )
    if standing.consent != name or standing.key_epoch != desk.epoch.key_epoch:
        raise _refuse(
            "TICKET_OTHER_ELEMENT",
            place,
            f"this {place} was used with another consent or key epoch before",
        )


def _keep_double_use(
    desk: Desk, standing: Evaluation, item: Asked, hashed: bytes, name: bytes
) -> None:
    # Two signatures prove it: a third element proves no more, and there may be any number.
    fingerprint = f"{DOUBLE_USE}/{standing.subject}"
    known = select(Incident.id).where(Incident.fingerprint == fingerprint)
    if desk.session.scalar(known) is not None:
        return
    first = (standing.blinded, standing.consent, standing.key_epoch, standing.signature)
    second = (hashed, name, desk.epoch.key_epoch, item.signature)
    desk.session.add(
        Incident(
            kind=DOUBLE_USE,
            fingerprint=fingerprint,
            says=f"member {standing.reader} signed two elements for {standing.subject}. Both "
            "signatures are kept: they prove it to anybody.",
            evidence={
                "ticket": str(standing.ticket),
                "uses": [
                    {
                        "blinded": blinded.hex(),
                        "consent": consent.hex(),
                        "key_epoch": str(epoch),
                        "signature": signature.hex(),
                    }
                    for blinded, consent, epoch, signature in (first, second)
                ],
            },
            stops_signing=False,
            opened_at_ms=desk.now_ms,
        )
    )
    desk.session.flush()


def _refusals_today(desk: Desk, reader: int) -> int:
    since_ms = desk.now_ms - DAY_S * 1_000
    found = select(func.count()).where(
        EvaluationRefusal.reader == reader, EvaluationRefusal.at_ms > since_ms
    )
    return desk.session.scalar(found) or 0


def _log_refusal(desk: Desk, reader: int, item: Asked, error: KanheError) -> None:
    name = item.entry
    if item.consent is not None:
        name = item.consent.consent.digest(desk.domain)
    desk.session.add(
        EvaluationRefusal(
            at_ms=desk.now_ms,
            reader=reader,
            ticket=item.ticket,
            consent=name or ZERO32,
            blinded=hashlib.sha256(item.blinded).digest(),
            code=error.code[:40],
            says=error.message,
        )
    )


def make_desk(
    session: Session,
    domain: Domain,
    epoch: EpochCommittee,
    *,
    now_ms: int,
    authorities: Sequence[x509.Certificate],
) -> Desk:
    """Return what a request is checked with; raises KEY_EPOCH_NOT_USABLE."""
    now = now_of(session)
    current = current_key_epoch(session, now)
    if epoch.key_epoch < max(current, 1):
        raise _refuse(
            "KEY_EPOCH_NOT_USABLE",
            "key_epoch",
            f"key epoch {epoch.key_epoch} is over, {current} is in use",
        )
    trust = trust_of(session, authorities)
    return Desk(session, domain, epoch, current, now, now_ms, trust, forgets_to(session))


def _refuse(code: str, field_: str, says: str) -> ProtocolError:
    return ProtocolError(
        code, says, where=Where(field=field_), help="This item was neither evaluated nor counted."
    )
