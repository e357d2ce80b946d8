"""Every contract call this node makes, as an intent of the outbox: subjects, lanes, arguments.

A subject names the effect, so that the same effect is asked for once however often a crash
repeats the asking. All sends for one side of one agreement share one lane (ledger.md); what the
admin key sends goes in another, and what binds no side in the registry's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from node.identity import Identity
from node.outbox import append_intent
from node.tables import Intent, SealedPayload
from reconcile.model import Side

REGISTRY: Final = "Registry"
LEDGER: Final = "Ledger"
REFUSED: Final = "REFUSED"
ASK_AGAIN_MS: Final = 60_000
# What a closing meets when the batches before it had to be sealed again.
WITHDRAWN_CODES: Final = frozenset(
    {"SEQUENCE_TAKEN", "PAYLOAD_WITHDRAWN", "HEAD_MISMATCH", "BATCH_OUT_OF_SEQUENCE"}
)
KeyTuple = tuple[str, int, int, bytes]
Wrap = tuple[int, int, bytes]


class Calls:
    """Appends intents inside the caller's transaction; each method returns the intent's id."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    def pending(self, session: Session, subject: str) -> bool:
        """Say whether this effect was asked for and not refused.

        One that the chain refused a moment ago counts too: asking again at once gets the same
        answer. One whose batch was withdrawn may be asked for at once.
        """
        state = session.execute(
            select(Intent.state).where(Intent.subject == subject)
        ).scalar_one_or_none()
        if state is not None and state != REFUSED:
            return True
        refused = session.execute(
            select(Intent.error_code)
            .where(
                Intent.subject.startswith(f"{subject}#refused-", autoescape=True),
                Intent.created_at_ms > self._identity.clock() - ASK_AGAIN_MS,
            )
            .order_by(Intent.id.desc())
            .limit(1)
        ).scalar_one_or_none()
        return refused is not None and refused not in WITHDRAWN_CODES

    # ------------------------------------------------------------------------ registry
    def register_key(
        self, session: Session, key: str, role: int, valid_from: int, valid_to: int, proof: bytes
    ) -> int:
        """Register a key of this member (ADMIN)."""
        args = (key, role, valid_from, valid_to, proof)
        return self._admin(session, "registerKey", args, f"key/{key.lower()}")

    def end_key(self, session: Session, key: str, last_block: int) -> int:
        """End a key of this member (ADMIN)."""
        return self._admin(
            session, "endKey", (key, last_block), f"endkey/{key.lower()}/{last_block}"
        )

    def mark_compromised(self, session: Session, key: str, since_s: int) -> int:
        """Say that a key was in other hands (ADMIN)."""
        subject = f"compromised/{key.lower()}/{since_s}"
        return self._admin(session, "markCompromised", (key, since_s), subject)

    def sponsor(self, session: Session, commitment: bytes, admin: KeyTuple) -> int:
        """Admit a participant under this member's sponsorship (ADMIN)."""
        args = (commitment, admin)
        return self._admin(session, "sponsorParticipant", args, f"sponsor/{commitment.hex()}")

    def open_motion(
        self, session: Session, motion: bytes, action: int, target: bytes, argument: bytes
    ) -> int:
        """Open a motion, which approves it in this member's name (ADMIN)."""
        args = (action, target, argument)
        return self._admin(session, "openMotion", args, f"motion/{motion.hex()}")

    def approve_motion(self, session: Session, motion: bytes) -> int:
        """Approve a motion (ADMIN)."""
        return self._admin(session, "approveMotion", (motion,), f"approve/{motion.hex()}")

    def execute_motion(self, session: Session, motion: bytes, argument: bytes) -> int:
        """Execute a motion whose approvals suffice (ADMIN)."""
        return self._admin(session, "executeMotion", (motion, argument), f"execute/{motion.hex()}")

    def sealing_subject(self, member: int, agreement: bytes, generation: int) -> str:
        """Return the subject of a sealing key's publication."""
        return f"sealing/{member}/{agreement.hex()}/{generation}"

    def publish_sealing_key(
        self,
        session: Session,
        member: int,
        agreement: bytes,
        generation: int,
        *,
        ends_at_s: int,
        public_key: bytes,
    ) -> int:
        """Publish a generation of a sealing key (POSTER)."""
        return self._append(
            session,
            kind="sealing",
            contract=REGISTRY,
            call="publishSealingKey",
            args=(agreement, generation, ends_at_s, public_key),
            subject=self.sealing_subject(member, agreement, generation),
            lane_key="registry",
            agreement=agreement if any(agreement) else None,
        )

    # ---------------------------------------------------------------------- agreements
    def open_agreement(self, session: Session, agreement: bytes, args: Sequence[Any]) -> int:
        """Open an agreement; `args` are those of `open`, the signature last."""
        return self._ledger(session, "open", args, f"open/{agreement.hex()}", agreement)

    def accept(
        self, session: Session, agreement: bytes, terms_hash: bytes, signature: bytes
    ) -> int:
        """Accept an agreement, or proposed terms."""
        subject = f"accept/{agreement.hex()}/{terms_hash.hex()}"
        args = (agreement, terms_hash, signature)
        return self._ledger(session, "accept", args, subject, agreement)

    def propose_terms(self, session: Session, agreement: bytes, args: Sequence[Any]) -> int:
        """Propose terms; `args` are those of `proposeTerms`."""
        terms_hash, window = args[1], args[2]
        subject = f"propose/{agreement.hex()}/{terms_hash.hex()}/{window}"
        return self._ledger(session, "proposeTerms", args, subject, agreement)

    def end(self, session: Session, agreement: bytes, last_window: int, signature: bytes) -> int:
        """End an agreement after a window, or give notice of it."""
        args = (agreement, last_window, signature)
        subject = f"end/{agreement.hex()}/{last_window}"
        return self._ledger(session, "end", args, subject, agreement)

    # ---------------------------------------------------------------------- epoch keys
    def epoch_subject(self, agreement: bytes, side: Side, epoch: int) -> str:
        """Return the subject of an epoch key's publication."""
        return f"epoch/{agreement.hex()}/{int(side)}/{epoch}"

    def answer_subject(self, agreement: bytes, side: Side, epoch: int) -> str:
        """Return the subject of the answer to an epoch key."""
        return f"answer/{agreement.hex()}/{int(side)}/{epoch}"

    def publish_key(
        self,
        session: Session,
        agreement: bytes,
        side: Side,
        epoch: int,
        commitment: bytes,
        wraps: Sequence[Wrap],
    ) -> int:
        """Publish a side's epoch key, wrapped for every reader."""
        args = (agreement, int(side), epoch, commitment, list(wraps))
        subject = self.epoch_subject(agreement, side, epoch)
        return self._ledger(session, "publishKey", args, subject, agreement, side)

    def acknowledge_key(self, session: Session, agreement: bytes, side: Side, epoch: int) -> int:
        """Say that the other side's epoch key opened and matched."""
        subject = self.answer_subject(agreement, side, epoch)
        args = (agreement, int(side), epoch)
        return self._ledger(session, "acknowledgeKey", args, subject, agreement, side.other)

    def reject_key(
        self, session: Session, agreement: bytes, side: Side, epoch: int, reason: int
    ) -> int:
        """Reject the other side's epoch key, with the reason."""
        subject = self.answer_subject(agreement, side, epoch)
        args = (agreement, int(side), epoch, reason)
        return self._ledger(session, "rejectKey", args, subject, agreement, side.other)

    # ------------------------------------------------------------------------- streams
    def post(self, session: Session, payload: SealedPayload) -> int:
        """Post a sealed batch."""
        agreement, side = payload.agreement, Side(payload.side)
        args = (
            agreement,
            payload.side,
            payload.seq,
            payload.window,
            payload.prev_head,
            payload.commitment,
            payload.epoch,
            payload.payload,
        )
        return self._append(
            session,
            kind="post",
            contract=LEDGER,
            call="post",
            args=args,
            subject=f"post/{agreement.hex()}/{payload.side}/{payload.seq}",
            lane_key=lane(agreement, side),
            agreement=agreement,
            side=side,
            seq=payload.seq,
            window=payload.window,
        )

    def close_subject(self, agreement: bytes, side: Side, window: int) -> str:
        """Return the subject of a closing."""
        return f"close/{agreement.hex()}/{int(side)}/{window}"

    def close_window(
        self, session: Session, agreement: bytes, side: Side, window: int, seq: int, head: bytes
    ) -> int:
        """Close a window at a seq and head: "this is all I have"."""
        return self._append(
            session,
            kind="close",
            contract=LEDGER,
            call="closeWindow",
            args=(agreement, int(side), window, seq, head),
            subject=self.close_subject(agreement, side, window),
            lane_key=lane(agreement, side),
            agreement=agreement,
            side=side,
            seq=seq,
            window=window,
        )

    def close_by_default(
        self, session: Session, agreement: bytes, side: Side, window: int, epoch: int
    ) -> int:
        """Close a silent side's window at its head."""
        subject = f"default/{agreement.hex()}/{int(side)}/{window}"
        args = (agreement, int(side), window, epoch)
        return self._append(
            session,
            kind="default",
            contract=LEDGER,
            call="closeByDefault",
            args=args,
            subject=subject,
            lane_key=lane(agreement, side.other),
            agreement=agreement,
            side=side.other,
            window=window,
        )

    def attest(self, session: Session, agreement: bytes, side: Side, args: Sequence[Any]) -> int:
        """Record a signed result; `args` are those of `attest`."""
        window, revision = args[2], args[3]
        return self._append(
            session,
            kind="attest",
            contract=LEDGER,
            call="attest",
            args=args,
            subject=f"attest/{agreement.hex()}/{int(side)}/{window}/{revision}",
            lane_key=lane(agreement, side),
            agreement=agreement,
            side=side,
            window=window,
        )

    # ------------------------------------------------------------------------- inside
    def _admin(self, session: Session, call: str, args: Sequence[Any], subject: str) -> int:
        return self._append(
            session,
            kind="registry",
            contract=REGISTRY,
            call=call,
            args=args,
            subject=subject,
            lane_key="admin",
        )

    def _ledger(
        self,
        session: Session,
        call: str,
        args: Sequence[Any],
        subject: str,
        agreement: bytes,
        side: Side | None = None,
    ) -> int:
        return self._append(
            session,
            kind=call,
            contract=LEDGER,
            call=call,
            args=args,
            subject=subject,
            lane_key=lane(agreement, side) if side is not None else "registry",
            agreement=agreement,
            side=side,
        )

    def _append(
        self,
        session: Session,
        *,
        kind: str,
        contract: str,
        call: str,
        args: Sequence[Any],
        subject: str,
        lane_key: str,
        agreement: bytes | None = None,
        side: Side | None = None,
        seq: int | None = None,
        window: int | None = None,
    ) -> int:
        return append_intent(
            session,
            kind=kind,
            contract=contract,
            call=call,
            args=args,
            subject=subject,
            lane_key=lane_key,
            agreement=agreement,
            side=None if side is None else int(side),
            seq=seq,
            window=window,
            now_ms=self._identity.clock(),
        )


def lane(agreement: bytes, side: Side) -> str:
    """Return the lane of one side of one agreement."""
    return f"{agreement.hex()}/{int(side)}"
