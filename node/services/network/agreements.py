"""Agreements and their terms: opening, accepting, changing, ending; and how they are shown."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

from eth_abi.abi import encode
from eth_utils.crypto import keccak
from sqlalchemy import exists, select, union_all
from sqlalchemy.orm import Session

from node.agreements import Facts, all_facts, facts_of, member_name, terms_hash_at
from node.crypto.keys import SealingPublicKey
from node.identity import Identity, Place, address_bytes, chain_time_s
from node.keyring import GENERAL
from node.services.network.sealed_terms import Recipient, open_terms, seal_terms
from node.services.network.sealing_keys import newest_sealing_key
from node.services.network.views import AgreementView, SideView, TermsView
from node.tables import (
    AgreedResult,
    Agreement,
    AgreementTerms,
    EpochKey,
    PartyName,
    StreamState,
    TermsDocument,
)
from reconcile.model import OutsideError, ProtocolError, Side
from reconcile.terms import Terms, canonical_terms, parse_terms, terms_hash

NOBODY: Final = 2
ACK_BY_S: Final = 86_400
ACKNOWLEDGED: Final = "ACKNOWLEDGED"
PUBLISHED: Final = "PUBLISHED"
OPEN_TYPES: Final = (
    "uint256",
    "address",
    "uint8",
    "uint32",
    "uint32",
    "uint32[]",
    "bytes32",
    "int16",
    "uint8",
    "uint8",
    "bytes32",
    "bytes32",
    "bytes",
    "uint256",
)


def agreement_id(place: Place, opening: Sequence[object]) -> bytes:
    """Return keccak256(abi.encode(chain id, contract, arguments of `open` but the signature))."""
    contract = "0x" + place.ledger.hex()
    return keccak(encode(OPEN_TYPES, (place.chain_id, contract, *opening)))


def keep_terms(session: Session, terms: Terms, *, now_ms: int) -> bytes:
    """Keep terms in clear under their hash; return it."""
    digest = terms_hash(terms)
    if session.get(TermsDocument, digest) is None:
        session.add(
            TermsDocument(terms_hash=digest, body=canonical_terms(terms), kept_at_ms=now_ms)
        )
        session.flush()
    return digest


def sealed_for(session: Session, terms: Terms, members: Sequence[int], place: Place) -> bytes:
    """Seal terms to the members' general keys; `OutsideError` SEALING_KEY_MISSING."""
    recipients = []
    for member in sorted({item for item in members if item}):
        key = newest_sealing_key(session, member, GENERAL)
        if key is None:
            raise OutsideError(
                "SEALING_KEY_MISSING",
                f"{member_name(session, member)} (member {member}) has published no general "
                "sealing key yet",
                help="its node publishes one by itself once its poster key counts; try again then",
            )
        recipients.append(Recipient(member, key.generation, SealingPublicKey.parse(key.public_key)))
    return seal_terms(canonical_terms(terms), recipients, place)


def approve_terms(
    identity: Identity,
    agreement: bytes,
    digest: bytes,
    from_window: int,
    observers: Sequence[int],
) -> bytes:
    """Return the approver's signature under terms."""
    typed = identity.place.ledger_domain.terms(
        agreement=agreement, terms_hash=digest, from_window=from_window, observers=observers
    )
    return identity.keys.approver.sign_digest(typed)


_UNREAD: Final = union_all(
    *(
        select(table.terms_hash, table.sealed_terms).where(
            ~exists().where(TermsDocument.terms_hash == table.terms_hash)
        )
        for table in (Agreement, AgreementTerms)
    )
)


def open_sealed_terms(session: Session, identity: Identity, member: int, *, now_ms: int) -> int:
    """Open every terms document on the ledger that this node cannot read yet; return how many.

    What does not open stays closed and is said when its terms are needed (TERMS_NOT_OPENED).
    """
    rows = session.execute(_UNREAD).all()
    if not rows:
        return 0
    keys = identity.keys.ring.sealing_keys(session, GENERAL)
    opened = 0
    for digest, sealed in {row.terms_hash: row.sealed_terms for row in rows}.items():
        try:
            body = open_terms(sealed, digest, member, keys, identity.place)
            parse_terms(body)
        except ProtocolError:
            continue
        session.add(TermsDocument(terms_hash=digest, body=body, kept_at_ms=now_ms))
        opened += 1
    return opened


# --------------------------------------------------------------------------- views
def agreement_views(session: Session, member: int | None) -> tuple[AgreementView, ...]:
    """Return every agreement this node sees."""
    return tuple(_view(session, facts) for facts in all_facts(session, member))


