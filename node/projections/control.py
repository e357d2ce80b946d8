"""The control plane: facts appended to `chain_events`, state folded from them.

The fold is a function of the facts in block order and of nothing else. After a rewind the folded
tables are emptied and folded again; these events are rare, so that costs milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from eth_utils.crypto import keccak
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from node.chain.codec import Event, RawLog, is_text, json_args
from node.tables import (
    Agreement,
    AgreementTerms,
    ChainEvent,
    EpochKey,
    Member,
    MemberKey,
    Motion,
    SealingKey,
)

ROLES: Final = ("NONE", "ADMIN", "POSTER", "APPROVER")
ACTIONS: Final = ("NONE", "ADMIT", "SUSPEND", "REINSTATE", "REVOKE", "REPLACE_ADMIN")
REJECT_REASONS: Final = ("NONE", "DOES_NOT_OPEN", "DOES_NOT_MATCH", "OTHER")
NO_SIDE: Final = 2
FOLDED: Final = (Member, MemberKey, Motion, SealingKey, Agreement, AgreementTerms, EpochKey)
Args = Mapping[str, Any]


def append(session: Session, event: Event, log: RawLog, time_s: int) -> ChainEvent:
    """Append one fact and fold it into the state."""
    args = json_args(event.args)
    subject = event.args.get("agreement")
    row = ChainEvent(
        contract=event.contract,
        name=event.name,
        args=args,
        tx_hash=log.tx_hash,
        block_time_s=time_s,
        block_number=log.block_number,
        log_index=log.log_index,
        agreement=subject if isinstance(subject, bytes) and any(subject) else None,
        member=event.args.get("member"),
    )
    session.add(row)
    _fold(session, row)
    return row


def rewind(session: Session, block: int) -> list[ChainEvent]:
    """Delete the facts above `block` and fold the rest anew; return what was deleted."""
    lost = session.scalars(
        select(ChainEvent).where(ChainEvent.block_number > block).order_by(ChainEvent.id)
    ).all()
    if lost:
        session.execute(delete(ChainEvent).where(ChainEvent.block_number > block))
        refold(session)
    return list(lost)


def refold(session: Session) -> None:
    """Empty the folded tables and fold every fact again."""
    session.flush()
    for table in FOLDED:
        session.execute(delete(table))
    session.expire_all()
    facts = select(ChainEvent).order_by(ChainEvent.block_number, ChainEvent.log_index)
    for fact in session.scalars(facts).all():
        _fold(session, fact)


def _fold(session: Session, fact: ChainEvent) -> None:
    step = _STEPS.get(fact.name)
    if step is not None:
        step(session, fact, fact.args)
        # Later facts of the same transaction look up what this one wrote.
        session.flush()


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text[2:])


def _address(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def _number(value: object) -> int:
    """Return a uint64, which may stand as text."""
    return int(str(value))


def _place(fact: ChainEvent) -> dict[str, int]:
    return {"block_number": fact.block_number, "log_index": fact.log_index}


# ------------------------------------------------------------------------------------ members
def _member_admitted(session: Session, fact: ChainEvent, args: Args) -> None:
    session.add(
        Member(
            member=args["member"],
            kind="FULL" if args["full"] else "PARTICIPANT",
            state="ACTIVE",
            sponsor=args["sponsor"] or None,
            # Where the code is no text only its hash stands: the member itself is a fact.
            code=args["codeText"][:256] or None if is_text(args["codeText"]) else None,
            code_hash=_bytes(args["code"]),
            generation=0,
            admitted_at_s=fact.block_time_s,
            **_place(fact),
        )
    )


def _standing(state: str) -> Callable[[Session, ChainEvent, Args], None]:
    def step(session: Session, fact: ChainEvent, args: Args) -> None:
        member = session.get_one(Member, args["member"])
        member.state = state
        member.generation += 1
        member.block_number, member.log_index = fact.block_number, fact.log_index

    return step


def _key_registered(session: Session, fact: ChainEvent, args: Args) -> None:
    session.add(
        MemberKey(
            address=_address(args["key"]),
            member=args["member"],
            role=ROLES[args["role"]],
            state="ACTIVE",
            valid_from=_number(args["validFrom"]),
            valid_to=_number(args["validTo"]),
            ending_from=None,
            compromised_since_s=None,
            **_place(fact),
        )
    )


def _key(session: Session, args: Args) -> MemberKey:
    return session.get_one(MemberKey, _address(args["key"]))


def _key_cancelled(session: Session, _fact: ChainEvent, args: Args) -> None:
    key = _key(session, args)
    key.state, key.valid_to, key.ending_from = "CANCELLED", 0, None


def _key_ended(session: Session, _fact: ChainEvent, args: Args) -> None:
    key = _key(session, args)
    if args["pending"]:
        key.ending_from = key.valid_to if key.ending_from is None else key.ending_from
    else:
        key.ending_from = None
    key.state, key.valid_to = "ENDED", _number(args["validTo"])


def _key_ending_cancelled(session: Session, _fact: ChainEvent, args: Args) -> None:
    key = _key(session, args)
    key.state, key.valid_to, key.ending_from = "ACTIVE", _number(args["validTo"]), None


def _key_compromised(session: Session, _fact: ChainEvent, args: Args) -> None:
    _key(session, args).compromised_since_s = _number(args["since_s"])


def _motion_opened(session: Session, fact: ChainEvent, args: Args) -> None:
    session.add(
        Motion(
            motion=_bytes(args["motion"]),
            action=ACTIONS[args["action"]],
            target=_bytes(args["target"]),
            argument=_bytes(args["argument"]),
            proposer=args["proposer"],
            approvers=[],
            state="OPEN",
            generation=args["generation"],
            round=args["round"],
            expires_at=_number(args["expiresAt"]),
            opened_at_s=fact.block_time_s,
            **_place(fact),
        )
    )


def _motion_approved(session: Session, _fact: ChainEvent, args: Args) -> None:
    motion = session.get_one(Motion, _bytes(args["motion"]))
    motion.approvers = [*motion.approvers, args["member"]]


def _motion_executed(session: Session, _fact: ChainEvent, args: Args) -> None:
    session.get_one(Motion, _bytes(args["motion"])).state = "EXECUTED"


def _sealing_key(session: Session, fact: ChainEvent, args: Args) -> None:
    public = _bytes(args["publicKey"])
    session.add(
        SealingKey(
            member=args["member"],
            agreement=_bytes(args["agreement"]),
            generation=args["generation"],
            key_hash=keccak(public),
            public_key=public,
            ends_at_s=_number(args["endsAt_s"]),
            published_at_s=fact.block_time_s,
            **_place(fact),
        )
    )


# ------------------------------------------------------------------------------------ agreements
def _agreement_opened(session: Session, fact: ChainEvent, args: Args) -> None:
    opening = args["opening"]
    agreement = _bytes(args["agreement"])
    sealed_terms = _bytes(opening["sealedTerms"])
    represented = opening["representedSide"]
    session.add(
        Agreement(
            agreement=agreement,
            kind=opening["kind"],
            servicer=opening["servicer"],
            owner=opening["owner"],
            observers=opening["observers"],
            represented_side=None if represented == NO_SIDE else represented,
            party_commitment=_bytes(opening["partyCommitment"]),
            predecessor=_bytes(opening["predecessor"]),
            successor=None,
            terms_hash=_bytes(opening["termsHash"]),
            utc_offset_min=opening["utcOffset_min"],
            default_after_days=opening["defaultAfter_days"],
            sealed_terms=sealed_terms,
            state="OPENED",
            opened_at_s=fact.block_time_s,
            **_place(fact),
        )
    )
    session.add(
        AgreementTerms(
            agreement=agreement,
            terms_hash=_bytes(opening["termsHash"]),
            from_window=0,
            proposed_from=0,
            observers=opening["observers"],
            sealed_terms=sealed_terms,
            side=None,
            state="PROPOSED",
            proposed_at_s=fact.block_time_s,
            **_place(fact),
        )
    )


def _agreement_activated(session: Session, fact: ChainEvent, args: Args) -> None:
    agreement = session.get_one(Agreement, _bytes(args["agreement"]))
    agreement.state, agreement.activated_at_s = "ACTIVE", fact.block_time_s
    session.execute(
        update(AgreementTerms)
        .where(AgreementTerms.agreement == agreement.agreement, AgreementTerms.from_window == 0)
        .values(state="IN_FORCE", accepted_at_s=fact.block_time_s)
    )
    earlier = session.get(Agreement, agreement.predecessor)
    if earlier is not None:
        earlier.successor = agreement.agreement


def _agreement_state(state: str) -> Callable[[Session, ChainEvent, Args], None]:
    def step(session: Session, fact: ChainEvent, args: Args) -> None:
        agreement = session.get_one(Agreement, _bytes(args["agreement"]))
        agreement.state = state
        if "lastWindow" in args:
            agreement.last_window = args["lastWindow"]
        if state == "ENDED":
            agreement.ended_at_s = fact.block_time_s

    return step


def _terms_proposed(session: Session, fact: ChainEvent, args: Args) -> None:
    agreement = _bytes(args["agreement"])
    session.execute(
        update(AgreementTerms)
        .where(
            AgreementTerms.agreement == agreement,
            AgreementTerms.side == args["side"],
            AgreementTerms.state == "PROPOSED",
        )
        .values(state="REPLACED")
    )
    session.add(
        AgreementTerms(
            agreement=agreement,
            terms_hash=_bytes(args["termsHash"]),
            from_window=args["fromWindow"],
            proposed_from=args["fromWindow"],
            observers=args["observers"],
            sealed_terms=_bytes(args["sealedTerms"]),
            side=args["side"],
            state="PROPOSED",
            proposed_at_s=fact.block_time_s,
            **_place(fact),
        )
    )


def _terms_changed(session: Session, fact: ChainEvent, args: Args) -> None:
    agreement = _bytes(args["agreement"])
    proposed = session.scalars(
        select(AgreementTerms)
        .where(
            AgreementTerms.agreement == agreement,
            AgreementTerms.terms_hash == _bytes(args["termsHash"]),
            AgreementTerms.proposed_from == args["proposedFrom"],
            AgreementTerms.state == "PROPOSED",
        )
        .order_by(AgreementTerms.id.desc())
        .limit(1)
    ).one()
    proposed.state, proposed.from_window = "IN_FORCE", args["fromWindow"]
    proposed.accepted_at_s = fact.block_time_s


# ------------------------------------------------------------------------------------ epoch keys
def _epoch_published(session: Session, fact: ChainEvent, args: Args) -> None:
    wraps = [
        {"recipient": w["recipient"], "generation": w["generation"], "hpke": w["sealedKey"]}
        for w in args["wraps"]
    ]
    session.add(
        EpochKey(
            agreement=_bytes(args["agreement"]),
            side=args["side"],
            epoch=args["epoch"],
            key_commitment=_bytes(args["keyCommitment"]),
            wraps=wraps,
            state="PUBLISHED",
            published_at_s=fact.block_time_s,
            **_place(fact),
        )
    )


def _epoch_answered(state: str) -> Callable[[Session, ChainEvent, Args], None]:
    def step(session: Session, fact: ChainEvent, args: Args) -> None:
        name = (_bytes(args["agreement"]), args["side"], args["epoch"])
        key = session.get_one(EpochKey, name)
        key.state, key.answered_at_s = state, fact.block_time_s
        if "reason" in args:
            key.reason = REJECT_REASONS[args["reason"]]

    return step


_STEPS: Final[Mapping[str, Callable[[Session, ChainEvent, Args], None]]] = {
    "MemberAdmitted": _member_admitted,
    "MemberSuspended": _standing("SUSPENDED"),
    "MemberReinstated": _standing("ACTIVE"),
    "MemberRevoked": _standing("REVOKED"),
    "KeyRegistered": _key_registered,
    "KeyCancelled": _key_cancelled,
    "KeyEnded": _key_ended,
    "KeyEndingCancelled": _key_ending_cancelled,
    "KeyCompromised": _key_compromised,
    "MotionOpened": _motion_opened,
    "MotionApproved": _motion_approved,
    "MotionExecuted": _motion_executed,
    "SealingKeyPublished": _sealing_key,
    "AgreementOpened": _agreement_opened,
    "AgreementActivated": _agreement_activated,
    "AgreementWithdrawn": _agreement_state("WITHDRAWN"),
    "EndNotice": _agreement_state("ENDING"),
    "AgreementEnded": _agreement_state("ENDED"),
    "TermsProposed": _terms_proposed,
    "TermsChanged": _terms_changed,
    "EpochKeyPublished": _epoch_published,
    "EpochKeyAcknowledged": _epoch_answered("ACKNOWLEDGED"),
    "EpochKeyRejected": _epoch_answered("REJECTED"),
}
# Facts without a state of their own: `KeyEnded` and `KeyRegistered` come beside AdminReplaced.
WITHOUT_STATE: Final = frozenset({"AdminReplaced"})
# The data plane: rows of their own, see `data.py`.
DATA_EVENTS: Final = frozenset({"BatchPosted", "WindowClosed", "ResultAttested", "ResultAgreed"})


def known_events() -> frozenset[str]:
    """Return every event that the projections understand; a test compares the ABI."""
    return frozenset(_STEPS) | WITHOUT_STATE | DATA_EVENTS