def agreement_view(session: Session, agreement: bytes, member: int | None) -> AgreementView:
    """Return one agreement; `UsageError` AGREEMENT_UNKNOWN."""
    return _view(session, facts_of(session, agreement, member))


def agreement_label(session: Session, agreement: bytes) -> str:
    """Return what this node calls an agreement, else the beginning of its id."""
    row = session.get(PartyName, f"agreement/{agreement.hex()}")
    return row.name if row is not None else agreement.hex()[:12]


def _view(session: Session, facts: Facts) -> AgreementView:
    named = session.get(PartyName, f"agreement/{facts.agreement.hex()}")
    digest = terms_hash_at(session, facts.agreement, None)
    document = session.get(TermsDocument, digest)
    terms = None if document is None else parse_terms(document.body)
    agreed = session.execute(
        select(AgreedResult)
        .where(AgreedResult.agreement == facts.agreement)
        .order_by(AgreedResult.window.desc())
        .limit(1)
    ).scalar_one_or_none()
    return AgreementView(
        agreement=facts.agreement,
        label=named.name if named is not None else facts.agreement.hex()[:12],
        kind=facts.kind,
        servicer=facts.servicer,
        owner=facts.owner,
        observers=facts.observers,
        represented_side=facts.represented,
        our_side=facts.our_side,
        state="OFFERED" if facts.state == "OPENED" else facts.state,
        terms_hash=digest,
        terms_known=terms is not None,
        account=named.account_masked if named is not None else None,
        currencies=() if terms is None else tuple(sorted(terms.currencies)),
        sides=(
            _side_view(session, facts, Side.SERVICER),
            _side_view(session, facts, Side.OWNER),
        ),
        agreed_window=None if agreed is None else agreed.window,
        agreed_digest=None if agreed is None else agreed.digest,
    )


def _side_view(session: Session, facts: Facts, side: Side) -> SideView:
    state = session.get(StreamState, (facts.agreement, int(side)))
    epoch = session.execute(
        select(EpochKey)
        .where(EpochKey.agreement == facts.agreement, EpochKey.side == int(side))
        .order_by(EpochKey.epoch.desc())
        .limit(1)
    ).scalar_one_or_none()
    member = facts.member_of(side)
    return SideView(
        side=side,
        member=member,
        name=member_name(session, member),
        represented=side is facts.represented,
        seq=0 if state is None else state.last_seq,
        head=bytes(32) if state is None else state.head,
        epoch=None if epoch is None else epoch.epoch,
        epoch_state=None if epoch is None else epoch.state,
        epoch_usable=_usable(session, facts, side),
        closed_window=None if state is None else state.closed_window,
        batches=0 if state is None else state.batch_count,
        entries=0 if state is None else state.entry_count,
        invalid=0 if state is None else state.invalid_count,
        watermark_ms=None if state is None else state.complete_until_ms,
        contiguous=True if state is None else state.contiguous,
    )


def _usable(session: Session, facts: Facts, side: Side) -> bool:
    """Say whether a side may post under some epoch: acknowledged, or unanswered for long enough."""
    now_s = chain_time_s(session)
    rows = session.execute(
        select(EpochKey.state, EpochKey.published_at_s).where(
            EpochKey.agreement == facts.agreement, EpochKey.side == int(side)
        )
    )
    return any(
        state == ACKNOWLEDGED
        or (
            state == PUBLISHED
            and (facts.represented is not None or now_s >= published_s + ACK_BY_S)
        )
        for state, published_s in rows
    )


def terms_views(session: Session, agreement: bytes) -> tuple[TermsView, ...]:
    """Return an agreement's terms, newest first."""
    rows = session.execute(
        select(AgreementTerms)
        .where(AgreementTerms.agreement == agreement)
        .order_by(AgreementTerms.from_window.desc(), AgreementTerms.id.desc())
    ).scalars()
    return tuple(
        TermsView(
            terms_hash=row.terms_hash,
            from_window=row.from_window,
            side=None if row.side is None else Side(row.side),
            state=row.state,
            known=session.get(TermsDocument, row.terms_hash) is not None,
        )
        for row in rows
    )


def opening_nonce(identity: Identity, label: str, now_ms: int) -> int:
    """Return a nonce that tells two openings with equal arguments apart."""
    seed = address_bytes(identity.keys.poster) + now_ms.to_bytes(8, "big") + label.encode()
    return int.from_bytes(hashlib.sha256(seed).digest()[:8], "big")
